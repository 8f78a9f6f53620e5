import { describe, expect, it } from 'vitest'
import { NO_OVERRIDES } from '../../src/settings/overrides.ts'
import { SettingsStore } from '../../src/workers/settings-store.ts'
import { MemoryFs } from '../log/memory-fs.ts'

const FILE = '/d/vltava-settings.json'
const QUOTA = { entity: { user: 'u', 'client-id': null }, values: { producer_byte_rate: 5 } }

function faultOf(text: string): unknown {
  const fs = new MemoryFs()
  fs.put(FILE, text)
  try {
    return new SettingsStore(fs, '/d', {}).overrides
  } catch (error) {
    return error
  }
}

describe('the settings that administrators made', () => {
  it('come back from the file, but for those given at the start', () => {
    const fs = new MemoryFs()
    const store = new SettingsStore(fs, '/d', { 'num.partitions': '4' })
    expect(store.overrides).toEqual({ ...NO_OVERRIDES, static: { 'num.partitions': '4' } })
    store.put({ broker: { 'message.max.bytes': '5' }, quotas: [QUOTA] })
    store.put({ groups: { g: { 'consumer.session.timeout.ms': '50000' } } })
    expect(new SettingsStore(fs, '/d', {}).overrides).toEqual({
      ...NO_OVERRIDES,
      broker: { 'message.max.bytes': '5' },
      groups: { g: { 'consumer.session.timeout.ms': '50000' } },
      quotas: [QUOTA],
    })
  })

  it('have not changed if the disk did not take them', () => {
    const fs = new MemoryFs()
    const store = new SettingsStore(fs, '/d', {})
    store.put({ broker: { 'message.max.bytes': '5' } })
    fs.failNext = { call: 'write', code: 'ENOSPC' }
    expect(() => store.put({ broker: { 'message.max.bytes': '6' } })).toThrow(/ENOSPC/)
    expect(store.overrides.broker).toEqual({ 'message.max.bytes': '5' })
    expect(new SettingsStore(fs, '/d', {}).overrides.broker).toEqual({ 'message.max.bytes': '5' })
  })

  it('in a file that is none, or of a later release, are refused with a reason', () => {
    const parts = '"broker":{},"brokerDefault":{},"groups":{},"clientMetrics":{}'
    expect(faultOf('nonsense')).toMatchObject({ code: 'DIRECTORY_CORRUPT' })
    expect(faultOf('{}')).toMatchObject({ code: 'DIRECTORY_CORRUPT' })
    expect(faultOf('{"version":2}')).toMatchObject({ code: 'DIRECTORY_VERSION' })
    expect(faultOf('{"version":1,"broker":{"a":1}}')).toMatchObject({ code: 'DIRECTORY_CORRUPT' })
    expect(faultOf(`{"version":1,${parts},"quotas":[{"entity":{"x":"y"},"values":{}}]}`)).toMatchObject({
      code: 'DIRECTORY_CORRUPT',
    })
    expect(faultOf(`{"version":1,${parts},"quotas":[]}`)).toMatchObject({ broker: {}, quotas: [] })
  })
})
