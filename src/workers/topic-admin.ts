/**
 * TopicAdmin: topics made, grown, configured, trimmed and deleted. Part of the dispatcher, on its thread. What it says is
 * in the file first, then in the shards, then with every client thread.
 */
import { unreachable } from '../base/assert.ts'
import type { Env } from '../base/env/env.ts'
import { type ErrorData, toErrorData, UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import { randomUuid } from '../base/uuid.ts'
import { checkTopicConfigs, type TopicConfigs } from '../log/topic-config.ts'
import type { Topic } from '../log/topic-store.ts'
import type { CreatedTopic, EngineRequest } from '../protocol/admin-link.ts'
import type { AdminRequest } from '../protocol/transport.ts'
import { SlotState } from '../ring/watermarks.ts'
import { applyChanges } from '../settings/alter.ts'
import { topicDefault, topicDefaults } from '../settings/describe.ts'
import { settingIn } from '../settings/setting.ts'
import { TOPIC_SETTINGS } from '../settings/topic-settings.ts'
import type { DataDirectory } from './data-directory.ts'
import type { FromDispatcher } from './messages.ts'
import { checkGrowth, checkNewTopic, checkPartitionCount, checkTopicName } from './new-topics.ts'
import type { PlacedTopic, PlacedTopics } from './placed-topics.ts'
import type { SupervisedShard } from './supervised-shard.ts'
import { TopicRemoval } from './topic-removal.ts'

/** Who assigns no replicas needs no id of a node. */
const NO_NODE = -1

/** Of a topic: what is asked of one, or of each. */
type TopicRequest =
  | Exclude<AdminRequest, { type: 'damage' }>
  | Exclude<EngineRequest, { type: 'alterSettings' | 'giveSettings' | 'alterQuotas' }>

export class TopicAdmin {
  readonly #env: Env
  readonly #directory: DataDirectory
  readonly #shards: readonly SupervisedShard[]
  readonly #send: (message: FromDispatcher) => void
  readonly #placed: PlacedTopics
  readonly #removal: TopicRemoval

  constructor(
    env: Env,
    directory: DataDirectory,
    shards: readonly SupervisedShard[],
    send: (message: FromDispatcher) => void,
    placed: PlacedTopics,
  ) {
    this.#env = env
    this.#directory = directory
    this.#shards = shards
    this.#send = send
    this.#placed = placed
    this.#removal = new TopicRemoval(env, directory)
  }

  /** Deletions that were under way when the directory was left. */
  finishDeletions(): void {
    for (const topic of this.#directory.topics.all()) if (topic.isDeleting) this.#removal.tryFinish(topic)
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
        const { shardIndex, slot } = this.#placed.placeOf(request.topic, request.partition)
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
      checkTopicConfigs(topic, configs, this.#placed.defaults)
      names.add(topic)
    }
    this.#placed.checkSlots(request.topics.reduce((sum, { partitions }) => sum + partitions, 0))
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
        const partitions = checkNewTopic(spec, names, request.nodeId, overrides, this.#placed.defaults)
        this.#placed.checkSlots(partitionCount + partitions)
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
    const added = created.flatMap((topic) => this.#placed.place(topic, topic.partitions))
    const made = created.map(({ name }) => this.#placed.known(name))
    try {
      await this.#placed.openNew(added)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      await this.#undoCreation(made)
      throw error
    }
    this.#send({ type: 'topics', changed: made.map((placed) => this.#placed.describe(placed)), removed: [] })
  }

  async #undoCreation(made: readonly PlacedTopic[]): Promise<void> {
    try {
      await this.#drop(made)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      // The disk takes no note of it: then they exist, offline as they are, and everybody had better know.
      this.#send({ type: 'topics', changed: made.map((placed) => this.#placed.describe(placed)), removed: [] })
    }
  }

  async #deleteTopics(names: readonly string[]): Promise<undefined> {
    const topics = [...new Set(names)].map((name) => this.#placed.known(name))
    await this.#drop(topics)
    this.#send({ type: 'topics', changed: [], removed: names })
    return undefined
  }

  async #deleteEach(names: readonly string[]): Promise<(ErrorData | undefined)[]> {
    const known = names.filter((name) => this.#placed.has(name))
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
      this.#placed.forget({ topic, partitions })
      for (const { shardIndex, slot } of partitions) {
        if (await this.#placed.askIfUp(shardIndex, { type: 'delete', slot })) continue
        // A dying thread may write for as long as it lives, by names that a new topic could have. Then nobody is left
        // to tell the readers, who have the shared words of that incarnation until the next one is there.
        const shard = this.#shards[shardIndex]!
        await shard.stop()
        shard.watermarks.setState(slot, SlotState.DELETED)
      }
    }
    for (const { topic } of topics) this.#removal.tryFinish(topic)
  }

  async #createPartitions(name: string, count: number): Promise<undefined> {
    const { topic } = this.#placed.known(name)
    checkPartitionCount(name, count)
    checkGrowth({ topic: name, count, assignments: null }, topic.partitions, NO_NODE)
    await this.#grow(topic, count)
    return undefined
  }

  async #growEach(request: Extract<EngineRequest, { type: 'growEachTopic' }>): Promise<(ErrorData | undefined)[]> {
    const outcomes: (ErrorData | undefined)[] = []
    for (const spec of request.topics) {
      try {
        const { topic } = this.#placed.known(spec.topic)
        checkGrowth(spec, topic.partitions, request.nodeId)
        this.#placed.checkSlots(spec.count - topic.partitions)
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
    this.#placed.checkSlots(count - topic.partitions)
    const grown = { ...topic, partitions: count }
    this.#directory.topics.put([grown])
    this.#env.failpoint('create-partitions:after-file')
    const added = this.#placed.place(grown, count)
    try {
      await this.#placed.openNew(added)
    } finally {
      // They are in the file: they exist, even if the disk does not let one of them be used.
      this.#send({ type: 'topics', changed: [this.#placed.describe(this.#placed.known(topic.name))], removed: [] })
    }
  }

  async #alterConfigs(name: string, changes: Readonly<Record<string, string | null>>): Promise<undefined> {
    const { topic } = this.#placed.known(name)
    const merged = Object.entries({ ...topic.configs, ...changes }).filter((entry) => entry[1] !== null)
    await this.#putConfigs(name, Object.fromEntries(merged) as TopicConfigs)
    return undefined
  }

  /** By the operations of IncrementalAlterConfigs, or all at once. */
  async alterSettings(request: Extract<EngineRequest, { type: 'alterSettings' }>): Promise<void> {
    const { name, changes, isReplacement, validateOnly } = request
    const { topic } = this.#placed.known(name)
    const { overrides } = this.#directory.settings
    const configs = applyChanges(isReplacement ? {} : topic.configs, changes, TOPIC_SETTINGS, (setting) => {
      const known = settingIn(TOPIC_SETTINGS, setting)
      return known === undefined ? undefined : topicDefault(overrides, known)
    })
    checkTopicConfigs(name, configs, this.#placed.defaults)
    if (!validateOnly) await this.#putConfigs(name, configs)
  }

  async #putConfigs(name: string, configs: TopicConfigs): Promise<void> {
    const placed = this.#placed.known(name)
    checkTopicConfigs(name, configs, this.#placed.defaults)
    const altered = { ...placed.topic, configs }
    this.#directory.reserve.use(() => this.#directory.topics.put([altered]))
    placed.topic = altered
    await this.#configure(placed)
    this.#send({ type: 'topics', changed: [this.#placed.describe(placed)], removed: [] })
  }

  async #configure({ topic, partitions }: PlacedTopic): Promise<void> {
    const config = this.#placed.configOf(topic)
    for (const { shardIndex, slot } of partitions) {
      await this.#placed.askIfUp(shardIndex, { type: 'configure', slot, config })
    }
  }

  /** Settings of the broker changed: topics that do not set their own have new ones. */
  async defaultsChanged(): Promise<void> {
    const defaults = topicDefaults(this.#directory.settings.overrides)
    const isSame = Object.keys(defaults).every((name) => defaults[name] === this.#placed.defaults[name])
    if (isSame) return
    this.#placed.defaults = defaults
    const all = this.#placed.all()
    for (const placed of all) await this.#configure(placed)
    this.#send({ type: 'topics', changed: all.map((placed) => this.#placed.describe(placed)), removed: [] })
  }

  /** Durable when it resolves: after a crash the trimmed records do not come back. */
  async #trim(name: string, partition: number, offset: number): Promise<number> {
    const { shardIndex, slot } = this.#placed.placeOf(name, partition)
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
}
