/**
 * LineSplitter: cuts a stream of bytes into lines at \n, and at nothing else; bytes are never decoded. @hot
 *
 * Lines are handed out as views of the chunk they lie in. What a chunk begins of a line is kept for the next one.
 */
import { CommandFailed } from './command.ts'

const NEWLINE = 10
/** Far more than a record may have: it stops input that has no lines from filling the memory. */
const LINE_BYTES_MAX = 256 << 20

export class LineSplitter {
  #chunk: Buffer = Buffer.alloc(0)
  #position = 0
  /** The beginning of a line, from earlier chunks. */
  #begun: Buffer[] = []
  #begunBytes = 0
  /** Lines handed out so far. */
  lineCount = 0

  /** Takes the next bytes; all lines of the last ones have been taken by next(). Throws CommandFailed (a huge line). */
  push(chunk: Buffer): void {
    this.#chunk = chunk
    this.#position = 0
  }

  /** The next whole line without its \n, or undefined: push() more. Valid for as long as the chunk is left alone. */
  next(): Buffer | undefined {
    const chunk = this.#chunk
    const start = this.#position
    const end = chunk.indexOf(NEWLINE, start)
    if (end < 0) {
      this.#keep(start === 0 ? chunk : chunk.subarray(start))
      return undefined
    }
    this.#position = end + 1
    this.lineCount += 1
    const line = chunk.subarray(start, end)
    return this.#begunBytes === 0 ? line : this.#complete(line)
  }

  #keep(rest: Buffer): void {
    this.#position = this.#chunk.length
    if (rest.length === 0) return
    this.#begun.push(rest)
    this.#begunBytes += rest.length
    if (this.#begunBytes <= LINE_BYTES_MAX) return
    throw new CommandFailed(`line ${this.lineCount + 1} is longer than ${LINE_BYTES_MAX} bytes: is the input lines?`)
  }

  #complete(end: Buffer): Buffer {
    const line = Buffer.concat([...this.#begun, end], this.#begunBytes + end.length)
    this.#begun = []
    this.#begunBytes = 0
    return line
  }

  /** At the end of the input: a last line that has no \n, or undefined. */
  last(): Buffer | undefined {
    if (this.#begunBytes === 0) return undefined
    this.lineCount += 1
    return this.#complete(Buffer.alloc(0))
  }
}
