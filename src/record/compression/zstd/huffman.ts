/**
 * Huffman coded literals of zstd (RFC 8878, section 4.2): decoding. @hot
 *
 * Bit streams are read backwards: from the highest 1 bit of the last byte, which only marks the end, down to the first
 * byte. `bitPosition` counts the bits still to come from the start of the buffer, so a read of n bits is the n bits
 * below it. A stream is well formed if it ends exactly at its start.
 */
import { FseDecodeTable, highBit, readDistribution } from './fse.ts'
import { damagedZstd } from './frame.ts'

export const HUFFMAN_BITS_MAX = 11
const WEIGHTS_MAX = 255 // The last symbol's weight is implied.
const WEIGHT_LOG_MAX = 6
const WEIGHT_VALUES = HUFFMAN_BITS_MAX + 1

export class HuffmanDecodeTable {
  /** By the next tableBits bits: code length << 8 | symbol. */
  readonly entries = new Uint16Array(1 << HUFFMAN_BITS_MAX)
  tableBits = 0
  readonly #weights = new Uint8Array(WEIGHTS_MAX + 1)
  readonly #ranks = new Int32Array(HUFFMAN_BITS_MAX + 2)
  readonly #shares = new Int16Array(WEIGHT_VALUES)
  readonly #weightTable = new FseDecodeTable()

  /** Reads the tree description at `bytes[position .. end)` and returns the position after it. */
  read(bytes: Uint8Array, position: number, end: number): number {
    if (position >= end) throw damagedZstd('Huffman tree is missing', position)
    const header = bytes[position++]!
    let weightCount: number
    let next: number
    if (header < 128) {
      next = position + header
      if (next > end) throw damagedZstd('Huffman weights run past the end', position)
      weightCount = this.#readWeights(bytes, position, next)
    } else {
      weightCount = header - 127
      next = position + ((weightCount + 1) >> 1)
      if (next > end) throw damagedZstd('Huffman weights run past the end', position)
      for (let index = 0; index < weightCount; index++) {
        const pair = bytes[position + (index >> 1)]!
        this.#weights[index] = (index & 1) === 0 ? pair >>> 4 : pair & 15
      }
    }
    this.#build(weightCount, position)
    return next
  }

  /** Weights come from two FSE states in turn, until one of them has no bits left to go on. */
  #readWeights(bytes: Uint8Array, position: number, end: number): number {
    const shares = this.#shares
    const distribution = readDistribution(bytes, position, end, WEIGHT_LOG_MAX, WEIGHT_VALUES, shares)
    const { accuracyLog } = distribution
    const { entries } = this.#weightTable.build(shares, distribution.symbolCount, accuracyLog)
    const floor = distribution.end * 8
    let bitPosition = streamBits(bytes, distribution.end, end) - 2 * accuracyLog
    if (bitPosition < floor) throw damagedZstd('Huffman weights are cut off', position)
    let current = readBits(bytes, bitPosition + accuracyLog, accuracyLog)
    let other = readBits(bytes, bitPosition, accuracyLog)
    let count = 0
    for (;;) {
      if (count > WEIGHTS_MAX - 2) throw damagedZstd('Huffman tree has too many weights', position)
      const entry = entries[current]!
      this.#weights[count++] = entry & 0xff
      const bits = (entry >>> 8) & 0xff
      bitPosition -= bits
      if (bitPosition < floor) {
        this.#weights[count++] = entries[other]! & 0xff
        return count
      }
      current = other // The states take turns.
      other = (entry >>> 16) + readBits(bytes, bitPosition, bits)
    }
  }

  #build(weightCount: number, position: number): void {
    const weights = this.#weights
    const ranks = this.#ranks.fill(0)
    let total = 0
    for (let symbol = 0; symbol < weightCount; symbol++) {
      const weight = weights[symbol]!
      if (weight > HUFFMAN_BITS_MAX) throw damagedZstd('Huffman weight is too large', position)
      if (weight > 0) total += 1 << (weight - 1)
      ranks[weight]! += 1
    }
    if (total === 0) throw damagedZstd('Huffman tree is empty', position)
    const tableBits = highBit(total) + 1
    const rest = (1 << tableBits) - total
    if (tableBits > HUFFMAN_BITS_MAX || (rest & (rest - 1)) !== 0) {
      throw damagedZstd('Huffman weights make no tree', position)
    }
    const lastWeight = highBit(rest) + 1
    weights[weightCount] = lastWeight
    ranks[lastWeight]! += 1

    let start = 0
    for (let weight = 1; weight <= tableBits; weight++) {
      const count = ranks[weight]!
      ranks[weight] = start
      start += count << (weight - 1)
    }
    for (let symbol = 0; symbol <= weightCount; symbol++) {
      const weight = weights[symbol]!
      if (weight === 0) continue
      const from = ranks[weight]!
      const to = from + (1 << (weight - 1))
      this.entries.fill(((tableBits + 1 - weight) << 8) | symbol, from, to)
      ranks[weight] = to
    }
    this.tableBits = tableBits
  }

  /**
   * Decodes the stream `bytes[position .. end)` to exactly `target[at .. stop)`. Bytes before `position` and after
   * `end` must be readable (four of them), whatever their value.
   */
  decodeStream(
    bytes: Uint8Array,
    view: DataView,
    position: number,
    end: number,
    target: Uint8Array,
    at: number,
    stop: number,
  ): void {
    const { entries, tableBits } = this
    const mask = (1 << tableBits) - 1
    let bitPosition = streamBits(bytes, position, end)
    const floor = position * 8
    // Two symbols take 22 bits at most: one load of 32 serves them. What is read below `floor` has no say in a valid
    // stream, and is caught after the loop in any other.
    const shift = 22 - tableBits
    const pairStop = stop - 1
    while (at < pairStop && bitPosition >= floor) {
      const from = bitPosition - 22
      const window = view.getUint32(from >>> 3, true) >>> (from & 7)
      const first = entries[(window >>> shift) & mask]!
      const firstBits = first >>> 8
      const second = entries[(window >>> (shift - firstBits)) & mask]!
      target[at] = first
      target[at + 1] = second
      at += 2
      bitPosition -= firstBits + (second >>> 8)
    }
    if (at === pairStop && bitPosition >= floor) {
      const from = bitPosition - 22
      const window = view.getUint32(from >>> 3, true) >>> (from & 7)
      const entry = entries[(window >>> shift) & mask]!
      target[at++] = entry
      bitPosition -= entry >>> 8
    }
    if (at !== stop || bitPosition !== floor) throw damagedZstd('Huffman stream does not end where it should', position)
  }
}

/** Bits of the backward stream `bytes[position .. end)`, counted from the start of `bytes`, without the end mark. */
export function streamBits(bytes: Uint8Array, position: number, end: number): number {
  const last = end > position ? bytes[end - 1]! : 0
  if (last === 0) throw damagedZstd('bit stream has no end mark', position)
  return (end - 1) * 8 + highBit(last)
}

/** `count` bits, at most 16, from `bitPosition` up. */
function readBits(bytes: Uint8Array, bitPosition: number, count: number): number {
  const at = bitPosition >>> 3
  const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
  return (word >>> (bitPosition & 7)) & ((1 << count) - 1)
}
