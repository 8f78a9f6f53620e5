/**
 * GroupSubscription: a consumer's part in its group: membership, assignment, commits. Owned by the consumer's thread.
 *
 * Whatever takes partitions or gives them up runs at a safe point: between two batches of the consumer's loop, while
 * the loop waits, or at any time when there is no loop. So the loop's body never loses a partition under its hands, and
 * the program's callbacks never run beside it. Heartbeats go on meanwhile.
 *
 * The consumer polls when its loop asks for a batch or waits for one. If it does neither for max.poll.interval.ms, it
 * leaves the group, its partitions are lost, and it joins again when it polls.
 */
import { VltavaError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import type { RemoteKnowledge, TopicInfo, Transport } from '../protocol/transport.ts'
import { keyOf, type TopicPartition } from './consumer-positions.ts'
import { ClassicMember } from './group-classic-member.ts'
import { ConsumerMember } from './group-consumer-member.ts'
import type { GroupMember, GroupSeat } from './group-member.ts'
import { type CommitIdentity, GroupOffsets, NO_MEMBER, type PartitionCommit } from './group-offsets.ts'
import type { GroupSettings, RebalanceListener } from './group-options.ts'
import type { ClientEnv } from './client-env.ts'

/** What a group may do to its consumer. */
export interface GroupConsumer {
  owned(): TopicPartition[]
  take(places: readonly PartitionCommit[]): void
  giveUp(partitions: readonly TopicPartition[]): void
  /** For each partition, the offset behind what the program is done with. */
  consumed(): PartitionCommit[]
  /** Where to begin without a committed offset. Rejects with NO_COMMITTED_OFFSET. */
  firstOffset(topic: string, partition: number): Promise<number>
  /** The loop, if it waits, comes to its safe point. */
  wake(): void
}

/** What the program is told otherwise: by `lost`, by the next assignment. */
const MEMBERSHIP: ReadonlySet<number> = new Set(
  (
    [
      'UNKNOWN_MEMBER_ID',
      'ILLEGAL_GENERATION',
      'FENCED_INSTANCE_ID',
      'STALE_MEMBER_EPOCH',
      'REBALANCE_IN_PROGRESS',
    ] as const
  ).map(kafkaError),
)
/** The last commit of a consumer that closes waits so long for a coordinator that is away. */
const CLOSE_MS = 5000
const CHANGE_PROTOCOL_MS = 50

export class GroupSubscription implements GroupSeat {
  readonly settings: GroupSettings
  readonly link: GroupLink
  readonly clock: ClientEnv['clock']
  readonly timers: ClientEnv['timers']
  readonly random: ClientEnv['random']
  readonly #transport: Transport
  readonly #consumer: GroupConsumer
  readonly #offsets: GroupOffsets
  #wanted: readonly string[] | RegExp = []
  #listener: RebalanceListener = {}
  #member: GroupMember | undefined
  #protocol: 'consumer' | 'classic'
  #names: Map<string, string> | undefined
  #forgetTopics: () => void = () => undefined
  readonly #tasks: (() => Promise<void>)[] = []
  #settling: Promise<void> | undefined
  #isLooping = false
  #isWaiting = false
  #failure: VltavaError | undefined
  #polledMs: number
  #isExpired = false
  #pollTimer: { cancel(): void } | undefined
  #commitTimer: { cancel(): void } | undefined
  #isCommitting = false
  /** Offsets as they were last committed by this consumer, or found. */
  readonly #committed = new Map<string, number>()
  #isClosed = false

  constructor(settings: GroupSettings, link: GroupLink, transport: Transport, env: ClientEnv, consumer: GroupConsumer) {
    this.settings = settings
    this.link = link
    this.clock = env.clock
    this.timers = env.timers
    this.random = env.random
    this.#transport = transport
    this.#consumer = consumer
    this.#offsets = new GroupOffsets(link, settings.groupId, env.clock, env.timers)
    this.#protocol = settings.protocol ?? 'consumer'
    this.#polledMs = env.clock.monotonicMs()
  }

  /** Before subscribe(), over a transport that does not know all topics by itself. */
  async learn(topics: readonly string[] | RegExp, remote: RemoteKnowledge): Promise<void> {
    if (!(topics instanceof RegExp)) return await remote.refreshTopics(topics)
    await remote.refreshTopics(undefined)
    await remote.refreshTopics(this.#matching(topics))
  }

  #matching(expression: RegExp): string[] {
    const names = this.#transport.topics().map(({ topic }) => topic)
    // As Kafka's clients by default: expressions do not match internal topics.
    return names.filter((name) => !name.startsWith('__') && name.search(expression) >= 0).sort()
  }

  /** Joins the group, or tells it of another subscription. What goes wrong from here on ends the consumer's loop. */
  subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener): void {
    this.#wanted = topics
    this.#listener = listener
    this.#failure = undefined
    if (this.#member !== undefined) {
      this.#member.topicsChanged()
      return
    }
    this.#forgetTopics()
    this.#forgetTopics = this.#transport.onTopics(() => {
      this.#names = undefined
      this.#member?.topicsChanged()
    })
    this.#polledMs = this.clock.monotonicMs()
    this.#isExpired = false
    this.#begin()
    this.#watchPolls()
    this.#commitEverySoOften()
  }

  #begin(): void {
    this.#member = this.#protocol === 'consumer' ? new ConsumerMember(this) : new ClassicMember(this)
    this.#member.start()
  }

  /** The program assigns partitions itself: there is no member, the group's offsets are used all the same. */
  async unsubscribe(): Promise<void> {
    const member = this.#member
    this.#member = undefined
    this.#forgetTopics()
    this.#pollTimer?.cancel()
    await member?.stop(true)
    this.#commitEverySoOften()
  }

  get isMember(): boolean {
    return this.#member !== undefined || this.#isExpired
  }

  get identity(): CommitIdentity {
    return this.#member?.identity ?? NO_MEMBER
  }

  /** The partitions are those that the group wants this member to have. */
  get isSettled(): boolean {
    return this.#member === undefined || (this.#member.isSettled && this.#tasks.length === 0)
  }

  // For the consumer's loop.

  loopBegins(): void {
    this.#isLooping = true
    this.#polled()
  }

  loopEnds(): void {
    this.#isLooping = false
    this.#polled()
    void this.#drain()
  }

  /** Something waits for a safe point. */
  get isDue(): boolean {
    return this.#tasks.length > 0 || this.#failure !== undefined || this.#isExpired
  }

  /** The loop asks for a batch: the safe point. Throws what ended the membership. */
  async poll(): Promise<void> {
    this.#polled()
    if (!this.isDue) return
    await this.#drain()
    this.#polled()
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isExpired && !this.#isClosed) {
      this.#isExpired = false
      this.#begin()
      this.#watchPolls()
    }
  }

  waits(isWaiting: boolean): void {
    this.#isWaiting = isWaiting
    this.#polled()
  }

  #polled(): void {
    this.#polledMs = this.clock.monotonicMs()
  }

  #watchPolls(): void {
    this.#pollTimer?.cancel()
    if (this.#isClosed || this.#member === undefined) return
    const nowMs = this.clock.monotonicMs()
    const dueMs = (this.#isWaiting ? nowMs : this.#polledMs) + this.settings.maxPollIntervalMs
    if (nowMs < dueMs) this.#pollTimer = this.timers.after(dueMs - nowMs, () => this.#watchPolls())
    else this.#expire()
  }

  #expire(): void {
    const member = this.#member!
    this.#isExpired = true
    this.#member = undefined
    void member.stop(true)
    void this.lose().then(undefined, (error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    if (!(error instanceof VltavaError)) throw error
    this.fail(error)
  }

  // For the member: GroupSeat.

  topics(): string[] {
    const wanted = this.#wanted
    return wanted instanceof RegExp ? this.#matching(wanted) : [...new Set(wanted)].sort()
  }

  topicNameOf(topicId: string): string | undefined {
    this.#names ??= new Map(this.#transport.topics().map((info) => [info.topicId, info.topic]))
    return this.#names.get(topicId)
  }

  topicIdOf(topic: string): string | undefined {
    return this.#topic(topic)?.topicId
  }

  partitionCount(topic: string): number | undefined {
    return this.#topic(topic)?.partitionCount
  }

  /** What is not known yet is asked for; topicsChanged() tells the member when it is. */
  #topic(topic: string): TopicInfo | undefined {
    const info = this.#transport.topic(topic)
    if (info === undefined) this.#transport.remote?.learn(topic)
    return info
  }

  owned(): TopicPartition[] {
    return this.#consumer.owned()
  }

  revoke(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#atSafePoint(async () => {
      const keys = new Set(partitions.map(({ topic, partition }) => keyOf(topic, partition)))
      if (this.settings.isAutoCommit)
        await this.#commitConsumed((place) => keys.has(keyOf(place.topic, place.partition)))
      await this.#call(this.#listener.revoked, partitions)
      this.#giveUp(partitions)
    })
  }

  assign(partitions: readonly TopicPartition[]): Promise<void> {
    return this.#atSafePoint(async () => {
      const places = await this.startOffsets(partitions)
      if (this.#transport.remote !== undefined) await this.#transport.remote.refreshEnds(places)
      this.#consumer.take(places)
      await this.#call(this.#listener.assigned, partitions)
    })
  }

  lose(): Promise<void> {
    return this.#atSafePoint(async () => {
      const partitions = this.owned()
      if (partitions.length === 0) return
      this.#giveUp(partitions)
      await this.#call(this.#listener.lost ?? this.#listener.revoked, partitions)
    })
  }

  fail(error: VltavaError): void {
    if (this.#isClosed) return
    const member = this.#member
    this.#failure ??= error
    this.#member = undefined
    void member?.stop(true)
    this.#consumer.wake()
  }

  changeProtocol(): boolean {
    if (this.settings.protocol !== undefined) return false
    const member = this.#member
    this.#protocol = this.#protocol === 'consumer' ? 'classic' : 'consumer'
    void member?.stop(false)
    this.timers.after(CHANGE_PROTOCOL_MS, () => {
      if (this.#member === member && !this.#isClosed) this.#begin()
    })
    return true
  }

  #giveUp(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#committed.delete(keyOf(topic, partition))
    this.#consumer.giveUp(partitions)
  }

  async #call(callback: RebalanceListener['assigned'], partitions: readonly TopicPartition[]): Promise<void> {
    try {
      await callback?.call(this.#listener, partitions)
    } catch (error) {
      throw new VltavaError('REBALANCE_CALLBACK', 'a rebalance callback threw', { cause: error })
    }
  }

  #atSafePoint(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tasks.push(() => run().then(resolve, reject))
      if (this.#isLooping) this.#consumer.wake()
      else void this.#drain()
    })
  }

  /** Runs what waits, one after the other; once at a time. */
  #drain(): Promise<void> {
    this.#settling ??= this.#runTasks().finally(() => {
      this.#settling = undefined
    })
    return this.#settling
  }

  async #runTasks(): Promise<void> {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) await task()
  }

  // Offsets.

  /** Where to begin in each: at what the group has committed, else where the consumer's `from` says. */
  async startOffsets(partitions: readonly TopicPartition[], signal?: AbortSignal): Promise<PartitionCommit[]> {
    const committed = await this.#offsets.fetch(partitions, signal)
    const offsets = new Map(committed.map(({ topic, partition, offset }) => [keyOf(topic, partition), offset]))
    const places: PartitionCommit[] = []
    for (const { topic, partition } of partitions) {
      const known = offsets.get(keyOf(topic, partition))
      if (known !== undefined) this.#committed.set(keyOf(topic, partition), known)
      places.push({ topic, partition, offset: known ?? (await this.#consumer.firstOffset(topic, partition)) })
    }
    return places
  }

  /** See GroupOffsets.commit. */
  async commit(commits: readonly PartitionCommit[], signal?: AbortSignal): Promise<void> {
    if (this.#isExpired) {
      const message = `this consumer left group=${this.settings.groupId}: it did not poll for max.poll.interval.ms`
      throw new VltavaError('UNKNOWN_MEMBER_ID', message)
    }
    await this.#offsets.commit(commits, () => this.identity, signal)
    for (const { topic, partition, offset } of commits) this.#committed.set(keyOf(topic, partition), offset)
  }

  async committed(topic: string, partition: number, signal?: AbortSignal): Promise<PartitionCommit | undefined> {
    return (await this.#offsets.fetch([{ topic, partition }], signal))[0]
  }

  /** Commits what the program is done with and is not committed yet. Not an error: not being a member any more. */
  async #commitConsumed(isWanted: (place: PartitionCommit) => boolean, signal?: AbortSignal): Promise<void> {
    const consumed = this.#consumer.consumed().filter((place) => {
      return isWanted(place) && this.#committed.get(keyOf(place.topic, place.partition)) !== place.offset
    })
    try {
      await this.commit(consumed, signal)
    } catch (error) {
      if (!(error instanceof VltavaError) || !MEMBERSHIP.has(error.kafkaCode)) throw error
    }
  }

  #commitEverySoOften(): void {
    this.#commitTimer?.cancel()
    if (!this.settings.isAutoCommit || this.#isClosed) return
    this.#commitTimer = this.timers.after(this.settings.autoCommitIntervalMs, () => {
      this.#commitEverySoOften()
      if (this.#isCommitting || this.#isExpired || this.#settling !== undefined) return
      this.#isCommitting = true
      void this.#commitConsumed(() => true)
        .then(undefined, (error: unknown) => this.#failed(error))
        .finally(() => {
          this.#isCommitting = false
        })
    })
  }

  /** Commits, tells the program, leaves. Rejects with what the last commit or the program's callback failed with. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#pollTimer?.cancel()
    this.#commitTimer?.cancel()
    this.#forgetTopics()
    const member = this.#member
    const tooLate = new AbortController()
    const timer = this.timers.after(CLOSE_MS, () => {
      tooLate.abort(new VltavaError('REQUEST_TIMED_OUT', 'the last commit of a consumer that closes'))
    })
    try {
      const isThere = !this.#transport.isClosed && !this.#isExpired && this.#failure === undefined
      if (isThere && this.settings.isAutoCommit) await this.#commitConsumed(() => true, tooLate.signal)
      const owned = this.owned()
      if (member !== undefined && owned.length > 0) await this.#call(this.#listener.revoked, owned)
    } finally {
      timer.cancel()
      this.#member = undefined
      await member?.stop(true)
    }
  }
}
