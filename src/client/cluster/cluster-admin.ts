/**
 * ClusterAdmin: what an administrator asks, in the words of Kafka's protocol, with the errors that the embedded log has
 * for the same thing. Each change resolves when this program sees it.
 */
import { ERROR_CODES, type ErrorCode, UnknownTopicOrPartitionError, VltavaError } from '../../base/errors.ts'
import { errorNamed, kafkaError } from '../../protocol/kafka-errors.ts'
import { createTopics } from '../../protocol/messages/19-create-topics.ts'
import { deleteTopics } from '../../protocol/messages/20-delete-topics.ts'
import { deleteRecords } from '../../protocol/messages/21-delete-records.ts'
import { initProducerId } from '../../protocol/messages/22-init-producer-id.ts'
import { createPartitions } from '../../protocol/messages/37-create-partitions.ts'
import { incrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.ts'
import type { AdminRequest } from '../../protocol/transport.ts'
import type { Api, RequestOf } from '../../protocol/wire/api.ts'
import type { Decoded, Encodable, Fields } from '../../protocol/wire/schema.ts'
import { retry } from './backoff.ts'
import type { Brokers } from './brokers.ts'
import { describeBrokers, describeSettings } from './cluster-description.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import type { ClusterEnv, ClusterSettings } from './settings.ts'
import { TOPIC_RESOURCE } from './topic-configs.ts'

type Ask<T extends AdminRequest['type']> = Extract<AdminRequest, { type: T }>

const SET = 0
const DELETE = 1
/** The broker's default.replication.factor. */
const BROKERS_DEFAULT = -1
const NO_TRANSACTION_MS = 0x7fff_ffff

export class ClusterAdmin {
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #brokers: Brokers
  readonly #metadata: ClusterMetadata

  constructor(env: ClusterEnv, settings: ClusterSettings, brokers: Brokers, metadata: ClusterMetadata) {
    this.#env = env
    this.#settings = settings
    this.#brokers = brokers
    this.#metadata = metadata
  }

  /** Resolves with what AdminReplies names for the request's type. */
  request(request: AdminRequest, signal: AbortSignal | undefined): Promise<unknown> {
    switch (request.type) {
      case 'createTopics':
        return this.#createTopics(request, signal)
      case 'deleteTopics':
        return this.#deleteTopics(request, signal)
      case 'createPartitions':
        return this.#createPartitions(request, signal)
      case 'alterConfigs':
        return this.#alterConfigs(request, signal)
      case 'trim':
        return this.#retry(() => this.#trim(request), signal)
      case 'describeConfigs':
        return this.#retry(() => describeSettings(this.#brokers, request.kind, request.name), signal)
      case 'describeCluster':
        return this.#retry(() => describeBrokers(this.#brokers), signal)
      case 'allocateProducerId':
        return this.#retry(() => this.#allocateProducerId(), signal)
      case 'damage': {
        const message = 'what recovery found is told by the log that recovered: open({ dir }), or vltava verify DIR'
        return Promise.reject(new VltavaError('EMBEDDED_ONLY', message))
      }
    }
  }

  /** Kafka creates each topic by itself: all are checked first, so that a wrong one leaves nothing behind. */
  async #createTopics({ topics, validateOnly }: Ask<'createTopics'>, signal: AbortSignal | undefined): Promise<void> {
    const request = {
      topics: topics.map(({ topic, partitions, configs }) => ({
        name: topic,
        numPartitions: partitions,
        replicationFactor: BROKERS_DEFAULT,
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      })),
      timeoutMs: this.#settings.requestTimeoutMs,
    }
    if (validateOnly || topics.length > 1) await this.#createOnce({ ...request, validateOnly: true }, signal)
    if (validateOnly) return
    await this.#createOnce({ ...request, validateOnly: false }, signal)
    const partitionCounts = new Map(topics.map(({ topic, partitions }) => [topic, partitions]))
    await this.#untilThere(partitionCounts, signal)
  }

  #createOnce(request: Encodable<RequestOf<typeof createTopics>>, signal: AbortSignal | undefined): Promise<void> {
    return this.#retry(async () => {
      const answer = await this.#askController(createTopics, request)
      for (const { name, errorCode, errorMessage } of answer.topics) this.#check(errorCode, errorMessage, name)
    }, signal)
  }

  /** Until the metadata has the topics with their partitions, and each partition a leader. */
  #untilThere(partitionCounts: ReadonlyMap<string, number>, signal: AbortSignal | undefined): Promise<void> {
    return this.#retry(async () => {
      await this.#metadata.refresh([...partitionCounts.keys()], { signal })
      for (const [topic, count] of partitionCounts) {
        for (let partition = 0; partition < count; partition++) {
          const leader = this.#metadata.leaderOf(topic, partition)
          if (leader === undefined || leader.nodeId < 0) {
            throw new VltavaError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader yet`)
          }
        }
      }
    }, signal)
  }

  async #deleteTopics({ topics }: Ask<'deleteTopics'>, signal: AbortSignal | undefined): Promise<void> {
    const ids = new Map(topics.map((topic) => [topic, this.#metadata.topic(topic)?.topicId]))
    await this.#retry(async () => {
      const request = {
        topics: topics.map((name) => ({ name })),
        topicNames: topics,
        timeoutMs: this.#settings.requestTimeoutMs,
      }
      const answer = await this.#askController(deleteTopics, request)
      for (const { name, errorCode, errorMessage } of answer.responses) this.#check(errorCode, errorMessage, name ?? '')
    }, signal)
    await this.#retry(async () => {
      for (const topic of topics) this.#metadata.remove(topic)
      await this.#metadata.refresh(topics, { signal })
      const left = topics.find((topic) => {
        const topicId = this.#metadata.topic(topic)?.topicId
        return topicId !== undefined && topicId === (ids.get(topic) ?? topicId)
      })
      if (left !== undefined) throw new VltavaError('REQUEST_TIMED_OUT', `the brokers still show topic=${left}`)
    }, signal)
  }

  async #createPartitions(
    { topic, partitions }: Ask<'createPartitions'>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#retry(async () => {
      const request = {
        topics: [{ name: topic, count: partitions, assignments: null }],
        timeoutMs: this.#settings.requestTimeoutMs,
      }
      const answer = await this.#askController(createPartitions, request)
      for (const { name, errorCode, errorMessage } of answer.results) this.#check(errorCode, errorMessage, name)
    }, signal)
    await this.#untilThere(new Map([[topic, partitions]]), signal)
  }

  async #alterConfigs({ topic, configs }: Ask<'alterConfigs'>, signal: AbortSignal | undefined): Promise<void> {
    await this.#retry(async () => {
      const changes = Object.entries(configs).map(([name, value]) => ({
        name,
        configOperation: value === null ? DELETE : SET,
        value,
      }))
      const request = { resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configs: changes }] }
      const answer = await this.#askController(incrementalAlterConfigs, request)
      for (const { resourceName, errorCode, errorMessage } of answer.responses) {
        this.#check(errorCode, errorMessage, resourceName)
      }
    }, signal)
    await this.#retry(async () => {
      await this.#metadata.refresh([topic], { isDescribed: true, signal })
      const seen = this.#metadata.topic(topic)?.configs ?? {}
      const isSeen = Object.entries(configs).every(([name, value]) => (seen[name] ?? null) === value)
      if (!isSeen)
        throw new VltavaError('REQUEST_TIMED_OUT', `the brokers do not show the new settings of ${topic} yet`)
    }, signal)
  }

  async #trim({ topic, partition, offset }: Ask<'trim'>): Promise<number> {
    const leader = this.#metadata.leaderOf(topic, partition)
    if (leader === undefined) {
      await this.#metadata.refresh([topic])
      if (this.#metadata.leaderOf(topic, partition) === undefined) throw this.#metadata.unknownError(topic, partition)
    }
    const broker = leader === undefined ? undefined : this.#brokers.get(leader.nodeId)
    if (broker === undefined) {
      this.#metadata.refreshSoon()
      throw new VltavaError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader at the moment`)
    }
    const partitions = [{ partitionIndex: partition, offset }]
    const request = { topics: [{ name: topic, partitions }], timeoutMs: this.#settings.requestTimeoutMs }
    const answer = await this.#brokers.ask(broker, deleteRecords, request)
    const { errorCode = -1, lowWatermark = -1 } = answer.topics[0]?.partitions[0] ?? {}
    if (errorCode === kafkaError('OFFSET_OUT_OF_RANGE')) {
      throw new VltavaError('OFFSET_OUT_OF_RANGE', `offset=${offset} is beyond the end of ${topic}-${partition}`)
    }
    this.#check(errorCode, null, topic, partition)
    return lowWatermark
  }

  async #allocateProducerId(): Promise<number> {
    const request = { transactionalId: null, transactionTimeoutMs: NO_TRANSACTION_MS }
    const { errorCode, producerId } = await this.#brokers.askAny(initProducerId, request)
    this.#check(errorCode, null, 'a producer id')
    return producerId
  }

  /** Changes of topics: the controller where that is a broker (before KRaft); else any broker passes them on. */
  async #askController<Q extends Fields, R extends Fields>(
    api: Api<Q, R>,
    message: Encodable<Decoded<Q>>,
  ): Promise<Decoded<R>> {
    const controller = this.#brokers.get(this.#metadata.controllerId)
    if (controller === undefined || controller.isDown) return await this.#brokers.askAny(api, message)
    return await this.#brokers.ask(controller, api, message)
  }

  #retry<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return retry(this.#env, this.#settings.retryBackoff, this.#settings.requestTimeoutMs, attempt, signal)
  }

  /** Throws what the code says. */
  #check(errorCode: number, said: string | null, topic: string, partition?: number): void {
    if (errorCode === 0) return
    const code = errorNamed(errorCode)
    const words = said === null || said === '' ? `the cluster answers ${code} (${errorCode})` : said
    if (ERROR_CODES[code].retriable || STALE_METADATA.has(code)) this.#metadata.refreshSoon()
    if (code === 'UNKNOWN_TOPIC_OR_PARTITION') {
      throw new UnknownTopicOrPartitionError(topic, partition, `topic=${topic} does not exist: ${words}`)
    }
    throw new VltavaError(code, `topic=${topic}: ${words}`)
  }
}

const STALE_METADATA: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNKNOWN_TOPIC_OR_PARTITION', 'NOT_CONTROLLER'])
