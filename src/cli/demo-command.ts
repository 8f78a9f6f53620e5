/**
 * `vltava demo`, which `npm start` runs: an access log streams into a topic from two threads at full speed, is read
 * back and checked byte by byte, and the rates are printed with what they mean.
 */
import { relative } from 'node:path'
import { realEnv } from '../base/env/real-env.ts'
import { features, type Log } from '../index.ts'
import { identifyLine } from './access-log.ts'
import { type Command, CommandFailed, type CommandContext, EXIT_OK, parseArguments } from './command.ts'
import { DemoCheck } from './demo-check.ts'
import { DemoProducers } from './demo-producers.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from './format-units.ts'
import { withLog } from './open-log.ts'
import { Progress, writeJson, writeLine } from './output.ts'

const TOPIC = 'access-log'
const PARTITIONS = 8
const THREADS = 2
const RECORDS = 2_000_000
const RECORDS_MAX = 1_000_000_000
const PROGRESS_MS = 100

export const demoCommand: Command = {
  name: 'demo',
  summary: 'stream a generated access log in, read it back, check it, print the rate',
  usage: `vltava demo [--data DIR] [--records N] [--json]

Streams a generated access log into the topic ${TOPIC} from ${THREADS} threads at full speed, with acks=all
(every record is on the disk), reads it back, compares every byte, and prints the rates. The topic is made
anew each time; one of the same name that the demo did not make is left alone, and the demo refuses.

  --data DIR            the data directory (default ./data)
  --records N           how many records (default ${formatCount(RECORDS)})
  --json                one object with the results
  -h, --help            this text`,

  async run(context) {
    const args = parseArguments(context.args, { data: { type: 'string' }, records: { type: 'string' } })
    const directory = args.text('data') ?? './data'
    const recordCount = args.integer('records', 1, RECORDS_MAX) ?? RECORDS
    const outcome = await withLog(directory, context, (log) => runDemo(log, recordCount, context), { mayCreate: true })
    if (args.json) await writeJson(context.stdout, asJson(directory, outcome))
    else await writeLine(context.stdout, asText(directory, outcome))
    return EXIT_OK
  },
}

interface Outcome {
  readonly recordCount: number
  readonly bytes: number
  readonly produceMs: number
  readonly consumeMs: number
}

async function runDemo(log: Log, recordCount: number, { stderr, signal }: CommandContext): Promise<Outcome> {
  await makeTopic(log)
  const recordCounts = Array.from({ length: THREADS }, (_, thread) => Math.floor((recordCount + thread) / THREADS))
  const progress = new Progress(stderr)
  try {
    const produceMs = await produce(log, recordCounts, progress, signal)
    const check = new DemoCheck(recordCounts)
    const consumeMs = await consume(log, check, recordCount, progress, signal)
    return { recordCount, bytes: check.bytes, produceMs, consumeMs }
  } finally {
    progress.end()
  }
}

/** A fresh topic. Rejects with CommandFailed if there is one of that name with other records. */
async function makeTopic(log: Log): Promise<void> {
  if ((await log.admin.listTopics()).includes(TOPIC)) {
    if (!(await isOurs(log))) {
      throw new CommandFailed(
        `topic ${TOPIC} holds records that are not the demo's; give another directory: --data DIR`,
      )
    }
    await log.admin.deleteTopics([TOPIC])
  }
  await log.admin.createTopics([{ topic: TOPIC, partitions: PARTITIONS }])
}

/** Every partition is empty or begins with a line of the demo. */
async function isOurs(log: Log): Promise<boolean> {
  const consumer = log.consumer()
  try {
    const [description] = await log.admin.describeTopics([TOPIC])
    for (const { partition } of description!.partitions) {
      await consumer.assign([{ topic: TOPIC, partition, offset: 'start' }])
      for await (const batch of consumer.batches({ until: 'end' })) {
        const cursor = batch.cursor()
        if (!cursor.next()) continue
        if (identifyLine(cursor.bytes, cursor.valuePosition, cursor.valueLength) === undefined) return false
        break
      }
    }
    return true
  } finally {
    await consumer.close()
  }
}

/** Resolves with the time from the first record to the last acknowledgement. */
async function produce(
  log: Log,
  recordCounts: readonly number[],
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const producers = new DemoProducers(log.address, TOPIC, recordCounts)
  let isDone = false
  let startMs = 0
  const show = (): void => {
    if (isDone) return
    progress.update(() => {
      const { recordCount, bytes } = producers.progress
      return `writing: ${describeProgress(recordCount, bytes, realEnv.clock.monotonicMs() - startMs)}`
    })
    realEnv.timers.after(PROGRESS_MS, show)
  }
  try {
    await unlessAborted(producers.ready(), signal)
    startMs = realEnv.clock.monotonicMs()
    producers.go()
    show()
    await unlessAborted(producers.done(), signal)
    return realEnv.clock.monotonicMs() - startMs
  } finally {
    isDone = true
    await producers.terminate()
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason instanceof Error ? signal.reason : new CommandFailed('stopped'))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

async function consume(
  log: Log,
  check: DemoCheck,
  recordCount: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const consumer = log.consumer()
  const startMs = realEnv.clock.monotonicMs()
  const elapsed = (): number => realEnv.clock.monotonicMs() - startMs
  try {
    await consumer.assign([{ topic: TOPIC, offset: 'start' }])
    for await (const batch of consumer.batches({ signal, until: 'end' })) {
      check.batch(batch)
      progress.update(() => `checking: ${describeProgress(check.recordCount, check.bytes, elapsed())}`)
    }
    signal.throwIfAborted()
    check.end()
    return elapsed()
  } finally {
    await consumer.close()
  }
}

function describeProgress(recordCount: number, bytes: number, elapsedMs: number): string {
  const perSecond = 1000 / Math.max(1, elapsedMs)
  const rates = `${formatRate(recordCount * perSecond)} records/s, ${formatBytes(bytes * perSecond)}/s`
  return `${formatCount(recordCount)} records, ${rates}`
}

function asText(directory: string, { recordCount, bytes, produceMs, consumeMs }: Outcome): string {
  const { addon, addonReason, crc32c, mmap } = features()
  const vltava = programName()
  const amount = `${formatCount(recordCount)} records, ${formatBytes(bytes)}`
  const reading = mmap ? 'segments mapped' : 'segments read'
  const rates = (elapsedMs: number): string => {
    const perSecond = 1000 / elapsedMs
    return `${formatRate(recordCount * perSecond)} records/s, ${formatBytes(bytes * perSecond)}/s`
  }
  return `topic      ${TOPIC} in ${directory}, ${PARTITIONS} partitions, made anew
features   addon ${addon ? 'live' : `not live (${addonReason})`}, CRC-32C ${crc32c}, ${reading}
wrote      ${amount} in ${formatDuration(produceMs)} from ${THREADS} threads: ${rates(produceMs)}
           acks=all: every record is on the disk and survives a power cut
read back  ${amount} in ${formatDuration(consumeMs)} on one thread: ${rates(consumeMs)}
           every byte compared, every line exactly once and in order: OK

Try next:
  ${vltava} topic describe ${TOPIC} --data ${directory}
  ${vltava} consume ${TOPIC} --max 5 --format '%p %o %v\\n' --data ${directory}
  ${vltava} verify ${directory}
  ${vltava} topic create clicks --partitions 4 --data ${directory}
  ${vltava} --help`
}

function asJson(directory: string, { recordCount, bytes, produceMs, consumeMs }: Outcome): unknown {
  const rate = (elapsedMs: number): unknown => ({
    seconds: Math.round(elapsedMs) / 1000,
    records_per_second: Math.round((recordCount * 1000) / elapsedMs),
    megabytes_per_second: Math.round(bytes / elapsedMs) / 1000,
  })
  return {
    directory,
    topic: TOPIC,
    partitions: PARTITIONS,
    threads: THREADS,
    records: recordCount,
    bytes,
    acks: 'all',
    durability: 'committed',
    produce: rate(produceMs),
    consume: rate(consumeMs),
    verified: recordCount,
    features: features(),
  }
}

/** How this program was called: as `vltava`, or from a checkout. */
function programName(): string {
  const script = relative('.', process.argv[1] ?? '')
  return script.endsWith('main.js') && !script.startsWith('..') ? `node ${script}` : 'vltava'
}
