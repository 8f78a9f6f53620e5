/**
 * Admin: topics, partitions, settings and offsets, over any transport; and consumer groups, as GroupAdmin has them.
 */
import { UnknownTopicOrPartitionError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import type {
  ClusterDescription,
  ConfigDescription,
  ConfigKind,
  DamageInfo,
  OffsetAndTimestamp,
  OffsetSpec,
  PartitionEnds,
  Transport,
} from '../protocol/transport.ts'
import type { ClientEnv } from './client-env.ts'
import { isDate } from './consumer-options.ts'
import { GroupAdmin } from './group-admin.ts'

export interface NewTopic {
  /** 1 to 249 of A-Z a-z 0-9 . _ - */
  readonly topic: string
  /** Default 1. */
  readonly partitions?: number
  /** Kafka's topic settings, by their names; values may be given as numbers and booleans. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>
}

export interface PartitionDescription extends PartitionEnds {
  readonly partition: number
  /** Why it cannot be written at present, if it cannot. */
  readonly failure?: string
}

export interface TopicDescription {
  readonly topic: string
  readonly topicId: string
  readonly partitions: readonly PartitionDescription[]
  /** Settings that differ from Kafka's defaults. */
  readonly configs: Readonly<Record<string, string>>
}

export interface AdminOptions {
  readonly signal?: AbortSignal
}

export class Admin extends GroupAdmin {
  readonly #transport: Transport

  constructor(transport: Transport, groups: GroupLink, env: ClientEnv) {
    super(transport, groups, env)
    this.#transport = transport
  }

  /**
   * Creates topics, all or none. Resolves when they can be written. Rejects with INVALID_TOPIC_EXCEPTION,
   * TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_CONFIG.
   */
  async createTopics(
    topics: readonly NewTopic[],
    options: AdminOptions & { validateOnly?: boolean } = {},
  ): Promise<void> {
    const { signal, validateOnly = false } = options
    const wanted = topics.map(({ topic, partitions = 1, configs = {} }) => ({
      topic,
      partitions,
      configs: asText(configs),
    }))
    await this.#transport.request({ type: 'createTopics', topics: wanted, validateOnly }, signal)
  }

  /** Deletes topics with their records. Rejects with UnknownTopicOrPartitionError. */
  async deleteTopics(topics: readonly string[], options: AdminOptions = {}): Promise<void> {
    await this.#transport.request({ type: 'deleteTopics', topics }, options.signal)
  }

  /** Raises the number of partitions. Rejects with INVALID_PARTITIONS if `partitions` is not greater than before. */
  async createPartitions(topic: string, partitions: number, options: AdminOptions = {}): Promise<void> {
    await this.#transport.request({ type: 'createPartitions', topic, partitions }, options.signal)
  }

  /** Changes settings; null sets one back to its default. Rejects with INVALID_CONFIG. */
  async alterConfigs(
    topic: string,
    configs: Readonly<Record<string, string | number | boolean | null>>,
    options: AdminOptions = {},
  ): Promise<void> {
    const changes: Record<string, string | null> = {}
    for (const [name, value] of Object.entries(configs)) changes[name] = value === null ? null : String(value)
    await this.#transport.request({ type: 'alterConfigs', topic, configs: changes }, options.signal)
  }

  /**
   * Settings of a topic, of a group, or, with `name` '', of the broker or of all brokers: each with its value and where
   * that comes from. Rejects with UnknownTopicOrPartitionError.
   */
  describeConfigs(kind: ConfigKind, name = '', options: AdminOptions = {}): Promise<readonly ConfigDescription[]> {
    return this.#transport.request({ type: 'describeConfigs', kind, name }, options.signal)
  }

  describeCluster(options: AdminOptions = {}): Promise<ClusterDescription> {
    return this.#transport.request({ type: 'describeCluster' }, options.signal)
  }

  /** Names of all topics, sorted. */
  async listTopics(): Promise<string[]> {
    await this.#transport.remote?.refreshTopics(undefined)
    return this.#transport
      .topics()
      .map(({ topic }) => topic)
      .sort()
  }

  /** Rejects with UnknownTopicOrPartitionError. */
  async describeTopics(topics: readonly string[]): Promise<TopicDescription[]> {
    const { remote } = this.#transport
    if (remote !== undefined) {
      await remote.refreshTopics(topics)
      await remote.refreshEnds(topics.flatMap((topic) => this.#writablePlaces(topic)))
    }
    return topics.map((topic) => this.#describe(topic))
  }

  /** Of the others nobody could tell the ends. */
  #writablePlaces(topic: string): { topic: string; partition: number }[] {
    const count = this.#transport.topic(topic)?.partitionCount ?? 0
    const places = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
    return places.filter(({ partition }) => this.#transport.partitionFailure(topic, partition) === undefined)
  }

  #describe(topic: string): TopicDescription {
    const info = this.#transport.topic(topic)
    if (info === undefined) throw new UnknownTopicOrPartitionError(topic, undefined, `topic=${topic} does not exist`)
    const partitions: PartitionDescription[] = []
    for (let partition = 0; partition < info.partitionCount; partition++) {
      const failure = this.#transport.partitionFailure(topic, partition)
      const ends = this.#transport.ends(topic, partition)
      partitions.push({ partition, ...ends, ...(failure === undefined ? {} : { failure: failure.message }) })
    }
    return { topic, topicId: info.topicId, partitions, configs: info.configs }
  }

  /**
   * The offset of a partition's start, its end, its record with the greatest timestamp, or its first record at or after
   * a time; offset -1 if there is no such record.
   */
  offset(topic: string, partition: number, spec: OffsetSpec | Date): Promise<OffsetAndTimestamp> {
    return this.#transport.lookup(topic, partition, isDate(spec) ? { timestamp: spec.getTime() } : spec)
  }

  /**
   * Deletes the records below `offset` (DeleteRecords); -1: all there are. Resolves with the log start offset. Rejects
   * with OFFSET_OUT_OF_RANGE above the log's end.
   */
  trim(topic: string, partition: number, offset: number, options: AdminOptions = {}): Promise<number> {
    return this.#transport.request({ type: 'trim', topic, partition, offset }, options.signal)
  }

  /** What recovery found and did since the log was opened: nothing is repaired in silence. */
  damage(options: AdminOptions = {}): Promise<readonly DamageInfo[]> {
    return this.#transport.request({ type: 'damage' }, options.signal)
  }
}

function asText(configs: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(configs).map(([name, value]) => [name, String(value)]))
}
