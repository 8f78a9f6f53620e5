/**
 * What groups look like from outside: DescribeGroups, ListGroups, ConsumerGroupDescribe. Reads only, and only state
 * that is written or of this moment, so nothing waits.
 */
import { selectAssignor } from './consumer/target-assignment.ts'
import { type DescribedGroup, type ListGroupsResponse, NO_AUTHORIZED_OPERATIONS } from './classic-messages.ts'
import type { ClassicGroup } from './classic/classic-group.ts'
import { metadataOf, NO_BYTES } from './classic/classic-member.ts'
import { CONSUMER_PROTOCOL_TYPE } from './classic/subscribed-topics.ts'
import { type Assignment, topicPartitionsOf } from './consumer/assignment.ts'
import type { ConsumerGroup } from './consumer/consumer-group.ts'
import type { DescribedAssignment, DescribedConsumerGroup } from './consumer-messages.ts'
import type { GroupEntry } from './group-entry.ts'
import { GroupError } from './group-errors.ts'
import type { TopicCatalogue } from './topic-catalogue.ts'

const NOT_FOUND_SINCE = 6
const CONSUMER_MEMBER = 1

/** DescribeGroups: groups that are not there are Dead, and from version 6 on an error too. */
export function describeClassic(groupId: string, entry: GroupEntry | undefined, apiVersion: number): DescribedGroup {
  const isThere = entry?.exists === true && entry.consumer === undefined
  if (!isThere) {
    const group = emptyDescription(groupId, GroupError.NONE)
    group.groupState = 'Dead'
    if (apiVersion >= NOT_FOUND_SINCE) {
      group.errorCode = GroupError.GROUP_ID_NOT_FOUND
      group.errorMessage = entry?.consumer === undefined ? 'there is no such group' : 'it is no classic group'
    }
    return group
  }
  const { classic } = entry
  const group = emptyDescription(groupId, GroupError.NONE)
  group.groupState = classic?.state ?? 'Empty'
  group.protocolType = classic?.protocolType ?? ''
  if (classic === undefined) return group
  const isStable = classic.state === 'Stable'
  group.protocolData = isStable ? (classic.protocolName ?? '') : ''
  group.members = describedMembers(classic, isStable)
  return group
}

function describedMembers(group: ClassicGroup, isStable: boolean): DescribedGroup['members'] {
  return [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    memberMetadata: isStable ? metadataOf(member, group.protocolName ?? '') : NO_BYTES,
    memberAssignment: isStable ? member.assignment : NO_BYTES,
  }))
}

export function emptyDescription(groupId: string, errorCode: number): DescribedGroup {
  return {
    errorCode,
    errorMessage: null,
    groupId,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: NO_AUTHORIZED_OPERATIONS,
  }
}

export function describeConsumer(
  groupId: string,
  entry: GroupEntry | undefined,
  topics: TopicCatalogue,
): DescribedConsumerGroup {
  const group = entry?.consumer
  const described = emptyConsumerDescription(groupId, GroupError.NONE, null)
  if (group === undefined) {
    described.errorCode = GroupError.GROUP_ID_NOT_FOUND
    described.errorMessage = entry?.exists === true ? 'it is no consumer group' : 'there is no such group'
    return described
  }
  described.groupState = group.state
  described.groupEpoch = group.epoch
  described.assignmentEpoch = group.targetEpoch
  described.assignorName = selectAssignor(group.subscriptions)
  described.members = [...group.subscriptions.keys()].map((memberId) => describedMember(group, memberId, topics))
  return described
}

function describedMember(
  group: ConsumerGroup,
  memberId: string,
  topics: TopicCatalogue,
): DescribedConsumerGroup['members'][number] {
  const subscription = group.subscriptions.get(memberId)!
  const current = group.current(memberId)
  return {
    memberId,
    instanceId: subscription.instanceId,
    rackId: subscription.rackId,
    memberEpoch: current.memberEpoch,
    clientId: subscription.clientId,
    clientHost: subscription.clientHost,
    subscribedTopicNames: [...subscription.subscribedTopicNames],
    subscribedTopicRegex: subscription.subscribedTopicRegex,
    assignment: named(current.assigned, topics),
    targetAssignment: named(group.target(memberId), topics),
    memberType: CONSUMER_MEMBER,
  }
}

/** Topics that are gone meanwhile have no name to be shown by. */
function named(assignment: Assignment, topics: TopicCatalogue): DescribedAssignment {
  const topicPartitions = topicPartitionsOf(assignment).flatMap(({ topicId, partitions }) => {
    const topicName = topics.byId(topicId)?.name
    return topicName === undefined ? [] : [{ topicId, topicName, partitions }]
  })
  return { topicPartitions }
}

export function emptyConsumerDescription(
  groupId: string,
  errorCode: number,
  errorMessage: string | null,
): DescribedConsumerGroup {
  return {
    errorCode,
    errorMessage,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
    authorizedOperations: NO_AUTHORIZED_OPERATIONS,
  }
}

export function listedGroup(entry: GroupEntry): ListGroupsResponse['groups'][number] {
  const { groupId, classic, consumer } = entry
  if (consumer !== undefined) {
    return { groupId, protocolType: CONSUMER_PROTOCOL_TYPE, groupState: consumer.state, groupType: 'consumer' }
  }
  return {
    groupId,
    protocolType: classic?.protocolType ?? '',
    groupState: classic?.state ?? 'Empty',
    groupType: 'classic',
  }
}

/** Filters ignore case, as Kafka's do; none means all. */
export function matchesFilter(filter: readonly string[], value: string): boolean {
  return filter.length === 0 || filter.some((wanted) => wanted.toLowerCase() === value.toLowerCase())
}
