/**
 * What the producer owes its caller when things go wrong or come at the wrong moment: every promise settles, every lost
 * record is told to somebody, memory is given back.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { VltavaError } from '../../src/base/errors.ts'
import { Producer } from '../../src/client/producer.ts'
import type { ProducerOptions, RecordMetadata } from '../../src/client/producer-options.ts'
import { FakeTransport } from './fake-transport.ts'

type Options = ProducerOptions<string, string>

const transports: FakeTransport[] = []

/** Whatever a test does: when the log is closed nothing is watched, and only what was under way is still reserved. */
afterEach(async () => {
  for (const transport of transports.splice(0)) {
    const underWayBytes = transport.submitted.reduce((sum, { memory }) => sum + memory.sizeBytes, 0)
    await transport.shutDown()
    expect(transport.usedBytes - underWayBytes, 'bytes that were not released').toBe(0)
    expect(transport.watchCount, 'watches that were not given up').toBe(0)
  }
})

async function producing(options: Options = {}, transport = new FakeTransport().addTopic('t', 1)) {
  transports.push(transport)
  const settings: Options = { key: 'string', value: 'string', acks: 1, ...options }
  const producer = new Producer<string, string>(transport, transport.clock, settings)
  await transport.advance()
  return { transport, producer }
}

/** How a promise has settled so far. */
function outcome(promise: Promise<RecordMetadata | void>): { state: string } {
  const result = { state: 'pending' }
  promise.then(
    (value) => {
      result.state = value === undefined ? 'done' : `${value.partition}:${value.offset}`
    },
    (error: unknown) => {
      result.state = error instanceof VltavaError ? error.code : String(error)
    },
  )
  return result
}

async function answerAll(transport: FakeTransport): Promise<string[]> {
  const values: string[] = []
  while (transport.submitted.length > 0) values.push(...(await transport.appendNext()).values)
  return values
}

describe('records without a key', () => {
  it('are spread evenly although memory is short and every batch has to be asked for twice', async () => {
    const transport = new FakeTransport(4096).addTopic('t', 2)
    const { producer } = await producing({ linger: 1000, batchBytes: 2048 }, transport)
    const counts = [0, 0]
    for (let i = 0; i < 400; i++) {
      while (!producer.append('t', 'v'.repeat(400))) {
        const drained = outcome(producer.drain())
        const { partition, values } = await transport.appendNext()
        counts[partition]! += values.length
        await transport.advance()
        expect(drained.state).toBe('done')
      }
    }
    expect(Math.abs(counts[0]! - counts[1]!)).toBeLessThanOrEqual(8)
  })
})

it('the partitioner of the program is asked for every record, also while a batch has room', async () => {
  const transport = new FakeTransport().addTopic('t', 3)
  let next = 0
  const { producer } = await producing({ linger: 0, partitioner: () => next++ % 3 }, transport)
  for (const value of 'abcdefghi') producer.append('t', value)
  await transport.advance()
  expect(await answerAll(transport)).toEqual(['a', 'd', 'g', 'b', 'e', 'h', 'c', 'f', 'i'])
})

describe('close()', () => {
  it('takes nothing more once it was called: what came later could not be acknowledged any more', async () => {
    const { transport, producer } = await producing()
    producer.append('t', 'a')
    const closing = outcome(producer.close())
    expect(() => producer.append('t', 'b')).toThrow(expect.objectContaining({ code: 'PRODUCER_CLOSED' }))
    const late = outcome(producer.send({ topic: 't', value: 'c' }))
    await transport.advance()
    expect(late.state).toBe('PRODUCER_CLOSED')
    expect(await answerAll(transport)).toEqual(['a'])
    expect(closing.state).toBe('done')
  })

  it('waits for sends that were called before and still wait for memory', async () => {
    const { transport, producer } = await producing({ batchBytes: 1024 }, new FakeTransport(2048).addTopic('t', 1))
    const values = Array.from({ length: 20 }, (_, i) => `${i}`.padStart(300))
    const sends = values.map((value) => outcome(producer.send({ topic: 't', value })))
    const closing = outcome(producer.close())
    await transport.advance()
    expect(await answerAll(transport)).toEqual(values)
    expect(sends.map(({ state }) => state)).toEqual(values.map((_, i) => `0:${i}`))
    expect(closing.state).toBe('done')
  })
})

it('flush() waits for sends that were called before and still wait for memory, and can be aborted meanwhile', async () => {
  const { transport, producer } = await producing({ batchBytes: 1024 }, new FakeTransport(2048).addTopic('t', 1))
  const values = Array.from({ length: 20 }, (_, i) => `${i}`.padStart(300))
  const sends = values.map((value) => outcome(producer.send({ topic: 't', value })))
  const aborter = new AbortController()
  const [flushing, aborted] = [outcome(producer.flush()), outcome(producer.flush({ signal: aborter.signal }))]
  aborter.abort(new Error('enough'))
  await transport.advance()
  expect([flushing.state, aborted.state]).toEqual(['pending', 'Error: enough'])
  for (let i = 0; transport.submitted.length > 0; i++) {
    expect(flushing.state, `after ${i} batches`).toBe('pending')
    await transport.appendNext()
  }
  expect(flushing.state).toBe('done')
  expect(sends.every(({ state }) => state !== 'pending')).toBe(true)
})

describe('an awaited send behind a refused batch', () => {
  it('goes out at once, it does not linger', async () => {
    const { transport, producer } = await producing({ linger: 1e9 })
    const first = outcome(producer.send({ topic: 't', value: 'a' }))
    await transport.advance()
    const second = outcome(producer.send({ topic: 't', value: 'b' }))
    await transport.advance()
    await transport.refuseNext('INVALID_TIMESTAMP')
    expect(first.state).toBe('INVALID_TIMESTAMP')
    expect(await answerAll(transport)).toEqual(['b'])
    expect(second.state).toBe('0:0')
  })

  it('hears of it at once if its topic was deleted meanwhile', async () => {
    let give: () => void = () => undefined
    const transport = new FakeTransport().addTopic('t', 1)
    transport.producerIdGate = new Promise((resolve) => {
      give = resolve
    })
    const { producer } = await producing({ linger: 1e9 }, transport)
    const first = outcome(producer.send({ topic: 't', value: 'a' }))
    await transport.advance()
    const second = outcome(producer.send({ topic: 't', value: 'b' }))
    await transport.advance()
    transport.removeTopic('t')
    give()
    await transport.advance()
    const gone = 'UNKNOWN_TOPIC_OR_PARTITION'
    expect([first.state, second.state]).toEqual([gone, gone])
  })
})

describe('a lost record that nobody awaits', () => {
  it('is told to flush() also if its batch has awaited ones too', async () => {
    const { transport, producer } = await producing()
    const sent = outcome(producer.send({ topic: 't', value: 'a' }))
    producer.append('t', 'b')
    await transport.advance()
    await transport.refuseNext('INVALID_TIMESTAMP')
    expect(sent.state).toBe('INVALID_TIMESTAMP')
    await expect(producer.flush()).rejects.toMatchObject({ code: 'INVALID_TIMESTAMP' })
    await producer.flush()
  })

  it('is told to onError with the right count also if its batch was never handed over', async () => {
    const told: string[] = []
    const onError: Options['onError'] = (error, { topic, partition, recordCount }) => {
      told.push(`${error.code} ${topic}-${partition} ${recordCount}`)
    }
    const { transport, producer } = await producing({ onError, linger: 1000 })
    for (const value of 'abc') producer.append('t', value)
    await transport.shutDown()
    expect(told).toEqual(['LOG_CLOSED t-0 3'])
  })

  it('is told to flush() also with acks 0', async () => {
    const { transport, producer } = await producing({ acks: 0, linger: 0 })
    const sent = outcome(producer.send({ topic: 't', value: 'a' }))
    await transport.advance()
    expect(sent.state).toBe('0:-1')
    await transport.refuseNext('KAFKA_STORAGE_ERROR', true)
    await expect(producer.flush()).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
  })

  it('is not told to onError if every record of its batch was awaited', async () => {
    const told: string[] = []
    const { transport, producer } = await producing({ onError: ({ code }) => void told.push(code) })
    const sent = outcome(producer.send({ topic: 't', value: 'a' }))
    await transport.advance()
    await transport.refuseNext('INVALID_TIMESTAMP')
    expect(sent.state).toBe('INVALID_TIMESTAMP')
    expect(told).toEqual([])
    await producer.flush()
  })
})

describe('an onError', () => {
  it('that throws does not keep the producer from its work; what it throws is nobody’s to catch', async () => {
    const thrown: unknown[] = []
    const listener = (error: unknown): void => void thrown.push(error)
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', listener)
    try {
      const onError = (): never => {
        throw new Error('mine')
      }
      const { transport, producer } = await producing({ onError, linger: 0 })
      producer.append('t', 'a')
      await transport.advance()
      producer.append('t', 'b')
      await transport.advance()
      await transport.refuseNext('INVALID_TIMESTAMP')
      await transport.refuseNext('OUT_OF_ORDER_SEQUENCE_NUMBER')
      expect(await answerAll(transport)).toEqual(['b'])
      await producer.close()
      await new Promise((resolve) => setImmediate(resolve))
      expect(thrown).toMatchObject([{ message: 'mine' }])
    } finally {
      process.removeListener('uncaughtException', listener)
      for (const other of others) process.on('uncaughtException', other)
    }
  })

  it('may append and send again: the record follows', async () => {
    const { transport, producer } = await producing({
      linger: 0,
      onError: () => {
        producer.append('t', 'again')
      },
    })
    for (const value of 'ab') {
      producer.append('t', value)
      await transport.advance()
    }
    await transport.refuseNext('INVALID_TIMESTAMP')
    await transport.refuseNext('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(await answerAll(transport)).toEqual(['b', 'again'])
  })
})

describe("a program's own serde", () => {
  const own = (serialize: (value: string) => Uint8Array) => ({
    name: 'mine',
    serialize,
    deserialize: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
  })

  it('that throws is a SERIALIZATION error that names it and keeps the cause; nothing is taken', async () => {
    const cause = new RangeError('secret')
    const value = own(() => {
      throw cause
    })
    const { transport, producer } = await producing({ value })
    expect(() => producer.append('t', 'a')).toThrow(
      expect.objectContaining({ code: 'SERIALIZATION', cause, message: expect.stringContaining('serde=mine') }),
    )
    await transport.advance(1000)
    expect(transport.submitted).toEqual([])
  })

  it('that makes no bytes is a SERIALIZATION error, not a wrong record, for key and value, first record or not', async () => {
    for (const made of ['text', undefined, null, new Uint16Array(2), { length: 3 }]) {
      const bad = own((value) => (value === 'good' ? new Uint8Array(1) : (made as never)))
      const { transport, producer } = await producing({ value: bad, key: bad, linger: 0 })
      const serialization = expect.objectContaining({ code: 'SERIALIZATION' })
      expect(() => producer.append('t', 'bad'), String(made)).toThrow(serialization)
      expect(producer.append('t', 'good')).toBe(true)
      expect(producer.append('t', 'good')).toBe(true)
      expect(() => producer.append('t', 'bad'), String(made)).toThrow(serialization)
      expect(() => producer.append('t', 'good', 'bad'), String(made)).toThrow(serialization)
      await transport.advance()
      expect((await answerAll(transport)).length).toBe(2)
    }
  })
})

it('headers that are none are refused at once, nothing is taken', async () => {
  const { transport, producer } = await producing({ linger: 0 })
  for (const headers of [[['a', 'text']], [['a', undefined]], [['a']], [[5, null]], ['ab'], { a: 'b' }, 'ab', null]) {
    const extras = { headers: headers as never }
    expect(() => producer.append('t', 'v', null, extras), JSON.stringify(headers)).toThrow(
      expect.objectContaining({ code: 'INVALID_RECORD' }),
    )
  }
  await transport.advance()
  expect(transport.submitted).toEqual([])
})

describe('the producer id', () => {
  it('that the log does not give fails what waits for it; the next batch asks again', async () => {
    const transport = new FakeTransport().addTopic('t', 1)
    let refuse: (error: VltavaError) => void = () => undefined
    transport.producerIdGate = new Promise((_, reject) => {
      refuse = reject
    })
    const { producer } = await producing({ linger: 0 }, transport)
    const sends = ['a', 'b'].map((value) => outcome(producer.send({ topic: 't', value })))
    await transport.advance()
    refuse(new VltavaError('KAFKA_STORAGE_ERROR', 'the disk is full'))
    await transport.advance()
    expect(sends.map(({ state }) => state)).toEqual(['KAFKA_STORAGE_ERROR', 'KAFKA_STORAGE_ERROR'])
    expect(transport.usedBytes).toBe(0)
    transport.producerIdGate = Promise.resolve()
    const later = outcome(producer.send({ topic: 't', value: 'c' }))
    await transport.advance()
    expect(await answerAll(transport)).toEqual(['c'])
    expect(later.state).toBe('0:0')
    expect(transport.requests).toHaveLength(2)
  })

  it('that comes after the producer was given up with its log is not missed', async () => {
    const transport = new FakeTransport().addTopic('t', 1)
    let give: () => void = () => undefined
    transport.producerIdGate = new Promise((resolve) => {
      give = resolve
    })
    const { producer } = await producing({ linger: 0, acks: 'all' }, transport)
    const sent = outcome(producer.send({ topic: 't', value: 'a' }))
    const closing = outcome(producer.close())
    await transport.advance()
    expect([sent.state, closing.state]).toEqual(['pending', 'pending'])
    await transport.shutDown()
    expect([sent.state, closing.state]).toEqual(['LOG_CLOSED', 'done'])
    give()
    await transport.advance()
    expect(transport.submitted).toEqual([])
  })
})
