/**
 * GroupOffsets: the committed offsets of one group, by topic and partition. Only what is written is here.
 */
import type { OffsetCommitValue } from '../records/offset-records.ts'

export interface CommittedOffset extends OffsetCommitValue {
  /** Order of the appends: an older one that is reported late does not replace a newer one. */
  readonly sequence: number
}

export class GroupOffsets {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition)
  }

  set(topic: string, partition: number, value: CommittedOffset): void {
    let partitions = this.#topics.get(topic)
    if (partitions === undefined) {
      partitions = new Map()
      this.#topics.set(topic, partitions)
    }
    const before = partitions.get(partition)
    if (before === undefined) this.#size += 1
    else if (before.sequence > value.sequence) return
    partitions.set(partition, value)
  }

  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic)
    if (partitions?.delete(partition) !== true) return
    this.#size -= 1
    if (partitions.size === 0) this.#topics.delete(topic)
  }

  topics(): string[] {
    return [...this.#topics.keys()]
  }

  partitions(topic: string): number[] {
    return [...(this.#topics.get(topic)?.keys() ?? [])].sort((one, other) => one - other)
  }

  *entries(): Generator<readonly [topic: string, partition: number, offset: CommittedOffset]> {
    for (const [topic, partitions] of this.#topics) {
      for (const [partition, offset] of partitions) yield [topic, partition, offset]
    }
  }
}
