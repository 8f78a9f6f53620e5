/**
 * The consumer's parts of the benches, each in its own thread: reading to the end in two manners, following a producer,
 * and the untimed pass that checks every byte. @hot
 *
 *   lazy     batch.cursor(): every record's positions decoded, its sequence number read in place and compared
 *   records  for (const record of batch): key and value of each as Uint8Array, the sequence number taken from the value
 *   check    as lazy, and everything compared: see record-checker.ts
 */
import type { Consumer } from '../../client/consumer.ts'
import type { Log } from '../../client/log.ts'
import { CommandFailed } from '../command.ts'
import { type LatencyCounts, LatencyHistogram } from './latency-histogram.ts'
import { PRODUCERS_MAX, RecordChecker } from './record-checker.ts'
import type { SharedClock } from './shared-clock.ts'
import { KEY_BYTES, producerAt, sequenceAt, timeAt, VALUE_BYTES_MIN } from './values.ts'

export type ReadMode = 'lazy' | 'records'

export interface ReaderPlan {
  readonly topic: string
  readonly partitions: readonly number[]
  readonly mode: ReadMode
  readonly recordSize: number
}

export interface ReaderOutcome {
  readonly records: number
  /** SharedClock. */
  readonly startMs: number
  readonly endMs: number
}

/** Reads its partitions to their ends. Throws CommandFailed for a record out of order, and any other damage. */
export async function runReader(log: Log, clock: SharedClock, plan: ReaderPlan): Promise<ReaderOutcome> {
  const consumer = log.consumer()
  try {
    await consumer.assign(plan.partitions.map((partition) => ({ topic: plan.topic, partition })))
    const startMs = clock.now()
    const records = plan.mode === 'lazy' ? await readLazily(consumer) : await readRecords(consumer, plan.recordSize)
    return { records, startMs, endMs: clock.now() }
  } finally {
    await consumer.close()
  }
}

async function readLazily(consumer: Consumer): Promise<number> {
  const order = new SequenceOrder()
  let view: DataView = EMPTY_VIEW
  let count = 0
  for await (const batch of consumer.batches({ until: 'end' })) {
    const cursor = batch.cursor()
    const { bytes } = cursor
    if (bytes.buffer !== view.buffer || bytes.byteOffset !== view.byteOffset) view = viewOf(bytes)
    const { partition, baseOffset } = batch
    const last = order.lastOf(partition)
    while (cursor.next()) {
      const position = cursor.valuePosition
      if (cursor.valueLength < VALUE_BYTES_MIN) throw foreign(partition, baseOffset + cursor.offsetDelta)
      const producer = producerAt(view, position)
      const sequence = sequenceAt(view, position)
      if (!(sequence > last[producer]!)) throw disordered(partition, producer, sequence)
      last[producer] = sequence
      count += 1
    }
  }
  return count
}

async function readRecords(consumer: Consumer, recordSize: number): Promise<number> {
  const order = new SequenceOrder()
  let count = 0
  for await (const batch of consumer.batches({ until: 'end' })) {
    const { partition } = batch
    const last = order.lastOf(partition)
    for (const record of batch) {
      const { key, value } = record
      if (value?.length !== recordSize) throw foreign(partition, record.offset)
      if (key !== null && (key.length !== KEY_BYTES || key[0] !== value[0])) throw foreign(partition, record.offset)
      const producer = value[6]! + value[7]! * 0x100
      const low = value[0]! + value[1]! * 0x100 + value[2]! * 0x1_0000 + value[3]! * 0x100_0000
      const sequence = low + (value[4]! + value[5]! * 0x100) * 0x1_0000_0000
      if (!(sequence > last[producer]!)) throw disordered(partition, producer, sequence)
      last[producer] = sequence
      count += 1
    }
  }
  return count
}

/** Each producer's sequence numbers go up within a partition. */
class SequenceOrder {
  readonly #last: Float64Array[] = []

  /** The last sequence numbers seen in a partition, by producer; -1 at first. A producer that cannot be has none. */
  lastOf(partition: number): Float64Array {
    return (this.#last[partition] ??= new Float64Array(PRODUCERS_MAX).fill(-1))
  }
}

function disordered(partition: number, producer: number, sequence: number): CommandFailed {
  return new CommandFailed(`sequence=${sequence} of producer ${producer} is out of order in partition=${partition}`)
}

export interface FollowerPlan {
  readonly topic: string
  readonly partitions: number
  readonly recordSize: number
  /** Latencies of so many first milliseconds are not counted: the code is not compiled yet. */
  readonly warmUpMs: number
}

export interface FollowerOutcome {
  readonly verified: number
  readonly fault: string | undefined
  /** SharedClock: when the last record was seen. */
  readonly endMs: number
  readonly latency: LatencyCounts
}

/** What a follower and the thread that runs it share, as 64-bit words written by the follower alone. */
export interface FollowerProgress {
  readonly seen: BigInt64Array
}

/** Reads the whole topic as it grows, checks every record, and ends when `expected()` records were seen. */
export async function runFollower(
  log: Log,
  clock: SharedClock,
  plan: FollowerPlan,
  progress: FollowerProgress,
  expected: () => readonly number[] | undefined,
  signal: AbortSignal,
): Promise<FollowerOutcome> {
  const latency = new LatencyHistogram()
  const checker = new RecordChecker(plan.recordSize, plan.partitions)
  const consumer = log.consumer()
  let view: DataView = EMPTY_VIEW
  let seen = 0
  let endMs = clock.now()
  let countFromMs = Number.POSITIVE_INFINITY
  await consumer.subscribe([plan.topic])
  for await (const batch of consumer.batches({ signal })) {
    const nowMs = clock.now()
    const cursor = batch.cursor()
    const { bytes } = cursor
    if (bytes.buffer !== view.buffer || bytes.byteOffset !== view.byteOffset) view = viewOf(bytes)
    const { partition, baseOffset } = batch
    while (cursor.next()) {
      checker.check(partition, baseOffset + cursor.offsetDelta, cursor, view)
      seen += 1
      if (cursor.valueLength < VALUE_BYTES_MIN) continue
      const timeMs = timeAt(view, cursor.valuePosition)
      if (seen === 1) countFromMs = timeMs + plan.warmUpMs
      if (timeMs >= countFromMs) latency.record(nowMs - timeMs)
    }
    endMs = clock.now()
    Atomics.store(progress.seen, 0, BigInt(seen))
    const counts = expected()
    if (counts !== undefined && seen >= sum(counts)) break
  }
  await consumer.close()
  checker.expectAll(expected() ?? [])
  return { verified: checker.verified, fault: checker.firstFault, endMs, latency: latency.export() }
}

export interface CheckOutcome {
  readonly verified: number
  readonly fault: string | undefined
}

/**
 * Reads a topic to its end and checks every record. `counts` says how many each producer appended; without it, the
 * topic was filled earlier and must have no gaps.
 */
export async function checkTopic(
  log: Log,
  topic: string,
  recordSize: number,
  counts: readonly number[] | undefined,
  signal: AbortSignal,
): Promise<CheckOutcome> {
  const [description] = await log.admin.describeTopics([topic])
  const partitions = description?.partitions ?? []
  const checker = new RecordChecker(recordSize, partitions.length)
  for (const { partition, logStartOffset } of partitions) checker.beginAt(partition, logStartOffset)
  const consumer = log.consumer()
  await consumer.subscribe([topic])
  let view: DataView = EMPTY_VIEW
  for await (const batch of consumer.batches({ until: 'end', signal })) {
    const cursor = batch.cursor()
    const { bytes } = cursor
    if (bytes.buffer !== view.buffer || bytes.byteOffset !== view.byteOffset) view = viewOf(bytes)
    while (cursor.next()) checker.check(batch.partition, batch.baseOffset + cursor.offsetDelta, cursor, view)
  }
  await consumer.close()
  signal.throwIfAborted()
  if (counts === undefined) checker.expectNoGaps()
  else checker.expectAll(counts)
  return { verified: checker.verified, fault: checker.firstFault }
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

const EMPTY_VIEW = new DataView(new ArrayBuffer(0))

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function foreign(partition: number, offset: number): CommandFailed {
  return new CommandFailed(`the record at partition=${partition} offset=${offset} is not one that bench appended`)
}
