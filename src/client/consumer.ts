/**
 * Consumer: reads assigned partitions, in batches. Owned by the thread that made it.
 *
 * Partitions take turns, one fetch each, so a busy one does not starve the others. When nothing is at hand the consumer
 * sleeps until one of its partitions moves: it does not poll. Order within a partition is the log's order; there is
 * none between partitions.
 */
import { OffsetOutOfRangeError, UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import type { FetchedBatches, OffsetSpec, PartitionReader, Transport } from '../protocol/transport.ts'
import { RecordBatchView } from '../record/batch-view.ts'
import { ConsumerBatch, type ConsumerRecord, type ConsumerSerdes } from './record-batch.ts'
import { checkNumber } from './producer-options.ts'
import { guardSerde, resolveSerde, type Serde, type SerdeName } from './serdes.ts'

export interface ConsumerOptions<K = Uint8Array, V = Uint8Array> {
  readonly key?: SerdeName | Serde<K>
  readonly value?: SerdeName | Serde<V>
  /**
   * Where to begin when nothing else says so, and where to go when the wanted offset is not in the log (any more).
   * Without it reading begins at the start, and an offset outside the log is an OffsetOutOfRangeError.
   */
  readonly from?: 'earliest' | 'latest'
  /** Bytes that are taken from one partition before the next has its turn. Default 1,048,576. */
  readonly fetchBytes?: number
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Where to begin: an offset, the start, the end, or the first record at or after a time (Date, or { timestamp }). */
export type StartPosition = number | 'start' | 'end' | Date | { readonly timestamp: number }

export interface Assignment {
  readonly topic: string
  /** Default: all partitions of the topic. */
  readonly partition?: number
  /** Default: the consumer's `from`, else 'start'. */
  readonly offset?: StartPosition
}

export interface BatchesOptions {
  readonly signal?: AbortSignal
  /** 'end': stop at the end that each partition has when the loop begins. Default: go on for ever. */
  readonly until?: 'end'
}

const FETCH_BYTES = 1 << 20

class Position {
  readonly reader: PartitionReader
  readonly unwatch: () => void
  isPaused = false
  /** Raised by each seek: what was fetched before is out of date. */
  seekCount = 0
  /** With `until: 'end'`: stop here. */
  endOffset = Number.POSITIVE_INFINITY

  constructor(reader: PartitionReader, unwatch: () => void) {
    this.reader = reader
    this.unwatch = unwatch
  }
}

export class Consumer<K = Uint8Array, V = Uint8Array> implements AsyncIterable<ConsumerRecord<K, V>> {
  readonly #transport: Transport
  readonly #serdes: ConsumerSerdes<K, V>
  readonly #from: 'earliest' | 'latest' | undefined
  readonly #fetchBytes: number
  readonly #positions = new Map<string, Position>()
  /** Where the next round begins: whose turn it is. */
  #turn = 0
  #isIterating = false
  #isUntilEnd = false
  #isClosed = false
  #hasChanged = false
  /** The fetch being handed out, and the offset that it was asked for. */
  #fetched: FetchedBatches | undefined
  #firstOffset = 0
  /** Batches already handed out of the current fetch end here; see position(). */
  #current: { key: string; nextOffset: number } | undefined
  /** The batch that the loop's body has at this moment; not if its partition was moved or given up meanwhile. */
  #handedOut: { readonly position: Position; readonly batch: ConsumerBatch<K, V> } | undefined

  /** Made by log.consumer(). Throws VltavaError INVALID_ARGUMENT. */
  constructor(transport: Transport, options: ConsumerOptions<K, V> = {}) {
    this.#transport = transport
    if ('group' in options) {
      const message = 'consumer groups do not exist in this release: leave `group` out, and subscribe() or assign()'
      throw new VltavaError('INVALID_ARGUMENT', message)
    }
    this.#from = options.from
    if (![undefined, 'earliest', 'latest'].includes(this.#from)) {
      throw new VltavaError('INVALID_ARGUMENT', `from=${String(this.#from)} is neither earliest nor latest`)
    }
    this.#fetchBytes = checkNumber('fetchBytes', options.fetchBytes ?? FETCH_BYTES, 1, 0x7fff_ffff)
    this.#serdes = {
      key: guardSerde(resolveSerde((options.key ?? 'bytes') as Serde<K>)),
      value: guardSerde(resolveSerde((options.value ?? 'bytes') as Serde<V>)),
    }
  }

  /** Reads exactly these partitions from now on. Rejects with UnknownTopicOrPartitionError, INVALID_ARGUMENT. */
  async assign(assignments: readonly Assignment[]): Promise<void> {
    this.#assertOpen()
    const wanted: { topic: string; partition: number; offset: number }[] = []
    const first = this.#from === 'latest' ? 'end' : 'start'
    const { remote } = this.#transport
    if (remote !== undefined) await remote.refreshTopics(assignments.map(({ topic }) => topic))
    for (const { topic, partition, offset = first } of assignments) {
      const info = this.#transport.topic(topic)
      if (info === undefined) throw this.#unknown(topic)
      const partitions =
        partition === undefined ? Array.from({ length: info.partitionCount }, (_, i) => i) : [partition]
      if (remote !== undefined) await remote.refreshEnds(partitions.map((each) => ({ topic, partition: each })))
      for (const each of partitions)
        wanted.push({ topic, partition: each, offset: await this.#resolve(topic, each, offset) })
    }
    this.#assertOpen() // Offsets were looked up meanwhile.
    const keys = new Set<string>()
    for (const { topic, partition } of wanted) {
      const key = keyOf(topic, partition)
      if (keys.has(key)) throw new VltavaError('INVALID_ARGUMENT', `${key} is assigned twice`)
      keys.add(key)
    }
    this.unassign()
    for (const { topic, partition, offset } of wanted) {
      const key = keyOf(topic, partition)
      const reader = this.#transport.reader(topic, partition, offset)
      const position = new Position(reader, this.#transport.watch(topic, partition))
      if (this.#isUntilEnd) stopAtEnd(position)
      this.#positions.set(key, position)
    }
    this.#changed()
  }

  /** Reads all partitions of these topics, as assign() does. */
  async subscribe(topics: readonly string[]): Promise<void> {
    await this.assign(topics.map((topic) => ({ topic })))
  }

  unassign(): void {
    for (const position of this.#positions.values()) {
      const { reader } = position
      this.#expireHandedOut(position)
      position.unwatch()
      reader.close()
    }
    this.#positions.clear()
    this.#changed()
  }

  assignment(): TopicPartition[] {
    return [...this.#positions.values()].map(({ reader: { topic, partition } }) => ({ topic, partition }))
  }

  /** Goes on reading at another place; takes effect with the next batch. Rejects as assign() does. */
  async seek(topic: string, partition: number, to: StartPosition): Promise<void> {
    this.#assertOpen()
    const position = this.#position(topic, partition)
    const offset = await this.#resolve(topic, partition, to)
    if (this.#positions.get(keyOf(topic, partition)) !== position) return // Given up while the offset was looked for.
    this.#expireHandedOut(position)
    position.reader.seek(offset)
    position.seekCount += 1
    const key = keyOf(topic, partition)
    if (this.#current?.key === key) this.#current = { key, nextOffset: offset }
    this.#changed()
  }

  /** The offset of the next record that the consumer would hand out. */
  position(topic: string, partition: number): number {
    const { reader } = this.#position(topic, partition)
    const current = this.#current
    return current !== undefined && current.key === keyOf(topic, partition) ? current.nextOffset : reader.nextOffset
  }

  /** Records between the position and the log's end. */
  lag(topic: string, partition: number): number {
    const { highWatermark } = this.#position(topic, partition).reader.ends()
    return Math.max(0, highWatermark - this.position(topic, partition))
  }

  /** No more batches of these partitions (all without arguments) until resume(). */
  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const { topic, partition } of partitions) this.#position(topic, partition).isPaused = true
  }

  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const { topic, partition } of partitions) this.#position(topic, partition).isPaused = false
    this.#changed()
  }

  paused(): TopicPartition[] {
    return this.assignment().filter(({ topic, partition }) => this.#position(topic, partition).isPaused)
  }

  /**
   * Batches as they come. Ends when `signal` aborts, at `until`, or when the consumer closes. One loop at a time.
   *
   * Throws OffsetOutOfRangeError (see `from`), CorruptRecordError for damaged bytes (its resumeOffset says where to
   * seek), UnknownTopicOrPartitionError for a deleted topic, VltavaError LOG_CLOSED.
   */
  async *batches(options: BatchesOptions = {}): AsyncGenerator<ConsumerBatch<K, V>, void, undefined> {
    const { signal, until } = options
    this.#assertOpen()
    if (this.#isIterating)
      throw new VltavaError('INVALID_ARGUMENT', 'this consumer is being read by another loop already')
    this.#isIterating = true
    try {
      this.#isUntilEnd = until === 'end'
      const { remote } = this.#transport
      if (this.#isUntilEnd && remote !== undefined) await remote.refreshEnds(this.assignment(), signal)
      if (this.#isUntilEnd) for (const position of this.#positions.values()) stopAtEnd(position)
      while (!this.#isClosed && signal?.aborted !== true) {
        if (this.#transport.isClosed) throw new VltavaError('LOG_CLOSED', 'the log of this consumer is closed')
        const position = this.#nextReady()
        if (position !== undefined) {
          yield* this.#deliver(position, signal)
          continue
        }
        if (until === 'end' && this.#isAtEnd()) return
        this.#hasChanged = false
        await this.#transport.wait(() => this.#hasNews(), Number.POSITIVE_INFINITY, signal)
      }
    } finally {
      this.#isIterating = false
      this.#isUntilEnd = false
      this.#current = undefined
      for (const position of this.#positions.values()) position.endOffset = Number.POSITIVE_INFINITY
    }
  }

  /** Records one by one, for ever: comfortable, at a fraction of the speed of batches(). */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumerRecord<K, V>, void, undefined> {
    for await (const batch of this.batches()) {
      const key = keyOf(batch.topic, batch.partition)
      for (const record of batch) {
        // A loop that is left in the middle of a batch goes on with the next record.
        if (this.#handedOut?.batch === batch) this.#current = { key, nextOffset: record.offset + 1 }
        yield record
      }
    }
  }

  /** The next partition, in turn, that has batches at hand; they are in #fetched. */
  #nextReady(): Position | undefined {
    const positions = [...this.#positions.values()]
    for (let i = 0; i < positions.length; i++) {
      const position = positions[(this.#turn + i) % positions.length]!
      if (position.isPaused || hasReachedEnd(position)) continue
      const fetched = this.#poll(position)
      if (fetched === undefined) continue
      this.#turn = (this.#turn + i + 1) % positions.length
      this.#fetched = fetched
      return position
    }
    return undefined
  }

  #poll(position: Position): FetchedBatches | undefined {
    this.#firstOffset = position.reader.nextOffset
    try {
      return position.reader.poll(this.#fetchBytes)
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError) || this.#from === undefined) throw error
      const { logStartOffset, highWatermark } = position.reader.ends()
      position.reader.seek(this.#from === 'earliest' ? logStartOffset : highWatermark)
      this.#firstOffset = position.reader.nextOffset
      return position.reader.poll(this.#fetchBytes)
    }
  }

  /**
   * Hands out the batches of one fetch. However the loop is left, its body having sought, paused or closed, or by
   * break, the reader then stands behind the last batch that was handed out.
   */
  *#deliver(position: Position, signal: AbortSignal | undefined): Generator<ConsumerBatch<K, V>, void, undefined> {
    const { reader } = position
    const key = keyOf(reader.topic, reader.partition)
    const { bytes, positions, highWatermark } = this.#fetched!
    const firstOffset = this.#firstOffset
    const { seekCount } = position
    const view = new RecordBatchView(bytes)
    let handedOut = firstOffset
    let batch: ConsumerBatch<K, V> | undefined
    try {
      for (let i = 0; i < positions.length - 1; i++) {
        view.at(positions[i]!)
        if (view.baseOffset >= position.endOffset) {
          handedOut = position.endOffset // The offsets before it hold no records.
          return
        }
        handedOut = view.lastOffset + 1
        if (view.isControl || view.recordCount === 0) continue
        batch = new ConsumerBatch(reader.topic, reader.partition, view, firstOffset, highWatermark, this.#serdes)
        this.#current = { key, nextOffset: handedOut }
        this.#handedOut = { position, batch }
        yield batch
        batch.expire()
        this.#handedOut = undefined
        const isInterrupted = this.#isClosed || signal?.aborted === true || position.isPaused
        if (isInterrupted || this.#positions.get(key) !== position || position.seekCount !== seekCount) return
      }
    } finally {
      batch?.expire()
      // Still set: the loop was left while its body had the batch, maybe in the middle of it.
      if (this.#handedOut !== undefined) handedOut = this.#current?.nextOffset ?? handedOut
      this.#handedOut = undefined
      this.#current = undefined
      // A seek by the body has moved the reader already.
      const isMoved = this.#positions.get(key) !== position || position.seekCount !== seekCount
      if (!isMoved && handedOut !== reader.nextOffset) reader.seek(handedOut)
    }
  }

  /** The bytes of the batch that the loop's body has are about to go. */
  #expireHandedOut(position: Position): void {
    if (this.#handedOut?.position !== position) return
    this.#handedOut.batch.expire()
    this.#handedOut = undefined
  }

  #hasNews(): boolean {
    if (this.#hasChanged || this.#isClosed || this.#transport.isClosed) return true
    for (const position of this.#positions.values()) {
      // One that has reached its end may have news, but not for this loop, which would spin.
      if (position.isPaused || hasReachedEnd(position)) continue
      if (position.reader.hasNews()) return true
    }
    return false
  }

  #isAtEnd(): boolean {
    for (const { reader, endOffset, isPaused } of this.#positions.values()) {
      if (!isPaused && reader.nextOffset < endOffset) return false
    }
    return true
  }

  async #resolve(topic: string, partition: number, to: StartPosition): Promise<number> {
    if (typeof to === 'number') {
      if (Number.isSafeInteger(to) && to >= 0) {
        this.#transport.ends(topic, partition)
        return to
      }
      throw new VltavaError('INVALID_ARGUMENT', `offset=${to} is not a whole number, 0 or more; use 'start' or 'end'`)
    }
    const spec: OffsetSpec = isDate(to) ? { timestamp: to.getTime() } : to
    const found = await this.#transport.lookup(topic, partition, spec)
    if (found.offset >= 0) return found.offset
    return (await this.#transport.lookup(topic, partition, 'end')).offset
  }

  #position(topic: string, partition: number): Position {
    const position = this.#positions.get(keyOf(topic, partition))
    if (position !== undefined) return position
    throw new VltavaError('INVALID_ARGUMENT', `${keyOf(topic, partition)} is not assigned to this consumer`)
  }

  #unknown(topic: string): UnknownTopicOrPartitionError {
    return new UnknownTopicOrPartitionError(topic, undefined, `topic=${topic} does not exist`)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Ends a running loop and gives up the partitions. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.unassign()
    }
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** A loop that waits looks again now. */
  #changed(): void {
    this.#hasChanged = true
    this.#transport.wake()
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new VltavaError('CONSUMER_CLOSED', 'the consumer is closed')
    if (this.#transport.isClosed) throw new VltavaError('LOG_CLOSED', 'the log of this consumer is closed')
  }
}

/** Structural, so that a Date of another realm counts too. */
export function isDate(value: object | string | number | null): value is Date {
  return typeof value === 'object' && value !== null && 'getTime' in value
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

function stopAtEnd(position: Position): void {
  position.endOffset = position.reader.ends().highWatermark
}

/** Beyond the log's end it has not: that is the reader's to complain of. */
function hasReachedEnd({ reader, endOffset }: Position): boolean {
  return reader.nextOffset >= endOffset && reader.nextOffset <= reader.ends().highWatermark
}
