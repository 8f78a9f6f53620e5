/** Outcomes are those of Apache Kafka 4.3.1 for the same changes. */
import { describe, expect, it } from 'vitest'
import { VltavaError } from '../../src/base/errors.ts'
import {
  alterBroker,
  alterClientMetrics,
  alterGroup,
  applyChanges,
  type SettingChange,
} from '../../src/settings/alter.ts'
import { NO_OVERRIDES } from '../../src/settings/overrides.ts'
import { TOPIC_SETTINGS } from '../../src/settings/topic-settings.ts'

function change(name: string, operation: SettingChange['operation'], value: string | null = null): SettingChange {
  return { name, operation, value }
}

function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof VltavaError) return error.code
    throw error
  }
  return 'none'
}

function policy(present: string | undefined, operation: SettingChange['operation'], value: string): string | undefined {
  const values = present === undefined ? {} : { 'cleanup.policy': present }
  const changes = [change('cleanup.policy', operation, value)]
  return applyChanges(values, changes, TOPIC_SETTINGS, () => 'delete')['cleanup.policy']
}

describe('changes of settings', () => {
  it('append to a list, from its default if it is not set, and nothing twice', () => {
    expect(policy(undefined, 'append', 'compact')).toBe('delete,compact')
    expect(policy('delete,compact', 'append', 'compact')).toBe('delete,compact')
  })

  it('subtract from a list, down to an empty one', () => {
    expect(policy('delete,compact', 'subtract', 'delete')).toBe('compact')
    expect(policy('compact', 'subtract', 'delete')).toBe('compact')
    expect(policy('compact', 'subtract', 'compact')).toBe('')
  })

  it('are refused whole: a name twice, no value, a list operation on what is no list', () => {
    const apply = (...changes: SettingChange[]): string =>
      codeOf(() => applyChanges({}, changes, TOPIC_SETTINGS, () => ''))
    expect(apply(change('retention.ms', 'set', '5'), change('retention.ms', 'delete'))).toBe('INVALID_REQUEST')
    expect(apply(change('retention.ms', 'set'))).toBe('INVALID_REQUEST')
    expect(apply(change('cleanup.policy', 'append'))).toBe('INVALID_REQUEST')
    expect(apply(change('retention.ms', 'append', '5'))).toBe('INVALID_CONFIG')
    expect(apply(change('no.such.setting', 'delete'))).toBe('none')
  })
})

describe('changes of the broker', () => {
  const alter = (layer: 'broker' | 'brokerDefault', ...changes: SettingChange[]): string =>
    codeOf(() => alterBroker(NO_OVERRIDES, layer, changes, false))

  it('take dynamic settings and unknown ones', () => {
    expect(alter('broker', change('message.max.bytes', 'set', '2000000'))).toBe('none')
    expect(alter('brokerDefault', change('log.cleaner.threads', 'set', '2'))).toBe('none')
    expect(alter('broker', change('my.plugin.setting', 'set', 'x'))).toBe('none')
  })

  it('refuse what is fixed at the start, what is of one broker, values that are none', () => {
    expect(alter('broker', change('num.partitions', 'set', '4'))).toBe('INVALID_REQUEST')
    expect(alter('brokerDefault', change('listeners', 'set', 'PLAINTEXT://:1'))).toBe('INVALID_REQUEST')
    expect(alter('broker', change('message.max.bytes', 'set', 'x'))).toBe('INVALID_REQUEST')
    expect(alter('broker', change('log.retention.ms', 'set', '0'))).toBe('INVALID_REQUEST')
    expect(alter('broker', change('log.cleanup.policy', 'append', 'foo'))).toBe('INVALID_REQUEST')
    expect(alter('broker', change('ssl.keystore.password', 'set', 'x'))).toBe('INVALID_REQUEST')
  })

  it('keep min.insync.replicas one value for the cluster', () => {
    expect(alter('broker', change('min.insync.replicas', 'set', '2'))).toBe('INVALID_CONFIG')
    expect(alter('brokerDefault', change('min.insync.replicas', 'delete'))).toBe('INVALID_CONFIG')
    expect(alter('brokerDefault', change('min.insync.replicas', 'set', '2'))).toBe('none')
    expect(alterBroker(NO_OVERRIDES, 'brokerDefault', [], true)).toEqual({ 'min.insync.replicas': '1' })
  })

  it('that replace all take away what they do not name', () => {
    const overrides = { ...NO_OVERRIDES, broker: { 'message.max.bytes': '5' } }
    expect(alterBroker(overrides, 'broker', [change('log.cleaner.threads', 'set', '2')], true)).toEqual({
      'log.cleaner.threads': '2',
    })
  })
})

describe('changes of groups and client metrics', () => {
  const alter = (name: string, value: string): string =>
    codeOf(() => alterGroup(NO_OVERRIDES, 'g', [change(name, 'set', value)], false))

  it("keep a group between the broker's bounds", () => {
    expect(alter('consumer.session.timeout.ms', '50000')).toBe('none')
    expect(alter('consumer.session.timeout.ms', '44999')).toBe('INVALID_CONFIG')
    expect(alter('consumer.session.timeout.ms', '60001')).toBe('INVALID_CONFIG')
    expect(alter('consumer.session.timeout.ms', 'x')).toBe('INVALID_CONFIG')
    expect(alter('no.such.setting', '1')).toBe('INVALID_CONFIG')
  })

  it('of client metrics are refused as requests', () => {
    const metrics = (name: string, value: string): string =>
      codeOf(() => alterClientMetrics(NO_OVERRIDES, 'm', [change(name, 'set', value)], false))
    expect(metrics('interval.ms', '1000')).toBe('none')
    expect(metrics('interval.ms', '1')).toBe('INVALID_REQUEST')
    expect(metrics('no.such.setting', '1')).toBe('INVALID_REQUEST')
  })
})
