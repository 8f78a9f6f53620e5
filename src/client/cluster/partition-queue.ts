/**
 * PartitionQueue: batches on their way to one partition, in the order in which they were submitted. @hot
 *
 * A prefix of the queue is under way (sent, not answered), at most `window` batches, all of them to one leader. When
 * one of them has to be sent again, nothing more is sent until all that are under way are answered; then sending starts
 * again at the head. So the order on the wire is the order of submission, whatever fails:
 *
 *   with sequence numbers   the broker refuses what comes after a gap (it is sent again behind the gap) and recognises
 *                           the last five batches (KIP-98); the window is five
 *   without                 the broker would take a later batch although an earlier one failed; the window is one
 */
import { assert } from '../../base/assert.ts'
import type { Acks, BatchListener, BatchMemory } from '../../protocol/transport.ts'

const WINDOW_WITH_SEQUENCE = 5
const WINDOW_WITHOUT = 1

export interface PendingBatch {
  readonly queue: PartitionQueue
  readonly memory: BatchMemory
  readonly lengthBytes: number
  readonly recordCount: number
  readonly hasSequence: boolean
  /** Its sequence number is 0. */
  readonly startsEpoch: boolean
  readonly acks: Acks
  readonly listener: BatchListener
  /** Monotonic time at which it is not tried any more. */
  readonly deadlineMs: number
  isSent: boolean
  /** It was sent once and no answer came: it may be in the log. */
  isUnknown: boolean
  attempts: number
}

export function queueKey(topicId: string, topic: string, partition: number): string {
  return `${topicId}/${topic}-${partition}`
}

export class PartitionQueue {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly key: string
  /** Not answered for good yet, oldest first. */
  readonly batches: PendingBatch[] = []
  /** Node to which the batches under way were sent. */
  nodeId = -1
  /** Nothing is sent before. */
  notBeforeMs = 0
  #sentCount = 0
  /** Something failed: what is under way is awaited. */
  #isSettling = false

  constructor(topic: string, topicId: string, partition: number) {
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
    this.key = queueKey(topicId, topic, partition)
  }

  get where(): string {
    return `${this.topic}-${this.partition}`
  }

  get sentCount(): number {
    return this.#sentCount
  }

  /** The batch that may go to `nodeId` next, if there is one. */
  next(nodeId: number, nowMs: number): PendingBatch | undefined {
    if (this.#isSettling || nowMs < this.notBeforeMs) return undefined
    const batch = this.batches[this.#sentCount]
    if (batch === undefined) return undefined
    if (this.#sentCount === 0) return batch
    // A broker that knows nothing of the producer takes any sequence number: the first batch must not be overtaken.
    if (this.batches[0]!.startsEpoch) return undefined
    const window = batch.hasSequence ? WINDOW_WITH_SEQUENCE : WINDOW_WITHOUT
    return this.nodeId === nodeId && this.#sentCount < window ? batch : undefined
  }

  sent(batch: PendingBatch, nodeId: number): void {
    assert(this.batches[this.#sentCount] === batch, 'batches are sent in their order')
    batch.isSent = true
    batch.attempts += 1
    this.#sentCount += 1
    this.nodeId = nodeId
  }

  isHead(batch: PendingBatch): boolean {
    return this.batches[0] === batch
  }

  /** Answered for good, or given up. */
  remove(batch: PendingBatch): void {
    const at = this.batches.indexOf(batch)
    assert(at >= 0, 'a batch is answered once')
    this.batches.splice(at, 1)
    if (batch.isSent) this.#answered(batch)
  }

  /** To be sent again, when all that is under way is answered, and not before `notBeforeMs`. */
  again(batch: PendingBatch, notBeforeMs: number): void {
    assert(batch.isSent, 'a batch that is sent again was sent')
    this.#isSettling = true
    this.notBeforeMs = Math.max(this.notBeforeMs, notBeforeMs)
    this.#answered(batch)
  }

  #answered(batch: PendingBatch): void {
    batch.isSent = false
    this.#sentCount -= 1
    assert(this.#sentCount >= 0, 'each answer follows a sending')
    if (this.#sentCount === 0) this.#isSettling = false
  }
}
