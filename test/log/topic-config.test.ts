import { describe, expect, it } from 'vitest'
import { VltavaError } from '../../src/base/errors.ts'
import { describeTopicConfigs, parseTopicConfigs, UNLIMITED } from '../../src/log/topic-config.ts'
import { TOPIC_SETTINGS } from '../../src/settings/topic-settings.ts'

/** Kafka's documentation, 4.3. */
const KAFKA_DEFAULTS: Record<string, string> = {
  'cleanup.policy': 'delete',
  'compression.gzip.level': '-1',
  'compression.lz4.level': '9',
  'compression.type': 'producer',
  'compression.zstd.level': '3',
  'delete.retention.ms': '86400000',
  'file.delete.delay.ms': '60000',
  'flush.messages': '9223372036854775807',
  'flush.ms': '9223372036854775807',
  'follower.replication.throttled.replicas': '',
  'index.interval.bytes': '4096',
  'leader.replication.throttled.replicas': '',
  'local.retention.bytes': '-2',
  'local.retention.ms': '-2',
  'max.compaction.lag.ms': '9223372036854775807',
  'max.message.bytes': '1048588',
  'message.timestamp.after.max.ms': '3600000',
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.type': 'CreateTime',
  'min.cleanable.dirty.ratio': '0.5',
  'min.compaction.lag.ms': '0',
  'min.insync.replicas': '1',
  preallocate: 'false',
  'remote.log.copy.disable': 'false',
  'remote.log.delete.on.disable': 'false',
  'remote.storage.enable': 'false',
  'retention.bytes': '-1',
  'retention.ms': '604800000',
  'segment.bytes': '1073741824',
  'segment.index.bytes': '10485760',
  'segment.jitter.ms': '0',
  'segment.ms': '604800000',
  'unclean.leader.election.enable': 'false',
}

function fault(configs: Record<string, string>): string {
  try {
    parseTopicConfigs('t', configs)
  } catch (error) {
    if (error instanceof VltavaError && error.code === 'INVALID_CONFIG') return error.message
    throw error
  }
  return ''
}

describe('topic settings', () => {
  it("have Kafka's names and defaults", () => {
    const described = describeTopicConfigs({})
    expect(Object.fromEntries(described.map(({ name, value }) => [name, value]))).toEqual(KAFKA_DEFAULTS)
    expect(described.every(({ isDefault }) => isDefault)).toBe(true)
  })

  it('that were given are described as such, an internal one only then', () => {
    const described = describeTopicConfigs({ 'retention.ms': '5', 'internal.segment.bytes': '100' })
    expect(described.filter(({ isDefault }) => !isDefault)).toEqual([
      { name: 'internal.segment.bytes', value: '100', isDefault: false },
      { name: 'retention.ms', value: '5', isDefault: false },
    ])
  })

  it('become what the log obeys', () => {
    expect(parseTopicConfigs('t', {})).toMatchObject({
      isCompacted: false,
      isDeleted: true,
      compressionType: 'producer',
      maxMessageBytes: 1_048_588,
      timestampBeforeMaxMs: UNLIMITED,
      isLogAppendTime: false,
      retentionBytes: -1,
      segmentBytes: 1_073_741_824,
      flushMessages: UNLIMITED,
    })
    const configs = {
      'cleanup.policy': 'compact, delete',
      'compression.type': 'uncompressed',
      'message.timestamp.type': 'LogAppendTime',
      'retention.ms': '-1',
      'segment.bytes': '1048576',
      'flush.messages': '9223372036854775807',
    }
    expect(parseTopicConfigs('t', configs)).toMatchObject({
      isCompacted: true,
      isDeleted: true,
      compressionType: 'none',
      isLogAppendTime: true,
      retentionMs: -1,
      segmentBytes: 1_048_576,
      flushMessages: UNLIMITED,
    })
    expect(parseTopicConfigs('t', { 'internal.segment.bytes': '100' }).segmentBytes).toBe(100)
    expect(parseTopicConfigs('t', { 'cleanup.policy': '' })).toMatchObject({ isCompacted: false, isDeleted: false })
  })

  it('outside their range are refused by name, value and what is allowed; at its ends they are taken', () => {
    for (const [name, setting] of Object.entries(TOPIC_SETTINGS)) {
      const { type, choices, min, max } = setting
      if (choices !== undefined) {
        expect(fault({ [name]: 'nonsense' })).toContain(`${name}=nonsense is none of ${choices.join(', ')}`)
        for (const choice of choices) expect(fault({ [name]: choice })).toBe('')
        continue
      }
      if (type === 'boolean') expect(fault({ [name]: 'yes' })).toContain(`${name}=yes is neither true nor false`)
      if (type !== 'int' && type !== 'long' && type !== 'double') continue
      if (min !== undefined) expect(fault({ [name]: String(min) }), name).toBe('')
      if (max !== undefined && name !== 'min.compaction.lag.ms') expect(fault({ [name]: String(max) }), name).toBe('')
      const tooLow = min === undefined ? '-9223372036854775809' : String(min - (type === 'double' ? 0.1 : 1))
      expect(fault({ [name]: tooLow }), name).toContain(`topic=t: ${name}=`)
      for (const value of ['', ' ', 'x', '1e400', 'NaN', '0x10g'])
        expect(fault({ [name]: value }), name).toContain(name)
      if (type !== 'double') expect(fault({ [name]: '100000.5' }), name).toContain('a whole number')
    }
    expect(fault({ 'segment.bytes': '1048575' })).toBe(
      'topic=t: segment.bytes=1048575 is not a whole number in 1048576 .. 2147483647',
    )
  })

  it('that do not exist are refused, also such as every object has', () => {
    for (const name of ['retention', 'toString', '__proto__', 'constructor']) {
      expect(fault(JSON.parse(`{"${name}":"1"}`) as Record<string, string>)).toContain(`no topic setting '${name}'`)
    }
  })

  it('that are no strings are refused with an example', () => {
    expect(fault({ 'retention.ms': 5 } as never)).toContain("must be given as a string, e.g. '5'")
  })
})
