/**
 * The process that the crash suite kills: a log under load from three threads.
 *
 *   node engine-process.mjs '{ "dir", "oracle", "run", "seed", "checkpointMs", "loadMs" }'
 *
 * Every thread notes in a file of its own below `oracle` what it is about to do, before it does it, and what was
 * acknowledged, when it was. Each note is one write(2), so it survives whatever happens to the process. One line each:
 *
 *   I topic partition id            a record is handed over        A topic partition offset id      acknowledged
 *   TI / TA topic partition offset  trim                           CI / CA topic, DI / DA topic     create, delete
 *   S topic partition start end     what a reader could see        E text                           an unexpected error
 *
 * On stdout it says `opening`, `opened`, and `closed` if `loadMs` passed before it was killed.
 */
import { openSync, writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { attach, open } from '../../dist/index.js'
import { generatorOf, valueOf } from './payload.mjs'

/** Topics that every run has: partitions, settings. */
const TOPICS = {
  all: [3, { 'internal.segment.bytes': 65536, 'index.interval.bytes': 512 }],
  one: [2, { 'internal.segment.bytes': 32768, 'index.interval.bytes': 256 }],
  loose: [1, { 'internal.segment.bytes': 16384, 'segment.index.bytes': 256, 'index.interval.bytes': 64 }],
  kept: [2, { 'internal.segment.bytes': 65536, 'retention.bytes': 200000, 'file.delete.delay.ms': 100 }],
  trimmed: [1, { 'internal.segment.bytes': 32768, 'file.delete.delay.ms': 0 }],
}
const FOREVER = { 'retention.ms': -1, 'retention.bytes': -1 }
const BURST_MAX = 40
const BURSTS_AT_ONCE = 3

const settings = isMainThread ? JSON.parse(process.argv[2]) : workerData
const name = isMainThread ? 'main' : settings.name
const note = openNotes(`${settings.oracle}/${settings.run}-${name}.notes`)
const random = generatorOf(`${settings.seed}/${settings.run}/${name}`)
let isStopping = false

/** One line per entry, in one system call. */
function openNotes(path) {
  const fd = openSync(path, 'a')
  return (lines) => {
    const bytes = Buffer.from(`${lines.join('\n')}\n`)
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done)
  }
}

class Lane {
  constructor(log, label, options) {
    this.producer = log.producer(options)
    this.label = label
    this.counts = new Map()
  }

  /** Sends one burst to one partition and notes its acknowledgements. */
  async burst(topic, partition) {
    const key = `${topic}-${partition}`
    const first = this.counts.get(key) ?? 0
    const count = 1 + (random() % BURST_MAX)
    this.counts.set(key, first + count)
    const ids = Array.from({ length: count }, (_, index) => `${settings.run}.${name}${this.label}.${first + index}`)
    note(ids.map((id) => `I ${topic} ${partition} ${id}`))
    const isAboutNow = random() % 4 !== 0
    const sent = ids.map((id) => {
      const time = isAboutNow ? {} : { timestamp: Date.now() - (random() % 10_000) }
      const key = random() % 2 === 0 ? null : Buffer.from(id)
      return this.producer.send({ topic, partition, key, value: valueOf(id), ...time })
    })
    const acknowledged = await Promise.all(sent)
    note(acknowledged.map(({ offset }, index) => `A ${topic} ${partition} ${offset} ${ids[index]}`))
  }

  /** Bursts to any of these topics until the run ends. */
  async load(topics) {
    const one = async () => {
      while (!isStopping) {
        const topic = topics[random() % topics.length]
        await this.burst(topic, random() % TOPICS[topic][0])
        if (random() % 8 === 0) await new Promise((resolve) => setTimeout(resolve, random() % 20))
      }
    }
    await Promise.all(Array.from({ length: BURSTS_AT_ONCE }, one))
  }
}

async function guarded(work) {
  try {
    await work()
  } catch (error) {
    if (isStopping && error.code === 'LOG_CLOSED') return
    note([`E ${error.code ?? error.name}: ${String(error.message).replaceAll('\n', ' ')}`])
    throw error
  }
}

async function createMissing(log) {
  const existing = await log.admin.listTopics()
  for (const [topic, [partitions, configs]] of Object.entries(TOPICS)) {
    if (existing.includes(topic)) continue
    note([`CI ${topic}`])
    await log.admin.createTopics([{ topic, partitions, configs: { ...FOREVER, ...configs } }])
    note([`CA ${topic}`])
  }
}

/** Topics that come, get records, and go; the same names again and again. */
async function churn(log) {
  const topics = ['temp-0', 'temp-1']
  while (!isStopping) {
    const topic = topics[random() % topics.length]
    if ((await log.admin.listTopics()).includes(topic)) {
      note([`DI ${topic}`])
      await log.admin.deleteTopics([topic])
      note([`DA ${topic}`])
    } else {
      note([`CI ${topic}`])
      await log.admin.createTopics([{ topic, partitions: 2, configs: FOREVER }])
      note([`CA ${topic}`])
      const lane = new Lane(log, `t${random()}`, { acks: 'all' })
      await lane.burst(topic, 0)
      await lane.burst(topic, 1)
      await lane.producer.close()
    }
    await new Promise((resolve) => setTimeout(resolve, random() % 50))
  }
}

async function trim(log) {
  while (!isStopping) {
    await new Promise((resolve) => setTimeout(resolve, random() % 60))
    const { offset: start } = await log.admin.offset('trimmed', 0, 'start')
    const { offset: end } = await log.admin.offset('trimmed', 0, 'end')
    const offset = start + Math.floor((end - start) / (1 + (random() % 3)))
    note([`TI trimmed 0 ${offset}`])
    note([`TA trimmed 0 ${await log.admin.trim('trimmed', 0, offset)}`])
  }
}

async function observe(log) {
  while (!isStopping) {
    const described = await log.admin.describeTopics(Object.keys(TOPICS))
    note(
      described.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, logStartOffset, highWatermark }) => {
          return `S ${topic} ${partition} ${logStartOffset} ${highWatermark}`
        }),
      ),
    )
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

if (isMainThread) {
  const { dir, checkpointMs, loadMs, seed, oracle, run } = settings
  process.stdout.write('opening\n')
  const log = await open({ dir, shards: 2, checkpointMs, retentionCheckMs: 50, memoryBytes: 4 << 20 })
  await createMissing(log)
  const threads = ['w1', 'w2'].map((label) => {
    const data = { oracle, run, seed, name: label, address: log.address }
    return new Worker(new URL(import.meta.url), { workerData: data })
  })
  process.stdout.write('opened\n')
  const works = [
    new Lane(log, 'a', { acks: 'all', linger: 1 }).load(['kept', 'trimmed']),
    churn(log),
    trim(log),
    observe(log),
  ]
  await Promise.race([...works.map((work) => guarded(() => work)), new Promise((end) => setTimeout(end, loadMs))])
  isStopping = true
  await Promise.all(works)
  for (const thread of threads) thread.postMessage('stop')
  await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve))))
  await log.close()
  process.stdout.write('closed\n')
} else {
  const { parentPort } = await import('node:worker_threads')
  const log = await attach(settings.address, { memoryBytes: 2 << 20 })
  parentPort.once('message', () => (isStopping = true))
  const lanes =
    name === 'w1'
      ? [
          new Lane(log, 'a', { acks: 'all' }).load(['all']),
          new Lane(log, 'b', { acks: 1, compression: 'gzip', linger: 2 }).load(['one', 'all']),
        ]
      : [
          new Lane(log, 'a', { acks: 'all', linger: 0 }).load(['all', 'one']),
          new Lane(log, 'b', { acks: 1, idempotence: false, batchBytes: 4096 }).load(['loose']),
        ]
  await guarded(() => Promise.all(lanes))
  await log.close()
}
