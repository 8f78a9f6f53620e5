/** DescribeProducers (KIP-664): who writes to a partition with a producer id, from its producer state. */
import { VltavaError } from '../../base/errors.ts'
import type { describeProducers } from '../../protocol/messages/61-describe-producers.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import { topicNameFault } from '../../segment/names.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { type Outcome, refusal, SUCCESS } from './outcome.ts'

type Partition = ResponseOf<typeof describeProducers>['topics'][number]['partitions'][number]

export const handleDescribeProducers: Handler<typeof describeProducers> = async (request, context) => {
  const topics: ResponseOf<typeof describeProducers>['topics'] = []
  for (const { name, partitionIndexes } of request.topics) {
    const partitions: Partition[] = []
    for (const partitionIndex of partitionIndexes) partitions.push(await producersOf(name, partitionIndex, context))
    topics.push({ name, partitions })
  }
  return { throttleTimeMs: 0, topics }
}

async function producersOf(topic: string, partitionIndex: number, context: RequestContext): Promise<Partition> {
  const fault = topicNameFault(topic)
  if (fault !== undefined) return nobody(partitionIndex, refusal('INVALID_TOPIC_EXCEPTION', fault))
  try {
    const { admin, signal } = context
    const producers = await admin.ask({ type: 'describeProducers', topic, partition: partitionIndex }, signal)
    const activeProducers = producers.map(({ currentTransactionFirstOffset, ...producer }) => ({
      ...producer,
      currentTxnStartOffset: currentTransactionFirstOffset,
    }))
    return { ...nobody(partitionIndex, SUCCESS), activeProducers }
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return nobody(partitionIndex, refusal(error.code, error.message))
  }
}

function nobody(partitionIndex: number, outcome: Outcome): Partition {
  return { partitionIndex, ...outcome, activeProducers: [] }
}
