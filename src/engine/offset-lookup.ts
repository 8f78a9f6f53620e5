/**
 * Finds an offset by timestamp in a partition's files, from any thread (ListOffsets of the Kafka protocol).
 *
 * The answer for timestamp t is the first record, in offset order, whose timestamp is t or later; timestamps need not
 * be in order. So segments are looked at from the oldest: the first whose greatest timestamp reaches t holds the
 * answer, if it is not cut off by the log's ends. Inside it the time index gives an entry before which every timestamp
 * is smaller.
 *
 * Where a batch is damaged that had to be looked at, the answer is not known: that is a DamagedLogError, never "none".
 */
import type { File, Fs } from '../base/env/env.ts'
import { DamagedLogError, errnoOf, VltavaError } from '../base/errors.ts'
import type { OffsetAndTimestamp } from '../protocol/transport.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { codecName, decompress } from '../record/compression/codec.ts'
import { RecordCursor } from '../record/record-cursor.ts'
import { BatchScan, findBatchBehind, judgeOffsetJump } from '../segment/batch-scan.ts'
import { parsePartitionDirectoryName, parseSegmentFileName } from '../segment/names.ts'
import { lookupInFile } from '../segment/offset-index.ts'
import { segmentPath } from '../segment/segment.ts'
import { lookupTimestampInFile } from '../segment/time-index.ts'

const NOT_FOUND: OffsetAndTimestamp = { offset: -1, timestamp: -1 }
const DECOMPRESSED_BYTES_MAX = 256 << 20

/** First record at or after `timestamp` within [logStartOffset, highWatermark); offset -1 if there is none. */
export function lookupByTimestamp(
  fs: Fs,
  directory: string,
  timestamp: number,
  logStartOffset: number,
  highWatermark: number,
): OffsetAndTimestamp {
  // Also what has no timestamp at all: a program that is not type-checked may ask for 'beginning'.
  if (typeof timestamp !== 'number' || Number.isNaN(timestamp)) {
    throw new VltavaError('INVALID_ARGUMENT', 'the timestamp to look for is not a number')
  }
  const bases = segmentBases(fs, directory)
  for (let i = 0; i < bases.length; i++) {
    const base = bases[i]!
    if ((bases[i + 1] ?? Number.POSITIVE_INFINITY) <= logStartOffset || base >= highWatermark) continue
    const isLast = i === bases.length - 1
    const entry = lookupTimestampInFile(fs, segmentPath(directory, base, '.timeindex'), base, timestamp - 1)
    const newest = lookupTimestampInFile(fs, segmentPath(directory, base, '.timeindex'), base, Number.MAX_SAFE_INTEGER)
    // A sealed segment's last entry is its greatest timestamp; the active one must be looked through.
    if (!isLast && newest.timestamp >= 0 && newest.timestamp < timestamp) continue
    const found = scanSegment(fs, directory, base, entry.offset, logStartOffset, highWatermark, (batch) =>
      batch.maxTimestamp >= timestamp ? firstAtOrAfter(batch, timestamp, logStartOffset) : undefined,
    )
    if (found !== undefined) return found
  }
  return NOT_FOUND
}

/** The record with the greatest timestamp (the first of equals), or offset -1 for an empty log. */
export function lookupMaxTimestamp(
  fs: Fs,
  directory: string,
  logStartOffset: number,
  highWatermark: number,
): OffsetAndTimestamp {
  let best = NOT_FOUND
  const bases = segmentBases(fs, directory)
  for (const [i, base] of bases.entries()) {
    if ((bases[i + 1] ?? Number.POSITIVE_INFINITY) <= logStartOffset || base >= highWatermark) continue
    scanSegment(fs, directory, base, base, logStartOffset, highWatermark, (batch) => {
      if (batch.maxTimestamp > best.timestamp) best = newestOf(batch, logStartOffset, best)
      return undefined
    })
  }
  return best
}

function segmentBases(fs: Fs, directory: string): number[] {
  return fs
    .list(directory)
    .map(parseSegmentFileName)
    .flatMap((parsed) => (parsed?.suffix === '.log' && parsed.transient === '' ? [parsed.baseOffset] : []))
    .sort((a, b) => a - b)
}

/** Hands the batches of a segment from `offset` on to `look` until it finds something. Throws DamagedLogError. */
function scanSegment<T>(
  fs: Fs,
  directory: string,
  base: number,
  offset: number,
  logStartOffset: number,
  highWatermark: number,
  look: (batch: RecordBatchView) => T | undefined,
): T | undefined {
  let start = lookupInFile(fs, segmentPath(directory, base, '.index'), base, offset)
  let file
  try {
    file = fs.open(segmentPath(directory, base, '.log'), 'read')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined // Retention was quicker.
    throw error
  }
  try {
    const fileBytes = file.sizeBytes()
    // The index is derived and may be damaged: unless it leads to a batch at or before `offset`, it is not believed.
    if (start > 0 && !isBatchAtOrBefore(file, start, fileBytes, offset)) start = 0
    let expected = start === 0 ? base : UNKNOWN
    for (;;) {
      const scan = new BatchScan(file, start, fileBytes)
      let fault: string | undefined
      while (scan.next()) {
        const { batch } = scan
        if (batch.baseOffset >= highWatermark && (expected === UNKNOWN || expected >= highWatermark)) return undefined
        fault = offsetFault(file, scan, fileBytes, expected, highWatermark)
        if (fault !== undefined) break
        expected = batch.lastOffset + 1
        if (batch.lastOffset < logStartOffset) continue
        const found = look(batch)
        if (found !== undefined) return found
      }
      fault ??= scan.fault
      // Behind the high watermark bytes are still being written.
      if (fault === undefined || expected >= highWatermark) return undefined
      const next = findBatchBehind(file, scan.position, fileBytes, Math.max(expected, base))
      const nextOffset = next >= 0 ? baseOffsetAt(file, next, fileBytes) : Number.POSITIVE_INFINITY
      if (nextOffset > logStartOffset) {
        const damagedAt = Math.max(expected, logStartOffset)
        const resumeOffset =
          next >= 0 ? nextOffset : (segmentBases(fs, directory).find((b) => b > base) ?? highWatermark)
        throw damagedLog(directory, damagedAt, resumeOffset, file.path, scan.position, fault)
      }
      start = next
      expected = UNKNOWN
    }
  } finally {
    file.close()
  }
}

/** Behind damage, and where the index led, no offset is due. */
const UNKNOWN = -1

function isBatchAtOrBefore(file: File, position: number, fileBytes: number, offset: number): boolean {
  const scan = new BatchScan(file, position, fileBytes)
  return scan.next() && scan.batch.baseOffset <= offset
}

function baseOffsetAt(file: File, position: number, fileBytes: number): number {
  const scan = new BatchScan(file, position, fileBytes)
  return scan.next() ? scan.batch.baseOffset : Number.POSITIVE_INFINITY
}

/** The CRC does not cover the offset: see judgeOffsetJump. */
function offsetFault(
  file: File,
  scan: BatchScan,
  fileBytes: number,
  expected: number,
  highWatermark: number,
): string | undefined {
  const { baseOffset, lastOffset } = scan.batch
  if (lastOffset >= highWatermark) return `last offset ${lastOffset} is not below ${highWatermark}`
  if (expected === UNKNOWN || baseOffset === expected) return undefined
  const isHole = baseOffset > expected
  if (isHole && judgeOffsetJump(file, scan.nextPosition, fileBytes, expected, lastOffset) !== 'damaged')
    return undefined
  return `base offset ${baseOffset} does not go on from ${expected}`
}

function damagedLog(
  directory: string,
  offset: number,
  resumeOffset: number,
  file: string,
  position: number,
  fault: string,
): DamagedLogError {
  const name = directory.slice(directory.lastIndexOf('/') + 1)
  const { topic, partition } = parsePartitionDirectoryName(name) ?? { topic: name, partition: 0 }
  return new DamagedLogError(topic, partition, offset, resumeOffset, file, position, fault)
}

function firstAtOrAfter(
  batch: RecordBatchView,
  timestamp: number,
  logStartOffset: number,
): OffsetAndTimestamp | undefined {
  const cursor = recordsOf(batch)
  while (cursor.next()) {
    const found = placeOf(batch, cursor)
    if (found.timestamp >= timestamp && found.offset >= logStartOffset) return found
  }
  return undefined
}

/** The newest of `best` and the batch's records from the log's start on, of equals the first. */
function newestOf(batch: RecordBatchView, logStartOffset: number, best: OffsetAndTimestamp): OffsetAndTimestamp {
  const cursor = recordsOf(batch)
  let newest = best
  while (cursor.next()) {
    const found = placeOf(batch, cursor)
    if (found.timestamp > newest.timestamp && found.offset >= logStartOffset) newest = found
  }
  return newest
}

function placeOf(batch: RecordBatchView, cursor: RecordCursor): OffsetAndTimestamp {
  const timestamp = batch.isLogAppendTime ? batch.maxTimestamp : batch.baseTimestamp + cursor.timestampDelta
  return { offset: batch.baseOffset + cursor.offsetDelta, timestamp }
}

function recordsOf(batch: RecordBatchView): RecordCursor {
  const start = batch.position + BATCH_HEADER_BYTES
  if (batch.codecId === 0) return new RecordCursor(batch.bytes, start, batch.end, batch.recordCount)
  const bytes = decompress(codecName(batch.codecId), batch.bytes, start, batch.end, DECOMPRESSED_BYTES_MAX)
  return new RecordCursor(bytes, 0, bytes.length, batch.recordCount)
}
