/**
 * KnownEnds: the ends of partitions as far as answers of brokers have told: what lies between start and high watermark
 * was there at some moment. Read without asking anybody.
 */
import type { PartitionEnds } from '../../protocol/transport.ts'

const NOTHING: PartitionEnds = { logStartOffset: 0, highWatermark: 0, committedOffset: 0 }

export class KnownEnds {
  readonly #ends = new Map<string, PartitionEnds>()

  of(topic: string, partition: number): PartitionEnds {
    return this.#ends.get(keyOf(topic, partition)) ?? NOTHING
  }

  /** What a broker said now; below 0: it did not say. On a cluster everything below the high watermark is committed. */
  set(topic: string, partition: number, logStartOffset: number, highWatermark: number): void {
    const before = this.of(topic, partition)
    const end = highWatermark < 0 ? before.highWatermark : highWatermark
    const start = logStartOffset < 0 ? before.logStartOffset : logStartOffset
    this.#ends.set(keyOf(topic, partition), { logStartOffset: start, highWatermark: end, committedOffset: end })
  }

  /** An acknowledgement by all replicas: the end is there, or later. */
  raise(topic: string, partition: number, endOffset: number): void {
    const { logStartOffset, highWatermark } = this.of(topic, partition)
    if (endOffset > highWatermark) this.set(topic, partition, logStartOffset, endOffset)
  }

  forget(topic: string, partitionCount: number): void {
    for (let partition = 0; partition < partitionCount; partition++) this.#ends.delete(keyOf(topic, partition))
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
