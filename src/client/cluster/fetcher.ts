/**
 * Fetcher: keeps readers filled, in the background, from the brokers that lead their partitions. Owned by one thread.
 *
 * A broker has two lanes, each with a connection of its own and one fetch under way. The first names, in a session,
 * every partition that has room, and waits at the broker until there is something. What comes to want records while it
 * waits there (a seek, a new reader, a buffer that ran empty) does not wait with it: the second lane asks for that.
 *
 * A reader whose partition has a new leader is not believed until the leader was asked whether its log still has the
 * last batch that was read (KIP-320).
 */
import { type ErrorCode, OffsetOutOfRangeError, UnknownTopicOrPartitionError, VltavaError } from '../../base/errors.ts'
import { errorNamed } from '../../protocol/kafka-errors.ts'
import type { fetch } from '../../protocol/messages/01-fetch.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import { backoffMs } from './backoff.ts'
import type { Broker } from './broker.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterMetadata, Leader } from './cluster-metadata.ts'
import { FetchedChunk } from './fetched-chunk.ts'
import { FetchLane } from './fetch-lane.ts'
import type { KnownEnds } from './known-ends.ts'
import type { OffsetLookup } from './offset-lookup.ts'
import { type ReaderHost, RemotePartitionReader } from './remote-reader.ts'
import type { ClusterEnv, ClusterSettings } from './settings.ts'

type PartitionAnswer = ResponseOf<typeof fetch>['responses'][number]['partitions'][number]

/** Errors that the program hears of; from all others the fetcher recovers. */
const FINAL_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOPIC_AUTHORIZATION_FAILED',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'UNSUPPORTED_VERSION',
])

interface Lanes {
  readonly main: FetchLane
  readonly catchUp: FetchLane
}

export class Fetcher implements ReaderHost {
  readonly ends: KnownEnds
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #brokers: Brokers
  readonly #metadata: ClusterMetadata
  readonly #offsets: OffsetLookup
  readonly #onNews: () => void
  readonly #readers = new Set<RemotePartitionReader>()
  readonly #lanes = new Map<Broker, Lanes>()
  #isPumpDue = false
  #timer: { readonly atMs: number; cancel(): void } | undefined
  #isClosed = false

  /** `onNews`: a reader has something that it had not. */
  constructor(
    env: ClusterEnv,
    settings: ClusterSettings,
    brokers: Brokers,
    metadata: ClusterMetadata,
    offsets: OffsetLookup,
    ends: KnownEnds,
    onNews: () => void,
  ) {
    this.#env = env
    this.#settings = settings
    this.#brokers = brokers
    this.#metadata = metadata
    this.#offsets = offsets
    this.ends = ends
    this.#onNews = onNews
  }

  /** Whether answers are awaited from which readers come to have news. */
  get isBusy(): boolean {
    return this.#readers.size > 0
  }

  reader(topic: string, topicId: string, partition: number, offset: number): RemotePartitionReader {
    const reader = new RemotePartitionReader(this, topic, topicId, partition, offset)
    this.#readers.add(reader)
    this.wanted()
    return reader
  }

  closed(reader: RemotePartitionReader): void {
    this.#readers.delete(reader)
  }

  wanted(): void {
    if (this.#isPumpDue) return
    this.#isPumpDue = true
    queueMicrotask(() => {
      this.#isPumpDue = false
      if (!this.#isClosed) this.#pump()
    })
  }

  #pump(): void {
    const now = this.#env.clock.monotonicMs()
    const byBroker = new Map<Broker, RemotePartitionReader[]>()
    let wakeAtMs = Number.POSITIVE_INFINITY
    for (const reader of this.#readers) {
      if (reader.hasFailed || reader.isInQuestion) continue
      const leader = this.#leaderOf(reader)
      if (leader === undefined || reader.bufferedBytes >= this.#settings.maxPartitionFetchBytes) continue
      if (reader.notBeforeMs > now) {
        wakeAtMs = Math.min(wakeAtMs, reader.notBeforeMs)
        continue
      }
      const broker = this.#brokers.get(leader.nodeId)
      if (broker === undefined) {
        this.#metadata.refreshSoon()
        continue
      }
      if (this.#mustAsk(reader, leader)) {
        void this.#checkEpoch(reader, leader)
        continue
      }
      reader.validEpoch = leader.epoch
      const some = byBroker.get(broker)
      if (some === undefined) byBroker.set(broker, [reader])
      else some.push(reader)
    }
    for (const [broker, readers] of byBroker) this.#fetchFrom(broker, readers)
    for (const broker of this.#lanes.keys()) if (broker.isClosed) this.#lanes.delete(broker)
    this.#wakeAt(wakeAtMs, now)
  }

  /** Undefined if there is none at the moment, or never will be: then the reader has heard of it. */
  #leaderOf(reader: RemotePartitionReader): Leader | undefined {
    const { topic, topicId, partition } = reader
    if (this.#metadata.topic(topic)?.topicId !== topicId) {
      const message = `${topic}-${partition} was deleted`
      reader.fail(new UnknownTopicOrPartitionError(topic, partition, message))
      this.#onNews()
      return undefined
    }
    const leader = this.#metadata.leaderOf(topic, partition)
    if (leader !== undefined && leader.nodeId >= 0) return leader
    this.#metadata.refreshSoon()
    return undefined
  }

  #mustAsk(reader: RemotePartitionReader, leader: Leader): boolean {
    return reader.lastEpoch >= 0 && reader.validEpoch >= 0 && leader.epoch > reader.validEpoch
  }

  #wakeAt(atMs: number, now: number): void {
    if (atMs === Number.POSITIVE_INFINITY || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return
    this.#timer?.cancel()
    const { cancel } = this.#env.timers.after(Math.max(0, atMs - now), () => {
      this.#timer = undefined
      this.wanted()
    })
    this.#timer = { atMs, cancel }
  }

  #fetchFrom(broker: Broker, readers: readonly RemotePartitionReader[]): void {
    const { main, catchUp } = this.#lanesOf(broker)
    const uncovered = readers.filter((reader) => !main.covers(reader) && !catchUp.covers(reader))
    const starved = uncovered.filter(({ isStarved }) => isStarved)
    if (starved.length > 0 && !catchUp.isBusy) return this.#run(catchUp, [starved[0]!], 0)
    const plain = uncovered.filter(({ isStarved }) => !isStarved)
    if (plain.length === 0) return
    if (!main.isBusy) {
      this.#run(main, plain, this.#settings.fetchMaxWaitMs)
    } else if (!catchUp.isBusy) {
      // It waits as long as the first lane may wait, which then takes these up.
      const leftMs = main.endsAtMs - this.#env.clock.monotonicMs()
      this.#run(catchUp, plain, leftMs > 0 ? leftMs : this.#settings.fetchMaxWaitMs)
    }
  }

  #lanesOf(broker: Broker): Lanes {
    const present = this.#lanes.get(broker)
    if (present !== undefined) return present
    const lanes = {
      main: new FetchLane(this.#env, this.#settings, broker, 'fetch'),
      catchUp: new FetchLane(this.#env, this.#settings, broker, 'catch-up'),
    }
    this.#lanes.set(broker, lanes)
    return lanes
  }

  /** Of several readers of one partition the first; they take turns. */
  #run(lane: FetchLane, candidates: readonly RemotePartitionReader[], waitMs: number): void {
    const places = new Map<string, RemotePartitionReader>()
    for (const reader of candidates) {
      const key = `${reader.topic}-${reader.partition}`
      if (!places.has(key)) places.set(key, reader)
    }
    const readers = [...places.values()]
    for (const reader of readers) {
      this.#readers.delete(reader)
      this.#readers.add(reader)
    }
    const take = (reader: RemotePartitionReader, answer: PartitionAnswer): void => this.#take(reader, answer)
    void lane.run(readers, waitMs, take).then((isWell) => {
      if (this.#isClosed) return
      if (!isWell) this.#metadata.refreshSoon()
      this.#onNews()
      this.wanted()
    })
  }

  #take(reader: RemotePartitionReader, answer: PartitionAnswer): void {
    const { errorCode, highWatermark, lastStableOffset, logStartOffset, records, abortedTransactions } = answer
    if (errorCode !== 0) return this.#refused(reader, errorCode)
    reader.failureCount = 0
    const { isReadCommitted } = this.#settings
    const end = isReadCommitted ? lastStableOffset : highWatermark
    this.ends.set(reader.topic, reader.partition, logStartOffset, end)
    if (!(records instanceof Uint8Array) || records.length === 0) return
    // A small part of a large answer would keep all of it in memory.
    const bytes = records.length * 2 < records.buffer.byteLength ? records.slice() : records
    reader.take(new FetchedChunk(bytes, end, isReadCommitted ? (abortedTransactions ?? []) : []))
  }

  #refused(reader: RemotePartitionReader, errorCode: number): void {
    const code = errorNamed(errorCode)
    const where = `${reader.topic}-${reader.partition}`
    if (code === 'OFFSET_OUT_OF_RANGE') return void this.#checkRange(reader)
    if (FINAL_ERRORS.has(code)) return reader.fail(new VltavaError(code, `${where}: the broker answers ${code}`))
    // The leader is another, or it will be well again: nothing that the program could do about it.
    this.#metadata.refreshSoon()
    this.#postpone(reader)
  }

  #postpone(reader: RemotePartitionReader): void {
    const delayMs = backoffMs(this.#settings.retryBackoff, reader.failureCount, this.#env)
    reader.notBeforeMs = this.#env.clock.monotonicMs() + delayMs
    reader.failureCount += 1
  }

  /** The broker says that the offset is not in the log. A broker that is behind says so too: the ends decide. */
  #checkRange(reader: RemotePartitionReader): Promise<void> {
    return this.#question(reader, async (isStill) => {
      const { topic, partition, fetchOffset } = reader
      await this.#offsets.refreshEnds([reader])
      if (!isStill()) return
      const { logStartOffset, highWatermark } = this.ends.of(topic, partition)
      if (fetchOffset >= logStartOffset && fetchOffset <= highWatermark) return this.#postpone(reader)
      reader.fail(new OffsetOutOfRangeError(`${topic}-${partition}`, fetchOffset, logStartOffset, highWatermark))
    })
  }

  /** There is a new leader: does its log go as far as this reader is? */
  #checkEpoch(reader: RemotePartitionReader, leader: Leader): Promise<void> {
    return this.#question(reader, async (isStill) => {
      const { topic, partition, lastEpoch } = reader
      const endOffset = await this.#offsets.endOfEpoch(topic, partition, lastEpoch)
      if (!isStill()) return
      reader.validEpoch = leader.epoch
      if (endOffset === undefined || endOffset >= reader.fetchOffset) return
      await this.#offsets.refreshEnds([reader])
      if (!isStill()) return
      reader.cutBack(endOffset)
      if (reader.nextOffset <= endOffset) return
      const { logStartOffset } = this.ends.of(topic, partition)
      reader.fail(new OffsetOutOfRangeError(`${topic}-${partition}`, reader.nextOffset, logStartOffset, endOffset))
    })
  }

  /** Nothing is fetched for the reader meanwhile; `isStill`: it is where it was when the question was asked. */
  async #question(reader: RemotePartitionReader, ask: (isStill: () => boolean) => Promise<void>): Promise<void> {
    const { seekCount } = reader
    reader.isInQuestion = true
    const isStill = (): boolean => !this.#isClosed && !reader.isClosed && reader.seekCount === seekCount
    try {
      await ask(isStill)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      if (isStill()) this.#postpone(reader)
    } finally {
      if (isStill()) reader.isInQuestion = false
    }
    this.#onNews()
    this.wanted()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }
}
