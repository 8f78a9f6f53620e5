/** Shards and flushers that die or hang under load: noticed, fenced, and back from disk with all they acknowledged. */
import { expect, it } from 'vitest'
import type { Log, Producer, RecordMetadata } from './built.ts'
import { codeOf, openDescriptors, openLog, readAll, type StoredRecord, threadCount } from './harness.ts'

const TOPIC = 'events'
const BURST = 20

/** Sends bursts to one partition until stop(); every acknowledgement is kept, with the time when it came. */
class Load {
  readonly partition: number
  readonly acknowledged: StoredRecord[] = []
  readonly ackedMs: number[] = []
  readonly #producer: Producer<Uint8Array, string>
  #isStopped = false
  #sent = 0
  readonly #ended: Promise<void>

  constructor(log: Log, partition: number, acks: 'all' | 1) {
    this.partition = partition
    this.#producer = log.producer({ acks, value: 'string' })
    this.#ended = this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) await this.burst()
  }

  async burst(): Promise<void> {
    const { partition } = this
    const values = Array.from({ length: BURST }, () => `${partition}-${this.#sent++}`)
    const metadata = await this.#producer.sendAll(values.map((value) => ({ topic: TOPIC, partition, value })))
    metadata.forEach(({ offset }: RecordMetadata, i) =>
      this.acknowledged.push({ partition, offset, value: values[i]! }),
    )
    this.ackedMs.push(Date.now())
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ended
  }

  get sentCount(): number {
    return this.#sent
  }
}

async function openTwoShards(failpoints: string, options: { isRepeated?: boolean } = {}) {
  const opened = await openLog({ shards: 2, failpoints, ...options })
  await opened.log.admin.createTopics([{ topic: TOPIC, partitions: 2, configs: { 'internal.segment.bytes': 65536 } }])
  const loads = [new Load(opened.log, 0, 'all'), new Load(opened.log, 1, 1)]
  return { ...opened, loads }
}

/** Every acknowledged record is where it was said to be, nothing is there twice, and the order is that of the calls. */
function expectKept(stored: readonly StoredRecord[], loads: readonly Load[]): void {
  for (const { partition, acknowledged, sentCount } of loads) {
    const records = stored.filter((record) => record.partition === partition)
    // All was acknowledged in the end, so the partition holds exactly what was sent, in order, without gaps.
    expect(records).toEqual(acknowledged)
    expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: sentCount }, (_, index) => index))
  }
}

it.each([
  ['throws', 'append:after-write=throw:30', /failpoint append:after-write/],
  ['throws before it writes', 'append:before-write=throw:30', /failpoint append:before-write/],
  ['throws before it answers', 'produce:before-reply=throw:30', /failpoint produce:before-reply/],
  ['throws while it rolls', 'roll:before-create=throw', /failpoint roll:before-create/],
  ['ends its thread', 'append:after-write=exit-thread:30', /shard \d ended with code 1/],
  ['hangs', 'append:after-write=hang:30', /did not beat for \d+ ms/],
  ['loses its flusher by a throw', 'flush:before-sync=throw:5', /flusher of shard \d threw .*failpoint flush/],
  ['loses its flusher by its end', 'flush:after-sync=exit-thread:5', /flusher of shard \d ended with code 1/],
])('a shard that %s is back with every record, while the other goes on', async (_how, failpoints, reason) => {
  const { log, dir, notices, loads, actedMs } = await openTwoShards(failpoints)
  const notice = await notices.next('shard-restarted')
  const restartedMs = Date.now()
  expect(notice).toMatchObject({ type: 'shard-restarted', epoch: 2, reason: expect.stringMatching(reason) as string })
  const diedMs = actedMs(failpoints.slice(0, failpoints.indexOf('=')))
  const other = loads.find((_load, index) => shardOf(notice.shard, index))!
  const meanwhile = other.ackedMs.filter((ms) => ms > diedMs && ms < restartedMs).length * BURST
  console.log(`${failpoints}: back after ${(restartedMs - diedMs).toFixed(0)} ms; the other took ${meanwhile} records`)

  // Both go on with the new incarnation.
  const before = loads.map(({ ackedMs }) => ackedMs.length)
  while (loads.some(({ ackedMs }, index) => ackedMs.length < before[index]! + 5)) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const load of loads) await load.stop()
  expect(notices.all).toHaveLength(1)
  expect(await log.admin.damage()).toEqual([])
  expectKept(await readAll(log, TOPIC), loads)
  await log.close()
  const again = await openLog({ dir })
  expectKept(await readAll(again.log, TOPIC), loads)
})

/** Whether partition `index` of the topic lives on another shard than `shard`: two partitions, two shards. */
function shardOf(shard: number, index: number): boolean {
  return (1 + index) % 2 !== shard
}

it('a shard that dies again while it is being restarted is restarted again', async () => {
  // The second partition that is opened after the start is the restarted one's.
  const { log, notices, loads } = await openTwoShards('append:after-write=throw:25,open-partition:after=throw:2')
  await log.admin.createTopics([{ topic: 'more', partitions: 2 }])
  await notices.next('shard-restarted')
  const { epoch } = await notices.next('shard-restarted')
  expect(epoch).toBeGreaterThan(1)
  await Promise.all(loads.map((load) => load.stop()))
  expectKept(await readAll(log, TOPIC), loads)
  expect(await log.admin.listTopics()).toEqual([TOPIC, 'more'])
})

it('while one shard hangs, producers of the other are acknowledged', async () => {
  const { notices, loads } = await openTwoShards('append:after-write=hang:30')
  const { shard } = await notices.next('shard-restarted')
  const [hung, other] = shardOf(shard, 0) ? [loads[1]!, loads[0]!] : [loads[0]!, loads[1]!]
  const gaps = hung.ackedMs.map((ms, index) => ms - (hung.ackedMs[index - 1] ?? ms))
  const end = hung.ackedMs.at(-1)!
  const start = Math.max(...gaps) > 0 ? hung.ackedMs[gaps.indexOf(Math.max(...gaps)) - 1]! : end
  for (const load of loads) await load.stop()
  const meanwhile = other.ackedMs.filter((ms) => ms > start).length
  expect(meanwhile).toBeGreaterThan(1)
})

it('both shards and a flusher die at the same time, and the log goes on', async () => {
  const { log, notices, loads } = await openTwoShards('append:after-write=throw:25,flush:before-sync=throw:6', {
    isRepeated: true,
  })
  // Each incarnation dies again; three deaths of each shard are enough.
  const deaths = [0, 0]
  while (Math.min(...deaths) < 3) deaths[(await notices.next('shard-restarted')).shard]! += 1
  await Promise.all(loads.map((load) => load.stop()))
  expectKept(await readAll(log, TOPIC), loads)
  expect(await log.admin.damage()).toEqual([])
})

it('a shard that dies five times in a row leaves no descriptors, no threads', async () => {
  const { notices, loads, log } = await openTwoShards('append:after-write=throw:20', { isRepeated: true })
  await notices.next('shard-restarted')
  const [descriptors, threads] = [openDescriptors(), threadCount()]
  for (let deaths = 0; deaths < 5; deaths++) await notices.next('shard-restarted')
  await Promise.all(loads.map((load) => load.stop()))
  console.log(`descriptors ${descriptors} -> ${openDescriptors()}, threads ${threads} -> ${threadCount()}`)
  // Either count may have been taken while a shard was being restarted, with all its files and its three threads, or
  // without them. Nothing is appended any more, so the threads that are ending do end, unless deaths leave them.
  expect(openDescriptors()).toBeLessThan(descriptors + 20)
  await expect.poll(threadCount, { timeout: 20_000, interval: 20 }).toBeLessThanOrEqual(threads + 3)
  expectKept(await readAll(log, TOPIC), loads)
})

it('a shard that dies while the directory is opened: open() says so, and the next open has every record', async () => {
  const first = await openTwoShards('append:after-write=throw:1000000') // Far enough away.
  while (first.loads.some(({ ackedMs }) => ackedMs.length < 5)) await new Promise((resolve) => setImmediate(resolve))
  for (const load of first.loads) await load.stop()
  await first.log.close()
  const { dir } = first
  const failToOpen = async (failpoints: string): Promise<number[]> => {
    expect(await codeOf(() => openLog({ dir, shards: 2, failpoints }))).toBe('SHARD_UNAVAILABLE')
    return [openDescriptors(), threadCount()]
  }
  const left = await failToOpen('open-partition:before=throw')
  for (const failpoints of ['open-partition:before=throw', 'open-partition:after=exit-thread']) {
    expect(await failToOpen(failpoints)).toEqual(left)
  }
  const { log } = await openLog({ dir, shards: 2 })
  expectKept(await readAll(log, TOPIC), first.loads)
})
