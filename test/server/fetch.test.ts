/** Fetch: the bytes of the segments, limits, long polls, sessions; ListOffsets beside it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf, type Client, fetchedOf, fetchRequest, type Fields, type Harness, produceRequest, startServer } from './harness.ts'

let harness: Harness
let client: Client

beforeEach(async () => {
  harness = await startServer()
  await harness.createTopic('t', 3)
  client = harness.client()
})
afterEach(() => harness.close())

async function append(count: number, partition = 0, bytes = 100): Promise<void> {
  for (let i = 0; i < count; i++) await client.ask(0, 9, produceRequest('t', batchOf([`${i} `.repeat(bytes)]), 1, partition))
}

function segmentBytes(topic = 't', partition = 0): Buffer {
  const folder = join(harness.directory, `${topic}-${partition}`)
  const logs = readdirSync(folder).filter((name) => name.endsWith('.log'))
  return Buffer.concat(logs.sort().map((name) => readFileSync(join(folder, name))))
}

/** Everything from `offset` on, fetch by fetch. */
async function fetchAll(topic: string, partitionMaxBytes: number, end: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (let offset = 0; offset < end; ) {
    const fetched = fetchedOf(await client.ask(1, 11, fetchRequest(topic, offset, { partitionMaxBytes })))!
    expect(fetched.errorCode).toBe(0)
    expect(fetched.records.length).toBeGreaterThan(0)
    parts.push(fetched.records)
    offset = endOf(fetched.records)
  }
  return Buffer.concat(parts)
}

/** The offset behind whole batches. */
function endOf(records: Uint8Array): number {
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  let end = -1
  for (let at = 0; at < records.length; at += 12 + view.getInt32(at + 8)) {
    end = Number(view.getBigInt64(at)) + view.getInt32(at + 23) + 1
    expect(at + 12 + view.getInt32(at + 8)).toBeLessThanOrEqual(records.length)
  }
  return end
}

describe('a fetch', () => {
  it.each([1, 500, 5_000, 1 << 20])('gives the bytes of the segment files, %i at a time', async (maxBytes) => {
    await append(60)
    expect((await fetchAll('t', maxBytes, 60)).equals(segmentBytes())).toBe(true)
  })

  it('goes on over the end of a segment', async () => {
    await harness.createTopic('rolling', 1, { 'internal.segment.bytes': '20000' })
    for (let i = 0; i < 40; i++) await client.ask(0, 9, produceRequest('rolling', batchOf(['x'.repeat(3_000)])))
    expect(readdirSync(join(harness.directory, 'rolling-0')).filter((name) => name.endsWith('.log')).length).toBe(7)
    expect((await fetchAll('rolling', 1 << 20, 40)).equals(segmentBytes('rolling'))).toBe(true)
    expect((await fetchAll('rolling', 4_000, 40)).equals(segmentBytes('rolling'))).toBe(true)
  })

  it('from inside a batch gives that batch', async () => {
    await client.ask(0, 9, produceRequest('t', batchOf(['a', 'b', 'c'])))
    await client.ask(0, 9, produceRequest('t', batchOf(['d'])))
    const fetched = fetchedOf(await client.ask(1, 11, fetchRequest('t', 1)))!
    expect(Buffer.from(fetched.records).equals(segmentBytes())).toBe(true)
  })

  it('outside the log is out of range, at its end it is empty', async () => {
    await append(3)
    for (const offset of [-1, 4]) {
      const fetched = fetchedOf(await client.ask(1, 11, fetchRequest('t', offset)))
      expect(fetched).toMatchObject({ errorCode: 1, highWatermark: -1, logStartOffset: -1 })
    }
    const atEnd = fetchedOf(await client.ask(1, 11, fetchRequest('t', 3)))
    expect(atEnd).toMatchObject({ errorCode: 0, highWatermark: 3 })
    expect(atEnd!.records.length).toBe(0)
    await harness.transport.request({ type: 'trim', topic: 't', partition: 0, offset: 2 })
    expect(fetchedOf(await client.ask(1, 11, fetchRequest('t', 1)))!.errorCode).toBe(1)
  })

  it('keeps to the limits over partitions, but gives the first batch', async () => {
    await append(4, 0)
    await append(4, 1)
    const partitions = [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 << 20 }))
    const request = { ...fetchRequest('t', 0), maxBytes: 10, topics: [{ topic: 't', partitions }] }
    const body = await client.ask(1, 11, request)
    const [{ partitions: found }] = body['responses'] as [{ partitions: { records: Uint8Array }[] }]
    expect(endOf(found[0]!.records)).toBe(1)
    expect(found[1]!.records.length).toBe(0)
  })

  it('names errors by partition and id', async () => {
    expect(fetchedOf(await client.ask(1, 11, fetchRequest('nope', 0)))!.errorCode).toBe(3)
    expect(fetchedOf(await client.ask(1, 11, fetchRequest('t', 0, {}, 7)))!.errorCode).toBe(3)
    const byId = (topicId: string): Fields => ({
      ...fetchRequest('', 0),
      topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
    })
    expect(fetchedOf(await client.ask(1, 13, byId('AAAAAAAAAAAAAAAAAAAAZw')))!.errorCode).toBe(100)
    expect(fetchedOf(await client.ask(1, 17, byId(harness.transport.topic('t')!.topicId)))!.errorCode).toBe(0)
  })

  it('judges the leader epoch that a client names', async () => {
    const request = (currentLeaderEpoch: number): Fields => ({
      ...fetchRequest('t', 0),
      topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 9, currentLeaderEpoch }] }],
    })
    expect(fetchedOf(await client.ask(1, 11, request(0)))!.errorCode).toBe(0)
    expect(fetchedOf(await client.ask(1, 11, request(5)))!.errorCode).toBe(75)
  })

  it('of zstd needs version 10', async () => {
    await client.ask(0, 9, produceRequest('t', batchOf(['z'.repeat(500)], { compression: 'zstd' })))
    expect(fetchedOf(await client.ask(1, 9, fetchRequest('t', 0)))!.errorCode).toBe(76)
    expect(fetchedOf(await client.ask(1, 10, fetchRequest('t', 0)))!.errorCode).toBe(0)
  })

  it('gives no list of aborted transactions unless asked to read committed', async () => {
    await append(1)
    expect(fetchedOf(await client.ask(1, 11, fetchRequest('t', 0)))!.abortedTransactions).toBe(null)
    const committed = fetchedOf(await client.ask(1, 11, fetchRequest('t', 0, { isolationLevel: 1 })))
    expect(committed!.abortedTransactions).toEqual([])
  })
})

describe('a long poll', () => {
  const waiting = { maxWaitMs: 10_000 }

  it('wakes when its partition moves, and only then', async () => {
    const waiters = [harness.client(), harness.client()]
    waiters[0]!.send(1, 11, fetchRequest('t', 0, waiting, 1))
    waiters[1]!.send(1, 11, fetchRequest('t', 0, waiting, 2))
    await append(1, 1)
    const { body } = await waiters[0]!.response(1, 11)
    expect(fetchedOf(body)!.highWatermark).toBe(1)
    expect(waiters[1]!.frameCount).toBe(0)
    await append(1, 2)
    await waiters[1]!.response(1, 11)
  })

  it('waits for min_bytes', async () => {
    const waiter = harness.client()
    waiter.send(1, 11, fetchRequest('t', 0, { ...waiting, minBytes: 1_000 }))
    await append(2, 0, 100)
    expect(waiter.frameCount).toBe(0)
    await append(4, 0, 100)
    expect(fetchedOf((await waiter.response(1, 11)).body)!.records.length).toBeGreaterThanOrEqual(1_000)
  })

  it('ends after max_wait with what there is', async () => {
    await append(1)
    const waiter = harness.client()
    waiter.send(1, 11, fetchRequest('t', 0, { ...waiting, minBytes: 1_000_000 }))
    expect(waiter.frameCount).toBe(0)
    harness.time.advance(10_000)
    expect(fetchedOf((await waiter.response(1, 11)).body)!.records.length).toBeGreaterThan(0)
  })

  it('ends when its topic is deleted', async () => {
    await harness.createTopic('gone')
    const waiter = harness.client()
    waiter.send(1, 11, fetchRequest('gone', 0, waiting))
    await harness.transport.request({ type: 'deleteTopics', topics: ['gone'] })
    expect(fetchedOf((await waiter.response(1, 11)).body)!.errorCode).toBe(3)
  })

  it('leaves nothing behind when its client hangs up', async () => {
    const waiter = harness.client()
    waiter.send(1, 11, fetchRequest('t', 0, waiting))
    waiter.connection.hangUp()
    await append(1)
    expect(harness.server.connectionCount).toBe(1)
  })
})

describe('a session', () => {
  const of = (sessionId: number, sessionEpoch: number, more: Fields = {}): Fields => {
    return fetchRequest('t', 0, { sessionId, sessionEpoch, ...more })
  }
  const nothing = { topics: [] }

  it('names only what changed', async () => {
    const first = await client.ask(1, 11, of(0, 0))
    const sessionId = first['sessionId'] as number
    expect(sessionId).toBeGreaterThan(0)
    expect(fetchedOf(first)).toMatchObject({ errorCode: 0, highWatermark: 0 })
    const second = await client.ask(1, 11, of(sessionId, 1, nothing))
    expect(second).toMatchObject({ errorCode: 0, sessionId, responses: [] })
    await append(1)
    expect(fetchedOf(await client.ask(1, 11, of(sessionId, 2, nothing)))).toMatchObject({ highWatermark: 1 })
    // The client has taken it in and says where it goes on.
    const moved = { topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: 1, partitionMaxBytes: 1000 }] }] }
    expect((await client.ask(1, 11, of(sessionId, 3, moved)))['responses']).toEqual([])
    const forgotten = { ...nothing, forgottenTopicsData: [{ topic: 't', partitions: [0] }] }
    await client.ask(1, 11, of(sessionId, 4, forgotten))
    await append(1)
    expect((await client.ask(1, 11, of(sessionId, 5, nothing)))['responses']).toEqual([])
  })

  it('is refused with a wrong epoch, an unknown id, or ids where it began with names', async () => {
    const sessionId = (await client.ask(1, 11, of(0, 0)))['sessionId'] as number
    expect((await client.ask(1, 11, of(sessionId, 5, nothing)))['errorCode']).toBe(71)
    expect((await client.ask(1, 11, of(12345, 1, nothing)))['errorCode']).toBe(70)
    expect((await client.ask(1, 13, of(sessionId, 1, nothing)))['errorCode']).toBe(106)
    await client.ask(1, 11, of(sessionId, -1))
    expect((await client.ask(1, 11, of(sessionId, 1, nothing)))['errorCode']).toBe(70)
  })

  it('is not given beyond the slots, until one is idle', async () => {
    const few = await startServer({ 'max.incremental.fetch.session.cache.slots': '2' })
    try {
      await few.createTopic('t')
      const ids: unknown[] = []
      for (let i = 0; i < 3; i++) ids.push((await few.client().ask(1, 11, of(0, 0)))['sessionId'])
      expect(ids.map((id) => id !== 0)).toEqual([true, true, false])
      few.time.advance(120_001)
      expect((await few.client().ask(1, 11, of(0, 0)))['sessionId']).not.toBe(0)
    } finally {
      await few.close()
    }
  })
})

describe('ListOffsets', () => {
  const ask = async (timestamp: number, version = 9): Promise<Fields> => {
    const partitions = [{ partitionIndex: 0, timestamp }]
    const body = await client.ask(2, version, { replicaId: -1, topics: [{ name: 't', partitions }] })
    return (body['topics'] as { partitions: Fields[] }[])[0]!.partitions[0]!
  }

  it('answers every special timestamp as a broker without tiers', async () => {
    await append(5)
    await harness.transport.request({ type: 'trim', topic: 't', partition: 0, offset: 2 })
    expect(await ask(-1)).toMatchObject({ errorCode: 0, offset: 5, timestamp: -1, leaderEpoch: 0 })
    expect(await ask(-2)).toMatchObject({ errorCode: 0, offset: 2, timestamp: -1 })
    expect(await ask(-4)).toMatchObject({ errorCode: 0, offset: 2 })
    expect(await ask(-5)).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1, leaderEpoch: -1 })
    expect((await ask(-3))['offset']).toBeGreaterThanOrEqual(2)
    expect(await ask(0)).toMatchObject({ errorCode: 0, offset: 2 })
    expect(await ask(Date.now() + 60_000)).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1 })
    expect((await ask(-3, 6))['errorCode']).toBe(35)
    expect((await ask(-9))['errorCode']).toBe(35)
  })
})
