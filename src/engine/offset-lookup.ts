/**
 * Finds an offset by timestamp in a partition's files, from any thread (ListOffsets of the Kafka protocol).
 *
 * The answer for timestamp t is the first record, in offset order, whose timestamp is t or later; timestamps need not be
 * in order. So segments are looked at from the oldest: the first whose greatest timestamp reaches t holds the answer, if
 * it is not cut off by the log's ends. Inside it the time index gives an entry before which every timestamp is smaller.
 */
import type { Fs } from '../base/env/env.ts'
import { errnoOf } from '../base/errors.ts'
import type { OffsetAndTimestamp } from '../protocol/transport.ts'
import { BATCH_HEADER_BYTES, CODEC_MASK } from '../record/batch-layout.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { codecName, decompress } from '../record/compression/codec.ts'
import { RecordCursor } from '../record/record-cursor.ts'
import { BatchScan } from '../segment/batch-scan.ts'
import { parseSegmentFileName } from '../segment/names.ts'
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
  for (const base of segmentBases(fs, directory)) {
    if (base >= highWatermark) continue
    scanSegment(fs, directory, base, base, logStartOffset, highWatermark, (batch) => {
      if (batch.maxTimestamp > best.timestamp) best = firstAtOrAfter(batch, batch.maxTimestamp, logStartOffset) ?? best
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

/** Hands the batches of a segment from `offset` on to `look` until it finds something. */
function scanSegment<T>(
  fs: Fs,
  directory: string,
  base: number,
  offset: number,
  logStartOffset: number,
  highWatermark: number,
  look: (batch: RecordBatchView) => T | undefined,
): T | undefined {
  const position = lookupInFile(fs, segmentPath(directory, base, '.index'), base, offset)
  let file
  try {
    file = fs.open(segmentPath(directory, base, '.log'), 'read')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined // Retention was quicker.
    throw error
  }
  try {
    const scan = new BatchScan(file, position, file.sizeBytes())
    while (scan.next()) {
      const { batch } = scan
      if (batch.baseOffset >= highWatermark) return undefined
      if (batch.lastOffset < logStartOffset) continue
      const found = look(batch)
      if (found !== undefined) return found
    }
    return undefined
  } finally {
    file.close()
  }
}

function firstAtOrAfter(
  batch: RecordBatchView,
  timestamp: number,
  logStartOffset: number,
): OffsetAndTimestamp | undefined {
  const { baseOffset, baseTimestamp, isLogAppendTime, maxTimestamp } = batch
  const codecId = batch.attributes & CODEC_MASK
  const start = batch.position + BATCH_HEADER_BYTES
  const bytes =
    codecId === 0 ? batch.bytes : decompress(codecName(codecId), batch.bytes, start, batch.end, DECOMPRESSED_BYTES_MAX)
  const cursor =
    codecId === 0
      ? new RecordCursor(bytes, start, batch.end, batch.recordCount)
      : new RecordCursor(bytes, 0, bytes.length, batch.recordCount)
  while (cursor.next()) {
    const offset = baseOffset + cursor.offsetDelta
    const recordTimestamp = isLogAppendTime ? maxTimestamp : baseTimestamp + cursor.timestampDelta
    if (recordTimestamp >= timestamp && offset >= logStartOffset) return { offset, timestamp: recordTimestamp }
  }
  return undefined
}
