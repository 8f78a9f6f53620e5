/**
 * How offsets go: asked for, with their topic, with their group, or because nobody wanted them for a long time. All of
 * it writes tombstones, in the group's turn and after its commits under way.
 *
 * Retention (offsets.retention.minutes): offsets of a group that still has members stay, except those of topics that a
 * stable consumer group no longer subscribes to. From a group without members they go when both the group's last member
 * left and the offset was committed that long ago; offsets of no group, when they were committed that long ago.
 */
import type { Reply } from '../classic-messages.ts'
import { subscribedNames } from '../consumer/target-assignment.ts'
import type { GroupEntry } from '../group-entry.ts'
import { GroupError, groupWriteError } from '../group-errors.ts'
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../offset-messages.ts'
import { offsetRecord } from '../records/offset-records.ts'
import type { CommittedOffset } from './group-offsets.ts'

/** Tombstones in one append: larger batches would not fit a record batch. */
const TOMBSTONES_MAX = 5000

interface Place {
  readonly topic: string
  readonly partition: number
}

export function offsetDeleteError(errorCode: number): OffsetDeleteResponse {
  return { errorCode, throttleTimeMs: 0, topics: [] }
}

export function deleteOffsets(
  entry: GroupEntry,
  request: OffsetDeleteRequest,
  reply: Reply<OffsetDeleteResponse>,
): void {
  if (!entry.exists) {
    reply(offsetDeleteError(GroupError.GROUP_ID_NOT_FOUND))
    return
  }
  const { classic } = entry
  if (classic !== undefined && classic.state !== 'Empty' && !classic.isConsumer) {
    reply(offsetDeleteError(GroupError.NON_EMPTY_GROUP))
    return
  }
  const places: Place[] = []
  const topics = request.topics.map(({ name, partitions }) => {
    const errorCode = isSubscribed(entry, name) ? GroupError.GROUP_SUBSCRIBED_TO_TOPIC : GroupError.NONE
    for (const { partitionIndex } of partitions) {
      const isThere = entry.offsets.get(name, partitionIndex) !== undefined
      if (errorCode === GroupError.NONE && isThere) places.push({ topic: name, partition: partitionIndex })
    }
    return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
  })
  writeTombstones(entry, places, (error) => {
    reply(error === undefined ? { errorCode: 0, throttleTimeMs: 0, topics } : offsetDeleteError(groupWriteError(error)))
  })
}

/** Subscriptions that cannot be read count as subscribed: nothing is lost by mistake. */
function isSubscribed({ classic, consumer }: GroupEntry, topic: string): boolean {
  if (consumer !== undefined) {
    for (const subscription of consumer.subscriptions.values()) {
      if (subscribedNames(subscription, consumer.regexes).has(topic)) return true
    }
    return false
  }
  if (classic === undefined || classic.state === 'Empty') return false
  return classic.subscribedTopics()?.has(topic) ?? true
}

export function deleteTopicOffsets(entry: GroupEntry, topics: ReadonlySet<string>): void {
  const places: Place[] = []
  for (const topic of topics) {
    for (const partition of entry.offsets.partitions(topic)) places.push({ topic, partition })
  }
  writeTombstones(entry, places, () => undefined)
}

/** `wallMs` says what time it is: a wall clock that jumped ahead must not empty everything. */
export function expireOffsets(entry: GroupEntry, wallMs: number): void {
  const { offsetsRetentionMs } = entry.services.config
  const expired: Place[] = []
  for (const [topic, partition, offset] of entry.offsets.entries()) {
    const sinceMs = retentionStart(entry, topic, offset)
    if (sinceMs !== undefined && wallMs - sinceMs >= offsetsRetentionMs) expired.push({ topic, partition })
  }
  writeTombstones(entry, expired, (error) => {
    if (error !== undefined || entry.offsets.size > 0 || !isEmptyGroup(entry)) return
    const records = entry.groupTombstones()
    if (records.length === 0) return
    entry.write(records, (failed) => {
      if (failed === undefined) entry.forgetGroup(GroupError.UNKNOWN_MEMBER_ID)
    })
  })
}

export function isEmptyGroup({ classic, consumer }: GroupEntry): boolean {
  if (consumer !== undefined) return consumer.isEmpty
  return classic === undefined || (classic.state === 'Empty' && classic.pendingJoin.size === 0)
}

/** From when an offset's retention counts; undefined: it stays. */
function retentionStart(entry: GroupEntry, topic: string, offset: CommittedOffset): number | undefined {
  const { classic, consumer } = entry
  if (consumer !== undefined) {
    if (consumer.isEmpty) return Math.max(consumer.emptySinceWallMs, offset.commitTimestamp)
    return consumer.state === 'Stable' && !isSubscribed(entry, topic) ? offset.commitTimestamp : undefined
  }
  if (classic === undefined || (classic.protocolType === null && classic.state === 'Empty')) {
    return offset.commitTimestamp
  }
  if (classic.state === 'Empty') return Math.max(classic.stateTimestampMs, offset.commitTimestamp)
  const isLeft = classic.state === 'Stable' && classic.isConsumer && !isSubscribed(entry, topic)
  return isLeft ? offset.commitTimestamp : undefined
}

/** Piece by piece; `then` hears the first error, or of the end. */
export function writeTombstones(
  entry: GroupEntry,
  places: readonly Place[],
  then: (error: Error | undefined) => void,
): void {
  if (places.length === 0) {
    then(undefined)
    return
  }
  const some = places.slice(0, TOMBSTONES_MAX)
  const records = some.map((place) => offsetRecord({ group: entry.groupId, ...place }, null))
  entry.write(records, (error) => {
    if (error === undefined) for (const { topic, partition } of some) entry.offsets.delete(topic, partition)
    if (error === undefined && places.length > some.length) writeTombstones(entry, places.slice(TOMBSTONES_MAX), then)
    else then(error)
  })
}
