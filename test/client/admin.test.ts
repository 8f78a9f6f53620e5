/** The admin against a real log, from dist. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codeOf, openLog } from '../workers/harness.ts'
import { open } from '../workers/built.ts'

const T0 = 1_700_000_000_000

async function withTopic(count: number) {
  const opened = await openLog()
  await opened.log.admin.createTopics([{ topic: 'events', partitions: 2, configs: { 'retention.ms': -1 } }])
  const producer = opened.log.producer<string, string>({ value: 'string' })
  // Times go back and forth: offset i has T0 + (i * 7) % 10.
  for (let i = 0; i < count; i++) {
    await producer.send({ topic: 'events', partition: 0, value: `${i}`, timestamp: T0 + ((i * 7) % 10) })
  }
  await producer.close()
  return opened
}

describe('topics', () => {
  it('are created, listed, described and deleted, with their directories', async () => {
    const { log, dir } = await openLog()
    await log.admin.createTopics([
      { topic: 'b.2', partitions: 3, configs: { 'retention.ms': 5, preallocate: false } },
      { topic: 'a-1' },
    ])
    expect(await log.admin.listTopics()).toEqual(['a-1', 'b.2'])
    const [b] = await log.admin.describeTopics(['b.2'])
    expect(b).toMatchObject({ topic: 'b.2', configs: { 'retention.ms': '5', preallocate: 'false' } })
    expect(b!.partitions).toEqual(
      [0, 1, 2].map((partition) => ({ partition, logStartOffset: 0, highWatermark: 0, committedOffset: 0 })),
    )
    expect(b!.topicId).toMatch(/^[\w-]{22}$/)
    const partitions = (): string[] => readdirSync(dir).filter((name) => /-\d+$/.test(name))
    expect(partitions()).toEqual(['a-1-0', 'b.2-0', 'b.2-1', 'b.2-2'])
    await log.admin.deleteTopics(['b.2'])
    expect(await log.admin.listTopics()).toEqual(['a-1'])
    expect(partitions()).toEqual(['a-1-0'])
    expect(await codeOf(() => log.admin.describeTopics(['b.2']))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('are created all or none, or only checked', async () => {
    const { log } = await openLog()
    await log.admin.createTopics([{ topic: 'one' }], { validateOnly: true })
    expect(await log.admin.listTopics()).toEqual([])
    for (const [topics, code] of [
      [[{ topic: 'one' }, { topic: 'one' }], 'TOPIC_ALREADY_EXISTS'],
      [[{ topic: 'one' }, { topic: '../x' }], 'INVALID_TOPIC_EXCEPTION'],
      [[{ topic: 'a.b' }, { topic: 'a_b' }], 'INVALID_TOPIC_EXCEPTION'],
      [[{ topic: 'one' }, { topic: 'two', partitions: 0 }], 'INVALID_PARTITIONS'],
      [[{ topic: 'one' }, { topic: 'two', configs: { nonsense: 1 } }], 'INVALID_CONFIG'],
    ] as const) {
      expect(await codeOf(() => log.admin.createTopics(topics))).toBe(code)
      expect(await log.admin.listTopics()).toEqual([])
    }
    await log.admin.createTopics([{ topic: 'one' }])
    expect(await codeOf(() => log.admin.createTopics([{ topic: 'one' }]))).toBe('TOPIC_ALREADY_EXISTS')
  })

  it('get more partitions, never fewer, and keep what they hold', async () => {
    const { log } = await withTopic(3)
    await log.admin.createPartitions('events', 4)
    const [topic] = await log.admin.describeTopics(['events'])
    expect(topic!.partitions.map(({ highWatermark }) => highWatermark)).toEqual([3, 0, 0, 0])
    for (const partitions of [4, 3, 0, 1.5]) {
      expect(await codeOf(() => log.admin.createPartitions('events', partitions))).toBe('INVALID_PARTITIONS')
    }
    expect(await codeOf(() => log.admin.createPartitions('nothing', 2))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('that are deleted and created again begin at 0, also in the eyes of a later opening', async () => {
    const { log, dir } = await withTopic(5)
    await log.admin.deleteTopics(['events'])
    await log.admin.createTopics([{ topic: 'events', partitions: 2 }])
    expect((await log.admin.offset('events', 0, 'end')).offset).toBe(0)
    await log.close()
    const again = await open({ dir, shards: 1 })
    expect((await again.admin.offset('events', 0, 'end')).offset).toBe(0)
    expect(await again.admin.damage()).toEqual([])
    await again.close()
  })

  it('and their settings survive closing', async () => {
    const { log, dir } = await withTopic(5)
    await log.admin.alterConfigs('events', { 'retention.ms': null, 'segment.ms': 1234, 'compression.type': 'lz4' })
    const before = await log.admin.describeTopics(['events'])
    expect(before[0]!.configs).toEqual({ 'segment.ms': '1234', 'compression.type': 'lz4' })
    await log.close()
    const again = await open({ dir, shards: 1 })
    const after = await again.admin.describeTopics(['events'])
    expect(after[0]).toMatchObject({ topicId: before[0]!.topicId, configs: before[0]!.configs })
    expect(after[0]!.partitions[0]).toMatchObject({ highWatermark: 5, committedOffset: 5 })
    expect(await codeOf(() => again.admin.alterConfigs('events', { 'segment.ms': 0 }))).toBe('INVALID_CONFIG')
    await again.close()
  })
})

describe('offsets', () => {
  it('of the start, the end, a time and the newest record are found', async () => {
    const { log } = await withTopic(10)
    const offset = (spec: Parameters<typeof log.admin.offset>[2]) => log.admin.offset('events', 0, spec)
    expect(await offset('start')).toEqual({ offset: 0, timestamp: -1 })
    expect(await offset('end')).toEqual({ offset: 10, timestamp: -1 })
    // 0 7 4 1 8 5 2 9 6 3
    expect(await offset('max-timestamp')).toEqual({ offset: 7, timestamp: T0 + 9 })
    expect(await offset({ timestamp: T0 + 5 })).toEqual({ offset: 1, timestamp: T0 + 7 })
    expect(await offset(new Date(T0 + 8))).toEqual({ offset: 4, timestamp: T0 + 8 })
    expect(await offset({ timestamp: T0 + 10 })).toEqual({ offset: -1, timestamp: -1 })
    expect(await codeOf(() => offset(new Date('nonsense')))).toBe('INVALID_ARGUMENT')
    expect(await log.admin.offset('events', 1, 'max-timestamp')).toEqual({ offset: -1, timestamp: -1 })
    expect(await codeOf(() => log.admin.offset('events', 2, 'end'))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('are moved by a trim, which survives closing', async () => {
    const { log, dir } = await withTopic(10)
    expect(await log.admin.trim('events', 0, 4)).toBe(4)
    expect(await log.admin.trim('events', 0, 2), 'never back').toBe(4)
    expect(await codeOf(() => log.admin.trim('events', 0, 11))).toBe('OFFSET_OUT_OF_RANGE')
    expect(await codeOf(() => log.admin.trim('events', 9, 0))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await log.admin.offset('events', 0, { timestamp: T0 + 7 })).toEqual({ offset: 4, timestamp: T0 + 8 })
    await log.close()
    const again = await open({ dir, shards: 1 })
    expect((await again.admin.offset('events', 0, 'start')).offset).toBe(4)
    expect(await again.admin.trim('events', 0, -1)).toBe(10)
    await again.close()
  })
})

it('a directory that was closed holds no byte that is not a batch, a small file or an entry', async () => {
  const { log, dir } = await withTopic(3)
  await log.close()
  expect(readdirSync(join(dir, 'events-0')).sort()).toEqual([
    '00000000000000000000.index',
    '00000000000000000000.log',
    '00000000000000000000.timeindex',
    '00000000000000000003.snapshot',
    'leader-epoch-checkpoint',
    'partition.metadata',
  ])
  expect(readdirSync(dir).filter((name) => name.startsWith('.kafka'))).toEqual(['.kafka_cleanshutdown'])
})

describe('settings and cluster', () => {
  it('are described with where each value comes from', async () => {
    const { log } = await openLog()
    await log.admin.createTopics([{ topic: 'a', configs: { 'retention.ms': 5 } }])
    const settings = await log.admin.describeConfigs('topic', 'a')
    const own = settings.filter(({ source }) => source === 'topic')
    expect(own.map(({ name, value }) => [name, value])).toEqual([['retention.ms', '5']])
    expect(await codeOf(() => log.admin.describeConfigs('topic', 'none'))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    const partitions = (await log.admin.describeConfigs('broker')).find(({ name }) => name === 'num.partitions')
    expect(partitions).toMatchObject({ value: '1', source: 'default', isReadOnly: true })
    const cluster = await log.admin.describeCluster()
    expect(cluster).toMatchObject({ controllerId: 1, brokers: [{ nodeId: 1 }] })
    expect(cluster.clusterId).toHaveLength(22)
  })
})
