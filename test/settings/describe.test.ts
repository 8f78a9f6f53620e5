/** Expected values are what Apache Kafka 4.3.1 answers to DescribeConfigs in the same situation. */
import { describe, expect, it } from 'vitest'
import {
  brokerValue,
  type DescribedSetting,
  describeBrokerDefaults,
  describeBrokerSettings,
  describeGroupSettings,
  describeTopicSettings,
  topicDefaults,
} from '../../src/settings/describe.ts'
import { NO_OVERRIDES, type Overrides } from '../../src/settings/overrides.ts'

function shown(settings: readonly DescribedSetting[], name: string): string {
  const { value, source, synonyms } = settings.find((setting) => setting.name === name)!
  return `${value}@${source} [${synonyms.map((one) => `${one.name}=${one.value}@${one.source}`).join(', ')}]`
}

const CHANGED: Overrides = {
  ...NO_OVERRIDES,
  broker: { 'log.retention.ms': '1234567', 'log.roll.ms': '99999', 'message.max.bytes': '2000000' },
  brokerDefault: { ...NO_OVERRIDES.brokerDefault, 'log.retention.ms': '7654321', 'message.max.bytes': '3000000' },
}

describe('settings of a topic', () => {
  it('that nobody set are defaults, with the synonyms that give them', () => {
    const settings = describeTopicSettings({}, NO_OVERRIDES)
    expect(shown(settings, 'max.message.bytes')).toBe('1048588@5 [message.max.bytes=1048588@5]')
    expect(shown(settings, 'retention.ms')).toBe('604800000@5 []')
    expect(shown(settings, 'min.insync.replicas')).toBe('1@3 [min.insync.replicas=1@3, min.insync.replicas=1@5]')
    expect(shown(settings, 'flush.ms')).toBe('9223372036854775807@5 []')
  })

  it('come from the broker where that has one, the nearer layer first', () => {
    const settings = describeTopicSettings({}, CHANGED)
    expect(shown(settings, 'retention.ms')).toBe(
      '1234567@2 [log.retention.ms=1234567@2, log.retention.ms=7654321@3, log.retention.hours=168@5]',
    )
    expect(shown(settings, 'segment.ms')).toBe('99999@2 [log.roll.ms=99999@2, log.roll.hours=168@5]')
    expect(topicDefaults(CHANGED)).toMatchObject({ 'max.message.bytes': '2000000', 'segment.ms': '99999' })
  })

  it("are the topic's own where it has set them", () => {
    const settings = describeTopicSettings({ 'retention.ms': '5' }, CHANGED)
    expect(shown(settings, 'retention.ms')).toMatch(/^5@1 \[retention\.ms=5@1, log\.retention\.ms=1234567@2/)
  })

  it('follow hours and minutes, in milliseconds, where milliseconds are not set', () => {
    const hours = { ...NO_OVERRIDES, static: { 'log.retention.hours': '2' } }
    expect(topicDefaults(hours)['retention.ms']).toBe('7200000')
    const minutes = { ...NO_OVERRIDES, static: { 'log.retention.hours': '2', 'log.retention.minutes': '-1' } }
    expect(topicDefaults(minutes)['retention.ms']).toBe('-1')
  })
})

describe('settings of the broker', () => {
  it('name all layers, and say which may change', () => {
    const settings = describeBrokerSettings(CHANGED)
    expect(shown(settings, 'message.max.bytes')).toBe(
      '2000000@2 [message.max.bytes=2000000@2, message.max.bytes=3000000@3, message.max.bytes=1048588@5]',
    )
    expect(shown(settings, 'log.roll.hours')).toBe('168@5 [log.roll.hours=168@5]')
    expect(settings.find(({ name }) => name === 'num.partitions')).toMatchObject({ isReadOnly: true, typeCode: 3 })
    expect(settings.find(({ name }) => name === 'message.max.bytes')).toMatchObject({ isReadOnly: false })
  })

  it('that nobody knows are kept, and never shown', () => {
    const overrides = { ...NO_OVERRIDES, broker: { 'my.plugin.password': 'secret' } }
    const settings = describeBrokerSettings(overrides)
    expect(shown(settings, 'my.plugin.password')).toBe('null@2 [my.plugin.password=null@2]')
    expect(JSON.stringify(settings)).not.toContain('secret')
  })

  it('of all brokers are those that were set', () => {
    expect(describeBrokerDefaults(CHANGED).map(({ name }) => name)).toEqual([
      'min.insync.replicas',
      'log.retention.ms',
      'message.max.bytes',
    ])
  })

  it('have one replica for internal topics, as one node must', () => {
    expect(brokerValue(NO_OVERRIDES, 'offsets.topic.replication.factor')).toBe('1')
    expect(brokerValue(NO_OVERRIDES, 'no.such.setting')).toBeUndefined()
    expect(brokerValue(NO_OVERRIDES, 'toString')).toBeUndefined()
  })
})

describe('settings of a group', () => {
  it("are the group's, else the broker's", () => {
    const overrides = { ...NO_OVERRIDES, groups: { g: { 'consumer.session.timeout.ms': '50000' } } }
    const synonym = 'group.consumer.session.timeout.ms=45000@5'
    expect(shown(describeGroupSettings('g', overrides), 'consumer.session.timeout.ms')).toBe(
      `50000@8 [consumer.session.timeout.ms=50000@8, ${synonym}]`,
    )
    expect(shown(describeGroupSettings('h', overrides), 'consumer.session.timeout.ms')).toBe(`45000@5 [${synonym}]`)
  })
})
