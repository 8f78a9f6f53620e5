/**
 * Control records: what a control batch (attributes bit 5) says, here the markers that end a transaction (KIP-98).
 *
 *  key    int16 version, 0 | int16 type: 0 ABORT, 1 COMMIT; others belong to Kafka's own metadata log
 *  value  int16 version, 0 | int32 coordinatorEpoch
 *
 * A control batch holds one record and is never compressed.
 */
import { CorruptRecordError } from '../base/errors.ts'
import { BATCH_HEADER_BYTES } from './batch-layout.ts'
import type { RecordBatchView } from './batch-view.ts'
import { RecordCursor } from './record-cursor.ts'

export interface TransactionMarker {
  readonly isCommit: boolean
  readonly coordinatorEpoch: number
}

const KEY_BYTES = 4
const VALUE_BYTES = 6
const TYPE = 2
const COORDINATOR_EPOCH = 2
const ABORT = 0
const COMMIT = 1

/** Undefined if the batch is no transaction marker, or none that can be read. The whole batch must be at hand. */
export function readTransactionMarker(batch: RecordBatchView): TransactionMarker | undefined {
  if (!batch.isControl || batch.codecId !== 0 || batch.recordCount !== 1) return undefined
  const cursor = new RecordCursor(batch.bytes, batch.position + BATCH_HEADER_BYTES, batch.end, 1)
  try {
    cursor.next()
  } catch (error) {
    if (error instanceof CorruptRecordError) return undefined
    throw error
  }
  if (cursor.keyLength < KEY_BYTES || cursor.valueLength < VALUE_BYTES) return undefined
  const type = batch.view.getInt16(cursor.keyPosition + TYPE)
  if (type !== ABORT && type !== COMMIT) return undefined
  return { isCommit: type === COMMIT, coordinatorEpoch: batch.view.getInt32(cursor.valuePosition + COORDINATOR_EPOCH) }
}
