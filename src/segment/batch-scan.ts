/**
 * Walks the batches of one .log file from a position, checking each: what recovery, verify, dump and lookups share.
 *
 * Reads in pieces of SCAN_BYTES through one buffer, so a segment of any size takes constant memory. Two depths:
 * `checkCrc` reads and checks every byte; without it only headers are read and checked, and of control batches all
 * (for replay of producer state over batches whose bytes are not in doubt).
 *
 * The buffer and the view are reused: take what you need from `batch` before the next next().
 */
import { assert } from '../base/assert.ts'
import type { File } from '../base/env/env.ts'
import { ATTRIBUTES, BATCH_HEADER_BYTES, CURRENT_MAGIC, LENGTH_PREFIX_BYTES, MAGIC } from '../record/batch-layout.ts'
import { batchFault, declaredBatchSize, headerFault, RecordBatchView } from '../record/batch-view.ts'

const SCAN_BYTES = 1 << 20
/** What a walk of headers reads at a time: small batches share it, of large ones the rest is not read. */
const HEADER_READ_BYTES = 4096
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

  /** Scans [start, end) of the file. */
  constructor(file: File, start: number, end: number, checkCrc = true) {
    this.#file = file
    this.#end = end
    this.#next = start
    this.position = start
    this.#checkCrc = checkCrc
    const bufferBytes = Math.min(checkCrc ? SCAN_BYTES : HEADER_READ_BYTES, end - start)
    this.batch = new RecordBatchView(new Uint8Array(Math.max(BATCH_HEADER_BYTES, bufferBytes)))
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
    let start = position - this.#windowStart
    this.fault = headerFault(this.batch, start, start + available)
    if (this.fault !== undefined) return false
    const { sizeBytes } = this.batch
    if (sizeBytes > BATCH_BYTES_MAX) {
      this.fault = `batch size ${sizeBytes} is over ${BATCH_BYTES_MAX}`
      return false
    }
    if (this.#checkCrc || this.batch.isControl) {
      if (!this.#fill(position, sizeBytes)) return this.#endedEarly()
      start = position - this.#windowStart
      this.batch.at(start)
      if (this.#checkCrc) this.fault = batchFault(this.batch, start, start + sizeBytes)
      if (this.fault !== undefined) return false
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
    const wanted = Math.min(this.#checkCrc ? bytes.length : HEADER_READ_BYTES, bytes.length, this.#end - position)
    const filled = readUpTo(this.#file, bytes, Math.max(length, wanted), position)
    this.#windowStart = position
    this.#windowEnd = position + filled
    return filled >= length
  }
}

/** Bytes of candidates whose CRC a search computes before it gives up: what bounds its time on crafted bytes. */
const SEARCH_CRC_BYTES_MAX = 1 << 30
/** Damaged batches in a row whose lengths are believed: behind a wrong one they are bytes that a client chose. */
const CHAIN_STEPS_MAX = 256
const CODEC_ID_MAX = 4
/** Attribute bits that mean something: all in the second byte. */
const ATTRIBUTES_KNOWN = 0x7f
/** Length, attributes, two deltas, two null lengths, header count: a byte each. */
const RECORD_BYTES_MIN = 7

/**
 * Where reading can go on behind the damaged batch at `position`: the position of the next valid batch before `end`
 * whose base offset is in [offsetMin, offsetEnd), or -1. Lengths are believed first, of this batch and of damaged ones
 * behind it, if they lead to a valid batch: records may hold whole batches as their values, and a search would find
 * those.
 */
export function findBatchBehind(
  file: File,
  position: number,
  end: number,
  offsetMin: number,
  offsetEnd: number = Number.MAX_SAFE_INTEGER,
): number {
  const prefix = new Uint8Array(LENGTH_PREFIX_BYTES)
  const view = new DataView(prefix.buffer)
  let at = position
  for (let steps = 0; steps < CHAIN_STEPS_MAX; steps++) {
    if (readUpTo(file, prefix, prefix.length, at) < prefix.length) break
    const sizeBytes = declaredBatchSize(view, 0)
    if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > end - at - BATCH_HEADER_BYTES) break
    at += sizeBytes
    const header = new BatchScan(file, at, end, false)
    if (!header.next()) continue
    const scan = new BatchScan(file, at, header.nextPosition)
    if (!scan.next()) continue
    if (scan.batch.baseOffset >= offsetMin && scan.batch.baseOffset < offsetEnd) return at
    break
  }
  return findNextBatch(file, position + 1, end, offsetMin, offsetEnd)
}

/**
 * Searches [start, end) for the next valid batch whose base offset is in [offsetMin, offsetEnd). Returns its position,
 * or
 * -1. A candidate must look like a header and pass its CRC, so a false find needs a 32-bit collision. Every byte is
 * looked at once; see SEARCH_CRC_BYTES_MAX for the rest.
 */
export function findNextBatch(
  file: File,
  start: number,
  end: number,
  offsetMin: number,
  offsetEnd: number = Number.MAX_SAFE_INTEGER,
): number {
  const piece = new RecordBatchView(new Uint8Array(Math.max(BATCH_HEADER_BYTES, Math.min(SCAN_BYTES, end - start))))
  let budgetBytes = SEARCH_CRC_BYTES_MAX
  for (let from = start; from + BATCH_HEADER_BYTES <= end;) {
    const wanted = Math.min(piece.bytes.length, end - from)
    const filled = readUpTo(file, piece.bytes, wanted, from)
    const lastPlace = filled - BATCH_HEADER_BYTES
    for (let place = nextMagic(piece.bytes, 0); place >= 0 && place <= lastPlace;) {
      if (looksLikeBatch(piece, place, end - from) && piece.baseOffset >= offsetMin && piece.baseOffset < offsetEnd) {
        const { sizeBytes } = piece
        if (sizeBytes > budgetBytes) return -1
        budgetBytes -= sizeBytes
        if (new BatchScan(file, from + place, from + place + sizeBytes).next()) return from + place
      }
      place = nextMagic(piece.bytes, place + 1)
    }
    if (filled < wanted) return -1
    from += lastPlace + 1
  }
  return -1
}

/**
 * The CRC does not cover a batch's base offset. If one lies beyond `expected`, where the batch before ended, then
 * either offsets are missing (compaction) or the field is damaged. The batch behind it, at `position`, tells: 'damaged'
 * if it goes on below `lastOffset` of the first, 'hole' if it goes on behind; 'unknown' if there is none.
 */
export function judgeOffsetJump(
  file: File,
  position: number,
  end: number,
  expected: number,
  lastOffset: number,
): 'hole' | 'damaged' | 'unknown' {
  const scan = new BatchScan(file, position, end, false)
  if (!scan.next() || scan.batch.baseOffset < expected) return 'unknown'
  return scan.batch.baseOffset > lastOffset ? 'hole' : 'damaged'
}

/** The next place at or after `place` that has the magic byte of a batch header which starts there, or below 0. */
function nextMagic(bytes: Uint8Array, place: number): number {
  if (bytes[place + MAGIC] === CURRENT_MAGIC) return place // A call for each byte of a long run of them would be slow.
  const found = bytes.indexOf(CURRENT_MAGIC, place + MAGIC)
  return found < 0 ? -1 : found - MAGIC
}

/**
 * Whether a header of ours or Kafka's may lie at `place`; bytes that happen to have the magic byte hardly ever pass.
 */
function looksLikeBatch(batch: RecordBatchView, place: number, end: number): boolean {
  // Cheap tests first: this runs for every byte that equals the magic, and headerFault makes a text.
  if (batch.bytes[place + ATTRIBUTES] !== 0 || batch.bytes[place + ATTRIBUTES + 1]! > ATTRIBUTES_KNOWN) return false
  const sizeBytes = declaredBatchSize(batch.view, place)
  if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > Math.min(end - place, BATCH_BYTES_MAX)) return false
  if (headerFault(batch, place, end) !== undefined) return false
  const { codecId } = batch
  if (codecId > CODEC_ID_MAX) return false
  if (batch.partitionLeaderEpoch < -1 || batch.producerEpoch < -1 || batch.baseSequence < -1) return false
  return codecId !== 0 || batch.recordCount * RECORD_BYTES_MIN <= sizeBytes - BATCH_HEADER_BYTES
}

/** Reads until `length` bytes are there or the file ends; returns how many. */
function readUpTo(file: File, target: Uint8Array, length: number, position: number): number {
  let filled = 0
  while (filled < length) {
    const count = file.read(target, filled, length - filled, position + filled)
    if (count === 0) break
    filled += count
  }
  return filled
}
