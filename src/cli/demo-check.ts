/**
 * DemoCheck: reads the demo's topic back and compares every byte with what it has to be. @hot
 *
 * A line tells its thread and number; the line is computed anew and compared. Each line must come exactly once, and
 * within a partition the lines of a thread in the order in which it wrote them.
 */
import type { ConsumerBatch, RecordCursor } from '../index.ts'
import { AccessLog, DEMO_THREADS_MAX, identifyLine } from './access-log.ts'
import { CommandFailed } from './command.ts'

export class DemoCheck {
  readonly #lines = new AccessLog()
  readonly #recordCounts: readonly number[]
  /** One bit for each line of each thread. */
  readonly #seen: readonly Uint8Array[]
  /** By partition and thread: the number that the next line has at least. */
  readonly #nextNumbers = new Map<number, Float64Array>()
  recordCount = 0
  bytes = 0

  /** `recordCounts`: how many lines each thread wrote. */
  constructor(recordCounts: readonly number[]) {
    this.#recordCounts = recordCounts
    this.#seen = recordCounts.map((count) => new Uint8Array((count + 7) >>> 3))
  }

  /** Throws CommandFailed at the first record that is not what it has to be. */
  batch(batch: ConsumerBatch): void {
    let nextNumbers = this.#nextNumbers.get(batch.partition)
    if (nextNumbers === undefined) {
      nextNumbers = new Float64Array(DEMO_THREADS_MAX)
      this.#nextNumbers.set(batch.partition, nextNumbers)
    }
    const cursor = batch.cursor()
    while (cursor.next()) {
      const fault = this.#recordFault(cursor, nextNumbers)
      if (fault === undefined) continue
      const where = `${batch.topic}-${batch.partition} offset=${batch.baseOffset + cursor.offsetDelta}`
      throw new CommandFailed(`check failed at ${where}: ${fault}`)
    }
  }

  #recordFault(cursor: RecordCursor, nextNumbers: Float64Array): string | undefined {
    const { bytes, valuePosition, valueLength } = cursor
    const identity = identifyLine(bytes, valuePosition, valueLength)
    if (identity === undefined) return 'the record is no line of the demo'
    const { thread, number } = identity
    const seen = this.#seen[thread]
    if (seen === undefined || number >= this.#recordCounts[thread]!) return `line ${thread}-${number} was never written`
    const expected = this.#lines.line(thread, number)
    if (expected.compare(bytes, valuePosition, valuePosition + valueLength) !== 0)
      return `line ${thread}-${number} has other bytes`
    const bit = 1 << (number & 7)
    if ((seen[number >>> 3]! & bit) !== 0) return `line ${thread}-${number} comes twice`
    seen[number >>> 3] = seen[number >>> 3]! | bit
    if (number < nextNumbers[thread]!)
      return `line ${thread}-${number} comes after line ${thread}-${nextNumbers[thread]! - 1}`
    nextNumbers[thread] = number + 1
    this.recordCount += 1
    this.bytes += valueLength
    return undefined
  }

  /** After the last batch. Throws CommandFailed if lines are missing. */
  end(): void {
    const expected = this.#recordCounts.reduce((sum, count) => sum + count, 0)
    if (this.recordCount === expected) return
    throw new CommandFailed(`check failed: ${expected - this.recordCount} of ${expected} records are missing`)
  }
}
