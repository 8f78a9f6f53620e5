/** Threads that attach to a log of their process: how they come, how they leave, and how they are missed. */
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import type * as Engine from '../../src/engine/open.ts'
import { attach, features } from './built.ts'
import { ClientThread, codeOf, onCleanup, openLog, readAll, type StoredRecord } from './harness.ts'

async function openWithTopic(partitions = 1) {
  const opened = await openLog()
  await opened.log.admin.createTopics([{ topic: 'events', partitions }])
  return opened
}

it('what is no address is refused by its form, and an address that nobody answers as a closed log', async () => {
  const { log } = await openWithTopic()
  expect(await codeOf(() => attach('events'))).toBe('INVALID_ARGUMENT')
  expect(await codeOf(() => attach(1 as unknown as string))).toBe('INVALID_ARGUMENT')
  expect(await codeOf(() => attach('vltava:987654:AAAAAAAAAAAAAAAAAAAAAA'))).toBe('LOG_CLOSED')
  // The right thread, but another log.
  expect(await codeOf(() => attach(`${log.address}x`))).toBe('LOG_CLOSED')
  const { address } = log
  await log.close()
  expect(await codeOf(() => attach(address))).toBe('LOG_CLOSED')
})

it('a thread that wants more memory than there is hears so, and the log goes on for the others', async () => {
  const { log } = await openLog()
  // Past the limit of attach(), which a machine may or may not have.
  const engine = (await import(new URL('../../dist/engine/open.js', import.meta.url).href)) as typeof Engine
  await expect(engine.attachLocal(log.address, 2 ** 48, () => undefined)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('memoryBytes=281474976710656') as unknown,
  })
  await log.admin.createTopics([{ topic: 't', partitions: 1 }])
  const other = await attach(log.address)
  expect(await other.admin.listTopics()).toEqual(['t'])
})

it('the thread that opened a log may attach to it too, and leave again', async () => {
  const { log } = await openWithTopic()
  const second = await attach(log.address)
  const { offset } = await second
    .producer<Uint8Array, string>({ value: 'string' })
    .send({ topic: 'events', value: 'one' })
  await second.close()
  expect(await codeOf(() => second.producer())).toBe('LOG_CLOSED')
  expect(offset).toBe(0)
  expect(await readAll(log, 'events')).toEqual([{ partition: 0, offset: 0, value: 'one' }])
})

it('twenty threads attach, produce and leave at the same time', async () => {
  const { log, notices } = await openWithTopic(4)
  const threads = Array.from(
    { length: 20 },
    (_, index) =>
      new ClientThread({ address: log.address, topic: 'events', name: `t${index}`, task: 'produce', count: 50 }),
  )
  const acknowledged = await Promise.all(threads.map((thread) => thread.next('acknowledged')))
  await Promise.all(threads.map((thread) => thread.ended))
  const sent = acknowledged.flatMap(({ records }) => records)
  expect(sent.length).toBe(20 * 50)
  expect(new Set((await readAll(log, 'events')).map(keyOf))).toEqual(new Set(sent.map(keyOf)))
  expect(notices.all).toEqual([])
})

it.each(['terminate', 'end'] as const)('a thread that ended by %s without closing is noticed', async (how) => {
  const { log, notices } = await openWithTopic()
  // One that leaves as it should is not reported.
  const polite = new ClientThread({ address: log.address, topic: 'events', name: 'p', task: 'produce', count: 1 })
  await polite.next('ended')
  await polite.ended

  const task = how === 'terminate' ? 'hold' : 'end-without-close'
  const rude = new ClientThread({ address: log.address, topic: 'events', name: 'r', task })
  await rude.next('attached')
  if (how === 'terminate') await rude.worker.terminate()
  expect(await notices.next('thread-lost')).toEqual({ type: 'thread-lost' })
  expect(notices.all).toHaveLength(1)
  await log.producer<Uint8Array, string>({ value: 'string' }).send({ topic: 'events', value: 'after' })
})

it('a thread that is busy for longer than any heartbeat is not taken for lost', async () => {
  const { log, notices } = await openWithTopic()
  const blocked = new Int32Array(new SharedArrayBuffer(4))
  const thread = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     import(workerData.module).then(async ({ attach }) => {
       const log = await attach(workerData.address)
       parentPort.postMessage('attached')
       Atomics.wait(workerData.blocked, 0, 0, 60_000)
       await log.producer({ value: 'string' }).send({ topic: 'events', value: 'late' })
       await log.close()
     })`,
    {
      eval: true,
      workerData: {
        module: new URL('../../dist/index.js', import.meta.url).href,
        address: log.address,
        blocked,
      },
    },
  )
  onCleanup(async () => void (await thread.terminate()))
  const ended = new Promise((resolve) => thread.once('exit', resolve))
  await new Promise((resolve) => thread.once('message', resolve))
  // Another one is lost meanwhile, so that the dispatcher has looked.
  const lost = new ClientThread({ address: log.address, topic: 'events', name: 'l', task: 'end-without-close' })
  await lost.ended
  await notices.next('thread-lost')
  Atomics.store(blocked, 0, 1)
  Atomics.notify(blocked, 0)
  expect(await ended).toBe(0)
  expect(notices.all).toHaveLength(1)
  expect((await readAll(log, 'events')).map(({ value }) => value)).toEqual(['late'])
})

it('gives the memory of lost threads back', async () => {
  const { log, notices } = await openWithTopic()
  await log.admin.alterConfigs('events', { 'retention.bytes': 0, 'internal.segment.bytes': 1 << 20 })
  const memoryBytes = 32 << 20
  const lose = async (): Promise<void> => {
    const thread = new ClientThread({
      address: log.address,
      topic: 'events',
      name: 'm',
      task: 'fill-memory',
      memoryBytes,
    })
    await thread.next('acknowledged')
    await thread.worker.terminate()
    await notices.next('thread-lost')
  }
  await lose()
  const before = process.memoryUsage().rss
  for (let i = 0; i < 5; i++) await lose()
  const grown = process.memoryUsage().rss - before
  console.log(`five lost threads with 32 MiB each: the process grew by ${(grown / 2 ** 20).toFixed(0)} MiB`)
  expect(grown).toBeLessThan(3 * memoryBytes)
})

it('a log that its owner closes while others produce: they hear LOG_CLOSED, nothing acknowledged is lost', async () => {
  const { log, dir } = await openWithTopic(2)
  const threads = [0, 1].map(
    (partition) =>
      new ClientThread({
        address: log.address,
        topic: 'events',
        partition,
        name: `t${partition}`,
        task: 'produce-for-ever',
        acks: partition === 0 ? 'all' : 1,
      }),
  )
  for (const thread of threads) await thread.next('acknowledged')
  await log.close()
  const acknowledged: StoredRecord[] = []
  for (const thread of threads) {
    const { code, records } = await thread.next('ended')
    expect(code).toBe('LOG_CLOSED')
    acknowledged.push(...records)
  }
  const again = await openLog({ dir })
  const stored = (await readAll(again.log, 'events')).map(keyOf)
  expect(new Set(stored).size).toBe(stored.length)
  expect(acknowledged.map(keyOf).filter((key) => !stored.includes(key))).toEqual([])
  expect(await again.log.admin.damage()).toEqual([])
})

it('the owner of a log is a worker thread that is terminated: threads that attached hear LOG_CLOSED', async () => {
  const { dir, log } = await openLog()
  await log.close()
  const owner = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     import(workerData.module).then(async ({ open }) => {
       const log = await open({ dir: workerData.dir, shards: 1 })
       await log.admin.createTopics([{ topic: 'events' }])
       parentPort.postMessage(log.address)
       setInterval(() => {}, 1000)
     })`,
    { eval: true, workerData: { module: new URL('../../dist/index.js', import.meta.url).href, dir } },
  )
  const address = await new Promise<string>((resolve) => owner.once('message', resolve))
  const attached = await attach(address)
  await attached.producer<Uint8Array, string>({ value: 'string' }).send({ topic: 'events', value: 'kept' })
  const consumer = attached.consumer({ value: 'string' })
  await consumer.subscribe(['events'])
  const reading = codeOf(async () => {
    for await (const batch of consumer.batches()) expect(batch.topic).toBe('events')
  })
  await owner.terminate()
  expect(await reading).toBe('LOG_CLOSED')
  expect(attached.isClosed).toBe(true)
  await attached.close()
  if (!features().flock) {
    // Without the addon a lock that a thread has not released lasts as long as its process: see owner-file.ts.
    expect(await codeOf(() => openLog({ dir }))).toBe('DIRECTORY_LOCKED')
    return
  }
  const again = await openLog({ dir })
  expect((await readAll(again.log, 'events')).map(({ value }) => value)).toEqual(['kept'])
})

function keyOf({ partition, offset, value }: StoredRecord): string {
  return `${partition}/${offset}/${value}`
}
