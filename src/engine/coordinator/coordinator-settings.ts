/**
 * Broker settings that the group coordinator obeys: Kafka's names, units, ranges and defaults, as a table. Where one
 * node must differ: offsets.topic.num.partitions is 1 (partitions spread groups over brokers, and there is one), and
 * the replication factor of the offsets topic is not a choice. A directory keeps the number of partitions it has.
 *
 * offsets.commit.required.acks went away with Kafka 4.0: a commit is acknowledged when the disk has it, as acks=all.
 */
import { VltavaError } from '../../base/errors.ts'
import { GROUP_CONFIG_DEFAULTS, type GroupConfig } from '../../coordinator/group-config.ts'

interface CoordinatorSetting {
  readonly default: number
  readonly min: number
  readonly max: number
}

const INT_MAX = 0x7fff_ffff
const { sessionTimeoutMinMs, sessionTimeoutMaxMs, initialRebalanceDelayMs, offsetMetadataBytesMax } =
  GROUP_CONFIG_DEFAULTS

export const COORDINATOR_SETTINGS: Readonly<Record<string, CoordinatorSetting>> = {
  'group.consumer.heartbeat.interval.ms': { default: 5000, min: 1, max: INT_MAX },
  'group.consumer.max.size': { default: 10_000, min: 1, max: 10_000 },
  'group.consumer.session.timeout.ms': { default: 45_000, min: 1, max: INT_MAX },
  'group.initial.rebalance.delay.ms': { default: initialRebalanceDelayMs, min: 0, max: INT_MAX },
  'group.max.session.timeout.ms': { default: sessionTimeoutMaxMs, min: 1, max: INT_MAX },
  'group.max.size': { default: 10_000, min: 1, max: 10_000 },
  'group.min.session.timeout.ms': { default: sessionTimeoutMinMs, min: 1, max: INT_MAX },
  'offset.metadata.max.bytes': { default: offsetMetadataBytesMax, min: 0, max: 1 << 20 },
  'offsets.retention.check.interval.ms': { default: 600_000, min: 1, max: INT_MAX },
  'offsets.retention.minutes': { default: 10_080, min: 1, max: INT_MAX },
  'offsets.topic.num.partitions': { default: 1, min: 1, max: 1000 },
  'offsets.topic.segment.bytes': { default: 104_857_600, min: 1 << 20, max: INT_MAX },
}

export interface CoordinatorConfig {
  readonly groups: GroupConfig
  readonly topicPartitions: number
  readonly topicSegmentBytes: number
}

/** Throws VltavaError INVALID_CONFIG that names the setting. */
export function parseCoordinatorSettings(settings: Readonly<Record<string, string>>): CoordinatorConfig {
  const number = (name: string): number => {
    const { default: fallback, min, max } = COORDINATOR_SETTINGS[name]!
    const text = settings[name]
    if (text === undefined) return fallback
    const value = Number(text)
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max) return value
    throw new VltavaError('INVALID_CONFIG', `${name}=${text} is not a whole number in ${min} .. ${max}`)
  }
  return {
    groups: {
      ...GROUP_CONFIG_DEFAULTS,
      sessionTimeoutMinMs: number('group.min.session.timeout.ms'),
      sessionTimeoutMaxMs: number('group.max.session.timeout.ms'),
      initialRebalanceDelayMs: number('group.initial.rebalance.delay.ms'),
      membersMax: Math.min(number('group.max.size'), number('group.consumer.max.size')),
      consumerSessionTimeoutMs: number('group.consumer.session.timeout.ms'),
      consumerHeartbeatIntervalMs: number('group.consumer.heartbeat.interval.ms'),
      offsetMetadataBytesMax: number('offset.metadata.max.bytes'),
      offsetsRetentionMs: number('offsets.retention.minutes') * 60_000,
      offsetsRetentionCheckMs: number('offsets.retention.check.interval.ms'),
    },
    topicPartitions: number('offsets.topic.num.partitions'),
    topicSegmentBytes: number('offsets.topic.segment.bytes'),
  }
}
