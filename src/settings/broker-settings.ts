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
import type { BrokerSetting } from './broker-setting.ts'

export const BROKER_SETTINGS: Readonly<Record<string, BrokerSetting>> = {
  ...BROKER_LOG_SETTINGS,
  ...BROKER_NODE_SETTINGS,
  ...BROKER_COORDINATOR_SETTINGS,
}
