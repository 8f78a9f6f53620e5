/**
 * Consumer: reads assigned partitions, in batches. Owned by the thread that made it.
 *
 * Partitions take turns, one fetch each, so a busy one does not starve the others. When nothing is at hand the consumer
 * sleeps until one of its partitions moves: it does not poll. Order within a partition is the log's order; there is
 * none between partitions.
 *
 * With a group, the partitions are those that the group gives it: see group-subscription.ts.
 */
import { OffsetOutOfRangeError, UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import type { FetchedBatches, Transport } from '../protocol/transport.ts'
import { RecordBatchView } from '../record/batch-view.ts'
import {
  type Assignment,
  type BatchesOptions,
  checkFrom,
  type ConsumerOptions,
  type From,
  placeOf,
  type StartPosition,
} from './consumer-options.ts'
import { checkDistinct, keyOf, type Position, Positions, type TopicPartition } from './consumer-positions.ts'
import type { CommittedOffset, PartitionCommit } from './group-offsets.ts'
import { checkGroupOptions, type GroupSettings, type RebalanceListener } from './group-options.ts'
import { GroupSubscription } from './group-subscription.ts'
import type { ClientEnv } from './client-env.ts'
import { checkNumber } from './producer-options.ts'
import { ConsumerBatch, type ConsumerRecord, type ConsumerSerdes } from './record-batch.ts'
import { guardSerde, resolveSerde, type Serde } from './serdes.ts'

const FETCH_BYTES = 1 << 20

/** How a consumer reaches its group. */
export interface ConsumerGroups {
  readonly link: GroupLink
  readonly env: ClientEnv
}

export class Consumer<K = Uint8Array, V = Uint8Array> implements AsyncIterable<ConsumerRecord<K, V>> {
  readonly #transport: Transport
  readonly #serdes: ConsumerSerdes<K, V>
  readonly #from: From
  readonly #group: GroupSubscription | undefined
  readonly #fetchBytes: number
  readonly #positions = new Positions()
  /** Where the next round begins: whose turn it is. */
  #turn = 0
  #isIterating = false
  #isUntilEnd = false
  #closing: Promise<void> | undefined
  #hasChanged = false
  /** The fetch being handed out, and the offset that it was asked for. */
  #fetched: FetchedBatches | undefined
  #firstOffset = 0
  /** Batches already handed out of the current fetch end here; see position(). */
  #current: { key: string; nextOffset: number } | undefined
  /** The batch that the loop's body has at this moment; not if its partition was moved or given up meanwhile. */
  #handedOut: { readonly position: Position; readonly batch: ConsumerBatch<K, V> } | undefined

  /** Made by log.consumer(). Throws VltavaError INVALID_ARGUMENT. */
  constructor(transport: Transport, options: ConsumerOptions<K, V> = {}, groups?: ConsumerGroups) {
    this.#transport = transport
    const settings = checkGroupOptions(options)
    this.#from = checkFrom(options.from)
    this.#fetchBytes = checkNumber('fetchBytes', options.fetchBytes ?? FETCH_BYTES, 1, 0x7fff_ffff)
    this.#serdes = {
      key: guardSerde(resolveSerde((options.key ?? 'bytes') as Serde<K>)),
      value: guardSerde(resolveSerde((options.value ?? 'bytes') as Serde<V>)),
    }
    this.#group = settings === undefined ? undefined : this.#subscription(settings, groups)
  }

  #subscription(settings: GroupSettings, groups: ConsumerGroups | undefined): GroupSubscription {
    if (groups === undefined) throw new VltavaError('INVALID_ARGUMENT', 'there are no groups on this log')
    return new GroupSubscription(settings, groups.link, this.#transport, groups.env, {
      owned: () => this.assignment(),
      take: (places) => this.#take(places),
      giveUp: (partitions) => this.#giveUp(partitions),
      consumed: () => this.#positions.places(({ consumedOffset }) => consumedOffset),
      firstOffset: (topic, partition) => this.#firstOffsetOf(topic, partition),
      wake: () => this.#changed(),
    })
  }

  /**
   * Reads exactly these partitions from now on; a consumer with a group is no member of it then, and only uses its
   * offsets. Rejects with UnknownTopicOrPartitionError, INVALID_ARGUMENT.
   */
  async assign(assignments: readonly Assignment[]): Promise<void> {
    this.#assertOpen()
    await this.#group?.unsubscribe()
    const wanted: { topic: string; partition: number; offset: number }[] = []
    await this.#transport.remote?.refreshTopics(assignments.map(({ topic }) => topic))
    for (const { topic, partition, offset } of assignments) {
      const info = this.#transport.topic(topic)
      if (info === undefined) throw new UnknownTopicOrPartitionError(topic, undefined, `topic=${topic} does not exist`)
      const partitions =
        partition === undefined ? Array.from({ length: info.partitionCount }, (_, i) => i) : [partition]
      await this.#transport.remote?.refreshEnds(partitions.map((each) => ({ topic, partition: each })))
      for (const each of partitions) {
        const first = offset === undefined ? this.#startOffset(topic, each) : this.#resolve(topic, each, offset)
        wanted.push({ topic, partition: each, offset: await first })
      }
    }
    this.#assertOpen() // Offsets were looked up meanwhile.
    checkDistinct(wanted)
    this.unassign()
    this.#take(wanted)
  }

  async #startOffset(topic: string, partition: number): Promise<number> {
    if (this.#group === undefined) return this.#firstOffsetOf(topic, partition)
    this.#transport.ends(topic, partition) // There is such a partition.
    return (await this.#group.startOffsets([{ topic, partition }]))[0]!.offset
  }

  /** Where to begin when nothing else says so. */
  #firstOffsetOf(topic: string, partition: number): Promise<number> {
    if (this.#from !== 'none' || this.#group === undefined) {
      return this.#resolve(topic, partition, this.#from === 'latest' ? 'end' : 'start')
    }
    const message = `group=${this.#group.settings.groupId} has no offset in ${keyOf(topic, partition)}, and from=none`
    return Promise.reject(new VltavaError('NO_COMMITTED_OFFSET', message))
  }

  #take(places: readonly PartitionCommit[]): void {
    for (const { topic, partition, offset } of places) {
      const position = this.#positions.open(this.#transport, topic, partition, offset)
      if (this.#isUntilEnd) position.stopAtEnd()
    }
    this.#changed()
  }

  /**
   * Without a group: reads all partitions of these topics, as assign() does. With a group: joins it, and reads those
   * that it gives to this member; an expression means all topics that match, those that come later too. What goes wrong
   * in the group ends the loop with an error: NO_COMMITTED_OFFSET, GROUP_MAX_SIZE_REACHED, UNRELEASED_INSTANCE_ID,
   * FENCED_INSTANCE_ID, INCONSISTENT_GROUP_PROTOCOL, REBALANCE_CALLBACK.
   */
  async subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener = {}): Promise<void> {
    if (this.#group !== undefined) {
      this.#assertOpen()
      if (!this.#group.isMember) this.unassign()
      if (this.#transport.remote !== undefined) await this.#group.learn(topics, this.#transport.remote)
      this.#group.subscribe(topics, listener)
      return
    }
    if (topics instanceof RegExp) {
      throw new VltavaError('INVALID_ARGUMENT', 'only a consumer with a group subscribes to an expression')
    }
    await this.assign(topics.map((topic) => ({ topic })))
  }

  unassign(): void {
    this.#giveUp(this.assignment())
  }

  #giveUp(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const position = this.#positions.get(keyOf(topic, partition))
      if (position === undefined) continue
      this.#expireHandedOut(position)
      this.#positions.close(position)
    }
    this.#changed()
  }

  assignment(): TopicPartition[] {
    return this.#positions.places(() => 0).map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Goes on reading at another place; takes effect with the next batch. Rejects as assign() does. */
  async seek(topic: string, partition: number, to: StartPosition): Promise<void> {
    this.#assertOpen()
    const position = this.#position(topic, partition)
    const offset = await this.#resolve(topic, partition, to)
    if (this.#positions.get(keyOf(topic, partition)) !== position) return // Given up while the offset was looked for.
    this.#expireHandedOut(position)
    position.seek(offset)
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
   * Commits for the group: these offsets, each that of the next record to read, or the consumer's positions, the batch
   * that the loop's body has included. Resolves when the coordinator has acknowledged it. Rejects with
   * UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, STALE_MEMBER_EPOCH or FENCED_INSTANCE_ID when the partitions may be another
   * member's by now, OFFSET_METADATA_TOO_LARGE, UnknownTopicOrPartitionError's code, INVALID_ARGUMENT without a group.
   */
  async commit(offsets?: readonly PartitionCommit[], options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#assertOpen()
    const commits = offsets ?? this.#positions.places(({ reader }) => this.position(reader.topic, reader.partition))
    await this.#ofGroup().commit(commits, options.signal)
    for (const { topic, partition, offset } of commits) this.#positions.get(keyOf(topic, partition))?.consumedTo(offset)
  }

  /** What the group has committed in a partition; undefined: nothing. */
  async committed(
    topic: string,
    partition: number,
    options: { signal?: AbortSignal } = {},
  ): Promise<CommittedOffset | undefined> {
    this.#assertOpen()
    const found = await this.#ofGroup().committed(topic, partition, options.signal)
    return found === undefined ? undefined : { offset: found.offset, metadata: found.metadata ?? '' }
  }

  /** This consumer as the group's coordinator knows it; generation -1: it is no member at present. */
  groupMetadata(): { groupId: string; memberId: string; generation: number; groupInstanceId: string | null } {
    const group = this.#ofGroup()
    return { groupId: group.settings.groupId, ...group.identity }
  }

  #ofGroup(): GroupSubscription {
    if (this.#group !== undefined) return this.#group
    throw new VltavaError('INVALID_ARGUMENT', "this consumer has no group: log.consumer({ group: 'name' })")
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
    const group = this.#group
    try {
      group?.loopBegins()
      this.#isUntilEnd = until === 'end'
      const { remote } = this.#transport
      if (this.#isUntilEnd && remote !== undefined) await remote.refreshEnds(this.assignment(), signal)
      if (this.#isUntilEnd) for (const position of this.#positions.values()) position.stopAtEnd()
      while (!this.isClosed && signal?.aborted !== true) {
        if (this.#transport.isClosed) throw new VltavaError('LOG_CLOSED', 'the log of this consumer is closed')
        await group?.poll()
        const position = this.#nextReady()
        if (position !== undefined) {
          yield* this.#deliver(position, signal)
          continue
        }
        if (until === 'end' && this.#positions.areAtEnd() && group?.isSettled !== false) return
        this.#hasChanged = false
        group?.waits(true)
        await this.#transport.wait(() => this.#hasNews(), Number.POSITIVE_INFINITY, signal)
        group?.waits(false)
      }
    } finally {
      this.#isIterating = false
      this.#isUntilEnd = false
      this.#current = undefined
      for (const position of this.#positions.values()) position.endOffset = Number.POSITIVE_INFINITY
      group?.waits(false)
      group?.loopEnds()
    }
  }

  /** Records one by one, for ever: comfortable, at a fraction of the speed of batches(). */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumerRecord<K, V>, void, undefined> {
    for await (const batch of this.batches()) {
      const key = keyOf(batch.topic, batch.partition)
      for (const record of batch) {
        // A loop that is left in the middle of a batch goes on with the next record.
        if (this.#handedOut?.batch === batch) {
          this.#current = { key, nextOffset: record.offset + 1 }
          this.#handedOut.position.consumedTo(record.offset)
        }
        yield record
      }
    }
  }

  /** The next partition, in turn, that has batches at hand; they are in #fetched. */
  #nextReady(): Position | undefined {
    const positions = [...this.#positions.values()]
    for (let i = 0; i < positions.length; i++) {
      const position = positions[(this.#turn + i) % positions.length]!
      if (position.isPaused || position.hasReachedEnd) continue
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
      if (!(error instanceof OffsetOutOfRangeError)) throw error
      if (this.#from === undefined || this.#from === 'none') throw error
      const { logStartOffset, highWatermark } = position.reader.ends()
      position.seek(this.#from === 'earliest' ? logStartOffset : highWatermark)
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
        batch = new ConsumerBatch(reader.topic, reader.partition, view, firstOffset, highWatermark, this.#serdes, this)
        this.#current = { key, nextOffset: handedOut }
        this.#handedOut = { position, batch }
        yield batch
        batch.expire()
        this.#handedOut = undefined
        if (position.seekCount === seekCount) position.consumedTo(handedOut)
        const isInterrupted =
          this.isClosed || signal?.aborted === true || position.isPaused || this.#group?.isDue === true
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
    if (this.#hasChanged || this.isClosed || this.#transport.isClosed || this.#group?.isDue === true) return true
    return this.#positions.hasNews()
  }

  async #resolve(topic: string, partition: number, to: StartPosition): Promise<number> {
    const place = placeOf(to)
    if (typeof place === 'number') {
      this.#transport.ends(topic, partition)
      return place
    }
    const found = await this.#transport.lookup(topic, partition, place)
    if (found.offset >= 0) return found.offset
    return (await this.#transport.lookup(topic, partition, 'end')).offset
  }

  #position(topic: string, partition: number): Position {
    const position = this.#positions.get(keyOf(topic, partition))
    if (position !== undefined) return position
    throw new VltavaError('INVALID_ARGUMENT', `${keyOf(topic, partition)} is not assigned to this consumer`)
  }

  /** Whether it is a member of a group, or is about to be. */
  get isMember(): boolean {
    return this.#group?.isMember === true
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /**
   * Ends a running loop and gives up the partitions. A member of a group commits what its loop is done with
   * (autoCommit), tells `revoked`, and leaves; a static one keeps its place. Rejects with what that failed with; it is
   * closed then too.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#group?.close()
    } finally {
      this.unassign()
    }
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
    if (this.isClosed) throw new VltavaError('CONSUMER_CLOSED', 'the consumer is closed')
    if (this.#transport.isClosed) throw new VltavaError('LOG_CLOSED', 'the log of this consumer is closed')
  }
}
