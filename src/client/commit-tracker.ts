/**
 * CommitTracker: batches of acks=all that are written and wait for the disk.
 *
 * A batch is committed when the partition's committed offset has passed its last record. The tracker sleeps in the
 * transport, which wakes when one of its partitions moves; it holds nothing while nothing waits.
 */
import { UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import type { Transport } from '../protocol/transport.ts'
import type { Lane, ProducerBatch } from './producer-batch.ts'

export class CommitTracker {
  readonly #transport: Transport
  readonly #onCommitted: (batch: ProducerBatch) => void
  readonly #onFailed: (batch: ProducerBatch, error: VltavaError) => void
  /** Oldest first. */
  readonly #waiting = new Map<Lane, ProducerBatch[]>()
  #isWatching = false

  constructor(
    transport: Transport,
    onCommitted: (batch: ProducerBatch) => void,
    onFailed: (batch: ProducerBatch, error: VltavaError) => void,
  ) {
    this.#transport = transport
    this.#onCommitted = onCommitted
    this.#onFailed = onFailed
  }

  add(batch: ProducerBatch): void {
    const lane = batch.partition
    const waiting = this.#waiting.get(lane)
    if (waiting === undefined) {
      this.#waiting.set(lane, [batch])
      this.#transport.setInterest(lane.topic, lane.partition, true)
    } else {
      waiting.push(batch)
    }
    if (this.#isWatching) return
    this.#isWatching = true
    void this.#watch()
  }

  async #watch(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#transport.isClosed) {
      await this.#transport.wait(() => this.#hasNews(), Number.POSITIVE_INFINITY)
      this.#transport.poll()
      for (const [lane, batches] of [...this.#waiting]) this.#settle(lane, batches)
    }
    this.#isWatching = false
  }

  #hasNews(): boolean {
    if (this.#transport.isClosed) return true
    for (const [lane, batches] of this.#waiting) {
      if (this.#isCommitted(lane, batches[0]!) || this.#failureOf(lane) !== undefined) return true
    }
    return false
  }

  #isCommitted(lane: Lane, batch: ProducerBatch): boolean {
    if (this.#transport.topic(lane.topic) === undefined) return false
    const { committedOffset } = this.#transport.ends(lane.topic, lane.partition)
    return committedOffset >= batch.baseOffset + batch.recordCount
  }

  #failureOf(lane: Lane): VltavaError | undefined {
    if (this.#transport.topic(lane.topic) === undefined) {
      const message = `topic=${lane.topic} was deleted before its records were synced`
      return new UnknownTopicOrPartitionError(lane.topic, lane.partition, message)
    }
    const failure = this.#transport.partitionFailure(lane.topic, lane.partition)
    return failure === undefined ? undefined : new VltavaError(failure.code, failure.message)
  }

  #settle(lane: Lane, batches: ProducerBatch[]): void {
    let done = 0
    while (done < batches.length && this.#isCommitted(lane, batches[done]!)) done += 1
    for (const batch of batches.splice(0, done)) this.#onCommitted(batch)
    const failure = batches.length > 0 ? this.#failureOf(lane) : undefined
    if (failure !== undefined) for (const batch of batches.splice(0)) this.#onFailed(batch, failure)
    if (batches.length > 0) return
    this.#waiting.delete(lane)
    if (this.#transport.topic(lane.topic) !== undefined) {
      this.#transport.setInterest(lane.topic, lane.partition, false)
    }
  }

  /** The transport is gone: nobody will say what became of these. */
  failAll(error: VltavaError): void {
    const batches = [...this.#waiting.values()].flat()
    this.#waiting.clear()
    for (const batch of batches) this.#onFailed(batch, error)
  }
}
