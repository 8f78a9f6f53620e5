/**
 * The producer: what becomes a batch when, in which order, and what becomes of records whose batch is refused. Against
 * a transport that the test answers by hand; the end of the file runs it against a real log.
 */
import { describe, expect, it } from 'vitest'
import { VltavaError } from '../../src/base/errors.ts'
import { partitionForKey } from '../../src/client/murmur2.ts'
import { Producer } from '../../src/client/producer.ts'
import type { ProducerOptions, RecordMetadata } from '../../src/client/producer-options.ts'
import { FakeTransport } from './fake-transport.ts'
import { openLog, readAll } from '../workers/harness.ts'

type Options = ProducerOptions<string, string>

async function producing(options: Options = {}, transport = new FakeTransport().addTopic('t', 1)) {
  const producer = new Producer<string, string>(transport, transport.clock, {
    key: 'string',
    value: 'string',
    acks: 1,
    ...options,
  })
  await transport.advance()
  return { transport, producer }
}

/** Whether and how promises have settled, without waiting for them. */
function watch(promises: Promise<unknown>[]): string[] {
  const states = promises.map(() => 'pending')
  promises.forEach((promise, i) => {
    promise.then(
      (value) => {
        states[i] = value === undefined ? 'done' : String((value as RecordMetadata).offset)
      },
      (error: unknown) => {
        states[i] = error instanceof VltavaError ? error.code : String(error)
      },
    )
  })
  return states
}

const batches = (transport: FakeTransport): string[] =>
  transport.submitted.map(({ partition, values }) => `${partition}:${values.join('')}`)

describe('a batch is handed over', () => {
  it('when linger has passed since its first record, not before', async () => {
    const { transport, producer } = await producing({ linger: 5 })
    producer.append('t', 'a')
    await transport.advance(3)
    producer.append('t', 'b')
    await transport.advance(1)
    expect(batches(transport)).toEqual([])
    await transport.advance(1)
    expect(batches(transport)).toEqual(['0:ab'])
    producer.append('t', 'c')
    await transport.advance(4)
    expect(batches(transport)).toEqual(['0:ab'])
    await transport.advance(1)
    expect(batches(transport)).toEqual(['0:ab', '0:c'])
  })

  it('at the end of the turn with linger 0', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    producer.append('t', 'a')
    producer.append('t', 'b')
    expect(batches(transport)).toEqual([])
    await transport.advance()
    expect(batches(transport)).toEqual(['0:ab'])
  })

  it('when the next record does not fit it', async () => {
    const { transport, producer } = await producing({ linger: 1000, batchBytes: 1024 })
    const value = 'v'.repeat(400)
    for (let i = 0; i < 5; i++) expect(producer.append('t', value)).toBe(true)
    await transport.advance()
    expect(transport.submitted.map(({ values }) => values.length)).toEqual([2, 2])
    expect(transport.submitted.every(({ sizeBytes }) => sizeBytes <= 1024)).toBe(true)
  })

  it('by flush() at once, whatever linger says', async () => {
    const { transport, producer } = await producing({ linger: 10_000 })
    producer.append('t', 'a')
    const [state] = [watch([producer.flush()])]
    await transport.advance()
    expect(batches(transport)).toEqual(['0:a'])
    expect(state).toEqual(['pending'])
    await transport.appendNext()
    expect(state).toEqual(['done'])
  })

  it('at the end of the turn if a send() is awaited and nothing else is under way, together with all of that turn', async () => {
    const { transport, producer } = await producing({ linger: 10_000 })
    const states = watch([
      producer.send({ topic: 't', value: 'a' }),
      producer.send({ topic: 't', value: 'b' }),
      producer.send({ topic: 't', value: 'c' }),
    ])
    await transport.advance()
    expect(batches(transport)).toEqual(['0:abc'])
    const more = watch([producer.send({ topic: 't', value: 'd' }), producer.send({ topic: 't', value: 'e' })])
    await transport.advance()
    expect(batches(transport), 'one is under way: more may come').toEqual(['0:abc'])
    await transport.appendNext()
    expect(states).toEqual(['0', '1', '2'])
    expect(batches(transport)).toEqual(['0:de'])
    await transport.appendNext()
    expect(more).toEqual(['3', '4'])
  })

  it('only when the log has given a producer id, in order', async () => {
    let open: () => void = () => undefined
    const transport = new FakeTransport().addTopic('t', 1)
    transport.producerIdGate = new Promise((resolve) => {
      open = resolve
    })
    const { producer } = await producing({ linger: 0 }, transport)
    producer.append('t', 'a')
    await transport.advance()
    producer.append('t', 'b')
    await transport.advance()
    expect(batches(transport)).toEqual([])
    open()
    await transport.advance()
    expect(batches(transport)).toEqual(['0:a', '0:b'])
    expect(transport.requests).toEqual([{ type: 'allocateProducerId' }])
  })

  it('five at a time and partition; the rest follows in order as answers come', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    for (const value of 'abcdefgh') {
      producer.append('t', value)
      await transport.advance()
    }
    expect(batches(transport)).toEqual(['0:a', '0:b', '0:c', '0:d', '0:e'])
    await transport.appendNext()
    expect(batches(transport)).toEqual(['0:b', '0:c', '0:d', '0:e', '0:f'])
    for (let i = 0; i < 7; i++) await transport.appendNext()
    expect(transport.submitted).toEqual([])
  })
})

describe('a record without a timestamp', () => {
  it('gets the time of its batch, however long nothing came before', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    for (let records = 1; records <= 20; records++) {
      for (let i = 0; i < records; i++) producer.append('t', 'a')
      await transport.advance()
      const nowMs = transport.clock.wallMs()
      expect(transport.submitted[0]!.timestamps, `${records} records`).toEqual(new Array(records).fill(nowMs))
      await transport.appendNext()
      await transport.advance(3_600_000)
    }
  })
})

describe('an acknowledgement', () => {
  it.each([
    [0, 'none'],
    [1, 'stable'],
    ['all', 'committed'],
  ] as const)('with acks %s means %s', async (acks, durability) => {
    const { transport, producer } = await producing({ acks, linger: 0 })
    const sent = producer.send({ topic: 't', value: 'a' })
    const states = watch([sent])
    await transport.advance()
    expect(states).toEqual([acks === 0 ? '-1' : 'pending'])
    await transport.appendNext()
    if (acks === 'all') {
      expect(states, 'written, and not on the disk yet').toEqual(['pending'])
      transport.setCommitted('t', 0, 1)
      await transport.advance()
    }
    await expect(sent).resolves.toEqual({ topic: 't', partition: 0, offset: acks === 0 ? -1 : 0, durability })
  })

  it('with acks all comes batch by batch, as the committed offset passes', async () => {
    const { transport, producer } = await producing({ acks: 'all', linger: 0 })
    const states: string[][] = []
    for (const value of 'abc') {
      states.push(watch([producer.send({ topic: 't', value }), producer.send({ topic: 't', value })]))
      await transport.advance()
      await transport.appendNext()
    }
    transport.setCommitted('t', 0, 3)
    await transport.advance()
    expect(states).toEqual([['0', '1'], ['pending', 'pending'], ['pending', 'pending']]) // prettier-ignore
    transport.setCommitted('t', 0, 6)
    await transport.advance()
    expect(states.flat()).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(transport.watchCount, 'nothing is watched while nothing waits').toBe(0)
  })

  it('with acks all fails with the partition, or with its topic', async () => {
    const transport = new FakeTransport().addTopic('t', 1).addTopic('u', 1)
    const { producer } = await producing({ acks: 'all', linger: 0 }, transport)
    const states = watch([producer.send({ topic: 't', value: 'a' }), producer.send({ topic: 'u', value: 'b' })])
    await transport.advance()
    await transport.appendNext()
    await transport.appendNext()
    transport.failures.set('t-0', { code: 'KAFKA_STORAGE_ERROR', message: 'the disk is gone' })
    transport.removeTopic('u')
    await transport.advance()
    expect(states).toEqual(['KAFKA_STORAGE_ERROR', 'UNKNOWN_TOPIC_OR_PARTITION'])
  })
})

describe('a record goes', () => {
  const eight = (): FakeTransport => new FakeTransport(8 << 20).addTopic('t', 8)

  it('to the partition that it names', async () => {
    const { transport, producer } = await producing({ linger: 0 }, eight())
    producer.append('t', 'a', 'some key', { partition: 6 })
    producer.append('t', 'b', null, { partition: 2 })
    await transport.advance()
    expect(batches(transport).sort()).toEqual(['2:b', '6:a'])
  })

  it("to the partition of its key, by Kafka's hash", async () => {
    const { transport, producer } = await producing({ linger: 0 }, eight())
    const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`)
    for (const key of keys) producer.append('t', `<${key}>`, key)
    await transport.advance()
    for (const { partition, values } of transport.submitted) {
      for (const value of values) {
        const bytes = new TextEncoder().encode(value.slice(1, -1))
        expect(partitionForKey(bytes, 0, bytes.length, 8)).toBe(partition)
      }
    }
    expect(transport.submitted).toHaveLength(8)
  })

  it('to the partition of its key or its own also while that is the sticky one, full or not', async () => {
    const { transport, producer } = await producing({ linger: 1000, batchBytes: 1024 }, eight())
    const value = 'v'.repeat(300)
    producer.append('t', value)
    const sticky = Array.from({ length: 8 }, (_, i) => `k${i}`.repeat(1)).map((key) => {
      const bytes = new TextEncoder().encode(key)
      return { key, partition: partitionForKey(bytes, 0, bytes.length, 8) }
    })
    for (let round = 0; round < 30; round++) {
      producer.append('t', value)
      for (const { key } of sticky) producer.append('t', `${key}${value}`, key)
      producer.append('t', `p5${value}`, null, { partition: 5 })
    }
    producer.append('t', 'end')
    void producer.flush()
    let seen = 0
    while (transport.submitted.length > 0) {
      const { partition, values } = await transport.appendNext()
      for (const text of values) {
        const found = sticky.find(({ key }) => text.startsWith(key))
        if (found !== undefined) expect(partition, found.key).toBe(found.partition)
        if (text.startsWith('p5')) expect(partition).toBe(5)
        seen += 1
      }
    }
    expect(seen).toBe(30 * 10 + 2)
  })

  it('without a key to one partition until its batch is handed over, then to the next: even, in large batches', async () => {
    const { transport, producer } = await producing({ linger: 5, batchBytes: 1024 }, eight())
    const counts = new Array<number>(8).fill(0)
    const sizes: number[] = []
    for (let i = 0; i < 4000; i++) {
      producer.append('t', 'v'.repeat(100))
      while (transport.submitted.length > 0) {
        const { partition, values } = await transport.appendNext()
        counts[partition]! += values.length
        sizes.push(values.length)
      }
    }
    const perBatch = Math.max(...sizes)
    expect(perBatch).toBeGreaterThan(7)
    expect(
      sizes.every((size) => size === perBatch),
      'each batch is full',
    ).toBe(true)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(perBatch)
  })

  it('without a key, few at a time, in one batch and not in one for each partition', async () => {
    const { transport, producer } = await producing({ linger: 5 }, eight())
    const seen = new Set<number>()
    for (let round = 0; round < 16; round++) {
      for (const value of 'abc') producer.append('t', value)
      await transport.advance(5)
      expect(transport.submitted.map(({ values }) => values.join(''))).toEqual(['abc'])
      seen.add((await transport.appendNext()).partition)
    }
    expect(seen.size).toBe(8)
  })

  it("where the partitioner of the program says, which sees the key's bytes", async () => {
    const seen: unknown[] = []
    const partitioner = (topic: string, key: Uint8Array | null, count: number): number => {
      seen.push([topic, key === null ? null : Buffer.from(key).toString(), count])
      return 3
    }
    const { transport, producer } = await producing({ linger: 0, partitioner }, eight())
    producer.append('t', 'a', 'k')
    producer.append('t', 'b')
    await transport.advance()
    expect(batches(transport)).toEqual(['3:ab'])
    expect(seen).toEqual([['t', 'k', 8], ['t', null, 8]]) // prettier-ignore
  })

  it('to partitions that were added meanwhile as well', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    producer.append('t', 'a')
    await transport.advance()
    transport.addTopic('t', 3)
    await transport.appendNext()
    const seen = new Set<number>()
    for (let i = 0; i < 6; i++) {
      producer.append('t', 'b')
      await transport.advance()
      seen.add((await transport.appendNext()).partition)
    }
    expect([...seen].sort()).toEqual([0, 1, 2])
    producer.append('t', 'c', null, { partition: 2 })
    await transport.advance()
    expect(batches(transport)).toEqual(['2:c'])
  })
})

describe('a refused batch', () => {
  it('fails its own records only; those behind it are stored in order under the next epoch', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    const states: string[][] = []
    for (const value of 'abcdefg') {
      states.push(watch([producer.send({ topic: 't', value }), producer.send({ topic: 't', value })]))
      producer.append('t', value)
      void producer.flush().catch(() => undefined)
      await transport.advance()
    }
    const underWay = (): unknown[] =>
      transport.submitted.map((batch) => [batch.values[0], batch.producerEpoch, batch.baseSequence])
    expect(underWay()).toEqual([['a', 0, 0], ['b', 0, 3], ['c', 0, 6], ['d', 0, 9], ['e', 0, 12]]) // prettier-ignore
    await transport.appendNext()
    await transport.refuseNext('INVALID_TIMESTAMP')
    for (let left = 4; left > 0; left--) {
      expect(transport.submitted, 'nothing new while an old one is under way').toHaveLength(left)
      await transport.refuseNext('OUT_OF_ORDER_SEQUENCE_NUMBER')
    }
    expect(underWay()).toEqual([['c', 1, 0], ['d', 1, 3], ['e', 1, 6], ['f', 1, 9], ['g', 1, 12]]) // prettier-ignore
    const late = watch([producer.send({ topic: 't', value: 'h' })])
    while (transport.submitted.length > 0) await transport.appendNext()
    await transport.advance(10)
    while (transport.submitted.length > 0) await transport.appendNext()
    const refused = ['INVALID_TIMESTAMP', 'INVALID_TIMESTAMP']
    expect(states).toEqual([['0', '1'], refused, ['3', '4'], ['6', '7'], ['9', '10'], ['12', '13'], ['15', '16']]) // prettier-ignore
    expect(late).toEqual(['18'])
    expect(transport.usedBytes, 'all memory came back').toBe(0)
  })

  it('that was the only one under way raises the epoch too, for what comes', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    const states = watch([producer.send({ topic: 't', value: 'a' })])
    await transport.advance()
    await transport.refuseNext('MESSAGE_TOO_LARGE')
    expect(states).toEqual(['MESSAGE_TOO_LARGE'])
    producer.append('t', 'b')
    await transport.advance()
    expect(transport.submitted[0]).toMatchObject({ producerEpoch: 1, baseSequence: 0, values: ['b'] })
  })

  it('twice raises it twice, and holds up no other partition', async () => {
    const transport = new FakeTransport().addTopic('t', 2)
    const { producer } = await producing({ linger: 0 }, transport)
    for (let i = 0; i < 2; i++) {
      producer.append('t', 'x', null, { partition: 0 })
      producer.append('t', 'y', null, { partition: 1 })
      await transport.advance()
      await transport.refuseNext('INVALID_TIMESTAMP')
      await transport.appendNext()
    }
    producer.append('t', 'x', null, { partition: 0 })
    producer.append('t', 'y', null, { partition: 1 })
    await transport.advance()
    expect(transport.submitted.map(({ producerEpoch, baseSequence }) => [producerEpoch, baseSequence])).toEqual([
      [2, 0], [0, 2],
    ]) // prettier-ignore
  })

  it('without idempotence fails alone; nothing is sent again', async () => {
    const { transport, producer } = await producing({ linger: 0, idempotence: false })
    const states: string[][] = []
    for (const value of 'abc') {
      states.push(watch([producer.send({ topic: 't', value })]))
      producer.append('t', value)
      void producer.flush().catch(() => undefined)
      await transport.advance()
    }
    expect(transport.submitted[0]).toMatchObject({ producerId: -1, producerEpoch: -1, baseSequence: -1 })
    await transport.appendNext()
    await transport.refuseNext('INVALID_TIMESTAMP')
    await transport.appendNext()
    expect(states.flat()).toEqual(['0', 'INVALID_TIMESTAMP', '2'])
    expect(transport.submitted).toEqual([])
    expect(transport.requests).toEqual([])
  })

  it('of appended records is told to onError with topic, partition and count, and then not to flush()', async () => {
    const told: unknown[] = []
    const { transport, producer } = await producing({
      linger: 0,
      onError: (error, { topic, partition, recordCount }) => told.push([error.code, topic, partition, recordCount]),
    })
    producer.append('t', 'a')
    producer.append('t', 'b')
    const flushed = watch([producer.flush()])
    await transport.advance()
    await transport.refuseNext('INVALID_RECORD')
    expect(told).toEqual([['INVALID_RECORD', 't', 0, 2]])
    expect(flushed).toEqual(['done'])
  })

  it('of appended records without onError rejects the next flush(), once', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    producer.append('t', 'a')
    await transport.advance()
    await transport.refuseNext('INVALID_RECORD')
    await expect(producer.flush()).rejects.toMatchObject({ code: 'INVALID_RECORD' })
    await expect(producer.flush()).resolves.toBeUndefined()
    const states = watch([producer.send({ topic: 't', value: 'b' })])
    await transport.advance()
    await transport.refuseNext('INVALID_RECORD')
    expect(states).toEqual(['INVALID_RECORD'])
    await expect(producer.flush(), 'the sender has heard of it').resolves.toBeUndefined()
  })
})

describe('flush', () => {
  it('waits for what was there when it was called, not for what others append meanwhile', async () => {
    const { transport, producer } = await producing({ linger: 1000 })
    producer.append('t', 'a')
    const states = watch([producer.flush()])
    await transport.advance()
    producer.append('t', 'b')
    await transport.appendNext()
    expect(states).toEqual(['done'])
    expect(batches(transport)).toEqual([])
  })

  it('ends when its signal aborts, and the records go on', async () => {
    const { transport, producer } = await producing({ linger: 1000 })
    producer.append('t', 'a')
    const controller = new AbortController()
    const flushing = producer.flush({ signal: controller.signal })
    const states = watch([flushing.catch((error: Error) => Promise.reject(new Error(error.name)))])
    await transport.advance()
    controller.abort()
    await transport.advance()
    expect(states).toEqual(['Error: AbortError'])
    expect(batches(transport)).toEqual(['0:a'])
    await expect(producer.flush({ signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('without memory', () => {
  const BATCH = 4096
  const small = (): FakeTransport => new FakeTransport(4 * BATCH).addTopic('t', 4)

  it('append() says false and takes nothing, drain() says when there is some again', async () => {
    const { transport, producer } = await producing({ linger: 1000, batchBytes: BATCH }, small())
    const full = 'a'.repeat(BATCH - 200)
    for (let partition = 0; partition < 4; partition++) {
      expect(producer.append('t', full, null, { partition })).toBe(true)
    }
    expect(producer.append('t', 'b'.repeat(BATCH), null, { partition: 0 })).toBe(false)
    expect(batches(transport).sort(), 'open batches were handed over for their memory').toEqual(
      [0, 1, 2, 3].map((partition) => `${partition}:${full}`),
    )
    const drained = watch([producer.drain()])
    await transport.advance()
    expect(drained).toEqual(['pending'])
    await transport.appendNext()
    await transport.appendNext()
    expect(drained).toEqual(['done'])
    expect(producer.append('t', 'b'.repeat(BATCH), null, { partition: 0 })).toBe(true)
  })

  it('what a batch did not fill is free as soon as it is handed over', async () => {
    const { transport, producer } = await producing({ linger: 0, batchBytes: BATCH }, small())
    for (let i = 0; i < 20; i++) {
      expect(producer.append('t', 'a', null, { partition: 0 })).toBe(true)
      await transport.advance()
    }
    expect(transport.submitted).toHaveLength(5)
    for (let i = 0; i < 20; i++) await transport.appendNext()
    expect(transport.usedBytes).toBe(0)
  })

  it('is nobody because many partitions have an open batch: each is smaller then', async () => {
    const partitions = 300
    const transport = new FakeTransport(8 << 20).addTopic('t', partitions)
    const { producer } = await producing({ linger: 1000 }, transport)
    for (let i = 0; i < 30 * partitions; i++) {
      expect(producer.append('t', 'v'.repeat(100), null, { partition: i % partitions }), `record ${i}`).toBe(true)
    }
    expect(transport.submitted, 'all are still open').toEqual([])
    expect(transport.usedBytes).toBeLessThanOrEqual(8 << 20)
    void producer.flush()
    await transport.advance()
    expect(transport.submitted.map(({ values }) => values.length)).toEqual(new Array(partitions).fill(30))
    while (transport.submitted.length > 0) await transport.appendNext()
  })

  it('send() waits by itself, in order', async () => {
    const { transport, producer } = await producing({ linger: 0, batchBytes: BATCH }, small())
    const big = 'b'.repeat(BATCH - 200)
    const states = watch(
      Array.from({ length: 9 }, (_, i) => producer.send({ topic: 't', value: `${i}${big}`, partition: 0 })),
    )
    const order: string[] = []
    for (let i = 0; i < 9; i++) {
      await transport.advance()
      order.push((await transport.appendNext()).values[0]!.slice(0, 1))
    }
    await transport.advance()
    expect(order).toEqual([...'012345678'])
    expect(states).toEqual([...'012345678'])
    expect(transport.usedBytes).toBe(0)
  })

  it('a record larger than a batch waits for as much as it needs', async () => {
    const { transport, producer } = await producing({ linger: 1000, batchBytes: 1024 }, small())
    for (let partition = 0; partition < 4; partition++) {
      producer.append('t', 'x'.repeat(2000), null, { partition })
      producer.append('t', 'y'.repeat(1500), null, { partition })
    }
    const huge = 'h'.repeat(7000)
    expect(producer.append('t', huge, null, { partition: 0 })).toBe(false)
    const drained = watch([producer.drain()])
    await transport.advance()
    while (transport.usedBytes + 7000 > 4 * BATCH) {
      expect(drained, `${transport.usedBytes} bytes in use`).toEqual(['pending'])
      await transport.appendNext()
    }
    await transport.advance()
    while (drained[0] === 'pending') await transport.appendNext()
    expect(producer.append('t', huge, null, { partition: 0 })).toBe(true)
  })
})

describe('a record is refused at once', () => {
  it('exactly above max.message.bytes, and none is at it', async () => {
    for (const limit of [200, 1000, 5000]) {
      const transport = new FakeTransport().addTopic('t', 1, { maxMessageBytes: limit })
      const { producer } = await producing({ linger: 0 }, transport)
      let largest = -1
      for (let length = Math.max(0, limit - 120); length <= limit; length++) {
        try {
          producer.append('t', 'v'.repeat(length), 'k', { headers: [['h', new Uint8Array(9)]] })
          largest = length
        } catch (error) {
          expect(error).toMatchObject({ code: 'MESSAGE_TOO_LARGE', limitBytes: limit })
        }
      }
      void producer.flush()
      await transport.advance()
      const sizes: number[] = []
      while (transport.submitted.length > 0) sizes.push((await transport.appendNext()).sizeBytes)
      expect(largest).toBeGreaterThan(0)
      expect(Math.max(...sizes), `limit ${limit}`).toBe(limit)
    }
  })

  it('however small the limit is', async () => {
    for (const limit of [0, 60, 61, 62, 67, 68]) {
      const transport = new FakeTransport().addTopic('t', 1, { maxMessageBytes: limit })
      const { producer } = await producing({ linger: 0 }, transport)
      const append = (): boolean => producer.append('t', null)
      if (limit < 68) expect(append, `limit ${limit}`).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }))
      else expect(append()).toBe(true)
    }
  })

  it('when it is larger than half of the memory of its thread', async () => {
    const { producer } = await producing({ linger: 0 }, new FakeTransport(64 << 10).addTopic('t', 1))
    expect(() => producer.append('t', 'v'.repeat(40_000))).toThrow(/half of the memory of this thread=32768/)
    expect(producer.append('t', 'v'.repeat(30_000))).toBe(true)
  })

  it('for its topic, partition, timestamp, or a key that a compacted topic needs', async () => {
    const transport = new FakeTransport().addTopic('t', 2).addTopic('c', 1, { isCompacted: true })
    const { producer } = await producing({ linger: 0 }, transport)
    const code = (call: () => unknown): string => {
      try {
        call()
      } catch (error) {
        if (error instanceof VltavaError) return error.code
        throw error
      }
      return 'none'
    }
    expect(code(() => producer.append('u', 'a'))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    for (const partition of [2, -1, 0.5]) {
      expect(code(() => producer.append('t', 'a', null, { partition }))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    }
    for (const timestamp of [-1, 1.5, Number.NaN, 2 ** 53]) {
      expect(code(() => producer.append('t', 'a', null, { timestamp }))).toBe('INVALID_TIMESTAMP')
    }
    expect(code(() => producer.append('c', 'a'))).toBe('INVALID_RECORD')
    expect(code(() => producer.append('c', 'a', 'k'))).toBe('none')
    expect(code(() => producer.append('c', null, 'k'))).toBe('none')
    await transport.advance()
    expect(batches(transport)).toEqual(['0:a-'])
  })
})

describe('compression', () => {
  const value = 'compress me '.repeat(50)

  it.each([
    ['producer', 'lz4', 3],
    ['producer', undefined, 0],
    ['gzip', 'lz4', 1],
    ['none', 'lz4', 0],
    ['zstd', undefined, 4],
  ] as const)(
    'of a topic with compression.type %s and a producer with %s is codec %d',
    async (type, compression, codecId) => {
      const transport = new FakeTransport().addTopic('t', 1, { compressionType: type })
      const { producer } = await producing(
        { linger: 0, ...(compression === undefined ? {} : { compression }) },
        transport,
      )
      producer.append('t', value)
      await transport.advance()
      expect(transport.submitted[0]).toMatchObject({ codecId, values: [value] })
    },
  )

  it('with a level is of that level, and a level that the codec does not have is refused at once', async () => {
    const sizes: number[] = []
    const text = Array.from({ length: 2000 }, (_, i) => `${(i * i) % 977} ${i % 13};`).join('')
    for (const compressionLevel of [1, 9]) {
      const { transport, producer } = await producing({ linger: 0, compression: 'gzip', compressionLevel })
      producer.append('t', text)
      await transport.advance()
      sizes.push(transport.submitted[0]!.sizeBytes)
    }
    expect(sizes[1]).toBeLessThan(sizes[0]!)
    await expect(producing({ compression: 'gzip', compressionLevel: 42 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it("by the topic's codec ignores a level that was given for another", async () => {
    const transport = new FakeTransport().addTopic('t', 1, { compressionType: 'gzip' })
    const { producer } = await producing({ linger: 0, compression: 'zstd', compressionLevel: 22 }, transport)
    producer.append('t', value)
    await transport.advance()
    expect(transport.submitted[0]).toMatchObject({ codecId: 1 })
  })
})

describe('a failure of append()ed records', () => {
  it('is told to everybody who waits in flush(), and then to nobody', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    producer.append('t', 'a')
    const states = watch([producer.flush(), producer.flush()])
    await transport.advance()
    await transport.refuseNext('MESSAGE_TOO_LARGE')
    expect(states).toEqual(['MESSAGE_TOO_LARGE', 'MESSAGE_TOO_LARGE'])
    await expect(producer.flush()).resolves.toBe(undefined)
  })

  it('is kept for the next flush() when the one that waited was aborted', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    producer.append('t', 'a')
    await transport.advance()
    await transport.refuseNext('MESSAGE_TOO_LARGE')
    producer.append('t', 'b')
    const controller = new AbortController()
    const states = watch([producer.flush({ signal: controller.signal })])
    controller.abort()
    await transport.advance()
    expect(states).toEqual(['AbortError: This operation was aborted'])
    await transport.appendNext()
    await expect(producer.flush()).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  })
})

describe('closing', () => {
  it('hands over and waits for everything, once; then nothing is taken any more', async () => {
    const { transport, producer } = await producing({ linger: 1000 })
    producer.append('t', 'a')
    const states = watch([producer.close(), producer.close()])
    await transport.advance()
    expect(states).toEqual(['pending', 'pending'])
    await transport.appendNext()
    expect(states).toEqual(['done', 'done'])
    expect(() => producer.append('t', 'b')).toThrow(expect.objectContaining({ code: 'PRODUCER_CLOSED' }))
    await expect(producer.send({ topic: 't', value: 'b' })).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' })
    await expect(producer.drain()).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' })
    await producer.close()
  })

  it('rejects with the first failure and closes all the same', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    producer.append('t', 'a')
    await transport.advance()
    await transport.refuseNext('INVALID_RECORD')
    await expect(producer.close()).rejects.toMatchObject({ code: 'INVALID_RECORD' })
    expect(() => producer.append('t', 'b')).toThrow(expect.objectContaining({ code: 'PRODUCER_CLOSED' }))
  })

  it('is what await using does', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    const used = (async () => {
      await using owned = producer
      owned.append('t', 'a')
    })()
    await transport.advance()
    await transport.appendNext()
    await used
    expect(() => producer.append('t', 'b')).toThrow(expect.objectContaining({ code: 'PRODUCER_CLOSED' }))
  })

  it('of the log fails everything that is not acknowledged, submitted or not, and nothing throws elsewhere', async () => {
    const { transport, producer } = await producing({ linger: 0 })
    const states: string[][] = []
    for (let i = 0; i < 8; i++) {
      states.push(watch([producer.send({ topic: 't', value: 'a' })]))
      producer.append('t', 'b')
      void producer.flush().catch(() => undefined)
      await transport.advance()
    }
    const open = watch([producer.send({ topic: 't', value: 'c' })])
    expect(transport.submitted).toHaveLength(5)
    await transport.shutDown()
    expect(states.flat()).toEqual(new Array(8).fill('LOG_CLOSED'))
    expect(open).toEqual(['LOG_CLOSED'])
    expect(() => producer.append('t', 'd')).toThrow(expect.objectContaining({ code: 'LOG_CLOSED' }))
    await expect(producer.drain()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })

  it('of a topic, deleted while its batches wait, fails those and no others', async () => {
    const transport = new FakeTransport().addTopic('t', 1).addTopic('u', 1)
    const { producer } = await producing({ linger: 5 }, transport)
    const states = watch([producer.send({ topic: 'u', value: 'a' })])
    producer.append('t', 'b')
    transport.removeTopic('t')
    await transport.advance(5)
    await transport.appendNext()
    expect(states).toEqual(['0'])
    await expect(producer.flush()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(() => producer.append('t', 'c')).toThrow(expect.objectContaining({ code: 'UNKNOWN_TOPIC_OR_PARTITION' }))
    expect(producer.append('u', 'd')).toBe(true)
  })
})

describe('options', () => {
  it.each<[string, Options]>([
    ['INVALID_REQUIRED_ACKS', { acks: 2 as never }],
    ['INVALID_ARGUMENT', { linger: -1 }],
    ['INVALID_ARGUMENT', { linger: Number.NaN }],
    ['INVALID_ARGUMENT', { batchBytes: 1023 }],
    ['INVALID_ARGUMENT', { batchBytes: 2 ** 31 }],
    ['UNSUPPORTED_COMPRESSION_TYPE', { compression: 'brotli' as never }],
  ])('that are wrong are refused with %s: %o', async (code, options) => {
    await expect(producing(options)).rejects.toMatchObject({ code })
  })
})

describe('against a real log', () => {
  it('records come back as they were sent, in order, whatever the codec', async () => {
    const { log } = await openLog()
    await log.admin.createTopics([{ topic: 'events', partitions: 3 }])
    const sent: unknown[] = []
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      const producer = log.producer({ acks: 1, compression, linger: 1, batchBytes: 2048 })
      const places: Promise<RecordMetadata>[] = []
      for (let i = 0; i < 200; i++) {
        const record = {
          topic: 'events',
          partition: i % 3,
          key: i % 4 === 0 ? null : new TextEncoder().encode(`k${i % 7}`),
          value: i % 9 === 0 ? null : new Uint8Array(i).fill(i),
          headers: i % 5 === 0 ? ([['h', new Uint8Array(2)], ['', null]] as [string, Uint8Array | null][]) : [],
          timestamp: Date.now() - (i % 11),
        } // prettier-ignore
        places.push(producer.send(record))
        sent.push({ ...record })
      }
      for (const [i, { partition, offset }] of (await Promise.all(places)).entries()) {
        Object.assign(sent[sent.length - 200 + i]!, { partition, offset })
      }
      await producer.close()
    }
    const consumer = log.consumer()
    await consumer.subscribe(['events'])
    const read: unknown[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      for (const { topic, partition, key, value, headers, timestamp, offset } of batch) {
        read.push({ topic, partition, key, value, headers, timestamp, offset })
      }
    }
    const inOrder = (all: unknown[]): unknown[] =>
      (all as { partition: number; offset: number }[]).sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    expect(inOrder(read)).toEqual(inOrder(sent))
  })

  it('a batch that the log refuses in the middle costs its own sends only', async () => {
    const { log } = await openLog()
    await log.admin.createTopics([{ topic: 'events', configs: { 'message.timestamp.after.max.ms': 1000 } }])
    const producer = log.producer<string, string>({ acks: 1, value: 'string', batchBytes: 1024, linger: 50 })
    const states: Promise<string>[] = []
    for (let i = 0; i < 400; i++) {
      // Ten in a row are of tomorrow: a batch or two with them is refused.
      const timestamp = Date.now() + (i >= 200 && i < 210 ? 86_400_000 : 0)
      states.push(
        producer.send({ topic: 'events', value: `${i}`.padStart(100), timestamp }).then(
          () => `${i}`,
          (error: unknown) =>
            error instanceof VltavaError || error instanceof Error ? (error as VltavaError).code : '?',
        ),
      )
    }
    const outcomes = await Promise.all(states)
    const stored = outcomes.filter((outcome) => /^\d+$/.test(outcome))
    const refused = outcomes.flatMap((outcome, i) => (outcome === 'INVALID_TIMESTAMP' ? [i] : []))
    expect(stored.length + refused.length).toBe(400)
    expect(refused).toEqual(expect.arrayContaining([200, 201, 202, 203, 204, 205, 206, 207, 208, 209]))
    expect(Math.max(...refused) - Math.min(...refused), 'whole batches around them').toBeLessThan(30)
    expect((await readAll(log, 'events')).map(({ value }) => value.trim())).toEqual(stored)
    await producer.close()
  })

  it('more than its memory can be appended, with drain() between', async () => {
    const { log } = await openLog({ memoryBytes: 64 << 10 })
    await log.admin.createTopics([{ topic: 'events', partitions: 4 }])
    const producer = log.producer<string, string>({ value: 'string', acks: 1, batchBytes: 16_384, linger: 1 })
    let waits = 0
    for (let i = 0; i < 20_000; i++) {
      while (!producer.append('events', `${i}`.padStart(100))) {
        waits += 1
        await producer.drain()
      }
    }
    await producer.flush()
    expect(waits).toBeGreaterThan(0)
    const seen = new Set((await readAll(log, 'events')).map(({ value }) => value))
    expect(seen.size).toBe(20_000)
    await producer.close()
  })
})
