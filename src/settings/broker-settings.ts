/**
 * Settings of the broker: all tables together.
 *
 * Names, types and defaults are those of Kafka 4.3; internal topics have one replica where Kafka's default is three.
 * Left out is what one node without a JVM does not have: TLS stores and SASL classes, tiered storage, replication between
 * brokers, share and streams groups, the log of a metadata quorum.
 */
import { BROKER_COORDINATOR_SETTINGS } from './broker-coordinator-settings.ts'
import { BROKER_LOG_SETTINGS } from './broker-log-settings.ts'
import { BROKER_NODE_SETTINGS } from './broker-node-settings.ts'
import { type BrokerSetting, dynamic } from './broker-setting.ts'

const RATE = { min: 0, isHidden: true }

/** Of a replication that one node does not have; Kafka's tools set them. */
const REPLICATION_RATES: Readonly<Record<string, BrokerSetting>> = {
  'leader.replication.throttled.rate': dynamic('long', null, 'Bytes a second that leaders give to followers.', RATE),
  'follower.replication.throttled.rate': dynamic('long', null, 'Bytes a second that followers take.', RATE),
  'replica.alter.log.dirs.io.max.bytes.per.second': dynamic('long', null, 'Bytes a second between directories.', RATE),
}

export const BROKER_SETTINGS: Readonly<Record<string, BrokerSetting>> = {
  ...BROKER_LOG_SETTINGS,
  ...BROKER_NODE_SETTINGS,
  ...BROKER_COORDINATOR_SETTINGS,
  ...REPLICATION_RATES,
}
