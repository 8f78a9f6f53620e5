/** Producing over TCP, whatever happens between: order and exactly-once as the fake brokers' logs show them. */
import { beforeEach, describe, expect, it } from 'vitest'
import { SeededRandom } from '../../../src/base/random.ts'
import type { VltavaError } from '../../../src/base/errors.ts'
import type { Log } from '../../../src/client/log.ts'
import type { Producer } from '../../../src/client/producer.ts'
import { FakeCluster, type Fate } from './fake-cluster.ts'

let cluster: FakeCluster
let log: Log

beforeEach(async () => {
  cluster = new FakeCluster([1, 2, 3])
  cluster.addTopic('t', 3)
  log = await cluster.log()
})

type TextProducer = Producer<string, string>

function textProducer(
  options: { acks?: 0 | 1 | 'all'; idempotence?: boolean; onError?: () => void } = {},
): TextProducer {
  return log.producer<string, string>({ key: 'string', value: 'string', linger: 0, ...options })
}

/** Appends one batch for each value: nothing else of the partition is open then. */
async function appendEach(producer: TextProducer, values: readonly string[], partition = 0): Promise<void> {
  for (const value of values) {
    while (!producer.append('t', value, null, { partition })) await cluster.during(producer.drain())
    await cluster.settle()
  }
}

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `v${from + i}`)

describe('a producer', () => {
  it('has its records where and in the order in which it sent them', async () => {
    const producer = textProducer()
    const sent = await cluster.during(
      Promise.all(numbers(9).map((value, i) => producer.send({ topic: 't', value, partition: i % 3 }))),
    )
    expect(sent.map(({ partition, offset }) => [partition, offset])).toEqual([
      [0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [0, 2], [1, 2], [2, 2],
    ]) // prettier-ignore
    expect(cluster.partition('t', 1).values()).toEqual(['v1', 'v4', 'v7'])
  })

  it('learns of a topic when it is used first: append() says no once, send() waits', async () => {
    cluster.addTopic('later', 1)
    const producer = textProducer()
    expect(producer.append('later', 'a')).toBe(false)
    await cluster.during(producer.drain())
    expect(producer.append('later', 'a')).toBe(true)
    cluster.addTopic('last', 1)
    expect((await cluster.during(producer.send({ topic: 'last', value: 'b' }))).offset).toBe(0)
  })

  it('hears that a topic does not exist, and that nobody is there to ask', async () => {
    const producer = textProducer()
    await expect(cluster.during(producer.send({ topic: 'no', value: 'a' }))).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
    for (const nodeId of [1, 2, 3]) cluster.kill(nodeId)
    await expect(cluster.during(producer.send({ topic: 'other', value: 'a' }))).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
    })
  })

  it('sends batches of several partitions of a broker in one request', async () => {
    cluster.addTopic('wide', 9)
    const producer = textProducer()
    const values = numbers(9)
    await cluster.during(producer.send({ topic: 'wide', value: 'first', partition: 0 }))
    const before = cluster.requestsOf('Produce').length
    await cluster.during(Promise.all(values.map((value, i) => producer.send({ topic: 'wide', value, partition: i }))))
    expect(cluster.requestsOf('Produce').length - before).toBe(3)
  })

  it('has at most five batches of a partition under way', async () => {
    let release: () => void = () => undefined
    const gate = new Promise<Fate>((resolve) => {
      release = () => resolve('answer')
    })
    const producer = textProducer()
    await cluster.during(producer.send({ topic: 't', value: 'x', partition: 0 }))
    cluster.onRequest = ({ apiName }) => (apiName === 'Produce' ? gate : 'answer')
    await appendEach(producer, numbers(20))
    // The broker looks at one request of a connection at a time: the rest lies before it.
    expect(cluster.requestsOf('Produce')).toHaveLength(2)
    release()
    await cluster.during(producer.flush())
    expect(cluster.partition('t', 0).values()).toEqual(['x', ...numbers(20)])
  })

  it.each(['cut-before', 'cut-after'] as const)(
    'keeps order and writes once: connection %s the answer',
    async (fate) => {
      const producer = textProducer()
      await cluster.during(producer.send({ topic: 't', value: 'x', partition: 0 }))
      let left = 3
      cluster.onRequest = ({ apiName }) => (apiName === 'Produce' && left-- > 0 ? fate : 'answer')
      const all = Promise.all(numbers(3).map((value) => producer.send({ topic: 't', value, partition: 0 })))
      await appendEach(producer, numbers(12, 3))
      await cluster.during(producer.flush())
      expect((await all).map(({ offset }) => offset)).toEqual([1, 2, 3])
      expect(cluster.partition('t', 0).values()).toEqual(['x', ...numbers(15)])
    },
  )

  it('follows the leader in the middle of it', async () => {
    const producer = textProducer()
    await appendEach(producer, numbers(3))
    cluster.partition('t', 0).elect(3)
    await appendEach(producer, numbers(5, 3))
    cluster.kill(3)
    await appendEach(producer, numbers(5, 8))
    await cluster.during(producer.flush())
    expect(cluster.partition('t', 0).values()).toEqual(numbers(13))
  })

  it('goes on when a partition has had no leader for a while', async () => {
    const small = new FakeCluster([1])
    small.addTopic('t', 1)
    const producer = (await small.log()).producer({ value: 'string', linger: 0 })
    await small.during(producer.send({ topic: 't', value: 'a' }))
    small.kill(1)
    const sending = producer.send({ topic: 't', value: 'b' })
    await small.advance(20_000)
    small.revive(1)
    expect((await small.during(sending)).offset).toBe(1)
    expect(small.partition('t', 0).values()).toEqual(['a', 'b'])
  })

  it('fails records after the delivery timeout, and the partition goes on behind them', async () => {
    log = await cluster.log({ deliveryTimeoutMs: 5000 })
    const producer = textProducer()
    await cluster.during(producer.send({ topic: 't', value: 'a', partition: 0 }))
    cluster.onRequest = ({ apiName }) => (apiName === 'Produce' ? 'cut-before' : 'answer')
    const lost = producer.send({ topic: 't', value: 'b', partition: 0 })
    const failed = expect(lost).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    await cluster.advance(6000)
    await failed
    cluster.onRequest = () => 'answer'
    expect((await cluster.during(producer.send({ topic: 't', value: 'c', partition: 0 }))).offset).toBe(1)
    expect(cluster.partition('t', 0).values()).toEqual(['a', 'c'])
  })

  it('gives up a broker that does not answer, and asks it again on another connection', async () => {
    const producer = textProducer()
    await cluster.during(producer.send({ topic: 't', value: 'a', partition: 0 }))
    let isFirst = true
    cluster.onRequest = ({ apiName }) => {
      if (apiName !== 'Produce' || !isFirst) return 'answer'
      isFirst = false
      return 'hang'
    }
    const sending = producer.send({ topic: 't', value: 'b', partition: 0 })
    await cluster.advance(29_000)
    expect(cluster.partition('t', 0).values()).toEqual(['a'])
    expect((await cluster.during(sending)).offset).toBe(1)
  })

  it.each([[5], [7], [19], [56], [74], [75], [3], [100], [2]])(
    'tries again after error %i, in order',
    async (errorCode) => {
      const producer = textProducer()
      await cluster.during(producer.send({ topic: 't', value: 'x', partition: 0 }))
      let left = 2
      cluster.onRequest = ({ apiName, body }) => {
        if (apiName !== 'Produce' || left-- <= 0) return 'answer'
        const { topicId, partitionData } = body.topicData[0]
        const partitionResponses = [{ index: partitionData[0].index, errorCode, baseOffset: -1 }]
        return { answer: { responses: [{ topicId, partitionResponses }] } }
      }
      await appendEach(producer, numbers(8))
      await cluster.during(producer.flush())
      expect(cluster.partition('t', 0).values()).toEqual(['x', ...numbers(8)])
    },
  )

  it('passes a batch on that is too large, and what comes behind it is written', async () => {
    cluster.partition('t', 0).maxMessageBytes = 200 // The broker became stricter than the producer knows.
    const producer = textProducer()
    const sends = ['a', 'x'.repeat(300), 'b', 'c'].map((value) => {
      const sending = producer.send({ topic: 't', value, partition: 0 })
      return sending.then(
        () => value,
        (error: VltavaError) => error.code,
      )
    })
    // One batch each: the first is under way when the others come.
    await cluster.during(Promise.all(sends))
    const again = producer.send({ topic: 't', value: 'd', partition: 0 })
    await cluster.during(again)
    await expect(
      cluster.during(producer.send({ topic: 't', value: 'y'.repeat(300), partition: 0 })),
    ).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    const last = await cluster.during(producer.send({ topic: 't', value: 'e', partition: 0 }))
    expect(cluster.partition('t', 0).values().at(last.offset)).toBe('e')
  })

  it('goes on under a new epoch when a leader has lost what it had acknowledged (acks 1)', async () => {
    const producer = textProducer({ acks: 1 })
    await appendEach(producer, numbers(4))
    await cluster.during(producer.flush())
    const partition = cluster.partition('t', 0)
    partition.truncate(2)
    partition.elect(2)
    await appendEach(producer, numbers(6, 4))
    await cluster.during(producer.flush())
    expect(partition.values()).toEqual(['v0', 'v1', ...numbers(6, 4)])
  })

  it('without sequence numbers has one batch of a partition under way, so that order holds', async () => {
    const producer = textProducer({ acks: 1, idempotence: false })
    let left = 4
    cluster.onRequest = ({ apiName }) => (apiName === 'Produce' && left-- > 0 ? 'cut-before' : 'answer')
    await appendEach(producer, numbers(10))
    await cluster.during(producer.flush())
    expect(cluster.partition('t', 0).values()).toEqual(numbers(10))
  })

  it('with acks 0 has no answer to wait for, and gives its batches no sequence', async () => {
    const producer = textProducer({ acks: 0 })
    expect(await cluster.during(producer.send({ topic: 't', value: 'a', partition: 0 }))).toMatchObject({ offset: -1 })
    await appendEach(producer, numbers(3))
    await cluster.during(producer.flush())
    expect(cluster.partition('t', 0).values()).toEqual(['a', ...numbers(3)])
    expect(cluster.requestsOf('InitProducerId')).toHaveLength(0)
  })

  it('fails what waits for a topic that is deleted', async () => {
    const producer = textProducer()
    await cluster.during(producer.send({ topic: 't', value: 'a', partition: 0 }))
    cluster.topics.delete('t')
    await expect(cluster.during(producer.send({ topic: 't', value: 'b', partition: 0 }))).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })

  it('writes to the new topic of the name, not with the sequence of the old one', async () => {
    const producer = textProducer()
    await cluster.during(producer.send({ topic: 't', value: 'a', partition: 0 }))
    cluster.addTopic('t', 1)
    const outcome = producer.send({ topic: 't', value: 'b', partition: 0 }).catch((error: VltavaError) => error.code)
    expect(await cluster.during(outcome)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect((await cluster.during(producer.send({ topic: 't', value: 'c', partition: 0 }))).offset).toBe(0)
    expect(cluster.partition('t', 0).values()).toEqual(['c'])
  })

  it('names topics where the brokers do not know ids', async () => {
    cluster.versionsMax.set('Produce', 9)
    cluster.versionsMax.set('Fetch', 12)
    cluster.versionsMax.set('Metadata', 9)
    const old = await cluster.log()
    const producer = old.producer({ value: 'string' })
    expect((await cluster.during(producer.send({ topic: 't', value: 'a' }))).offset).toBe(0)
    const consumer = old.consumer({ value: 'string' })
    await cluster.during(consumer.subscribe(['t']))
    const batches = consumer.batches()
    const { value: batch } = await cluster.during(batches.next())
    expect(batch!.records().map(({ value }) => value)).toEqual(['a'])
    await consumer.close()
  })

  it('gives memory back: whatever failed, as much can be under way in the end as in the beginning', async () => {
    const transport = await cluster.transport({ memoryBytes: 1 << 20 })
    const all: unknown[] = []
    for (let memory = transport.reserve(1 << 16); memory !== undefined; memory = transport.reserve(1 << 16))
      all.push(memory)
    expect(all).toHaveLength(16)
    await transport.close()
  })
})

describe('a random run', () => {
  /** Everything that may happen to a request, by chance; then peace, and everything must be there once, in order. */
  async function run(seed: number): Promise<void> {
    const random = new SeededRandom(seed)
    const some = new FakeCluster([1, 2, 3])
    some.addTopic('t', 4)
    const producer = (await some.log()).producer<string, string>({ value: 'string', linger: 0 })
    let isPeace = false
    some.onRequest = () => {
      const draw = isPeace ? 1 : random.next()
      if (draw < 0.06) return 'cut-before'
      if (draw < 0.12) return 'cut-after'
      if (draw < 0.14) return 'hang'
      return 'answer'
    }
    const expected: string[][] = [[], [], [], []]
    for (let i = 0; i < 120; i++) {
      const partition = random.below(4)
      const count = 1 + random.below(3)
      for (let k = 0; k < count; k++) {
        const value = `${i}.${k}`
        while (!producer.append('t', value, null, { partition })) await some.during(producer.drain())
        expected[partition]!.push(value)
      }
      await some.settle()
      if (random.chance(0.04)) some.partition('t', random.below(4)).elect(1 + random.below(3))
      if (random.chance(0.03)) some.cut()
      if (random.chance(0.03)) {
        const victim = 1 + random.below(3)
        some.kill(victim)
        some.revive(victim)
      }
      if (random.chance(0.2)) await some.advance(random.below(500))
    }
    isPeace = true
    await some.during(producer.flush())
    expect(expected.map((_, partition) => some.partition('t', partition).values())).toEqual(expected)
    expect(some.keptAlive, 'nothing keeps the process alive').toBe(0)
  }

  const first = Number(process.env['SEED'] ?? 1)
  it.each(Array.from({ length: process.env['SEED'] === undefined ? 12 : 1 }, (_, i) => first + i))(
    'leaves every record in the log once and in order (SEED=%i)',
    run,
  )
})
