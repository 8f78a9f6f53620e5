/**
 * ConsumerGroupHeartbeat: a member joins, lives, or leaves.
 *
 * A heartbeat is planned on the group as it is, without touching it: the plan is a list of changes. Those are written,
 * then applied, then the member is answered. A heartbeat that changes nothing is answered at once.
 */
import type { RequestContext, Reply } from '../classic-messages.ts'
import { keptClientText } from '../classic/classic-group.ts'
import type { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from '../consumer-messages.ts'
import { GroupError } from '../group-errors.ts'
import {
  type ConsumerGroupChange,
  type CurrentAssignment,
  MemberState,
  type MemberSubscription,
} from '../records/consumer-group-records.ts'
import { type Assignment, assignmentOf, isEqual, topicPartitionsOf } from './assignment.ts'
import { fenceChanges, heartbeatError, writeChanges } from './changes.ts'
import { type ConsumerGroup, JOIN_EPOCH, NEW_MEMBER, STATIC_LEAVE_EPOCH } from './consumer-group.ts'
import { planAssignment } from './group-plan.ts'
import { epochRefusal, parseTopicRegex, type Refusal } from './heartbeat-checks.ts'
import { reconcile } from './reconcile.ts'

/** Who the heartbeat is of, as the group knows it. */
interface Known {
  readonly subscription: MemberSubscription | undefined
  readonly current: CurrentAssignment
  /** The member id that a static member had before. */
  readonly replaced: string | undefined
}

export function consumerHeartbeat(
  group: ConsumerGroup,
  request: ConsumerGroupHeartbeatRequest,
  context: RequestContext,
  reply: Reply<ConsumerGroupHeartbeatResponse>,
): void {
  const owned = request.topicPartitions === null ? null : assignmentOf(request.topicPartitions)
  const known = knownMember(group, request, owned)
  if ('errorCode' in known) {
    reply(heartbeatError(known))
    return
  }
  const { memberId } = request
  const subscription = updatedSubscription(known.subscription, request, context)
  const regex = newRegexOf(group, subscription)
  if (regex !== undefined && 'errorCode' in regex) {
    reply(heartbeatError(regex))
    return
  }
  const changes: ConsumerGroupChange[] = []
  if (known.replaced !== undefined) changes.push(...fenceChanges(group, known.replaced))
  const isChanged = known.subscription === undefined || !isSameSubscription(known.subscription, subscription)
  if (isChanged || known.replaced !== undefined) changes.push({ kind: 'member', memberId, value: subscription })
  const target = planAssignment(group, { memberId, subscription, replaced: known.replaced }, changes)
  const isFree = (topicId: string, partition: number): boolean => {
    const holder = group.holder(topicId, partition)
    return holder === undefined || holder === memberId || holder === known.replaced
  }
  const current = reconcile(known.current, target, owned, isFree)
  if (current !== known.current || known.replaced !== undefined || known.subscription === undefined) {
    changes.push({ kind: 'current', memberId, value: current })
  }
  const isFull = request.memberEpoch === JOIN_EPOCH || isFullRequest(request)
  const isNews = request.memberEpoch !== current.memberEpoch || !isEqual(current.assigned, known.current.assigned)
  writeChanges(group, changes, (errorCode) => {
    if (errorCode !== GroupError.NONE) {
      reply(heartbeatError({ errorCode, message: 'the change could not be written' }))
      return
    }
    followTimers(group, memberId, known.current, current, subscription)
    reply(heartbeatResponse(group, memberId, current, isFull || isNews))
  })
}

function isFullRequest(request: ConsumerGroupHeartbeatRequest): boolean {
  const hasSubscription = request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null
  return request.rebalanceTimeoutMs !== -1 && hasSubscription && request.topicPartitions !== null
}

function knownMember(
  group: ConsumerGroup,
  request: ConsumerGroupHeartbeatRequest,
  owned: Assignment | null,
): Known | Refusal {
  const { memberId, memberEpoch, instanceId } = request
  const isJoin = memberEpoch === JOIN_EPOCH
  const holderId = instanceId === null ? undefined : group.staticMemberId(instanceId)
  if (instanceId !== null && holderId === undefined && !isJoin) return refusal(GroupError.UNKNOWN_MEMBER_ID)
  if (holderId !== undefined && holderId !== memberId) {
    if (!isJoin) return refusal(GroupError.FENCED_INSTANCE_ID)
    const away = group.current(holderId)
    if (away.memberEpoch !== STATIC_LEAVE_EPOCH) return refusal(GroupError.UNRELEASED_INSTANCE_ID)
    return { subscription: group.subscriptions.get(holderId), current: returning(away), replaced: holderId }
  }
  const subscription = group.subscriptions.get(memberId)
  if (subscription === undefined) {
    if (!isJoin) return refusal(GroupError.UNKNOWN_MEMBER_ID)
    const { membersMax } = group.seat.services.config
    if (group.subscriptions.size >= membersMax) return refusal(GroupError.GROUP_MAX_SIZE_REACHED)
    return { subscription: undefined, current: NEW_MEMBER, replaced: undefined }
  }
  // The id of a member with an instance, and the instance is another or none: somebody else's id.
  if (subscription.instanceId !== instanceId && (isJoin || instanceId !== null)) {
    return refusal(GroupError.FENCED_MEMBER_EPOCH)
  }
  const current = group.current(memberId)
  if (isJoin && current.memberEpoch === STATIC_LEAVE_EPOCH) {
    return { subscription, current: returning(current), replaced: undefined }
  }
  const fenced = epochRefusal(current, memberEpoch, owned)
  if (fenced !== undefined) return fenced
  return { subscription, current, replaced: undefined }
}

function returning(away: CurrentAssignment): CurrentAssignment {
  return { ...NEW_MEMBER, assigned: away.assigned }
}

function refusal(errorCode: number): Refusal {
  return { errorCode, message: REFUSALS.get(errorCode) ?? '' }
}

const REFUSALS: ReadonlyMap<number, string> = new Map([
  [GroupError.UNKNOWN_MEMBER_ID, 'the group has no such member'],
  [GroupError.FENCED_INSTANCE_ID, 'the instance id belongs to another member'],
  [GroupError.UNRELEASED_INSTANCE_ID, 'the instance id is in use by a member that has not left'],
  [GroupError.GROUP_MAX_SIZE_REACHED, 'the group is full'],
  [GroupError.FENCED_MEMBER_EPOCH, 'the member id belongs to another member: give up all partitions and join'],
])

function updatedSubscription(
  before: MemberSubscription | undefined,
  request: ConsumerGroupHeartbeatRequest,
  context: RequestContext,
): MemberSubscription {
  const { subscribedTopicNames: names, subscribedTopicRegex: regex } = request
  return {
    instanceId: request.instanceId ?? before?.instanceId ?? null,
    rackId: request.rackId ?? before?.rackId ?? null,
    clientId: keptClientText(context.clientId),
    clientHost: keptClientText(context.clientHost),
    subscribedTopicNames: names === null ? (before?.subscribedTopicNames ?? []) : [...new Set(names)].sort(),
    subscribedTopicRegex: regex === null ? (before?.subscribedTopicRegex ?? null) : regex === '' ? null : regex,
    rebalanceTimeoutMs:
      request.rebalanceTimeoutMs === -1 ? (before?.rebalanceTimeoutMs ?? -1) : request.rebalanceTimeoutMs,
    serverAssignor: request.serverAssignor ?? before?.serverAssignor ?? null,
  }
}

function isSameSubscription(one: MemberSubscription, other: MemberSubscription): boolean {
  return (
    one.instanceId === other.instanceId &&
    one.rackId === other.rackId &&
    one.clientId === other.clientId &&
    one.clientHost === other.clientHost &&
    one.subscribedTopicRegex === other.subscribedTopicRegex &&
    one.rebalanceTimeoutMs === other.rebalanceTimeoutMs &&
    one.serverAssignor === other.serverAssignor &&
    one.subscribedTopicNames.length === other.subscribedTopicNames.length &&
    one.subscribedTopicNames.every((name, index) => name === other.subscribedTopicNames[index])
  )
}

/** Why a new expression is refused; undefined for one that is fine, or known. */
function newRegexOf(group: ConsumerGroup, subscription: MemberSubscription): Refusal | undefined {
  const pattern = subscription.subscribedTopicRegex
  if (pattern === null || group.regexes.has(pattern)) return undefined
  const parsed = parseTopicRegex(pattern)
  return 'errorCode' in parsed ? parsed : undefined
}

function followTimers(
  group: ConsumerGroup,
  memberId: string,
  before: CurrentAssignment,
  current: CurrentAssignment,
  subscription: MemberSubscription,
): void {
  group.restartSession(memberId)
  if (current === before) return
  if (current.state === MemberState.UNREVOKED_PARTITIONS) {
    group.restartRebalance(memberId, subscription.rebalanceTimeoutMs)
  } else {
    group.stopRebalance(memberId)
  }
}

function heartbeatResponse(
  group: ConsumerGroup,
  memberId: string,
  current: CurrentAssignment,
  hasAssignment: boolean,
): ConsumerGroupHeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode: GroupError.NONE,
    errorMessage: null,
    memberId,
    memberEpoch: current.memberEpoch,
    heartbeatIntervalMs: group.seat.services.config.consumerHeartbeatIntervalMs,
    assignment: hasAssignment ? { topicPartitions: topicPartitionsOf(current.assigned) } : null,
  }
}
