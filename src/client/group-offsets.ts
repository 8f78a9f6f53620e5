/**
 * Committed offsets of one group, over any GroupLink.
 *
 * Tries again while the coordinator is away, for `timeoutMs`. A commit is acknowledged with the durability of the
 * coordinator: in this process when it is on the disk, on a cluster when all in-sync replicas have it.
 */
import type { Clock, Timers } from '../base/env/env.ts'
import { VltavaError } from '../base/errors.ts'
import { ZERO_UUID } from '../base/uuid.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import { offsetCommit } from '../protocol/messages/08-offset-commit.ts'
import { offsetFetch } from '../protocol/messages/09-offset-fetch.ts'
import { askCoordinator, groupError, isAway, pause, retryDelayMs } from './group-requests.ts'

const COMMIT_VERSION = 9
const FETCH_VERSION = 9
/** default.api.timeout.ms */
const TIMEOUT_MS = 60_000

export interface CommittedOffset {
  readonly offset: number
  /** Text that was committed with it; '' if there was none. */
  readonly metadata: string
}

export interface PartitionCommit {
  readonly topic: string
  readonly partition: number
  /** Of the next record to be read. */
  readonly offset: number
  readonly metadata?: string
}

export interface PartitionCommitted extends CommittedOffset {
  readonly topic: string
  readonly partition: number
}

/** As whom a group's offsets are committed. */
export interface CommitIdentity {
  readonly memberId: string
  /** Generation, or member epoch; -1: no member, for groups that have none. */
  readonly generation: number
  readonly groupInstanceId: string | null
}

export const NO_MEMBER: CommitIdentity = { memberId: '', generation: -1, groupInstanceId: null }

export class GroupOffsets {
  readonly #link: GroupLink
  readonly #groupId: string
  readonly #clock: Clock
  readonly #timers: Timers

  constructor(link: GroupLink, groupId: string, clock: Clock, timers: Timers) {
    this.#link = link
    this.#groupId = groupId
    this.#clock = clock
    this.#timers = timers
  }

  /**
   * Commits all or rejects: with the first partition's error, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID
   * or STALE_MEMBER_EPOCH where the partitions are another member's by now. `identity` is asked before each try.
   */
  async commit(
    commits: readonly PartitionCommit[],
    identity: () => CommitIdentity,
    signal?: AbortSignal,
  ): Promise<void> {
    if (commits.length === 0) return
    const topics = [...byTopic(commits)].map(([name, partitions]) => ({
      name,
      topicId: ZERO_UUID,
      partitions: partitions.map(({ partition, offset, metadata }) => ({
        partitionIndex: partition,
        committedOffset: checkOffset(name, partition, offset),
        committedLeaderEpoch: -1,
        committedMetadata: metadata ?? '',
      })),
    }))
    const staleCode = kafkaError('STALE_MEMBER_EPOCH')
    await this.#retry('commit', signal, async () => {
      const { memberId, generation, groupInstanceId } = identity()
      const request = {
        groupId: this.#groupId,
        generationIdOrMemberEpoch: generation,
        memberId,
        groupInstanceId,
        retentionTimeMs: -1,
        topics,
      }
      const answer = await askCoordinator(this.#link, offsetCommit, COMMIT_VERSION, request, signal)
      const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
      const errorCode = codes.find((code) => code !== 0) ?? 0
      // The epoch moved while the request was on its way: the next try says the new one.
      const hasMoved = errorCode === staleCode && identity().generation !== generation
      return { errorCode, isRetriable: hasMoved, value: undefined }
    })
  }

  /** What is committed of these partitions, or of all that the group has. Partitions without one are left out. */
  async fetch(
    partitions: readonly { readonly topic: string; readonly partition: number }[] | undefined,
    signal?: AbortSignal,
  ): Promise<PartitionCommitted[]> {
    const topics =
      partitions === undefined
        ? null
        : [...byTopic(partitions)].map(([name, of]) => ({
            name,
            topicId: ZERO_UUID,
            partitionIndexes: of.map(({ partition }) => partition),
          }))
    const request = {
      groupId: '',
      topics: [],
      groups: [{ groupId: this.#groupId, memberId: null, memberEpoch: -1, topics }],
      requireStable: true,
    }
    return this.#retry('fetch of committed offsets', signal, async () => {
      const answer = await askCoordinator(this.#link, offsetFetch, FETCH_VERSION, request, signal)
      const group = answer.groups[0]!
      const fetched = group.topics.flatMap(({ name, partitions: of }) =>
        of.map((partition) => ({ name, ...partition })),
      )
      const failed = fetched.find(({ errorCode }) => errorCode !== 0)
      const value = fetched
        .filter(({ committedOffset }) => committedOffset >= 0)
        .map(({ name, partitionIndex, committedOffset, metadata }) => {
          return { topic: name, partition: partitionIndex, offset: committedOffset, metadata: metadata ?? '' }
        })
      return { errorCode: group.errorCode || (failed?.errorCode ?? 0), isRetriable: false, value }
    })
  }

  async #retry<T>(
    what: string,
    signal: AbortSignal | undefined,
    attempt: () => Promise<{ errorCode: number; isRetriable: boolean; value: T }>,
  ): Promise<T> {
    const deadlineMs = this.#clock.monotonicMs() + TIMEOUT_MS
    for (let attempts = 1; ; attempts++) {
      const { errorCode, isRetriable, value } = await attempt()
      if (errorCode === 0) return value
      const isLate = this.#clock.monotonicMs() >= deadlineMs
      if (isLate || !(isRetriable || isAway(errorCode))) throw groupError(errorCode, `${what}, group=${this.#groupId}`)
      await pause(this.#timers, retryDelayMs(attempts), signal)
    }
  }
}

export function byTopic<T extends { readonly topic: string }>(items: readonly T[]): Map<string, T[]> {
  const topics = new Map<string, T[]>()
  for (const item of items) {
    const known = topics.get(item.topic)
    if (known === undefined) topics.set(item.topic, [item])
    else known.push(item)
  }
  return topics
}

function checkOffset(topic: string, partition: number, offset: number): number {
  if (Number.isSafeInteger(offset) && offset >= 0) return offset
  throw new VltavaError('INVALID_ARGUMENT', `${topic}-${partition}: offset=${offset} is not a whole number, 0 or more`)
}
