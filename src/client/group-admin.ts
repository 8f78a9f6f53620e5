/**
 * GroupAdmin: consumer groups from outside, over any GroupLink. Groups of both protocols look alike here.
 *
 * While a coordinator starts, moves or loads, a call tries again for a minute; then it rejects with
 * COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS or NOT_COORDINATOR.
 */
import { VltavaError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import { describeGroups } from '../protocol/messages/15-describe-groups.ts'
import { listGroups } from '../protocol/messages/16-list-groups.ts'
import { deleteGroups } from '../protocol/messages/42-delete-groups.ts'
import { offsetDelete } from '../protocol/messages/47-offset-delete.ts'
import { consumerGroupDescribe } from '../protocol/messages/69-consumer-group-describe.ts'
import type { ResponseOf } from '../protocol/wire/api.ts'
import { WireFormatError } from '../protocol/wire/wire-error.ts'
import type { Transport } from '../protocol/transport.ts'
import { placeOf, type StartPosition } from './consumer-options.ts'
import type { TopicPartition } from './consumer-positions.ts'
import { byTopic, GroupOffsets, NO_MEMBER, type PartitionCommit } from './group-offsets.ts'
import { decodeAssignment } from './group-protocol-codec.ts'
import { askCoordinator, groupError, isAway, pause, retryDelayMs } from './group-requests.ts'
import type { ClientEnv } from './client-env.ts'

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Assigning' | 'Reconciling' | 'Stable'

export interface GroupListing {
  readonly groupId: string
  readonly type: 'classic' | 'consumer'
  /** 'consumer' for consumers, '' for a group that only has offsets; other programs use the classic protocol too. */
  readonly protocolType: string
  readonly state: GroupState
}

export interface GroupMemberDescription {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** '/in-process' for a thread of the process that has the log open. */
  readonly clientHost: string
  readonly partitions: readonly TopicPartition[]
}

export interface GroupDescription {
  readonly groupId: string
  readonly type: 'classic' | 'consumer'
  readonly state: GroupState
  /** By which its partitions are assigned; '' while it has no members. */
  readonly assignor: string
  readonly members: readonly GroupMemberDescription[]
}

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** Committed: of the next record to be read. */
  readonly offset: number
  readonly metadata: string
  /** First offset after the log's end; undefined if the topic is gone. */
  readonly logEndOffset: number | undefined
  /** Records from the committed offset to the log's end. */
  readonly lag: number | undefined
}

export interface GroupAdminOptions {
  readonly signal?: AbortSignal
}

const CONSUMER_DESCRIBE_VERSION = 1
const DESCRIBE_VERSION = 6
const LIST_VERSION = 5
const DELETE_VERSION = 2
const OFFSET_DELETE_VERSION = 0
/** default.api.timeout.ms */
const TIMEOUT_MS = 60_000

const NOT_A_CONSUMER_GROUP: ReadonlySet<number> = new Set([
  kafkaError('GROUP_ID_NOT_FOUND'),
  kafkaError('UNSUPPORTED_VERSION'),
])

interface Outcome<T> {
  readonly errorCode: number
  readonly value: T
}

export class GroupAdmin {
  readonly #transport: Transport
  readonly #link: GroupLink
  readonly #env: ClientEnv

  constructor(transport: Transport, link: GroupLink, env: ClientEnv) {
    this.#transport = transport
    this.#link = link
    this.#env = env
  }

  /** All groups, sorted by id; or those in one of these states, of one of these types. */
  async listGroups(
    options: GroupAdminOptions & { readonly states?: readonly string[]; readonly types?: readonly string[] } = {},
  ): Promise<GroupListing[]> {
    const request = { statesFilter: [...(options.states ?? [])], typesFilter: [...(options.types ?? [])] }
    const groups = await this.#whileAway('list of groups', options.signal, async () => {
      const answer = await askCoordinator(this.#link, listGroups, LIST_VERSION, request, options.signal)
      return { errorCode: answer.errorCode, value: answer.groups }
    })
    return groups
      .map(({ groupId, protocolType, groupState, groupType }): GroupListing => {
        const type = groupType === 'consumer' ? 'consumer' : 'classic'
        return { groupId, type, protocolType, state: groupState as GroupState }
      })
      .sort((one, other) => (one.groupId < other.groupId ? -1 : 1))
  }

  /** Rejects with GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string, options: GroupAdminOptions = {}): Promise<GroupDescription> {
    return (await this.describeGroups([groupId], options))[0]!
  }

  /** In the order of `groupIds`. Rejects with GROUP_ID_NOT_FOUND. */
  async describeGroups(groupIds: readonly string[], options: GroupAdminOptions = {}): Promise<GroupDescription[]> {
    const descriptions: GroupDescription[] = []
    for (const groupId of groupIds) descriptions.push(await this.#describe(groupId, options.signal))
    return descriptions
  }

  async #describe(groupId: string, signal: AbortSignal | undefined): Promise<GroupDescription> {
    const what = `description of group=${groupId}`
    const asConsumer = await this.#whileAway(what, signal, async () => {
      const request = { groupIds: [groupId], includeAuthorizedOperations: false }
      const answer = await askCoordinator(this.#link, consumerGroupDescribe, CONSUMER_DESCRIBE_VERSION, request, signal)
      const group = answer.groups[0]!
      if (NOT_A_CONSUMER_GROUP.has(group.errorCode)) return { errorCode: 0, value: undefined }
      return { errorCode: group.errorCode, value: group }
    })
    if (asConsumer !== undefined) return consumerDescription(asConsumer)
    return this.#whileAway(what, signal, async () => {
      const request = { groups: [groupId], includeAuthorizedOperations: false }
      const answer = await askCoordinator(this.#link, describeGroups, DESCRIBE_VERSION, request, signal)
      const group = answer.groups[0]!
      // A broker from before KIP-1043 says so by the state.
      const errorCode = group.groupState === 'Dead' ? kafkaError('GROUP_ID_NOT_FOUND') : group.errorCode
      return { errorCode, value: classicDescription(group) }
    })
  }

  /** Deletes groups with their offsets. Rejects with NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND; others are deleted then. */
  async deleteGroups(groupIds: readonly string[], options: GroupAdminOptions = {}): Promise<void> {
    let left = [...groupIds]
    await this.#whileAway(`deletion of ${left.map((id) => `group=${id}`).join()}`, options.signal, async () => {
      const request = { groupsNames: left }
      const { results } = await askCoordinator(this.#link, deleteGroups, DELETE_VERSION, request, options.signal)
      const failed = results.filter(({ errorCode }) => errorCode !== 0)
      left = failed.map(({ groupId }) => groupId)
      const final = failed.find(({ errorCode }) => !isAway(errorCode)) ?? failed[0]
      return { errorCode: final?.errorCode ?? 0, value: undefined }
    })
  }

  /** What a group has committed, with its lag, by topic and partition. Empty if it has nothing, or is not there. */
  async groupOffsets(
    groupId: string,
    options: GroupAdminOptions & { readonly topics?: readonly string[] } = {},
  ): Promise<GroupOffset[]> {
    const committed = await this.#offsetsOf(groupId).fetch(undefined, options.signal)
    await this.#refresh([...new Set(committed.map(({ topic }) => topic))], options.signal)
    return committed
      .filter(({ topic }) => options.topics?.includes(topic) !== false)
      .map(({ topic, partition, offset, metadata }) => {
        const isThere = partition < (this.#transport.topic(topic)?.partitionCount ?? 0)
        const logEndOffset = isThere ? this.#transport.ends(topic, partition).highWatermark : undefined
        const lag = logEndOffset === undefined ? undefined : Math.max(0, logEndOffset - offset)
        return { topic, partition, offset, metadata, logEndOffset, lag }
      })
      .sort((one, other) => {
        if (one.topic !== other.topic) return one.topic < other.topic ? -1 : 1
        return one.partition - other.partition
      })
  }

  /**
   * Sets a group's offsets. Only while it has no members. Rejects with NON_EMPTY_GROUP, UNKNOWN_TOPIC_OR_PARTITION,
   * INVALID_ARGUMENT.
   */
  async alterGroupOffsets(
    groupId: string,
    offsets: readonly PartitionCommit[],
    options: GroupAdminOptions = {},
  ): Promise<void> {
    try {
      await this.#offsetsOf(groupId).commit(offsets, () => NO_MEMBER, options.signal)
    } catch (error) {
      // To a coordinator it looks like a commit of nobody's.
      if (!(error instanceof VltavaError) || error.code !== 'UNKNOWN_MEMBER_ID') throw error
      throw new VltavaError('NON_EMPTY_GROUP', `group=${groupId} has members; its offsets are theirs to commit`)
    }
  }

  /**
   * Sets a group's offsets to a place in the log: in the partitions that it has offsets in, or in all of `topics`.
   * Resolves with what was set. Rejects as alterGroupOffsets() does.
   */
  async resetGroupOffsets(
    groupId: string,
    to: StartPosition,
    options: GroupAdminOptions & { readonly topics?: readonly string[] } = {},
  ): Promise<PartitionCommit[]> {
    const { topics, signal } = options
    if (topics !== undefined) await this.#refresh(topics, signal)
    const partitions =
      topics === undefined
        ? await this.groupOffsets(groupId, options)
        : topics.flatMap((topic) => this.#partitions(topic))
    const offsets: PartitionCommit[] = []
    for (const { topic, partition } of partitions) {
      offsets.push({ topic, partition, offset: await this.#place(topic, partition, to) })
    }
    await this.alterGroupOffsets(groupId, offsets, signal === undefined ? {} : { signal })
    return offsets
  }

  /** Makes topics and their ends known as they are now, where the log is elsewhere. */
  async #refresh(topics: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const { remote } = this.#transport
    if (remote === undefined) return
    await remote.refreshTopics(topics, signal)
    const known = topics.filter((topic) => this.#transport.topic(topic) !== undefined)
    await remote.refreshEnds(
      known.flatMap((topic) => this.#partitions(topic)),
      signal,
    )
  }

  #partitions(topic: string): TopicPartition[] {
    const count = this.#transport.topic(topic)?.partitionCount
    if (count === undefined) throw new VltavaError('UNKNOWN_TOPIC_OR_PARTITION', `topic=${topic} does not exist`)
    return Array.from({ length: count }, (_, partition) => ({ topic, partition }))
  }

  /** As Kafka's tool does it, an offset outside the log becomes the end that is nearer. */
  async #place(topic: string, partition: number, to: StartPosition): Promise<number> {
    const place = placeOf(to)
    if (typeof place === 'number') {
      const { logStartOffset, highWatermark } = this.#transport.ends(topic, partition)
      return Math.min(Math.max(place, logStartOffset), highWatermark)
    }
    const found = await this.#transport.lookup(topic, partition, place)
    return found.offset >= 0 ? found.offset : (await this.#transport.lookup(topic, partition, 'end')).offset
  }

  /** Forgets offsets in partitions of topics that no member subscribes to. Rejects with GROUP_SUBSCRIBED_TO_TOPIC. */
  async deleteGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: GroupAdminOptions = {},
  ): Promise<void> {
    const topics = [...byTopic(partitions)].map(([name, of]) => ({
      name,
      partitions: of.map(({ partition }) => ({ partitionIndex: partition })),
    }))
    await this.#whileAway(`deletion of offsets of group=${groupId}`, options.signal, async () => {
      const request = { groupId, topics }
      const answer = await askCoordinator(this.#link, offsetDelete, OFFSET_DELETE_VERSION, request, options.signal)
      const codes = answer.topics.flatMap((topic) => topic.partitions.map(({ errorCode }) => errorCode))
      return { errorCode: answer.errorCode || (codes.find((code) => code !== 0) ?? 0), value: undefined }
    })
  }

  #offsetsOf(groupId: string): GroupOffsets {
    return new GroupOffsets(this.#link, groupId, this.#env.clock, this.#env.timers)
  }

  async #whileAway<T>(what: string, signal: AbortSignal | undefined, attempt: () => Promise<Outcome<T>>): Promise<T> {
    const { clock, timers } = this.#env
    const deadlineMs = clock.monotonicMs() + TIMEOUT_MS
    for (let attempts = 1; ; attempts++) {
      const { errorCode, value } = await attempt()
      if (errorCode === 0) return value
      if (!isAway(errorCode) || clock.monotonicMs() >= deadlineMs) throw groupError(errorCode, what)
      await pause(timers, retryDelayMs(attempts), signal)
    }
  }
}

function consumerDescription(group: ResponseOf<typeof consumerGroupDescribe>['groups'][number]): GroupDescription {
  return {
    groupId: group.groupId,
    type: 'consumer',
    state: group.groupState as GroupState,
    assignor: group.assignorName,
    members: group.members.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
      memberId,
      groupInstanceId: instanceId,
      clientId,
      clientHost,
      partitions: assignment.topicPartitions.flatMap(({ topicName, partitions }) =>
        partitions.map((partition) => ({ topic: topicName, partition })),
      ),
    })),
  }
}

function classicDescription(group: ResponseOf<typeof describeGroups>['groups'][number]): GroupDescription {
  return {
    groupId: group.groupId,
    type: 'classic',
    state: group.groupState as GroupState,
    assignor: group.protocolData,
    members: group.members.map(({ memberId, groupInstanceId, clientId, clientHost, memberAssignment }) => ({
      memberId,
      groupInstanceId,
      clientId,
      clientHost,
      partitions: group.protocolType === 'consumer' ? partitionsIn(memberAssignment) : [],
    })),
  }
}

/** Bytes that another client wrote. */
function partitionsIn(assignment: Uint8Array): TopicPartition[] {
  try {
    return decodeAssignment(assignment)
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error
    return []
  }
}
