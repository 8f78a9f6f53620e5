/**
 * PlacedTopics: where the partitions of topics live, and how their shards are told. Part of the dispatcher, on its thread.
 *
 * A partition is placed once, on shard (first shard of its topic + partition) mod shards, in a slot of that shard's
 * watermark table; slots are not given out again while the log is open, so a reader of a deleted topic sees DELETED.
 */
import { assert } from '../base/assert.ts'
import { type ErrorData, fromErrorData, UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import type { PartitionOffset } from '../log/offset-checkpoint.ts'
import type { DamageReport } from '../log/partition-log.ts'
import { type LogConfig, parseTopicConfigs } from '../log/topic-config.ts'
import { partitionDirectory, type Topic } from '../log/topic-store.ts'
import { topicDefaults } from '../settings/describe.ts'
import type { Values } from '../settings/overrides.ts'
import type { DataDirectory } from './data-directory.ts'
import type { FromDispatcher, PartitionOrder, PartitionPoints, ShardRequest, TopicDescription } from './messages.ts'
import type { SupervisedShard } from './supervised-shard.ts'

export interface PlacedPartition {
  readonly topic: string
  readonly partition: number
  readonly shardIndex: number
  readonly slot: number
  failure: ErrorData | undefined
}

export interface PlacedTopic {
  topic: Topic
  readonly partitions: PlacedPartition[]
}

export class PlacedTopics {
  readonly #directory: DataDirectory
  readonly #shards: readonly SupervisedShard[]
  readonly #send: (message: FromDispatcher) => void
  readonly #onDamage: (partition: PlacedPartition, damage: readonly DamageReport[]) => void
  readonly #topics = new Map<string, PlacedTopic>()
  readonly #bySlot: (PlacedPartition | undefined)[][]
  /** What topics go by where they set nothing themselves. */
  defaults: Values
  #nextFirstShard = 0

  constructor(
    directory: DataDirectory,
    shards: readonly SupervisedShard[],
    send: (message: FromDispatcher) => void,
    onDamage: (partition: PlacedPartition, damage: readonly DamageReport[]) => void,
  ) {
    this.#directory = directory
    this.#shards = shards
    this.#send = send
    this.#onDamage = onDamage
    this.#bySlot = shards.map(() => [])
    this.defaults = topicDefaults(directory.settings.overrides)
  }

  all(): PlacedTopic[] {
    return [...this.#topics.values()]
  }

  has(name: string): boolean {
    return this.#topics.has(name)
  }

  /** The topic's slots are not given out again; its shards are told one by one. */
  forget({ topic, partitions }: PlacedTopic): void {
    this.#topics.delete(topic.name)
    for (const { shardIndex, slot } of partitions) {
      this.#bySlot[shardIndex]![slot] = undefined
      this.#shards[shardIndex]!.deletedSlots.push(slot)
    }
  }

  partitionAt(shardIndex: number, slot: number): PlacedPartition | undefined {
    return this.#bySlot[shardIndex]?.[slot]
  }

  /** Opens what the directory has. */
  async openAll(): Promise<void> {
    for (const topic of this.#directory.topics.all()) {
      if (topic.isDeleting) continue
      this.place(topic, topic.partitions)
    }
    await Promise.all(this.#shards.map((_, index) => this.#openSlots(index, this.#directory.wasClean)))
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
      config: this.configOf(topic),
      wasClean,
      isAdopted: topic.isAdopted ?? false,
      recoveryPoint: this.#directory.recoveryPoint(topic.name, partition.partition),
      logStartOffset: this.#directory.logStartOffset(topic.name, partition.partition),
    }
  }

  /** Gives partitions that the topic does not have yet a place; returns the new ones. */
  place(topic: Topic, partitionCount: number): PlacedPartition[] {
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
    return [...this.#topics.values()].map((placed) => this.describe(placed))
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

  /** Partitions of a shard that is being restarted are opened by the restart. */
  async openNew(added: PlacedPartition[]): Promise<void> {
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

  checkSlots(wanted: number): void {
    const used = Math.max(...this.#bySlot.map((slots) => slots.length))
    const limit = this.#shards[0]!.slotCount
    if (used + Math.ceil(wanted / this.#shards.length) + 1 <= limit) return
    throw new VltavaError(
      'INVALID_PARTITIONS',
      `${wanted} more partitions exceed ${limit} per shard; open with more shards`,
    )
  }

  /**
   * For requests that a shard need not hear while it is restarted: its next incarnation is told of the state as it is
   * then. False if it did not hear. Rejects with the shard's own errors.
   */
  async askIfUp(shardIndex: number, request: ShardRequest): Promise<boolean> {
    try {
      await this.#shards[shardIndex]!.ask(request)
      return true
    } catch (error) {
      if (!(error instanceof VltavaError) || error.code !== 'SHARD_UNAVAILABLE') throw error
      return false
    }
  }

  placeOf(name: string, partition: number): PlacedPartition {
    const place = this.known(name).partitions[partition]
    if (place !== undefined) return place
    throw new UnknownTopicOrPartitionError(name, partition, `${name}-${partition} does not exist`)
  }

  known(name: string): PlacedTopic {
    const topic = this.#topics.get(name)
    if (topic === undefined) throw new UnknownTopicOrPartitionError(name, undefined, `topic=${name} does not exist`)
    return topic
  }

  configOf({ name, configs }: Topic): LogConfig {
    return parseTopicConfigs(name, configs, this.defaults)
  }

  describe({ topic, partitions }: PlacedTopic): TopicDescription {
    assert(partitions.length === topic.partitions, 'every partition has a place')
    return {
      topic: topic.name,
      topicId: topic.id,
      configs: topic.configs,
      config: this.configOf(topic),
      places: partitions.map(({ shardIndex, slot }) => ({ shardIndex, slot })),
    }
  }
}
