/**
 * Interest table: which of a shard's slots a sleeping client thread wants to be woken for.
 *
 *  byte     size  field      written by  meaning
 *  -------  ----  ---------  ----------  -------------------------------------------------
 *     0        4  version    creator     INTEREST_VERSION; checked on attach
 *     4        4  slotCount  creator     bits that follow
 *   128 + s/8     bit s      client      1: wake me when slot s moves
 *
 * One table per client thread and shard; the client alone writes it. A shard looks whenever something has moved. The
 * client sets its bits, arms the doorbell, then looks at the watermarks once more: whoever comes second sees the other
 * (see doorbell.ts).
 */
import { assert } from '../base/assert.ts'

export const INTEREST_VERSION = 1
const HEADER_I32 = 32

export function createInterest(slotCount: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(HEADER_I32 * 4 + Math.ceil(slotCount / 32) * 4)
  const words = new Int32Array(buffer)
  words[0] = INTEREST_VERSION
  words[1] = slotCount
  return buffer
}

export class Interest {
  readonly #words: Int32Array
  readonly #slotCount: number

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer)
    assert(this.#words[0] === INTEREST_VERSION, 'interest layout version matches')
    this.#slotCount = this.#words[1]!
  }

  has(slot: number): boolean {
    return (Atomics.load(this.#words, HEADER_I32 + (slot >> 5)) & (1 << (slot & 31))) !== 0
  }

  set(slot: number, wanted: boolean): void {
    assert(slot >= 0 && slot < this.#slotCount, 'slot is in the interest table')
    const index = HEADER_I32 + (slot >> 5)
    const bit = 1 << (slot & 31)
    const word = Atomics.load(this.#words, index)
    Atomics.store(this.#words, index, wanted ? word | bit : word & ~bit)
  }
}
