/**
 * DescribeTopicPartitions (KIP-966): topics in the order of their names, page by page. The cursor names the first
 * partition of the next page; null: there is none.
 */
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { describeTopicPartitions } from '../../protocol/messages/75-describe-topic-partitions.ts'
import type { ErrorCode } from '../../base/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import { topicNameFault } from '../../segment/names.ts'
import { brokerValue } from '../../settings/describe.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { isInternalTopic, NO_OPERATIONS, NO_TOPIC_ID, partitionView, TOPIC_OPERATIONS } from './topic-view.ts'

type Request = RequestOf<typeof describeTopicPartitions>
type Response = ResponseOf<typeof describeTopicPartitions>
type Topic = Response['topics'][number]

export const handleDescribeTopicPartitions: Handler<typeof describeTopicPartitions> = (request, context) => {
  const { topics, cursor } = request
  if (cursor !== null && isCursorBad(request)) {
    const refused = topics.map(({ name }) => nothing('INVALID_REQUEST', name, NO_OPERATIONS))
    return { throttleTimeMs: 0, topics: refused, nextCursor: null }
  }
  const isAll = topics.length === 0
  const names = isAll ? context.transport.topics().map(({ topic }) => topic) : topics.map(({ name }) => name)
  const first = cursor?.topicName ?? ''
  const wanted = [...new Set(names)].filter((name) => name >= first).sort(byCodeUnit)
  const limit = Number(brokerValue(context.admin.overrides, 'max.request.partition.size.limit'))
  return page(wanted, cursor, Math.max(1, Math.min(request.responsePartitionLimit, limit)), context)
}

function isCursorBad({ topics, cursor }: Request): boolean {
  if (cursor!.partitionIndex < 0) return true
  return topics.length > 0 && !topics.some(({ name }) => name === cursor!.topicName)
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

function page(names: readonly string[], cursor: Request['cursor'], limit: number, context: RequestContext): Response {
  const topics: Topic[] = []
  let left = limit
  for (const name of names) {
    if (left === 0) return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: 0 } }
    const info = context.transport.topic(name)
    if (info === undefined) {
      const isIllegal = topicNameFault(name) !== undefined
      topics.push(nothing(isIllegal ? 'INVALID_TOPIC_EXCEPTION' : 'UNKNOWN_TOPIC_OR_PARTITION', name, TOPIC_OPERATIONS))
      continue
    }
    const start = cursor?.topicName === name ? cursor.partitionIndex : 0
    const end = Math.min(info.partitionCount, start + left)
    const partitions: Topic['partitions'] = []
    for (let partition = start; partition < end; partition++) {
      const view = partitionView(info, partition, context)
      partitions.push({ ...view, eligibleLeaderReplicas: [], lastKnownElr: [] })
    }
    left -= partitions.length
    topics.push({ ...nothing(undefined, name, TOPIC_OPERATIONS), topicId: info.topicId, partitions })
    if (end < info.partitionCount) {
      return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: end } }
    }
  }
  return { throttleTimeMs: 0, topics, nextCursor: null }
}

function nothing(error: ErrorCode | undefined, name: string, topicAuthorizedOperations: number): Topic {
  return {
    errorCode: error === undefined ? 0 : kafkaError(error),
    name,
    topicId: NO_TOPIC_ID,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations,
  }
}
