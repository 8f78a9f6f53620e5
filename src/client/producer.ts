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
import { RecordTooLargeError, UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import type { Acks, TopicInfo, Transport } from '../protocol/transport.ts'
import { BatchBuilder, batchSizeBoundForOne, encodeHeaders, NO_HEADERS, type RecordHeader } from '../record/batch-builder.ts'
import { CODEC_IDS, type CompressionName, compressionAvailable } from '../record/compression/codec.ts'
import { partitionForKey } from './murmur2.ts'
import { ProducerBatch } from './producer-batch.ts'
import { type ProducerCore, ProducerPartition } from './producer-partition.ts'
import { resolveSerde, type Serde, type SerdeName } from './serdes.ts'

/** Options of a producer. All are optional. */
export interface ProducerOptions<K = Uint8Array, V = Uint8Array> {
  /**
   * When a record counts as accepted: 'all' (default): on disk, it survives a power cut; 1: written to the page cache, it
   * survives the death of the process; 0: handed over, nothing is promised.
   */
  readonly acks?: 'all' | -1 | 0 | 1
  /** Milliseconds that a batch waits for more records. Default 5, as in Kafka. */
  readonly linger?: number
  /** Bytes of a batch, before compression. Default 65,536; at most half of the thread's memory. */
  readonly batchBytes?: number
  readonly compression?: CompressionName
  readonly compressionLevel?: number
  /** Sequence numbers, so that a repeated batch lands once. Default true. */
  readonly idempotence?: boolean
  /** How keys and values become bytes. Default: both are Uint8Array. */
  readonly key?: SerdeName | Serde<K>
  readonly value?: SerdeName | Serde<V>
  /** Chooses a partition instead of Kafka's partitioner (murmur2 of the key; sticky without a key). */
  readonly partitioner?: (topic: string, key: Uint8Array | null, partitionCount: number) => number
  /** Told of each batch of append()ed records that failed. Without it, flush() and close() reject with the first. */
  readonly onError?: (error: VltavaError, batch: { topic: string; partition: number; recordCount: number }) => void
}

export interface ProducerRecord<K = Uint8Array, V = Uint8Array> {
  readonly topic: string
  /** null: a tombstone on a compacted topic. */
  readonly value: V | null
  readonly key?: K | null
  readonly headers?: readonly RecordHeader[]
  /** Default: by key, or sticky. */
  readonly partition?: number
  /** Milliseconds since the epoch; default now. */
  readonly timestamp?: number
}

export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1 with acks 0. */
  readonly offset: number
  /** What 'acknowledged' meant: 'committed' (on disk), 'stable' (in the page cache), 'none'. */
  readonly durability: 'committed' | 'stable' | 'none'
}

/** Extras of append(), for records that need more than key and value. */
export interface AppendExtras {
  readonly headers?: readonly RecordHeader[]
  readonly partition?: number
  readonly timestamp?: number
}

const DEFAULT_LINGER_MS = 5
const DEFAULT_BATCH_BYTES = 65_536
const BATCH_BYTES_MIN = 1024
/** The clock is read once per this many appends into an open batch. */
const APPENDS_PER_CLOCK_READ = 16

class ProducerTopic {
  readonly name: string
  info: TopicInfo
  readonly partitions: ProducerPartition[] = []
  sticky: ProducerPartition | undefined

  constructor(info: TopicInfo) {
    this.name = info.topic
    this.info = info
  }
}

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
  readonly #partitioner: ProducerOptions['partitioner']
  readonly #onError: ProducerOptions['onError']
  readonly #stopListening: () => void
  readonly #topics = new Map<string, ProducerTopic>()
  #lastTopic: ProducerTopic | undefined
  readonly #openLanes = new Set<ProducerPartition>()
  readonly #builders: BatchBuilder[] = []
  /** Appended with acks=all, waiting for the committed offset, by lane. */
  readonly #uncommitted = new Map<ProducerPartition, ProducerBatch[]>()
  #unfinishedCount = 0
  #wallMs = 0
  #appendsSinceClock = 0
  #isLingering = false
  #isTurnEnding = false
  #isSettling = false
  #isClosed = false
  #firstError: VltavaError | undefined
  #flushWaiters: (() => void)[] = []

  /** Made by log.producer(). Throws VltavaError INVALID_ARGUMENT. */
  constructor(transport: Transport, clock: Clock, options: ProducerOptions<K, V> = {}) {
    this.transport = transport
    this.#clock = clock
    this.acks = parseAcks(options.acks)
    this.#lingerMs = checkNumber('linger', options.linger ?? DEFAULT_LINGER_MS, 0, 0x7fff_ffff)
    const batchBytes = options.batchBytes ?? DEFAULT_BATCH_BYTES
    this.#batchBytes = checkNumber('batchBytes', batchBytes, BATCH_BYTES_MIN, transport.batchBytesMax)
    this.compression = parseCompression(options.compression)
    this.compressionLevel = options.compressionLevel
    this.#key = resolveSerde((options.key ?? 'bytes') as Serde<K>)
    this.#value = resolveSerde((options.value ?? 'bytes') as Serde<V>)
    this.#partitioner = options.partitioner
    this.#onError = options.onError
    this.#stopListening = transport.onClose(() => this.#fail(new VltavaError('LOG_CLOSED', 'the log was closed')))
    if (options.idempotence === false) this.producerId = -1
    else void this.#obtainProducerId()
  }

  async #obtainProducerId(): Promise<void> {
    try {
      this.producerId = await this.transport.request({ type: 'allocateProducerId' })
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.#fail(error)
      return
    }
    for (const topic of this.#topics.values()) for (const lane of topic.partitions) lane.submitReady()
  }

  /**
   * Takes a record; false: no memory is free, nothing was done, await drain() and try again.
   *
   * Throws UnknownTopicOrPartitionError, RecordTooLargeError, or VltavaError PRODUCER_CLOSED, LOG_CLOSED, SERIALIZATION,
   * INVALID_ARGUMENT, INVALID_RECORD. What fails later is told to onError, flush() and close().
   */
  append(topic: string, value: V | null, key: K | null = null, extras?: AppendExtras): boolean {
    return this.#append(topic, value, key, extras?.headers, extras?.partition, extras?.timestamp) !== undefined
  }

  /** Sends a record; resolves when it is acknowledged as `acks` says. Waits for memory by itself. */
  async send(record: ProducerRecord<K, V>): Promise<RecordMetadata> {
    const { topic, value, key = null, headers, partition, timestamp } = record
    for (;;) {
      const batch = this.#append(topic, value, key, headers, partition, timestamp)
      if (batch === undefined) {
        await this.drain()
        continue
      }
      const index = batch.builder.recordCount - 1
      const place = { topic, partition: batch.partition.partition }
      if (this.acks === 0) return { ...place, offset: -1, durability: 'none' }
      batch.isUrgent = true
      const acknowledged = batch.acknowledged()
      this.#endTurnSoon()
      const offset = (await acknowledged) + index
      return { ...place, offset, durability: this.acks === 1 ? 'stable' : 'committed' }
    }
  }

  /** As send, for many: resolves when all are acknowledged, in the order given. */
  sendAll(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]> {
    return Promise.all(records.map((record) => this.send(record)))
  }

  /** Resolves when append() has memory again. */
  async drain(): Promise<void> {
    this.#closeAllOpen()
    await this.transport.wait(() => this.#hasRoom() || this.#isClosed || this.transport.isClosed, Number.POSITIVE_INFINITY)
    this.#assertUsable()
  }

  #hasRoom(): boolean {
    this.transport.poll()
    const memory = this.transport.reserve(this.#batchBytes)
    if (memory === undefined) return false
    this.transport.release(memory)
    return true
  }

  /**
   * Hands every batch over and resolves when all are acknowledged. Rejects with the first failure of append()ed records
   * since the last flush, or when `signal` aborts.
   */
  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options
    signal?.throwIfAborted()
    this.#closeAllOpen()
    while (this.#unfinishedCount > 0 && !this.transport.isClosed) {
      await this.#nextFinish(signal)
      signal?.throwIfAborted()
    }
    const error = this.#firstError
    this.#firstError = undefined
    if (error !== undefined) throw error
  }

  #nextFinish(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done)
        resolve()
      }
      signal?.addEventListener('abort', done, { once: true })
      this.#flushWaiters.push(done)
    })
  }

  /** Flushes and ends the producer; a second call does nothing. Rejects as flush() does. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    try {
      await this.flush()
    } finally {
      this.#isClosed = true
      const error = new VltavaError('PRODUCER_CLOSED', 'the producer is closed')
      for (const topic of this.#topics.values()) for (const lane of topic.partitions) lane.abandon(error)
      this.#stopListening()
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
    const last = this.#lastTopic
    const topic = last !== undefined && last.name === topicName ? last : this.#topic(topicName)
    const keyBytes = key === null || key === undefined ? null : this.#key.serialize(key)
    const valueBytes = value === null || value === undefined ? null : this.#value.serialize(value)
    if (keyBytes === null && topic.info.isCompacted) {
      throw new VltavaError('INVALID_RECORD', `topic=${topicName} is compacted: its records need a key`)
    }
    const lane = this.#laneFor(topic, keyBytes, partition)
    const encoded = headers === undefined ? NO_HEADERS : encodeHeaders(headers)
    const open = lane.open
    if (open !== undefined && open.builder.append(this.#timestamp(timestamp), keyBytes, valueBytes, encoded)) return open
    const bound = batchSizeBoundForOne(keyBytes?.length ?? 0, valueBytes?.length ?? 0, encoded.bytes.length)
    const batch = this.#openBatch(topic, lane, bound)
    if (batch === undefined) return undefined
    this.#appendsSinceClock = APPENDS_PER_CLOCK_READ
    if (!batch.builder.append(this.#timestamp(timestamp), keyBytes, valueBytes, encoded)) {
      const { maxMessageBytes } = topic.info
      this.#forgetOpen(batch)
      throw new RecordTooLargeError(`a record for topic=${topicName}`, bound, 'max.message.bytes', maxMessageBytes)
    }
    return batch
  }

  #timestamp(given: number | undefined): number {
    if (given !== undefined) {
      if (!Number.isSafeInteger(given) || given < 0) {
        throw new VltavaError('INVALID_TIMESTAMP', `timestamp=${given} is not a whole number of milliseconds, 0 or more`)
      }
      return given
    }
    this.#appendsSinceClock += 1
    if (this.#appendsSinceClock >= APPENDS_PER_CLOCK_READ) {
      this.#appendsSinceClock = 0
      this.#wallMs = this.#clock.wallMs()
    }
    return this.#wallMs
  }

  #topic(name: string): ProducerTopic {
    let topic = this.#topics.get(name)
    const info = this.transport.topic(name)
    if (info === undefined) {
      const message = `topic=${name} does not exist; create it with admin.createTopics([{ topic: '${name}', partitions: 1 }])`
      throw new UnknownTopicOrPartitionError(name, undefined, message)
    }
    if (topic === undefined) {
      topic = new ProducerTopic(info)
      this.#topics.set(name, topic)
    }
    topic.info = info
    this.#lastTopic = topic
    return topic
  }

  #laneFor(topic: ProducerTopic, key: Uint8Array | null, partition: number | undefined): ProducerPartition {
    if (partition !== undefined) return this.#lane(topic, partition)
    const { partitionCount } = topic.info
    if (this.#partitioner !== undefined) return this.#lane(topic, this.#partitioner(topic.name, key, partitionCount))
    if (key !== null) return this.#lane(topic, partitionForKey(key, 0, key.length, partitionCount))
    topic.sticky ??= this.#lane(topic, this.#clock.wallMs() % partitionCount)
    return topic.sticky
  }

  #lane(topic: ProducerTopic, partition: number): ProducerPartition {
    const lane = topic.partitions[partition]
    if (lane !== undefined) return lane
    const { partitionCount } = topic.info
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) {
      const message = `topic=${topic.name} has partitions 0 .. ${partitionCount - 1}, there is no partition=${partition}`
      throw new UnknownTopicOrPartitionError(topic.name, partition, message)
    }
    while (topic.partitions.length <= partition) {
      topic.partitions.push(new ProducerPartition(this, topic.name, topic.partitions.length))
    }
    return topic.partitions[partition]!
  }

  /** Hands the lane's open batch over and opens one that has room for `recordBytes`; undefined if there is no memory. */
  #openBatch(topic: ProducerTopic, lane: ProducerPartition, recordBytes: number): ProducerBatch | undefined {
    const { maxMessageBytes } = topic.info
    const info = this.transport.topic(topic.name)
    if (info === undefined) this.#topic(topic.name)
    else topic.info = info
    // The bound is generous by a few bytes: a record that may fit gets its chance.
    const sizeBytes = Math.min(Math.max(this.#batchBytes, recordBytes), Math.max(maxMessageBytes, this.#batchBytes))
    if (recordBytes > maxMessageBytes + 36 || sizeBytes > this.transport.batchBytesMax) {
      const limit = Math.min(maxMessageBytes, this.transport.batchBytesMax)
      const name = limit === maxMessageBytes ? 'max.message.bytes' : 'half of the memory of this thread'
      throw new RecordTooLargeError(`a record for topic=${topic.name}`, recordBytes, name, limit)
    }
    this.#closeLane(lane)
    if (topic.sticky === lane) {
      topic.sticky = this.#lane(topic, (lane.partition + 1) % topic.info.partitionCount)
    }
    this.transport.poll()
    const memory = this.transport.reserve(sizeBytes)
    if (memory === undefined) {
      this.#closeAllOpen() // Open batches hold memory: once they are on their way, it comes back.
      return undefined
    }
    const builder = this.#builders.pop() ?? new BatchBuilder()
    builder.open(memory.bytes, memory.view, memory.start, memory.start + Math.min(sizeBytes, maxMessageBytes))
    const batch = new ProducerBatch(lane, builder, memory, this.#clock.monotonicMs() + this.#lingerMs)
    lane.open = batch
    this.#openLanes.add(lane)
    this.#unfinishedCount += 1
    this.#lingerSoon()
    return batch
  }

  #forgetOpen(batch: ProducerBatch): void {
    batch.builder.abandon()
    batch.partition.open = undefined
    this.#openLanes.delete(batch.partition)
    this.transport.release(batch.memory)
    this.#finished()
  }

  #closeLane(lane: ProducerPartition): void {
    if (lane.open === undefined) return
    this.#openLanes.delete(lane)
    lane.closeOpen()
  }

  #closeAllOpen(): void {
    for (const lane of [...this.#openLanes]) this.#closeLane(lane)
  }

  /** Urgent batches of idle lanes go out when the caller's turn ends, together with what else it sent meanwhile. */
  #endTurnSoon(): void {
    if (this.#isTurnEnding) return
    this.#isTurnEnding = true
    queueMicrotask(() => {
      this.#isTurnEnding = false
      for (const lane of [...this.#openLanes]) {
        if (lane.open?.isUrgent === true && lane.isIdle) this.#closeLane(lane)
      }
    })
  }

  #lingerSoon(): void {
    if (this.#isLingering) return
    this.#isLingering = true
    void this.#linger()
  }

  /** One wait for all open batches; it keeps the process alive until they are handed over. */
  async #linger(): Promise<void> {
    if (this.#lingerMs === 0) await Promise.resolve()
    while (this.#openLanes.size > 0 && !this.transport.isClosed) {
      const now = this.#clock.monotonicMs()
      let nextDueMs = Number.POSITIVE_INFINITY
      for (const lane of [...this.#openLanes]) {
        const { dueMs } = lane.open!
        if (dueMs <= now) this.#closeLane(lane)
        else nextDueMs = Math.min(nextDueMs, dueMs)
      }
      if (nextDueMs === Number.POSITIVE_INFINITY) break
      await this.transport.wait(() => this.#openLanes.size === 0, nextDueMs - now)
    }
    this.#isLingering = false
  }

  compressionFor(topic: string): CompressionName {
    const required = this.#topics.get(topic)?.info.compressionType ?? 'producer'
    return required === 'producer' ? this.compression : (required as CompressionName)
  }

  /** Called by a lane. */
  batchAppended(batch: ProducerBatch): void {
    this.#recycle(batch)
    if (this.acks !== -1) {
      this.batchAcknowledged(batch)
      return
    }
    const lane = batch.partition
    const waiting = this.#uncommitted.get(lane)
    if (waiting === undefined) {
      this.#uncommitted.set(lane, [batch])
      this.transport.setInterest(lane.topic, lane.partition, true)
    } else {
      waiting.push(batch)
    }
    this.#settleSoon()
    if (lane.open?.isUrgent === true && lane.isIdle) this.#closeLane(lane)
  }

  #recycle(batch: ProducerBatch): void {
    if (this.#builders.length < 64) this.#builders.push(batch.builder)
  }

  #settleSoon(): void {
    if (this.#isSettling) return
    this.#isSettling = true
    void this.#settle()
  }

  /** Acknowledges what the committed offset has passed, until nothing waits for it. */
  async #settle(): Promise<void> {
    while (this.#uncommitted.size > 0 && !this.transport.isClosed) {
      await this.transport.wait(() => this.#canSettle(), Number.POSITIVE_INFINITY)
      this.transport.poll()
      for (const [lane, batches] of [...this.#uncommitted]) this.#settleLane(lane, batches)
    }
    this.#isSettling = false
  }

  #canSettle(): boolean {
    if (this.transport.isClosed) return true
    for (const [lane, batches] of this.#uncommitted) {
      if (this.#isCommitted(lane, batches[0]!) || this.#failureOf(lane) !== undefined) return true
    }
    return false
  }

  #isCommitted(lane: ProducerPartition, batch: ProducerBatch): boolean {
    if (this.transport.topic(lane.topic) === undefined) return false
    const { committedOffset } = this.transport.ends(lane.topic, lane.partition)
    return committedOffset >= batch.baseOffset + batch.recordCount
  }

  #failureOf(lane: ProducerPartition): VltavaError | undefined {
    if (this.transport.topic(lane.topic) === undefined) {
      const message = `topic=${lane.topic} was deleted before its records were synced`
      return new UnknownTopicOrPartitionError(lane.topic, lane.partition, message)
    }
    const failure = this.transport.partitionFailure(lane.topic, lane.partition)
    return failure === undefined ? undefined : new VltavaError(failure.code, failure.message)
  }

  #settleLane(lane: ProducerPartition, batches: ProducerBatch[]): void {
    let done = 0
    while (done < batches.length && this.#isCommitted(lane, batches[done]!)) {
      this.batchAcknowledged(batches[done]!)
      done += 1
    }
    batches.splice(0, done)
    const failure = batches.length > 0 ? this.#failureOf(lane) : undefined
    if (failure !== undefined) for (const batch of batches.splice(0)) this.batchFailed(batch, failure)
    if (batches.length > 0) return
    this.#uncommitted.delete(lane)
    if (this.transport.topic(lane.topic) !== undefined) this.transport.setInterest(lane.topic, lane.partition, false)
  }

  batchAcknowledged(batch: ProducerBatch): void {
    batch.acknowledge()
    this.#finished()
    const lane = batch.partition
    if (this.acks !== -1 && lane.open?.isUrgent === true && lane.isIdle) this.#closeLane(lane)
  }

  batchFailed(batch: ProducerBatch, error: VltavaError): void {
    this.#recycle(batch)
    const wasHeard = batch.reject(error)
    const { topic, partition } = batch.partition
    if (this.#onError !== undefined) this.#onError(error, { topic, partition, recordCount: batch.recordCount })
    else if (!wasHeard) this.#firstError ??= error
    this.#finished()
  }

  #finished(): void {
    this.#unfinishedCount -= 1
    const waiters = this.#flushWaiters
    if (waiters.length === 0) return
    this.#flushWaiters = []
    for (const wake of waiters) wake()
  }

  #fail(error: VltavaError): void {
    for (const batches of this.#uncommitted.values()) for (const batch of batches.splice(0)) this.batchFailed(batch, error)
    this.#uncommitted.clear()
    for (const topic of this.#topics.values()) for (const lane of topic.partitions) lane.abandon(error)
    this.#openLanes.clear()
  }

  #assertUsable(): void {
    if (this.#isClosed) throw new VltavaError('PRODUCER_CLOSED', 'the producer is closed')
    if (this.transport.isClosed) throw new VltavaError('LOG_CLOSED', 'the log of this producer is closed')
  }
}

function parseAcks(acks: ProducerOptions['acks']): Acks {
  switch (acks) {
    case undefined:
    case 'all':
    case -1:
      return -1
    case 0:
    case 1:
      return acks
    default:
      throw new VltavaError('INVALID_REQUIRED_ACKS', `acks=${String(acks)} is none of 0, 1, 'all'`)
  }
}

function parseCompression(compression: CompressionName | undefined): CompressionName {
  if (compression === undefined) return 'none'
  if (!Object.hasOwn(CODEC_IDS, compression)) {
    const names = Object.keys(CODEC_IDS).join(', ')
    throw new VltavaError('UNSUPPORTED_COMPRESSION_TYPE', `compression=${String(compression)} is none of ${names}`)
  }
  if (!compressionAvailable(compression)) {
    throw new VltavaError('UNSUPPORTED_COMPRESSION_TYPE', `compression=${compression} is not available in this process`)
  }
  return compression
}

export function checkNumber(name: string, value: number, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw new VltavaError('INVALID_ARGUMENT', `${name}=${String(value)} is not a number in ${min} .. ${max}`)
}
