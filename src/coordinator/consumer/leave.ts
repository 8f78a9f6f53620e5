/**
 * How a member of a consumer group goes: by its own word, for a while (static members), or because nothing is heard.
 */
import type { Reply } from '../classic-messages.ts'
import type { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from '../consumer-messages.ts'
import { GroupError } from '../group-errors.ts'
import { type ConsumerGroupChange, MemberState } from '../records/consumer-group-records.ts'
import { NO_PARTITIONS } from './assignment.ts'
import { fenceChanges, heartbeatError, writeChanges } from './changes.ts'
import { type ConsumerGroup, STATIC_LEAVE_EPOCH } from './consumer-group.ts'

export function removalChanges(group: ConsumerGroup, memberIds: readonly string[]): ConsumerGroupChange[] {
  const { epoch, metadataHash } = group
  const changes = memberIds.flatMap((memberId) => fenceChanges(group, memberId))
  changes.push({ kind: 'epoch', value: { epoch: epoch + 1, metadataHash } })
  return changes
}

/** Nothing was heard of it in time. If that cannot be written, it is tried again. */
export function expireConsumerMember(group: ConsumerGroup, memberId: string): void {
  if (!group.subscriptions.has(memberId)) return
  writeChanges(group, removalChanges(group, [memberId]), (errorCode) => {
    if (errorCode === GroupError.NONE) group.checkedCatalogueVersion = -1
    else group.restartSession(memberId)
  })
}

export function leaveConsumerGroup(
  group: ConsumerGroup,
  request: ConsumerGroupHeartbeatRequest,
  reply: Reply<ConsumerGroupHeartbeatResponse>,
): void {
  const { memberId, memberEpoch, instanceId } = request
  const holderId = instanceId === null ? memberId : group.staticMemberId(instanceId)
  if (holderId === undefined || !group.subscriptions.has(holderId)) {
    reply(heartbeatError({ errorCode: GroupError.UNKNOWN_MEMBER_ID, message: 'the group has no such member' }))
    return
  }
  if (holderId !== memberId) {
    const message = 'the instance id belongs to another member'
    reply(heartbeatError({ errorCode: GroupError.FENCED_INSTANCE_ID, message }))
    return
  }
  const isForAWhile = memberEpoch === STATIC_LEAVE_EPOCH
  const changes = isForAWhile ? awayChanges(group, memberId) : removalChanges(group, [memberId])
  writeChanges(group, changes, (errorCode) => {
    if (errorCode !== GroupError.NONE) {
      reply(heartbeatError({ errorCode, message: 'the change could not be written' }))
      return
    }
    if (isForAWhile) group.stopRebalance(memberId)
    else group.checkedCatalogueVersion = -1
    const response = heartbeatError({ errorCode: GroupError.NONE, message: '' })
    reply({ ...response, errorMessage: null, memberId, memberEpoch })
  })
}

/** It keeps its place and its partitions until its session ends; it has given up what it was to revoke. */
function awayChanges(group: ConsumerGroup, memberId: string): ConsumerGroupChange[] {
  const value = {
    ...group.current(memberId),
    memberEpoch: STATIC_LEAVE_EPOCH,
    state: MemberState.STABLE,
    pendingRevocation: NO_PARTITIONS,
  }
  return [{ kind: 'current', memberId, value }]
}
