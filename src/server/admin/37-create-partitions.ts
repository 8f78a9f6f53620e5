/** CreatePartitions: each topic by itself gets more partitions. Asking for as many as there are is an error, as in Kafka. */
import type { createPartitions } from '../../protocol/messages/37-create-partitions.ts'
import type { Handler } from '../handler.ts'
import { duplicatesIn, outcomeOf, refusal } from './outcome.ts'

export const handleCreatePartitions: Handler<typeof createPartitions> = async (request, { admin, broker }) => {
  const twice = duplicatesIn(request.topics.map(({ name }) => name))
  const single = request.topics.filter(({ name }) => !twice.has(name))
  const outcomes = await admin.ask({
    type: 'growEachTopic',
    topics: single.map(({ name, count, assignments }) => ({ topic: name, count, assignments })),
    nodeId: broker.nodeId,
    validateOnly: request.validateOnly,
  })
  const refused = [...twice].map((name) => ({ name, ...refusal('INVALID_REQUEST', `topic=${name} is named twice`) }))
  const grown = single.map(({ name }, i) => ({ name, ...outcomeOf(outcomes[i]) }))
  return { throttleTimeMs: 0, results: [...refused, ...grown] }
}
