/**
 * RecordBatch read in place: a cursor over bytes that we do not own and never copy. @hot
 *
 * One view is made per reader and moved with at(): a register, not a value to store. A client's or a disk's bytes are
 * checked with batchFault() first; the assert in at() is the second, paired check.
 */
import { assert } from '../base/assert.ts'
import { crc32c } from '../base/crc32c.ts'
import { getInt64, isSafeInt64, setInt64 } from '../base/int64.ts'
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_SEQUENCE,
  BASE_TIMESTAMP,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH,
  CODEC_MASK,
  CONTROL,
  CRC,
  CURRENT_MAGIC,
  DELETE_HORIZON,
  LAST_OFFSET_DELTA,
  LENGTH_PREFIX_BYTES,
  LOG_APPEND_TIME,
  MAGIC,
  MAX_TIMESTAMP,
  PARTITION_LEADER_EPOCH,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  RECORD_COUNT,
  TRANSACTIONAL,
} from './batch-layout.ts'

export class RecordBatchView {
  readonly bytes: Uint8Array
  readonly view: DataView
  position = 0

  /** Positions are indexes into `bytes`. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  at(position: number): this {
    assert(position >= 0 && position + BATCH_HEADER_BYTES <= this.view.byteLength, 'batch header is inside the view')
    assert(this.view.getUint8(position + MAGIC) === CURRENT_MAGIC, 'batch has magic 2')
    this.position = position
    return this
  }

  get sizeBytes(): number {
    return LENGTH_PREFIX_BYTES + this.view.getInt32(this.position + BATCH_LENGTH)
  }
  get baseOffset(): number {
    return getInt64(this.view, this.position + BASE_OFFSET)
  }
  set baseOffset(offset: number) {
    setInt64(this.view, this.position + BASE_OFFSET, offset)
  }
  get lastOffset(): number {
    return this.baseOffset + this.lastOffsetDelta
  }
  get partitionLeaderEpoch(): number {
    return this.view.getInt32(this.position + PARTITION_LEADER_EPOCH)
  }
  set partitionLeaderEpoch(epoch: number) {
    this.view.setInt32(this.position + PARTITION_LEADER_EPOCH, epoch)
  }
  get crc(): number {
    return this.view.getUint32(this.position + CRC)
  }
  get attributes(): number {
    return this.view.getInt16(this.position + ATTRIBUTES)
  }
  get codecId(): number {
    return this.view.getInt16(this.position + ATTRIBUTES) & CODEC_MASK
  }
  get isLogAppendTime(): boolean {
    return (this.attributes & LOG_APPEND_TIME) !== 0
  }
  get isTransactional(): boolean {
    return (this.attributes & TRANSACTIONAL) !== 0
  }
  get isControl(): boolean {
    return (this.attributes & CONTROL) !== 0
  }
  get hasDeleteHorizon(): boolean {
    return (this.attributes & DELETE_HORIZON) !== 0
  }
  get lastOffsetDelta(): number {
    return this.view.getInt32(this.position + LAST_OFFSET_DELTA)
  }
  get baseTimestamp(): number {
    return getInt64(this.view, this.position + BASE_TIMESTAMP)
  }
  get maxTimestamp(): number {
    return getInt64(this.view, this.position + MAX_TIMESTAMP)
  }
  get producerId(): number {
    return getInt64(this.view, this.position + PRODUCER_ID)
  }
  get producerEpoch(): number {
    return this.view.getInt16(this.position + PRODUCER_EPOCH)
  }
  get baseSequence(): number {
    return this.view.getInt32(this.position + BASE_SEQUENCE)
  }
  get recordCount(): number {
    return this.view.getInt32(this.position + RECORD_COUNT)
  }

  /** Where the records end: the first byte after the batch. */
  get end(): number {
    return this.position + this.sizeBytes
  }

  computeCrc(): number {
    return crc32c(this.bytes, this.position + ATTRIBUTES, this.end)
  }

  /** Marks the batch with the log's clock (message.timestamp.type=LogAppendTime); the CRC is computed anew. */
  stampLogAppendTime(timestampMs: number): void {
    this.view.setInt16(this.position + ATTRIBUTES, this.attributes | LOG_APPEND_TIME)
    setInt64(this.view, this.position + MAX_TIMESTAMP, timestampMs)
    this.view.setUint32(this.position + CRC, this.computeCrc())
  }
}

/** Total size of the batch that starts at `position`, as its own length field says; its header may still be bad. */
export function declaredBatchSize(view: DataView, position: number): number {
  return LENGTH_PREFIX_BYTES + view.getInt32(position + BATCH_LENGTH)
}

/**
 * Why the bytes at `position` are not a whole valid batch that ends at or before `end`; undefined if they are.
 *
 * The CRC covers neither offset, length, epoch nor magic: callers check that offsets go on where the last batch ended.
 */
export function batchFault(batch: RecordBatchView, position: number, end: number): string | undefined {
  const fault = headerFault(batch, position, end)
  if (fault !== undefined) return fault
  const crc = batch.computeCrc()
  if (crc !== batch.crc) return `CRC is ${hex(crc)}, the header says ${hex(batch.crc)}`
  return undefined
}

/**
 * As batchFault, of the header alone: only its 61 bytes are read, the records need not be at hand. What passes has
 * fields that a `number` holds exactly. Moves the view there.
 */
export function headerFault(batch: RecordBatchView, position: number, end: number): string | undefined {
  const view = batch.view
  const available = end - position
  if (available < BATCH_HEADER_BYTES) return `only ${available} bytes where a batch header needs ${BATCH_HEADER_BYTES}`
  const sizeBytes = declaredBatchSize(view, position)
  if (sizeBytes < BATCH_HEADER_BYTES) return `batch size ${sizeBytes} is below the header's ${BATCH_HEADER_BYTES}`
  if (sizeBytes > available) return `batch size ${sizeBytes} exceeds the ${available} bytes that are left`
  const magic = view.getUint8(position + MAGIC)
  if (magic !== CURRENT_MAGIC) return `magic ${magic} is not ${CURRENT_MAGIC}`
  if (!isSafeInt64(view, position + BASE_OFFSET)) return 'base offset is beyond 2^53'
  if (!isSafeInt64(view, position + BASE_TIMESTAMP)) return 'base timestamp is beyond 2^53'
  if (!isSafeInt64(view, position + MAX_TIMESTAMP)) return 'max timestamp is beyond 2^53'
  if (!isSafeInt64(view, position + PRODUCER_ID)) return 'producer id is beyond 2^53'
  batch.at(position)
  if (batch.baseOffset < 0) return `base offset ${batch.baseOffset} is negative`
  if (batch.lastOffsetDelta < 0) return `last offset delta ${batch.lastOffsetDelta} is negative`
  if (batch.lastOffset >= Number.MAX_SAFE_INTEGER) return `last offset ${batch.lastOffset} is not below 2^53 - 1`
  if (batch.recordCount < 0) return `record count ${batch.recordCount} is negative`
  if (batch.recordCount > batch.lastOffsetDelta + 1) {
    return `record count ${batch.recordCount} exceeds the ${batch.lastOffsetDelta + 1} offsets of the batch`
  }
  return undefined
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
