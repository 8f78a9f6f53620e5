/**
 * FrameAssembler: Kafka's frames (int32 length, then so many bytes) out of a stream that cuts them anywhere. @hot
 *
 * Each frame is memory of its own: what is read from it stays valid for as long as somebody holds it.
 */
import { WireFormatError } from '../../protocol/wire/wire-error.ts'

const LENGTH_BYTES = 4

export class FrameAssembler {
  readonly #limitBytes: number
  readonly #length = new DataView(new ArrayBuffer(LENGTH_BYTES))
  #lengthFilled = 0
  #frame: Uint8Array | undefined
  #filled = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Calls `take` with each frame that these bytes complete. Throws WireFormatError for a length that cannot be. */
  push(bytes: Uint8Array, take: (frame: Uint8Array) => void): void {
    let position = 0
    while (position < bytes.length) {
      if (this.#frame === undefined) {
        this.#length.setUint8(this.#lengthFilled, bytes[position]!)
        position += 1
        this.#lengthFilled += 1
        if (this.#lengthFilled < LENGTH_BYTES) continue
        this.#begin(this.#length.getInt32(0))
      } else {
        const count = Math.min(this.#frame.length - this.#filled, bytes.length - position)
        this.#frame.set(bytes.subarray(position, position + count), this.#filled)
        position += count
        this.#filled += count
      }
      const frame = this.#frame
      if (frame === undefined || this.#filled < frame.length) continue
      this.#frame = undefined
      this.#lengthFilled = 0
      take(frame)
    }
  }

  #begin(length: number): void {
    if (length < LENGTH_BYTES || length > this.#limitBytes) {
      throw new WireFormatError(`a frame of length=${length} is not in 4 .. ${this.#limitBytes}`)
    }
    const memory = Buffer.allocUnsafeSlow(length) // Not zeroed: all of it is written before anybody reads it.
    this.#frame = new Uint8Array(memory.buffer, memory.byteOffset, length)
    this.#filled = 0
  }
}
