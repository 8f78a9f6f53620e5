/** Topics and partitions as clients are told of them: one broker leads, and is, every replica. */
import { VltavaError } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { TopicInfo } from '../../protocol/transport.ts'
import type { RequestContext } from '../handler.ts'

/** UUID of zeros: no topic. */
export const NO_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA'

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
])

export function isInternalTopic(topic: string): boolean {
  return INTERNAL_TOPICS.has(topic)
}

/** Bits of operations (KIP-430) that are allowed where no authorizer says otherwise: all that there are. */
export const TOPIC_OPERATIONS = 0b1101_1111_1000
export const CLUSTER_OPERATIONS = 0b1_1111_1010_0000
/** Nobody asked. */
export const NO_OPERATIONS = -0x8000_0000

export interface PartitionView {
  errorCode: number
  partitionIndex: number
  leaderId: number
  leaderEpoch: number
  replicaNodes: number[]
  isrNodes: number[]
  offlineReplicas: number[]
}

/** A partition that cannot be written or read has no leader. */
export function partitionView({ topic }: TopicInfo, partition: number, context: RequestContext): PartitionView {
  const { nodeId } = context.broker
  const isOffline = context.transport.partitionFailure(topic, partition) !== undefined
  return {
    errorCode: isOffline ? kafkaError('LEADER_NOT_AVAILABLE') : 0,
    partitionIndex: partition,
    leaderId: isOffline ? -1 : nodeId,
    leaderEpoch: latestEpoch(topic, partition, context),
    replicaNodes: [nodeId],
    isrNodes: [nodeId],
    offlineReplicas: isOffline ? [nodeId] : [],
  }
}

/** -1, which is no epoch, for a partition whose epochs cannot be read. */
function latestEpoch(topic: string, partition: number, { admin }: RequestContext): number {
  try {
    return admin.leaderEpochs(topic, partition).latestEpoch()
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return -1
  }
}
