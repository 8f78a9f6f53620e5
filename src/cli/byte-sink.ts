/**
 * ByteSink: output assembled in one large buffer and written in large pieces, with backpressure. @hot
 *
 * The buffer is written when flush() is called, and used again when the stream has taken it. Appending never writes.
 */
import { write } from './output.ts'

const BUFFER_BYTES = 1 << 20
/** Ask to be flushed from here on: what a record adds still fits, as a rule. */
const FULL_BYTES = BUFFER_BYTES - (64 << 10)

export class ByteSink {
  readonly #stream: NodeJS.WriteStream
  #buffer: Buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  #length = 0
  #flushing: Promise<void> | undefined
  /** Bytes handed to the stream so far. */
  flushedBytes = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  get isFull(): boolean {
    return this.#length >= FULL_BYTES
  }

  /** bytes[start .. start + length). */
  bytes(bytes: Uint8Array, start: number, length: number): void {
    if (length > this.#buffer.length - this.#length) this.#grow(length)
    this.#buffer.set(bytes.subarray(start, start + length), this.#length)
    this.#length += length
  }

  byte(byte: number): void {
    if (this.#length === this.#buffer.length) this.#grow(1)
    this.#buffer[this.#length] = byte
    this.#length += 1
  }

  /** As UTF-8. */
  text(text: string): void {
    const lengthMax = text.length * 3
    if (lengthMax > this.#buffer.length - this.#length) this.#grow(lengthMax)
    this.#length += this.#buffer.write(text, this.#length, 'utf8')
  }

  #grow(length: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + length))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }

  /** Resolves when the stream has taken everything. Nothing may be appended before. */
  flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async #write(): Promise<void> {
    if (this.#length === 0) return
    const piece = this.#buffer.subarray(0, this.#length)
    await write(this.#stream, piece)
    this.flushedBytes += piece.length
    this.#length = 0
    // A record of many megabytes does not keep its memory.
    if (this.#buffer.length > BUFFER_BYTES * 4) this.#buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  }
}
