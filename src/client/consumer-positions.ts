/**
 * Position: where a consumer is in one of its partitions. Positions: all of them.
 */
import { VltavaError } from '../base/errors.ts'
import type { PartitionReader, Transport } from '../protocol/transport.ts'
import type { PartitionCommit } from './group-offsets.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export class Position {
  readonly reader: PartitionReader
  readonly unwatch: () => void
  isPaused = false
  /** Raised by each seek: what was fetched before is out of date. */
  seekCount = 0
  /** With `until: 'end'`: stop here. */
  endOffset = Number.POSITIVE_INFINITY
  /** Behind the last record that the program is done with: it asked for the next, or committed it. */
  consumedOffset: number

  constructor(reader: PartitionReader, unwatch: () => void) {
    this.reader = reader
    this.unwatch = unwatch
    this.consumedOffset = reader.nextOffset
  }

  seek(offset: number): void {
    this.reader.seek(offset)
    this.seekCount += 1
    this.consumedOffset = offset
  }

  consumedTo(offset: number): void {
    this.consumedOffset = Math.max(this.consumedOffset, offset)
  }

  stopAtEnd(): void {
    this.endOffset = this.reader.ends().highWatermark
  }

  /** Beyond the log's end it has not: that is the reader's to complain of. */
  get hasReachedEnd(): boolean {
    return this.reader.nextOffset >= this.endOffset && this.reader.nextOffset <= this.reader.ends().highWatermark
  }
}

export class Positions {
  readonly #positions = new Map<string, Position>()

  get(key: string): Position | undefined {
    return this.#positions.get(key)
  }

  values(): Iterable<Position> {
    return this.#positions.values()
  }

  /** Throws UnknownTopicOrPartitionError. */
  open(transport: Transport, topic: string, partition: number, offset: number): Position {
    const reader = transport.reader(topic, partition, offset)
    const position = new Position(reader, transport.watch(topic, partition))
    this.#positions.set(keyOf(topic, partition), position)
    return position
  }

  close(position: Position): void {
    const { topic, partition } = position.reader
    position.unwatch()
    position.reader.close()
    this.#positions.delete(keyOf(topic, partition))
  }

  places(offsetOf: (position: Position) => number): PartitionCommit[] {
    return [...this.#positions.values()].map((position) => {
      const { topic, partition } = position.reader
      return { topic, partition, offset: offsetOf(position) }
    })
  }

  hasNews(): boolean {
    for (const position of this.#positions.values()) {
      // One that has reached its end may have news, but not for this loop, which would spin.
      if (position.isPaused || position.hasReachedEnd) continue
      if (position.reader.hasNews()) return true
    }
    return false
  }

  areAtEnd(): boolean {
    for (const { reader, endOffset, isPaused } of this.#positions.values()) {
      if (!isPaused && reader.nextOffset < endOffset) return false
    }
    return true
  }
}

/** Throws VltavaError INVALID_ARGUMENT. */
export function checkDistinct(partitions: readonly TopicPartition[]): void {
  const keys = new Set<string>()
  for (const { topic, partition } of partitions) {
    const key = keyOf(topic, partition)
    if (keys.has(key)) throw new VltavaError('INVALID_ARGUMENT', `${key} is assigned twice`)
    keys.add(key)
  }
}

export function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
