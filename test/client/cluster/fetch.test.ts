/** Consuming over TCP: what the broker sends, in whatever pieces and however late, is what the program sees, once. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Consumer } from '../../../src/client/consumer.ts'
import type { Log } from '../../../src/client/log.ts'
import { CONTROL, CRC, TRANSACTIONAL } from '../../../src/record/batch-layout.ts'
import { buildBatch, type simpleRecords } from '../../record/batches.ts'
import { FakeCluster } from './fake-cluster.ts'

let cluster: FakeCluster
let log: Log

beforeEach(async () => {
  cluster = new FakeCluster([1, 2])
  cluster.addTopic('t', 2)
  log = await cluster.log()
})

const text = (value: string): ReturnType<typeof simpleRecords>[number] => ({
  timestamp: 1,
  key: null,
  value: Buffer.from(value),
  headers: [],
})

function put(partition: number, ...values: string[]): void {
  for (const value of values) cluster.partition('t', partition).appendRaw(buildBatch({ records: [text(value)] }))
}

/** A consumer of partition 0 and the values that it has had. */
async function follow(options: object = {}): Promise<{ consumer: Consumer; values: string[]; ended: Promise<void> }> {
  const consumer = log.consumer(options)
  await cluster.during(consumer.assign([{ topic: 't', partition: 0 }]))
  const values: string[] = []
  const ended = read(consumer, values)
  ended.catch(() => undefined)
  return { consumer, values, ended }
}

async function read(consumer: Consumer, values: string[], until?: 'end'): Promise<void> {
  for await (const batch of consumer.batches(until === undefined ? {} : { until })) {
    for (const { value } of batch) values.push(Buffer.from(value!).toString())
  }
}

describe('a consumer', () => {
  it('reads to the end that each partition has, from all brokers', async () => {
    put(0, 'a', 'b', 'c')
    put(1, 'd')
    const consumer = log.consumer()
    await cluster.during(consumer.subscribe(['t']))
    expect(consumer.lag('t', 0)).toBe(3)
    const values: string[] = []
    await cluster.during(read(consumer, values, 'end'))
    expect(values.sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('waits at the broker, and has what is appended without any time passing', async () => {
    const { values } = await follow()
    await cluster.settle()
    const before = cluster.requestsOf('Fetch').length
    await cluster.settle()
    expect(cluster.requestsOf('Fetch')).toHaveLength(before)
    put(0, 'a')
    await cluster.settle()
    expect(values).toEqual(['a'])
  })

  it('names in a session only what changed, and begins a new one when the broker has forgotten it', async () => {
    const consumer = log.consumer()
    cluster.partition('t', 1).elect(1)
    await cluster.during(consumer.subscribe(['t']))
    const values: string[] = []
    void read(consumer, values)
    await cluster.settle()
    put(0, 'a')
    await cluster.settle()
    const partitionsOf = (at: number): number[] =>
      cluster
        .requestsOf('Fetch')
        .at(at)!
        .body.topics.flatMap(({ partitions }: { partitions: { partition: number }[] }) => partitions)
        .map(({ partition }: { partition: number }) => partition)
    expect(partitionsOf(0)).toEqual([0, 1])
    expect(partitionsOf(-1)).toEqual([0])
    cluster.handlers.forgetSessions()
    put(1, 'b')
    await cluster.advance(1000)
    put(0, 'c')
    await cluster.advance(1000)
    expect(values).toEqual(['a', 'b', 'c'])
    await consumer.close()
  })

  it('reads from a broker that has no room for sessions', async () => {
    cluster.handlers.hasSessions = false
    const { values } = await follow()
    for (const value of ['a', 'b', 'c']) {
      put(0, value)
      await cluster.settle()
    }
    expect(values).toEqual(['a', 'b', 'c'])
  })

  it('has answers that come byte by byte', async () => {
    cluster.pieceBytes = 1
    put(0, 'a', 'b')
    const { values } = await follow()
    await cluster.settle()
    expect(values).toEqual(['a', 'b'])
  })

  it('asks again for a batch that the answer cuts off, and for one that is larger than it asked for', async () => {
    log = await cluster.log({ maxPartitionFetchBytes: 1024 })
    const long = 'x'.repeat(700)
    put(0, 'a', long, 'b', 'y'.repeat(5000), 'c')
    const { values } = await follow()
    await cluster.during(cluster.settle())
    expect(values).toEqual(['a', long, 'b', 'y'.repeat(5000), 'c'])
  })

  it('reads no further ahead than its bound', async () => {
    log = await cluster.log({ maxPartitionFetchBytes: 1024 })
    const values = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(400))
    put(0, ...values)
    const consumer = log.consumer({ fetchBytes: 1 })
    await cluster.during(consumer.assign([{ topic: 't', partition: 0 }]))
    await cluster.settle()
    expect(cluster.requestsOf('Fetch').at(-1)!.body.topics[0].partitions[0].fetchOffset).toBeLessThan(8)
    const seen: string[] = []
    await cluster.during(read(consumer, seen, 'end'))
    expect(seen).toEqual(values)
  })

  it('does not wait behind its own long poll after a seek', async () => {
    put(0, 'a', 'b', 'c')
    const { consumer, values } = await follow()
    await cluster.settle()
    const before = cluster.clock.monotonicMs()
    await consumer.seek('t', 0, 1)
    await cluster.settle()
    expect(values).toEqual(['a', 'b', 'c', 'b', 'c'])
    expect(cluster.clock.monotonicMs()).toBe(before)
  })

  it('goes on where a loop was left, without asking again for what it has', async () => {
    put(0, 'a', 'b', 'c')
    const consumer = log.consumer()
    await cluster.during(consumer.assign([{ topic: 't', partition: 0 }]))
    await cluster.settle()
    const fetches = cluster.requestsOf('Fetch').filter(({ body }) => body.topics.length > 0).length
    const values: string[] = []
    for (let i = 0; i < 3; i++) {
      for await (const batch of consumer.batches()) {
        values.push(...batch.records().map(({ value }) => Buffer.from(value!).toString()))
        break
      }
    }
    expect(values).toEqual(['a', 'b', 'c'])
    expect(cluster.requestsOf('Fetch').filter(({ body }) => body.topics.length > 0)).toHaveLength(fetches)
  })

  it('goes on with another leader, and when connections end', async () => {
    put(0, 'a')
    const { values } = await follow()
    await cluster.settle()
    cluster.partition('t', 0).elect(2)
    put(0, 'b')
    await cluster.advance(3000)
    expect(values).toEqual(['a', 'b'])
    cluster.cut()
    put(0, 'c')
    await cluster.advance(3000)
    expect(values).toEqual(['a', 'b', 'c'])
    cluster.kill(2)
    put(0, 'd')
    await cluster.advance(3000)
    expect(values).toEqual(['a', 'b', 'c', 'd'])
  })

  it('hears that the log ends before it, when a new leader has lost what was read', async () => {
    put(0, 'a', 'b', 'c')
    const { values, ended } = await follow()
    await cluster.settle()
    const partition = cluster.partition('t', 0)
    partition.truncate(1)
    partition.elect(2)
    await cluster.advance(3000)
    await expect(ended).rejects.toMatchObject({ name: 'OffsetOutOfRangeError', logEndOffset: 1 })
    expect(values).toEqual(['a', 'b', 'c'])
  })

  it('hears that its offset is not in the log, with the ends; or goes to where `from` says', async () => {
    put(0, 'a', 'b', 'c')
    cluster.partition('t', 0).start = 2
    const consumer = log.consumer()
    await cluster.during(consumer.assign([{ topic: 't', partition: 0, offset: 0 }]))
    await expect(cluster.during(read(consumer, []))).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      logStartOffset: 2,
      logEndOffset: 3,
    })
    const forgiving = log.consumer({ from: 'earliest' })
    await cluster.during(forgiving.assign([{ topic: 't', partition: 0, offset: 77 }]))
    const values: string[] = []
    void read(forgiving, values)
    await cluster.advance(3000)
    expect(values).toEqual(['c'])
    await forgiving.close()
  })

  it('hears of damage, with the place to go on, and reads on from there', async () => {
    put(0, 'a', 'b', 'c')
    const { bytes } = cluster.partition('t', 0).batches[1]!
    bytes[CRC] = bytes[CRC]! ^ 1
    const { consumer, values, ended } = await follow()
    await cluster.settle()
    await expect(ended).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE', offset: 1, resumeOffset: 2 })
    await cluster.during(consumer.seek('t', 0, 2))
    void read(consumer, values)
    await cluster.advance(1000)
    expect(values).toEqual(['a', 'c'])
  })

  it('hears that the topic was deleted', async () => {
    const { ended } = await follow()
    await cluster.settle()
    cluster.topics.delete('t')
    await cluster.advance(10_000)
    await expect(ended).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('passes aborted transactions over with read_committed, and reads them without', async () => {
    const partition = cluster.partition('t', 0)
    const transactional = (value: string, producerId: number): void =>
      partition.appendRaw(buildBatch({ records: [text(value)], flags: TRANSACTIONAL, producerId, producerEpoch: 0 }))
    const marker = (producerId: number): void =>
      partition.appendRaw(
        buildBatch({ records: [text('m')], flags: TRANSACTIONAL | CONTROL, producerId, producerEpoch: 0 }),
      )
    put(0, 'a')
    transactional('bad', 7)
    transactional('good', 8)
    transactional('bad', 7)
    marker(7)
    marker(8)
    transactional('also good', 7)
    marker(7)
    transactional('bad', 9)
    marker(9)
    partition.abortedTransactions = [
      { producerId: 9, firstOffset: 8 },
      { producerId: 7, firstOffset: 1 },
    ]
    log = await cluster.log({ isolation: 'read_committed' })
    const committed: string[] = []
    const consumer = log.consumer()
    await cluster.during(consumer.assign([{ topic: 't', partition: 0 }]))
    await cluster.during(read(consumer, committed, 'end'))
    expect(committed).toEqual(['a', 'good', 'also good'])
    expect(consumer.position('t', 0)).toBe(10)
    const all: string[] = []
    log = await cluster.log()
    const other = log.consumer()
    await cluster.during(other.assign([{ topic: 't', partition: 0 }]))
    await cluster.during(read(other, all, 'end'))
    expect(all).toEqual(['a', 'bad', 'good', 'bad', 'also good', 'bad'])
  })

  it('is one of three that read the same partition of one log', async () => {
    put(0, 'a')
    const all = await Promise.all([follow(), follow(), follow()])
    await cluster.advance(2000)
    put(0, 'b')
    await cluster.advance(2000)
    expect(all.map(({ values }) => values)).toEqual(Array.from({ length: 3 }, () => ['a', 'b']))
  })

  it('keeps the process alive while it waits, and not when it has ended', async () => {
    expect(cluster.keptAlive).toBe(0)
    const { consumer, ended } = await follow()
    await cluster.settle()
    expect(cluster.keptAlive).toBe(1)
    await consumer.close()
    await ended
    await cluster.settle()
    expect(cluster.keptAlive).toBe(0)
  })

  it('hears that the log was closed', async () => {
    const { ended } = await follow()
    await cluster.settle()
    await log.close()
    await expect(ended).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    expect(cluster.keptAlive).toBe(0)
    await cluster.advance(2000) // The last pause ends by itself.
    expect(cluster.clock.nextTimerMs(), 'no timer is left').toBeUndefined()
  })
})
