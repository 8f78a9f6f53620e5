/** Settings and quotas: described, altered, obeyed, kept. Expected codes are those of Apache Kafka 4.3.1. */
import { describe, expect, it } from 'vitest'
import { createTopics } from '../../../src/protocol/messages/19-create-topics.ts'
import { describeConfigs } from '../../../src/protocol/messages/32-describe-configs.ts'
import { alterConfigs } from '../../../src/protocol/messages/33-alter-configs.ts'
import { incrementalAlterConfigs } from '../../../src/protocol/messages/44-incremental-alter-configs.ts'
import { describeClientQuotas } from '../../../src/protocol/messages/48-describe-client-quotas.ts'
import { alterClientQuotas } from '../../../src/protocol/messages/49-alter-client-quotas.ts'
import { listConfigResources } from '../../../src/protocol/messages/74-list-config-resources.ts'
import { startBroker, type TestBroker } from './broker.ts'

const TOPIC = { resourceType: 2, resourceName: 't' }
const BROKER = { resourceType: 4, resourceName: '1' }
const ALL_BROKERS = { resourceType: 4, resourceName: '' }
const GROUP = { resourceType: 32, resourceName: 'g' }
const SET = 0
const DELETE = 1
const APPEND = 2

type Resource = typeof TOPIC
type Operation = readonly [name: string, configOperation: number, value?: string]

async function startWithTopic(): Promise<TestBroker> {
  const broker = await startBroker()
  const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1 }]
  await broker.call(createTopics, 7, { topics, timeoutMs: 1000, validateOnly: false })
  return broker
}

async function alter(broker: TestBroker, resource: Resource, operations: readonly Operation[], validateOnly = false) {
  const configs = operations.map(([name, configOperation, value = null]) => ({ name, configOperation, value }))
  const request = { resources: [{ ...resource, configs }], validateOnly }
  const { responses } = await broker.call(incrementalAlterConfigs, 1, request)
  return responses[0]!.errorCode
}

/** name=value@source */
async function valueOf(broker: TestBroker, resource: Resource, name: string): Promise<string | undefined> {
  const resources = [{ ...resource, configurationKeys: [name] }]
  const { results } = await broker.call(describeConfigs, 4, { resources, includeSynonyms: true })
  const [config] = results[0]!.configs
  return config === undefined ? undefined : `${config.value}@${config.configSource}`
}

describe('settings of topics', () => {
  it('are altered one by one, all of a resource or none', async () => {
    const broker = await startWithTopic()
    expect(await alter(broker, TOPIC, [['retention.ms', SET, '5']])).toBe(0)
    expect(await valueOf(broker, TOPIC, 'retention.ms')).toBe('5@1')
    const twoOneBad: Operation[] = [
      ['retention.ms', SET, '6'],
      ['segment.ms', SET, 'x'],
    ]
    expect(await alter(broker, TOPIC, twoOneBad)).toBe(40)
    expect(await alter(broker, TOPIC, [['retention.ms', SET, '7']], true)).toBe(0)
    expect(await valueOf(broker, TOPIC, 'retention.ms')).toBe('5@1')
    expect(await alter(broker, TOPIC, [['retention.ms', DELETE]])).toBe(0)
    expect(await valueOf(broker, TOPIC, 'retention.ms')).toBe('604800000@5')
    expect(await alter(broker, TOPIC, [['cleanup.policy', APPEND, 'compact']])).toBe(0)
    expect(await valueOf(broker, TOPIC, 'cleanup.policy')).toBe('delete,compact@1')
    expect(await alter(broker, TOPIC, [['retention.ms', 9, '5']])).toBe(42)
    expect(await alter(broker, TOPIC, [['nope', SET, '5']])).toBe(40)
    expect(await alter(broker, { ...TOPIC, resourceName: 'none' }, [['retention.ms', SET, '5']])).toBe(3)
    expect(await alter(broker, { ...TOPIC, resourceName: '' }, [['retention.ms', SET, '5']])).toBe(42)
    expect(await alter(broker, { ...TOPIC, resourceName: 'n o' }, [['retention.ms', SET, '5']])).toBe(17)
    const most = 'min.compaction.lag.ms'
    expect(
      await alter(broker, TOPIC, [
        ['max.compaction.lag.ms', SET, '5'],
        [most, SET, '9'],
      ]),
    ).toBe(40)
  })

  it('are all replaced by the older API', async () => {
    const broker = await startWithTopic()
    await alter(broker, TOPIC, [['cleanup.policy', SET, 'compact']])
    const replace = async (...configs: { name: string; value: string | null }[]): Promise<number> => {
      const { responses } = await broker.call(alterConfigs, 2, {
        resources: [{ ...TOPIC, configs }],
        validateOnly: false,
      })
      return responses[0]!.errorCode
    }
    expect(await replace({ name: 'retention.ms', value: '5' })).toBe(0)
    expect(broker.transport.topic('t')?.configs).toEqual({ 'retention.ms': '5' })
    expect(await replace({ name: 'retention.ms', value: null })).toBe(42)
    expect(await replace({ name: 'nope', value: '1' })).toBe(40)
    expect(await replace()).toBe(0)
    expect(broker.transport.topic('t')?.configs).toEqual({})
  })

  it('named twice in one request are changed by neither', async () => {
    const broker = await startWithTopic()
    const configs = [{ name: 'retention.ms', configOperation: SET, value: '5' }]
    const resources = [
      { ...TOPIC, configs },
      { ...TOPIC, configs },
    ]
    const { responses } = await broker.call(incrementalAlterConfigs, 1, { resources, validateOnly: false })
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([42, 42])
    expect(await valueOf(broker, TOPIC, 'retention.ms')).toBe('604800000@5')
  })
})

describe('DescribeConfigs', () => {
  it('shows what is asked for, with types and words from version 3 on', async () => {
    const broker = await startWithTopic()
    const resources = [{ ...TOPIC, configurationKeys: ['segment.ms', 'nope'] }]
    const flags = { includeSynonyms: false, includeDocumentation: true }
    const { results } = await broker.call(describeConfigs, 4, { resources, ...flags })
    expect(results[0]!.configs).toHaveLength(1)
    expect(results[0]!.configs[0]).toMatchObject({ name: 'segment.ms', configType: 5, readOnly: false, synonyms: [] })
    expect(results[0]!.configs[0]!.documentation).not.toBe('')
  })

  it('knows which resources there are', async () => {
    const broker = await startWithTopic()
    const ask = async (resourceType: number, resourceName: string): Promise<number> => {
      const resources = [{ resourceType, resourceName, configurationKeys: null }]
      return (await broker.call(describeConfigs, 4, { resources })).results[0]!.errorCode
    }
    expect(await ask(2, 'none')).toBe(3)
    expect(await ask(2, 'n o')).toBe(17)
    expect(await ask(4, '2')).toBe(42)
    expect(await ask(4, 'x')).toBe(42)
    expect(await ask(8, '')).toBe(42)
    expect(await ask(32, '')).toBe(42)
    expect(await ask(16, '')).toBe(42)
    expect(await ask(3, 'x')).toBe(42)
    expect(await valueOf(broker, BROKER, 'node.id')).toBe('1@4')
    expect(await valueOf(broker, BROKER, 'log.dirs')).toBe(`${broker.dir}@4`)
  })
})

describe('settings of the broker', () => {
  it('are obeyed by topics that do not set their own', async () => {
    const broker = await startWithTopic()
    expect(await alter(broker, ALL_BROKERS, [['message.max.bytes', SET, '1000']])).toBe(0)
    expect(await valueOf(broker, TOPIC, 'max.message.bytes')).toBe('1000@3')
    expect(broker.transport.topic('t')?.maxMessageBytes).toBe(1000)
    const producer = broker.log.producer()
    const send = producer.send({ topic: 't', value: new Uint8Array(2000) })
    await expect(send).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    expect(await alter(broker, BROKER, [['message.max.bytes', SET, '5000']])).toBe(0)
    expect(await valueOf(broker, TOPIC, 'max.message.bytes')).toBe('5000@2')
    await producer.send({ topic: 't', value: new Uint8Array(2000) })
    await producer.close()
  })

  it('that do not go together with a topic do not keep the log from opening', async () => {
    const broker = await startWithTopic()
    expect(await alter(broker, TOPIC, [['max.compaction.lag.ms', SET, '5']])).toBe(0)
    expect(await alter(broker, BROKER, [['log.cleaner.min.compaction.lag.ms', SET, '1000']])).toBe(0)
    await broker.log.close()
    const again = await startBroker(broker.dir)
    expect(await valueOf(again, TOPIC, 'min.compaction.lag.ms')).toBe('1000@2')
  })
})

describe('what administrators set', () => {
  it('is there after a restart', async () => {
    const broker = await startWithTopic()
    await alter(broker, BROKER, [['message.max.bytes', SET, '2000']])
    await alter(broker, ALL_BROKERS, [['log.retention.ms', SET, '99']])
    await alter(broker, GROUP, [['consumer.session.timeout.ms', SET, '50000']])
    await alter(broker, { resourceType: 16, resourceName: 'm' }, [['interval.ms', SET, '1000']])
    const quota = { entity: [{ entityType: 'user', entityName: 'u' }], ops: [{ key: 'producer_byte_rate', value: 5 }] }
    await broker.call(alterClientQuotas, 1, { entries: [quota], validateOnly: false })
    await broker.log.close()

    const again = await startBroker(broker.dir)
    expect(await valueOf(again, BROKER, 'message.max.bytes')).toBe('2000@2')
    expect(await valueOf(again, TOPIC, 'retention.ms')).toBe('99@3')
    expect(await valueOf(again, GROUP, 'consumer.session.timeout.ms')).toBe('50000@8')
    expect((await again.call(describeClientQuotas, 1, { components: [], strict: false })).entries).toEqual([
      { entity: [{ entityType: 'user', entityName: 'u' }], values: [{ key: 'producer_byte_rate', value: 5 }] },
    ])
    const list = async (version: number, ...resourceTypes: number[]): Promise<string[]> => {
      const answer = await again.call(listConfigResources, version, version === 0 ? {} : { resourceTypes })
      return answer.configResources.map(({ resourceType, resourceName }) => `${resourceType}:${resourceName}`).sort()
    }
    expect(await list(0)).toEqual(['16:m'])
    expect(await list(1)).toEqual(['16:m', '2:t', '32:g', '4:1', '8:1'])
    expect(await list(1, 32)).toEqual(['32:g'])
  })
})

describe('quotas', () => {
  it('are checked, changed and found by filter', async () => {
    const broker = await startBroker()
    type Entity = Record<string, string | null>
    const set = async (entity: Entity, key: string, value: number, remove = false): Promise<number> => {
      const names = Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName }))
      const entries = [{ entity: names, ops: [{ key, value, remove }] }]
      return (await broker.call(alterClientQuotas, 1, { entries, validateOnly: false })).entries[0]!.errorCode
    }
    expect(await set({ user: 'bob' }, 'producer_byte_rate', 1000)).toBe(0)
    expect(await set({ user: 'bob', 'client-id': 'c' }, 'request_percentage', 50.5)).toBe(0)
    expect(await set({ 'client-id': null }, 'producer_byte_rate', 77)).toBe(0)
    expect(await set({ ip: '127.0.0.1' }, 'connection_creation_rate', 100)).toBe(0)
    for (const [entity, key, value] of [
      [{}, 'producer_byte_rate', 1],
      [{ foo: 'x' }, 'producer_byte_rate', 1],
      [{ user: '' }, 'producer_byte_rate', 1],
      [{ user: 'x', ip: '1.2.3.4' }, 'connection_creation_rate', 1],
      [{ ip: 'not an ip' }, 'connection_creation_rate', 1],
      [{ ip: '1.2.3.4' }, 'producer_byte_rate', 1],
      [{ user: 'x' }, 'nope', 1],
      [{ user: 'x' }, 'producer_byte_rate', 0],
      [{ user: 'x' }, 'producer_byte_rate', -1],
      [{ user: 'x' }, 'producer_byte_rate', 1.5],
    ] as const) {
      expect(await set(entity as Entity, key, value), JSON.stringify([entity, key, value])).toBe(42)
    }
    const find = async (strict: boolean, ...filter: [string, number, string | null][]): Promise<string[] | number> => {
      const components = filter.map(([entityType, matchType, match]) => ({ entityType, matchType, match }))
      const answer = await broker.call(describeClientQuotas, 1, { components, strict })
      if (answer.errorCode !== 0) return answer.errorCode
      return answer.entries!.map((one) => one.entity.map((e) => `${e.entityType}=${e.entityName}`).join()).sort()
    }
    expect(await find(false, ['user', 0, 'bob'])).toEqual(['client-id=c,user=bob', 'user=bob'])
    expect(await find(true, ['user', 0, 'bob'])).toEqual(['user=bob'])
    expect(await find(false, ['client-id', 1, null])).toEqual(['client-id=null'])
    expect(await find(false, ['ip', 2, null])).toEqual(['ip=127.0.0.1'])
    expect(await find(false, ['foo', 2, null])).toBe(35)
    expect(await find(false, ['user', 0, null])).toBe(42)
    expect(await find(false, ['user', 2, null], ['ip', 2, null])).toBe(42)
    expect(await set({ user: 'bob' }, 'producer_byte_rate', 0, true)).toBe(0)
    expect(await find(true, ['user', 0, 'bob'])).toEqual([])
  })
})
