/**
 * Producer state of one partition: what makes a retried batch land once (KIP-98). Owned by the partition's shard.
 *
 * For each producer id: its epoch and its last five batches. An exact repetition of any of the five is answered with
 * the first one's offsets and not written; a gap is refused. Kafka's rules:
 *
 *  epoch < known                   INVALID_PRODUCER_EPOCH
 *  epoch > known                   the first sequence must be 0, else OUT_OF_ORDER_SEQUENCE_NUMBER
 *  same epoch, no batch of it yet  as above: a transaction marker has raised the epoch
 *  same epoch, one of the five     duplicate: success with the original offsets
 *  same epoch, next in sequence    accepted (2^31 - 1 is followed by 0)
 *  same epoch, anything else       OUT_OF_ORDER_SEQUENCE_NUMBER
 *  producer unknown                any first sequence is accepted
 *
 * Invariant: a producer has 0 to 5 batches, oldest first, whose sequences follow each other.
 * The state survives restarts by snapshot files (producer-snapshot.ts) and a replay of the log after the snapshot.
 */
import { ERROR_CODES } from '../base/errors.ts'
import { NO_PRODUCER_ID, sequenceAfter } from '../record/batch-layout.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { readTransactionMarker } from '../record/control-record.ts'
import type { ProducerSnapshotEntry } from './producer-snapshot.ts'

const BATCHES_KEPT = 5

interface ProducerBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
}

interface ProducerEntry {
  epoch: number
  coordinatorEpoch: number
  currentTransactionFirstOffset: number
  lastTimestamp: number
  /** Monotonic time at which it was last heard of. */
  seenMs: number
  readonly batches: ProducerBatch[]
}

/** ACCEPT: append it. DUPLICATE: answer with `duplicateBaseOffset`. Else a Kafka error code above 0. */
export const ACCEPT = 0
export const DUPLICATE = -2

export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>()
  /** Of the batch that check() last found to be a duplicate. */
  duplicateBaseOffset = -1
  duplicateTimestamp = -1
  /** Monotonic time, as the owner last told it; to the second will do. */
  nowMs = 0

  get size(): number {
    return this.#producers.size
  }

  /** Whether a batch with a producer id may be appended. */
  check(batch: RecordBatchView): number {
    const producerId = batch.producerId
    if (producerId === NO_PRODUCER_ID) return ACCEPT
    const entry = this.#producers.get(producerId)
    if (entry === undefined) return ACCEPT
    const epoch = batch.producerEpoch
    const first = batch.baseSequence
    if (epoch < entry.epoch) return ERROR_CODES.INVALID_PRODUCER_EPOCH.kafkaCode
    if (epoch > entry.epoch || entry.batches.length === 0) {
      return first === 0 ? ACCEPT : ERROR_CODES.OUT_OF_ORDER_SEQUENCE_NUMBER.kafkaCode
    }
    const last = sequenceAfter(first, batch.lastOffsetDelta)
    for (const known of entry.batches) {
      if (known.firstSequence === first && known.lastSequence === last) {
        this.duplicateBaseOffset = known.lastOffset - known.offsetDelta
        this.duplicateTimestamp = known.timestamp
        return DUPLICATE
      }
    }
    const newest = entry.batches[entry.batches.length - 1]!
    return first === sequenceAfter(newest.lastSequence, 1) ? ACCEPT : ERROR_CODES.OUT_OF_ORDER_SEQUENCE_NUMBER.kafkaCode
  }

  /** Takes note of a batch that has its offsets; also used for replay, where the log is right by definition. */
  update(batch: RecordBatchView): void {
    const producerId = batch.producerId
    if (producerId === NO_PRODUCER_ID) return
    if (batch.isControl) {
      const marker = readTransactionMarker(batch)
      if (marker === undefined) return
      this.endTransaction(producerId, batch.producerEpoch, marker.coordinatorEpoch, batch.maxTimestamp)
      return
    }
    const epoch = batch.producerEpoch
    let entry = this.#producers.get(producerId)
    if (entry === undefined) {
      entry = newEntry(epoch, -1, -1)
      this.#producers.set(producerId, entry)
    }
    if (epoch !== entry.epoch) {
      entry.epoch = epoch
      entry.batches.length = 0
    }
    const firstSequence = batch.baseSequence
    const offsetDelta = batch.lastOffsetDelta
    if (entry.batches.length === BATCHES_KEPT) entry.batches.shift()
    entry.batches.push({
      firstSequence,
      lastSequence: sequenceAfter(firstSequence, offsetDelta),
      lastOffset: batch.lastOffset,
      offsetDelta,
      timestamp: batch.maxTimestamp,
    })
    entry.lastTimestamp = batch.maxTimestamp
    entry.seenMs = this.nowMs
    if (batch.isTransactional && entry.currentTransactionFirstOffset < 0) {
      entry.currentTransactionFirstOffset = batch.baseOffset
    }
  }

  /** A transaction marker was appended: the producer's open transaction has ended. */
  endTransaction(producerId: number, producerEpoch: number, coordinatorEpoch: number, timestamp: number): void {
    const entry = this.#producers.get(producerId)
    if (entry === undefined) {
      const made = newEntry(producerEpoch, coordinatorEpoch, timestamp)
      made.seenMs = this.nowMs
      this.#producers.set(producerId, made)
      return
    }
    if (producerEpoch !== entry.epoch) {
      entry.epoch = producerEpoch
      entry.batches.length = 0
    }
    entry.coordinatorEpoch = coordinatorEpoch
    entry.currentTransactionFirstOffset = -1
    entry.lastTimestamp = timestamp
    entry.seenMs = this.nowMs
  }

  /**
   * Forgets producers that were silent for `expirationMs` and have no open transaction. By our own monotonic clock:
   * record timestamps are the producers' to choose, and the wall clock may jump.
   */
  expire(expirationMs: number): void {
    for (const [producerId, entry] of this.#producers) {
      if (entry.currentTransactionFirstOffset < 0 && this.nowMs - entry.seenMs >= expirationMs) {
        this.#producers.delete(producerId)
      }
    }
  }

  clear(): void {
    this.#producers.clear()
  }

  /** What DescribeProducers tells. */
  describe(): {
    producerId: number
    producerEpoch: number
    lastSequence: number
    lastTimestamp: number
    coordinatorEpoch: number
    currentTransactionFirstOffset: number
  }[] {
    return [...this.#producers].map(([producerId, entry]) => ({
      producerId,
      producerEpoch: entry.epoch,
      lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTransactionFirstOffset: entry.currentTransactionFirstOffset,
    }))
  }

  /** For a snapshot file: the last batch of each producer, as Kafka keeps it. */
  entries(): ProducerSnapshotEntry[] {
    const entries: ProducerSnapshotEntry[] = []
    for (const [producerId, entry] of this.#producers) {
      const last = entry.batches[entry.batches.length - 1]
      entries.push({
        producerId,
        producerEpoch: entry.epoch,
        lastSequence: last === undefined ? -1 : last.lastSequence,
        lastOffset: last === undefined ? -1 : last.lastOffset,
        offsetDelta: last === undefined ? 0 : last.offsetDelta,
        timestamp: entry.lastTimestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTransactionFirstOffset: entry.currentTransactionFirstOffset,
      })
    }
    return entries
  }

  load(entries: readonly ProducerSnapshotEntry[]): void {
    this.#producers.clear()
    for (const entry of entries) {
      const batches: ProducerBatch[] = []
      if (entry.lastOffset >= 0) {
        batches.push({
          firstSequence: (entry.lastSequence - entry.offsetDelta) & 0x7fff_ffff,
          lastSequence: entry.lastSequence,
          lastOffset: entry.lastOffset,
          offsetDelta: entry.offsetDelta,
          timestamp: entry.timestamp,
        })
      }
      this.#producers.set(entry.producerId, {
        epoch: entry.producerEpoch,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTransactionFirstOffset: entry.currentTransactionFirstOffset,
        lastTimestamp: entry.timestamp,
        seenMs: this.nowMs,
        batches,
      })
    }
  }

  /** The greatest producer id seen, or -1: new ids must be greater. */
  greatestProducerId(): number {
    let greatest = -1
    for (const producerId of this.#producers.keys()) greatest = Math.max(greatest, producerId)
    return greatest
  }
}

function newEntry(epoch: number, coordinatorEpoch: number, lastTimestamp: number): ProducerEntry {
  return { epoch, coordinatorEpoch, currentTransactionFirstOffset: -1, lastTimestamp, seenMs: 0, batches: [] }
}
