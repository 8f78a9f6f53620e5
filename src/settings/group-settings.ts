/**
 * Settings of consumer groups (KIP-848): the table. Those of share and streams groups come with such groups.
 *
 * A group that does not set one has the broker's setting `group.<name>`, which also bounds what it may set.
 */
import { INT_MAX, type Setting } from './setting.ts'

export interface GroupSetting extends Setting {
  /** The broker's setting that gives its default. */
  readonly synonym: string
  /** The broker's settings between which it must lie. */
  readonly lowest?: string
  readonly highest?: string
}

export const GROUP_SETTINGS: Readonly<Record<string, GroupSetting>> = {
  'consumer.assignment.interval.ms': {
    type: 'int',
    default: '1000',
    min: 0,
    max: INT_MAX,
    synonym: 'group.consumer.assignment.interval.ms',
    lowest: 'group.consumer.min.assignment.interval.ms',
    highest: 'group.consumer.max.assignment.interval.ms',
    documentation: 'Time between two computations of the assignment of a group.',
  },
  'consumer.heartbeat.interval.ms': {
    type: 'int',
    default: '5000',
    min: 1,
    max: INT_MAX,
    synonym: 'group.consumer.heartbeat.interval.ms',
    lowest: 'group.consumer.min.heartbeat.interval.ms',
    highest: 'group.consumer.max.heartbeat.interval.ms',
    documentation: 'Time between two heartbeats of a member.',
  },
  'consumer.session.timeout.ms': {
    type: 'int',
    default: '45000',
    min: 1,
    max: INT_MAX,
    synonym: 'group.consumer.session.timeout.ms',
    lowest: 'group.consumer.min.session.timeout.ms',
    highest: 'group.consumer.max.session.timeout.ms',
    documentation: 'A member that was silent for so long is out of the group.',
  },
}

/** Settings of subscriptions to client metrics (KIP-714); kept, though no metrics are taken. */
export const CLIENT_METRICS_SETTINGS: Readonly<Record<string, Setting>> = {
  'interval.ms': {
    type: 'int',
    default: '300000',
    min: 100,
    max: 3_600_000,
    documentation: 'Time between two pushes of metrics.',
  },
  match: { type: 'list', default: '', documentation: 'Which clients are meant: name=pattern.' },
  metrics: { type: 'list', default: '', documentation: 'Prefixes of the names of the metrics.' },
}
