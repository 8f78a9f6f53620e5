/**
 * Checks the records of one batch whose header and CRC are good: a CRC says that the bytes are those that were sent,
 * not that they are records. @hot
 */
import { VltavaError } from '../base/errors.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { codecName, decompress } from '../record/compression/codec.ts'
import { RecordCursor } from '../record/record-cursor.ts'

/** Decompressed records of one batch may take this much, as in a consumer. */
const DECOMPRESSED_BYTES_MAX = 256 << 20
const CONTROL_KEY_BYTES_MIN = 4
/** Types of control records; others are passed over, as by consumers. */
export const CONTROL_ABORT = 0
export const CONTROL_COMMIT = 1

/**
 * Why the records of `batch` are not `recordCount` records of its offsets and times; undefined if they are. With
 * `mayHaveHoles` offsets may be missing, as compaction leaves them.
 */
export function recordsFault(batch: RecordBatchView, mayHaveHoles: boolean): string | undefined {
  if (!mayHaveHoles && batch.recordCount !== batch.lastOffsetDelta + 1) {
    return `record count ${batch.recordCount} is not that of the ${batch.lastOffsetDelta + 1} offsets of the batch`
  }
  try {
    return walkFault(batch, recordsOf(batch))
  } catch (error) {
    if (error instanceof VltavaError) return error.message
    throw error
  }
}

/** The records of a batch, decompressed if need be. Throws CorruptRecordError, RecordTooLargeError, VltavaError. */
export function recordsOf(batch: RecordBatchView): RecordCursor {
  const start = batch.position + BATCH_HEADER_BYTES
  if (batch.codecId === 0) return new RecordCursor(batch.bytes, start, batch.end, batch.recordCount)
  const codec = codecName(batch.codecId)
  const records = decompress(codec, batch.bytes, start, batch.end, DECOMPRESSED_BYTES_MAX)
  return new RecordCursor(records, 0, records.length, batch.recordCount)
}

function walkFault(batch: RecordBatchView, cursor: RecordCursor): string | undefined {
  const { lastOffsetDelta, isControl } = batch
  // Log append time: the log's clock counts, not what the records say.
  const timestampDeltaMax = batch.isLogAppendTime ? Number.POSITIVE_INFINITY : batch.maxTimestamp - batch.baseTimestamp
  let offsetDelta = -1
  while (cursor.next()) {
    if (cursor.offsetDelta <= offsetDelta || cursor.offsetDelta > lastOffsetDelta) {
      return `record offset delta ${cursor.offsetDelta} is not in ${offsetDelta + 1} .. ${lastOffsetDelta}`
    }
    offsetDelta = cursor.offsetDelta
    if (cursor.timestampDelta > timestampDeltaMax) {
      const over = cursor.timestampDelta - timestampDeltaMax
      return `the record at delta ${offsetDelta} is ${over} ms later than the batch's max timestamp`
    }
    if (cursor.headerCount > 0) cursor.headers()
    if (isControl && cursor.keyLength < CONTROL_KEY_BYTES_MIN) return 'a control record has no key that tells its type'
  }
  return undefined
}

/** Type of the control record in a control batch; -1 if it cannot be told. */
export function controlType(batch: RecordBatchView): number {
  try {
    const cursor = recordsOf(batch)
    if (!cursor.next() || cursor.keyLength < CONTROL_KEY_BYTES_MIN) return -1
    return (cursor.bytes[cursor.keyPosition + 2]! << 8) | cursor.bytes[cursor.keyPosition + 3]!
  } catch (error) {
    if (error instanceof VltavaError) return -1 // Its records cannot be read: recordsFault() says why.
    throw error
  }
}
