/**
 * Kafka's error numbers that a group coordinator answers with, and what a failed append means to a client.
 *
 * They go into responses as numbers; nothing here is thrown, so they are not in the table of base/errors.ts.
 */
import { VltavaError } from '../base/errors.ts'

export const GroupError = {
  UNKNOWN_SERVER_ERROR: -1,
  NONE: 0,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  REQUEST_TIMED_OUT: 7,
  MESSAGE_TOO_LARGE: 10,
  OFFSET_METADATA_TOO_LARGE: 12,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  RECORD_LIST_TOO_LARGE: 18,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  INVALID_GROUP_ID: 24,
  UNKNOWN_MEMBER_ID: 25,
  INVALID_SESSION_TIMEOUT: 26,
  REBALANCE_IN_PROGRESS: 27,
  INVALID_COMMIT_OFFSET_SIZE: 28,
  UNSUPPORTED_VERSION: 35,
  INVALID_REQUEST: 42,
  KAFKA_STORAGE_ERROR: 56,
  NON_EMPTY_GROUP: 68,
  GROUP_ID_NOT_FOUND: 69,
  MEMBER_ID_REQUIRED: 79,
  GROUP_MAX_SIZE_REACHED: 81,
  FENCED_INSTANCE_ID: 82,
  GROUP_SUBSCRIBED_TO_TOPIC: 86,
  UNKNOWN_TOPIC_ID: 100,
  FENCED_MEMBER_EPOCH: 110,
  UNRELEASED_INSTANCE_ID: 111,
  UNSUPPORTED_ASSIGNOR: 112,
  STALE_MEMBER_EPOCH: 113,
  INVALID_REGULAR_EXPRESSION: 128,
} as const

/** What a group's request is answered when its records could not be written. */
export function groupWriteError(error: Error): number {
  switch (kafkaCodeOf(error)) {
    case GroupError.KAFKA_STORAGE_ERROR:
      return GroupError.NOT_COORDINATOR
    case GroupError.MESSAGE_TOO_LARGE:
    case GroupError.RECORD_LIST_TOO_LARGE:
      return GroupError.UNKNOWN_SERVER_ERROR
    default:
      return GroupError.COORDINATOR_NOT_AVAILABLE
  }
}

/** The same for commits of offsets. */
export function offsetWriteError(error: Error): number {
  const code = kafkaCodeOf(error)
  const isTooLarge = code === GroupError.MESSAGE_TOO_LARGE || code === GroupError.RECORD_LIST_TOO_LARGE
  return isTooLarge ? GroupError.INVALID_COMMIT_OFFSET_SIZE : groupWriteError(error)
}

function kafkaCodeOf(error: Error): number {
  return error instanceof VltavaError ? error.kafkaCode : GroupError.UNKNOWN_SERVER_ERROR
}
