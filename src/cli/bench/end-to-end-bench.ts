/**
 * `vltava bench end-to-end`: records go from a producer's thread into a consumer in another thread, which checks each
 * as it comes. Timed from the first append until the consumer has seen and checked the last record.
 *
 * Latencies are those of records: from the append (or, with --rate, from when the record was due) until the consumer
 * has the batch in hands.
 */
import { CommandFailed } from '../command.ts'
import { BenchLog } from './bench-log.ts'
import { type BenchResult, CpuMeter } from './bench-result.ts'
import { type BenchRun, createTopic, measureReference, removeTopic, settingsOf } from './bench-run.ts'
import { BenchWorker } from './bench-worker.ts'
import { type FollowerOutcome, sum } from './consumer-role.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { runEncodeCrcPwrite } from './limit-loops.ts'
import { producerPlans, runProducers, warmUpMs } from './produce-bench.ts'
import { RssSampler } from './rss-sampler.ts'
import { turn } from './shared-clock.ts'

/** A follower that sees nothing new for so long has lost something. */
const SILENCE_MS = 15_000

/** A run by the clock may write more than the disk holds: what was consumed is deleted. */
const TRANSIENT_CONFIGS = { 'retention.bytes': 128 << 20, 'segment.bytes': 32 << 20, 'file.delete.delay.ms': 1000 }

export async function benchEndToEnd(run: BenchRun): Promise<BenchResult[]> {
  const { options, clock, signal } = run
  const { recordSize, partitions } = options
  const shareOfLimit = measureReference(run, 'encode-crc-pwrite', runEncodeCrcPwrite)
  await using benchLog = await BenchLog.open(run)
  const { log, address } = benchLog
  const isTransient = options.rate > 0 && options.topic === undefined
  const topic = await createTopic(log, options, isTransient ? TRANSIENT_CONFIGS : {})
  const seen = new SharedArrayBuffer(8)
  const plan = { topic, partitions, recordSize, warmUpMs: warmUpMs(options) }
  const follower = new BenchWorker<'follower'>({ type: 'follower', address, plan, seen }, clock)
  const abort = (): void => follower.send({ type: 'abort' })
  signal.addEventListener('abort', abort, { once: true })
  try {
    await follower.ready
    follower.send({ type: 'go' })
    run.note(`appending to ${topic}, and following it`)
    const rss = new RssSampler().start()
    const cpu = new CpuMeter()
    const outcomes = await Promise.race([
      runProducers(run, benchLog, producerPlans(options, topic, true)),
      follower.outcome.then(() => {
        throw new CommandFailed('the consumer ended before the producers did')
      }),
    ])
    const counts = outcomes.map(({ sent }) => sent)
    follower.send({ type: 'appended', counts })
    const { verified, fault, endMs, latency } = await seenAll(run, follower, seen, sum(counts))
    const cpuSeconds = cpu.seconds()
    const trend = rss.stop()
    signal.throwIfAborted()
    await removeTopic(log, run, topic)
    const histogram = new LatencyHistogram()
    histogram.add(latency)
    const startMs = Math.min(...outcomes.map((outcome) => outcome.startMs))
    return [
      {
        bench: 'end-to-end',
        variant: undefined,
        records: sum(counts),
        recordSize,
        partitions,
        acks: options.acks,
        threads: options.threads,
        seconds: (endMs - startMs) / 1000,
        latency: histogram.summary(),
        cpuSeconds,
        verified,
        fault,
        shareOfLimit,
        settings: settingsOf(run),
        rss: trend,
      },
    ]
  } finally {
    signal.removeEventListener('abort', abort)
    await follower.terminate()
  }
}

/** Waits for the follower as long as it makes progress. */
async function seenAll(
  { clock }: BenchRun,
  follower: BenchWorker<'follower'>,
  seen: SharedArrayBuffer,
  total: number,
): Promise<FollowerOutcome> {
  const word = new BigInt64Array(seen)
  let isDone = false
  const ended = follower.outcome.finally(() => {
    isDone = true
  })
  const watched = (async (): Promise<never> => {
    let last = Atomics.load(word, 0)
    let lastMs = clock.now()
    while (!isDone) {
      await turn()
      const now = Atomics.load(word, 0)
      if (now !== last) lastMs = clock.now()
      last = now
      if (clock.now() - lastMs > SILENCE_MS) throw new CommandFailed(`${total - Number(last)} records did not arrive`)
    }
    return await new Promise<never>(() => undefined) // The outcome wins the race.
  })()
  return await Promise.race([ended, watched])
}
