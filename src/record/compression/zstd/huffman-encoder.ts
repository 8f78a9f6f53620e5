/**
 * Huffman coded literals of zstd: encoding. Reading, and what the format asks: huffman.ts.
 */
import type { BackwardBits } from './backward-bits.ts'
import { FseEncodeTable, scaleCounts, writeDistribution } from './fse.ts'
import { HUFFMAN_BITS_MAX } from './huffman.ts'

const SYMBOLS = 256
const WEIGHT_VALUES = HUFFMAN_BITS_MAX + 1
const WEIGHT_LOG = 6
const DIRECT_WEIGHTS_MAX = 128

/** Codes of one block's literals. */
export class HuffmanEncodeTable {
  readonly #codes = new Uint16Array(SYMBOLS)
  readonly #lengths = new Uint8Array(SYMBOLS)
  readonly #weights = new Uint8Array(SYMBOLS)
  #lastSymbol = 0
  readonly #order = new Uint16Array(SYMBOLS)
  readonly #nodeCounts = new Int32Array(2 * SYMBOLS)
  readonly #parents = new Int16Array(2 * SYMBOLS)
  readonly #weightCounts = new Int32Array(WEIGHT_VALUES)
  readonly #shares = new Int16Array(WEIGHT_VALUES)
  readonly #weightTable = new FseEncodeTable()

  /** Makes the codes of `counts`, in which at least two symbols occur. Returns the size in bits of what was counted. */
  build(counts: Int32Array): number {
    let used = 0
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      if (counts[symbol] === 0) continue
      this.#order[used++] = symbol
      this.#lastSymbol = symbol
    }
    const order = this.#order.subarray(0, used).sort((one, other) => counts[one]! - counts[other]!)
    // Too deep a tree is flattened by making its rare symbols less rare.
    let depth = this.#buildTree(order, counts, 0)
    for (let floorShift = 12; depth > HUFFMAN_BITS_MAX; floorShift--) {
      let total = 0
      for (let index = 0; index < used; index++) total += counts[order[index]!]!
      depth = this.#buildTree(order, counts, Math.ceil(total / 2 ** floorShift))
    }
    this.#assignCodes(depth)
    let bits = 0
    for (let index = 0; index < used; index++) bits += counts[order[index]!]! * this.#lengths[order[index]!]!
    return bits
  }

  /** Sets #lengths from a Huffman tree over counts raised to `floor`; returns the longest. `order` is ascending. */
  #buildTree(order: Uint16Array, counts: Int32Array, floor: number): number {
    const used = order.length
    const nodes = this.#nodeCounts
    const parents = this.#parents
    for (let index = 0; index < used; index++) nodes[index] = Math.max(counts[order[index]!]!, floor)
    // Two ascending queues: leaves, and inner nodes in the order of their making.
    let leaf = 0
    let inner = used
    const root = 2 * used - 2
    for (let next = used; next <= root; next++) {
      let sum = 0
      for (let child = 0; child < 2; child++) {
        const takeLeaf = leaf < used && (inner >= next || nodes[leaf]! <= nodes[inner]!)
        const node = takeLeaf ? leaf++ : inner++
        parents[node] = next
        sum += nodes[node]!
      }
      nodes[next] = sum
    }
    // From here on nodes[] holds depths.
    nodes[root] = 0
    for (let node = root - 1; node >= 0; node--) nodes[node] = nodes[parents[node]!]! + 1
    this.#lengths.fill(0)
    let depth = 0
    for (let index = 0; index < used; index++) {
      this.#lengths[order[index]!] = nodes[index]!
      depth = Math.max(depth, nodes[index]!)
    }
    return depth
  }

  /** Codes as the decoder's table has them: by weight, then by symbol. */
  #assignCodes(tableBits: number): void {
    let start = 0
    for (let weight = 1; weight <= tableBits; weight++) {
      const length = tableBits + 1 - weight
      for (let symbol = 0; symbol <= this.#lastSymbol; symbol++) {
        if (this.#lengths[symbol] !== length) continue
        this.#codes[symbol] = start >> (weight - 1)
        start += 1 << (weight - 1)
      }
    }
    for (let symbol = 0; symbol <= this.#lastSymbol; symbol++) {
      const length = this.#lengths[symbol]!
      this.#weights[symbol] = length === 0 ? 0 : tableBits + 1 - length
    }
  }

  /** Writes the tree description; returns the position after it, or -1 where the format cannot express the tree. */
  writeTree(bits: BackwardBits, position: number): number {
    const { bytes } = bits
    const count = this.#lastSymbol // The last weight is implied.
    const compressed = this.#writeWeights(bits, position + 1, count)
    const directBytes = count <= DIRECT_WEIGHTS_MAX ? (count + 1) >> 1 : Infinity
    if (compressed >= 0 && compressed - position - 1 < Math.min(directBytes, 128)) {
      bytes[position] = compressed - position - 1
      return compressed
    }
    if (count > DIRECT_WEIGHTS_MAX) return -1
    bytes[position++] = 127 + count
    for (let index = 0; index < count; index += 2) {
      const second = index + 1 < count ? this.#weights[index + 1]! : 0
      bytes[position++] = (this.#weights[index]! << 4) | second
    }
    return position
  }

  /** Weights as two FSE states in turn, from the last to the first. Returns -1 if they are all alike or too few. */
  #writeWeights(bits: BackwardBits, position: number, count: number): number {
    if (count < 3) return -1
    const counts = this.#weightCounts.fill(0)
    let valueCount = 0
    for (let index = 0; index < count; index++) {
      const weight = this.#weights[index]!
      counts[weight]! += 1
      valueCount = Math.max(valueCount, weight + 1)
    }
    if (counts[valueCount - 1] === count) return -1
    const accuracyLog = count < 64 ? 5 : WEIGHT_LOG
    scaleCounts(counts, valueCount, count, accuracyLog, this.#shares)
    const table = this.#weightTable.build(this.#shares, valueCount, accuracyLog)
    bits.begin(writeDistribution(bits.bytes, position, this.#shares, valueCount, accuracyLog))
    const weights = this.#weights
    const states = [0, 0] // Of weights with an even and with an odd index.
    states[(count - 1) & 1] = table.begin(weights[count - 1]!)
    states[count & 1] = table.begin(weights[count - 2]!)
    for (let index = count - 3; index >= 0; index--)
      states[index & 1] = bits.step(table, states[index & 1]!, weights[index]!)
    bits.add(states[1]! & ((1 << accuracyLog) - 1), accuracyLog)
    bits.add(states[0]! & ((1 << accuracyLog) - 1), accuracyLog)
    return bits.end()
  }

  /** Writes the stream of `literals[from .. to)`, returns the position after it. */
  writeStream(bits: BackwardBits, position: number, literals: Uint8Array, from: number, to: number): number {
    bits.begin(position)
    for (let index = to - 1; index >= from; index--) {
      const symbol = literals[index]!
      bits.add(this.#codes[symbol]!, this.#lengths[symbol]!)
    }
    return bits.end()
  }
}
