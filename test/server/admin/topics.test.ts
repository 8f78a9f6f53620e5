/** Topics: made, described, grown, trimmed and deleted. Expected codes are those of Apache Kafka 4.3.1. */
import { describe, expect, it } from 'vitest'
import { metadata } from '../../../src/protocol/messages/03-metadata.ts'
import { createTopics } from '../../../src/protocol/messages/19-create-topics.ts'
import { deleteTopics } from '../../../src/protocol/messages/20-delete-topics.ts'
import { deleteRecords } from '../../../src/protocol/messages/21-delete-records.ts'
import { offsetForLeaderEpoch } from '../../../src/protocol/messages/23-offset-for-leader-epoch.ts'
import { createPartitions } from '../../../src/protocol/messages/37-create-partitions.ts'
import { describeLogDirs } from '../../../src/protocol/messages/35-describe-log-dirs.ts'
import { describeProducers } from '../../../src/protocol/messages/61-describe-producers.ts'
import { describeTopicPartitions } from '../../../src/protocol/messages/75-describe-topic-partitions.ts'
import type { ResponseOf } from '../../../src/protocol/wire/api.ts'
import { startBroker, type TestBroker } from './broker.ts'

const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'
const STRANGE_ID = 'AAAAAAAAAAAAAAAAAAAAEA'

interface Wanted {
  readonly name: string
  readonly numPartitions?: number
  readonly replicationFactor?: number
  readonly assignments?: { partitionIndex: number; brokerIds: number[] }[]
  readonly configs?: { name: string; value: string | null }[]
}

async function create(broker: TestBroker, topics: Wanted[], validateOnly = false): Promise<[string, number][]> {
  const full = topics.map((topic) => ({ numPartitions: 1, replicationFactor: 1, ...topic }))
  const answer = await broker.call(createTopics, 7, { topics: full, timeoutMs: 1000, validateOnly })
  return answer.topics.map(({ name, errorCode }) => [name, errorCode])
}

async function topicsOf(broker: TestBroker, version = 12): Promise<string[]> {
  const { topics } = await broker.call(metadata, version, { topics: version === 0 ? [] : null })
  return topics.map(({ name }) => name!).sort()
}

describe('CreateTopics', () => {
  it('makes each topic by itself: what cannot be made holds up no other', async () => {
    const broker = await startBroker()
    const outcomes = await create(broker, [{ name: 'good', numPartitions: 3 }, { name: 'b a d' }, { name: 'other' }])
    expect(outcomes).toEqual([
      ['good', 0],
      ['b a d', 17],
      ['other', 0],
    ])
    expect(await topicsOf(broker)).toEqual(['good', 'other'])
  })

  it("looks at things in Kafka's order", async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'here' }, { name: 'a.b' }])
    const configs = [{ name: 'nope', value: '1' }]
    const none = { numPartitions: -1, replicationFactor: -1 }
    const cases: [Wanted, number][] = [
      [{ name: '.', configs }, 17],
      [{ name: 'a_b', configs }, 17],
      [{ name: '__cluster_metadata', configs }, 42],
      [{ name: 'here', configs }, 36],
      [{ name: 'x', numPartitions: 0, replicationFactor: 5, configs }, 40],
      [{ name: 'x', configs: [{ name: 'retention.ms', value: null }] }, 40],
      [{ name: 'x', configs: [{ name: 'remote.storage.enable', value: 'true' }] }, 40],
      [{ name: 'x', numPartitions: 0, replicationFactor: 0 }, 38],
      [{ name: 'x', numPartitions: 0 }, 37],
      [{ name: 'x', replicationFactor: 2 }, 38],
      [{ name: 'x', ...none, replicationFactor: 1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] }, 42],
      [{ name: 'x', ...none, assignments: [{ partitionIndex: 1, brokerIds: [1] }] }, 39],
      [{ name: 'x', ...none, assignments: [{ partitionIndex: 0, brokerIds: [9] }] }, 39],
      [{ name: 'x', ...none, assignments: [{ partitionIndex: 0, brokerIds: [1, 1] }] }, 39],
      [{ name: 'x', numPartitions: 10_001 }, 44],
    ]
    for (const [wanted, code] of cases) {
      expect(await create(broker, [wanted]), JSON.stringify(wanted)).toEqual([[wanted.name, code]])
    }
    expect(await topicsOf(broker)).toEqual(['a.b', 'here'])
  })

  it('refuses a name that is there twice, and makes nothing when it only validates', async () => {
    const broker = await startBroker()
    expect(await create(broker, [{ name: 'a' }, { name: 'b' }, { name: 'a' }], true)).toEqual([
      ['b', 0],
      ['a', 42],
    ])
    expect(await topicsOf(broker)).toEqual([])
  })

  it('tells id, counts and settings where the version has them', async () => {
    const broker = await startBroker()
    const topic = {
      name: 't',
      numPartitions: -1,
      replicationFactor: -1,
      configs: [{ name: 'retention.ms', value: '5' }],
    }
    const { topics } = await broker.call(createTopics, 7, { topics: [topic], timeoutMs: 1000, validateOnly: false })
    expect(topics[0]).toMatchObject({ errorCode: 0, numPartitions: 1, replicationFactor: 1 })
    expect(topics[0]!.configs).toHaveLength(33)
    expect(topics[0]!.configs).toContainEqual({
      name: 'retention.ms',
      value: '5',
      readOnly: false,
      configSource: 1,
      isSensitive: false,
    })
    const { topics: seen } = await broker.call(metadata, 12, { topics: [{ name: 't' }] })
    expect(seen[0]!.topicId).toBe(topics[0]!.topicId)
    expect(broker.transport.topic('t')?.configs).toEqual({ 'retention.ms': '5' })
  })
})

describe('Metadata', () => {
  it('takes an empty list for all topics in version 0, and for none later', async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'a' }])
    expect(await topicsOf(broker, 0)).toEqual(['a'])
    expect(await topicsOf(broker, 1)).toEqual(['a'])
    expect((await broker.call(metadata, 1, { topics: [] })).topics).toEqual([])
  })

  it('finds topics by id, and tells a topic once', async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'a', numPartitions: 2 }])
    const topicId = broker.transport.topic('a')!.topicId
    const asked = [{ name: 'a' }, { name: null, topicId }, { name: 'a' }, { name: null, topicId: STRANGE_ID }]
    const { topics } = await broker.call(metadata, 12, { topics: asked, allowAutoTopicCreation: false })
    expect(topics.map(({ name, topicId: id, errorCode }) => [name, id, errorCode])).toEqual([
      ['a', topicId, 0],
      [null, STRANGE_ID, 100],
    ])
    expect(topics[0]!.partitions[1]).toEqual({
      errorCode: 0,
      partitionIndex: 1,
      leaderId: 1,
      leaderEpoch: 0,
      replicaNodes: [1],
      isrNodes: [1],
      offlineReplicas: [],
    })
    const early = await broker.call(metadata, 10, { topics: [{ name: 'a', topicId }] })
    expect(early.topics[0]!.errorCode).toBe(42)
  })

  it('creates what it does not find, if both sides want that and the name is one', async () => {
    const broker = await startBroker()
    const ask = async (name: string, allowAutoTopicCreation: boolean): Promise<number> => {
      const { topics } = await broker.call(metadata, 12, { topics: [{ name }], allowAutoTopicCreation })
      return topics[0]!.errorCode
    }
    expect(await ask('new', false)).toBe(3)
    expect(await ask('n e w', true)).toBe(17)
    expect(await ask('__consumer_offsets', true)).toBe(3)
    expect(await ask('new', true)).toBe(0)
    await broker.transport.admin.ask({ type: 'giveSettings', settings: { 'auto.create.topics.enable': 'false' } })
    expect(await ask('another', true)).toBe(3)
    const settings = { 'num.partitions': '4' }
    await broker.transport.admin.ask({ type: 'giveSettings', settings })
    expect(await ask('another', true)).toBe(0)
    expect(broker.transport.topic('another')?.partitionCount).toBe(4)
  })

  it('tells operations where they are asked for', async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'a' }])
    const flags = { includeClusterAuthorizedOperations: true, includeTopicAuthorizedOperations: true }
    const answer = await broker.call(metadata, 8, { topics: [{ name: 'a' }], ...flags })
    expect(answer.clusterAuthorizedOperations).toBe(8096)
    expect(answer.topics[0]!.topicAuthorizedOperations).toBe(3576)
  })
})

describe('DescribeTopicPartitions', () => {
  it('goes through topics by name, page by page', async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'b', numPartitions: 3 }, { name: 'a' }])
    const pages: string[] = []
    type Page = ResponseOf<typeof describeTopicPartitions>
    let cursor: Page['nextCursor'] = null
    do {
      const answer: Page = await broker.call(describeTopicPartitions, 0, {
        topics: [],
        responsePartitionLimit: 2,
        cursor,
      })
      pages.push(answer.topics.map((one) => `${one.name}:${one.partitions.map((p) => p.partitionIndex)}`).join(' '))
      cursor = answer.nextCursor
    } while (cursor !== null)
    expect(pages).toEqual(['a:0 b:0', 'b:1,2'])
  })

  it('refuses a cursor that names none of the topics, or no partition', async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'a' }])
    for (const cursor of [
      { topicName: 'x', partitionIndex: 0 },
      { topicName: 'a', partitionIndex: -1 },
    ]) {
      const { topics } = await broker.call(describeTopicPartitions, 0, { topics: [{ name: 'a' }], cursor })
      expect(topics.map(({ errorCode }) => errorCode)).toEqual([42])
    }
    const { topics } = await broker.call(describeTopicPartitions, 0, { topics: [{ name: 'x' }, { name: 'n o' }] })
    expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['n o', 17],
      ['x', 3],
    ])
  })
})

describe('CreatePartitions', () => {
  it('adds partitions, and refuses what is no increase or assigned wrongly', async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'a' }, { name: 'b' }])
    const grow = async (
      topics: { name: string; count: number; assignments?: { brokerIds: number[] }[] }[],
      validateOnly = false,
    ): Promise<number[]> => {
      const wanted = topics.map((topic) => ({ assignments: null, ...topic }))
      const answer = await broker.call(createPartitions, 3, { topics: wanted, timeoutMs: 1000, validateOnly })
      return answer.results.map(({ errorCode }) => errorCode)
    }
    expect(await grow([{ name: 'a', count: 3 }], true)).toEqual([0])
    expect(broker.transport.topic('a')?.partitionCount).toBe(1)
    expect(
      await grow([
        { name: 'a', count: 3 },
        { name: 'none', count: 2 },
      ]),
    ).toEqual([0, 3])
    expect(broker.transport.topic('a')?.partitionCount).toBe(3)
    expect(await grow([{ name: 'a', count: 3 }])).toEqual([37])
    expect(await grow([{ name: 'a', count: -1 }])).toEqual([37])
    expect(await grow([{ name: 'a', count: 5, assignments: [{ brokerIds: [1] }] }])).toEqual([39])
    expect(await grow([{ name: 'a', count: 4, assignments: [{ brokerIds: [9] }] }])).toEqual([39])
    expect(await grow([{ name: 'a', count: 4, assignments: [{ brokerIds: [1] }] }])).toEqual([0])
    expect(
      await grow([
        { name: 'a', count: 9 },
        { name: 'a', count: 9 },
      ]),
    ).toEqual([42])
  })
})

describe('DeleteTopics', () => {
  it('deletes by name and by id, each by itself', async () => {
    const broker = await startBroker()
    await create(
      broker,
      ['a', 'b', 'c', 'd'].map((name) => ({ name })),
    )
    const idOf = (name: string): string => broker.transport.topic(name)!.topicId
    const early = await broker.call(deleteTopics, 5, { topicNames: ['a', 'none'], timeoutMs: 1000 })
    expect(early.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['a', 0],
      ['none', 3],
    ])
    const [idOfB, idOfC] = [idOf('b'), idOf('c')]
    const late = await broker.call(deleteTopics, 6, {
      topics: [
        { name: null, topicId: idOfB },
        { name: null, topicId: STRANGE_ID },
        { name: 'c', topicId: idOfC },
        { name: null, topicId: NO_ID },
        { name: 'd' },
        { name: null, topicId: idOf('d') },
      ],
      timeoutMs: 1000,
    })
    expect(late.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      [null, 100],
      ['c', 42],
      [null, 42],
      ['d', 42],
      ['b', 0],
    ])
    expect(await topicsOf(broker)).toEqual(['c', 'd'])
  })

  it('deletes nothing where that is switched off', async () => {
    const broker = await startBroker()
    await create(broker, [{ name: 'a' }])
    await broker.transport.admin.ask({ type: 'giveSettings', settings: { 'delete.topic.enable': 'false' } })
    const answer = await broker.call(deleteTopics, 6, { topics: [{ name: 'a' }], timeoutMs: 1000 })
    expect(answer.responses[0]!.errorCode).toBe(73)
    expect(await topicsOf(broker)).toEqual(['a'])
  })
})

describe('the inside of partitions', () => {
  it('is trimmed, measured, and told by epoch and producer', async () => {
    const broker = await startBroker()
    await create(broker, [
      { name: 'a' },
      { name: 'compacted', configs: [{ name: 'cleanup.policy', value: 'compact' }] },
    ])
    const producer = broker.log.producer({ acks: 'all' })
    for (let i = 0; i < 5; i++) await producer.send({ topic: 'a', value: new Uint8Array(10) })
    const trim = async (name: string, partitionIndex: number, offset: number): Promise<[number, number]> => {
      const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
      const answer = await broker.call(deleteRecords, 2, { topics, timeoutMs: 1000 })
      const { lowWatermark, errorCode } = answer.topics[0]!.partitions[0]!
      return [lowWatermark, errorCode]
    }
    expect(await trim('a', 0, 2)).toEqual([2, 0])
    expect(await trim('a', 0, 6)).toEqual([-1, 1])
    expect(await trim('a', 0, -2)).toEqual([-1, 1])
    expect(await trim('a', 0, -1)).toEqual([5, 0])
    expect(await trim('a', 1, 0)).toEqual([-1, 3])
    expect(await trim('none', 0, 0)).toEqual([-1, 3])
    expect(await trim('compacted', 0, 0)).toEqual([-1, 44])
    expect(await trim('__consumer_offsets', 0, 0)).toEqual([-1, 17])

    const dirs = await broker.call(describeLogDirs, 4, { topics: [{ topic: 'a', partitions: [0, 7] }] })
    expect(dirs.results[0]!.topics[0]!.partitions).toHaveLength(1)
    expect(dirs.results[0]!.topics[0]!.partitions[0]!.partitionSize).toBeGreaterThan(5 * 61)

    const epochs = await broker.call(offsetForLeaderEpoch, 4, {
      topics: [
        {
          topic: 'a',
          partitions: [
            { partition: 0, currentLeaderEpoch: 0, leaderEpoch: 0 },
            { partition: 0, currentLeaderEpoch: 5, leaderEpoch: 0 },
            { partition: 0, currentLeaderEpoch: -1, leaderEpoch: 5 },
            { partition: 9, currentLeaderEpoch: -1, leaderEpoch: 0 },
          ],
        },
      ],
    })
    const told = epochs.topics[0]!.partitions.map((one) => [one.errorCode, one.leaderEpoch, one.endOffset])
    expect(told).toEqual([
      [0, 0, 5],
      [75, -1, -1],
      [0, -1, -1],
      [3, -1, -1],
    ])

    const producers = await broker.call(describeProducers, 0, { topics: [{ name: 'a', partitionIndexes: [0, 9] }] })
    const [known, unknown] = producers.topics[0]!.partitions
    expect(known!.activeProducers).toHaveLength(1)
    expect(known!.activeProducers[0]).toMatchObject({ producerEpoch: 0, lastSequence: 4, currentTxnStartOffset: -1 })
    expect(unknown!.errorCode).toBe(3)
    await producer.close()
  })
})
