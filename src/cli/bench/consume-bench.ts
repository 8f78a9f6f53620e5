/**
 * `vltava bench consume`: reads a topic to its end in two manners, one result each; see consumer-role.ts.
 *
 * The topic is filled first (with keys, so that records have one to hand out), or was filled by an earlier `bench
 * produce --data DIR --topic T`. Then an untimed pass checks every byte of every record; it leaves the page cache and
 * the code warm, as a consumer that runs for longer than a second finds them.
 */
import { CommandFailed } from '../command.ts'
import { BenchLog } from './bench-log.ts'
import { type BenchResult, CpuMeter, NO_LATENCY } from './bench-result.ts'
import { type BenchRun, createTopic, measureReference, removeTopic, settingsOf } from './bench-run.ts'
import { BenchWorker } from './bench-worker.ts'
import { checkTopic, type ReadMode, type ReaderOutcome, runReader, sum } from './consumer-role.ts'
import { runDecode } from './limit-loops.ts'
import { producerPlans, runProducers } from './produce-bench.ts'
import { KEY_BYTES } from './values.ts'

const MODES: readonly ReadMode[] = ['lazy', 'records']

export async function benchConsume(run: BenchRun): Promise<BenchResult[]> {
  const { options, signal } = run
  const shareOfLimit = measureReference(run, 'decode', runDecode)
  await using benchLog = await BenchLog.open(run)
  const { log } = benchLog
  const isFilled = options.topic !== undefined && (await log.admin.listTopics()).includes(options.topic)
  const topic = isFilled ? options.topic : await createTopic(log, options)
  const counts = isFilled ? undefined : await fill(run, benchLog, topic)
  const recordSize = isFilled && !options.isRecordSizeGiven ? await peekRecordSize(benchLog, topic) : options.recordSize
  signal.throwIfAborted()
  run.note(`checking every record of ${topic}`)
  const { verified, fault } = await checkTopic(log, topic, recordSize, counts, signal)
  if (fault !== undefined) throw new CommandFailed(fault)
  const [description] = await log.admin.describeTopics([topic])
  const partitions = description!.partitions.length
  const results: BenchResult[] = []
  for (const mode of MODES) {
    run.note(`reading ${topic}: ${mode}`)
    const cpu = new CpuMeter()
    const outcomes = await runReaders(run, benchLog, topic, partitions, mode, recordSize)
    const cpuSeconds = cpu.seconds()
    const records = sum(outcomes.map((outcome) => outcome.records))
    const startMs = Math.min(...outcomes.map((outcome) => outcome.startMs))
    const endMs = Math.max(...outcomes.map((outcome) => outcome.endMs))
    results.push({
      bench: 'consume',
      variant: mode,
      records,
      recordSize,
      partitions,
      acks: options.acks,
      threads: options.threads,
      seconds: (endMs - startMs) / 1000,
      latency: NO_LATENCY,
      cpuSeconds,
      verified,
      fault: records === verified ? undefined : `${records} records were read, and the topic has ${verified}`,
      shareOfLimit,
      settings: { ...settingsOf(run), topic_filled_earlier: isFilled, key_size: isFilled ? null : KEY_BYTES },
      rss: undefined,
    })
  }
  await removeTopic(log, run, topic)
  return results
}

async function fill(run: BenchRun, benchLog: BenchLog, topic: string): Promise<number[]> {
  run.note(`filling ${topic}`)
  const [plan] = producerPlans({ ...run.options, threads: 1 }, topic, false)
  const outcomes = await runProducers(run, benchLog, [{ ...plan!, hasKeys: true }])
  return outcomes.map(({ sent }) => sent)
}

/** The value size of the first record there is. Throws CommandFailed if there is none. */
async function peekRecordSize({ log }: BenchLog, topic: string): Promise<number> {
  const consumer = log.consumer()
  await consumer.subscribe([topic])
  try {
    for await (const batch of consumer.batches({ until: 'end' })) {
      const cursor = batch.cursor()
      if (cursor.next()) return Math.max(0, cursor.valueLength)
    }
  } finally {
    await consumer.close()
  }
  throw new CommandFailed(`topic ${topic} has no records`)
}

/** One reader here, or several in threads of their own, each with its share of the partitions. */
async function runReaders(
  run: BenchRun,
  benchLog: BenchLog,
  topic: string,
  partitionCount: number,
  mode: ReadMode,
  recordSize: number,
): Promise<ReaderOutcome[]> {
  const { clock, options } = run
  const readers = Math.min(options.threads, partitionCount)
  const plans = Array.from({ length: readers }, (_, reader) => {
    const partitions = Array.from({ length: partitionCount }, (_, i) => i).filter((i) => i % readers === reader)
    return { topic, partitions, mode, recordSize }
  })
  if (plans.length === 1) return [await runReader(benchLog.log, clock, plans[0]!)]
  const { address } = benchLog
  const workers = plans.map((plan) => new BenchWorker<'reader'>({ type: 'reader', address, plan }, clock))
  try {
    await Promise.all(workers.map((worker) => worker.ready))
    for (const worker of workers) worker.send({ type: 'go' })
    return await Promise.all(workers.map((worker) => worker.outcome))
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}
