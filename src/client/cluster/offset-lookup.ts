/**
 * OffsetLookup: asks partitions' leaders for offsets: by time, the ends, and where a leader epoch ended.
 */
import { VltavaError } from '../../base/errors.ts'
import { errorNamed } from '../../protocol/kafka-errors.ts'
import { listOffsets } from '../../protocol/messages/02-list-offsets.ts'
import { offsetForLeaderEpoch } from '../../protocol/messages/23-offset-for-leader-epoch.ts'
import type { OffsetAndTimestamp, OffsetSpec } from '../../protocol/transport.ts'
import { retry } from './backoff.ts'
import type { Broker } from './broker.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import type { KnownEnds } from './known-ends.ts'
import type { ClusterEnv, ClusterSettings } from './settings.ts'

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
/** ListOffsets knows MAX_TIMESTAMP from here on. */
const MAX_TIMESTAMP_SINCE = 7
const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1
const CONSUMER_REPLICA = -1

export interface Place {
  readonly topic: string
  readonly partition: number
}

export class OffsetLookup {
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #brokers: Brokers
  readonly #metadata: ClusterMetadata
  readonly #ends: KnownEnds

  constructor(
    env: ClusterEnv,
    settings: ClusterSettings,
    brokers: Brokers,
    metadata: ClusterMetadata,
    ends: KnownEnds,
  ) {
    this.#env = env
    this.#settings = settings
    this.#brokers = brokers
    this.#metadata = metadata
    this.#ends = ends
  }

  async lookup(topic: string, partition: number, spec: OffsetSpec): Promise<OffsetAndTimestamp> {
    const wanted = timestampOf(spec)
    const [found] = await this.#list([{ topic, partition }], wanted)
    const { offset, timestamp } = found!
    if (spec === 'start') this.#ends.set(topic, partition, offset, -1)
    if (spec === 'end') this.#ends.set(topic, partition, -1, offset)
    return { offset, timestamp: wanted === LATEST || wanted === EARLIEST ? -1 : timestamp }
  }

  /** Brings KnownEnds up to date. Rejects with UnknownTopicOrPartitionError, or what the brokers answer. */
  async refreshEnds(places: readonly Place[], signal?: AbortSignal): Promise<void> {
    if (places.length === 0) return
    const [starts, ends] = await Promise.all([this.#list(places, EARLIEST, signal), this.#list(places, LATEST, signal)])
    places.forEach(({ topic, partition }, i) => {
      this.#ends.set(topic, partition, starts[i]!.offset, ends[i]!.offset)
    })
  }

  /**
   * First offset behind the records of `leaderEpoch` and of those before it; undefined if the leader cannot tell.
   */
  async endOfEpoch(topic: string, partition: number, leaderEpoch: number): Promise<number | undefined> {
    const { broker, epoch } = this.#leaderOf(topic, partition)
    const connection = await broker.connection('control')
    if (!connection.has(offsetForLeaderEpoch)) return undefined
    const partitions = [{ partition, currentLeaderEpoch: epoch, leaderEpoch }]
    const version = connection.versionOf(offsetForLeaderEpoch)
    const request = { replicaId: CONSUMER_REPLICA, topics: [{ topic, partitions }] }
    const answer = await connection.request(offsetForLeaderEpoch, version, request)
    const found = answer.topics[0]?.partitions[0]
    if (found === undefined) return undefined
    if (found.errorCode !== 0) throw this.#refusal(topic, partition, found.errorCode)
    return found.endOffset < 0 ? undefined : found.endOffset
  }

  #list(places: readonly Place[], timestamp: number, signal?: AbortSignal): Promise<OffsetAndTimestamp[]> {
    const { retryBackoff, requestTimeoutMs } = this.#settings
    return retry(this.#env, retryBackoff, requestTimeoutMs, () => this.#listOnce(places, timestamp), signal)
  }

  async #listOnce(places: readonly Place[], timestamp: number): Promise<OffsetAndTimestamp[]> {
    const byBroker = new Map<Broker, (Place & { epoch: number })[]>()
    for (const { topic, partition } of places) {
      const { broker, epoch } = this.#leaderOf(topic, partition)
      const some = byBroker.get(broker)
      if (some === undefined) byBroker.set(broker, [{ topic, partition, epoch }])
      else some.push({ topic, partition, epoch })
    }
    const found = new Map<string, OffsetAndTimestamp>()
    const asks = [...byBroker].map(([broker, some]) => this.#askLeader(broker, some, timestamp, found))
    for (const outcome of await Promise.allSettled(asks)) if (outcome.status === 'rejected') throw outcome.reason
    return places.map(({ topic, partition }) => {
      const offset = found.get(`${topic}/${partition}`)
      if (offset !== undefined) return offset
      throw new VltavaError('LEADER_NOT_AVAILABLE', `the leader of ${topic}-${partition} did not tell an offset`)
    })
  }

  async #askLeader(
    broker: Broker,
    places: readonly (Place & { readonly epoch: number })[],
    timestamp: number,
    found: Map<string, OffsetAndTimestamp>,
  ): Promise<void> {
    const topics = new Map<string, { partitionIndex: number; currentLeaderEpoch: number; timestamp: number }[]>()
    for (const { topic, partition, epoch } of places) {
      const partitions = topics.get(topic) ?? []
      topics.set(topic, [...partitions, { partitionIndex: partition, currentLeaderEpoch: epoch, timestamp }])
    }
    const request = {
      replicaId: CONSUMER_REPLICA,
      isolationLevel: this.#settings.isReadCommitted ? READ_COMMITTED : READ_UNCOMMITTED,
      topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
      timeoutMs: this.#settings.requestTimeoutMs,
    }
    let answer
    try {
      const connection = await broker.connection('control')
      const version = connection.versionOf(listOffsets)
      if (timestamp === MAX_TIMESTAMP && version < MAX_TIMESTAMP_SINCE) {
        throw new VltavaError(
          'UNSUPPORTED_VERSION',
          'the broker cannot look for the record with the greatest timestamp',
        )
      }
      answer = await connection.request(listOffsets, version, request)
    } catch (error) {
      this.#metadata.refreshSoon()
      throw error
    }
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode, offset, timestamp: at } of partitions) {
        if (errorCode !== 0) throw this.#refusal(name, partitionIndex, errorCode)
        found.set(`${name}/${partitionIndex}`, { offset, timestamp: at })
      }
    }
  }

  /** Throws LEADER_NOT_AVAILABLE (retriable), or that there is no such partition. */
  #leaderOf(topic: string, partition: number): { broker: Broker; epoch: number } {
    const leader = this.#metadata.leaderOf(topic, partition)
    if (leader === undefined) throw this.#metadata.unknownError(topic, partition)
    const broker = leader.nodeId < 0 ? undefined : this.#brokers.get(leader.nodeId)
    if (broker !== undefined) return { broker, epoch: leader.epoch }
    this.#metadata.refreshSoon()
    throw new VltavaError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader at the moment`)
  }

  #refusal(topic: string, partition: number, errorCode: number): VltavaError {
    this.#metadata.refreshSoon()
    const code = errorNamed(errorCode)
    const where = `${topic}-${partition}`
    // The metadata knows the partition: this broker has not heard of it yet, or it goes just now.
    if (code === 'UNKNOWN_TOPIC_OR_PARTITION') {
      return new VltavaError('LEADER_NOT_AVAILABLE', `the broker that leads ${where} does not know it`)
    }
    return new VltavaError(code, `${where}: the broker answers ${code} (${errorCode})`)
  }
}

function timestampOf(spec: OffsetSpec): number {
  if (spec === 'start') return EARLIEST
  if (spec === 'end') return LATEST
  if (spec === 'max-timestamp') return MAX_TIMESTAMP
  const timestamp: unknown = spec?.timestamp
  // Also what has no timestamp at all: a program that is not type-checked may ask for 'beginning'.
  if (typeof timestamp !== 'number' || Number.isNaN(timestamp)) {
    throw new VltavaError('INVALID_ARGUMENT', 'the timestamp to look for is not a number')
  }
  return Math.min(Math.max(0, Math.ceil(timestamp)), Number.MAX_SAFE_INTEGER)
}
