/**
 * What a broker's refusal of a batch means: whether it is worth another attempt, and in words if it is not.
 */
import type { ErrorCode, ErrorData } from '../../base/errors.ts'
import { errorNamed } from '../../protocol/kafka-errors.ts'
import type { PendingBatch } from './partition-queue.ts'

/**
 * 'retry': later, the same broker; 'refresh': the leader may be another; 'sequence': something before it is missing;
 * 'written': the log has it; 'refused': for good.
 */
export type Verdict = 'retry' | 'refresh' | 'sequence' | 'written' | 'refused'

const VERDICTS: Partial<Record<ErrorCode, Verdict>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'refresh',
  LEADER_NOT_AVAILABLE: 'refresh',
  NOT_LEADER_OR_FOLLOWER: 'refresh',
  REPLICA_NOT_AVAILABLE: 'refresh',
  KAFKA_STORAGE_ERROR: 'refresh',
  LISTENER_NOT_FOUND: 'refresh',
  FENCED_LEADER_EPOCH: 'refresh',
  UNKNOWN_LEADER_EPOCH: 'refresh',
  UNKNOWN_TOPIC_ID: 'refresh',
  INCONSISTENT_TOPIC_ID: 'refresh',
  CORRUPT_MESSAGE: 'retry',
  REQUEST_TIMED_OUT: 'retry',
  NETWORK_EXCEPTION: 'retry',
  NOT_ENOUGH_REPLICAS: 'retry',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'retry',
  THROTTLING_QUOTA_EXCEEDED: 'retry',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'sequence',
  UNKNOWN_PRODUCER_ID: 'sequence',
  DUPLICATE_SEQUENCE_NUMBER: 'written',
}

export function judge(errorCode: number): Verdict {
  return VERDICTS[errorNamed(errorCode)] ?? 'refused'
}

/** `said`: the broker's own words, if it had some. */
export function describeRefusal(
  errorCode: number,
  said: string | null,
  { queue, lengthBytes }: PendingBatch,
  maxMessageBytes: number | undefined,
): ErrorData {
  const code = errorNamed(errorCode)
  const words = wordsFor(code, queue.where, lengthBytes, maxMessageBytes) ?? `${queue.where} refused a batch: ${code}`
  const number = code === 'UNKNOWN_SERVER_ERROR' ? ` (Kafka's error code ${errorCode})` : ''
  const message = `${words}${number}${said === null || said === '' ? '' : `; the broker says: ${said}`}`
  // The lane knows one word for a sequence that does not go on.
  return { code: code === 'UNKNOWN_PRODUCER_ID' ? 'OUT_OF_ORDER_SEQUENCE_NUMBER' : code, message }
}

function wordsFor(code: ErrorCode, where: string, lengthBytes: number, limit: number | undefined): string | undefined {
  const words: Partial<Record<ErrorCode, string>> = {
    MESSAGE_TOO_LARGE: `a batch of sizeBytes=${lengthBytes} for ${where} is over max.message.bytes=${limit}`,
    RECORD_LIST_TOO_LARGE: `a batch of sizeBytes=${lengthBytes} is over segment.bytes of ${where}`,
    OUT_OF_ORDER_SEQUENCE_NUMBER: `${where} refused a batch that is out of sequence`,
    UNKNOWN_PRODUCER_ID: `${where} refused a batch that is out of sequence`,
    INVALID_PRODUCER_EPOCH: `${where} knows a newer epoch of this producer`,
    INVALID_TIMESTAMP: `${where} refused a timestamp outside message.timestamp.before.max.ms / message.timestamp.after.max.ms`,
  }
  return words[code]
}
