/**
 * connect() against a real Apache Kafka and against Vltava's own listener: the same program, the same outcome; and
 * against three Kafka nodes of which one is killed. Run by `npm run test:interop`; what cannot run is left out loudly.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, type Consumer, type Log, open, type VltavaError } from '../workers/built.ts'
import { startCluster } from './kafka/cluster.mjs'
import { available, readBack, startBroker, writeFixtures } from './kafka/kafka-tools.mjs'

const kafka = available()
if (!kafka.ok) {
  const block = `LEFT OUT: connect() against Apache Kafka\n     why: ${kafka.reason}`
  if (process.env['INTEROP_REQUIRED'] === '1') throw new Error(block)
  console.warn(block)
}

const work = mkdtempSync(join(tmpdir(), 'vltava-cluster-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

interface Served {
  readonly brokers: string
  readonly stop: () => Promise<void>
}

async function serveVltava(): Promise<Served> {
  const log = await open({ dir: join(work, 'vltava') })
  const listener = await log.listen({ host: '127.0.0.1', port: 0 })
  const { host, port } = listener.addresses[0]!
  return { brokers: `${host}:${port}`, stop: () => log.close() }
}

async function serveKafka(): Promise<Served> {
  const broker = await startBroker({ dir: join(work, 'kafka') })
  return { brokers: broker.bootstrap, stop: () => broker.stop() }
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: VltavaError) => error.code,
  )

/** Every value of a topic, by partition, in order. */
async function valuesOf(log: Log, topic: string): Promise<string[][]> {
  const values: string[][] = []
  const consumer = log.consumer({ value: 'string' })
  await consumer.subscribe([topic])
  for await (const batch of consumer.batches({ until: 'end' })) {
    for (const { value } of batch) (values[batch.partition] ??= []).push(value!)
  }
  await consumer.close()
  return values
}

const servers = [['Vltava', serveVltava], ...(kafka.ok ? ([['Apache Kafka', serveKafka]] as const) : [])] as const

describe.each(servers)('a log on %s', (_name, serve) => {
  let served: Served
  let log: Log

  beforeAll(async () => {
    served = await serve()
    log = await connect({ brokers: served.brokers })
  })

  afterAll(async () => {
    await log.close()
    await served.stop()
  })

  it('keeps records with every codec, keys, headers and timestamps', async () => {
    await log.admin.createTopics([{ topic: 'codecs', partitions: 3 }])
    const sent = []
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      for (const acks of [1, 'all'] as const) {
        const producer = log.producer({ key: 'string', value: 'string', compression, acks })
        for (let i = 0; i < 20; i++) {
          const record = {
            topic: 'codecs',
            key: `${compression}-${i}`,
            value: `${acks} `.repeat(100 + i), // Batches that do not shrink stay as they are.
            timestamp: 1_700_000_000_000 + i,
            headers: [['codec', Buffer.from(compression)]] as const,
          }
          sent.push({ ...record, ...(await producer.send(record)) })
        }
        await producer.close()
      }
    }
    const consumer = log.consumer({ key: 'string', value: 'string' })
    await consumer.subscribe(['codecs'])
    const places = new Map(sent.map((record) => [`${record.partition}/${record.offset}`, record]))
    expect(places.size).toBe(sent.length)
    for await (const batch of consumer.batches({ until: 'end' })) {
      for (const { key, value, timestamp, headers, offset } of batch) {
        const record = places.get(`${batch.partition}/${offset}`)!
        places.delete(`${batch.partition}/${offset}`)
        expect({ key, value, timestamp }).toEqual({ key: record.key, value: record.value, timestamp: record.timestamp })
        expect(Buffer.from(headers[0]![1]!).toString()).toBe(headers[0]![0] === 'codec' ? batch.compression : '')
      }
    }
    expect(places.size).toBe(0)
  })

  it('takes a hundred thousand records at speed, each once and in order', async () => {
    await log.admin.createTopics([{ topic: 'many', partitions: 4 }])
    const producer = log.producer({ value: 'string' })
    for (let i = 0; i < 100_000;) {
      if (producer.append('many', String(i), null, { partition: i % 4 })) i += 1
      else await producer.drain()
    }
    await producer.close()
    const expected = [0, 1, 2, 3].map((partition) =>
      Array.from({ length: 25_000 }, (_, i) => String(4 * i + partition)),
    )
    expect(await valuesOf(log, 'many')).toEqual(expected)
  })

  it('finds offsets by time, start and end, and trims', async () => {
    await log.admin.createTopics([{ topic: 'times', partitions: 1 }])
    const producer = log.producer({ value: 'string' })
    const base = 1_700_000_000_000
    await producer.sendAll([0, 10, 20, 30].map((ms) => ({ topic: 'times', value: `${ms}`, timestamp: base + ms })))
    expect(await log.admin.offset('times', 0, { timestamp: base + 11 })).toEqual({ offset: 2, timestamp: base + 20 })
    expect(await log.admin.offset('times', 0, { timestamp: base + 31 })).toMatchObject({ offset: -1 })
    expect(await log.admin.offset('times', 0, 'end')).toEqual({ offset: 4, timestamp: -1 })
    expect(await log.admin.offset('times', 0, 'max-timestamp')).toEqual({ offset: 3, timestamp: base + 30 })
    expect(await log.admin.trim('times', 0, 2)).toBe(2)
    expect(await valuesOf(log, 'times')).toEqual([['20', '30']])
    const consumer = log.consumer()
    await consumer.assign([{ topic: 'times', partition: 0, offset: 0 }])
    await expect(consumer.batches().next()).rejects.toMatchObject({ logStartOffset: 2, logEndOffset: 4 })
  })

  it('is administered as the embedded log is, with the same errors', async () => {
    const { admin } = log
    await admin.createTopics([{ topic: 'admin', partitions: 2, configs: { 'retention.ms': 5_000_000 } }])
    expect(await admin.listTopics()).toContain('admin')
    await admin.createPartitions('admin', 3)
    await admin.alterConfigs('admin', { 'retention.ms': null, 'max.message.bytes': 2000 })
    const [described] = await admin.describeTopics(['admin'])
    expect(described!.partitions).toHaveLength(3)
    expect(described!.configs).toEqual({ 'max.message.bytes': '2000' })
    const settings = new Map((await admin.describeConfigs('topic', 'admin')).map((config) => [config.name, config]))
    expect(settings.get('max.message.bytes')).toMatchObject({ value: '2000', source: 'topic', isReadOnly: false })
    expect(settings.get('retention.ms')).toMatchObject({ value: '604800000', source: 'default' })
    const ofBroker = await admin.describeConfigs('broker')
    expect(ofBroker.find(({ name }) => name === 'log.retention.hours')).toMatchObject({ value: '168' })
    const { clusterId, brokers } = await admin.describeCluster()
    expect(clusterId).not.toBe('')
    expect(brokers.map(({ host, port }) => `${host}:${port}`)).toEqual([served.brokers])
    const send = log.producer({ value: 'string' }).send({ topic: 'admin', value: 'x'.repeat(3000) })
    expect(await codeOf(send)).toBe('MESSAGE_TOO_LARGE')
    const outcomes: [string, () => Promise<unknown>][] = [
      ['TOPIC_ALREADY_EXISTS', () => admin.createTopics([{ topic: 'admin' }])],
      ['INVALID_TOPIC_EXCEPTION', () => admin.createTopics([{ topic: 'a/b' }])],
      ['INVALID_PARTITIONS', () => admin.createTopics([{ topic: 'none', partitions: 0 }])],
      ['INVALID_CONFIG', () => admin.createTopics([{ topic: 'none', configs: { 'no.such': 1 } }])],
      ['TOPIC_ALREADY_EXISTS', () => admin.createTopics([{ topic: 'none' }, { topic: 'admin' }])],
      ['INVALID_PARTITIONS', () => admin.createPartitions('admin', 2)],
      ['INVALID_CONFIG', () => admin.alterConfigs('admin', { 'retention.ms': 'soon' })],
      ['UNKNOWN_TOPIC_OR_PARTITION', () => admin.deleteTopics(['none'])],
      ['UNKNOWN_TOPIC_OR_PARTITION', () => admin.describeTopics(['none'])],
      ['UNKNOWN_TOPIC_OR_PARTITION', () => admin.describeConfigs('topic', 'none')],
      ['UNKNOWN_TOPIC_OR_PARTITION', () => admin.offset('none', 0, 'end')],
      ['UNKNOWN_TOPIC_OR_PARTITION', () => log.consumer().subscribe(['none'])],
      ['OFFSET_OUT_OF_RANGE', () => admin.trim('admin', 0, 99)],
      ['EMBEDDED_ONLY', () => admin.damage()],
    ]
    const found: string[] = []
    for (const [, ask] of outcomes) found.push(await codeOf(ask()))
    expect(found).toEqual(outcomes.map(([code]) => code))
    await admin.deleteTopics(['admin'])
    expect(await admin.listTopics()).not.toContain('admin')
  })

  it.each(['consumer', 'classic'] as const)('shares a topic in a group, protocol %s', async (groupProtocol) => {
    const topic = `shared-${groupProtocol}`
    const group = `group-${groupProtocol}`
    await log.admin.createTopics([{ topic, partitions: 4 }])
    const other = await connect({ brokers: served.brokers })
    const producer = log.producer({ value: 'string' })
    const stop = new AbortController()
    const follow = (from: Log): { values: string[]; consumer: Consumer<Uint8Array, string>; ended: Promise<void> } => {
      const consumer = from.consumer({
        value: 'string',
        group,
        groupProtocol,
        from: 'earliest',
        heartbeatIntervalMs: 200,
      })
      const values: string[] = []
      const ended = (async () => {
        await consumer.subscribe([topic])
        for await (const batch of consumer.batches({ signal: stop.signal })) {
          for (const { value } of batch) values.push(value!)
        }
      })()
      return { values, consumer, ended }
    }
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const one = follow(log)
    const two = follow(log) // Of the same connection: its join must not stand before the other's.
    const three = follow(other)
    const members = [one, two, three]
    await until(() => members.every(({ consumer }) => consumer.assignment().length > 0))
    await until(() => members.reduce((sum, { consumer }) => sum + consumer.assignment().length, 0) === 4)
    const send = (from: number): Promise<unknown> =>
      producer.sendAll(Array.from({ length: 40 }, (_, i) => ({ topic, value: String(from + i), partition: i % 4 })))
    await send(0)
    await until(() => members.reduce((sum, { values }) => sum + values.length, 0) >= 40)
    await two.consumer.close()
    await until(() => one.consumer.assignment().length + three.consumer.assignment().length === 4)
    await send(40)
    await until(() => members.reduce((sum, { values }) => sum + values.length, 0) >= 80)
    await one.consumer.commit()
    await three.consumer.commit()
    const all = members.flatMap(({ values }) => values).map(Number)
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => i))
    expect(await log.admin.describeGroup(group)).toMatchObject({ state: 'Stable' })
    stop.abort()
    await Promise.all(members.map(({ ended }) => ended))
    await one.consumer.close()
    await three.consumer.close()
    const offsets = await log.admin.groupOffsets(group)
    expect(offsets.map(({ offset, lag }) => [offset, lag])).toEqual(Array.from({ length: 4 }, () => [20, 0]))
    expect((await log.admin.listGroups()).map(({ groupId }) => groupId)).toContain(group)
    await log.admin.resetGroupOffsets(group, 'start')
    expect((await log.admin.groupOffsets(group)).map(({ lag }) => lag)).toEqual([20, 20, 20, 20])
    await log.admin.deleteGroups([group])
    expect((await log.admin.listGroups()).map(({ groupId }) => groupId)).not.toContain(group)
    await other.close()
  })

  it('wakes a consumer that waits', async () => {
    await log.admin.createTopics([{ topic: 'wake', partitions: 2 }])
    const consumer = log.consumer({ value: 'string', from: 'latest' })
    await consumer.subscribe(['wake'])
    const next = consumer.batches().next()
    const producer = log.producer({ value: 'string' })
    await producer.send({ topic: 'wake', value: 'a' })
    expect((await next).value!.records().map(({ value }) => value)).toEqual(['a'])
    await consumer.close()
  })
})

describe.runIf(kafka.ok)('read_committed', () => {
  it("leaves out what Kafka's own consumer leaves out", async () => {
    const broker = await startBroker({ dir: join(work, 'transactions') })
    try {
      await writeFixtures(broker, ['txn', 'open-txn'])
      for (const topic of ['txn', 'open-txn']) {
        const expected = await readBack(broker, [topic])
        for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
          const log = await connect({ brokers: broker.bootstrap, isolation })
          const consumer = log.consumer()
          await consumer.subscribe([topic])
          const offsets: string[] = []
          for await (const batch of consumer.batches({ until: 'end' })) {
            for (const { offset } of batch) offsets.push(`${batch.partition}/${offset}`)
          }
          const wanted = expected.filter(({ committed }) => committed || isolation === 'read_uncommitted')
          expect(offsets.sort()).toEqual(wanted.map(({ partition, offset }) => `${partition}/${offset}`).sort())
          await log.close()
        }
      }
    } finally {
      await broker.stop()
    }
  })
})

describe.runIf(kafka.ok)('three Kafka nodes, of which one is killed under load', () => {
  it('have every acknowledged record once and in order, and a consumer goes on', async () => {
    const cluster = await startCluster(join(work, 'three'))
    try {
      const log = await connect({ brokers: cluster.bootstrap })
      await log.admin.createTopics([{ topic: 'load', partitions: 6 }])
      const seen: string[][] = Array.from({ length: 6 }, () => [])
      let seenCount = 0
      const stop = new AbortController()
      const consumer = log.consumer({ value: 'string' })
      await consumer.subscribe(['load'])
      const consuming = (async () => {
        for await (const batch of consumer.batches({ signal: stop.signal })) {
          for (const { value } of batch) seen[batch.partition]!.push(value!)
          seenCount += batch.recordCount
        }
      })()
      const producer = log.producer({ value: 'string', linger: 1 })
      const sent: string[][] = Array.from({ length: 6 }, () => [])
      const failures: unknown[] = []
      let acknowledged = 0
      let count = 0
      /** Sends until so many more are acknowledged. */
      const load = async (more: number): Promise<void> => {
        for (const goal = acknowledged + more; acknowledged < goal;) {
          const batch = Array.from({ length: 60 }, () => {
            const value = String(count++)
            const partition = count % 6
            sent[partition]!.push(value)
            return producer.send({ topic: 'load', value, partition }).then(
              () => (acknowledged += 1),
              (error: unknown) => failures.push(error),
            )
          })
          if (count - acknowledged > 3000) await Promise.all(batch)
          else await new Promise((resolve) => setImmediate(resolve))
        }
      }
      await load(20_000)
      const killed = cluster.nodes.get(2)!.kill()
      await load(20_000)
      await killed
      await cluster.start(2)
      await load(5000)
      await cluster.nodes.get(1)!.kill()
      await load(20_000)
      await producer.flush()
      expect(failures).toEqual([])
      while (seenCount < count) await new Promise((resolve) => setTimeout(resolve, 20))
      stop.abort()
      await consuming
      expect(seen).toEqual(sent)
      expect(await valuesOf(log, 'load')).toEqual(sent)
      await log.close()
    } finally {
      await cluster.kill()
    }
  })
})
