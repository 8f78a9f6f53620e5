/**
 * The producer's part of a bench: appends recognisable values in its own thread, at full speed or by a schedule. @hot
 *
 * Full speed: append() as often as it takes records, drain() when it does not. The event loop gets a turn every
 * TURN_MS, as a program that lives beside its producer would give it.
 *
 * By a schedule (`rate`): record n is due at start + n / rate, whether or not the ones before it went well, and its
 * latency counts from then: a stall is felt by every record that was due in it (no coordinated omission). What is due
 * is appended about every TICK_MS. Between ticks the thread sleeps at a futex: the event loop's timers of 1 ms would be
 * the slowest part of the path that is measured, and turning the event loop instead makes 400 MB of garbage a second
 * and takes a core from the threads that are measured.
 */
import type { CompressionName } from '../../record/compression/codec.ts'
import type { Producer } from '../../client/producer.ts'
import { AckProbe } from './ack-probe.ts'
import type { BenchLog } from './bench-log.ts'
import { type LatencyCounts, LatencyHistogram } from './latency-histogram.ts'
import { type SharedClock, turn } from './shared-clock.ts'
import { ValueMaker } from './values.ts'

export interface ProducerPlan {
  readonly topic: string
  /** Which of the producers this is, from 0. */
  readonly producerIndex: number
  /** Stops after so many; Infinity with `seconds`. */
  readonly records: number
  readonly seconds: number
  /** Records per second of this producer; 0: as fast as it goes. */
  readonly rate: number
  readonly recordSize: number
  readonly hasKeys: boolean
  /** Whether values carry the time of their append. */
  readonly hasTimes: boolean
  readonly acks: 0 | 1 | 'all'
  readonly batchBytes: number
  readonly lingerMs: number
  readonly compression: CompressionName
  /** Latencies of so many first milliseconds are not counted: the code is not compiled yet. */
  readonly warmUpMs: number
}

export interface ProducerOutcome {
  readonly sent: number
  /** SharedClock. */
  readonly startMs: number
  /** When the last record was acknowledged. */
  readonly endMs: number
  readonly latency: LatencyCounts
}

/** The clock is read once for so many records: 2 ns each. */
const RECORDS_PER_CLOCK_READ = 32
const TURN_MS = 1
const TICK_MS = 0.1
/** The kernel adds about 0.06 ms to each sleep. */
const SLEEP_MS = 0.03
/** What was missed in a stall is appended in pieces, so that answers are taken in between. */
const CATCH_UP_RECORDS = 4096

export async function runProducer(
  benchLog: BenchLog,
  clock: SharedClock,
  plan: ProducerPlan,
  signal: AbortSignal,
): Promise<ProducerOutcome> {
  const latency = new LatencyHistogram()
  const probe = new AckProbe(benchLog.transport, clock, latency)
  const { acks, batchBytes, lingerMs: linger, compression } = plan
  const producer = benchLog.over(probe).producer({ acks, batchBytes, linger, compression })
  await producer.flush()
  const startMs = clock.now()
  probe.countFromMs = startMs + plan.warmUpMs
  const sent =
    plan.rate > 0
      ? await appendOnSchedule(producer, probe, clock, plan, startMs, signal)
      : await appendAtFullSpeed(producer, probe, clock, plan, startMs, signal)
  await producer.flush({ signal })
  const endMs = clock.now()
  await producer.close()
  return { sent, startMs, endMs, latency: latency.export() }
}

async function appendAtFullSpeed(
  producer: Producer,
  probe: AckProbe,
  clock: SharedClock,
  plan: ProducerPlan,
  startMs: number,
  signal: AbortSignal,
): Promise<number> {
  const { topic, records, hasKeys, hasTimes } = plan
  const maker = new ValueMaker(plan.recordSize, plan.producerIndex)
  const stopMs = startMs + plan.seconds * 1000
  let nextTurnMs = startMs + TURN_MS
  let sequence = 0
  while (sequence < records) {
    const now = clock.now()
    if (now >= nextTurnMs) {
      if (now >= stopMs || signal.aborted) break
      await turn()
      nextTurnMs = clock.now() + TURN_MS
    }
    probe.intendedMs = now
    const timeMs = hasTimes ? now : 0
    const end = Math.min(records, sequence + RECORDS_PER_CLOCK_READ)
    while (sequence < end) {
      const value = maker.make(sequence, timeMs)
      if (!producer.append(topic, value, hasKeys ? maker.key(sequence) : null)) {
        await producer.drain()
        break
      }
      sequence += 1
    }
  }
  return sequence
}

async function appendOnSchedule(
  producer: Producer,
  probe: AckProbe,
  clock: SharedClock,
  plan: ProducerPlan,
  startMs: number,
  signal: AbortSignal,
): Promise<number> {
  const { topic, records, hasKeys, hasTimes } = plan
  const maker = new ValueMaker(plan.recordSize, plan.producerIndex)
  const msPerRecord = 1000 / plan.rate
  const total = Math.min(records, Math.floor(plan.seconds * plan.rate))
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  let sequence = 0
  while (sequence < total && !signal.aborted) {
    const now = clock.now()
    const due = Math.min(total, Math.floor((now - startMs) / msPerRecord) + 1, sequence + CATCH_UP_RECORDS)
    while (sequence < due) {
      const dueMs = startMs + sequence * msPerRecord
      probe.intendedMs = dueMs
      const value = maker.make(sequence, hasTimes ? dueMs : 0)
      if (producer.append(topic, value, hasKeys ? maker.key(sequence) : null)) sequence += 1
      else await producer.drain()
    }
    await turn()
    const isBehind = clock.now() - (startMs + sequence * msPerRecord) >= TICK_MS
    if (!isBehind) Atomics.wait(nobody, 0, 0, SLEEP_MS)
  }
  return sequence
}
