/**
 * Topic settings: Kafka's names, types, defaults and limits, as a table.
 *
 * Values travel as strings, as in Kafka's admin API, and are parsed once into LogConfig, which the log reads. Settings
 * of tiered storage and replication throttling do not exist on one node and are refused like unknown names. Reference:
 * https://kafka.apache.org/documentation/#topicconfigs (4.3)
 */
import { VltavaError } from '../base/errors.ts'

/** Kafka's "max long" reads as this; nothing that is compared with it reaches it. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER

interface NumberSetting {
  readonly type: 'int' | 'long' | 'double'
  readonly default: number
  readonly min: number
  readonly max: number
}
interface ChoiceSetting {
  readonly type: 'choice' | 'list'
  readonly default: string
  readonly choices: readonly string[]
}
export type Setting = NumberSetting | ChoiceSetting

const INT_MAX = 0x7fff_ffff
const bytes = (defaultValue: number, min = 0): NumberSetting => ({
  type: 'int',
  default: defaultValue,
  min,
  max: INT_MAX,
})
const long = (defaultValue: number, min: number): NumberSetting => ({
  type: 'long',
  default: defaultValue,
  min,
  max: UNLIMITED,
})
const flag = (defaultValue: boolean): ChoiceSetting => ({
  type: 'choice',
  default: String(defaultValue),
  choices: ['true', 'false'],
})

export const TOPIC_SETTINGS: Readonly<Record<string, Setting>> = {
  'cleanup.policy': { type: 'list', default: 'delete', choices: ['delete', 'compact'] },
  'compression.gzip.level': { type: 'int', default: -1, min: -1, max: 9 },
  'compression.lz4.level': { type: 'int', default: 9, min: 1, max: 17 },
  'compression.type': {
    type: 'choice',
    default: 'producer',
    choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
  },
  'compression.zstd.level': { type: 'int', default: 3, min: -131072, max: 22 },
  'delete.retention.ms': long(86_400_000, 0),
  'file.delete.delay.ms': long(60_000, 0),
  'flush.messages': long(UNLIMITED, 1),
  'flush.ms': long(UNLIMITED, 0),
  'index.interval.bytes': bytes(4096),
  'internal.segment.bytes': { type: 'int', default: -1, min: -1, max: INT_MAX },
  'max.compaction.lag.ms': long(UNLIMITED, 1),
  'max.message.bytes': bytes(1_048_588),
  'message.timestamp.after.max.ms': long(3_600_000, 0),
  'message.timestamp.before.max.ms': long(UNLIMITED, 0),
  'message.timestamp.type': { type: 'choice', default: 'CreateTime', choices: ['CreateTime', 'LogAppendTime'] },
  'min.cleanable.dirty.ratio': { type: 'double', default: 0.5, min: 0, max: 1 },
  'min.compaction.lag.ms': long(0, 0),
  'min.insync.replicas': { type: 'int', default: 1, min: 1, max: 1 },
  preallocate: flag(false),
  'retention.bytes': long(-1, -1),
  'retention.ms': long(604_800_000, -1),
  'segment.bytes': bytes(1_073_741_824, 1_048_576),
  'segment.index.bytes': bytes(10_485_760, 4),
  'segment.jitter.ms': long(0, 0),
  'segment.ms': long(604_800_000, 1),
  'unclean.leader.election.enable': flag(false),
}

/** What the log obeys, parsed. Times in milliseconds, -1 where Kafka's setting says -1 (no limit). */
export interface LogConfig {
  readonly isCompacted: boolean
  readonly isDeleted: boolean
  /** 'producer', 'none', or a codec that every stored batch must have. */
  readonly compressionType: string
  readonly deleteDelayMs: number
  readonly flushMessages: number
  readonly flushMs: number
  readonly indexIntervalBytes: number
  readonly maxMessageBytes: number
  readonly timestampAfterMaxMs: number
  readonly timestampBeforeMaxMs: number
  readonly isLogAppendTime: boolean
  readonly retentionBytes: number
  readonly retentionMs: number
  readonly segmentBytes: number
  readonly segmentIndexBytes: number
  readonly segmentJitterMs: number
  readonly segmentMs: number
}

export type TopicConfigs = Readonly<Record<string, string>>

/** Throws VltavaError INVALID_CONFIG that names the setting, the value and what is allowed. */
export function parseTopicConfigs(topic: string, configs: TopicConfigs): LogConfig {
  for (const [name, value] of Object.entries(configs)) checkSetting(topic, name, value)
  const number = (name: string): number =>
    Math.min(UNLIMITED, Number(configs[name] ?? (TOPIC_SETTINGS[name] as NumberSetting).default))
  const text = (name: string): string => configs[name] ?? (TOPIC_SETTINGS[name] as ChoiceSetting).default
  const policies = text('cleanup.policy')
    .split(',')
    .map((policy) => policy.trim())
  const compressionType = text('compression.type')
  return {
    isCompacted: policies.includes('compact'),
    isDeleted: policies.includes('delete'),
    compressionType: compressionType === 'uncompressed' ? 'none' : compressionType,
    deleteDelayMs: number('file.delete.delay.ms'),
    flushMessages: number('flush.messages'),
    flushMs: number('flush.ms'),
    indexIntervalBytes: number('index.interval.bytes'),
    maxMessageBytes: number('max.message.bytes'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    isLogAppendTime: text('message.timestamp.type') === 'LogAppendTime',
    retentionBytes: number('retention.bytes'),
    retentionMs: number('retention.ms'),
    segmentBytes: number('internal.segment.bytes') > 0 ? number('internal.segment.bytes') : number('segment.bytes'),
    segmentIndexBytes: number('segment.index.bytes'),
    segmentJitterMs: number('segment.jitter.ms'),
    segmentMs: number('segment.ms'),
  }
}

function checkSetting(topic: string, name: string, value: string): void {
  const setting = Object.hasOwn(TOPIC_SETTINGS, name) ? TOPIC_SETTINGS[name] : undefined
  if (setting === undefined) {
    throw new VltavaError('INVALID_CONFIG', `topic=${topic}: there is no topic setting '${name}'`)
  }
  if (typeof value !== 'string') {
    throw new VltavaError(
      'INVALID_CONFIG',
      `topic=${topic}: ${name} must be given as a string, e.g. '${String(value)}'`,
    )
  }
  if ('choices' in setting) {
    const parts = setting.type === 'list' ? value.split(',').map((part) => part.trim()) : [value]
    for (const part of parts) {
      if (setting.choices.includes(part) || (part === '' && setting.type === 'list')) continue
      throw new VltavaError(
        'INVALID_CONFIG',
        `topic=${topic}: ${name}=${value} is none of ${setting.choices.join(', ')}`,
      )
    }
    return
  }
  // Java's "max long" is what Kafka's tools send for no limit; it is not a safe integer.
  const parsed = value === '9223372036854775807' ? UNLIMITED : Number(value)
  const isWhole = setting.type === 'double' ? Number.isFinite(parsed) : Number.isSafeInteger(parsed)
  if (value.trim() === '' || !isWhole || parsed < setting.min || parsed > setting.max) {
    const kind = setting.type === 'double' ? 'a number' : 'a whole number'
    const range = `${setting.min} .. ${setting.max === UNLIMITED ? '2^53 - 1' : setting.max}`
    throw new VltavaError('INVALID_CONFIG', `topic=${topic}: ${name}=${value} is not ${kind} in ${range}`)
  }
}

/** Every setting with its value for a topic and whether that is the default, for `describe`. */
export function describeTopicConfigs(configs: TopicConfigs): { name: string; value: string; isDefault: boolean }[] {
  return Object.entries(TOPIC_SETTINGS)
    .filter(([name]) => name !== 'internal.segment.bytes' || configs[name] !== undefined)
    .map(([name, setting]) => ({
      name,
      value: configs[name] ?? (setting.default === UNLIMITED ? '9223372036854775807' : String(setting.default)),
      isDefault: configs[name] === undefined,
    }))
}
