/**
 * `vltava bench produce`: from the first append to the acknowledgement of the last record; afterwards, outside the
 * timed part, every record is read back and checked.
 *
 * One producer thread is the thread that opened the log: that is what a program does that has one, and no idle thread
 * is left to be counted. With --threads T, T workers attach, and the main thread only waits for them.
 */
import { BenchLog } from './bench-log.ts'
import type { BenchOptions } from './bench-options.ts'
import { type BenchResult, CpuMeter } from './bench-result.ts'
import { type BenchRun, createTopic, measureReference, removeTopic, settingsOf } from './bench-run.ts'
import { BenchWorker } from './bench-worker.ts'
import { checkTopic, sum } from './consumer-role.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { runEncodeCrcPwrite } from './limit-loops.ts'
import { type ProducerOutcome, type ProducerPlan, runProducer } from './producer-role.ts'
import { RssSampler } from './rss-sampler.ts'

const WARM_UP_MS_MAX = 1000

export async function benchProduce(run: BenchRun): Promise<BenchResult[]> {
  const { options, signal } = run
  const shareOfLimit = measureReference(run, 'encode-crc-pwrite', runEncodeCrcPwrite)
  await using benchLog = await BenchLog.open(run)
  const { log } = benchLog
  const topic = await createTopic(log, options)
  run.note(`appending to ${topic}`)
  const rss = new RssSampler().start()
  const cpu = new CpuMeter()
  const outcomes = await runProducers(run, benchLog, producerPlans(options, topic, false))
  const cpuSeconds = cpu.seconds()
  const trend = rss.stop()
  signal.throwIfAborted()
  run.note('reading back and checking')
  const counts = outcomes.map(({ sent }) => sent)
  const { verified, fault } = await checkTopic(log, topic, options.recordSize, counts, signal)
  await removeTopic(log, run, topic)
  const latency = new LatencyHistogram()
  for (const outcome of outcomes) latency.add(outcome.latency)
  const startMs = Math.min(...outcomes.map((outcome) => outcome.startMs))
  const endMs = Math.max(...outcomes.map((outcome) => outcome.endMs))
  return [
    {
      bench: 'produce',
      variant: undefined,
      records: sum(counts),
      recordSize: options.recordSize,
      partitions: options.partitions,
      acks: options.acks,
      threads: options.threads,
      seconds: (endMs - startMs) / 1000,
      latency: latency.summary(),
      cpuSeconds,
      verified,
      fault,
      shareOfLimit,
      settings: settingsOf(run),
      rss: trend,
    },
  ]
}

/** One plan for each producer thread: equal shares of the records and of the rate. */
export function producerPlans(options: BenchOptions, topic: string, hasTimes: boolean): ProducerPlan[] {
  const { threads, records, rate } = options
  return Array.from({ length: threads }, (_, producerIndex) => {
    const isFirst = producerIndex === 0
    const share = Math.floor(records / threads)
    return {
      topic,
      producerIndex,
      records: isFirst ? records - share * (threads - 1) || records : share,
      seconds: options.seconds,
      rate: rate / threads,
      recordSize: options.recordSize,
      hasKeys: false,
      hasTimes,
      acks: options.acks,
      batchBytes: options.batchBytes,
      lingerMs: options.lingerMs,
      compression: options.compression,
      warmUpMs: warmUpMs(options),
    }
  })
}

/** A tenth of a run on a schedule, at most a second. At full speed everything counts. */
export function warmUpMs({ rate, records, seconds }: BenchOptions): number {
  if (rate === 0) return 0
  return Math.min(WARM_UP_MS_MAX, 100 * Math.min(seconds, records / rate))
}

/** Runs one producer here, or several in threads of their own. */
export async function runProducers(
  run: BenchRun,
  benchLog: BenchLog,
  plans: readonly ProducerPlan[],
): Promise<ProducerOutcome[]> {
  const { clock, signal } = run
  if (plans.length === 1) return [await runProducer(benchLog, clock, plans[0]!, signal)]
  const { address } = benchLog
  const workers = plans.map((plan) => new BenchWorker<'producer'>({ type: 'producer', address, plan }, clock))
  const abort = (): void => workers.forEach((worker) => worker.send({ type: 'abort' }))
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.all(workers.map((worker) => worker.ready))
    for (const worker of workers) worker.send({ type: 'go' })
    return await Promise.all(workers.map((worker) => worker.outcome))
  } finally {
    signal.removeEventListener('abort', abort)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}
