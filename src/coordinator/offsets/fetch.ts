/**
 * OffsetFetch: what a group has committed. Only written offsets are told, so nothing here waits for anything; until
 * transactional offsets exist, every one of them is stable.
 *
 * Where errors go: versions 0 and 1 each partition, 2 to 7 the response, 8 and later each group.
 */
import { ZERO_UUID } from '../../base/uuid.ts'
import type { GroupEntry } from '../group-entry.ts'
import { GroupError } from '../group-errors.ts'
import type { FetchedTopic, OffsetFetchRequest, OffsetFetchResponse } from '../offset-messages.ts'
import type { TopicCatalogue } from '../topic-catalogue.ts'

const GROUPS_SINCE = 8
const GROUP_ERROR_SINCE = 2
const MEMBER_EPOCH_SINCE = 9
const TOPIC_ID_SINCE = 10

type AskedGroup = OffsetFetchRequest['groups'][number]

export function fetchOffsets(
  request: OffsetFetchRequest,
  apiVersion: number,
  topics: TopicCatalogue,
  entryOf: (groupId: string) => GroupEntry | undefined,
  coordinatorError: number,
): OffsetFetchResponse {
  const response: OffsetFetchResponse = { throttleTimeMs: 0, topics: [], errorCode: GroupError.NONE, groups: [] }
  for (const asked of apiVersion >= GROUPS_SINCE ? request.groups : [groupOf(request)]) {
    const entry = entryOf(asked.groupId)
    const errorCode = coordinatorError !== GroupError.NONE ? coordinatorError : groupError(asked, entry, apiVersion)
    const isPerPartition = apiVersion < GROUP_ERROR_SINCE
    const fetched =
      errorCode === GroupError.NONE
        ? fetchGroup(asked, entry, topics, apiVersion)
        : refused(asked, errorCode, isPerPartition)
    if (apiVersion >= GROUPS_SINCE) {
      response.groups.push({ groupId: asked.groupId, topics: fetched, errorCode })
    } else {
      response.topics = fetched
      response.errorCode = isPerPartition ? GroupError.NONE : errorCode
    }
  }
  return response
}

const NO_TOPICS: TopicCatalogue = { byName: () => undefined, byId: () => undefined, all: () => [] }

/** What is answered where no coordinator can be asked. */
export function refuseFetch(request: OffsetFetchRequest, apiVersion: number, errorCode: number): OffsetFetchResponse {
  return fetchOffsets(request, apiVersion, NO_TOPICS, () => undefined, errorCode)
}

function groupOf({ groupId, topics }: OffsetFetchRequest): AskedGroup {
  const asked = topics?.map(({ name, partitionIndexes }) => ({ name, partitionIndexes, topicId: ZERO_UUID }))
  return { groupId, memberId: null, memberEpoch: -1, topics: asked ?? null }
}

function groupError(asked: AskedGroup, entry: GroupEntry | undefined, apiVersion: number): number {
  const isOfMember = asked.memberId !== null && asked.memberId !== '' && asked.memberEpoch >= 0
  if (apiVersion < MEMBER_EPOCH_SINCE || !isOfMember) return GroupError.NONE
  if (entry?.exists !== true) return GroupError.GROUP_ID_NOT_FOUND
  const group = entry.consumer
  if (group === undefined) return GroupError.NONE
  if (!group.subscriptions.has(asked.memberId)) return GroupError.UNKNOWN_MEMBER_ID
  const { memberEpoch } = group.current(asked.memberId)
  return asked.memberEpoch === memberEpoch ? GroupError.NONE : GroupError.STALE_MEMBER_EPOCH
}

function refused(asked: AskedGroup, errorCode: number, isPerPartition: boolean): FetchedTopic[] {
  if (!isPerPartition) return []
  return (asked.topics ?? []).map(({ name, topicId, partitionIndexes }) => ({
    name,
    topicId,
    partitions: partitionIndexes.map((partitionIndex) => none(partitionIndex, errorCode)),
  }))
}

function fetchGroup(
  asked: AskedGroup,
  entry: GroupEntry | undefined,
  catalogue: TopicCatalogue,
  apiVersion: number,
): FetchedTopic[] {
  if (asked.topics === null) {
    return (entry?.offsets.topics() ?? []).flatMap((name) => {
      const topicId = catalogue.byName(name)?.topicId ?? ZERO_UUID
      if (apiVersion >= TOPIC_ID_SINCE && topicId === ZERO_UUID) return [] // Could not be named.
      const partitions = entry!.offsets.partitions(name).map((partition) => fetchOne(entry, name, topicId, partition))
      return [{ name, topicId, partitions: partitions.filter(({ committedOffset }) => committedOffset >= 0) }]
    })
  }
  return asked.topics.map(({ name, topicId, partitionIndexes }) => {
    const topic = topicId === ZERO_UUID ? catalogue.byName(name) : catalogue.byId(topicId)
    const knownName = topic?.name ?? name
    const partitions = partitionIndexes.map((partitionIndex) =>
      topic === undefined && topicId !== ZERO_UUID
        ? none(partitionIndex, GroupError.UNKNOWN_TOPIC_ID)
        : fetchOne(entry, knownName, topic?.topicId ?? ZERO_UUID, partitionIndex),
    )
    return { name: knownName, topicId: topicId === ZERO_UUID ? (topic?.topicId ?? topicId) : topicId, partitions }
  })
}

type FetchedPartition = FetchedTopic['partitions'][number]

function fetchOne(entry: GroupEntry | undefined, name: string, topicId: string, partition: number): FetchedPartition {
  const committed = entry?.offsets.get(name, partition)
  if (committed === undefined) return none(partition, GroupError.NONE)
  // Committed for a topic of that name that was deleted since.
  const isOfOther = committed.topicId !== ZERO_UUID && topicId !== ZERO_UUID && committed.topicId !== topicId
  if (isOfOther) return none(partition, GroupError.NONE)
  return {
    partitionIndex: partition,
    committedOffset: committed.offset,
    committedLeaderEpoch: committed.leaderEpoch,
    metadata: committed.metadata,
    errorCode: GroupError.NONE,
  }
}

function none(partitionIndex: number, errorCode: number): FetchedPartition {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode }
}
