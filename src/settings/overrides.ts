/**
 * What administrators have set, layer by layer. A value of the broker is found in this order: set for this broker, set
 * for all brokers, given when it was started, Kafka's default.
 */
export type Values = Readonly<Record<string, string>>

/** A quota of (user, client-id, ip): which entity, and its values by Kafka's names. */
export interface QuotaEntry {
  /** null: the default entity of that type. A type that is missing does not matter. */
  readonly entity: { readonly user?: string | null; readonly 'client-id'?: string | null; readonly ip?: string | null }
  readonly values: Readonly<Record<string, number>>
}

export interface Overrides {
  /** As given when the broker was started; not kept on disk. */
  readonly static: Values
  readonly broker: Values
  readonly brokerDefault: Values
  readonly groups: Readonly<Record<string, Values>>
  readonly clientMetrics: Readonly<Record<string, Values>>
  readonly quotas: readonly QuotaEntry[]
}

/**
 * As Kafka formats a new cluster: with eligible leader replicas on, min.insync.replicas is one value for the cluster,
 * which always is there.
 */
export const NO_OVERRIDES: Overrides = {
  static: {},
  broker: {},
  brokerDefault: { 'min.insync.replicas': '1' },
  groups: {},
  clientMetrics: {},
  quotas: [],
}
