/**
 * Writer of zstd's bit streams, which are read from their end: what is added last is read first. @hot
 */
import type { FseEncodeTable } from './fse.ts'

export class BackwardBits {
  readonly bytes: Uint8Array
  #position = 0
  #container = 0
  #containerBits = 0

  /** `bytes` has room for all that will be added; a write past its end would be dropped. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  begin(position: number): void {
    this.#position = position
    this.#container = 0
    this.#containerBits = 0
  }

  /** Adds the low `count` bits (0 to 24) of `value`, which has no others set. */
  add(value: number, count: number): void {
    let container = this.#container | (value << this.#containerBits)
    let containerBits = this.#containerBits + count
    let position = this.#position
    while (containerBits >= 8) {
      this.bytes[position++] = container
      container >>>= 8
      containerBits -= 8
    }
    this.#position = position
    this.#container = container
    this.#containerBits = containerBits
  }

  /** Adds what an FSE state sheds on its way to `symbol`, and returns the state there. */
  step(table: FseEncodeTable, state: number, symbol: number): number {
    const count = (state + table.bitsDelta[symbol]!) >> 16
    this.add(state & ((1 << count) - 1), count)
    return table.states[(state >> count) + table.stateDelta[symbol]!]!
  }

  /** Marks the end, returns the position after the stream. */
  end(): number {
    this.add(1, 1)
    if (this.#containerBits > 0) this.bytes[this.#position++] = this.#container
    return this.#position
  }
}
