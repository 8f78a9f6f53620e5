/**
 * FetchLane: one connection on which fetches go to a broker, one after the other.
 */
import { VltavaError } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import { fetch } from '../../protocol/messages/01-fetch.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import { backoffMs, sleep } from './backoff.ts'
import type { Broker } from './broker.ts'
import { canBeById, FetchSession, type FetchTarget, FIRST_VERSION_BY_ID, sessionless } from './fetch-session.ts'
import type { RemotePartitionReader } from './remote-reader.ts'
import type { ClusterEnv, ClusterSettings } from './settings.ts'

type FetchAnswer = ResponseOf<typeof fetch>
type PartitionAnswer = FetchAnswer['responses'][number]['partitions'][number]

const FIRST_VERSION_WITH_SESSION = 7
const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1
/** The session is over; the next fetch begins another, at once. */
const SESSION_ERRORS: ReadonlySet<number> = new Set([
  kafkaError('FETCH_SESSION_ID_NOT_FOUND'),
  kafkaError('INVALID_FETCH_SESSION_EPOCH'),
  kafkaError('FETCH_SESSION_TOPIC_ID_ERROR'),
  kafkaError('INCONSISTENT_TOPIC_ID'),
  kafkaError('UNKNOWN_TOPIC_ID'),
])

export class FetchLane {
  isBusy = false
  /** When the broker answers at the latest, if it is well. */
  endsAtMs = 0
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #broker: Broker
  readonly #purpose: 'fetch' | 'catch-up'
  readonly #session: FetchSession | undefined
  /** Readers that are being fetched for, and their seekCount then. */
  readonly #covered = new Map<RemotePartitionReader, number>()
  #failureCount = 0

  /** 'fetch' has a session. */
  constructor(env: ClusterEnv, settings: ClusterSettings, broker: Broker, purpose: 'fetch' | 'catch-up') {
    this.#env = env
    this.#settings = settings
    this.#broker = broker
    this.#purpose = purpose
    this.#session = purpose === 'fetch' ? new FetchSession() : undefined
  }

  /** Whether the fetch that is under way asks for what the reader wants now. */
  covers(reader: RemotePartitionReader): boolean {
    return this.#covered.get(reader) === reader.seekCount
  }

  /**
   * Fetches once for `readers` and hands each part of the answer to `take`. The broker waits up to `waitMs` while it has
   * nothing. False: it failed; the pause before the next attempt is over then.
   */
  async run(
    readers: readonly RemotePartitionReader[],
    waitMs: number,
    take: (reader: RemotePartitionReader, answer: PartitionAnswer) => void,
  ): Promise<boolean> {
    this.isBusy = true
    for (const reader of readers) this.#covered.set(reader, reader.seekCount)
    try {
      const answer = await this.#fetch(readers, waitMs)
      if (answer.errorCode === 0) {
        this.#session?.accept(answer.sessionId)
        this.#handOut(answer, take)
        this.#failureCount = 0
        return true
      }
      this.#session?.reset()
      if (!SESSION_ERRORS.has(answer.errorCode) || this.#failureCount > 0) await this.#pause()
      this.#failureCount += 1
      return false
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.#session?.reset()
      await this.#pause()
      this.#failureCount += 1
      return false
    } finally {
      this.isBusy = false
      this.#covered.clear()
    }
  }

  async #pause(): Promise<void> {
    this.#covered.clear() // Whoever has another leader meanwhile does not wait.
    await sleep(this.#env, backoffMs(this.#settings.retryBackoff, this.#failureCount, this.#env))
  }

  async #fetch(readers: readonly RemotePartitionReader[], waitMs: number): Promise<FetchAnswer> {
    const { fetchMaxBytes, isReadCommitted, requestTimeoutMs } = this.#settings
    const connection = await this.#broker.connection(this.#purpose)
    const targets = readers.filter(({ isClosed }) => !isClosed).map((reader) => this.#targetOf(reader))
    for (const reader of readers) this.#covered.set(reader, reader.seekCount)
    const isById = canBeById(targets) && connection.has(fetch, FIRST_VERSION_BY_ID)
    const version = connection.versionOf(fetch, isById ? Infinity : FIRST_VERSION_BY_ID - 1)
    const session = version >= FIRST_VERSION_WITH_SESSION ? this.#session : undefined
    this.endsAtMs = this.#env.clock.monotonicMs() + waitMs
    const request = {
      maxWaitMs: Math.round(waitMs),
      minBytes: 1,
      maxBytes: fetchMaxBytes,
      isolationLevel: isReadCommitted ? READ_COMMITTED : READ_UNCOMMITTED,
      ...(session === undefined ? sessionless(targets, isById) : session.next(targets, isById)),
    }
    return await connection.request(fetch, version, request, waitMs + requestTimeoutMs)
  }

  #targetOf({ topic, topicId, partition, fetchOffset, validEpoch }: RemotePartitionReader): FetchTarget {
    const partitionMaxBytes = this.#settings.maxPartitionFetchBytes
    return { topic, topicId, partition, fetchOffset, leaderEpoch: validEpoch, partitionMaxBytes }
  }

  #handOut(answer: FetchAnswer, take: (reader: RemotePartitionReader, answer: PartitionAnswer) => void): void {
    const byPlace = new Map<string, RemotePartitionReader[]>()
    for (const [reader, seekCount] of this.#covered) {
      if (reader.isClosed || reader.seekCount !== seekCount) continue // It is somewhere else by now.
      for (const name of [reader.topic, reader.topicId]) {
        const key = `${name}/${reader.partition}`
        byPlace.set(key, [...(byPlace.get(key) ?? []), reader])
      }
    }
    for (const { topic, topicId, partitions } of answer.responses) {
      const name = topic === '' ? topicId : topic
      for (const each of partitions) {
        for (const reader of byPlace.get(`${name}/${each.partitionIndex}`) ?? []) take(reader, each)
      }
    }
  }
}
