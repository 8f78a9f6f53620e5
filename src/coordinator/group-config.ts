/**
 * Settings of a group coordinator: Kafka's, with Kafka's defaults, and bounds that Kafka leaves open.
 */
export interface GroupConfig {
  /** group.min.session.timeout.ms, group.max.session.timeout.ms: of classic members. */
  readonly sessionTimeoutMinMs: number
  readonly sessionTimeoutMaxMs: number
  /** group.initial.rebalance.delay.ms */
  readonly initialRebalanceDelayMs: number
  /** How long a member that joined for the first time may be away before its join is answered. */
  readonly newMemberJoinTimeoutMs: number
  /** group.max.size and group.consumer.max.size: members, those included whose id was only just given out. */
  readonly membersMax: number
  /** group.consumer.session.timeout.ms, group.consumer.heartbeat.interval.ms */
  readonly consumerSessionTimeoutMs: number
  readonly consumerHeartbeatIntervalMs: number
  /** offset.metadata.max.bytes */
  readonly offsetMetadataBytesMax: number
  /** offsets.retention.minutes and offsets.retention.check.interval.ms, both in milliseconds. */
  readonly offsetsRetentionMs: number
  readonly offsetsRetentionCheckMs: number
  /** Groups of one coordinator; a further one is answered COORDINATOR_NOT_AVAILABLE. */
  readonly groupsMax: number
  /** Offsets that one group may have; further partitions are answered INVALID_COMMIT_OFFSET_SIZE. */
  readonly groupOffsetsMax: number
  /** Requests of one group that wait for its append. */
  readonly queuedRequestsMax: number
  /** All metadata of one classic member's protocols, or all names of one consumer member's subscription. */
  readonly memberMetadataBytesMax: number
  /** One member's assignment, as a classic leader gives it. */
  readonly assignmentBytesMax: number
  /** Ids and names that come from clients: group, member, instance, client, rack, assignor, protocol. */
  readonly nameBytesMax: number
  readonly protocolsMax: number
}

const DAY_MS = 86_400_000

export const GROUP_CONFIG_DEFAULTS: GroupConfig = {
  sessionTimeoutMinMs: 6000,
  sessionTimeoutMaxMs: 1_800_000,
  initialRebalanceDelayMs: 3000,
  newMemberJoinTimeoutMs: 300_000,
  membersMax: 10_000,
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5000,
  offsetMetadataBytesMax: 4096,
  offsetsRetentionMs: 7 * DAY_MS,
  offsetsRetentionCheckMs: 600_000,
  groupsMax: 100_000,
  groupOffsetsMax: 200_000,
  queuedRequestsMax: 20_000,
  memberMetadataBytesMax: 512 << 10,
  assignmentBytesMax: 512 << 10,
  nameBytesMax: 1024,
  protocolsMax: 64,
}
