/**
 * ProducerTopics: the lanes of a producer by topic and partition, and which lane a record takes. @hot
 *
 * Kafka's partitioner: murmur2 of the key, modulo the partitions; without a key the sticky partition, which moves on to
 * the next one whenever a batch is handed over, so that batches are large and partitions even.
 */
import type { Clock } from '../base/env/env.ts'
import { UnknownTopicOrPartitionError } from '../base/errors.ts'
import type { TopicInfo, Transport } from '../protocol/transport.ts'
import { partitionForKey } from './murmur2.ts'
import type { ProducerOptions } from './producer-options.ts'
import { type ProducerCore, ProducerPartition } from './producer-partition.ts'

export class ProducerTopic {
  readonly name: string
  info: TopicInfo
  readonly lanes: ProducerPartition[] = []
  sticky: ProducerPartition | undefined

  constructor(info: TopicInfo) {
    this.name = info.topic
    this.info = info
  }
}

export class ProducerTopics {
  readonly #core: ProducerCore
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #partitioner: ProducerOptions['partitioner']
  readonly #topics = new Map<string, ProducerTopic>()
  #last: ProducerTopic | undefined
  /** Lanes of deleted topics that still have batches. */
  #retired: ProducerPartition[] = []

  constructor(core: ProducerCore, transport: Transport, clock: Clock, partitioner: ProducerOptions['partitioner']) {
    this.#core = core
    this.#transport = transport
    this.#clock = clock
    this.#partitioner = partitioner
  }

  *lanes(): Iterable<ProducerPartition> {
    for (const topic of this.#topics.values()) yield* topic.lanes
    yield* this.#retired
  }

  /** Undefined if the producer has not met the topic. */
  known(name: string): ProducerTopic | undefined {
    return this.#topics.get(name)
  }

  /** Undefined while it is being asked for. Throws UnknownTopicOrPartitionError. */
  get(name: string): ProducerTopic | undefined {
    const last = this.#last
    if (last !== undefined && last.name === name && last.info === this.#transport.topic(name)) return last
    this.#last = this.refresh(name)
    return this.#last
  }

  /** As get(), with the topic's present settings and partition count. */
  refresh(name: string): ProducerTopic | undefined {
    const info = this.#transport.topic(name)
    if (info === undefined) {
      this.#last = undefined
      const { remote } = this.#transport
      if (remote?.learn(name) === true) return undefined
      if (remote !== undefined) throw remote.unknownError(name)
      const fix = `create it with admin.createTopics([{ topic: '${name}', partitions: 1 }])`
      throw new UnknownTopicOrPartitionError(name, undefined, `topic=${name} does not exist; ${fix}`)
    }
    let topic = this.#topics.get(name)
    if (topic?.info.topicId !== info.topicId) {
      const lanes = [...this.#retired, ...(topic?.lanes ?? [])]
      this.#retired = lanes.filter((lane) => !lane.isIdle || lane.open !== undefined)
      topic = new ProducerTopic(info)
      this.#topics.set(name, topic)
    }
    topic.info = info
    return topic
  }

  laneFor(topic: ProducerTopic, key: Uint8Array | null, partition: number | undefined): ProducerPartition {
    if (partition !== undefined) return this.#lane(topic, partition)
    const { partitionCount } = topic.info
    if (this.#partitioner !== undefined) return this.#lane(topic, this.#partitioner(topic.name, key, partitionCount))
    if (key !== null) return this.#lane(topic, partitionForKey(key, 0, key.length, partitionCount))
    topic.sticky ??= this.#lane(topic, this.#clock.wallMs() % partitionCount)
    return topic.sticky
  }

  /** Where records without a key go when the lane's batch is handed over: elsewhere, if it was the sticky one. */
  afterSticky(topic: ProducerTopic, lane: ProducerPartition): ProducerPartition {
    return topic.sticky === lane ? this.#lane(topic, (lane.partition + 1) % topic.info.partitionCount) : lane
  }

  #lane(topic: ProducerTopic, partition: number): ProducerPartition {
    const lane = topic.lanes[partition]
    if (lane !== undefined) return lane
    const { partitionCount } = topic.info
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) {
      const message = `topic=${topic.name} has partitions 0 .. ${partitionCount - 1}, there is no partition=${partition}`
      throw new UnknownTopicOrPartitionError(topic.name, partition, message)
    }
    while (topic.lanes.length <= partition) {
      topic.lanes.push(new ProducerPartition(this.#core, topic.name, topic.info.topicId, topic.lanes.length))
    }
    return topic.lanes[partition]!
  }
}
