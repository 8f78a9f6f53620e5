/**
 * ClusterMetadata: what this program knows of topics, their partitions and leaders. Owned by one thread.
 *
 * It knows the topics that the program uses, not all there are. It is asked for again when somebody met a sign that it
 * is out of date, and at metadataMaxAgeMs; one question is under way at a time, spaced by the retry backoff.
 *
 * A broker may itself be behind: partitions never become fewer and leader epochs never older while the topic's id is
 * the same; a topic that was there is gone when it is missing for GONE_AFTER_MS.
 */
import { type ErrorCode, UnknownTopicOrPartitionError, VltavaError } from '../../base/errors.ts'
import { ZERO_UUID } from '../../base/uuid.ts'
import { errorNamed, kafkaError } from '../../protocol/kafka-errors.ts'
import { metadata } from '../../protocol/messages/03-metadata.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import type { TopicInfo } from '../../protocol/transport.ts'
import { backoffMs, sleep } from './backoff.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterEnv, ClusterSettings } from './settings.ts'
import { describeTopicConfigs, sameInfo, type TopicConfigs, topicInfo } from './topic-configs.ts'

export interface Leader {
  /** Below 0: there is none at the moment. */
  readonly nodeId: number
  /** -1: not known. */
  readonly epoch: number
}

type TopicAnswer = ResponseOf<typeof metadata>['topics'][number]

interface KnownTopic {
  info: TopicInfo
  configs: TopicConfigs | undefined
  leaders: Leader[]
  missingSinceMs: number | undefined
}

interface Unknown {
  readonly code: ErrorCode
  readonly atMs: number
}

interface Waiting {
  /** Served by a question with this number or a later one. */
  readonly question: number
  readonly deadlineMs: number
  readonly resolve: () => void
  readonly reject: (error: VltavaError) => void
}

interface RefreshOptions {
  readonly isDescribed?: boolean
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

const NO_LEADER: Leader = { nodeId: -1, epoch: -1 }
/** How long an answer "there is no such topic" is believed. */
const UNKNOWN_FOR_MS = 1000
const GONE_AFTER_MS = 1000
const UNKNOWN_TOPICS_MAX = 10_000

export class ClusterMetadata {
  controllerId = -1
  /** Raised when topics came, went or changed. */
  revision = 0
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #brokers: Brokers
  readonly #onChange: () => void
  readonly #topics = new Map<string, KnownTopic>()
  readonly #names = new Map<string, string>()
  /** Asked for and not answered yet. */
  readonly #wanted = new Map<string, { readonly sinceMs: number }>()
  readonly #unknown = new Map<string, Unknown>()
  /** Of the last question for all topics; internal ones are left out. */
  #listed: readonly string[] = []
  #isListWanted = false
  readonly #describeAgain = new Set<string>()
  #question = 0
  #isAsking = false
  #isRefreshWanted = false
  #waiting: Waiting[] = []
  #ageTimer: { cancel(): void } | undefined
  #isClosed = false

  /** `onChange` is called after each answer. */
  constructor(env: ClusterEnv, settings: ClusterSettings, brokers: Brokers, onChange: () => void) {
    this.#env = env
    this.#settings = settings
    this.#brokers = brokers
    this.#onChange = onChange
  }

  topic(name: string): TopicInfo | undefined {
    return this.#topics.get(name)?.info
  }

  /** Those in use, and those that the last list had. */
  topics(): TopicInfo[] {
    const names = new Set([...this.#topics.keys(), ...this.#listed])
    return [...names].map((name) => this.#topics.get(name)?.info ?? topicInfo(name, ZERO_UUID, 0, undefined))
  }

  /** Undefined for an id that belongs to no topic in use. */
  nameOf(topicId: string): string | undefined {
    return this.#names.get(topicId)
  }

  /** Undefined for a partition that does not exist. */
  leaderOf(topic: string, partition: number): Leader | undefined {
    return this.#topics.get(topic)?.leaders[partition]
  }

  /**
   * True: nothing is known of the topic yet; the cluster is being asked, and onChange will tell. False: it is known, or
   * known not to exist, or nobody has answered for the request timeout.
   */
  learn(name: string): boolean {
    if (this.#topics.has(name)) return false
    const unknown = this.#unknown.get(name)
    if (unknown !== undefined && this.#env.clock.monotonicMs() - unknown.atMs < UNKNOWN_FOR_MS) return false
    const sinceMs = this.#want(name)
    this.refreshSoon()
    return this.#env.clock.monotonicMs() - sinceMs < this.#settings.requestTimeoutMs
  }

  /** Since when it is being asked for. */
  #want(name: string): number {
    const wanted = this.#wanted.get(name) ?? { sinceMs: this.#env.clock.monotonicMs() }
    this.#wanted.set(name, wanted)
    return wanted.sinceMs
  }

  /** Why a topic that was asked for is not there. */
  whyUnknown(name: string): ErrorCode {
    return this.#unknown.get(name)?.code ?? 'UNKNOWN_TOPIC_OR_PARTITION'
  }

  /** Something looked out of date. */
  refreshSoon(): void {
    this.#isRefreshWanted = true
    this.#ensureAsking()
  }

  /**
   * Resolves with knowledge that is newer than this call: of `names`, of everything in use, and of the names of all
   * topics if `names` is undefined. `isDescribed`: settings too. Rejects with VltavaError BROKER_UNAVAILABLE.
   */
  async refresh(
    names: readonly string[] | undefined,
    { isDescribed = false, timeoutMs = this.#settings.requestTimeoutMs, signal }: RefreshOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted()
    for (const name of names ?? []) {
      if (!this.#topics.has(name)) this.#want(name)
      else if (isDescribed) this.#describeAgain.add(name)
    }
    if (names === undefined) this.#isListWanted = true
    const deadlineMs = this.#env.clock.monotonicMs() + timeoutMs
    const answered = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ question: this.#question + 1, deadlineMs, resolve, reject })
    })
    this.refreshSoon()
    await answered
    signal?.throwIfAborted()
  }

  /** A topic that this program deleted: nobody has to find out. */
  remove(name: string): void {
    const known = this.#topics.get(name)
    this.#listed = this.#listed.filter((each) => each !== name)
    if (known === undefined) return
    this.#topics.delete(name)
    this.#names.delete(known.info.topicId)
    this.revision += 1
    this.#onChange()
  }

  #ensureAsking(): void {
    if (this.#isAsking || this.#isClosed) return
    this.#isAsking = true
    void this.#ask()
  }

  async #ask(): Promise<void> {
    await Promise.resolve() // Everything that this turn wants to know is one question.
    let failures = 0
    while (this.#isRefreshWanted && !this.#isClosed) {
      this.#isRefreshWanted = false
      const question = (this.#question += 1)
      try {
        await this.#askOnce()
        failures = 0
        this.#settle(question)
      } catch (error) {
        if (!(error instanceof VltavaError)) throw error
        this.#isRefreshWanted = true
        this.#failOverdue(error)
        failures += 1
      }
      if (this.#isClosed) break
      this.#onChange()
      // Somebody who waits for an answer came while the last question was under way: the next one is for them.
      const isUrgent = failures === 0 && (this.#waiting.length > 0 || this.#wanted.size > 0)
      if (this.#isRefreshWanted && !isUrgent) {
        await sleep(this.#env, backoffMs(this.#settings.retryBackoff, Math.max(0, failures - 1), this.#env))
      }
    }
    this.#isAsking = false
  }

  #settle(question: number): void {
    const served = this.#waiting.filter((waiting) => waiting.question <= question)
    this.#waiting = this.#waiting.filter((waiting) => waiting.question > question)
    for (const { resolve } of served) resolve()
    if (this.#waiting.length > 0) this.#isRefreshWanted = true
    this.#ageTimer?.cancel()
    this.#ageTimer = this.#env.timers.after(this.#settings.metadataMaxAgeMs, () => {
      for (const name of this.#topics.keys()) this.#describeAgain.add(name)
      this.#isListWanted = this.#listed.length > 0 // Somebody looked at all topics, and may wait for new ones.
      this.refreshSoon()
    })
  }

  #failOverdue(error: VltavaError): void {
    const now = this.#env.clock.monotonicMs()
    const isFinal = !error.retriable
    const overdue = this.#waiting.filter(({ deadlineMs }) => isFinal || deadlineMs <= now)
    this.#waiting = this.#waiting.filter((waiting) => !overdue.includes(waiting))
    for (const { reject } of overdue) reject(error)
  }

  async #askOnce(): Promise<void> {
    const isList = this.#isListWanted
    const names = [...new Set([...this.#topics.keys(), ...this.#wanted.keys()])]
    const topics = isList ? null : names.map((name) => ({ name }))
    const answer = await this.#brokers.askAny(metadata, { topics, allowAutoTopicCreation: false })
    if (answer.errorCode === kafkaError('REBOOTSTRAP_REQUIRED')) {
      this.#brokers.forgetAll()
      throw new VltavaError('BROKER_UNAVAILABLE', 'the broker said that the cluster must be looked up again')
    }
    this.#brokers.update(answer.brokers)
    this.controllerId = answer.controllerId
    const present = answer.topics.filter(({ name, errorCode }) => name !== null && isUsable(errorCode))
    const inUse = present.filter(({ name }) => names.includes(name!))
    await this.#describe(inUse)
    if (isList) {
      this.#isListWanted = false
      const listed = present.filter(({ isInternal }) => !isInternal).map(({ name }) => name!)
      if (listed.join() !== this.#listed.join()) this.revision += 1
      this.#listed = listed
    }
    for (const topic of inUse) this.#learned(topic)
    const found = new Set(inUse.map(({ name }) => name))
    for (const name of names) {
      if (found.has(name)) continue
      this.#missing(name, answer.topics.find((topic) => topic.name === name)?.errorCode)
    }
  }

  readonly #described = new Map<string, TopicConfigs>()

  /** Settings of topics that are new, or whose settings are to be looked at again. */
  async #describe(topics: readonly TopicAnswer[]): Promise<void> {
    const names = topics
      .filter(({ name, topicId }) => {
        const known = this.#topics.get(name!)
        return known === undefined || known.info.topicId !== topicId || this.#describeAgain.has(name!)
      })
      .map(({ name }) => name!)
    this.#described.clear()
    if (names.length === 0) return
    const found = await describeTopicConfigs(this.#brokers, names)
    for (const name of names) {
      const configs = found.get(name)
      if (configs !== undefined) this.#described.set(name, configs)
      // The broker that was asked has not heard of the topic yet.
      if (configs === undefined) this.#describeAgain.add(name)
      else this.#describeAgain.delete(name)
    }
    if (this.#describeAgain.size > 0) this.#isRefreshWanted = true
  }

  #learned({ name: nullableName, topicId, partitions }: TopicAnswer): void {
    const name = nullableName!
    this.#wanted.delete(name)
    this.#unknown.delete(name)
    const before = this.#topics.get(name)
    const isSame = before?.info.topicId === topicId
    const configs = this.#described.get(name) ?? before?.configs
    const count = Math.max(partitions.length, isSame ? before.leaders.length : 0)
    const leaders = new Array<Leader>(count).fill(NO_LEADER)
    if (isSame) before.leaders.forEach((leader, partition) => (leaders[partition] = leader))
    for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
      if (partitionIndex < 0 || partitionIndex >= count) continue
      // -1: the broker does not say; then the last word counts.
      if (isSame && leaderEpoch >= 0 && leaderEpoch < leaders[partitionIndex]!.epoch) continue
      leaders[partitionIndex] = { nodeId: leaderId, epoch: leaderEpoch }
    }
    const info = topicInfo(name, topicId, count, configs)
    // The same object as long as nothing has changed: producers compare by identity.
    const kept = before !== undefined && sameInfo(before.info, info) ? before.info : info
    if (kept !== before?.info) this.revision += 1
    if (before !== undefined) this.#names.delete(before.info.topicId)
    if (topicId !== ZERO_UUID) this.#names.set(topicId, name)
    this.#topics.set(name, { info: kept, configs, leaders, missingSinceMs: undefined })
  }

  #missing(name: string, errorCode: number | undefined): void {
    const now = this.#env.clock.monotonicMs()
    const known = this.#topics.get(name)
    if (known !== undefined) {
      known.missingSinceMs ??= now
      if (now - known.missingSinceMs < GONE_AFTER_MS) {
        this.#isRefreshWanted = true
        return
      }
      this.#topics.delete(name)
      this.#names.delete(known.info.topicId)
      this.revision += 1
    }
    this.#wanted.delete(name)
    if (this.#unknown.size >= UNKNOWN_TOPICS_MAX) this.#unknown.clear()
    this.#unknown.set(name, { code: errorNamed(errorCode ?? 3), atMs: now })
  }

  /** The error of a topic, or a partition, that is not there. */
  unknownError(topic: string, partition: number | undefined): VltavaError {
    const code = this.whyUnknown(topic)
    const known = this.topic(topic)
    if (known !== undefined && partition !== undefined) {
      const message = `topic=${topic} has partitions 0 .. ${known.partitionCount - 1}, there is no partition=${partition}`
      return new UnknownTopicOrPartitionError(topic, partition, message)
    }
    if (known === undefined && this.#wanted.has(topic)) {
      return new VltavaError('BROKER_UNAVAILABLE', `nothing is known of topic=${topic}: no broker answers`)
    }
    if (code !== 'UNKNOWN_TOPIC_OR_PARTITION') {
      return new VltavaError(code, `topic=${topic}: the cluster answers ${code}`)
    }
    const fix = `create it with admin.createTopics([{ topic: '${topic}', partitions: 1 }])`
    return new UnknownTopicOrPartitionError(topic, undefined, `topic=${topic} does not exist; ${fix}`)
  }

  close(error: VltavaError): void {
    this.#isClosed = true
    this.#ageTimer?.cancel()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** A topic without a leader at the moment is a topic. */
function isUsable(errorCode: number): boolean {
  return errorCode === 0 || errorCode === kafkaError('LEADER_NOT_AVAILABLE')
}
