/**
 * Settings of a topic, parsed into what the log obeys. Values travel as strings, as in Kafka's admin API; the table of
 * names, types, defaults and limits is settings/topic-settings.ts.
 */
import { VltavaError } from '../base/errors.ts'
import { describeTopicSettings, Source, topicDefaults } from '../settings/describe.ts'
import { NO_OVERRIDES } from '../settings/overrides.ts'
import { elementsOf, LONG_MAX_TEXT, settingIn, valueFault } from '../settings/setting.ts'
import { TOPIC_SETTINGS } from '../settings/topic-settings.ts'

/** Kafka's "max long" reads as this; nothing that is compared with it reaches it. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER

/** What the log obeys, parsed. Times in milliseconds, -1 where Kafka's setting says -1 (no limit). */
export interface LogConfig {
  readonly isCompacted: boolean
  readonly isDeleted: boolean
  /** 'producer', 'none', or a codec that every stored batch must have. */
  readonly compressionType: string
  readonly deleteDelayMs: number
  readonly deleteRetentionMs: number
  readonly flushMessages: number
  readonly flushMs: number
  readonly indexIntervalBytes: number
  readonly maxCompactionLagMs: number
  readonly maxMessageBytes: number
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
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

/** What a topic goes by where neither it nor the broker says anything. */
const KAFKA_DEFAULTS = topicDefaults(NO_OVERRIDES)

/**
 * `defaults`: of the settings that the topic does not have (settings/describe.ts). Throws VltavaError INVALID_CONFIG
 * that names the setting, the value and what is allowed.
 */
export function parseTopicConfigs(topic: string, configs: TopicConfigs, defaults = KAFKA_DEFAULTS): LogConfig {
  for (const [name, value] of Object.entries(configs)) checkSetting(topic, name, value)
  const text = (name: string): string => (configs[name] ?? defaults[name]!).trim()
  const number = (name: string): number => (text(name) === LONG_MAX_TEXT ? UNLIMITED : clamp(Number(text(name))))
  const policies = elementsOf(text('cleanup.policy'))
  const compressionType = text('compression.type')
  return {
    isCompacted: policies.includes('compact'),
    isDeleted: policies.includes('delete'),
    compressionType: compressionType === 'uncompressed' ? 'none' : compressionType,
    deleteDelayMs: number('file.delete.delay.ms'),
    deleteRetentionMs: number('delete.retention.ms'),
    flushMessages: number('flush.messages'),
    flushMs: number('flush.ms'),
    indexIntervalBytes: number('index.interval.bytes'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    maxMessageBytes: number('max.message.bytes'),
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
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

/** As parseTopicConfigs(), for settings that are to be taken: they must go together too. */
export function checkTopicConfigs(topic: string, configs: TopicConfigs, defaults = KAFKA_DEFAULTS): void {
  const { minCompactionLagMs, maxCompactionLagMs } = parseTopicConfigs(topic, configs, defaults)
  if (minCompactionLagMs <= maxCompactionLagMs) return
  const message = `min.compaction.lag.ms=${minCompactionLagMs} is above max.compaction.lag.ms=${maxCompactionLagMs}`
  throw new VltavaError('INVALID_CONFIG', `topic=${topic}: ${message}`)
}

function clamp(value: number): number {
  return Math.min(UNLIMITED, Math.max(-UNLIMITED, value))
}

function checkSetting(topic: string, name: string, value: string): void {
  const setting = settingIn(TOPIC_SETTINGS, name)
  if (setting === undefined) {
    throw new VltavaError('INVALID_CONFIG', `topic=${topic}: there is no topic setting '${name}'`)
  }
  if (typeof value !== 'string') {
    throw new VltavaError(
      'INVALID_CONFIG',
      `topic=${topic}: ${name} must be given as a string, e.g. '${String(value)}'`,
    )
  }
  const fault = valueFault(setting, value)
  if (fault !== undefined) throw new VltavaError('INVALID_CONFIG', `topic=${topic}: ${name}=${value} ${fault}`)
}

/** Every setting with its value for a topic and whether that is the default, for `describe`. */
export function describeTopicConfigs(configs: TopicConfigs): { name: string; value: string; isDefault: boolean }[] {
  return describeTopicSettings(configs, NO_OVERRIDES).map(({ name, value, source }) => ({
    name,
    value: value ?? '',
    isDefault: source !== Source.topic,
  }))
}
