/**
 * Requests and responses of consumer groups (KIP-848), as plain objects: newest version, Kafka's field names.
 */

export interface TopicIdPartitions {
  readonly topicId: string
  readonly partitions: readonly number[]
}

export interface ConsumerGroupHeartbeatRequest {
  readonly groupId: string
  readonly memberId: string
  /** 0 joins, -1 leaves, -2 is a static member's leave for a while. */
  readonly memberEpoch: number
  readonly instanceId: string | null
  readonly rackId: string | null
  /** -1: unchanged. */
  readonly rebalanceTimeoutMs: number
  /** null: unchanged. Likewise the others. */
  readonly subscribedTopicNames: readonly string[] | null
  readonly subscribedTopicRegex: string | null
  readonly serverAssignor: string | null
  /** What the member owns. */
  readonly topicPartitions: readonly TopicIdPartitions[] | null
}

export interface ConsumerGroupHeartbeatResponse {
  throttleTimeMs: number
  errorCode: number
  errorMessage: string | null
  memberId: string | null
  memberEpoch: number
  heartbeatIntervalMs: number
  /** null: as before. */
  assignment: { topicPartitions: TopicIdPartitions[] } | null
}

export interface ConsumerGroupDescribeRequest {
  readonly groupIds: readonly string[]
  readonly includeAuthorizedOperations: boolean
}

export interface DescribedAssignment {
  topicPartitions: { topicId: string; topicName: string; partitions: number[] }[]
}

export interface DescribedConsumerMember {
  memberId: string
  instanceId: string | null
  rackId: string | null
  memberEpoch: number
  clientId: string
  clientHost: string
  subscribedTopicNames: string[]
  subscribedTopicRegex: string | null
  assignment: DescribedAssignment
  targetAssignment: DescribedAssignment
  /** 0: classic, 1: consumer. */
  memberType: number
}

export interface DescribedConsumerGroup {
  errorCode: number
  errorMessage: string | null
  groupId: string
  groupState: string
  groupEpoch: number
  assignmentEpoch: number
  assignorName: string
  members: DescribedConsumerMember[]
  authorizedOperations: number
}

export interface ConsumerGroupDescribeResponse {
  throttleTimeMs: number
  groups: DescribedConsumerGroup[]
}
