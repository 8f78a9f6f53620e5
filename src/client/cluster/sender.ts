/**
 * Sender: takes batches from submission to answer: which go to which broker, in which request, and what an answer, or
 * its absence, means for each. Owned by one thread. @hot
 *
 * Batches of several partitions share a request, at most one of each, up to maxRequestBytes; at most
 * REQUESTS_IN_FLIGHT_MAX requests of a broker are unanswered. What is submitted meanwhile waits, and makes the next
 * request larger. The order within a partition is kept by partition-queue.ts.
 *
 * A batch is tried until its delivery timeout has passed; an attempt that is under way then may take until the request
 * timeout. Its memory is kept until the end: the socket sends from it.
 */
import { UnknownTopicOrPartitionError, VltavaError, type ErrorData } from '../../base/errors.ts'
import { ZERO_UUID } from '../../base/uuid.ts'
import { produce } from '../../protocol/messages/00-produce.ts'
import type { Acks, BatchListener, BatchMemory } from '../../protocol/transport.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import { BASE_SEQUENCE, RECORD_COUNT } from '../../record/batch-layout.ts'
import { backoffMs } from './backoff.ts'
import type { Broker } from './broker.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import type { BorrowedBytes, Connection } from './connection.ts'
import { PartitionQueue, type PendingBatch, queueKey } from './partition-queue.ts'
import { describeRefusal, judge } from './produce-errors.ts'
import type { ClusterEnv, ClusterSettings } from './settings.ts'

const REQUESTS_IN_FLIGHT_MAX = 5
/** Topics by name up to here; by id from the next version on. */
const LAST_VERSION_BY_NAME = 12

type PartitionAnswer = ResponseOf<typeof produce>['responses'][number]['partitionResponses'][number]

/** What becomes of batches is told here. */
export interface SenderListener {
  /** The batch's memory is free. */
  release(memory: BatchMemory): void
  /** Records before `endOffset` are on all replicas. */
  onCommitted(topic: string, partition: number, endOffset: number): void
  /** Something was answered. */
  onProgress(): void
}

export class Sender {
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #brokers: Brokers
  readonly #metadata: ClusterMetadata
  readonly #listener: SenderListener
  /** Those that have batches, by topic id and partition; in the order in which they are looked at. */
  readonly #queues = new Map<string, PartitionQueue>()
  readonly #requestsInFlight = new Map<Broker, number>()
  #isPumpDue = false
  #timer: { readonly atMs: number; cancel(): void } | undefined
  #isClosed = false

  constructor(
    env: ClusterEnv,
    settings: ClusterSettings,
    brokers: Brokers,
    metadata: ClusterMetadata,
    listener: SenderListener,
  ) {
    this.#env = env
    this.#settings = settings
    this.#brokers = brokers
    this.#metadata = metadata
    this.#listener = listener
  }

  /** Batches that are not answered exist. */
  get isBusy(): boolean {
    return this.#queues.size > 0
  }

  submit(
    topic: string,
    topicId: string,
    partition: number,
    memory: BatchMemory,
    lengthBytes: number,
    acks: Acks,
    listener: BatchListener,
  ): void {
    let queue = this.#queues.get(queueKey(topicId, topic, partition))
    if (queue === undefined) {
      queue = new PartitionQueue(topic, topicId, partition)
      this.#queues.set(queue.key, queue)
    }
    const sequence = memory.view.getInt32(memory.start + BASE_SEQUENCE)
    queue.batches.push({
      queue,
      memory,
      lengthBytes,
      recordCount: memory.view.getInt32(memory.start + RECORD_COUNT),
      hasSequence: sequence >= 0,
      startsEpoch: sequence === 0,
      acks,
      listener,
      deadlineMs: this.#env.clock.monotonicMs() + this.#settings.deliveryTimeoutMs,
      isSent: false,
      isUnknown: false,
      attempts: 0,
    })
    this.pumpSoon()
  }

  /** Something may have become possible. What is submitted in one turn shares requests. */
  pumpSoon(): void {
    if (this.#isPumpDue) return
    this.#isPumpDue = true
    queueMicrotask(() => {
      this.#isPumpDue = false
      if (!this.#isClosed) this.#pump()
    })
  }

  #pump(): void {
    const now = this.#env.clock.monotonicMs()
    this.#giveUp(now)
    const byBroker = new Map<Broker, PendingBatch[]>()
    let wakeAtMs = Number.POSITIVE_INFINITY
    let isLeaderless = false
    for (const queue of this.#queues.values()) {
      const head = queue.batches[0]!
      if (!head.isSent) wakeAtMs = Math.min(wakeAtMs, head.deadlineMs)
      if (queue.notBeforeMs > now) wakeAtMs = Math.min(wakeAtMs, queue.notBeforeMs)
      const broker = this.#leaderOf(queue)
      if (broker === undefined) {
        isLeaderless = true
        continue
      }
      const batch = queue.next(broker.nodeId, now)
      if (batch === undefined) continue
      const batches = byBroker.get(broker)
      if (batches === undefined) byBroker.set(broker, [batch])
      else batches.push(batch)
    }
    if (isLeaderless) this.#metadata.refreshSoon()
    for (const [broker, batches] of byBroker) this.#sendTo(broker, batches)
    this.#wakeAt(wakeAtMs, now)
  }

  #leaderOf({ topic, partition }: PartitionQueue): Broker | undefined {
    const leader = this.#metadata.leaderOf(topic, partition)
    return leader === undefined || leader.nodeId < 0 ? undefined : this.#brokers.get(leader.nodeId)
  }

  #wakeAt(atMs: number, now: number): void {
    if (atMs === Number.POSITIVE_INFINITY || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return
    this.#timer?.cancel()
    const { cancel } = this.#env.timers.after(Math.max(0, atMs - now), () => {
      this.#timer = undefined
      this.pumpSoon()
    })
    this.#timer = { atMs, cancel }
  }

  /** One request after the other, until the broker has enough or nothing is left. */
  #sendTo(broker: Broker, candidates: PendingBatch[]): void {
    let left = candidates
    while (left.length > 0) {
      const inFlight = this.#requestsInFlight.get(broker) ?? 0
      if (inFlight >= REQUESTS_IN_FLIGHT_MAX) return
      const { acks } = left[0]!
      const chosen: PendingBatch[] = []
      const others: PendingBatch[] = []
      let bytes = 0
      for (const batch of left) {
        const isRoom = chosen.length === 0 || bytes + batch.lengthBytes <= this.#settings.maxRequestBytes
        if (batch.acks !== acks || !isRoom) {
          others.push(batch)
          continue
        }
        chosen.push(batch)
        bytes += batch.lengthBytes
      }
      for (const batch of chosen) {
        batch.queue.sent(batch, broker.nodeId)
        this.#toTheEnd(batch.queue)
      }
      this.#requestsInFlight.set(broker, inFlight + 1)
      void this.#exchange(broker, acks, chosen)
      const now = this.#env.clock.monotonicMs()
      const followers = chosen.flatMap(({ queue }) => queue.next(broker.nodeId, now) ?? [])
      left = [...others, ...followers]
    }
  }

  /** Partitions take turns when not everything fits. */
  #toTheEnd(queue: PartitionQueue): void {
    this.#queues.delete(queue.key)
    this.#queues.set(queue.key, queue)
  }

  async #exchange(broker: Broker, acks: Acks, batches: PendingBatch[]): Promise<void> {
    let connection: Connection | undefined
    try {
      connection = await broker.connection('produce')
      const isById = batches.every(({ queue }) => queue.topicId !== ZERO_UUID)
      const version = connection.versionOf(produce, isById ? Infinity : LAST_VERSION_BY_NAME)
      const message = this.#request(acks, batches, version)
      if (acks === 0) {
        await sent(connection, version, message)
        if (this.#isClosed) return
        for (const batch of batches) this.#written(batch, -1, -1)
      } else {
        const answer = await connection.request(produce, version, message)
        if (this.#isClosed) return
        this.#answered(batches, answer)
      }
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      if (this.#isClosed) return
      this.#unanswered(batches, error, connection !== undefined)
    } finally {
      this.#requestsInFlight.set(broker, this.#requestsInFlight.get(broker)! - 1)
      if (broker.isClosed && this.#requestsInFlight.get(broker) === 0) this.#requestsInFlight.delete(broker)
    }
    this.#listener.onProgress()
    this.pumpSoon()
  }

  #request(acks: Acks, batches: readonly PendingBatch[], version: number): ProduceRequest {
    const topics = new Map<string, PendingBatch[]>()
    for (const batch of batches) {
      const { topic } = batch.queue
      const some = topics.get(topic)
      if (some === undefined) topics.set(topic, [batch])
      else some.push(batch)
    }
    const topicData = [...topics.values()].map((some) => {
      const { topic, topicId } = some[0]!.queue
      const partitionData = some.map(({ queue, memory, lengthBytes }) => {
        const bytes = memory.bytes.subarray(memory.start, memory.start + lengthBytes)
        const records: BorrowedBytes = { sizeBytes: lengthBytes, bytes }
        return { index: queue.partition, records }
      })
      return version > LAST_VERSION_BY_NAME ? { topicId, partitionData } : { name: topic, partitionData }
    })
    return { acks, timeoutMs: this.#settings.requestTimeoutMs, topicData }
  }

  #answered(batches: readonly PendingBatch[], answer: ResponseOf<typeof produce>): void {
    const byPlace = new Map<string, PartitionAnswer>()
    for (const { name, topicId, partitionResponses } of answer.responses) {
      const topic = name === '' ? topicId : name
      for (const each of partitionResponses) byPlace.set(`${topic}/${each.index}`, each)
    }
    for (const batch of batches) {
      const { topic, topicId, partition } = batch.queue
      const place = byPlace.get(`${topicId}/${partition}`) ?? byPlace.get(`${topic}/${partition}`)
      if (place !== undefined) this.#judge(batch, place)
      else this.#again(batch, true) // The broker did not say.
    }
  }

  #judge(batch: PendingBatch, answer: PartitionAnswer): void {
    const { errorCode, baseOffset, logAppendTimeMs } = answer
    if (errorCode === 0) return this.#written(batch, baseOffset, logAppendTimeMs)
    switch (judge(errorCode)) {
      case 'written':
        return this.#written(batch, -1, -1)
      case 'refresh':
        this.#metadata.refreshSoon()
        return this.#again(batch, false)
      case 'retry':
        return this.#again(batch, true) // It may have been appended all the same.
      case 'sequence':
        // Refused for the gap that an earlier batch left, which is on its way again.
        if (!batch.queue.isHead(batch)) return this.#again(batch, false)
        batch.isUnknown = false // The log would know it.
        return this.#failed(batch, this.#refusal(batch, answer))
      case 'refused':
        return this.#failed(batch, this.#refusal(batch, answer))
    }
  }

  #refusal(batch: PendingBatch, { errorCode, errorMessage }: PartitionAnswer): ErrorData {
    const limit = this.#metadata.topic(batch.queue.topic)?.maxMessageBytes
    return describeRefusal(errorCode, errorMessage, batch, limit)
  }

  /** No answer came; `mayBeWritten` if the request may have gone. */
  #unanswered(batches: readonly PendingBatch[], error: VltavaError, mayBeWritten: boolean): void {
    this.#metadata.refreshSoon()
    for (const batch of batches) {
      if (error.retriable) this.#again(batch, mayBeWritten)
      else this.#failed(batch, { code: error.code, message: error.message })
    }
  }

  #again(batch: PendingBatch, isUnknown: boolean): void {
    if (isUnknown) batch.isUnknown = true
    const now = this.#env.clock.monotonicMs()
    batch.queue.again(batch, now + backoffMs(this.#settings.retryBackoff, batch.attempts - 1, this.#env))
  }

  /** -1: the offset is not known. */
  #written(batch: PendingBatch, baseOffset: number, logAppendTimeMs: number): void {
    const { queue, memory, acks, recordCount } = batch
    this.#remove(batch)
    if (acks === -1 && baseOffset >= 0) {
      this.#listener.onCommitted(queue.topic, queue.partition, baseOffset + recordCount)
    }
    this.#listener.release(memory)
    batch.listener.onAppended(baseOffset, logAppendTimeMs, 0)
  }

  #failed(batch: PendingBatch, error: ErrorData): void {
    this.#remove(batch)
    if (!batch.listener.onFailed(error, batch.isUnknown)) this.#listener.release(batch.memory)
  }

  #remove(batch: PendingBatch): void {
    const { queue } = batch
    queue.remove(batch)
    if (queue.batches.length === 0) this.#queues.delete(queue.key)
  }

  /** Batches whose topic is gone, or whose time is over and that are not under way. */
  #giveUp(now: number): void {
    for (const queue of this.#queues.values()) {
      const isGone = this.#metadata.topic(queue.topic)?.topicId !== queue.topicId
      // From the head on, which is due first; not past what is under way, whose answer tells more.
      for (let head = queue.batches[0]; head !== undefined && !head.isSent; head = queue.batches[0]) {
        if (isGone) this.#failed(head, goneTopic(queue))
        else if (head.deadlineMs <= now) this.#failed(head, this.#overdue(head))
        else break
      }
    }
  }

  #overdue({ queue, attempts }: PendingBatch): ErrorData {
    const { deliveryTimeoutMs } = this.#settings
    const message = `${queue.where} took no batch within deliveryTimeoutMs=${deliveryTimeoutMs}, attempts=${attempts}`
    return { code: 'REQUEST_TIMED_OUT', message }
  }

  /** Everything that is not answered fails; whether it was written nobody will say. */
  close(error: ErrorData): void {
    this.#isClosed = true
    this.#timer?.cancel()
    const batches = [...this.#queues.values()].flatMap((queue) => queue.batches.splice(0))
    this.#queues.clear()
    for (const { listener, memory } of batches) if (!listener.onFailed(error, true)) this.#listener.release(memory)
  }
}

interface ProduceRequest {
  readonly acks: Acks
  readonly timeoutMs: number
  readonly topicData: readonly {
    readonly name?: string
    readonly topicId?: string
    readonly partitionData: readonly { readonly index: number; readonly records: BorrowedBytes }[]
  }[]
}

/** Resolves when a request that has no answer has gone. */
function sent(connection: Connection, version: number, message: ProduceRequest): Promise<void> {
  return new Promise((resolve, reject) => connection.post(produce, version, message, resolve, reject))
}

function goneTopic({ topic, partition }: PartitionQueue): ErrorData {
  const message = `topic=${topic} was deleted before its records were written`
  const error = new UnknownTopicOrPartitionError(topic, partition, message)
  return { code: error.code, message, topic, partition }
}
