/**
 * A coordinator on a log in memory and a clock set by hand. Appends are written at once, or one by one (`isManual`);
 * reload() makes a new coordinator from the records that were written, as a restart would.
 */
import { SeededRandom } from '../../src/base/random.ts'
import type {
  JoinGroupRequest,
  JoinGroupResponse,
  RequestContext,
  SyncGroupResponse,
} from '../../src/coordinator/classic-messages.ts'
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from '../../src/coordinator/consumer-messages.ts'
import { GROUP_CONFIG_DEFAULTS, type GroupConfig } from '../../src/coordinator/group-config.ts'
import { GroupCoordinator } from '../../src/coordinator/group-coordinator.ts'
import type { OffsetCommitResponse, OffsetFetchResponse } from '../../src/coordinator/offset-messages.ts'
import type { CoordinatorRecord } from '../../src/coordinator/records/record-codec.ts'
import type { CatalogueTopic, TopicCatalogue } from '../../src/coordinator/topic-catalogue.ts'
import { ZERO_UUID, randomUuid } from '../../src/base/uuid.ts'

export const WALL_START_MS = 1_700_000_000_000

/** The newest versions. */
export const VERSION = { join: 9, sync: 5, heartbeat: 4, leave: 5, commit: 9, fetch: 9, consumerHeartbeat: 1 }

export class Catalogue implements TopicCatalogue {
  readonly topics = new Map<string, CatalogueTopic>()
  readonly #random = new SeededRandom(1)

  set(name: string, partitionCount: number): CatalogueTopic {
    const topicId = this.topics.get(name)?.topicId ?? randomUuid(this.#random)
    const topic = { name, topicId, partitionCount }
    this.topics.set(name, topic)
    return topic
  }

  byName(name: string): CatalogueTopic | undefined {
    return this.topics.get(name)
  }

  byId(topicId: string): CatalogueTopic | undefined {
    return [...this.topics.values()].find((topic) => topic.topicId === topicId)
  }

  all(): Iterable<CatalogueTopic> {
    return this.topics.values()
  }
}

interface PendingAppend {
  readonly records: CoordinatorRecord[]
  readonly onWritten: (error: Error | undefined) => void
}

/** Of any answer. */
export interface Awaited {
  readonly isThere: boolean
}

/** An answer that is there, or not yet; a second one is an error. */
export class Answer<R> implements Awaited {
  #values: R[] = []

  readonly take = (value: R): void => {
    this.#values.push(value)
    if (this.#values.length > 1) throw new Error(`answered twice: ${JSON.stringify(this.#values)}`)
  }

  get isThere(): boolean {
    return this.#values.length > 0
  }

  get value(): R {
    if (this.#values.length === 0) throw new Error('not answered yet')
    return this.#values[0]!
  }
}

export class SimCoordinator {
  readonly catalogue = new Catalogue()
  readonly config: GroupConfig
  readonly log: CoordinatorRecord[] = []
  readonly pending: PendingAppend[] = []
  isManual = false
  nowMs = 1_000_000
  wallMs = WALL_START_MS
  coordinator: GroupCoordinator
  readonly #random: SeededRandom

  constructor(config: Partial<GroupConfig> = {}, seed = 7) {
    this.config = { ...GROUP_CONFIG_DEFAULTS, initialRebalanceDelayMs: 0, ...config }
    this.#random = new SeededRandom(seed)
    this.coordinator = this.make()
    this.coordinator.loaded(this.nowMs, this.wallMs)
  }

  make(): GroupCoordinator {
    const made: GroupCoordinator = new GroupCoordinator({
      config: this.config,
      topics: this.catalogue,
      random: this.#random,
      append: (records, onWritten) => {
        // A log writes in order: what comes behind a slow append waits too.
        if (this.isManual || this.pending.length > 0) this.pending.push({ records, onWritten })
        else this.#write(records, onWritten)
      },
    })
    return made
  }

  #write(records: CoordinatorRecord[], onWritten: (error: Error | undefined) => void): void {
    this.log.push(...records)
    onWritten(undefined)
  }

  /** The oldest append ends, well or with an error. */
  finishAppend(error?: Error): void {
    const { records, onWritten } = this.pending.shift()!
    if (error === undefined) this.#write(records, onWritten)
    else onWritten(error)
  }

  /** The oldest append gets into the log, and nobody hears of it: only a crash may follow. */
  loseAnswer(): void {
    const append = this.pending.shift()
    if (append !== undefined) this.log.push(...append.records)
  }

  /** The process dies, appends under way are lost, and another one loads the log. */
  reload(records: readonly CoordinatorRecord[] = this.log): void {
    this.pending.length = 0
    this.coordinator = this.make()
    for (const { key, value } of records) this.coordinator.load(key, value)
    this.coordinator.loaded(this.nowMs, this.wallMs)
  }

  /** Moves time on, stopping at every deadline. */
  advance(ms: number): void {
    const end = this.nowMs + ms
    for (let steps = 0; steps < 100_000; steps++) {
      const next = Math.min(this.coordinator.nextDeadlineMs(), end)
      this.wallMs += Math.max(0, next - this.nowMs)
      this.nowMs = Math.max(this.nowMs, next)
      const hasFired = this.coordinator.advance(this.nowMs, this.wallMs)
      if (!hasFired && this.nowMs >= end) return
    }
    throw new Error('time does not move on')
  }

  join(member: Partial<JoinGroupRequest> & { readonly metadata?: string }, apiVersion = VERSION.join) {
    const answer = new Answer<JoinGroupResponse>()
    const { metadata, ...rest } = member
    const request: JoinGroupRequest = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from(metadata ?? 'm') }],
      reason: null,
      ...rest,
    }
    this.coordinator.handleJoinGroup(request, context(apiVersion), answer.take)
    return answer
  }

  /** Both calls of a new dynamic member: ask for an id, come with it. */
  joinNew(member: Partial<JoinGroupRequest> & { readonly metadata?: string } = {}): {
    readonly memberId: string
    readonly answer: Answer<JoinGroupResponse>
  } {
    const first = this.join(member)
    if (first.value.errorCode !== 79) throw new Error(`errorCode=${first.value.errorCode}`)
    const { memberId } = first.value
    return { memberId, answer: this.join({ ...member, memberId }) }
  }

  sync(
    memberId: string,
    generationId: number,
    assignments: Record<string, string> = {},
    more: { readonly groupId?: string; readonly groupInstanceId?: string; readonly protocolName?: string } = {},
  ): Answer<SyncGroupResponse> {
    const answer = new Answer<SyncGroupResponse>()
    const request = {
      groupId: 'g',
      generationId,
      memberId,
      groupInstanceId: null,
      protocolType: null,
      protocolName: null,
      assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
      ...more,
    }
    this.coordinator.handleSyncGroup(request, context(VERSION.sync), answer.take)
    return answer
  }

  heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null, groupId = 'g'): number {
    const answer = this.parkHeartbeat(memberId, generationId, groupInstanceId, groupId)
    return answer.value.errorCode
  }

  parkHeartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null, groupId = 'g') {
    const answer = new Answer<{ errorCode: number }>()
    const request = { groupId, generationId, memberId, groupInstanceId }
    this.coordinator.handleHeartbeat(request, context(VERSION.heartbeat), answer.take)
    return answer
  }

  leave(...members: { memberId?: string; groupInstanceId?: string }[]) {
    const answer = new Answer<{ errorCode: number; members: { memberId: string; errorCode: number }[] }>()
    const leaving = members.map(({ memberId = '', groupInstanceId = null as string | null }) => {
      return { memberId, groupInstanceId }
    })
    const request = { groupId: 'g', memberId: '', members: leaving }
    this.coordinator.handleLeaveGroup(request, context(VERSION.leave), answer.take)
    return answer
  }

  commit(
    topic: string,
    offsets: Record<number, number>,
    by: {
      memberId?: string
      generation?: number
      metadata?: string | null
      groupId?: string
      apiVersion?: number
    } = {},
  ): Answer<OffsetCommitResponse> {
    const answer = new Answer<OffsetCommitResponse>()
    const partitions = Object.entries(offsets).map(([partition, committedOffset]) => ({
      partitionIndex: Number(partition),
      committedOffset,
      committedLeaderEpoch: 0,
      committedMetadata: by.metadata ?? null,
    }))
    const request = {
      groupId: by.groupId ?? 'g',
      generationIdOrMemberEpoch: by.generation ?? -1,
      memberId: by.memberId ?? '',
      groupInstanceId: null,
      topics: [{ name: topic, topicId: ZERO_UUID, partitions }],
    }
    this.coordinator.handleOffsetCommit(request, context(by.apiVersion ?? VERSION.commit), answer.take)
    return answer
  }

  /** The error of the first partition. */
  commitNow(...args: Parameters<SimCoordinator['commit']>): number {
    return this.commit(...args).value.topics[0]!.partitions[0]!.errorCode
  }

  fetch(
    topics: Record<string, number[]> | null,
    by: { memberId?: string | null; memberEpoch?: number; groupId?: string; apiVersion?: number } = {},
  ): OffsetFetchResponse {
    const answer = new Answer<OffsetFetchResponse>()
    const asked =
      topics === null
        ? null
        : Object.entries(topics).map(([name, partitionIndexes]) => ({ name, topicId: ZERO_UUID, partitionIndexes }))
    const groupId = by.groupId ?? 'g'
    const group = { groupId, memberId: by.memberId ?? null, memberEpoch: by.memberEpoch ?? -1, topics: asked }
    const request = { groupId, topics: asked, groups: [group], requireStable: true }
    this.coordinator.handleOffsetFetch(request, context(by.apiVersion ?? VERSION.fetch), answer.take)
    return answer.value
  }

  /** -1 where there is none. */
  committed(topic: string, partition: number, groupId = 'g'): number {
    return this.fetch({ [topic]: [partition] }, { groupId }).groups[0]!.topics[0]!.partitions[0]!.committedOffset
  }

  beat(
    memberId: string,
    memberEpoch: number,
    more: Partial<ConsumerGroupHeartbeatRequest> = {},
  ): Answer<ConsumerGroupHeartbeatResponse> {
    const answer = new Answer<ConsumerGroupHeartbeatResponse>()
    const isJoin = memberEpoch === 0
    const request: ConsumerGroupHeartbeatRequest = {
      groupId: 'g',
      memberId,
      memberEpoch,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: isJoin ? 60_000 : -1,
      subscribedTopicNames: isJoin && more.subscribedTopicRegex === undefined ? ['t'] : null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: isJoin ? [] : null,
      ...more,
    }
    this.coordinator.handleConsumerGroupHeartbeat(request, context(VERSION.consumerHeartbeat), answer.take)
    return answer
  }

  classicState(groupId = 'g'): string {
    const answer = new Answer<{ groups: { groupState: string }[] }>()
    const request = { groups: [groupId], includeAuthorizedOperations: false }
    this.coordinator.handleDescribeGroups(request, context(6), answer.take)
    return answer.value.groups[0]!.groupState
  }

  describeConsumer(groupId = 'g') {
    const answer = new Answer<Parameters<Parameters<GroupCoordinator['handleConsumerGroupDescribe']>[2]>[0]>()
    const request = { groupIds: [groupId], includeAuthorizedOperations: false }
    this.coordinator.handleConsumerGroupDescribe(request, context(1), answer.take)
    return answer.value.groups[0]!
  }

  deleteGroup(groupId = 'g'): number {
    const answer = new Answer<{ results: { errorCode: number }[] }>()
    this.coordinator.handleDeleteGroups({ groupsNames: [groupId] }, context(2), answer.take)
    return answer.value.results[0]!.errorCode
  }

  /** A stable classic group of one member. */
  stableMember(metadata = 'm'): { readonly memberId: string; readonly generation: number } {
    const { memberId, answer } = this.joinNew({ metadata })
    const generation = answer.value.generationId
    this.sync(memberId, generation, { [memberId]: 'a' })
    return { memberId, generation }
  }
}

export function context(apiVersion: number): RequestContext {
  return { apiVersion, clientId: 'client', clientHost: '/127.0.0.1' }
}

/** What Kafka's own consumer writes: version 0, topics, no user data. */
export function subscription(...topics: string[]): string {
  const parts: Buffer[] = [Buffer.from([0, 0, 0, 0, 0, topics.length])]
  for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic))
  parts.push(Buffer.from([0xff, 0xff, 0xff, 0xff]))
  return Buffer.concat(parts).toString('latin1')
}
