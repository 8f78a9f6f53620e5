/**
 * AckProbe: a Transport that measures, batch by batch, how long an append waits for its acknowledgement, and leaves
 * everything else to the transport behind it. Owned by the producer's thread.
 *
 * A batch begins with reserve(), for its first record: `intendedMs` is that record's time, so the oldest record of each
 * batch is measured, and under a schedule from when it was due. With acks 0 and 1 the batch is acknowledged by its
 * answer; with acks=all when the partition's committed offset has passed it, which the producer looks at after each
 * poll(), as the probe does.
 */
import type { ErrorData } from '../../base/errors.ts'
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
} from '../../protocol/transport.ts'
import { RECORD_COUNT } from '../../record/batch-layout.ts'
import type { LatencyHistogram } from './latency-histogram.ts'
import type { SharedClock } from './shared-clock.ts'

/** Appended, not yet committed. */
interface Uncommitted {
  readonly endOffset: number
  readonly startedMs: number
}

export class AckProbe implements Transport {
  /** When the record that is being appended was due; set it before append(). */
  intendedMs = 0
  /** Batches that began earlier are not counted. */
  countFromMs = 0
  readonly batchBytesMax: number
  readonly #inner: Transport
  readonly #clock: SharedClock
  readonly #latency: LatencyHistogram
  readonly #startedMs = new Map<BatchMemory, number>()
  readonly #uncommitted = new Map<string, { topic: string; partition: number; batches: Uncommitted[] }>()

  constructor(inner: Transport, clock: SharedClock, latency: LatencyHistogram) {
    this.#inner = inner
    this.#clock = clock
    this.#latency = latency
    this.batchBytesMax = inner.batchBytesMax
  }

  get isClosed(): boolean {
    return this.#inner.isClosed
  }

  reserve(sizeBytes: number): BatchMemory | undefined {
    const memory = this.#inner.reserve(sizeBytes)
    if (memory !== undefined) this.#startedMs.set(memory, this.intendedMs)
    return memory
  }

  trim(memory: BatchMemory, keptBytes: number): void {
    this.#inner.trim(memory, keptBytes)
  }

  release(memory: BatchMemory): void {
    this.#startedMs.delete(memory)
    this.#inner.release(memory)
  }

  submit(
    topic: string,
    partition: number,
    memory: BatchMemory,
    lengthBytes: number,
    acks: Acks,
    listener: BatchListener,
  ): void {
    const startedMs = this.#startedMs.get(memory) ?? this.intendedMs
    const count = memory.view.getInt32(memory.start + RECORD_COUNT)
    const measured: BatchListener = {
      onAppended: (baseOffset, timestamp, generation) => {
        if (acks === -1) this.#await(topic, partition, { endOffset: baseOffset + count, startedMs })
        else this.#record(startedMs, this.#clock.now())
        listener.onAppended(baseOffset, timestamp, generation)
      },
      onFailed: (error: ErrorData, isUnknown: boolean) => listener.onFailed(error, isUnknown),
    }
    this.#inner.submit(topic, partition, memory, lengthBytes, acks, measured)
    this.#startedMs.delete(memory)
  }

  #await(topic: string, partition: number, batch: Uncommitted): void {
    const key = `${topic}-${partition}`
    const lane = this.#uncommitted.get(key)
    if (lane === undefined) this.#uncommitted.set(key, { topic, partition, batches: [batch] })
    else lane.batches.push(batch)
  }

  commitState(topic: string, partition: number, endOffset: number, generation: number): CommitState {
    return this.#inner.commitState(topic, partition, endOffset, generation)
  }

  wake(): void {
    this.#inner.wake()
  }

  poll(): void {
    this.#inner.poll()
    for (const { topic, partition, batches } of this.#uncommitted.values()) {
      if (batches.length === 0) continue
      const { committedOffset } = this.#inner.ends(topic, partition)
      let done = 0
      while (done < batches.length && batches[done]!.endOffset <= committedOffset) done += 1
      if (done === 0) continue
      const now = this.#clock.now()
      for (const { startedMs } of batches.splice(0, done)) this.#record(startedMs, now)
    }
  }

  #record(startedMs: number, nowMs: number): void {
    if (startedMs >= this.countFromMs) this.#latency.record(nowMs - startedMs)
  }

  onClose(listener: () => void): () => void {
    return this.#inner.onClose(listener)
  }

  topic(name: string): TopicInfo | undefined {
    return this.#inner.topic(name)
  }

  topics(): TopicInfo[] {
    return this.#inner.topics()
  }

  onTopics(listener: () => void): () => void {
    return this.#inner.onTopics(listener)
  }

  wait(isReady: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return this.#inner.wait(isReady, timeoutMs, signal)
  }

  reader(topic: string, partition: number, offset: number): PartitionReader {
    return this.#inner.reader(topic, partition, offset)
  }

  ends(topic: string, partition: number): PartitionEnds {
    return this.#inner.ends(topic, partition)
  }

  partitionFailure(topic: string, partition: number): ErrorData | undefined {
    return this.#inner.partitionFailure(topic, partition)
  }

  watch(topic: string, partition: number): () => void {
    return this.#inner.watch(topic, partition)
  }

  lookup(topic: string, partition: number, spec: OffsetSpec): Promise<OffsetAndTimestamp> {
    return this.#inner.lookup(topic, partition, spec)
  }

  request<R extends AdminRequest>(request: R, signal?: AbortSignal): Promise<AdminReplies[R['type']]> {
    return this.#inner.request(request, signal)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
