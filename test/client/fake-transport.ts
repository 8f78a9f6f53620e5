/**
 * A Transport of which the test is the broker: batches wait in `submitted` until the test answers them, time stands
 * still until the test moves it, and memory is as large as the test says.
 */
import { SimClock } from '../../src/base/env/sim-clock.ts'
import { type ErrorCode, type ErrorData, UnknownTopicOrPartitionError, VltavaError } from '../../src/base/errors.ts'
import type {
  Acks,
  AdminReplies,
  AdminRequest,
  BatchListener,
  BatchMemory,
  CommitState,
  OffsetAndTimestamp,
  PartitionEnds,
  PartitionReader,
  TopicInfo,
  Transport,
} from '../../src/protocol/transport.ts'
import { batchFault, RecordBatchView } from '../../src/record/batch-view.ts'
import { readRecords } from '../record/batches.ts'

export interface Submitted {
  readonly topic: string
  readonly partition: number
  readonly acks: Acks
  /** As text; null is '-'. */
  readonly values: string[]
  readonly timestamps: number[]
  readonly codecId: number
  readonly sizeBytes: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly memory: BatchMemory
  readonly listener: BatchListener
}

interface Waiter {
  readonly isReady: () => boolean
  readonly deadlineMs: number
  readonly resolve: () => void
}

export class FakeTransport implements Transport {
  readonly clock = new SimClock()
  readonly batchBytesMax: number
  isClosed = false
  /** Not answered yet, in the order of submission. */
  readonly submitted: Submitted[] = []
  readonly requests: AdminRequest[] = []
  /** Set to hold the producer id back until the promise resolves. */
  producerIdGate: Promise<void> = Promise.resolve()
  readonly failures = new Map<string, ErrorData>()
  readonly #topics = new Map<string, TopicInfo>()
  readonly #ends = new Map<string, PartitionEnds>()
  readonly #waiters = new Set<Waiter>()
  readonly #closeListeners = new Set<() => void>()
  readonly #memoryBytes: number
  usedBytes = 0
  /** What was appended in earlier generations is not in the log any more. */
  lostBelowGeneration = 0
  /** Partitions that somebody watches; advance() looks at everybody who waits, watching or not. */
  watchCount = 0
  #nextProducerId = 1000

  constructor(memoryBytes = 1 << 20) {
    this.#memoryBytes = memoryBytes
    this.batchBytesMax = memoryBytes >> 1
  }

  addTopic(topic: string, partitionCount: number, info: Partial<TopicInfo> = {}): this {
    this.#topics.set(topic, {
      topic,
      topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
      partitionCount,
      configs: {},
      maxMessageBytes: 1_048_588,
      compressionType: 'producer',
      isCompacted: false,
      ...info,
    })
    return this
  }

  removeTopic(topic: string): void {
    this.#topics.delete(topic)
  }

  setCommitted(topic: string, partition: number, committedOffset: number): void {
    const highWatermark = Math.max(committedOffset, this.ends(topic, partition).highWatermark)
    this.#ends.set(`${topic}-${partition}`, { logStartOffset: 0, highWatermark, committedOffset })
  }

  /** Lets time pass and everybody who waits look; then lets promises run. */
  async advance(ms = 0): Promise<void> {
    this.clock.advance(ms)
    for (let round = 0; round < 20; round++) {
      for (const waiter of [...this.#waiters]) {
        const isDue = this.clock.monotonicMs() >= waiter.deadlineMs
        if (!isDue && !this.isClosed && !waiter.isReady()) continue
        this.#waiters.delete(waiter)
        waiter.resolve()
      }
      await Promise.resolve()
    }
  }

  /** Answers the oldest batch with success; offsets are counted per partition. */
  async appendNext(): Promise<Submitted> {
    const batch = this.#take()
    const key = `${batch.topic}-${batch.partition}`
    const { highWatermark, committedOffset } = this.ends(batch.topic, batch.partition)
    const end = highWatermark + batch.values.length
    this.#ends.set(key, { logStartOffset: 0, highWatermark: end, committedOffset })
    this.release(batch.memory)
    batch.listener.onAppended(highWatermark, -1, 0)
    await this.advance()
    return batch
  }

  async refuseNext(code: ErrorCode, isUnknown = false): Promise<Submitted> {
    const batch = this.#take()
    const isKept = batch.listener.onFailed({ code, message: `refused with ${code}` }, isUnknown)
    if (!isKept) this.release(batch.memory)
    await this.advance()
    return batch
  }

  #take(): Submitted {
    const batch = this.submitted.shift()
    if (batch === undefined) throw new Error('nothing was submitted')
    return batch
  }

  onClose(listener: () => void): () => void {
    this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  /** The log is gone, as LocalTransport.shutDown does it. */
  async shutDown(): Promise<void> {
    this.isClosed = true
    const error = { code: 'LOG_CLOSED', message: 'the log is closed' } as const
    for (const { listener } of this.submitted.splice(0)) listener.onFailed(error, true)
    for (const listener of this.#closeListeners) listener()
    await this.advance()
  }

  topic(name: string): TopicInfo | undefined {
    return this.#topics.get(name)
  }

  topics(): TopicInfo[] {
    return [...this.#topics.values()]
  }

  onTopics(): () => void {
    return () => undefined
  }

  reserve(sizeBytes: number): BatchMemory | undefined {
    if (this.usedBytes + sizeBytes > this.#memoryBytes) return undefined
    this.usedBytes += sizeBytes
    const bytes = new Uint8Array(sizeBytes)
    return { bytes, view: new DataView(bytes.buffer), start: 0, sizeBytes }
  }

  trim(memory: BatchMemory, keptBytes: number): void {
    this.usedBytes -= memory.sizeBytes - keptBytes
    memory.sizeBytes = keptBytes
  }

  release(memory: BatchMemory): void {
    this.usedBytes -= memory.sizeBytes
    if (this.usedBytes < 0) throw new Error('more memory was released than reserved')
  }

  submit(
    topic: string,
    partition: number,
    memory: BatchMemory,
    lengthBytes: number,
    acks: Acks,
    listener: BatchListener,
  ): void {
    if (this.isClosed) throw new VltavaError('LOG_CLOSED', 'the log is closed')
    if (!this.#topics.has(topic)) throw new UnknownTopicOrPartitionError(topic, partition, `${topic} does not exist`)
    const bytes = memory.bytes.slice(memory.start, memory.start + lengthBytes)
    const batch = new RecordBatchView(bytes)
    const fault = batchFault(batch, 0, lengthBytes)
    if (fault !== undefined) throw new Error(`the producer submitted a bad batch: ${fault}`)
    const timestamps = readRecords(bytes).map(({ timestamp }) => timestamp)
    const values = readRecords(bytes).map(({ value }) => (value === null ? '-' : Buffer.from(value).toString()))
    const { codecId, sizeBytes, producerId, producerEpoch, baseSequence } = batch
    const sent = {
      topic,
      partition,
      acks,
      values,
      timestamps,
      codecId,
      sizeBytes,
      producerId,
      producerEpoch,
      baseSequence,
    }
    this.submitted.push({ ...sent, memory, listener })
  }

  commitState(topic: string, partition: number, endOffset: number, generation: number): CommitState {
    if (generation < this.lostBelowGeneration) return 'lost'
    return this.ends(topic, partition).committedOffset >= endOffset ? 'committed' : 'waiting'
  }

  wake(): void {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.isReady()) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  poll(): void {
    // Answers come when the test gives them.
  }

  async wait(isReady: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true || isReady()) return
    await new Promise<void>((resolve) => {
      const waiter = { isReady, deadlineMs: this.clock.monotonicMs() + timeoutMs, resolve }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', () => {
        this.#waiters.delete(waiter)
        resolve()
      })
    })
  }

  reader(): PartitionReader {
    throw new Error('this transport is for producers')
  }

  ends(topic: string, partition: number): PartitionEnds {
    return this.#ends.get(`${topic}-${partition}`) ?? { logStartOffset: 0, highWatermark: 0, committedOffset: 0 }
  }

  partitionFailure(topic: string, partition: number): ErrorData | undefined {
    return this.failures.get(`${topic}-${partition}`)
  }

  watch(): () => void {
    this.watchCount += 1
    return () => {
      this.watchCount -= 1
    }
  }

  lookup(): Promise<OffsetAndTimestamp> {
    throw new Error('this transport is for producers')
  }

  async request<R extends AdminRequest>(request: R): Promise<AdminReplies[R['type']]> {
    this.requests.push(request)
    await this.producerIdGate
    return this.#nextProducerId++ as AdminReplies[R['type']]
  }

  close(): Promise<void> {
    return this.shutDown()
  }
}
