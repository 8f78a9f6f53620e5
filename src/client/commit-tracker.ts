/**
 * CommitTracker: batches of acks=all that are written and wait for the disk.
 *
 * A batch is committed when the partition's committed offset has passed its last record, in a log that still has it: a
 * log that was opened anew after a fault may have lost it, and have others in its place. The tracker sleeps in the
 * transport, which wakes when one of its partitions moves; it holds nothing while nothing waits.
 */
import { UnknownTopicOrPartitionError, VltavaError } from '../base/errors.ts'
import type { CommitState, Transport } from '../protocol/transport.ts'
import type { Lane, ProducerBatch } from './producer-batch.ts'

/** Of one lane, oldest first; `unwatch` is undefined if its topic was gone already. */
interface Waiting {
  readonly batches: ProducerBatch[]
  readonly unwatch: (() => void) | undefined
}

export class CommitTracker {
  readonly #transport: Transport
  readonly #onCommitted: (batch: ProducerBatch) => void
  readonly #onFailed: (batch: ProducerBatch, error: VltavaError) => void
  readonly #waiting = new Map<Lane, Waiting>()
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
    if (waiting !== undefined) {
      waiting.batches.push(batch)
    } else {
      const unwatch = this.#isThere(lane) ? this.#transport.watch(lane.topic, lane.partition) : undefined
      this.#waiting.set(lane, { batches: [batch], unwatch })
    }
    if (this.#isWatching) return
    this.#isWatching = true
    void this.#watch()
  }

  async #watch(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#transport.isClosed) {
      await this.#transport.wait(() => this.#hasNews(), Number.POSITIVE_INFINITY)
      this.#transport.poll()
      for (const [lane, waiting] of [...this.#waiting]) this.#settle(lane, waiting)
    }
    this.#isWatching = false
  }

  #hasNews(): boolean {
    if (this.#transport.isClosed) return true
    for (const [lane, { batches }] of this.#waiting) {
      if (this.#stateOf(lane, batches[0]!) !== 'waiting' || this.#failureOf(lane) !== undefined) return true
    }
    return false
  }

  #stateOf(lane: Lane, { baseOffset, recordCount, generation }: ProducerBatch): CommitState {
    if (!this.#isThere(lane)) return 'waiting'
    return this.#transport.commitState(lane.topic, lane.partition, baseOffset + recordCount, generation)
  }

  /** Not so if the topic was deleted, also if there is another of its name. */
  #isThere({ topic, topicId }: Lane): boolean {
    return this.#transport.topic(topic)?.topicId === topicId
  }

  #failureOf(lane: Lane): VltavaError | undefined {
    if (!this.#isThere(lane)) {
      const message = `topic=${lane.topic} was deleted before its records were synced`
      return new UnknownTopicOrPartitionError(lane.topic, lane.partition, message)
    }
    const failure = this.#transport.partitionFailure(lane.topic, lane.partition)
    return failure === undefined ? undefined : new VltavaError(failure.code, failure.message)
  }

  #settle(lane: Lane, { batches, unwatch }: Waiting): void {
    let done = 0
    while (done < batches.length && this.#stateOf(lane, batches[done]!) === 'committed') done += 1
    for (const batch of batches.splice(0, done)) this.#onCommitted(batch)
    while (batches.length > 0 && this.#stateOf(lane, batches[0]!) === 'lost') {
      const message = `${lane.topic}-${lane.partition} was opened anew after a fault, before these records were synced`
      this.#onFailed(batches.shift()!, new VltavaError('KAFKA_STORAGE_ERROR', message))
    }
    const failure = batches.length > 0 ? this.#failureOf(lane) : undefined
    if (failure !== undefined) for (const batch of batches.splice(0)) this.#onFailed(batch, failure)
    if (batches.length > 0) return
    this.#waiting.delete(lane)
    unwatch?.()
  }

  /** The transport is gone: nobody will say what became of these. */
  failAll(error: VltavaError): void {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { unwatch } of all) unwatch?.()
    for (const batch of all.flatMap(({ batches }) => batches)) this.#onFailed(batch, error)
  }
}
