/**
 * DescribeQuorum (KIP-595): the metadata quorum of one voter, this node. There is no metadata log: its high watermark is
 * given as 0, and the voter is never behind.
 */
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { describeQuorum } from '../../protocol/messages/55-describe-quorum.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { NO_TOPIC_ID } from './topic-view.ts'

const METADATA_TOPIC = '__cluster_metadata'
const LEADER_EPOCH = 1

export const handleDescribeQuorum: Handler<typeof describeQuorum> = (request, context) => {
  const { nodeId, host, port } = context.broker
  const isAsked = request.topics.some(({ topicName }) => topicName === METADATA_TOPIC)
  return {
    errorCode: 0,
    errorMessage: '',
    topics: request.topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) =>
        topicName === METADATA_TOPIC && partitionIndex === 0 ? quorum(context) : unknown(partitionIndex),
      ),
    })),
    nodes: isAsked ? [{ nodeId, listeners: [{ name: 'CONTROLLER', host, port }] }] : [],
  }
}

function quorum({ broker, clock }: RequestContext): ReturnType<typeof unknown> {
  const now = clock.wallMs()
  const voter = {
    replicaId: broker.nodeId,
    replicaDirectoryId: NO_TOPIC_ID,
    logEndOffset: 0,
    lastFetchTimestamp: now,
    lastCaughtUpTimestamp: now,
  }
  return { ...unknown(0), ...PRESENT, leaderId: broker.nodeId, leaderEpoch: LEADER_EPOCH, currentVoters: [voter] }
}

const PRESENT = { errorCode: 0, errorMessage: '' }

interface Voter {
  replicaId: number
  replicaDirectoryId: string
  logEndOffset: number
  lastFetchTimestamp: number
  lastCaughtUpTimestamp: number
}

function unknown(partitionIndex: number): {
  partitionIndex: number
  errorCode: number
  errorMessage: string
  leaderId: number
  leaderEpoch: number
  highWatermark: number
  currentVoters: Voter[]
  observers: Voter[]
} {
  return {
    partitionIndex,
    errorCode: kafkaError('UNKNOWN_TOPIC_OR_PARTITION'),
    errorMessage: `${METADATA_TOPIC}-0 is the only quorum`,
    leaderId: 0,
    leaderEpoch: 0,
    highWatermark: 0,
    currentVoters: [],
    observers: [],
  }
}
