/**
 * SequenceLedger: which of one producer's sequence numbers were seen. Each must be seen exactly once. @hot
 *
 * One bit each, in chunks of 65,536; a chunk that is full is forgotten but for the fact that it is. So the memory is
 * that of the numbers between the first that is missing and the last that was seen: a consumer that keeps up can go on
 * for hours.
 */
const CHUNK_BITS = 16
const CHUNK_SEQUENCES = 1 << CHUNK_BITS

interface Chunk {
  readonly words: Int32Array
  left: number
}

export class SequenceLedger {
  /** Different sequence numbers seen. */
  count = 0
  #greatest = -1
  readonly #open = new Map<number, Chunk>()
  /** Full chunks that do not follow on each other yet; all below #fullBelow are full. */
  readonly #full = new Set<number>()
  #fullBelow = 0
  #lastIndex = -1
  #lastChunk: Chunk | undefined

  /** False: seen before. */
  add(sequence: number): boolean {
    const index = Math.floor(sequence / CHUNK_SEQUENCES)
    const chunk = index === this.#lastIndex ? this.#lastChunk : this.#find(index)
    if (chunk === undefined) return false
    const bit = sequence & (CHUNK_SEQUENCES - 1)
    const word = chunk.words[bit >>> 5]!
    const mask = 1 << (bit & 31)
    if ((word & mask) !== 0) return false
    chunk.words[bit >>> 5] = word | mask
    this.count += 1
    if (sequence > this.#greatest) this.#greatest = sequence
    chunk.left -= 1
    if (chunk.left === 0) this.#close(index)
    return true
  }

  /** Whether 0 .. total - 1 were seen, and nothing else. */
  isComplete(total: number): boolean {
    return this.count === total && this.#greatest === total - 1
  }

  /** One more than the greatest sequence number seen. */
  get end(): number {
    return this.#greatest + 1
  }

  /** Undefined if the chunk is full. */
  #find(index: number): Chunk | undefined {
    if (index < this.#fullBelow || this.#full.has(index)) return undefined
    let chunk = this.#open.get(index)
    if (chunk === undefined) {
      chunk = { words: new Int32Array(CHUNK_SEQUENCES >>> 5), left: CHUNK_SEQUENCES }
      this.#open.set(index, chunk)
    }
    this.#lastIndex = index
    this.#lastChunk = chunk
    return chunk
  }

  #close(index: number): void {
    this.#open.delete(index)
    this.#full.add(index)
    this.#lastIndex = -1
    this.#lastChunk = undefined
    while (this.#full.delete(this.#fullBelow)) this.#fullBelow += 1
  }
}
