/** Produce: Kafka's checks and error codes, outcomes by partition, idempotence, backpressure. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { crc32c } from '../../src/base/crc32c.ts'
import { batchOf, fetchedOf, fetchRequest, type Harness, outcomeOf, produceRequest, startServer } from './harness.ts'

let harness: Harness

beforeEach(async () => {
  harness = await startServer()
  await harness.createTopic('t', 2)
})
afterEach(() => harness.close())

async function produce(batch: Uint8Array | null, version = 9, acks = 1, topic = 't', partition = 0) {
  return outcomeOf(await harness.client().ask(0, version, produceRequest(topic, batch, acks, partition)))
}

/** A batch with some bytes of its header changed, and a CRC that fits. */
function changed(change: (view: DataView) => void): Uint8Array {
  const batch = batchOf(['one', 'two'])
  const view = new DataView(batch.buffer)
  change(view)
  view.setUint32(17, crc32c(batch, 21, batch.length))
  return batch
}

describe('a batch', () => {
  it.each([3, 5, 7, 8, 9, 10, 12])('gets its offset and can be fetched, in version %i', async (version) => {
    expect(await produce(batchOf(['a', 'b', 'c']), version)).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect(await produce(batchOf(['d']), version, -1)).toMatchObject({ errorCode: 0, baseOffset: 3 })
    const fetched = fetchedOf(await harness.client().ask(1, 11, fetchRequest('t', 0)))
    expect(fetched).toMatchObject({ errorCode: 0, highWatermark: 4 })
  })

  it('goes to a topic by id from version 13 on', async () => {
    const { topicId } = harness.transport.topic('t')!
    const request = {
      acks: 1,
      timeoutMs: 1000,
      topicData: [{ topicId, partitionData: [{ index: 1, records: batchOf(['a']) }] }],
    }
    expect(outcomeOf(await harness.client().ask(0, 13, request))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    request.topicData[0]!.topicId = 'AAAAAAAAAAAAAAAAAAAAZw'
    expect(outcomeOf(await harness.client().ask(0, 13, request)).errorCode).toBe(100)
  })

  it.each<[string, Uint8Array | null, number]>([
    ['none', null, 87],
    ['a few bytes', new Uint8Array(20), 87],
    ['magic 1', changed((view) => view.setUint8(16, 1)), 87],
    ['another CRC', withCrc(0xdead_beef), 2],
    ['a base offset', changed((view) => view.setInt32(4, 7)), 87],
    ['no records', changed((view) => view.setInt32(57, 0)), 87],
    ['more offsets than records', changed((view) => view.setInt32(23, 5)), 87],
    ['the control bit', changed((view) => view.setInt16(21, 0x20)), 87],
    ['a producer id without a sequence', changed((view) => view.setBigInt64(43, 5n)), 87],
    ['the transaction bit', changed((view) => view.setInt16(21, 0x10)), 48],
    ['codec 5', changed((view) => view.setInt16(21, 5)), 76],
    ['a timestamp two hours ahead', changed((view) => view.setBigInt64(35, BigInt(Date.now() + 7_200_000))), 32],
    ['its end cut off', batchOf(['one', 'two']).slice(0, -1), 87],
    ['another batch behind it', new Uint8Array(Buffer.concat([batchOf(['a']), batchOf(['b'])])), 87],
    ['more bytes than max.message.bytes', batchOf(['x'.repeat(1_100_000)]), 10],
  ])('with %s is refused', async (_what, batch, errorCode) => {
    expect((await produce(batch)).errorCode).toBe(errorCode)
    expect(harness.transport.ends('t', 0).highWatermark).toBe(0)
  })

  it('of zstd needs version 7', async () => {
    const batch = batchOf(['z'.repeat(500)], { compression: 'zstd' })
    expect((await produce(batch, 6)).errorCode).toBe(76)
    expect((await produce(batch, 7)).errorCode).toBe(0)
  })

  it('says why in version 8 and later', async () => {
    const { errorMessage, recordErrors } = await produce(changed((view) => view.setInt16(21, 0x20)))
    expect(errorMessage).toMatch(/control batches/)
    expect(recordErrors).toHaveLength(1)
  })
})

describe('a request', () => {
  it('with acks of 2 is refused partition by partition', async () => {
    expect((await produce(batchOf(['a']), 9, 2)).errorCode).toBe(21)
  })

  it('to an unknown topic or partition says so', async () => {
    expect((await produce(batchOf(['a']), 9, 1, 'nope')).errorCode).toBe(3)
    expect((await produce(batchOf(['a']), 9, 1, 't', 2)).errorCode).toBe(3)
    expect((await produce(batchOf(['a']), 9, 1, 't', -1)).errorCode).toBe(3)
  })

  it('has an outcome for each partition', async () => {
    const partitionData = [
      { index: 0, records: batchOf(['a']) },
      { index: 9, records: batchOf(['b']) },
      { index: 1, records: batchOf(['c']) },
    ]
    const body = await harness.client().ask(0, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name: 't', partitionData }] })
    const [{ partitionResponses }] = body['responses'] as [{ partitionResponses: { index: number; errorCode: number }[] }]
    expect(partitionResponses.map(({ index, errorCode }) => [index, errorCode])).toEqual([
      [0, 0],
      [9, 3],
      [1, 0],
    ])
  })

  it('with acks of 0 is not answered, and ends the connection if it is refused', async () => {
    const client = harness.client()
    client.send(0, 9, produceRequest('t', batchOf(['a']), 0))
    await client.ask(18, 0, {})
    expect(client.frameCount).toBe(0)
    expect(harness.transport.ends('t', 0).highWatermark).toBe(1)
    client.send(0, 9, produceRequest('nope', batchOf(['a']), 0))
    await client.closed
    expect(harness.lines.join()).toMatch(/acks=0 to nope-0: error code 3/)
  })

  it('gives its memory back, whatever becomes of it', async () => {
    const client = harness.client()
    for (let i = 0; i < 2000; i++) {
      const records = i % 3 === 0 ? withCrc(i) : batchOf(['v'.repeat(20_000)])
      client.send(0, 9, produceRequest('t', records, i % 2 === 0 ? 1 : -1))
    }
    for (let i = 0; i < 2000; i++) await client.nextFrame()
    expect(harness.server.memory.heapBytes).toBe(0)
    expect(harness.transport.reserve(harness.transport.batchBytesMax)).toBeDefined()
  })

  it('larger than the arena takes is copied batch by batch', async () => {
    const small = await startServer({}, 1 << 20)
    try {
      await small.createTopic('t', 4, { 'max.message.bytes': '2000000' })
      const partitionData = [0, 1, 2, 3].map((index) => ({ index, records: batchOf(['x'.repeat(400_000)]) }))
      const client = small.client()
      client.send(0, 9, { acks: 1, timeoutMs: 1000, topicData: [{ name: 't', partitionData }] })
      client.send(0, 9, produceRequest('t', batchOf(['behind'])))
      const [first] = (await client.response(0, 9)).body['responses'] as [{ partitionResponses: { errorCode: number }[] }]
      expect(first.partitionResponses.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0, 0])
      expect(outcomeOf((await client.response(0, 9)).body)).toMatchObject({ errorCode: 0, baseOffset: 1 })
      const tooLarge = outcomeOf(await client.ask(0, 9, produceRequest('t', batchOf(['x'.repeat(600_000)]))))
      expect(tooLarge.errorCode).toBe(10)
    } finally {
      await small.close()
    }
  })
})

describe('an idempotent producer', () => {
  it('is answered with the first offsets when it repeats a batch, and refused when it leaves one out', async () => {
    const of = (sequence: number): Uint8Array => batchOf(['a', 'b'], { producerId: 4000, epoch: 0, sequence })
    expect(await produce(of(0))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect(await produce(of(2))).toMatchObject({ errorCode: 0, baseOffset: 2 })
    expect(await produce(of(0))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect((await produce(of(8))).errorCode).toBe(45)
    expect(harness.transport.ends('t', 0).highWatermark).toBe(4)
  })

  it('gets a new id each time, and none for a transactional id yet', async () => {
    const client = harness.client()
    const ids = new Set<unknown>()
    for (let i = 0; i < 5; i++) {
      const body = await client.ask(22, 4, { transactionalId: null, transactionTimeoutMs: 1000 })
      expect(body).toMatchObject({ errorCode: 0, producerEpoch: 0 })
      ids.add(body['producerId'])
    }
    expect(ids.size).toBe(5)
    expect(await client.ask(22, 4, { transactionalId: 'tx', transactionTimeoutMs: 1000 })).toMatchObject({
      errorCode: 15,
      producerId: -1,
    })
    expect((await client.ask(22, 4, { transactionalId: '', transactionTimeoutMs: 1 }))['errorCode']).toBe(42)
  })
})

function withCrc(crc: number): Uint8Array {
  const batch = batchOf(['one'])
  new DataView(batch.buffer).setUint32(17, crc)
  return batch
}
