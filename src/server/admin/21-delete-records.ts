/**
 * DeleteRecords: the start of each partition moves to an offset; -1: to the high watermark. Durable when answered.
 *
 * Topics that are only compacted keep what they have (POLICY_VIOLATION); internal ones are the coordinators' own. Of a
 * partition that is named twice the last offset counts.
 */
import { VltavaError } from '../../base/errors.ts'
import type { ErrorCode } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { deleteRecords } from '../../protocol/messages/21-delete-records.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import { elementsOf } from '../../settings/setting.ts'
import { topicDefault } from '../../settings/describe.ts'
import { TOPIC_SETTINGS } from '../../settings/topic-settings.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { isInternalTopic } from './topic-view.ts'

type Partition = ResponseOf<typeof deleteRecords>['topics'][number]['partitions'][number]

const NO_WATERMARK = -1

export const handleDeleteRecords: Handler<typeof deleteRecords> = async (request, context) => {
  const wanted = new Map<string, Map<number, number>>()
  for (const { name, partitions } of request.topics) {
    const offsets = wanted.get(name) ?? new Map<number, number>()
    for (const { partitionIndex, offset } of partitions) offsets.set(partitionIndex, offset)
    wanted.set(name, offsets)
  }
  const topics: ResponseOf<typeof deleteRecords>['topics'] = []
  for (const [name, offsets] of wanted) {
    const partitions: Partition[] = []
    for (const [partitionIndex, offset] of offsets) partitions.push(await trim(name, partitionIndex, offset, context))
    topics.push({ name, partitions })
  }
  return { throttleTimeMs: 0, topics }
}

async function trim(
  topic: string,
  partitionIndex: number,
  offset: number,
  context: RequestContext,
): Promise<Partition> {
  const { transport, signal } = context
  const code = refusedFor(topic, partitionIndex, context)
  if (code !== undefined) return { partitionIndex, lowWatermark: NO_WATERMARK, errorCode: kafkaError(code) }
  try {
    const lowWatermark = await transport.request({ type: 'trim', topic, partition: partitionIndex, offset }, signal)
    return { partitionIndex, lowWatermark, errorCode: 0 }
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return { partitionIndex, lowWatermark: NO_WATERMARK, errorCode: error.kafkaCode }
  }
}

function refusedFor(topic: string, partition: number, { transport, admin }: RequestContext): ErrorCode | undefined {
  if (isInternalTopic(topic)) return 'INVALID_TOPIC_EXCEPTION'
  const info = transport.topic(topic)
  if (info === undefined || partition < 0 || partition >= info.partitionCount) return 'UNKNOWN_TOPIC_OR_PARTITION'
  const policy = info.configs['cleanup.policy'] ?? topicDefault(admin.overrides, TOPIC_SETTINGS['cleanup.policy']!)
  const policies = elementsOf(policy)
  return policies.includes('compact') && !policies.includes('delete') ? 'POLICY_VIOLATION' : undefined
}
