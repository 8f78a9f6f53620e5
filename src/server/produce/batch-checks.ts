/**
 * What the net thread checks of a batch before it goes to the log: the header alone, as Kafka does it, in Kafka's
 * order. The shard checks the CRC, the record count against the offsets, sizes, timestamps and the producer's state
 * (log/partition-log.ts): nothing is computed twice.
 */
import type { TopicInfo } from '../../protocol/transport.ts'
import {
  ATTRIBUTES,
  BASE_SEQUENCE,
  BATCH_HEADER_BYTES,
  CODEC_MASK,
  CONTROL,
  CURRENT_MAGIC,
  LAST_OFFSET_DELTA,
  MAGIC,
  PRODUCER_ID,
  RECORD_COUNT,
  TRANSACTIONAL,
} from '../../record/batch-layout.ts'
import { declaredBatchSize } from '../../record/batch-view.ts'
import { CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TXN_STATE, MESSAGE_TOO_LARGE } from '../error-codes.ts'
import { UNSUPPORTED_COMPRESSION_TYPE } from '../error-codes.ts'

const ZSTD = 4
/** From this version on producers may send zstd (KIP-110). */
const ZSTD_SINCE_VERSION = 7

export interface BatchRefusal {
  readonly errorCode: number
  readonly message: string
}

function refuse(errorCode: number, message: string): BatchRefusal {
  return { errorCode, message }
}

/** Why the bytes [start, start + length) of a produce request are not one batch that the log may get. */
export function batchRefusal(
  view: DataView,
  start: number,
  length: number,
  info: TopicInfo,
  apiVersion: number,
): BatchRefusal | undefined {
  if (length < BATCH_HEADER_BYTES) return refuse(INVALID_RECORD, `${length} bytes are no record batch`)
  const magic = view.getUint8(start + MAGIC)
  if (magic !== CURRENT_MAGIC) {
    return refuse(INVALID_RECORD, `Produce requests of version ${apiVersion} hold batches of magic 2, not ${magic}`)
  }
  const sizeBytes = declaredBatchSize(view, start)
  if (sizeBytes < BATCH_HEADER_BYTES) return refuse(CORRUPT_MESSAGE, `a batch of ${sizeBytes} bytes has no header`)
  if (sizeBytes > length) return refuse(INVALID_RECORD, `a batch of ${sizeBytes} bytes is cut off after ${length}`)
  if (sizeBytes < length) return refuse(INVALID_RECORD, 'a partition gets one record batch in a request')
  const attributes = view.getInt16(start + ATTRIBUTES)
  const codec = attributes & CODEC_MASK
  if (codec > ZSTD) return refuse(UNSUPPORTED_COMPRESSION_TYPE, `compression codec id=${codec} is unknown`)
  if (codec === ZSTD && apiVersion < ZSTD_SINCE_VERSION) {
    return refuse(UNSUPPORTED_COMPRESSION_TYPE, `zstd needs Produce version ${ZSTD_SINCE_VERSION} or later`)
  }
  if (sizeBytes > info.maxMessageBytes) {
    const limit = `max.message.bytes=${info.maxMessageBytes}`
    return refuse(MESSAGE_TOO_LARGE, `a batch of ${sizeBytes} bytes is over ${limit} of ${info.topic}`)
  }
  if (view.getInt32(start) !== 0 || view.getInt32(start + 4) !== 0) {
    return refuse(INVALID_RECORD, "a client's batch has base offset 0")
  }
  const count = view.getInt32(start + RECORD_COUNT)
  if (count <= 0 || view.getInt32(start + LAST_OFFSET_DELTA) !== count - 1) {
    return refuse(INVALID_RECORD, `a batch of recordCount=${count} has other offsets`)
  }
  if ((attributes & CONTROL) !== 0) return refuse(INVALID_RECORD, 'clients do not write control batches')
  // The high word alone tells the sign.
  const hasProducer = view.getInt32(start + PRODUCER_ID) >= 0
  if (hasProducer && view.getInt32(start + BASE_SEQUENCE) < 0) {
    return refuse(INVALID_RECORD, 'a batch with a producer id has a sequence number')
  }
  if ((attributes & TRANSACTIONAL) !== 0) {
    return refuse(INVALID_TXN_STATE, 'the producer has no transaction here')
  }
  return undefined
}
