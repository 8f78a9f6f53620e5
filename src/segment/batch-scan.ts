/**
 * Walks the batches of one .log file from a position, checking each: what recovery, verify, dump and lookups share.
 *
 * Reads in pieces of SCAN_BYTES through one buffer, so a segment of any size takes constant memory. Two depths:
 * `checkCrc` reads and checks every byte; without it only headers are looked at (65 bytes a batch, for replay of
 * producer state over batches whose bytes are not in doubt).
 *
 * The buffer and the view are reused: take what you need from `batch` before the next next().
 */
import { assert } from '../base/assert.ts'
import type { File } from '../base/env/env.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import { batchFault, declaredBatchSize, RecordBatchView } from '../record/batch-view.ts'

const SCAN_BYTES = 1 << 20
/** A length field beyond this is damage, not a batch: max.message.bytes is an int32 and in practice far smaller. */
export const BATCH_BYTES_MAX = 256 << 20

export class BatchScan {
  /** The current batch, in `batch.bytes` at `batch.position`. */
  batch: RecordBatchView
  /** Byte position of the current batch in the file. */
  position: number
  /** Why the scan stopped before the end: what is wrong at `position`. */
  fault: string | undefined
  readonly #file: File
  readonly #end: number
  /** The file's bytes [windowStart, windowEnd) are in the buffer from 0 on. */
  #windowStart = 0
  #windowEnd = 0
  #next: number
  readonly #checkCrc: boolean

  /** Scans [start, end) of the file. `buffer` may be handed in for reuse; it is replaced when a batch is larger. */
  constructor(file: File, start: number, end: number, checkCrc = true) {
    this.#file = file
    this.#end = end
    this.#next = start
    this.position = start
    this.#checkCrc = checkCrc
    this.batch = new RecordBatchView(new Uint8Array(Math.max(BATCH_HEADER_BYTES, Math.min(SCAN_BYTES, end - start))))
  }

  /** Where the next batch starts: the end of the last good one. */
  get nextPosition(): number {
    return this.#next
  }

  /** Moves to the next batch; false at the end or at a fault. */
  next(): boolean {
    assert(this.fault === undefined, 'a scan is not continued past a fault')
    const position = this.#next
    this.position = position
    const available = this.#end - position
    if (available <= 0) return false
    if (available < BATCH_HEADER_BYTES) {
      this.fault = `only ${available} bytes where a batch header needs ${BATCH_HEADER_BYTES}`
      return false
    }
    if (!this.#fill(position, BATCH_HEADER_BYTES)) return this.#endedEarly()
    const sizeBytes = declaredBatchSize(this.batch.view, position - this.#windowStart)
    if (sizeBytes > available || sizeBytes > BATCH_BYTES_MAX || sizeBytes < BATCH_HEADER_BYTES) {
      this.fault = `batch size ${sizeBytes} is not between ${BATCH_HEADER_BYTES} and the ${available} bytes left`
      return false
    }
    if (this.#checkCrc) {
      if (!this.#fill(position, sizeBytes)) return this.#endedEarly()
      const start = position - this.#windowStart
      this.fault = batchFault(this.batch, start, start + sizeBytes)
      if (this.fault !== undefined) return false
    } else if (this.batch.view.getUint8(position - this.#windowStart + 16) !== 2) {
      this.fault = 'magic is not 2'
      return false
    } else {
      this.batch.at(position - this.#windowStart)
    }
    this.#next = position + sizeBytes
    return true
  }

  #endedEarly(): boolean {
    this.fault = `the file ends before byte ${this.#end}`
    return false
  }

  /** Has the file's bytes [position, position + length) in the buffer. */
  #fill(position: number, length: number): boolean {
    if (position >= this.#windowStart && position + length <= this.#windowEnd) return true
    if (length > this.batch.bytes.length) this.batch = new RecordBatchView(new Uint8Array(length))
    const bytes = this.batch.bytes
    const wanted = this.#checkCrc
      ? Math.min(bytes.length, this.#end - position)
      : Math.min(4096, bytes.length, this.#end - position)
    let filled = 0
    while (filled < Math.max(length, wanted)) {
      const count = this.#file.read(bytes, filled, Math.max(length, wanted) - filled, position + filled)
      if (count === 0) break
      filled += count
    }
    this.#windowStart = position
    this.#windowEnd = position + filled
    return filled >= length
  }
}

/**
 * Searches [start, end) for the next valid batch whose base offset is at least `offsetMin`: where reading can go on
 * behind damage. Returns its position, or -1. A candidate must pass its CRC, so a false find needs a 32-bit collision.
 */
export function findNextBatch(file: File, start: number, end: number, offsetMin: number): number {
  const MAGIC_POSITION = 16
  const piece = new Uint8Array(Math.min(SCAN_BYTES, Math.max(0, end - start)))
  for (let from = start; from + BATCH_HEADER_BYTES <= end; from += piece.length - BATCH_HEADER_BYTES) {
    const length = Math.min(piece.length, end - from)
    let filled = 0
    while (filled < length) {
      const count = file.read(piece, filled, length - filled, from + filled)
      if (count === 0) break
      filled += count
    }
    const view = new DataView(piece.buffer)
    for (let i = 0; i + BATCH_HEADER_BYTES <= filled; i++) {
      // Cheap tests first: magic 2, a plausible size, an offset in the int32 range above the last.
      if (piece[i + MAGIC_POSITION] !== 2) continue
      const sizeBytes = declaredBatchSize(view, i)
      if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > Math.min(BATCH_BYTES_MAX, end - from - i)) continue
      const scan = new BatchScan(file, from + i, from + i + sizeBytes)
      if (scan.next() && scan.batch.baseOffset >= offsetMin) return from + i
    }
    if (filled < length || length < piece.length) break
  }
  return -1
}
