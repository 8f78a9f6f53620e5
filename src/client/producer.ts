/**
 * Producer: turns records into batches and batches into appends. Owned by the thread that made it. @hot
 *
 * append() is the hot path: synchronous, no promise, no allocation per record; false means that no memory is free, the
 * record was not taken, and drain() tells when to try again. send() is the comfortable path: a promise for each record
 * (one underlying promise per batch). Both may be mixed; order per partition is the order of the calls.
 *
 * A batch is handed over when it is full, when `linger` has passed, by flush(), or at the end of the current turn if
 * somebody awaits a send() and nothing else of that partition is under way: awaiting one send after another costs no
 * lingering, sending many at once still makes large batches.
 */
import type { Clock } from '../base/env/env.ts'
import { RecordTooLargeError, VltavaError } from '../base/errors.ts'
import type { Acks, Transport } from '../protocol/transport.ts'
import {
  BatchBuilder,
  batchSizeBoundForOne,
  encodeHeaders,
  NO_HEADERS,
  RECORD_BOUND_SLACK,
  type RecordHeader,
} from '../record/batch-builder.ts'
import type { CompressionName } from '../record/compression/codec.ts'
import { AppendFailures } from './append-failures.ts'
import { CommitTracker } from './commit-tracker.ts'
import { OpenLanes } from './open-lanes.ts'
import { type Lane, ProducerBatch } from './producer-batch.ts'
import {
  type AppendExtras,
  checkHeaders,
  checkOptions,
  checkTimestamp,
  type ProducerOptions,
  type ProducerRecord,
  type RecordMetadata,
} from './producer-options.ts'
import type { ProducerCore, ProducerPartition } from './producer-partition.ts'
import { type ProducerTopic, ProducerTopics } from './producer-topics.ts'
import type { Serde } from './serdes.ts'
import { orAborted, UnfinishedBatches } from './unfinished-batches.ts'

/** The clock is read once per this many appends into an open batch. */
const APPENDS_PER_CLOCK_READ = 16
/** Builders kept for reuse. */
const BUILDERS_MAX = 64

export class Producer<K = Uint8Array, V = Uint8Array> implements ProducerCore {
  readonly transport: Transport
  readonly acks: Acks
  readonly compression: CompressionName
  readonly compressionLevel: number | undefined
  producerId: number | undefined
  readonly #clock: Clock
  readonly #lingerMs: number
  readonly #batchBytes: number
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #failures: AppendFailures
  readonly #stopListening: () => void
  readonly #topics: ProducerTopics
  readonly #openLanes: OpenLanes
  readonly #builders: BatchBuilder[] = []
  readonly #commits: CommitTracker
  #stickyTopic: string | undefined
  #stickyLane: Lane | undefined
  readonly #unfinished = new UnfinishedBatches()
  /** Bytes that the last append() found no memory for. */
  #wantedBytes: number
  /** A topic of which the last append() found nothing known yet. */
  #wantedTopic: string | undefined
  #wallMs = 0
  #appendsSinceClock = 0
  #isObtainingId = false
  /** Sends that found no memory, and when the last of them will have gone. */
  #sendsWaiting = 0
  #lastSendWaiting: Promise<void> = Promise.resolve()
  /** close() was called; what was taken before is still on its way. */
  #isClosing = false
  #isClosed = false
  #draining: Promise<void> | undefined
  /** Wakes those who wait for memory. */
  readonly #closing = new AbortController()

  /** Made by log.producer(). Throws VltavaError INVALID_ARGUMENT and the like for wrong options. */
  constructor(transport: Transport, clock: Clock, options: ProducerOptions<K, V> = {}) {
    const checked = checkOptions(options, transport.batchBytesMax)
    this.transport = transport
    this.#clock = clock
    this.acks = checked.acks
    this.#lingerMs = checked.lingerMs
    this.#openLanes = new OpenLanes(transport, clock, (lane) => {
      if (lane === this.#stickyLane) this.#stickyTopic = undefined
    })
    this.#batchBytes = checked.batchBytes
    this.#wantedBytes = checked.batchBytes
    this.compression = checked.compression
    this.compressionLevel = checked.compressionLevel
    this.#key = checked.key
    this.#value = checked.value
    this.#failures = new AppendFailures(checked.onError)
    this.#topics = new ProducerTopics(this, transport, clock, checked.partitioner)
    this.#commits = new CommitTracker(
      transport,
      (batch) => this.#acknowledged(batch),
      (batch, error) => this.batchFailed(batch, error),
    )
    this.#stopListening = transport.onClose(() => this.#fail(closedLog()))
    const isAnswered = this.acks !== 0 || transport.remote === undefined
    if (checked.isIdempotent && isAnswered) this.wantProducerId()
    else this.producerId = -1
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Called by a lane: asked for at the start, and again if the disk would not give one then. */
  wantProducerId(): void {
    if (this.#isObtainingId) return
    this.#isObtainingId = true
    void this.#obtainProducerId()
  }

  async #obtainProducerId(): Promise<void> {
    try {
      this.producerId = await this.transport.request({ type: 'allocateProducerId' })
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.#fail(error)
      return
    } finally {
      this.#isObtainingId = false
    }
    for (const lane of this.#topics.lanes()) lane.submitReady()
  }

  /**
   * Takes a record; false: no memory is free (or nothing is known of the topic yet), nothing was done, await drain()
   * and try again.
   *
   * Throws UnknownTopicOrPartitionError, RecordTooLargeError, or VltavaError PRODUCER_CLOSED, LOG_CLOSED,
   * SERIALIZATION, INVALID_TIMESTAMP, INVALID_RECORD. What fails later is told to onError, or else to flush() and
   * close().
   */
  append(topic: string, value: V | null, key: K | null = null, extras?: AppendExtras): boolean {
    if (this.#isClosing) throw closedProducer()
    if (this.#sendsWaiting > 0) return false // They were called before, and would come after.
    if (key === null && extras === undefined && value !== null && value !== undefined && topic === this.#stickyTopic) {
      // The common case without detours; anything unusual takes the long way, which also knows the errors.
      const open = this.#stickyLane!.open
      if (open !== undefined && !this.transport.isClosed) {
        if (open.builder.append(this.#now(), null, this.#value.serialize(value), NO_HEADERS)) return true
      }
    }
    return this.#append(topic, value, key, extras?.headers, extras?.partition, extras?.timestamp) !== undefined
  }

  /**
   * Sends a record; resolves when it is acknowledged as `acks` says. Waits for memory by itself. Rejects as append().
   */
  async send(record: ProducerRecord<K, V>): Promise<RecordMetadata> {
    if (this.#isClosing) throw closedProducer()
    const { topic } = record
    const { partition, index, acknowledged } =
      (this.#sendsWaiting === 0 ? this.#trySend(record) : undefined) ?? (await this.#sendInTurn(record))
    if (acknowledged === undefined) return { topic, partition, offset: -1, durability: 'none' }
    const baseOffset = await acknowledged
    const offset = baseOffset < 0 ? -1 : baseOffset + index
    return { topic, partition, offset, durability: this.acks === 1 ? 'stable' : 'committed' }
  }

  /** Undefined: no memory is free, nothing was done. */
  #trySend({ topic, value, key = null, headers, partition, timestamp }: ProducerRecord<K, V>): Sent | undefined {
    const batch = this.#append(topic, value, key, headers, partition, timestamp)
    if (batch === undefined) return undefined
    const sent = { partition: batch.partition.partition, index: batch.builder.recordCount - 1 }
    if (this.acks === 0) return { ...sent, acknowledged: undefined }
    batch.isUrgent = true
    batch.awaitedCount += 1
    this.#openLanes.endTurnSoon()
    return { ...sent, acknowledged: batch.acknowledged() }
  }

  /** Sends that wait for memory take it in the order of the calls, which is the order of their records. */
  async #sendInTurn(record: ProducerRecord<K, V>): Promise<Sent> {
    const before = this.#lastSendWaiting
    let isOver: () => void = () => undefined
    this.#lastSendWaiting = new Promise((resolve) => {
      isOver = resolve
    })
    this.#sendsWaiting += 1
    try {
      await before
      for (;;) {
        const sent = this.#trySend(record)
        if (sent !== undefined) return sent
        await this.drain()
      }
    } finally {
      this.#sendsWaiting -= 1
      isOver()
    }
  }

  /** As send, for many: resolves when all are acknowledged, in the order given. */
  sendAll(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]> {
    return Promise.all(records.map((record) => this.send(record)))
  }

  /** Resolves when append() has memory again. */
  async drain(): Promise<void> {
    this.#assertUsable()
    this.#openLanes.closeAll()
    this.#draining ??= this.#untilRoom() // However many wait, they wait for the same.
    await this.#draining
    this.#assertUsable()
  }

  async #untilRoom(): Promise<void> {
    try {
      const isReady = (): boolean => this.#hasRoom() || this.transport.isClosed
      await this.transport.wait(isReady, Infinity, this.#closing.signal)
    } finally {
      this.#draining = undefined
    }
  }

  #hasRoom(): boolean {
    this.transport.poll()
    if (this.#wantedTopic !== undefined && this.transport.remote?.learn(this.#wantedTopic) === true) return false
    this.#wantedTopic = undefined
    const memory = this.transport.reserve(this.#wantedBytes)
    if (memory === undefined) return false
    this.transport.release(memory)
    return true
  }

  /**
   * Hands every batch over and resolves when all are acknowledged. Rejects with the first failure of append()ed records
   * since the last flush (unless onError took it), or when `signal` aborts.
   */
  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options
    signal?.throwIfAborted()
    if (this.#sendsWaiting > 0) await orAborted(this.#lastSendWaiting, signal)
    this.#openLanes.closeAll()
    const flush = this.#failures.beginFlush()
    try {
      // Only what there is at this moment: others may go on appending for ever.
      await this.#unfinished.allFinished(signal)
    } catch (error) {
      this.#failures.giveBack(flush)
      throw error
    } finally {
      this.#failures.endFlush(flush)
    }
    if (flush.error !== undefined) throw flush.error
  }

  /** Flushes and ends the producer; a second call does nothing. Rejects as flush() does. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosing = true
    try {
      await this.flush()
    } finally {
      this.#isClosed = true
      this.#closing.abort()
      this.#stopListening()
      this.#fail(closedProducer())
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #append(
    topicName: string,
    value: V | null,
    key: K | null,
    headers: readonly RecordHeader[] | undefined,
    partition: number | undefined,
    timestamp: number | undefined,
  ): ProducerBatch | undefined {
    if (this.#isClosed || this.transport.isClosed) this.#assertUsable()
    const topic = this.#topics.get(topicName)
    if (topic === undefined) {
      this.#wantedTopic = topicName
      return undefined
    }
    const keyBytes = key === null || key === undefined ? null : this.#key.serialize(key)
    const valueBytes = value === null || value === undefined ? null : this.#value.serialize(value)
    if (keyBytes === null && topic.info.isCompacted) {
      throw new VltavaError('INVALID_RECORD', `topic=${topicName} is compacted: its records need a key`)
    }
    const lane = this.#topics.laneFor(topic, keyBytes, partition)
    const encoded = headers === undefined ? NO_HEADERS : encodeHeaders(checkHeaders(headers))
    const { open } = lane
    if (open === undefined) this.#appendsSinceClock = 0 // However long ago the last record was.
    const timestampMs = timestamp === undefined ? this.#now() : checkTimestamp(timestamp)
    if (open !== undefined && open.builder.append(timestampMs, keyBytes, valueBytes, encoded)) {
      this.#rememberSticky(topic, lane)
      return open
    }
    const bound = batchSizeBoundForOne(keyBytes?.length ?? 0, valueBytes?.length ?? 0, encoded.bytes.length)
    const isSticky = keyBytes === null && partition === undefined
    const batch = this.#openBatch(topicName, lane, bound, isSticky)
    if (batch === undefined) return undefined
    if (!batch.builder.append(timestampMs, keyBytes, valueBytes, encoded)) {
      this.#forgetOpen(batch)
      const { maxMessageBytes } = topic.info
      throw new RecordTooLargeError(`a record for topic=${topicName}`, bound, 'max.message.bytes', maxMessageBytes)
    }
    return batch
  }

  /** append() without a key goes straight to this lane, until it is handed over. */
  #rememberSticky(topic: ProducerTopic, lane: Lane): void {
    if (topic.sticky !== lane || topic.info.isCompacted) return
    this.#stickyTopic = topic.name
    this.#stickyLane = lane
  }

  #now(): number {
    this.#appendsSinceClock -= 1
    if (this.#appendsSinceClock < 0) {
      this.#appendsSinceClock = APPENDS_PER_CLOCK_READ
      this.#wallMs = this.#clock.wallMs()
    }
    return this.#wallMs
  }

  /**
   * Hands the lane's batch over and opens one with room for `recordBytes`; undefined if there is no memory. A record
   * that may go to any partition moves on to the next one; one with a key or a partition stays where it belongs.
   */
  #openBatch(
    topicName: string,
    lane: ProducerPartition,
    recordBytes: number,
    isSticky: boolean,
  ): ProducerBatch | undefined {
    const topic = this.#topics.refresh(topicName)
    if (topic === undefined) {
      this.#wantedTopic = topicName
      return undefined
    }
    const { maxMessageBytes } = topic.info
    const limit = Math.min(maxMessageBytes, this.transport.batchBytesMax)
    const smallest = recordBytes - RECORD_BOUND_SLACK
    if (smallest > limit) {
      const name = limit === maxMessageBytes ? 'max.message.bytes' : 'half of the memory of this thread'
      throw new RecordTooLargeError(`a record for topic=${topicName}`, smallest, name, limit)
    }
    this.#openLanes.close(lane)
    const next = isSticky ? this.#topics.afterSticky(topic, lane) : lane
    if (next !== lane) this.#openLanes.close(next)
    this.transport.poll()
    const sizeBytes = Math.min(Math.max(this.#openLanes.share(this.#batchBytes), recordBytes), limit)
    const memory = this.transport.reserve(sizeBytes)
    if (memory === undefined) {
      this.#wantedBytes = sizeBytes
      this.#openLanes.closeAll() // Open batches hold memory: once they are on their way, it comes back.
      return undefined
    }
    // Not before: an attempt that finds no memory must not pass a partition over, every time the same one.
    if (next !== lane) topic.sticky = next
    const builder = this.#builders.pop() ?? new BatchBuilder()
    builder.open(memory.bytes, memory.view, memory.start, memory.start + sizeBytes)
    const batch = new ProducerBatch(next, builder, memory, this.#clock.monotonicMs() + this.#lingerMs)
    next.open = batch
    this.#openLanes.add(next)
    this.#unfinished.add(batch)
    this.#appendsSinceClock = 0
    return batch
  }

  #forgetOpen(batch: ProducerBatch): void {
    batch.builder.abandon()
    batch.partition.open = undefined
    this.#openLanes.remove(batch.partition)
    this.transport.release(batch.memory)
    this.#recycle(batch)
    this.#unfinished.finished(batch)
  }

  /** The producer's codec, unless the topic insists on another. */
  compressionFor(topic: string): CompressionName {
    const required = this.#topics.known(topic)?.info.compressionType ?? 'producer'
    return required === 'producer' ? this.compression : (required as CompressionName)
  }

  /** Called by a lane: the batch is written. */
  batchAppended(batch: ProducerBatch): void {
    if (this.acks === -1) this.#commits.add(batch)
    else this.#acknowledged(batch)
    this.#openLanes.closeIfUrgent(batch.partition)
  }

  #acknowledged(batch: ProducerBatch): void {
    this.#recycle(batch)
    batch.acknowledge()
    this.#unfinished.finished(batch)
  }

  /** Called by a lane, or when the disk failed after the write. */
  batchFailed(batch: ProducerBatch, error: VltavaError): void {
    this.#recycle(batch)
    batch.reject(error)
    if (batch.awaitedCount < batch.recordCount) this.#failures.tell(error, batch)
    this.#unfinished.finished(batch)
    this.#openLanes.endTurnSoon() // What waited for this one's answer may go now.
  }

  #recycle(batch: ProducerBatch): void {
    if (this.#builders.length < BUILDERS_MAX) this.#builders.push(batch.builder)
  }

  #fail(error: VltavaError): void {
    this.#commits.failAll(error)
    for (const lane of this.#topics.lanes()) lane.abandon(error)
    this.#openLanes.clear()
  }

  #assertUsable(): void {
    if (this.#isClosed) throw closedProducer()
    if (this.transport.isClosed) throw closedLog()
  }
}

/** A record that was taken by send(): its place in its batch, and the base offset to come, unless acks is 0. */
interface Sent {
  readonly partition: number
  readonly index: number
  readonly acknowledged: Promise<number> | undefined
}

function closedProducer(): VltavaError {
  return new VltavaError('PRODUCER_CLOSED', 'the producer is closed')
}

function closedLog(): VltavaError {
  return new VltavaError('LOG_CLOSED', 'the log of this producer is closed')
}
