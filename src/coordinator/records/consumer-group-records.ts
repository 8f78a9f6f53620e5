/**
 * Records of a consumer group (KIP-848), and the changes that they stand for: a group's durable state is all its
 * changes in the order of the log. All values are version 0.
 *
 *   key  record                     change
 *     3  group epoch                epoch
 *     4  subscription metadata      none: replaced by the hash in record 3, read over
 *     5  member                     member
 *     6  epoch of the target        targetEpoch
 *     7  target of a member         target
 *     8  assignment of a member     current
 *    16  topics of a regex          regex
 */
import { array, bytes, int32, int64, int8, string, struct, uuid } from '../../protocol/wire/schema.ts'
import { type Assignment, assignmentOf, topicPartitionsOf } from '../consumer/assignment.ts'
import { type CoordinatorRecord, keyVersion, RecordCodec } from './record-codec.ts'

export const CONSUMER_GROUP_KEYS: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 8, 16])

export interface MemberSubscription {
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly subscribedTopicNames: readonly string[]
  readonly subscribedTopicRegex: string | null
  readonly rebalanceTimeoutMs: number
  readonly serverAssignor: string | null
}

/** Kafka's numbers. */
export const MemberState = { STABLE: 0, UNREVOKED_PARTITIONS: 1, UNRELEASED_PARTITIONS: 2 } as const

export interface CurrentAssignment {
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  readonly state: number
  readonly assigned: Assignment
  readonly pendingRevocation: Assignment
}

/** value null deletes. */
export type ConsumerGroupChange =
  | { readonly kind: 'epoch'; readonly value: { readonly epoch: number; readonly metadataHash: number } | null }
  | { readonly kind: 'member'; readonly memberId: string; readonly value: MemberSubscription | null }
  | { readonly kind: 'targetEpoch'; readonly value: number | null }
  | { readonly kind: 'target'; readonly memberId: string; readonly value: Assignment | null }
  | { readonly kind: 'current'; readonly memberId: string; readonly value: CurrentAssignment | null }
  | {
      readonly kind: 'regex'
      readonly regex: string
      readonly value: { readonly topics: readonly string[]; readonly timestamp: number } | null
    }

const GROUP_KEY = new RecordCodec({ groupId: string() }, 6)
const MEMBER_KEY = new RecordCodec({ groupId: string(), memberId: string() }, 8)
const REGEX_KEY = new RecordCodec({ groupId: string(), regularExpression: string() }, 16)

const TOPIC_PARTITIONS = { topicId: uuid(), partitions: array(int32()) }
const EPOCH = new RecordCodec({ epoch: int32(), metadataHash: int64({ tag: 0 }) }, 0, 0)
const TARGET_EPOCH = new RecordCodec({ assignmentEpoch: int32() }, 0, 0)
const TARGET = new RecordCodec({ topicPartitions: array(TOPIC_PARTITIONS) }, 0, 0)
const REGEX = new RecordCodec({ topics: array(string()), version: int64(), timestamp: int64() }, 0, 0)
const CURRENT = new RecordCodec(
  {
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    state: int8(),
    assignedPartitions: array(TOPIC_PARTITIONS),
    partitionsPendingRevocation: array(TOPIC_PARTITIONS),
  },
  0,
  0,
)
const CLASSIC_MEMBER = {
  sessionTimeoutMs: int32(),
  supportedProtocols: array({ name: string(), metadata: bytes() }),
}
const MEMBER = new RecordCodec(
  {
    instanceId: string({ nullableSince: 0 }),
    rackId: string({ nullableSince: 0 }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullableSince: 0 }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullableSince: 0 }),
    classicMemberMetadata: struct(CLASSIC_MEMBER, { nullableSince: 0, tag: 0, default: null }),
  },
  0,
  0,
)

export function consumerGroupRecord(groupId: string, change: ConsumerGroupChange): CoordinatorRecord {
  switch (change.kind) {
    case 'epoch':
      return record(GROUP_KEY.write(3, { groupId }), change.value, (value) => EPOCH.write(0, value))
    case 'member':
      return record(memberKey(5, groupId, change.memberId), change.value, (value) =>
        MEMBER.write(0, { ...value, classicMemberMetadata: null }),
      )
    case 'targetEpoch':
      return record(GROUP_KEY.write(6, { groupId }), change.value, (value) =>
        TARGET_EPOCH.write(0, { assignmentEpoch: value }),
      )
    case 'target':
      return record(memberKey(7, groupId, change.memberId), change.value, (value) =>
        TARGET.write(0, { topicPartitions: topicPartitionsOf(value) }),
      )
    case 'current':
      return record(memberKey(8, groupId, change.memberId), change.value, (value) =>
        CURRENT.write(0, {
          memberEpoch: value.memberEpoch,
          previousMemberEpoch: value.previousMemberEpoch,
          state: value.state,
          assignedPartitions: topicPartitionsOf(value.assigned),
          partitionsPendingRevocation: topicPartitionsOf(value.pendingRevocation),
        }),
      )
    case 'regex':
      return record(
        REGEX_KEY.write(16, { groupId, regularExpression: change.regex }),
        change.value,
        ({ topics, timestamp }) => REGEX.write(0, { topics, version: 0, timestamp }),
      )
  }
}

function record<T>(key: Uint8Array, value: T | null, write: (value: T) => Uint8Array): CoordinatorRecord {
  return { key, value: value === null ? null : write(value) }
}

function memberKey(version: number, groupId: string, memberId: string): Uint8Array {
  return MEMBER_KEY.write(version, { groupId, memberId })
}

/** Which group a record is of and what it changes; undefined for what is read over. */
export function readConsumerGroupRecord(
  key: Uint8Array,
  value: Uint8Array | null,
): { readonly groupId: string; readonly change: ConsumerGroupChange } | undefined {
  switch (keyVersion(key)) {
    case 3: {
      const { groupId } = GROUP_KEY.read(key)!
      const read = readOr(EPOCH, value)
      if (read === undefined) return undefined
      if (read === null) return { groupId, change: { kind: 'epoch', value: null } }
      // Kafka's hash has 64 bits and is another one anyway: the group will look at its topics again.
      const metadataHash = Number.isSafeInteger(read.metadataHash) ? read.metadataHash : 0
      return { groupId, change: { kind: 'epoch', value: { epoch: read.epoch, metadataHash } } }
    }
    case 5: {
      const { groupId, memberId } = MEMBER_KEY.read(key)!
      const read = readOr(MEMBER, value)
      return read === undefined ? undefined : { groupId, change: { kind: 'member', memberId, value: read } }
    }
    case 6: {
      const { groupId } = GROUP_KEY.read(key)!
      const read = readOr(TARGET_EPOCH, value)
      if (read === undefined) return undefined
      return { groupId, change: { kind: 'targetEpoch', value: read === null ? null : read.assignmentEpoch } }
    }
    case 7: {
      const { groupId, memberId } = MEMBER_KEY.read(key)!
      const read = readOr(TARGET, value)
      if (read === undefined) return undefined
      const target = read === null ? null : assignmentOf(read.topicPartitions)
      return { groupId, change: { kind: 'target', memberId, value: target } }
    }
    case 8: {
      const { groupId, memberId } = MEMBER_KEY.read(key)!
      const read = readOr(CURRENT, value)
      if (read === undefined) return undefined
      if (read === null) return { groupId, change: { kind: 'current', memberId, value: null } }
      const { memberEpoch, previousMemberEpoch, state, assignedPartitions, partitionsPendingRevocation } = read
      const assigned = assignmentOf(assignedPartitions)
      const pendingRevocation = assignmentOf(partitionsPendingRevocation)
      const current = { memberEpoch, previousMemberEpoch, state, assigned, pendingRevocation }
      return { groupId, change: { kind: 'current', memberId, value: current } }
    }
    case 16: {
      const { groupId, regularExpression: regex } = REGEX_KEY.read(key)!
      const read = readOr(REGEX, value)
      return read === undefined ? undefined : { groupId, change: { kind: 'regex', regex, value: read } }
    }
    default:
      return undefined
  }
}

function readOr<T>(codec: { read(bytes: Uint8Array): T | undefined }, value: Uint8Array | null): T | null | undefined {
  return value === null ? null : codec.read(value)
}
