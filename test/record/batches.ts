/**
 * Record batches for tests: built by BatchBuilder, read by RecordBatchView and RecordCursor, compared as plain values.
 */
import { BatchBuilder, encodeHeaders, restampProducer, type RecordHeader } from '../../src/record/batch-builder.ts'
import { BATCH_HEADER_BYTES } from '../../src/record/batch-layout.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { codecName, type CompressionName, decompress } from '../../src/record/compression/codec.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'

export interface TestRecord {
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

export interface TestBatch {
  readonly records?: readonly TestRecord[]
  /** That many records `value` of 10 bytes, a millisecond apart, instead of `records`. */
  readonly count?: number
  readonly firstTimestamp?: number
  readonly valueBytes?: number
  readonly compression?: CompressionName
  readonly flags?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly baseOffset?: number
  readonly leaderEpoch?: number
}

export const T0 = 1_700_000_000_000

export function simpleRecords(count: number, firstTimestamp = T0, valueBytes = 10): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    timestamp: firstTimestamp + i,
    key: null,
    value: new Uint8Array(valueBytes).fill(i),
    headers: [],
  }))
}

/** The bytes of one batch, in a buffer of exactly its size. */
export function buildBatch(batch: TestBatch): Uint8Array {
  const { count = 1, firstTimestamp = T0, valueBytes = 10 } = batch
  const records = batch.records ?? simpleRecords(count, firstTimestamp, valueBytes)
  const bound = records.reduce(
    (sum, { key, value, headers }) =>
      sum + 64 + (key?.length ?? 0) + (value?.length ?? 0) + encodeHeaders(headers).bytes.length,
    BATCH_HEADER_BYTES + 64,
  )
  const memory = new Uint8Array(bound)
  const view = new DataView(memory.buffer)
  const builder = new BatchBuilder()
  builder.open(memory, view, 0, bound)
  for (const { timestamp, key, value, headers } of records) {
    if (!builder.append(timestamp, key, value, encodeHeaders(headers))) throw new Error('the record does not fit')
  }
  const { compression = 'none', flags = 0, producerId, producerEpoch, baseSequence } = batch
  const sizeBytes = builder.close(compression, undefined, flags, producerId, producerEpoch, baseSequence)
  const bytes = memory.slice(0, sizeBytes)
  const made = new RecordBatchView(bytes).at(0)
  made.baseOffset = batch.baseOffset ?? 0
  made.partitionLeaderEpoch = batch.leaderEpoch ?? 0
  return bytes
}

/** Rewrites producer fields in place. */
export function restamp(bytes: Uint8Array, producerEpoch: number, baseSequence: number): Uint8Array {
  restampProducer(bytes, new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length, producerEpoch, baseSequence)
  return bytes
}

/** The records of the batch at `position`, decoded and copied. */
export function readRecords(bytes: Uint8Array, position = 0): TestRecord[] {
  const batch = new RecordBatchView(bytes).at(position)
  const plain = batch.codecId === 0
  const start = position + BATCH_HEADER_BYTES
  const body = plain ? bytes : decompress(codecName(batch.codecId), bytes, start, batch.end, 64 << 20)
  const cursor = new RecordCursor(body, plain ? start : 0, plain ? batch.end : body.length, batch.recordCount)
  const records: TestRecord[] = []
  while (cursor.next()) {
    const { keyPosition, keyLength, valuePosition, valueLength, timestampDelta } = cursor
    records.push({
      timestamp: batch.baseTimestamp + timestampDelta,
      key: keyLength < 0 ? null : body.slice(keyPosition, keyPosition + keyLength),
      value: valueLength < 0 ? null : body.slice(valuePosition, valuePosition + valueLength),
      headers: cursor.headers().map(([name, value]) => [name, value === null ? null : value.slice()]),
    })
  }
  return records
}
