/**
 * OffsetCommit. What is refused is refused for each partition: this API has no error of its own.
 */
import { ZERO_UUID } from '../../base/uuid.ts'
import type { Reply, RequestContext } from '../classic-messages.ts'
import { classicCommitError } from '../classic/leave.ts'
import type { ConsumerGroup } from '../consumer/consumer-group.ts'
import type { GroupEntry } from '../group-entry.ts'
import { GroupError, offsetWriteError } from '../group-errors.ts'
import type { OffsetCommitRequest, OffsetCommitResponse } from '../offset-messages.ts'
import { offsetRecord } from '../records/offset-records.ts'
import type { CatalogueTopic } from '../topic-catalogue.ts'
import type { CommittedOffset } from './group-offsets.ts'

const MEMBER_EPOCH_SINCE = 9

interface Commit {
  readonly topic: string
  readonly partition: number
  readonly offset: CommittedOffset
  readonly answer: { errorCode: number }
}

export function commitError(request: OffsetCommitRequest, errorCode: number): OffsetCommitResponse {
  return {
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }
}

/** `sequence`: higher for each commit. */
export function commitOffsets(
  entry: GroupEntry,
  request: OffsetCommitRequest,
  context: RequestContext,
  sequence: number,
  reply: Reply<OffsetCommitResponse>,
): void {
  const errorCode = groupError(entry, request, context.apiVersion)
  if (errorCode !== GroupError.NONE) {
    reply(commitError(request, errorCode))
    return
  }
  const response = commitError(request, GroupError.NONE)
  const commits = acceptedCommits(entry, request, response, sequence)
  if (commits.length === 0) {
    reply(response)
    return
  }
  const records = commits.map(({ topic, partition, offset }) =>
    offsetRecord({ group: entry.groupId, topic, partition }, offset),
  )
  entry.writeOffsets(records, (error) => {
    for (const { topic, partition, offset, answer } of commits) {
      if (error === undefined) entry.offsets.set(topic, partition, offset)
      else answer.errorCode = offsetWriteError(error)
    }
    reply(response)
  })
}

function groupError(entry: GroupEntry, request: OffsetCommitRequest, apiVersion: number): number {
  if (entry.consumer !== undefined) return consumerCommitError(entry.consumer, request, apiVersion)
  if (entry.classic !== undefined) return classicCommitError(entry.classic, request)
  if (request.generationIdOrMemberEpoch < 0) return GroupError.NONE
  if (entry.offsets.size === 0 && apiVersion >= MEMBER_EPOCH_SINCE) return GroupError.GROUP_ID_NOT_FOUND
  return GroupError.ILLEGAL_GENERATION
}

function consumerCommitError(group: ConsumerGroup, request: OffsetCommitRequest, apiVersion: number): number {
  if (request.generationIdOrMemberEpoch < 0 && group.isEmpty) return GroupError.NONE
  if (!group.subscriptions.has(request.memberId)) return GroupError.UNKNOWN_MEMBER_ID
  if (apiVersion < MEMBER_EPOCH_SINCE) return GroupError.UNSUPPORTED_VERSION
  const { memberEpoch } = group.current(request.memberId)
  return request.generationIdOrMemberEpoch === memberEpoch ? GroupError.NONE : GroupError.STALE_MEMBER_EPOCH
}

/** Fills in the errors of the others. */
function acceptedCommits(
  entry: GroupEntry,
  request: OffsetCommitRequest,
  response: OffsetCommitResponse,
  sequence: number,
): Commit[] {
  const { topics: catalogue, config, wallMs } = entry.services
  const commits: Commit[] = []
  let newCount = 0
  request.topics.forEach(({ name, topicId, partitions }, topicAt) => {
    const topic = topicId === ZERO_UUID ? catalogue.byName(name) : catalogue.byId(topicId)
    partitions.forEach((partition, partitionAt) => {
      const answer = response.topics[topicAt]!.partitions[partitionAt]!
      const metadata = partition.committedMetadata ?? ''
      const isNew = topic !== undefined && entry.offsets.get(topic.name, partition.partitionIndex) === undefined
      answer.errorCode = partitionError(topic, topicId, partition, metadata, config.offsetMetadataBytesMax)
      if (answer.errorCode !== GroupError.NONE) return
      if (isNew && entry.offsets.size + newCount >= config.groupOffsetsMax) {
        answer.errorCode = GroupError.INVALID_COMMIT_OFFSET_SIZE
        return
      }
      if (isNew) newCount += 1
      const offset: CommittedOffset = {
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata,
        commitTimestamp: wallMs,
        expireTimestamp: -1,
        topicId: topic!.topicId,
        sequence,
      }
      commits.push({ topic: topic!.name, partition: partition.partitionIndex, offset, answer })
    })
  })
  return commits
}

function partitionError(
  topic: CatalogueTopic | undefined,
  topicId: string,
  partition: { readonly partitionIndex: number; readonly committedOffset: number },
  metadata: string,
  metadataBytesMax: number,
): number {
  if (topic === undefined) {
    return topicId === ZERO_UUID ? GroupError.UNKNOWN_TOPIC_OR_PARTITION : GroupError.UNKNOWN_TOPIC_ID
  }
  const { partitionIndex, committedOffset } = partition
  if (partitionIndex < 0 || partitionIndex >= topic.partitionCount) return GroupError.UNKNOWN_TOPIC_OR_PARTITION
  if (Buffer.byteLength(metadata) > metadataBytesMax) return GroupError.OFFSET_METADATA_TOO_LARGE
  return Number.isSafeInteger(committedOffset) ? GroupError.NONE : GroupError.INVALID_REQUEST
}
