/**
 * Settings of topics: the table.
 *
 * A topic that does not set one has the broker's setting of the synonym, else the default here. Each is taken and kept;
 * `isObeyed: false` marks those that change nothing on one node without tiered storage.
 * Reference: https://kafka.apache.org/documentation/#topicconfigs (4.3)
 */
import { INT_MAX, LONG_MAX_TEXT, type Setting } from './setting.ts'

export interface BrokerSynonym {
  readonly name: string
  /** A value of it, times this, is one of the topic's. */
  readonly factor?: number
}

export interface TopicSetting extends Setting {
  /** The broker's settings that give its default: the first that is set counts. */
  readonly synonyms: readonly BrokerSynonym[]
  readonly isObeyed: boolean
  /** Shown only where it is set. */
  readonly isHidden?: boolean
}

type Rest = Partial<Pick<TopicSetting, 'min' | 'max' | 'choices' | 'fault' | 'isHidden' | 'isObeyed'>>

function topicSetting(
  type: Setting['type'],
  defaultValue: string,
  synonyms: readonly (string | BrokerSynonym)[],
  documentation: string,
  rest: Rest = {},
): TopicSetting {
  const named = synonyms.map((synonym) => (typeof synonym === 'string' ? { name: synonym } : synonym))
  return { type, default: defaultValue, synonyms: named, documentation, isObeyed: true, ...rest }
}

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const UNHEEDED = { isObeyed: false } as const

const THROTTLED = /^(\*|\d+:\d+(\s*,\s*\d+:\d+)*)?$/
const replicaList = (value: string): string | undefined =>
  THROTTLED.test(value.trim()) ? undefined : "is neither '*' nor a list of partition:broker"

export const TOPIC_SETTINGS: Readonly<Record<string, TopicSetting>> = {
  'cleanup.policy': topicSetting(
    'list',
    'delete',
    ['log.cleanup.policy'],
    'What becomes of old records: delete by age and size, compact by key, both, or neither.',
    { choices: ['compact', 'delete'] },
  ),
  'compression.gzip.level': topicSetting(
    'int',
    '-1',
    ['compression.gzip.level'],
    'Level of gzip, 1 to 9; -1 is its own default.',
    { fault: (value) => (Number(value) === 0 ? 'is not -1 or in 1 .. 9' : undefined), min: -1, max: 9, ...UNHEEDED },
  ),
  'compression.lz4.level': topicSetting('int', '9', ['compression.lz4.level'], 'Level of lz4, 1 to 17.', {
    min: 1,
    max: 17,
    ...UNHEEDED,
  }),
  'compression.type': topicSetting(
    'string',
    'producer',
    ['compression.type'],
    "Codec that stored batches must have; 'producer' takes each as it comes.",
    { choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] },
  ),
  'compression.zstd.level': topicSetting('int', '3', ['compression.zstd.level'], 'Level of zstd, -131072 to 22.', {
    min: -131_072,
    max: 22,
    ...UNHEEDED,
  }),
  'delete.retention.ms': topicSetting(
    'long',
    '86400000',
    ['log.cleaner.delete.retention.ms'],
    'How long a compacted topic keeps tombstones and transaction markers.',
    { min: 0 },
  ),
  'file.delete.delay.ms': topicSetting(
    'long',
    '60000',
    ['log.segment.delete.delay.ms'],
    'How long the files of a deleted segment stay on disk.',
    { min: 0 },
  ),
  'flush.messages': topicSetting(
    'long',
    LONG_MAX_TEXT,
    ['log.flush.interval.messages'],
    'A sync to disk is due after so many records.',
    { min: 1 },
  ),
  'flush.ms': topicSetting(
    'long',
    LONG_MAX_TEXT,
    ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms'],
    'A sync to disk is due after so long.',
    { min: 0 },
  ),
  'follower.replication.throttled.replicas': topicSetting(
    'list',
    '',
    [],
    'Followers whose replication is throttled. One node replicates nothing.',
    { fault: replicaList, ...UNHEEDED },
  ),
  'index.interval.bytes': topicSetting(
    'int',
    '4096',
    ['log.index.interval.bytes'],
    'Bytes of log between two entries of its index.',
    { min: 0, max: INT_MAX },
  ),
  'internal.segment.bytes': topicSetting('int', '-1', [], 'Bytes of a segment, without the limits of segment.bytes.', {
    min: -1,
    max: INT_MAX,
    isHidden: true,
  }),
  'leader.replication.throttled.replicas': topicSetting(
    'list',
    '',
    [],
    'Leaders whose replication is throttled. One node replicates nothing.',
    { fault: replicaList, ...UNHEEDED },
  ),
  'local.retention.bytes': topicSetting('long', '-2', ['log.local.retention.bytes'], 'Of tiered storage.', {
    min: -2,
    ...UNHEEDED,
  }),
  'local.retention.ms': topicSetting('long', '-2', ['log.local.retention.ms'], 'Of tiered storage.', {
    min: -2,
    ...UNHEEDED,
  }),
  'max.compaction.lag.ms': topicSetting(
    'long',
    LONG_MAX_TEXT,
    ['log.cleaner.max.compaction.lag.ms'],
    'A record is compacted after this time at the latest.',
    { min: 1 },
  ),
  'max.message.bytes': topicSetting('int', '1048588', ['message.max.bytes'], 'Bytes of the largest batch.', {
    min: 0,
    max: INT_MAX,
  }),
  'message.timestamp.after.max.ms': topicSetting(
    'long',
    '3600000',
    ['log.message.timestamp.after.max.ms'],
    "How far a record's time may lie in the future.",
    { min: 0 },
  ),
  'message.timestamp.before.max.ms': topicSetting(
    'long',
    LONG_MAX_TEXT,
    ['log.message.timestamp.before.max.ms'],
    "How far a record's time may lie in the past.",
    { min: 0 },
  ),
  'message.timestamp.type': topicSetting(
    'string',
    'CreateTime',
    ['log.message.timestamp.type'],
    "Whose time a record has: its producer's, or that of the append.",
    { choices: ['CreateTime', 'LogAppendTime'] },
  ),
  'min.cleanable.dirty.ratio': topicSetting(
    'double',
    '0.5',
    ['log.cleaner.min.cleanable.ratio'],
    'Share of the log that must be uncompacted before a compaction begins.',
    { min: 0, max: 1 },
  ),
  'min.compaction.lag.ms': topicSetting(
    'long',
    '0',
    ['log.cleaner.min.compaction.lag.ms'],
    'A record is not compacted before it is this old.',
    { min: 0 },
  ),
  'min.insync.replicas': topicSetting(
    'int',
    '1',
    ['min.insync.replicas'],
    'Replicas that must have a batch of acks=all. Never more than the partition has, so 1 here.',
    { min: 1, max: INT_MAX, ...UNHEEDED },
  ),
  preallocate: topicSetting(
    'boolean',
    'false',
    ['log.preallocate'],
    'Whether segments get their size at once.',
    UNHEEDED,
  ),
  'remote.log.copy.disable': topicSetting('boolean', 'false', [], 'Of tiered storage.', UNHEEDED),
  'remote.log.delete.on.disable': topicSetting('boolean', 'false', [], 'Of tiered storage.', UNHEEDED),
  'remote.storage.enable': topicSetting('boolean', 'false', [], 'Tiered storage, which does not exist here.', {
    fault: (value) =>
      value.trim().toLowerCase() === 'true' ? 'asks for tiered storage, which is not there' : undefined,
    ...UNHEEDED,
  }),
  'retention.bytes': topicSetting(
    'long',
    '-1',
    ['log.retention.bytes'],
    'Old segments are deleted while the partition is larger than this; -1 for no limit.',
  ),
  'retention.ms': topicSetting(
    'long',
    '604800000',
    [
      'log.retention.ms',
      { name: 'log.retention.minutes', factor: MINUTE_MS },
      { name: 'log.retention.hours', factor: HOUR_MS },
    ],
    'Segments are deleted when their newest record is older than this; -1 for no limit.',
    { min: -1 },
  ),
  'segment.bytes': topicSetting('int', '1073741824', ['log.segment.bytes'], 'Bytes of a segment.', {
    min: 1_048_576,
    max: INT_MAX,
  }),
  'segment.index.bytes': topicSetting('int', '10485760', ['log.index.size.max.bytes'], "Bytes of a segment's index.", {
    min: 4,
    max: INT_MAX,
  }),
  'segment.jitter.ms': topicSetting(
    'long',
    '0',
    ['log.roll.jitter.ms', { name: 'log.roll.jitter.hours', factor: HOUR_MS }],
    'segment.ms is made shorter by up to this much, by chance, so that not all segments roll at once.',
    { min: 0 },
  ),
  'segment.ms': topicSetting(
    'long',
    '604800000',
    ['log.roll.ms', { name: 'log.roll.hours', factor: HOUR_MS }],
    'A new segment begins after this time at the latest.',
    { min: 1 },
  ),
  'unclean.leader.election.enable': topicSetting(
    'boolean',
    'false',
    ['unclean.leader.election.enable'],
    'Whether a replica that is behind may lead. One node has no other.',
    UNHEEDED,
  ),
}
