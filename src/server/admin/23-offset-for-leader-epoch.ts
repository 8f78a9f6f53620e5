/**
 * OffsetForLeaderEpoch (KIP-101, KIP-320): where the records of a leader epoch end. What the client takes for the present
 * epoch is checked first; an epoch that was never known here has neither an epoch nor an end.
 */
import { type ErrorCode, VltavaError } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { offsetForLeaderEpoch } from '../../protocol/messages/23-offset-for-leader-epoch.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import type { Handler, RequestContext } from '../handler.ts'

type Asked = RequestOf<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number]
type Answer = ResponseOf<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number]

export const handleOffsetForLeaderEpoch: Handler<typeof offsetForLeaderEpoch> = (request, context) => ({
  throttleTimeMs: 0,
  topics: request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map((asked) => endOf(topic, asked, context)),
  })),
})

function endOf(topic: string, asked: Asked, { transport, admin }: RequestContext): Answer {
  const { partition, currentLeaderEpoch, leaderEpoch } = asked
  const info = transport.topic(topic)
  if (info === undefined || partition < 0 || partition >= info.partitionCount) {
    return refused(partition, kafkaError('UNKNOWN_TOPIC_OR_PARTITION'))
  }
  const failure = transport.partitionFailure(topic, partition)
  if (failure !== undefined) return refused(partition, kafkaError(failure.code))
  try {
    const epochs = admin.leaderEpochs(topic, partition)
    const fault = epochFault(currentLeaderEpoch, epochs.latestEpoch())
    if (fault !== undefined) return refused(partition, kafkaError(fault))
    const end = epochs.endOffsetFor(leaderEpoch, transport.ends(topic, partition).highWatermark)
    return { errorCode: 0, partition, leaderEpoch: end.epoch, endOffset: end.endOffset }
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return refused(partition, error.kafkaCode)
  }
}

/** -1: the client has no idea, which is always right. */
function epochFault(clientEpoch: number, epoch: number): ErrorCode | undefined {
  if (clientEpoch < 0 || clientEpoch === epoch) return undefined
  return clientEpoch < epoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
}

function refused(partition: number, errorCode: number): Answer {
  return { errorCode, partition, leaderEpoch: -1, endOffset: -1 }
}
