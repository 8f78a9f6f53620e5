import { describe, expect, it } from 'vitest'
import {
  CorruptRecordError,
  ERROR_CODES,
  type ErrorCode,
  errnoOf,
  fromErrorData,
  OffsetOutOfRangeError,
  RecordTooLargeError,
  StorageError,
  toErrorData,
  UnknownTopicOrPartitionError,
  VltavaError,
} from '../../src/base/errors.ts'

/** Kafka's numbers, and whether its clients try again. */
const KAFKA: Partial<Record<ErrorCode, [kafkaCode: number, retriable: boolean]>> = {
  UNKNOWN_SERVER_ERROR: [-1, false],
  OFFSET_OUT_OF_RANGE: [1, false],
  CORRUPT_MESSAGE: [2, false],
  UNKNOWN_TOPIC_OR_PARTITION: [3, false],
  LEADER_NOT_AVAILABLE: [5, true],
  NOT_LEADER_OR_FOLLOWER: [6, true],
  REQUEST_TIMED_OUT: [7, true],
  REPLICA_NOT_AVAILABLE: [9, true],
  MESSAGE_TOO_LARGE: [10, false],
  OFFSET_METADATA_TOO_LARGE: [12, false],
  NETWORK_EXCEPTION: [13, true],
  COORDINATOR_LOAD_IN_PROGRESS: [14, true],
  COORDINATOR_NOT_AVAILABLE: [15, true],
  NOT_COORDINATOR: [16, true],
  INVALID_TOPIC_EXCEPTION: [17, false],
  RECORD_LIST_TOO_LARGE: [18, false],
  NOT_ENOUGH_REPLICAS: [19, true],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, true],
  INVALID_REQUIRED_ACKS: [21, false],
  ILLEGAL_GENERATION: [22, false],
  INCONSISTENT_GROUP_PROTOCOL: [23, false],
  INVALID_GROUP_ID: [24, false],
  UNKNOWN_MEMBER_ID: [25, false],
  INVALID_SESSION_TIMEOUT: [26, false],
  REBALANCE_IN_PROGRESS: [27, false],
  INVALID_COMMIT_OFFSET_SIZE: [28, false],
  TOPIC_AUTHORIZATION_FAILED: [29, false],
  GROUP_AUTHORIZATION_FAILED: [30, false],
  CLUSTER_AUTHORIZATION_FAILED: [31, false],
  INVALID_TIMESTAMP: [32, false],
  UNSUPPORTED_SASL_MECHANISM: [33, false],
  ILLEGAL_SASL_STATE: [34, false],
  UNSUPPORTED_VERSION: [35, false],
  TOPIC_ALREADY_EXISTS: [36, false],
  INVALID_PARTITIONS: [37, false],
  INVALID_REPLICATION_FACTOR: [38, false],
  INVALID_REPLICA_ASSIGNMENT: [39, false],
  INVALID_CONFIG: [40, false],
  NOT_CONTROLLER: [41, true],
  INVALID_REQUEST: [42, false],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, false],
  POLICY_VIOLATION: [44, false],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, false],
  DUPLICATE_SEQUENCE_NUMBER: [46, false],
  INVALID_PRODUCER_EPOCH: [47, false],
  KAFKA_STORAGE_ERROR: [56, true],
  LOG_DIR_NOT_FOUND: [57, false],
  SASL_AUTHENTICATION_FAILED: [58, false],
  UNKNOWN_PRODUCER_ID: [59, false],
  NON_EMPTY_GROUP: [68, false],
  GROUP_ID_NOT_FOUND: [69, false],
  FETCH_SESSION_ID_NOT_FOUND: [70, true],
  INVALID_FETCH_SESSION_EPOCH: [71, true],
  LISTENER_NOT_FOUND: [72, true],
  TOPIC_DELETION_DISABLED: [73, false],
  FENCED_LEADER_EPOCH: [74, true],
  UNKNOWN_LEADER_EPOCH: [75, true],
  UNSUPPORTED_COMPRESSION_TYPE: [76, false],
  OFFSET_NOT_AVAILABLE: [78, true],
  MEMBER_ID_REQUIRED: [79, false],
  GROUP_MAX_SIZE_REACHED: [81, false],
  FENCED_INSTANCE_ID: [82, false],
  ELECTION_NOT_NEEDED: [84, false],
  NO_REASSIGNMENT_IN_PROGRESS: [85, false],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, false],
  INVALID_RECORD: [87, false],
  UNSTABLE_OFFSET_COMMIT: [88, true],
  THROTTLING_QUOTA_EXCEEDED: [89, true],
  INVALID_UPDATE_VERSION: [95, false],
  FEATURE_UPDATE_FAILED: [96, false],
  UNKNOWN_TOPIC_ID: [100, true],
  BROKER_ID_NOT_REGISTERED: [102, false],
  INCONSISTENT_TOPIC_ID: [103, true],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, true],
  FENCED_MEMBER_EPOCH: [110, false],
  UNRELEASED_INSTANCE_ID: [111, false],
  UNSUPPORTED_ASSIGNOR: [112, false],
  STALE_MEMBER_EPOCH: [113, false],
  MISMATCHED_ENDPOINT_TYPE: [114, false],
  UNSUPPORTED_ENDPOINT_TYPE: [115, false],
  INVALID_REGULAR_EXPRESSION: [128, false],
  REBOOTSTRAP_REQUIRED: [129, false],
}

describe('an error code', () => {
  it.each(Object.entries(ERROR_CODES))(
    '%s has the number that Kafka gives it, or -1 if it is our own',
    (code, entry) => {
      const [kafkaCode, retriable] = KAFKA[code as ErrorCode] ?? [-1, entry.retriable]
      expect(entry).toEqual({ kafkaCode, retriable })
    },
  )

  it('is on the error, with its number and whether to try again', () => {
    const error = new VltavaError('KAFKA_STORAGE_ERROR', 'the disk is gone')
    expect(error).toMatchObject({ name: 'VltavaError', code: 'KAFKA_STORAGE_ERROR', kafkaCode: 56, retriable: true })
    expect(error.message).toBe('the disk is gone')
  })
})

describe('each kind of error', () => {
  it('says what it is about in fields and in words', () => {
    const range = new OffsetOutOfRangeError('t-0', 9, 10, 20)
    expect(range).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', logStartOffset: 10, logEndOffset: 20 })
    expect(range.message).toBe('t-0 offset=9 is outside logStartOffset=10 .. logEndOffset=20')
    const large = new RecordTooLargeError('a record', 11, 'max.message.bytes', 10)
    expect(large).toMatchObject({ code: 'MESSAGE_TOO_LARGE', sizeBytes: 11, limitBytes: 10 })
    expect(large.message).toBe('a record has sizeBytes=11, over max.message.bytes=10')
    const unknown = new UnknownTopicOrPartitionError('t', 3, 'there is no t-3')
    expect(unknown).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 't', partition: 3 })
    const storage = new StorageError('write failed', 'ENOSPC', { cause: range })
    expect(storage).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', errno: 'ENOSPC', cause: range })
    expect(new CorruptRecordError('x')).toMatchObject({ code: 'CORRUPT_MESSAGE', name: 'CorruptRecordError' })
    for (const error of [range, large, unknown, storage]) {
      expect(error).toBeInstanceOf(VltavaError)
      expect(error.name).toBe(error.constructor.name)
    }
  })
})

describe('an error that crosses threads', () => {
  it('keeps code and message, survives a structured clone, and is a VltavaError again', () => {
    const data = structuredClone(toErrorData(new RecordTooLargeError('a record', 11, 'limit', 10)))
    const back = fromErrorData(data)
    expect(back).toBeInstanceOf(VltavaError)
    expect(back).toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      kafkaCode: 10,
      message: 'a record has sizeBytes=11, over limit=10',
    })
  })

  it('that is no VltavaError becomes UNKNOWN_SERVER_ERROR and brings its stack', () => {
    const data = toErrorData(new TypeError('no such thing'))
    expect(data.code).toBe('UNKNOWN_SERVER_ERROR')
    expect(data.message).toContain('TypeError: no such thing')
    expect(data.message).toContain('errors.test.ts')
    expect(toErrorData('text').message).toBe('text')
  })
})

describe('the errno of an error', () => {
  it('is the system name, also through a StorageError, and empty for everything else', () => {
    expect(errnoOf(Object.assign(new Error('x'), { code: 'EIO' }))).toBe('EIO')
    expect(errnoOf(new StorageError('x', 'ENOSPC'))).toBe('ENOSPC')
    expect(errnoOf(new VltavaError('LOG_CLOSED', 'x'))).toBe('')
    expect(errnoOf(new Error('x'))).toBe('')
    expect(errnoOf(Object.assign(new Error('x'), { code: 5 }))).toBe('')
    expect(errnoOf('EIO')).toBe('')
  })
})
