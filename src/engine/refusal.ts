/**
 * What a shard's refusal of a batch means, in words: on the ring it is only Kafka's error code.
 */
import type { ErrorData } from '../base/errors.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import type { TopicInfo } from '../protocol/transport.ts'

/** `where` is topic-partition, `sizeBytes` the batch's. */
export function describeRefusal(
  errorCode: number,
  where: string,
  sizeBytes: number,
  info: TopicInfo | undefined,
): ErrorData {
  switch (errorCode) {
    case kafkaError('MESSAGE_TOO_LARGE'):
      return {
        code: 'MESSAGE_TOO_LARGE',
        message: `a batch of sizeBytes=${sizeBytes} for ${where} is over max.message.bytes=${info?.maxMessageBytes}`,
      }
    case kafkaError('OUT_OF_ORDER_SEQUENCE_NUMBER'):
      return { code: 'OUT_OF_ORDER_SEQUENCE_NUMBER', message: `${where} refused a batch that is out of sequence` }
    case kafkaError('INVALID_PRODUCER_EPOCH'):
      return { code: 'INVALID_PRODUCER_EPOCH', message: `${where} knows a newer epoch of this producer` }
    case kafkaError('INVALID_TIMESTAMP'):
      return {
        code: 'INVALID_TIMESTAMP',
        message: `${where} refused a timestamp outside message.timestamp.before.max.ms / message.timestamp.after.max.ms`,
      }
    case kafkaError('UNKNOWN_TOPIC_OR_PARTITION'):
      return { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `${where} does not exist (any more)` }
    case kafkaError('RECORD_LIST_TOO_LARGE'):
      return {
        code: 'RECORD_LIST_TOO_LARGE',
        message: `a batch of sizeBytes=${sizeBytes} is over segment.bytes of ${where}`,
      }
    case kafkaError('CORRUPT_MESSAGE'):
      return {
        code: 'CORRUPT_MESSAGE',
        message: `a batch for ${where} was damaged in memory between producer and shard`,
      }
    case kafkaError('INVALID_RECORD'):
      return { code: 'INVALID_RECORD', message: `${where} refused a batch whose record count and offsets disagree` }
    case kafkaError('KAFKA_STORAGE_ERROR'):
      return { code: 'KAFKA_STORAGE_ERROR', message: `${where} is offline after a failed write or sync` }
    default:
      return { code: 'UNKNOWN_SERVER_ERROR', message: `${where} refused a batch with Kafka's error code ${errorCode}` }
  }
}
