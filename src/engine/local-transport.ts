/**
 * LocalTransport: one client thread's way to the shards of a log in the same process. Owned by that thread.
 *
 * It holds the thread's arena, its doorbell, and for each shard a link: rings, watermarks, interest. Requests that are
 * not answered stay in `outstanding`; when a shard is restarted they are published again, in order, on the new ring.
 * Producer sequence numbers make that safe: what the old incarnation had written is answered as a duplicate.
 *
 * While something is outstanding or somebody waits, a loop sleeps at the doorbell; nothing polls. Otherwise the
 * transport holds nothing that keeps the process alive.
 */
import type { Env } from '../base/env/env.ts'
import {
  type ErrorData,
  fromErrorData,
  toErrorData,
  UnknownTopicOrPartitionError,
  VltavaError,
} from '../base/errors.ts'
import { storageCall } from '../base/file-io.ts'
import { Waiters } from '../base/waiters.ts'
import type { LeaderEpochs } from '../log/leader-epochs.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import type {
  Acks,
  AdminReplies,
  AdminRequest,
  BatchListener,
  BatchMemory,
  CommitState,
  OffsetAndTimestamp,
  OffsetSpec,
  PartitionEnds,
  PartitionReader,
  TopicInfo,
  Transport,
} from '../protocol/transport.ts'
import { ArenaBook, arenaBytes, NO_ROOM } from '../ring/arena.ts'
import type { Doorbell } from '../ring/doorbell.ts'
import type { Watermarks } from '../ring/watermarks.ts'
import type { ControlRequest, FromDispatcher, TopicDescription } from '../workers/messages.ts'
import { EpochBook } from './epoch-book.ts'
import { LocalAdmin } from './local-admin.ts'
import { lookupByTimestamp, lookupMaxTimestamp } from './offset-lookup.ts'
import { LocalPartitionReader, type PartitionPlace } from './partition-reader.ts'
import { type PartitionState, stateName } from './partition-state.ts'
import { PartitionWatches } from './partition-watches.ts'
import { describeRefusal } from './refusal.ts'
import { type Outstanding, ShardConnection } from './shard-connection.ts'

/** How the transport reaches the dispatcher, and how the process is kept alive while somebody waits. */
export interface ControlLink {
  readonly clientId: string
  request(request: ControlRequest): Promise<unknown>
  /** Balanced: hold() before, release() after a wait. */
  hold(): void
  release(): void
  close(): Promise<void>
  /** Nobody will answer what was asked. */
  failPending(error: Error): void
}

/** Bounds every sleep at the doorbell; a wake-up comes from the bell, not from this. */
const SLEEP_MS = 1000

interface KnownTopic {
  readonly info: TopicInfo
  readonly places: TopicDescription['places']
}

export class LocalTransport implements Transport {
  isClosed = false
  /** Raised whenever a topic was made, changed or deleted. */
  topicsVersion = 0
  readonly batchBytesMax: number
  readonly #env: Env
  readonly #control: ControlLink
  /** The data directory. */
  readonly directory: string
  /** What the listener's handlers ask beyond a Transport. */
  readonly admin: LocalAdmin
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #book: ArenaBook
  readonly #bell: Doorbell
  readonly #shards: ShardConnection[]
  readonly #topics = new Map<string, KnownTopic>()
  readonly #failures = new Map<string, ErrorData>()
  readonly #watches: PartitionWatches
  readonly #epochs: EpochBook
  readonly #waiters: Waiters
  readonly #closeListeners = new Set<() => void>()
  readonly #topicListeners = new Set<() => void>()
  #isLooping = false
  #closeReason: VltavaError | undefined

  constructor(env: Env, control: ControlLink, bell: Doorbell, attached: Extract<FromDispatcher, { type: 'attached' }>) {
    this.#env = env
    this.#waiters = new Waiters(env.timers)
    this.#control = control
    this.directory = attached.directory
    this.#bytes = arenaBytes(attached.arena)
    this.#view = new DataView(attached.arena)
    this.#book = new ArenaBook(attached.arena)
    this.#bell = bell
    this.batchBytesMax = Math.floor(this.#bytes.length / 2)
    const onReply = this.#onReply.bind(this)
    this.#shards = attached.shards.map((link) => new ShardConnection(link, onReply))
    this.#epochs = new EpochBook(env.fs)
    this.#watches = new PartitionWatches(this.#shards)
    this.#learn(attached.topics, [])
    this.admin = new LocalAdmin(env.fs, this, attached.overrides)
  }

  /** A message of the dispatcher, passed on by whoever owns the control link. */
  receive(message: FromDispatcher): void {
    switch (message.type) {
      case 'topics':
        this.#learn(message.changed, message.removed)
        for (const listener of [...this.#topicListeners]) listener()
        break
      case 'overrides':
        this.admin.learn(message.overrides)
        break
      case 'shard':
        if (message.clientId !== this.#control.clientId) return
        this.#shards[message.link.shardIndex]!.reconnect(message.link)
        this.#watches.restore(message.link.shardIndex)
        break
      case 'failure': {
        const key = `${message.topic}-${message.partition}`
        if (message.error === undefined) this.#failures.delete(key)
        else this.#failures.set(key, message.error)
        break
      }
      case 'closed':
        this.shutDown(message.error === undefined ? undefined : fromErrorData(message.error))
        break
      case 'ready':
      case 'failed':
      case 'attached':
      case 'restarted':
      case 'coordinator':
      case 'coordinatorRestarted':
      case 'lost':
      case 'reply':
        return
      default:
        return // Other clients' messages share the broadcast channel.
    }
    this.wake()
  }

  /** The log is gone: everything that waits fails with LOG_CLOSED. */
  shutDown(reason?: VltavaError): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#closeReason = reason
    const error = toErrorData(this.#closedError())
    for (const shard of this.#shards) for (const request of shard.drain()) request.listener.onFailed(error, true)
    for (const listener of this.#closeListeners) listener()
    this.#closeListeners.clear()
    this.#watches.tellAll()
    this.wake()
  }

  onClose(listener: () => void): () => void {
    this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  #closedError(): VltavaError {
    const why = this.#closeReason === undefined ? '' : `: ${this.#closeReason.message}`
    return new VltavaError('LOG_CLOSED', `the log in ${this.directory} is closed${why}`)
  }

  #learn(changed: readonly TopicDescription[], removed: readonly string[]): void {
    this.topicsVersion += 1
    if (removed.length > 0) this.#epochs.clear()
    const gone = removed.flatMap((topic) => this.#topics.get(topic)?.places ?? [])
    for (const topic of removed) {
      const partitionCount = this.#topics.get(topic)?.places.length ?? 0
      for (let partition = 0; partition < partitionCount; partition++) this.#failures.delete(`${topic}-${partition}`)
      this.#topics.delete(topic)
    }
    for (const { topic, topicId, configs, config, places } of changed) {
      const info: TopicInfo = {
        topic,
        topicId,
        partitionCount: places.length,
        configs,
        maxMessageBytes: config.maxMessageBytes,
        compressionType: config.compressionType,
        isCompacted: config.isCompacted,
      }
      this.#topics.set(topic, { info, places })
    }
    for (const { shardIndex, slot } of gone) this.#watches.tellOf(shardIndex, slot)
  }

  topic(name: string): TopicInfo | undefined {
    return this.#topics.get(name)?.info
  }

  topics(): TopicInfo[] {
    return [...this.#topics.values()].map(({ info }) => info)
  }

  onTopics(listener: () => void): () => void {
    this.#topicListeners.add(listener)
    return () => void this.#topicListeners.delete(listener)
  }

  reserve(sizeBytes: number): BatchMemory | undefined {
    const start = this.#book.allocate(sizeBytes)
    if (start === NO_ROOM) return undefined
    return { bytes: this.#bytes, view: this.#view, start, sizeBytes }
  }

  trim(memory: BatchMemory, keptBytes: number): void {
    this.#book.shrink(memory.start, memory.sizeBytes, keptBytes)
    memory.sizeBytes = keptBytes
  }

  release(memory: BatchMemory): void {
    if (memory.owner !== undefined) {
      memory.owner.release()
      return
    }
    this.#book.free(memory.start, memory.sizeBytes)
    this.#bell.ring() // Somebody may sleep until there is room.
  }

  submit(
    topic: string,
    partition: number,
    memory: BatchMemory,
    lengthBytes: number,
    acks: Acks,
    listener: BatchListener,
  ): void {
    this.#assertOpen()
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    this.#shards[shardIndex]!.send({ shardIndex, topic, partition, slot, memory, lengthBytes, acks, listener })
    this.#ensureLoop()
  }

  poll(): void {
    if (this.isClosed) return // Answers may still come; whom they were for has been told otherwise.
    for (const shard of this.#shards) shard.poll()
  }

  #onReply(request: Outstanding, errorCode: number, baseOffset: number, timestamp: number, generation: number): void {
    if (errorCode === 0) {
      this.release(request.memory)
      request.listener.onAppended(baseOffset, timestamp, generation)
      return
    }
    const where = `${request.topic}-${request.partition}`
    const failure = this.#failureAt(request.shardIndex, request.slot, where)
    const isStorage = errorCode === kafkaError('KAFKA_STORAGE_ERROR')
    const info = this.#topics.get(request.topic)?.info
    const error =
      isStorage && failure !== undefined ? failure : describeRefusal(errorCode, where, request.lengthBytes, info)
    if (!request.listener.onFailed(error, isStorage)) this.release(request.memory)
  }

  wait(isReady: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return this.#waiters.wait(isReady, timeoutMs, signal, () => this.#ensureLoop())
  }

  /** Something other than a shard changed: the loop looks at its waiters. */
  wake(): void {
    this.#waiters.notify(this.isClosed)
    this.#bell.ring()
  }

  #isWanted(): boolean {
    if (this.#waiters.count > 0 || this.#watches.hasListeners) return true
    for (const shard of this.#shards) if (shard.waitingCount > 0) return true
    return false
  }

  #hasInput(): boolean {
    for (const shard of this.#shards) if (shard.hasReplies()) return true
    return this.isClosed || this.#watches.hasNews() || this.#waiters.hasReady()
  }

  #ensureLoop(): void {
    if (this.#isLooping || this.isClosed) return
    this.#isLooping = true
    this.#control.hold()
    void this.#loop()
  }

  async #loop(): Promise<void> {
    // First let the caller's synchronous run of appends end: the bell is armed when this thread really sleeps.
    await Promise.resolve()
    const hasInput = (): boolean => this.#hasInput()
    while (this.#isWanted() && !this.isClosed) {
      await this.#bell.sleepAsync(hasInput, SLEEP_MS)
      this.poll()
      this.#watches.tell()
      this.#waiters.notify(this.isClosed)
      await Promise.resolve() // Those who were woken take their turn before the next look.
    }
    this.#isLooping = false
    this.#control.release()
  }

  reader(topic: string, partition: number, offset: number): PartitionReader {
    this.#assertOpen()
    return new LocalPartitionReader(this.#env.fs, topic, partition, this.place(topic, partition), offset)
  }

  /** Throws UnknownTopicOrPartitionError. */
  partitionState(topic: string, partition: number): PartitionState {
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    return stateName(this.#shards[shardIndex]!.watermarks.state(slot))
  }

  /** The leader epochs of a partition. Throws UnknownTopicOrPartitionError, StorageError. */
  leaderEpochs(topic: string, partition: number): LeaderEpochs {
    return this.#epochs.get(this.place(topic, partition))
  }

  /** Where a partition's files and words are. Throws UnknownTopicOrPartitionError. */
  place(topic: string, partition: number): PartitionPlace {
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    const shard = this.#shards[shardIndex]!
    return { directory: this.#directoryOf(topic, partition), slot, watermarks: (): Watermarks => shard.watermarks }
  }

  #directoryOf(topic: string, partition: number): string {
    return `${this.directory}/${topic}-${partition}`
  }

  ends(topic: string, partition: number): PartitionEnds {
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    const { watermarks } = this.#shards[shardIndex]!
    return {
      logStartOffset: watermarks.logStartOffset(slot),
      committedOffset: watermarks.committedOffset(slot),
      highWatermark: watermarks.highWatermark(slot),
    }
  }

  commitState(topic: string, partition: number, endOffset: number, generation: number): CommitState {
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    const { watermarks } = this.#shards[shardIndex]!
    const committedOffset = watermarks.committedOffset(slot) // First: a log opened since has other records there.
    if (!watermarks.isKept(slot, generation, endOffset)) return 'lost'
    return committedOffset >= endOffset ? 'committed' : 'waiting'
  }

  partitionFailure(topic: string, partition: number): ErrorData | undefined {
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    return this.#failureAt(shardIndex, slot, `${topic}-${partition}`)
  }

  /** The shared word says whether; what the dispatcher told says why. */
  #failureAt(shardIndex: number, slot: number, where: string): ErrorData | undefined {
    if (this.#shards[shardIndex]!.watermarks.failure(slot) === 0) return undefined
    const known = this.#failures.get(where)
    return known ?? { code: 'KAFKA_STORAGE_ERROR', message: `${where} is offline after a failed write or sync` }
  }

  watch(topic: string, partition: number): () => void {
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    return this.#watches.add(shardIndex, slot)
  }

  /**
   * Calls back whenever this partition has moved, or the log is closed, until the function that is returned is called,
   * once. For threads with many who wait: the cost of a move is that of those who listen to its partition.
   */
  onMove(topic: string, partition: number, listener: () => void): () => void {
    const { shardIndex, slot } = this.#placeOf(topic, partition)
    const stop = this.#watches.add(shardIndex, slot, listener)
    this.#ensureLoop()
    return stop
  }

  lookup(topic: string, partition: number, spec: OffsetSpec): Promise<OffsetAndTimestamp> {
    // Promise.resolve().then: what throws here rejects, as it would over a socket.
    return Promise.resolve().then(() => {
      this.#assertOpen()
      const { logStartOffset, highWatermark } = this.ends(topic, partition)
      if (spec === 'start') return { offset: logStartOffset, timestamp: -1 }
      if (spec === 'end') return { offset: highWatermark, timestamp: -1 }
      const directory = this.#directoryOf(topic, partition)
      const { fs } = this.#env
      return storageCall(`a lookup in ${directory}`, () =>
        spec === 'max-timestamp'
          ? lookupMaxTimestamp(fs, directory, logStartOffset, highWatermark)
          : lookupByTimestamp(fs, directory, spec?.timestamp, logStartOffset, highWatermark),
      )
    })
  }

  async request<R extends AdminRequest>(request: R, signal?: AbortSignal): Promise<AdminReplies[R['type']]> {
    // Each request type has its reply type; the dispatcher keeps the pairing (workers/topic-admin.ts).
    return (await this.ask(request, signal)) as AdminReplies[R['type']]
  }

  async ask(request: ControlRequest, signal?: AbortSignal): Promise<unknown> {
    this.#assertOpen()
    signal?.throwIfAborted()
    this.#control.hold()
    try {
      return await this.#control.request(request)
    } finally {
      this.#control.release()
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    await this.#control.close()
    this.shutDown()
    this.#control.failPending(this.#closedError())
  }

  #assertOpen(): void {
    if (this.isClosed) throw this.#closedError()
  }

  #placeOf(topic: string, partition: number): { shardIndex: number; slot: number } {
    const known = this.#topics.get(topic)
    if (known === undefined) {
      const message = `topic=${topic} does not exist; create it with admin.createTopics([{ topic: '${topic}', partitions: 1 }])`
      throw new UnknownTopicOrPartitionError(topic, undefined, message)
    }
    const place = known.places[partition]
    if (place === undefined) {
      const message = `topic=${topic} has partitions 0 .. ${known.places.length - 1}, there is no partition=${partition}`
      throw new UnknownTopicOrPartitionError(topic, partition, message)
    }
    return place
  }
}
