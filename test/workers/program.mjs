/**
 * A whole process that uses a log, for tests of when a process ends and of what goes on while its main thread is
 * blocked.
 *
 *   node program.mjs TASK DIR [MS]
 *
 * It prints one line of JSON with what it found.
 */
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { attach, open } from '../../dist/index.js'

const PRODUCED = 0
const CONSUMED = 1
const STOP = 2
const HAS_STOPPED = 3

if (isMainThread) await main(...process.argv.slice(2))
else if (workerData.role === 'producer') await produce(workerData)
else await consume(workerData)

async function main(task, dir, milliseconds = '0') {
  const notices = []
  const log = await open({ dir, shards: 2, onNotice: (notice) => notices.push(notice) })
  if (!(await log.admin.listTopics()).includes('events')) {
    await log.admin.createTopics([{ topic: 'events', partitions: 2 }])
  }
  switch (task) {
    case 'idle':
      log.producer()
      log.consumer()
      return report({ task })
    case 'send-unawaited': {
      // Nothing but the log keeps the process alive until the answer is there.
      const producer = log.producer({ value: 'string', linger: 200 })
      void producer.send({ topic: 'events', value: 'one' }).then((metadata) => report({ task, ...metadata }))
      return
    }
    case 'append-unawaited':
      log.producer({ value: 'string', linger: 100 }).append('events', 'appended', null, { partition: 1 })
      return
    case 'fail-on-purpose':
      await log.producer({ value: 'string' }).send({ topic: 'events', value: 'one' })
      throw new Error('the program has a bug')
    case 'block':
      return block(log, notices, Number(milliseconds))
    case 'fill':
      return fill(log, notices)
    case 'die-of-memory':
      return dieOfMemory(log, notices)
    default:
      throw new Error(`no task ${task}`)
  }
}

function report(found) {
  process.stdout.write(`${JSON.stringify(found)}\n`)
}

/** The main thread stands still while two threads produce and consume, and while a shard dies and is restarted. */
async function block(log, notices, milliseconds) {
  const counts = new BigInt64Array(new SharedArrayBuffer(32))
  const threads = ['producer', 'consumer'].map(
    (role) => new Worker(new URL(import.meta.url), { workerData: { role, address: log.address, counts } }),
  )
  const ends = threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve)))
  while (Number(Atomics.load(counts, CONSUMED)) === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  const samples = []
  const still = new Int32Array(new SharedArrayBuffer(4))
  const slices = 10
  for (let slice = 0; slice <= slices; slice++) {
    samples.push([PRODUCED, CONSUMED].map((index) => Number(Atomics.load(counts, index))))
    if (slice < slices) Atomics.wait(still, 0, 0, milliseconds / slices)
  }
  Atomics.store(counts, STOP, 1n)
  await Promise.all(ends)
  const ended = [PRODUCED, CONSUMED].map((index) => Number(Atomics.load(counts, index)))
  await log.close()
  report({ samples, ended, notices })
}

async function produce({ address, counts }) {
  const log = await attach(address)
  const producer = log.producer({ value: 'string' })
  for (let sent = 0; Atomics.load(counts, STOP) === 0n; sent += 20) {
    const values = Array.from({ length: 20 }, (_, index) => String(sent + index))
    await producer.sendAll(values.map((value) => ({ topic: 'events', value, partition: sent % 40 === 0 ? 0 : 1 })))
    Atomics.add(counts, PRODUCED, 20n)
  }
  Atomics.store(counts, HAS_STOPPED, 1n)
  await log.close()
}

async function consume({ address, counts }) {
  const log = await attach(address)
  const consumer = log.consumer({ value: 'string' })
  await consumer.subscribe(['events'])
  const signal = new AbortController()
  const ends = setInterval(() => {
    const hasStopped = Atomics.load(counts, HAS_STOPPED) === 1n
    const isDone = hasStopped && Atomics.load(counts, CONSUMED) === Atomics.load(counts, PRODUCED)
    if (isDone) signal.abort()
  }, 10)
  for await (const batch of consumer.batches({ signal: signal.signal })) {
    let count = 0n
    for (const record of batch) if (record.value !== null) count += 1n
    Atomics.add(counts, CONSUMED, count)
  }
  clearInterval(ends)
  await log.close()
}

/** Sends until the disk takes no more, and reads everything back meanwhile. */
async function fill(log, notices) {
  const producer = log.producer({ value: 'string' })
  const acknowledged = []
  let refused
  while (refused === undefined) {
    const value = String(acknowledged.length).padEnd(10_000, 'x')
    try {
      const { offset } = await producer.send({ topic: 'events', partition: 0, value })
      acknowledged.push([offset, value.length])
    } catch (error) {
      refused = { code: error.code, retriable: error.retriable }
    }
  }
  const consumer = log.consumer({ value: 'string' })
  await consumer.subscribe(['events'])
  const read = []
  for await (const batch of consumer.batches({ until: 'end' })) {
    for (const { offset, value } of batch) read.push([offset, value.length])
  }
  const closing = await log.close().then(
    () => 'none',
    (error) => error.code,
  )
  report({ refused, acknowledged, isReadBack: JSON.stringify(read) === JSON.stringify(acknowledged), closing, notices })
}

/** VLTAVA_FAILPOINTS makes a shard run out of its heap; the process and the other threads live on. */
async function dieOfMemory(log, notices) {
  const producer = log.producer({ value: 'string', acks: 1 })
  const acknowledged = []
  while (notices.length === 0 || acknowledged.length < 400) {
    const values = Array.from({ length: 10 }, (_, index) => String(acknowledged.length + index))
    const sent = await producer.sendAll(values.map((value) => ({ topic: 'events', value, partition: 0 })))
    acknowledged.push(...sent.map(({ offset }) => offset))
  }
  await log.close()
  report({ notices, count: acknowledged.length, inOrder: acknowledged.every((offset, index) => offset === index) })
}
