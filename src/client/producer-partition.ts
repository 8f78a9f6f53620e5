/**
 * ProducerPartition: one producer's lane to one partition: the open batch, what is ready, what is under way, sequence
 * numbers. Owned by the producer's thread. @hot
 *
 * At most IN_FLIGHT_MAX batches are submitted and not appended: that is how many the log remembers to recognise a
 * repetition (KIP-98), so a restarted shard can be sent the same batches again.
 *
 * After a refused batch the sequence has a gap and the log refuses what follows; so it does when it has lost batches
 * itself (a leader that failed before its followers had them, KIP-360). Then everything under way is awaited,
 * the epoch is raised (which lets the sequence start at 0), and batches that were refused for the gap alone are
 * submitted again, in order, before anything newer.
 */
import { assert } from '../base/assert.ts'
import { UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import type { Acks, Transport } from '../protocol/transport.ts'
import { NO_SEQUENCE, sequenceAfter } from '../record/batch-layout.ts'
import { restampProducer } from '../record/batch-builder.ts'
import type { CompressionName } from '../record/compression/codec.ts'
import type { Lane, ProducerBatch } from './producer-batch.ts'

const IN_FLIGHT_MAX = 5
const EPOCH_MAX = 0x7fff

/** What the lanes of a producer share with it. */
export interface ProducerCore {
  readonly transport: Transport
  readonly acks: Acks
  readonly compression: CompressionName
  readonly compressionLevel: number | undefined
  /** The producer's codec, unless the topic insists on one. */
  compressionFor(topic: string): CompressionName
  /** Undefined until the log has given one; -1 without idempotence. */
  readonly producerId: number | undefined
  /** Batches wait for the producer id. */
  wantProducerId(): void
  batchFailed(batch: ProducerBatch, error: VltavaError): void
  batchAppended(batch: ProducerBatch): void
}

export class ProducerPartition implements Lane {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly #core: ProducerCore
  open: ProducerBatch | undefined
  /** Closed and not submitted yet, oldest first. */
  #ready: ProducerBatch[] = []
  #inFlightCount = 0
  /** Refused for a gap in the sequence; submitted again, in this order, under the next epoch. */
  #again: ProducerBatch[] = []
  #hasGap = false
  #epoch = 0
  #sequence = 0

  constructor(core: ProducerCore, topic: string, topicId: string, partition: number) {
    this.#core = core
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
  }

  get isIdle(): boolean {
    return this.#inFlightCount === 0 && this.#ready.length === 0 && this.#again.length === 0
  }

  /** The open batch takes no more records. */
  closeOpen(): void {
    const { open } = this
    if (open === undefined) return
    open.recordCount = open.builder.recordCount
    this.#core.transport.trim(open.memory, open.builder.sizeBytes)
    this.#ready.push(open)
    this.open = undefined
    this.submitReady()
  }

  /** Submits as much as may be under way; the rest goes when answers come. */
  submitReady(): void {
    const { producerId } = this.#core
    if (producerId === undefined) {
      if (this.#ready.length > 0) this.#core.wantProducerId()
      return
    }
    if (this.#hasGap) return
    while (this.#ready.length > 0 && this.#inFlightCount < IN_FLIGHT_MAX) {
      const batch = this.#ready[0]!
      if (batch.lengthBytes === 0) this.#seal(batch, producerId)
      if (!this.#submit(batch)) return
      this.#ready.shift()
      this.#inFlightCount += 1
    }
  }

  #submit(batch: ProducerBatch): boolean {
    const { transport, acks } = this.#core
    try {
      if (transport.topic(this.topic)?.topicId !== this.topicId) throw deletedTopic(this)
      transport.submit(this.topic, this.partition, batch.memory, batch.lengthBytes, acks, batch)
      return true
    } catch (error) {
      // The topic was deleted, or the log closed: nothing of this lane can be submitted any more.
      if (!(error instanceof VltavaError)) throw error
      const open = this.open
      this.open = undefined
      this.abandon(error)
      this.open = open
      return false
    }
  }

  #seal(batch: ProducerBatch, producerId: number): void {
    const compression = this.#core.compressionFor(this.topic)
    // The level was given for the producer's codec; where the topic insists on another it means nothing.
    const compressionLevel = compression === this.#core.compression ? this.#core.compressionLevel : undefined
    const hasId = producerId >= 0
    const sequence = hasId ? this.#sequence : NO_SEQUENCE
    const epoch = hasId ? this.#epoch : -1
    batch.lengthBytes = batch.builder.close(compression, compressionLevel, 0, producerId, epoch, sequence)
    batch.startsEpoch = sequence === 0
    if (hasId) this.#sequence = sequenceAfter(this.#sequence, batch.recordCount)
  }

  appended(batch: ProducerBatch): void {
    this.#answered()
    this.#core.batchAppended(batch)
  }

  failed(batch: ProducerBatch, error: VltavaError, isUnknown: boolean): boolean {
    const isIdempotent = (this.#core.producerId ?? -1) >= 0
    const isOutOfOrder = error.code === 'OUT_OF_ORDER_SEQUENCE_NUMBER' && !isUnknown
    // Without a gap of ours the log has lost what it had acknowledged; what comes after it does not fail for that.
    if (isIdempotent && isOutOfOrder && (this.#hasGap || !batch.startsEpoch)) {
      this.#hasGap = true
      this.#again.push(batch)
      this.#answered()
      return true
    }
    if (isIdempotent) this.#hasGap = true
    this.#core.batchFailed(batch, error)
    this.#answered()
    return false
  }

  #answered(): void {
    this.#inFlightCount -= 1
    assert(this.#inFlightCount >= 0, 'each answer follows a submission')
    if (this.#hasGap && this.#inFlightCount === 0) this.#startEpoch()
    if (this.#ready.length > 0) this.submitReady()
  }

  #startEpoch(): void {
    assert(this.#epoch < EPOCH_MAX, 'a producer survives 32,767 refusals of one partition')
    this.#epoch += 1
    this.#sequence = 0
    this.#hasGap = false
    this.#ready = [...this.#again, ...this.#ready]
    this.#again = []
    for (const batch of this.#ready) {
      if (batch.lengthBytes === 0) continue
      const { bytes, view, start } = batch.memory
      restampProducer(bytes, view, start, batch.lengthBytes, this.#epoch, this.#sequence)
      batch.startsEpoch = this.#sequence === 0
      this.#sequence = sequenceAfter(this.#sequence, batch.recordCount)
    }
    this.submitReady()
  }

  /** Gives up what was not submitted. */
  abandon(error: VltavaError): void {
    if (this.open !== undefined) this.open.recordCount = this.open.builder.recordCount
    const batches = [...this.#again, ...this.#ready, ...(this.open === undefined ? [] : [this.open])]
    this.open = undefined
    this.#ready = []
    this.#again = []
    for (const batch of batches) {
      if (batch.lengthBytes === 0) batch.builder.abandon()
      this.#core.transport.release(batch.memory)
      this.#core.batchFailed(batch, error)
    }
  }
}

export function deletedTopic({ topic, partition }: Pick<Lane, 'topic' | 'partition'>): UnknownTopicOrPartitionError {
  return new UnknownTopicOrPartitionError(
    topic,
    partition,
    `topic=${topic} was deleted before its records were written`,
  )
}
