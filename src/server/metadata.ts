/** Metadata: this broker, and the topics; the least that a client needs to produce and to fetch. */
import type { metadata } from '../protocol/messages/03-metadata.ts'
import type { TopicInfo } from '../protocol/transport.ts'
import type { RequestOf } from '../protocol/wire/api.ts'
import type { Call } from './call.ts'
import { NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION } from './error-codes.ts'

export async function serveMetadata(request: RequestOf<typeof metadata>, call: Call): Promise<object> {
  const { broker, transport, apiVersion } = call
  const { nodeId, host, port, rack, clusterId } = broker
  const isAll = request.topics === null || (apiVersion === 0 && request.topics.length === 0)
  const topics: object[] = []
  for (const wanted of isAll
    ? transport.topics().map(({ topic }) => ({ name: topic, topicId: '' }))
    : request.topics!) {
    let info: TopicInfo | undefined
    if (wanted.name === null) info = transport.topics().find(({ topicId }) => topicId === wanted.topicId)
    else {
      info = transport.topic(wanted.name)
      if (info === undefined && (apiVersion < 4 || request.allowAutoTopicCreation)) {
        const topic = { topic: wanted.name, partitions: Number(call.setting('num.partitions') ?? 1), configs: {} }
        await transport
          .request({ type: 'createTopics', topics: [topic], validateOnly: false })
          .catch((error: unknown) => {
            if (!(error instanceof Error)) throw error
          })
        info = transport.topic(wanted.name)
      }
    }
    if (info === undefined) {
      const errorCode = wanted.name === null ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION
      topics.push({ errorCode, name: wanted.name, ...(wanted.topicId === '' ? {} : { topicId: wanted.topicId }) })
      continue
    }
    topics.push({
      errorCode: NONE,
      name: info.topic,
      topicId: info.topicId,
      partitions: Array.from({ length: info.partitionCount }, (_, partitionIndex) => ({
        errorCode: NONE,
        partitionIndex,
        leaderId: nodeId,
        leaderEpoch: 0,
        replicaNodes: [nodeId],
        isrNodes: [nodeId],
      })),
    })
  }
  return { brokers: [{ nodeId, host, port, rack }], clusterId, controllerId: nodeId, topics }
}
