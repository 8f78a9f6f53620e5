/**
 * Typed errors: everything that may go wrong while the engine itself is right.
 *
 * `code` is the stable name users match on; `kafkaCode` is Kafka's error number and goes on the wire; `retriable` is
 * Kafka's own word: the same call may succeed later. Messages carry `name=value`, built when thrown, and say what to
 * do. One class with a table of codes, and subclasses only where fields are worth reading. Errors cross threads as
 * ErrorData (structured clone drops classes).
 */
export const ERROR_CODES = {
  UNKNOWN_SERVER_ERROR: { kafkaCode: -1, retriable: false },
  OFFSET_OUT_OF_RANGE: { kafkaCode: 1, retriable: false },
  CORRUPT_MESSAGE: { kafkaCode: 2, retriable: false },
  UNKNOWN_TOPIC_OR_PARTITION: { kafkaCode: 3, retriable: false },
  LEADER_NOT_AVAILABLE: { kafkaCode: 5, retriable: true },
  NOT_LEADER_OR_FOLLOWER: { kafkaCode: 6, retriable: true },
  REQUEST_TIMED_OUT: { kafkaCode: 7, retriable: true },
  REPLICA_NOT_AVAILABLE: { kafkaCode: 9, retriable: true },
  MESSAGE_TOO_LARGE: { kafkaCode: 10, retriable: false },
  OFFSET_METADATA_TOO_LARGE: { kafkaCode: 12, retriable: false },
  NETWORK_EXCEPTION: { kafkaCode: 13, retriable: true },
  COORDINATOR_LOAD_IN_PROGRESS: { kafkaCode: 14, retriable: true },
  COORDINATOR_NOT_AVAILABLE: { kafkaCode: 15, retriable: true },
  NOT_COORDINATOR: { kafkaCode: 16, retriable: true },
  INVALID_TOPIC_EXCEPTION: { kafkaCode: 17, retriable: false },
  RECORD_LIST_TOO_LARGE: { kafkaCode: 18, retriable: false },
  NOT_ENOUGH_REPLICAS: { kafkaCode: 19, retriable: true },
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: { kafkaCode: 20, retriable: true },
  INVALID_REQUIRED_ACKS: { kafkaCode: 21, retriable: false },
  ILLEGAL_GENERATION: { kafkaCode: 22, retriable: false },
  INCONSISTENT_GROUP_PROTOCOL: { kafkaCode: 23, retriable: false },
  INVALID_GROUP_ID: { kafkaCode: 24, retriable: false },
  UNKNOWN_MEMBER_ID: { kafkaCode: 25, retriable: false },
  INVALID_SESSION_TIMEOUT: { kafkaCode: 26, retriable: false },
  REBALANCE_IN_PROGRESS: { kafkaCode: 27, retriable: false },
  INVALID_COMMIT_OFFSET_SIZE: { kafkaCode: 28, retriable: false },
  TOPIC_AUTHORIZATION_FAILED: { kafkaCode: 29, retriable: false },
  GROUP_AUTHORIZATION_FAILED: { kafkaCode: 30, retriable: false },
  CLUSTER_AUTHORIZATION_FAILED: { kafkaCode: 31, retriable: false },
  INVALID_TIMESTAMP: { kafkaCode: 32, retriable: false },
  UNSUPPORTED_SASL_MECHANISM: { kafkaCode: 33, retriable: false },
  ILLEGAL_SASL_STATE: { kafkaCode: 34, retriable: false },
  UNSUPPORTED_VERSION: { kafkaCode: 35, retriable: false },
  TOPIC_ALREADY_EXISTS: { kafkaCode: 36, retriable: false },
  INVALID_PARTITIONS: { kafkaCode: 37, retriable: false },
  INVALID_REPLICATION_FACTOR: { kafkaCode: 38, retriable: false },
  INVALID_REPLICA_ASSIGNMENT: { kafkaCode: 39, retriable: false },
  INVALID_CONFIG: { kafkaCode: 40, retriable: false },
  NOT_CONTROLLER: { kafkaCode: 41, retriable: true },
  INVALID_REQUEST: { kafkaCode: 42, retriable: false },
  UNSUPPORTED_FOR_MESSAGE_FORMAT: { kafkaCode: 43, retriable: false },
  POLICY_VIOLATION: { kafkaCode: 44, retriable: false },
  OUT_OF_ORDER_SEQUENCE_NUMBER: { kafkaCode: 45, retriable: false },
  DUPLICATE_SEQUENCE_NUMBER: { kafkaCode: 46, retriable: false },
  INVALID_PRODUCER_EPOCH: { kafkaCode: 47, retriable: false },
  KAFKA_STORAGE_ERROR: { kafkaCode: 56, retriable: true },
  LOG_DIR_NOT_FOUND: { kafkaCode: 57, retriable: false },
  SASL_AUTHENTICATION_FAILED: { kafkaCode: 58, retriable: false },
  UNKNOWN_PRODUCER_ID: { kafkaCode: 59, retriable: false },
  NON_EMPTY_GROUP: { kafkaCode: 68, retriable: false },
  GROUP_ID_NOT_FOUND: { kafkaCode: 69, retriable: false },
  FETCH_SESSION_ID_NOT_FOUND: { kafkaCode: 70, retriable: true },
  INVALID_FETCH_SESSION_EPOCH: { kafkaCode: 71, retriable: true },
  LISTENER_NOT_FOUND: { kafkaCode: 72, retriable: true },
  TOPIC_DELETION_DISABLED: { kafkaCode: 73, retriable: false },
  FENCED_LEADER_EPOCH: { kafkaCode: 74, retriable: true },
  UNKNOWN_LEADER_EPOCH: { kafkaCode: 75, retriable: true },
  UNSUPPORTED_COMPRESSION_TYPE: { kafkaCode: 76, retriable: false },
  OFFSET_NOT_AVAILABLE: { kafkaCode: 78, retriable: true },
  MEMBER_ID_REQUIRED: { kafkaCode: 79, retriable: false },
  GROUP_MAX_SIZE_REACHED: { kafkaCode: 81, retriable: false },
  FENCED_INSTANCE_ID: { kafkaCode: 82, retriable: false },
  ELECTION_NOT_NEEDED: { kafkaCode: 84, retriable: false },
  NO_REASSIGNMENT_IN_PROGRESS: { kafkaCode: 85, retriable: false },
  GROUP_SUBSCRIBED_TO_TOPIC: { kafkaCode: 86, retriable: false },
  INVALID_RECORD: { kafkaCode: 87, retriable: false },
  UNSTABLE_OFFSET_COMMIT: { kafkaCode: 88, retriable: true },
  THROTTLING_QUOTA_EXCEEDED: { kafkaCode: 89, retriable: true },
  FEATURE_UPDATE_FAILED: { kafkaCode: 96, retriable: false },
  INVALID_UPDATE_VERSION: { kafkaCode: 95, retriable: false },
  UNKNOWN_TOPIC_ID: { kafkaCode: 100, retriable: true },
  BROKER_ID_NOT_REGISTERED: { kafkaCode: 102, retriable: false },
  INCONSISTENT_TOPIC_ID: { kafkaCode: 103, retriable: true },
  FETCH_SESSION_TOPIC_ID_ERROR: { kafkaCode: 106, retriable: true },
  FENCED_MEMBER_EPOCH: { kafkaCode: 110, retriable: false },
  UNRELEASED_INSTANCE_ID: { kafkaCode: 111, retriable: false },
  UNSUPPORTED_ASSIGNOR: { kafkaCode: 112, retriable: false },
  STALE_MEMBER_EPOCH: { kafkaCode: 113, retriable: false },
  MISMATCHED_ENDPOINT_TYPE: { kafkaCode: 114, retriable: false },
  UNSUPPORTED_ENDPOINT_TYPE: { kafkaCode: 115, retriable: false },
  INVALID_REGULAR_EXPRESSION: { kafkaCode: 128, retriable: false },
  REBOOTSTRAP_REQUIRED: { kafkaCode: 129, retriable: false },
  // Vltava's own, of the in-process API; on the wire they are UNKNOWN_SERVER_ERROR.
  LOG_CLOSED: { kafkaCode: -1, retriable: false },
  PRODUCER_CLOSED: { kafkaCode: -1, retriable: false },
  CONSUMER_CLOSED: { kafkaCode: -1, retriable: false },
  DIRECTORY_LOCKED: { kafkaCode: -1, retriable: false },
  DIRECTORY_UNUSABLE: { kafkaCode: -1, retriable: false },
  DIRECTORY_VERSION: { kafkaCode: -1, retriable: false },
  DIRECTORY_CORRUPT: { kafkaCode: -1, retriable: false },
  ADDRESS_IN_USE: { kafkaCode: -1, retriable: false },
  ADDRESS_UNUSABLE: { kafkaCode: -1, retriable: false },
  INVALID_ARGUMENT: { kafkaCode: -1, retriable: false },
  /** A member has no committed offset in a partition, and its consumer begins nowhere by itself (from: 'none'). */
  NO_COMMITTED_OFFSET: { kafkaCode: -1, retriable: false },
  SERIALIZATION: { kafkaCode: -1, retriable: false },
  SHARD_UNAVAILABLE: { kafkaCode: -1, retriable: true },
  // Of a log on a cluster.
  BROKER_UNAVAILABLE: { kafkaCode: -1, retriable: true },
  EMBEDDED_ONLY: { kafkaCode: -1, retriable: false },
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** Base of every error that Vltava throws on purpose. */
export class VltavaError extends Error {
  override readonly name: string = 'VltavaError'
  readonly code: ErrorCode
  readonly kafkaCode: number
  readonly retriable: boolean

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.kafkaCode = ERROR_CODES[code].kafkaCode
    this.retriable = ERROR_CODES[code].retriable
  }
}

export class OffsetOutOfRangeError extends VltavaError {
  override readonly name = 'OffsetOutOfRangeError'
  readonly logStartOffset: number
  readonly logEndOffset: number

  constructor(where: string, offset: number, logStartOffset: number, logEndOffset: number) {
    super(
      'OFFSET_OUT_OF_RANGE',
      `${where} offset=${offset} is outside logStartOffset=${logStartOffset} .. logEndOffset=${logEndOffset}`,
    )
    this.logStartOffset = logStartOffset
    this.logEndOffset = logEndOffset
  }
}

/** Bytes that claim to be records and are not: from a disk or a client. */
export class CorruptRecordError extends VltavaError {
  override readonly name = 'CorruptRecordError'

  constructor(message: string, options?: ErrorOptions) {
    super('CORRUPT_MESSAGE', message, options)
  }
}

/** Damage in the middle of a log: what is behind it can still be read from `resumeOffset` on. */
export class DamagedLogError extends CorruptRecordError {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly resumeOffset: number

  /** `where`: the file, or who sent the bytes. */
  constructor(
    topic: string,
    partition: number,
    offset: number,
    resumeOffset: number,
    where: string,
    position: number,
    fault: string,
  ) {
    super(
      `${topic}-${partition} is damaged at offset=${offset} (${where}, byte ${position}): ${fault}. ` +
        `Reading can go on at offset=${resumeOffset}`,
    )
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.resumeOffset = resumeOffset
  }
}

export class UnknownTopicOrPartitionError extends VltavaError {
  override readonly name = 'UnknownTopicOrPartitionError'
  readonly topic: string
  readonly partition: number | undefined

  constructor(topic: string, partition: number | undefined, message: string) {
    super('UNKNOWN_TOPIC_OR_PARTITION', message)
    this.topic = topic
    this.partition = partition
  }
}

export class RecordTooLargeError extends VltavaError {
  override readonly name = 'RecordTooLargeError'
  readonly sizeBytes: number
  readonly limitBytes: number

  constructor(what: string, sizeBytes: number, limitName: string, limitBytes: number) {
    super('MESSAGE_TOO_LARGE', `${what} has sizeBytes=${sizeBytes}, over ${limitName}=${limitBytes}`)
    this.sizeBytes = sizeBytes
    this.limitBytes = limitBytes
  }
}

/** A write or fsync failed, or a file is damaged: the partition (or the whole log) stops instead of guessing. */
export class StorageError extends VltavaError {
  override readonly name = 'StorageError'
  /** The operating system's name for it: ENOSPC, EIO, EROFS, ... */
  readonly errno: string

  constructor(message: string, errno: string, options?: ErrorOptions) {
    super('KAFKA_STORAGE_ERROR', message, options)
    this.errno = errno
  }
}

/** The errno of errors that go away when somebody frees space. */
export const SPACE_ERRORS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** What of an error crosses a thread border. */
export interface ErrorData {
  readonly code: ErrorCode
  readonly message: string
  /** Of a StorageError. */
  readonly errno?: string
  /** Of an UnknownTopicOrPartitionError. */
  readonly topic?: string
  readonly partition?: number | undefined
}

export function toErrorData(error: unknown): ErrorData {
  if (error instanceof VltavaError) {
    const { code, message } = error
    if (error instanceof StorageError) return { code, message, errno: error.errno }
    if (error instanceof UnknownTopicOrPartitionError) {
      return { code, message, topic: error.topic, partition: error.partition }
    }
    return { code, message }
  }
  return {
    code: 'UNKNOWN_SERVER_ERROR',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }
}

export function fromErrorData(data: ErrorData): VltavaError {
  const { code, message, errno, topic, partition } = data
  if (errno !== undefined) return new StorageError(message, errno)
  if (topic !== undefined) return new UnknownTopicOrPartitionError(topic, partition, message)
  return new VltavaError(code, message)
}

/** The errno name that Node (or the simulated disk) put on an error, or '' if it is no system error. */
export function errnoOf(error: unknown): string {
  if (error instanceof StorageError) return error.errno
  if (error instanceof VltavaError) return '' // Its code is ours, not the system's.
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return ''
}
