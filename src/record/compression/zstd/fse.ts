/**
 * Finite state entropy: the tables of zstd's sequences and of its Huffman weights (RFC 8878, section 4.1).
 *
 * A distribution gives each symbol a share of 2^accuracyLog states; -1 stands for "less than one", which takes one
 * state. Both ends spread the symbols over the states in the same way, which is what this file holds in common.
 */
import { assert } from '../../../base/assert.ts'
import { damagedZstd } from './frame.ts'

export const ACCURACY_LOG_MAX = 9
const SYMBOLS_MAX = 256

/** One decoding step per state: nextBase << 16 | bits to read << 8 | symbol. */
export class FseDecodeTable {
  readonly entries = new Int32Array(1 << ACCURACY_LOG_MAX)
  accuracyLog = 0

  build(shares: Int16Array, symbolCount: number, accuracyLog: number): this {
    const size = 1 << accuracyLog
    spread(shares, symbolCount, accuracyLog, SPREAD)
    for (let symbol = 0; symbol < symbolCount; symbol++) NEXT[symbol] = Math.abs(shares[symbol]!)
    for (let state = 0; state < size; state++) {
      const symbol = SPREAD[state]!
      const next = NEXT[symbol]!
      NEXT[symbol] = next + 1
      const bits = accuracyLog - highBit(next)
      this.entries[state] = (((next << bits) - size) << 16) | (bits << 8) | symbol
    }
    this.accuracyLog = accuracyLog
    return this
  }

  /** Always `symbol`, without a bit read. */
  buildSingle(symbol: number): this {
    this.entries[0] = symbol
    this.accuracyLog = 0
    return this
  }
}

/** Encoding steps: where a symbol leads from each state. Filled from the same distribution as the decoder's table. */
export class FseEncodeTable {
  readonly states = new Uint16Array(1 << ACCURACY_LOG_MAX)
  readonly bitsDelta = new Int32Array(SYMBOLS_MAX)
  readonly stateDelta = new Int32Array(SYMBOLS_MAX)
  accuracyLog = 0

  build(shares: Int16Array, symbolCount: number, accuracyLog: number): this {
    const size = 1 << accuracyLog
    spread(shares, symbolCount, accuracyLog, SPREAD)
    let total = 0
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      const share = Math.abs(shares[symbol]!)
      NEXT[symbol] = total
      const bitsMax = share > 1 ? accuracyLog - highBit(share - 1) : accuracyLog
      this.bitsDelta[symbol] = (bitsMax << 16) - (share << bitsMax)
      this.stateDelta[symbol] = total - share
      total += share
    }
    for (let state = 0; state < size; state++) {
      const symbol = SPREAD[state]!
      this.states[NEXT[symbol]!++] = size + state
    }
    this.accuracyLog = accuracyLog
    return this
  }

  buildSingle(symbol: number): this {
    this.states[0] = 0
    this.bitsDelta[symbol] = 0
    this.stateDelta[symbol] = 0
    this.accuracyLog = 0
    return this
  }

  /** The state to begin with so that the decoder ends at `symbol`. */
  begin(symbol: number): number {
    const delta = this.bitsDelta[symbol]!
    const bits = (delta + (1 << 15)) >> 16
    return this.states[(((bits << 16) - delta) >> bits) + this.stateDelta[symbol]!]!
  }
}

const SPREAD = new Uint8Array(1 << ACCURACY_LOG_MAX)
const NEXT = new Uint16Array(SYMBOLS_MAX)

/** Puts a symbol to each state. The shares add up to the number of states. */
function spread(shares: Int16Array, symbolCount: number, accuracyLog: number, symbols: Uint8Array): void {
  const size = 1 << accuracyLog
  const step = (size >> 1) + (size >> 3) + 3
  let high = size - 1
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    if (shares[symbol] === -1) symbols[high--] = symbol
  }
  let state = 0
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (let left = shares[symbol]!; left > 0; left--) {
      symbols[state] = symbol
      do state = (state + step) & (size - 1)
      while (state > high)
    }
  }
  assert(state === 0, 'shares of a distribution add up to its states')
}

/** A distribution as read from a block. */
export interface Distribution {
  symbolCount: number
  accuracyLog: number
  /** Position after it. */
  end: number
}

/**
 * Reads a distribution at `bytes[position .. end)` into `shares`. Four bytes past `end` must be readable: their value
 * does not matter, for reading past the end is refused.
 */
export function readDistribution(
  bytes: Uint8Array,
  position: number,
  end: number,
  accuracyLogMax: number,
  symbolCountMax: number,
  shares: Int16Array,
): Distribution {
  if (position >= end) throw damagedZstd('distribution is missing', position)
  const accuracyLog = (bytes[position]! & 15) + 5
  if (accuracyLog > accuracyLogMax) throw damagedZstd(`accuracy log=${accuracyLog} is over ${accuracyLogMax}`, position)
  let bitPosition = position * 8 + 4
  const bitEnd = end * 8
  let remaining = 1 << accuracyLog
  let symbolCount = 0
  while (remaining > 0) {
    if (symbolCount >= symbolCountMax || bitPosition >= bitEnd) throw damagedZstd('distribution is damaged', position)
    // remaining + 2 values are possible; the low ones take a bit less.
    const bits = highBit(remaining + 1) + 1
    const lowMask = (1 << (bits - 1)) - 1
    const shortCount = (1 << bits) - 2 - remaining
    let value = peekBits(bytes, bitPosition) & ((1 << bits) - 1)
    if ((value & lowMask) < shortCount) {
      value &= lowMask
      bitPosition += bits - 1
    } else {
      if (value > lowMask) value -= shortCount
      bitPosition += bits
    }
    const share = value - 1
    remaining -= Math.abs(share)
    shares[symbolCount++] = share
    if (share !== 0) continue
    for (let run = 3; run === 3;) {
      if (bitPosition >= bitEnd) throw damagedZstd('distribution is damaged', position)
      run = peekBits(bytes, bitPosition) & 3
      bitPosition += 2
      if (run > symbolCountMax - symbolCount) throw damagedZstd('distribution has too many symbols', position)
      for (let index = 0; index < run; index++) shares[symbolCount++] = 0
    }
  }
  if (bitPosition > bitEnd) throw damagedZstd('distribution is damaged', position)
  return { symbolCount, accuracyLog, end: (bitPosition + 7) >>> 3 }
}

function peekBits(bytes: Uint8Array, bitPosition: number): number {
  const at = bitPosition >>> 3
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)) >>> (bitPosition & 7)
}

/** Writes a distribution at `bytes[position ..)`, returns the position after it. */
export function writeDistribution(
  bytes: Uint8Array,
  position: number,
  shares: Int16Array,
  symbolCount: number,
  accuracyLog: number,
): number {
  let container = accuracyLog - 5
  let containerBits = 4
  let remaining = 1 << accuracyLog
  for (let symbol = 0; remaining > 0;) {
    const share = shares[symbol++]!
    const bits = highBit(remaining + 1) + 1
    const lowMask = (1 << (bits - 1)) - 1
    const shortCount = (1 << bits) - 2 - remaining
    const value = share + 1
    container |= (value > lowMask ? value + shortCount : value) << containerBits
    containerBits += value < shortCount ? bits - 1 : bits
    remaining -= Math.abs(share)
    if (share === 0) {
      let run = 0
      while (symbol < symbolCount && shares[symbol] === 0) {
        symbol += 1
        run += 1
      }
      for (; run >= 3; run -= 3) {
        container |= 3 << containerBits
        containerBits += 2
        while (containerBits >= 8) {
          bytes[position++] = container
          container >>>= 8
          containerBits -= 8
        }
      }
      container |= run << containerBits
      containerBits += 2
    }
    while (containerBits >= 8) {
      bytes[position++] = container
      container >>>= 8
      containerBits -= 8
    }
  }
  if (containerBits > 0) bytes[position++] = container
  return position
}

/**
 * Scales `counts` to shares of 2^accuracyLog states, at least one for each symbol that occurs; at least two symbols
 * do, and there are no more of them than states.
 */
export function scaleCounts(
  counts: Int32Array,
  symbolCount: number,
  total: number,
  accuracyLog: number,
  shares: Int16Array,
): void {
  const size = 1 << accuracyLog
  let left = size
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const count = counts[symbol]!
    const share = count === 0 ? 0 : Math.max(1, Math.round((count * size) / total))
    shares[symbol] = share
    left -= share
  }
  // Rounding leaves little over or short: the largest share bears it best.
  while (left !== 0) {
    let largest = 0
    for (let symbol = 1; symbol < symbolCount; symbol++) if (shares[symbol]! > shares[largest]!) largest = symbol
    const change = left > 0 ? left : -Math.min(-left, Math.max(1, shares[largest]! >> 1))
    shares[largest] = shares[largest]! + change
    left -= change
  }
}

/** Index of the highest bit set; `value` is not 0. */
export function highBit(value: number): number {
  return 31 - Math.clz32(value)
}
