/**
 * Output: results on stdout, with backpressure, and one line of progress on stderr.
 *
 * When the reader of stdout goes away (`| head`), writes end without a word: `isClosed` becomes true and main.ts aborts
 * the command's signal, so that loops end and the log is closed in order.
 */
import type { Clock } from '../base/env/env.ts'
import { realEnv } from '../base/env/real-env.ts'

/** True once nobody will read what is written to `stream`. */
export function isClosed(stream: NodeJS.WritableStream & { readonly destroyed?: boolean }): boolean {
  return stream.destroyed === true || !stream.writable
}

/**
 * Writes all of `chunk`; resolves when the stream has taken it, so the caller may use the memory again, and at once
 * when the reader has gone. Rejects with any other error of the stream.
 */
export function write(stream: NodeJS.WriteStream, chunk: string | Uint8Array): Promise<void> {
  if (isClosed(stream) || chunk.length === 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => {
      if (error === null || error === undefined || isBrokenPipe(error)) resolve()
      else reject(error)
    })
  })
}

/** One line. */
export function writeLine(stream: NodeJS.WriteStream, line: string): Promise<void> {
  return write(stream, `${line}\n`)
}

/** One JSON object on a line of its own. */
export function writeJson(stream: NodeJS.WriteStream, value: unknown): Promise<void> {
  return writeLine(stream, JSON.stringify(value))
}

/** The reader of a pipe has gone, or the stream was destroyed for that reason before. */
export function isBrokenPipe(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED' || error.code === 'ERR_STREAM_WRITE_AFTER_END'
}

const PROGRESS_INTERVAL_MS = 100
/** Some terminals say 0. */
const COLUMNS_UNKNOWN = 80

/** What of a stream Progress uses: NodeJS.WriteStream is one. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): boolean
}

/**
 * Progress: one line on a terminal, written over and over, erased at the end. On anything else it does nothing, so a
 * pipe or a file never holds half-drawn lines. Cheap enough to be called for every batch.
 */
export class Progress {
  readonly #stream: Terminal
  readonly #clock: Clock
  readonly #isLive: boolean
  #nextMs = 0
  #shownLength = 0

  constructor(stream: Terminal, clock: Clock = realEnv.clock) {
    this.#stream = stream
    this.#clock = clock
    this.#isLive = stream.isTTY === true
    if (this.#isLive) this.#nextMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS
  }

  /** Shows what `describe` says, at most ten times a second; it is called only then. */
  update(describe: () => string): void {
    if (!this.#isLive) return
    const now = this.#clock.monotonicMs()
    if (now < this.#nextMs) return
    this.#nextMs = now + PROGRESS_INTERVAL_MS
    this.#show(describe())
  }

  #show(text: string): void {
    const { columns: told = 0 } = this.#stream
    const columns = told > 1 ? told : COLUMNS_UNKNOWN
    const line = text.slice(0, columns - 1) // A wrapped line could not be erased.
    this.#stream.write(`\r${line.padEnd(this.#shownLength)}`)
    this.#shownLength = line.length
  }

  /** Erases the line. Call it before anything else is written to a stream that may be the same terminal. */
  end(): void {
    if (this.#shownLength > 0) this.#stream.write(`\r${' '.repeat(this.#shownLength)}\r`)
    this.#shownLength = 0
  }
}
