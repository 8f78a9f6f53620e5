/**
 * ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments: with one broker every partition is led by it,
 * stays on it, and never moves.
 */
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { electLeaders } from '../../protocol/messages/43-elect-leaders.ts'
import type { alterPartitionReassignments } from '../../protocol/messages/45-alter-partition-reassignments.ts'
import type { listPartitionReassignments } from '../../protocol/messages/46-list-partition-reassignments.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { type Outcome, refusal, SUCCESS } from './outcome.ts'

const UNCLEAN = 1

export const handleElectLeaders: Handler<typeof electLeaders> = (request, context) => {
  const { electionType, topicPartitions } = request
  const isKnownType = electionType >= 0 && electionType <= UNCLEAN
  const badType = isKnownType ? undefined : refusal('INVALID_REQUEST', `there is no election type ${electionType}`)
  // Of all partitions only those are told of that have got another leader.
  const wanted = topicPartitions ?? context.transport.topics().map(({ topic }) => ({ topic, partitions: [] }))
  const replicaElectionResults = wanted.map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({
      partitionId,
      ...(badType ?? missing(topic, partitionId, context) ?? notNeeded(topic, partitionId)),
    })),
  }))
  return { throttleTimeMs: 0, errorCode: badType?.errorCode ?? 0, replicaElectionResults }
}

function notNeeded(topic: string, partition: number): Outcome {
  return refusal('ELECTION_NOT_NEEDED', `${topic}-${partition} has its only leader`)
}

function missing(topic: string, partition: number, { transport }: RequestContext): Outcome | undefined {
  const partitionCount = transport.topic(topic)?.partitionCount ?? 0
  if (partition >= 0 && partition < partitionCount) return undefined
  return refusal('UNKNOWN_TOPIC_OR_PARTITION', `${topic}-${partition} does not exist`)
}

export const handleAlterPartitionReassignments: Handler<typeof alterPartitionReassignments> = (request, context) => ({
  throttleTimeMs: 0,
  allowReplicationFactorChange: request.allowReplicationFactorChange,
  ...SUCCESS,
  responses: request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas }) => ({
      partitionIndex,
      ...(missing(name, partitionIndex, context) ?? assignment(replicas, context.broker.nodeId)),
    })),
  })),
})

/** Nothing moves, so there is nothing to cancel (null) either. */
function assignment(replicas: readonly number[] | null, nodeId: number): Outcome {
  if (replicas === null) {
    return { errorCode: kafkaError('NO_REASSIGNMENT_IN_PROGRESS'), errorMessage: null }
  }
  if (replicas.length === 0) return refusal('INVALID_REPLICA_ASSIGNMENT', 'a partition needs a replica')
  const stranger = replicas.find((replica) => replica !== nodeId)
  if (stranger !== undefined) return refusal('INVALID_REPLICA_ASSIGNMENT', `there is no broker=${stranger}`)
  return replicas.length === 1 ? SUCCESS : refusal('INVALID_REPLICA_ASSIGNMENT', `broker=${nodeId} is named twice`)
}

export const handleListPartitionReassignments: Handler<typeof listPartitionReassignments> = () => ({
  throttleTimeMs: 0,
  ...SUCCESS,
  topics: [],
})
