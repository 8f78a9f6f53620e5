/**
 * What may be wrong with a ConsumerGroupHeartbeat, before anything is changed.
 */
import { assignorNamed } from '../assignors/named-assignors.ts'
import type { ConsumerGroupHeartbeatRequest } from '../consumer-messages.ts'
import type { GroupConfig } from '../group-config.ts'
import { GroupError } from '../group-errors.ts'
import { TopicRegex } from '../regex/regex-matcher.ts'
import { RegexSyntaxError } from '../regex/regex-parser.ts'
import type { CurrentAssignment } from '../records/consumer-group-records.ts'
import { type Assignment, isSubset } from './assignment.ts'
import { JOIN_EPOCH, LEAVE_EPOCH, STATIC_LEAVE_EPOCH } from './consumer-group.ts'

export interface Refusal {
  readonly errorCode: number
  readonly message: string
}

/** From this version on the member chooses its own id. */
const OWN_ID_SINCE = 1

export function heartbeatRefusal(
  request: ConsumerGroupHeartbeatRequest,
  apiVersion: number,
  config: GroupConfig,
): Refusal | undefined {
  const { memberEpoch, instanceId, memberId } = request
  if (request.groupId === '') return invalid('GroupId is empty')
  if (instanceId === '') return invalid('InstanceId is empty')
  if (request.rackId === '') return invalid('RackId is empty')
  for (const text of [request.groupId, memberId, instanceId, request.rackId, request.serverAssignor]) {
    if (text !== null && Buffer.byteLength(text) > config.nameBytesMax) return invalid('an id is too long')
  }
  if (memberId === '' && (memberEpoch !== JOIN_EPOCH || apiVersion >= OWN_ID_SINCE)) return invalid('MemberId is empty')
  if (memberEpoch < STATIC_LEAVE_EPOCH) return invalid('MemberEpoch is not valid')
  if (memberEpoch === STATIC_LEAVE_EPOCH && instanceId === null) return invalid('InstanceId is null')
  if (memberEpoch === LEAVE_EPOCH || memberEpoch === STATIC_LEAVE_EPOCH) return undefined
  if (memberEpoch === JOIN_EPOCH) {
    if (request.rebalanceTimeoutMs === -1) return invalid('RebalanceTimeoutMs is missing in a first request')
    if (request.topicPartitions === null || request.topicPartitions.length > 0) {
      return invalid('TopicPartitions of a first request are not empty')
    }
    if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null) {
      return invalid('a first request has neither SubscribedTopicNames nor SubscribedTopicRegex')
    }
  }
  if (request.rebalanceTimeoutMs < -1) return invalid('RebalanceTimeoutMs is not valid')
  let bytes = 0
  for (const name of request.subscribedTopicNames ?? []) {
    if (Buffer.byteLength(name) > config.nameBytesMax) return invalid('a topic name is too long')
    bytes += Buffer.byteLength(name)
  }
  if (bytes > config.memberMetadataBytesMax) return invalid('SubscribedTopicNames are too much')
  if (request.serverAssignor !== null && assignorNamed(request.serverAssignor) === undefined) {
    return { errorCode: GroupError.UNSUPPORTED_ASSIGNOR, message: 'ServerAssignor is none of: uniform, range' }
  }
  return undefined
}

function invalid(message: string): Refusal {
  return { errorCode: GroupError.INVALID_REQUEST, message }
}

/** An expression, or why it is none. */
export function parseTopicRegex(pattern: string): TopicRegex | Refusal {
  try {
    return new TopicRegex(pattern)
  } catch (error) {
    if (!(error instanceof RegexSyntaxError)) throw error
    const message = `SubscribedTopicRegex ${error.message}`
    return { errorCode: GroupError.INVALID_REGULAR_EXPRESSION, message }
  }
}

/** A member that is not where it should be gives up everything and joins again, except after a lost answer. */
export function epochRefusal(
  current: CurrentAssignment,
  receivedEpoch: number,
  owned: Assignment | null,
): Refusal | undefined {
  if (receivedEpoch === current.memberEpoch) return undefined
  const isRepeated =
    receivedEpoch < current.memberEpoch &&
    receivedEpoch === current.previousMemberEpoch &&
    owned !== null &&
    isSubset(owned, current.assigned)
  if (isRepeated) return undefined
  return {
    errorCode: GroupError.FENCED_MEMBER_EPOCH,
    message: `MemberEpoch is ${receivedEpoch} and should be ${current.memberEpoch}: give up all partitions and join`,
  }
}
