/**
 * Where a decoder puts its bytes: grows as blocks arrive, never past the limit that it was given.
 *
 * Declared sizes are claims: room is made for at most one block ahead, so a header of ten bytes cannot take a
 * gigabyte. The bytes are made in memory kept per thread and copied out once at the end, so the caller's array owns its
 * ArrayBuffer whole and may be transferred. Codecs are synchronous and call nobody back, so one kept buffer is enough.
 *
 * Invariants: 0 <= position <= limitBytes; what is reserved, and COPY_SLACK_BYTES more, lies within `bytes`.
 */
import { assert } from '../../base/assert.ts'
import { RecordTooLargeError } from '../../base/errors.ts'
import { COPY_SLACK_BYTES } from './copy.ts'

const KEPT_BYTES_MIN = 1 << 18
const KEPT_BYTES_MAX = 1 << 22

/** Bytes and the view that goes with them. */
export class Scratch {
  readonly bytes: Uint8Array
  readonly view: DataView

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
  }
}

let kept = new Scratch(KEPT_BYTES_MIN)

/**
 * At least `size` bytes, and the slack that copies need behind them, with anything in them; valid until the next call
 * in this thread.
 */
export function borrowScratch(size: number): Scratch {
  const needed = size + COPY_SLACK_BYTES
  if (needed <= kept.bytes.length) return kept
  let capacity = kept.bytes.length
  while (capacity < needed) capacity *= 2
  if (capacity > KEPT_BYTES_MAX) return new Scratch(needed)
  kept = new Scratch(capacity)
  return kept
}

export class Output {
  bytes: Uint8Array
  view: DataView
  position = 0
  readonly limitBytes: number
  readonly #codec: string

  constructor(codec: string, limitBytes: number) {
    this.#codec = codec
    this.limitBytes = limitBytes
    const scratch = borrowScratch(0)
    this.bytes = scratch.bytes
    this.view = scratch.view
  }

  /** Makes room for `size` more bytes, all of which will come. Throws RecordTooLargeError past the limit. */
  reserve(size: number): void {
    if (size > this.limitBytes - this.position) this.refuse(this.position + size)
    this.#grow(this.position + size)
  }

  /** Makes room for up to `size` more bytes and returns where writing must stop: at the limit, if that is nearer. */
  reserveUpTo(size: number): number {
    const end = Math.min(this.position + size, this.limitBytes)
    this.#grow(end)
    return end
  }

  /** `sizeBytes` is the size declared, or the least it can be. */
  refuse(sizeBytes: number): never {
    throw tooLarge(this.#codec, sizeBytes, this.limitBytes)
  }

  finish(): Uint8Array {
    assert(this.position <= this.limitBytes, 'output stays within its limit')
    return this.bytes.slice(0, this.position)
  }

  #grow(size: number): void {
    if (size + COPY_SLACK_BYTES <= this.bytes.length) return
    const larger = borrowScratch(Math.max(size, Math.min(this.limitBytes, this.bytes.length * 2)))
    larger.bytes.set(this.bytes.subarray(0, this.position))
    this.bytes = larger.bytes
    this.view = larger.view
  }
}

export function tooLarge(codec: string, sizeBytes: number, limitBytes: number): RecordTooLargeError {
  return new RecordTooLargeError(`decompressed ${codec} data`, sizeBytes, 'outputBytesMax', limitBytes)
}
