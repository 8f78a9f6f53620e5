/**
 * Interest table: which of a shard's slots a client thread wants to be woken for, and which of them have moved.
 *
 *  byte          size  field      written by     meaning
 *  ------------  ----  ---------  -------------  ----------------------------------------------------------------
 *     0             4  version    creator        INTEREST_VERSION; checked on attach
 *     4             4  slotCount  creator        bits of each of the two areas that follow
 *    64             4  hasNews    both           1: some bit of `moved` is set
 *   128 + s/8       bit s        client         wanted: wake me when slot s moves
 *   128 + W + s/8   bit s        both           moved: slot s has moved since the client last took this bit
 *
 * W is the size of the first area, a multiple of 4. One table per client thread and shard. The client alone writes
 * `wanted`; the shard sets bits of `moved` that are wanted, the client takes them. A shard looks whenever something has
 * moved. The client sets its bits, arms the doorbell, then looks at the watermarks once more: whoever comes second sees
 * the other (see doorbell.ts).
 *
 * `moved` is there so that a thread with ten thousand waiting fetches looks at the one partition that moved.
 */
import { assert } from '../base/assert.ts'

export const INTEREST_VERSION = 2
const NEWS_I32 = 16
const HEADER_I32 = 32

export function createInterest(slotCount: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer((HEADER_I32 + 2 * wordsFor(slotCount)) * 4)
  const words = new Int32Array(buffer)
  words[0] = INTEREST_VERSION
  words[1] = slotCount
  return buffer
}

function wordsFor(slotCount: number): number {
  return Math.ceil(slotCount / 32)
}

export class Interest {
  readonly #words: Int32Array
  readonly #slotCount: number
  /** Index of the first word of `moved`. */
  readonly #movedFrom: number

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer)
    assert(this.#words[0] === INTEREST_VERSION, 'interest layout version matches')
    this.#slotCount = this.#words[1]!
    this.#movedFrom = HEADER_I32 + wordsFor(this.#slotCount)
  }

  has(slot: number): boolean {
    return (Atomics.load(this.#words, HEADER_I32 + (slot >> 5)) & (1 << (slot & 31))) !== 0
  }

  /** Client. */
  set(slot: number, wanted: boolean): void {
    assert(slot >= 0 && slot < this.#slotCount, 'slot is in the interest table')
    const index = HEADER_I32 + (slot >> 5)
    const bit = 1 << (slot & 31)
    const word = Atomics.load(this.#words, index)
    Atomics.store(this.#words, index, wanted ? word | bit : word & ~bit)
  }

  /** Shard, after the slot's words were written: true if the client wants to be woken for it. */
  noteMove(slot: number): boolean {
    if (!this.has(slot)) return false
    Atomics.or(this.#words, this.#movedFrom + (slot >> 5), 1 << (slot & 31))
    Atomics.store(this.#words, NEWS_I32, 1)
    return true
  }

  /** Client: whether takeMoved() would find something. */
  hasMoved(): boolean {
    return Atomics.load(this.#words, NEWS_I32) !== 0
  }

  /** Client: hands over every slot that has moved since the last call. Look at the slots' words after this. */
  takeMoved(onMoved: (slot: number) => void): void {
    const words = this.#words
    if (Atomics.exchange(words, NEWS_I32, 0) === 0) return
    const from = this.#movedFrom
    for (let index = from; index < words.length; index++) {
      if (words[index] === 0) continue
      const taken = Atomics.exchange(words, index, 0)
      for (let bits = taken; bits !== 0; bits &= bits - 1) {
        onMoved(((index - from) << 5) + (31 - Math.clz32(bits & -bits)))
      }
    }
  }
}
