/**
 * ClusterTransport: the Transport over TCP, to a cluster of Kafka brokers or to a Vltava that listens. Owned by one
 * thread.
 *
 * It keeps what LocalTransport has beside it: batches are built in private memory and kept until they are answered,
 * topics are known as far as somebody asked for them, readers are filled in the background. Answers come as events of
 * this thread, so poll() has nothing to do and wait() looks at its waiters after each of them.
 *
 * While somebody waits, or a batch is unanswered, the process is kept alive; sockets by themselves do not do that.
 */
import { type ErrorData, toErrorData, VltavaError } from '../../base/errors.ts'
import { NO_ROOM, SLAB_BYTES, SlabBook } from '../../base/slabs.ts'
import { Waiters } from '../../base/waiters.ts'
import type { GroupLink } from '../../protocol/group-link.ts'
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
  RemoteKnowledge,
  TopicInfo,
  Transport,
} from '../../protocol/transport.ts'
import { Brokers } from './brokers.ts'
import { ClusterAdmin } from './cluster-admin.ts'
import { ClusterMetadata } from './cluster-metadata.ts'
import { Fetcher } from './fetcher.ts'
import { KnownEnds } from './known-ends.ts'
import { OffsetLookup } from './offset-lookup.ts'
import { RemoteGroupLink } from './remote-group-link.ts'
import { Sender } from './sender.ts'
import type { ClusterEnv, ClusterSettings } from './settings.ts'

export class ClusterTransport implements Transport {
  isClosed = false
  readonly batchBytesMax: number
  readonly remote: RemoteKnowledge
  /** The coordinators of this cluster. */
  readonly groups: GroupLink
  readonly #env: ClusterEnv
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #book: SlabBook
  readonly #brokers: Brokers
  readonly #metadata: ClusterMetadata
  readonly #ends = new KnownEnds()
  readonly #offsets: OffsetLookup
  readonly #sender: Sender
  readonly #fetcher: Fetcher
  readonly #admin: ClusterAdmin
  readonly #waiters: Waiters
  readonly #closeListeners = new Set<() => void>()
  readonly #topicListeners = new Set<() => void>()
  #requestsUnderWay = 0
  /** Of the metadata that topic listeners know. */
  #toldRevision = 0
  #letProcessEnd: (() => void) | undefined

  private constructor(env: ClusterEnv, settings: ClusterSettings) {
    this.#env = env
    const slabCount = Math.floor(settings.memoryBytes / SLAB_BYTES)
    this.#bytes = new Uint8Array(slabCount * SLAB_BYTES)
    this.#view = new DataView(this.#bytes.buffer)
    this.#book = new SlabBook(slabCount)
    this.batchBytesMax = Math.floor(this.#bytes.length / 2)
    this.#waiters = new Waiters(env.timers)
    this.#brokers = new Brokers(env, settings)
    this.#metadata = new ClusterMetadata(env, settings, this.#brokers, () => this.#changed())
    this.#offsets = new OffsetLookup(env, settings, this.#brokers, this.#metadata, this.#ends)
    this.#sender = new Sender(env, settings, this.#brokers, this.#metadata, {
      release: (memory) => this.release(memory),
      onCommitted: (topic, partition, endOffset) => this.#ends.raise(topic, partition, endOffset),
      onProgress: () => this.#notify(),
    })
    this.#fetcher = new Fetcher(env, settings, this.#brokers, this.#metadata, this.#offsets, this.#ends, () =>
      this.#notify(),
    )
    this.#admin = new ClusterAdmin(env, settings, this.#brokers, this.#metadata)
    this.groups = new RemoteGroupLink(settings, this.#brokers, this.#metadata, (ask) => this.#whileHeld(ask))
    this.remote = {
      learn: (topic) => !this.isClosed && this.#metadata.learn(topic),
      unknownError: (topic) => this.#metadata.unknownError(topic, undefined),
      refreshTopics: (topics, signal) => this.#whileHeld(() => this.#refreshTopics(topics, signal)),
      refreshEnds: (places, signal) => this.#whileHeld(() => this.#offsets.refreshEnds(places, signal)),
    }
  }

  /** Resolves when a broker has told of its cluster. Rejects with VltavaError BROKER_UNAVAILABLE. */
  static async connect(env: ClusterEnv, settings: ClusterSettings): Promise<ClusterTransport> {
    const transport = new ClusterTransport(env, settings)
    try {
      const { connectTimeoutMs: timeoutMs } = settings
      await transport.#whileHeld(() => transport.#metadata.refresh([], { timeoutMs }))
      return transport
    } catch (error) {
      transport.#shutDown(new VltavaError('LOG_CLOSED', 'the cluster was never reached'))
      throw error
    }
  }

  onClose(listener: () => void): () => void {
    this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  topic(name: string): TopicInfo | undefined {
    return this.#metadata.topic(name)
  }

  topics(): TopicInfo[] {
    return this.#metadata.topics()
  }

  /** Names are asked for together with their settings. */
  async #refreshTopics(topics: readonly string[] | undefined, signal: AbortSignal | undefined): Promise<void> {
    await this.#metadata.refresh(topics, { isDescribed: true, signal })
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
    if (memory.owner !== undefined) return memory.owner.release()
    this.#book.free(memory.start, memory.sizeBytes)
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
    const { topicId } = this.#assertPlace(topic, partition)
    this.#sender.submit(topic, topicId, partition, memory, lengthBytes, acks, listener)
    this.#holdOrLetGo()
  }

  /** With acks=all the answer to a batch was the cluster's commitment: nothing is waited for after it. */
  commitState(topic: string, partition: number): CommitState {
    this.#assertPlace(topic, partition)
    return 'committed'
  }

  poll(): void {
    // Answers are taken in as they come.
  }

  wake(): void {
    this.#notify()
  }

  async wait(isReady: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.#waiters.wait(isReady, timeoutMs, signal, () => this.#holdOrLetGo())
    } finally {
      this.#holdOrLetGo()
    }
  }

  #notify(): void {
    this.#waiters.notify(this.isClosed)
    this.#holdOrLetGo()
  }

  /** There is newer knowledge of the cluster. */
  #changed(): void {
    this.#sender.pumpSoon()
    this.#fetcher.wanted()
    if (this.#metadata.revision !== this.#toldRevision) {
      this.#toldRevision = this.#metadata.revision
      for (const listener of [...this.#topicListeners]) listener()
    }
    this.#notify()
  }

  #holdOrLetGo(): void {
    const isWanted = this.#waiters.count > 0 || this.#requestsUnderWay > 0 || this.#sender.isBusy
    if (isWanted && !this.isClosed) {
      this.#letProcessEnd ??= this.#env.dialer.keepAlive()
    } else {
      this.#letProcessEnd?.()
      this.#letProcessEnd = undefined
    }
  }

  async #whileHeld<T>(work: () => Promise<T>): Promise<T> {
    this.#assertOpen()
    this.#requestsUnderWay += 1
    this.#holdOrLetGo()
    try {
      return await work()
    } finally {
      this.#requestsUnderWay -= 1
      this.#holdOrLetGo()
    }
  }

  reader(topic: string, partition: number, offset: number): PartitionReader {
    this.#assertOpen()
    const { topicId } = this.#assertPlace(topic, partition)
    return this.#fetcher.reader(topic, topicId, partition, offset)
  }

  ends(topic: string, partition: number): PartitionEnds {
    this.#assertPlace(topic, partition)
    return this.#ends.of(topic, partition)
  }

  partitionFailure(topic: string, partition: number): ErrorData | undefined {
    this.#assertPlace(topic, partition)
    if (this.#metadata.leaderOf(topic, partition)!.nodeId >= 0) return undefined
    return { code: 'LEADER_NOT_AVAILABLE', message: `${topic}-${partition} has no leader at the moment` }
  }

  /** Readers are filled whether anybody waits or not, and every answer is looked at by those who do. */
  watch(topic: string, partition: number): () => void {
    this.#assertPlace(topic, partition)
    return () => undefined
  }

  lookup(topic: string, partition: number, spec: OffsetSpec): Promise<OffsetAndTimestamp> {
    return this.#whileHeld(async () => {
      if (this.topic(topic) === undefined) await this.#metadata.refresh([topic])
      this.#assertPlace(topic, partition)
      return await this.#offsets.lookup(topic, partition, spec)
    })
  }

  request<R extends AdminRequest>(request: R, signal?: AbortSignal): Promise<AdminReplies[R['type']]> {
    return this.#whileHeld(async () => {
      signal?.throwIfAborted()
      // Each request type has its reply type; ClusterAdmin keeps the pairing.
      return (await this.#admin.request(request, signal)) as AdminReplies[R['type']]
    })
  }

  close(): Promise<void> {
    this.#shutDown(new VltavaError('LOG_CLOSED', 'the connection to the cluster is closed'))
    return Promise.resolve()
  }

  #shutDown(error: VltavaError): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#fetcher.close()
    this.#sender.close(toErrorData(error))
    this.#metadata.close(error)
    this.#brokers.close(error)
    for (const listener of this.#closeListeners) listener()
    this.#closeListeners.clear()
    this.#notify()
  }

  #assertOpen(): void {
    if (this.isClosed) throw new VltavaError('LOG_CLOSED', 'the connection to the cluster is closed')
  }

  /** Throws UnknownTopicOrPartitionError. */
  #assertPlace(topic: string, partition: number): TopicInfo {
    const info = this.#metadata.topic(topic)
    if (info === undefined || this.#metadata.leaderOf(topic, partition) === undefined) {
      throw this.#metadata.unknownError(topic, partition)
    }
    return info
  }
}
