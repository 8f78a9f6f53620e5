/**
 * TopicAdmin: topics and where their partitions live. Part of the dispatcher, on its thread.
 *
 * A partition is placed once, on shard (first shard of its topic + partition) mod shards, in a slot of that shard's
 * watermark table; slots are not given out again while the log is open, so a reader of a deleted topic sees DELETED.
 */
import { assert, unreachable } from '../base/assert.ts'
import type { Env } from '../base/env/env.ts'
import {
  type ErrorData,
  fromErrorData,
  toErrorData,
  UnknownTopicOrPartitionError,
  VltavaError,
} from '../base/errors.ts'
import { randomUuid } from '../base/uuid.ts'
import type { PartitionOffset } from '../log/offset-checkpoint.ts'
import type { DamageReport } from '../log/partition-log.ts'
import { type LogConfig, parseTopicConfigs, type TopicConfigs } from '../log/topic-config.ts'
import { partitionDirectory, type Topic } from '../log/topic-store.ts'
import type { CreatedTopic, EngineRequest } from '../protocol/admin-link.ts'
import type { AdminRequest } from '../protocol/transport.ts'
import { SlotState } from '../ring/watermarks.ts'
import { applyChanges } from '../settings/alter.ts'
import { topicDefault, topicDefaults } from '../settings/describe.ts'
import type { Values } from '../settings/overrides.ts'
import { settingIn } from '../settings/setting.ts'
import { TOPIC_SETTINGS } from '../settings/topic-settings.ts'
import type { DataDirectory } from './data-directory.ts'
import type { FromDispatcher, PartitionOrder, PartitionPoints, ShardRequest, TopicDescription } from './messages.ts'
import { checkGrowth, checkNewTopic, checkPartitionCount, checkTopicName } from './new-topics.ts'
import type { SupervisedShard } from './supervised-shard.ts'
import { TopicRemoval } from './topic-removal.ts'

/** Who assigns no replicas needs no id of a node. */
const NO_NODE = -1

export interface PlacedPartition {
  readonly topic: string
  readonly partition: number
  readonly shardIndex: number
  readonly slot: number
  failure: ErrorData | undefined
}

interface PlacedTopic {
  topic: Topic
  readonly partitions: PlacedPartition[]
}

/** Of a topic: what is asked of one, or of each. */
type TopicRequest =
  | Exclude<AdminRequest, { type: 'damage' }>
  | Exclude<EngineRequest, { type: 'alterSettings' | 'giveSettings' | 'alterQuotas' }>

export class TopicAdmin {
  readonly #env: Env
  readonly #directory: DataDirectory
  readonly #shards: readonly SupervisedShard[]
  readonly #send: (message: FromDispatcher) => void
  readonly #onDamage: (partition: PlacedPartition, damage: readonly DamageReport[]) => void
  readonly #topics = new Map<string, PlacedTopic>()
  readonly #bySlot: (PlacedPartition | undefined)[][]
  readonly #removal: TopicRemoval
  /** What topics go by where they set nothing themselves. */
  #defaults: Values
  #nextFirstShard = 0

  constructor(
    env: Env,
    directory: DataDirectory,
    shards: readonly SupervisedShard[],
    send: (message: FromDispatcher) => void,
    onDamage: (partition: PlacedPartition, damage: readonly DamageReport[]) => void,
  ) {
    this.#env = env
    this.#directory = directory
    this.#shards = shards
    this.#send = send
    this.#onDamage = onDamage
    this.#bySlot = shards.map(() => [])
    this.#removal = new TopicRemoval(env, directory)
    this.#defaults = topicDefaults(directory.settings.overrides)
  }

  partitionAt(shardIndex: number, slot: number): PlacedPartition | undefined {
    return this.#bySlot[shardIndex]?.[slot]
  }

  /** Opens what the directory has, and finishes deletions that were under way. */
  async openAll(): Promise<void> {
    for (const topic of this.#directory.topics.all()) {
      if (topic.isDeleting) continue
      this.#place(topic, topic.partitions)
    }
    await Promise.all(this.#shards.map((_, index) => this.#openSlots(index, this.#directory.wasClean)))
    for (const topic of this.#directory.topics.all()) if (topic.isDeleting) this.#removal.tryFinish(topic)
  }

  /** After a restart of a shard: its partitions, from disk. Rejects with SHARD_UNAVAILABLE if it ends again. */
  async reopen(shardIndex: number): Promise<void> {
    await this.#openSlots(shardIndex, false)
  }

  async #openSlots(shardIndex: number, wasClean: boolean): Promise<void> {
    const placed = this.#bySlot[shardIndex]!.filter((partition) => partition !== undefined)
    await this.#openPartitions(shardIndex, placed, wasClean)
  }

  async #openPartitions(shardIndex: number, partitions: PlacedPartition[], wasClean: boolean): Promise<void> {
    if (partitions.length === 0) return
    const orders = partitions.map((partition) => this.#order(partition, wasClean))
    const opened = await this.#shards[shardIndex]!.ask({ type: 'open', partitions: orders })
    for (const { slot, error, damage, greatestProducerId } of opened) {
      const partition = this.partitionAt(shardIndex, slot)!
      if (error !== undefined || partition.failure !== undefined) this.noteFailure(partition, error)
      this.#directory.noteProducerId(greatestProducerId)
      this.#onDamage(partition, damage)
    }
  }

  #order(partition: PlacedPartition, wasClean: boolean): PartitionOrder {
    const { topic } = this.#topics.get(partition.topic)!
    return {
      slot: partition.slot,
      topic: topic.name,
      partition: partition.partition,
      directory: partitionDirectory(this.#directory.path, topic.name, partition.partition),
      topicId: topic.id,
      config: this.#configOf(topic),
      wasClean,
      isAdopted: topic.isAdopted ?? false,
      recoveryPoint: this.#directory.recoveryPoint(topic.name, partition.partition),
      logStartOffset: this.#directory.logStartOffset(topic.name, partition.partition),
    }
  }

  /** Gives partitions that the topic does not have yet a place; returns the new ones. */
  #place(topic: Topic, partitionCount: number): PlacedPartition[] {
    let placed = this.#topics.get(topic.name)
    if (placed === undefined) {
      placed = { topic, partitions: [] }
      this.#topics.set(topic.name, placed)
      this.#nextFirstShard = (this.#nextFirstShard + 1) % this.#shards.length
    }
    placed.topic = topic
    const first = placed.partitions[0]?.shardIndex ?? this.#nextFirstShard
    const added: PlacedPartition[] = []
    for (let partition = placed.partitions.length; partition < partitionCount; partition++) {
      const shardIndex = (first + partition) % this.#shards.length
      const slots = this.#bySlot[shardIndex]!
      const place = { topic: topic.name, partition, shardIndex, slot: slots.length, failure: undefined }
      slots.push(place)
      placed.partitions.push(place)
      added.push(place)
    }
    return added
  }

  descriptions(): TopicDescription[] {
    return [...this.#topics.values()].map((placed) => this.#describe(placed))
  }

  noteFailure(partition: PlacedPartition, error: ErrorData | undefined): void {
    partition.failure = error
    this.#send({ type: 'failure', topic: partition.topic, partition: partition.partition, error })
  }

  /** For a client that has just come. */
  tellFailures(): void {
    for (const { partitions } of this.#topics.values()) {
      for (const place of partitions) if (place.failure !== undefined) this.noteFailure(place, place.failure)
    }
  }

  /** Takes the durable points of every partition from the shared words; those of a shard that died are still true. */
  notePoints(): void {
    for (const { partitions } of this.#topics.values()) {
      for (const { topic, partition, shardIndex, slot } of partitions) {
        const { watermarks } = this.#shards[shardIndex]!
        this.#directory.notePoints(topic, partition, watermarks.committedOffset(slot), watermarks.logStartOffset(slot))
      }
    }
  }

  noteClosed(pointsOfShards: readonly (readonly PartitionPoints[])[]): PartitionOffset[] {
    const highWatermarks: PartitionOffset[] = []
    pointsOfShards.forEach((points, shardIndex) => {
      for (const { slot, recoveryPoint, logStartOffset, highWatermark } of points) {
        const { topic, partition } = this.partitionAt(shardIndex, slot)!
        this.#directory.notePoints(topic, partition, recoveryPoint, logStartOffset)
        highWatermarks.push({ topic, partition, offset: highWatermark })
      }
    })
    return highWatermarks
  }

  /** Throws VltavaError for what the requester did wrong, or for the disk. */
  async obey(request: TopicRequest): Promise<unknown> {
    switch (request.type) {
      case 'createTopics':
        return this.#createTopics(request)
      case 'deleteTopics':
        return this.#deleteTopics(request.topics)
      case 'createPartitions':
        return this.#createPartitions(request.topic, request.partitions)
      case 'alterConfigs':
        return this.#alterConfigs(request.topic, request.configs)
      case 'trim':
        return this.#trim(request.topic, request.partition, request.offset)
      case 'allocateProducerId':
        return this.#directory.allocateProducerId()
      case 'createEachTopic':
        return this.#createEach(request)
      case 'deleteEachTopic':
        return this.#deleteEach(request.topics)
      case 'growEachTopic':
        return this.#growEach(request)
      case 'describeProducers': {
        const { shardIndex, slot } = this.#placeOf(request.topic, request.partition)
        return this.#shards[shardIndex]!.ask({ type: 'describeProducers', slot })
      }
      default:
        return unreachable(request)
    }
  }

  async #createTopics(request: Extract<AdminRequest, { type: 'createTopics' }>): Promise<undefined> {
    const names = new Set(this.#directory.topics.names())
    for (const { topic, partitions, configs } of request.topics) {
      checkTopicName(topic, names)
      checkPartitionCount(topic, partitions)
      parseTopicConfigs(topic, configs, this.#defaults)
      names.add(topic)
    }
    this.#checkSlots(request.topics.reduce((sum, { partitions }) => sum + partitions, 0))
    if (!request.validateOnly) await this.#create(request.topics.map((topic) => this.#newTopic(topic)))
    return undefined
  }

  /** What cannot be made does not hold up the others. */
  async #createEach(request: Extract<EngineRequest, { type: 'createEachTopic' }>): Promise<CreatedTopic[]> {
    const names = new Set(this.#directory.topics.names())
    const { overrides } = this.#directory.settings
    const made: Topic[] = []
    let partitionCount = 0
    const outcomes = request.topics.map((spec): CreatedTopic => {
      try {
        const partitions = checkNewTopic(spec, names, request.nodeId, overrides, this.#defaults)
        this.#checkSlots(partitionCount + partitions)
        partitionCount += partitions
        const topic = this.#newTopic({ ...spec, partitions })
        made.push(topic)
        return { topicId: topic.id, partitions }
      } catch (error) {
        if (!(error instanceof VltavaError)) throw error
        return { error: toErrorData(error), topicId: '', partitions: -1 }
      }
    })
    if (request.validateOnly || made.length === 0) return outcomes
    try {
      await this.#create(made)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      const failed = { error: toErrorData(error), topicId: '', partitions: -1 }
      return outcomes.map((outcome) => (outcome.error === undefined ? failed : outcome))
    }
    return outcomes
  }

  #newTopic({ topic, partitions, configs }: { topic: string; partitions: number; configs: TopicConfigs }): Topic {
    return { name: topic, id: randomUuid(this.#env.random), partitions, configs: { ...configs }, isDeleting: false }
  }

  /** All or none; they were checked. */
  async #create(created: readonly Topic[]): Promise<void> {
    // A deletion whose files a failing disk would not give up: they must not come back as the new topic's.
    for (const left of this.#directory.topics.all()) {
      if (left.isDeleting && created.some(({ name }) => name === left.name)) this.#removal.finish(left)
    }
    this.#directory.topics.put(created)
    this.#env.failpoint('create-topic:after-file')
    const added = created.flatMap((topic) => this.#place(topic, topic.partitions))
    const made = created.map(({ name }) => this.#known(name))
    try {
      await this.#openNew(added)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      await this.#undoCreation(made)
      throw error
    }
    this.#send({ type: 'topics', changed: made.map((placed) => this.#describe(placed)), removed: [] })
  }

  async #undoCreation(made: readonly PlacedTopic[]): Promise<void> {
    try {
      await this.#drop(made)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      // The disk takes no note of it: then they exist, offline as they are, and everybody had better know.
      this.#send({ type: 'topics', changed: made.map((placed) => this.#describe(placed)), removed: [] })
    }
  }

  /** Partitions of a shard that is being restarted are opened by the restart. */
  async #openNew(added: PlacedPartition[]): Promise<void> {
    const opening = this.#shards.map(async (_, index) => {
      const partitions = added.filter(({ shardIndex }) => shardIndex === index)
      try {
        await this.#openPartitions(index, partitions, false)
      } catch (error) {
        if (!(error instanceof VltavaError) || error.code !== 'SHARD_UNAVAILABLE') throw error
      }
    })
    await Promise.all(opening)
    const failed = added.find(({ failure }) => failure !== undefined)
    if (failed?.failure !== undefined) throw fromErrorData(failed.failure)
  }

  #checkSlots(wanted: number): void {
    const used = Math.max(...this.#bySlot.map((slots) => slots.length))
    const limit = this.#shards[0]!.slotCount
    if (used + Math.ceil(wanted / this.#shards.length) + 1 <= limit) return
    throw new VltavaError(
      'INVALID_PARTITIONS',
      `${wanted} more partitions exceed ${limit} per shard; open with more shards`,
    )
  }

  async #deleteTopics(names: readonly string[]): Promise<undefined> {
    const topics = [...new Set(names)].map((name) => this.#known(name))
    await this.#drop(topics)
    this.#send({ type: 'topics', changed: [], removed: names })
    return undefined
  }

  async #deleteEach(names: readonly string[]): Promise<(ErrorData | undefined)[]> {
    const known = names.filter((name) => this.#topics.has(name))
    let failure: ErrorData | undefined
    try {
      if (known.length > 0) await this.#deleteTopics(known)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      failure = toErrorData(error)
    }
    return names.map((name) => {
      if (known.includes(name)) return failure
      return toErrorData(new UnknownTopicOrPartitionError(name, undefined, `topic=${name} does not exist`))
    })
  }

  /**
   * Durable once the file says it, or StorageError and nothing has happened. What a crash or a failing disk leaves of
   * the directories goes with the next open, or before a topic of that name is created.
   */
  async #drop(topics: readonly PlacedTopic[]): Promise<void> {
    const deleting = topics.map(({ topic }) => ({ ...topic, isDeleting: true }))
    this.#directory.reserve.use(() => this.#directory.topics.put(deleting))
    this.#env.failpoint('delete-topic:after-file')
    for (const { topic, partitions } of topics) {
      this.#topics.delete(topic.name)
      for (const { shardIndex, slot } of partitions) {
        this.#bySlot[shardIndex]![slot] = undefined
        this.#shards[shardIndex]!.deletedSlots.push(slot)
      }
      for (const { shardIndex, slot } of partitions) {
        if (await this.#askIfUp(shardIndex, { type: 'delete', slot })) continue
        // A dying thread may write for as long as it lives, by names that a new topic could have. Then nobody is left
        // to tell the readers, who have the shared words of that incarnation until the next one is there.
        const shard = this.#shards[shardIndex]!
        await shard.stop()
        shard.watermarks.setState(slot, SlotState.DELETED)
      }
    }
    for (const { topic } of topics) this.#removal.tryFinish(topic)
  }

  /**
   * For requests that a shard need not hear while it is restarted: its next incarnation is told of the state as it is
   * then. False if it did not hear. Rejects with the shard's own errors.
   */
  async #askIfUp(shardIndex: number, request: ShardRequest): Promise<boolean> {
    try {
      await this.#shards[shardIndex]!.ask(request)
      return true
    } catch (error) {
      if (!(error instanceof VltavaError) || error.code !== 'SHARD_UNAVAILABLE') throw error
      return false
    }
  }

  async #createPartitions(name: string, count: number): Promise<undefined> {
    const { topic } = this.#known(name)
    checkPartitionCount(name, count)
    checkGrowth({ topic: name, count, assignments: null }, topic.partitions, NO_NODE)
    await this.#grow(topic, count)
    return undefined
  }

  async #growEach(request: Extract<EngineRequest, { type: 'growEachTopic' }>): Promise<(ErrorData | undefined)[]> {
    const outcomes: (ErrorData | undefined)[] = []
    for (const spec of request.topics) {
      try {
        const { topic } = this.#known(spec.topic)
        checkGrowth(spec, topic.partitions, request.nodeId)
        this.#checkSlots(spec.count - topic.partitions)
        if (!request.validateOnly) await this.#grow(topic, spec.count)
        outcomes.push(undefined)
      } catch (error) {
        if (!(error instanceof VltavaError)) throw error
        outcomes.push(toErrorData(error))
      }
    }
    return outcomes
  }

  async #grow(topic: Topic, count: number): Promise<void> {
    this.#checkSlots(count - topic.partitions)
    const grown = { ...topic, partitions: count }
    this.#directory.topics.put([grown])
    this.#env.failpoint('create-partitions:after-file')
    const added = this.#place(grown, count)
    try {
      await this.#openNew(added)
    } finally {
      // They are in the file: they exist, even if the disk does not let one of them be used.
      this.#send({ type: 'topics', changed: [this.#describe(this.#known(topic.name))], removed: [] })
    }
  }

  async #alterConfigs(name: string, changes: Readonly<Record<string, string | null>>): Promise<undefined> {
    const { topic } = this.#known(name)
    const merged = Object.entries({ ...topic.configs, ...changes }).filter((entry) => entry[1] !== null)
    await this.#putConfigs(name, Object.fromEntries(merged) as TopicConfigs)
    return undefined
  }

  /** By the operations of IncrementalAlterConfigs, or all at once. */
  async alterSettings(request: Extract<EngineRequest, { type: 'alterSettings' }>): Promise<void> {
    const { name, changes, isReplacement, validateOnly } = request
    const { topic } = this.#known(name)
    const { overrides } = this.#directory.settings
    const configs = applyChanges(isReplacement ? {} : topic.configs, changes, TOPIC_SETTINGS, (setting) => {
      const known = settingIn(TOPIC_SETTINGS, setting)
      return known === undefined ? undefined : topicDefault(overrides, known)
    })
    parseTopicConfigs(name, configs, this.#defaults)
    if (!validateOnly) await this.#putConfigs(name, configs)
  }

  async #putConfigs(name: string, configs: TopicConfigs): Promise<void> {
    const placed = this.#known(name)
    parseTopicConfigs(name, configs, this.#defaults)
    const altered = { ...placed.topic, configs }
    this.#directory.reserve.use(() => this.#directory.topics.put([altered]))
    placed.topic = altered
    await this.#configure(placed)
    this.#send({ type: 'topics', changed: [this.#describe(placed)], removed: [] })
  }

  async #configure({ topic, partitions }: PlacedTopic): Promise<void> {
    const config = this.#configOf(topic)
    for (const { shardIndex, slot } of partitions) {
      await this.#askIfUp(shardIndex, { type: 'configure', slot, config })
    }
  }

  /** Settings of the broker changed: topics that do not set their own have new ones. */
  async defaultsChanged(): Promise<void> {
    const defaults = topicDefaults(this.#directory.settings.overrides)
    const isSame = Object.keys(defaults).every((name) => defaults[name] === this.#defaults[name])
    if (isSame) return
    this.#defaults = defaults
    const all = [...this.#topics.values()]
    for (const placed of all) await this.#configure(placed)
    this.#send({ type: 'topics', changed: all.map((placed) => this.#describe(placed)), removed: [] })
  }

  /** Durable when it resolves: after a crash the trimmed records do not come back. */
  async #trim(name: string, partition: number, offset: number): Promise<number> {
    const { shardIndex, slot } = this.#placeOf(name, partition)
    const shard = this.#shards[shardIndex]!
    const { watermarks } = shard
    const highWatermark = watermarks.highWatermark(slot)
    const target = offset === -1 ? highWatermark : offset
    // On disk before a reader sees it: the start that somebody saw never goes back. What is no offset, out of range, or
    // offline, the shard refuses.
    const isInRange = Number.isSafeInteger(target) && target >= 0 && target <= highWatermark
    if (isInRange && watermarks.state(slot) === SlotState.ONLINE) {
      this.#directory.notePoints(name, partition, watermarks.committedOffset(slot), target)
      this.#directory.reserve.use(() => this.#directory.writeCheckpoints())
      this.#env.failpoint('trim:after-checkpoint')
    }
    return shard.ask({ type: 'trim', slot, offset: target })
  }

  #placeOf(name: string, partition: number): PlacedPartition {
    const place = this.#known(name).partitions[partition]
    if (place !== undefined) return place
    throw new UnknownTopicOrPartitionError(name, partition, `${name}-${partition} does not exist`)
  }

  #known(name: string): PlacedTopic {
    const topic = this.#topics.get(name)
    if (topic === undefined) throw new UnknownTopicOrPartitionError(name, undefined, `topic=${name} does not exist`)
    return topic
  }

  #configOf({ name, configs }: Topic): LogConfig {
    return parseTopicConfigs(name, configs, this.#defaults)
  }

  #describe({ topic, partitions }: PlacedTopic): TopicDescription {
    assert(partitions.length === topic.partitions, 'every partition has a place')
    return {
      topic: topic.name,
      topicId: topic.id,
      configs: topic.configs,
      config: this.#configOf(topic),
      places: partitions.map(({ shardIndex, slot }) => ({ shardIndex, slot })),
    }
  }
}
