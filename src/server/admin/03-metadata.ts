/**
 * Metadata: this broker, and topics.
 *
 *   0        an empty list means all topics
 *   1        null means all, an empty list none; controller, racks, internal topics
 *   4        may forbid auto-creation (KIP-204)
 *   8 to 10  operations that are allowed on the cluster; on topics from 8 on (KIP-430)
 *   10       topic ids in answers; 12: in requests too, where the name is null (KIP-516)
 *
 * A topic that is created by being asked for (auto.create.topics.enable) is in the same answer. Apache Kafka answers
 * UNKNOWN_TOPIC_OR_PARTITION the first time, because it waits for its controller; clients ask again after a pause.
 */
import { VltavaError } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { metadata } from '../../protocol/messages/03-metadata.ts'
import type { TopicInfo } from '../../protocol/transport.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import { topicNameFault } from '../../segment/names.ts'
import { brokerValue } from '../../settings/describe.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { CLUSTER_OPERATIONS, isInternalTopic, NO_OPERATIONS, NO_TOPIC_ID, partitionView } from './topic-view.ts'
import { TOPIC_OPERATIONS } from './topic-view.ts'

type Request = RequestOf<typeof metadata>
type Response = ResponseOf<typeof metadata>
type Topic = Response['topics'][number]

const IDS_SINCE = 12

export const handleMetadata: Handler<typeof metadata> = async (request, context) => {
  const { nodeId, host, port, rack, clusterId } = context.broker
  const fault = requestFault(request, context.apiVersion)
  if (fault !== undefined) return fault
  const infos = await topicsOf(request, context)
  const operations = request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : NO_OPERATIONS
  return {
    throttleTimeMs: 0,
    brokers: [{ nodeId, host, port, rack }],
    clusterId,
    controllerId: nodeId,
    topics: infos
      .map((info) => ('errorCode' in info ? info : described(info, context)))
      .map((topic) => ({
        ...topic,
        topicAuthorizedOperations: topic.errorCode === kafkaError('UNKNOWN_TOPIC_ID') ? NO_OPERATIONS : operations,
      })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NO_OPERATIONS,
    errorCode: 0,
  }
}

/** Before version 12 topics have names; from then on, a name or an id. */
function requestFault({ topics }: Request, apiVersion: number): Response | undefined {
  if (topics === null) return undefined
  const isFaulty = topics.some(
    ({ name, topicId }) =>
      (apiVersion < IDS_SINCE && (name === null || topicId !== NO_TOPIC_ID)) ||
      (name === null && topicId === NO_TOPIC_ID),
  )
  if (!isFaulty) return undefined
  const errorCode = kafkaError('INVALID_REQUEST')
  return {
    throttleTimeMs: 0,
    brokers: [],
    clusterId: null,
    controllerId: -1,
    topics: topics.map(({ name, topicId }) => unknown(errorCode, name ?? '', topicId)),
    clusterAuthorizedOperations: NO_OPERATIONS,
    errorCode: 0,
  }
}

/** Each topic once, in the order in which it was named first. */
async function topicsOf(request: Request, context: RequestContext): Promise<(TopicInfo | Topic)[]> {
  const { transport, apiVersion } = context
  const { topics } = request
  if (topics === null || (apiVersion === 0 && topics.length === 0)) return transport.topics()
  const found = new Map<string, TopicInfo | Topic>()
  const byId = topics.some(({ topicId }) => topicId !== NO_TOPIC_ID) ? idsOf(transport.topics()) : undefined
  const missing: string[] = []
  for (const { name, topicId } of topics) {
    if (topicId !== NO_TOPIC_ID) {
      const info = byId!.get(topicId)
      found.set(info?.topic ?? `id ${topicId}`, info ?? unknown(kafkaError('UNKNOWN_TOPIC_ID'), null, topicId))
      continue
    }
    const info = transport.topic(name!)
    if (info === undefined) missing.push(name!)
    found.set(name!, info ?? unknown(kafkaError('UNKNOWN_TOPIC_OR_PARTITION'), name!, NO_TOPIC_ID))
  }
  if (missing.length > 0) await createMissing(missing, request, context)
  for (const name of missing) {
    const info = transport.topic(name)
    const fault = topicNameFault(name)
    if (info !== undefined) found.set(name, info)
    else if (fault !== undefined) found.set(name, unknown(kafkaError('INVALID_TOPIC_EXCEPTION'), name, NO_TOPIC_ID))
  }
  return [...found.values()]
}

function idsOf(infos: readonly TopicInfo[]): ReadonlyMap<string, TopicInfo> {
  return new Map(infos.map((info) => [info.topicId, info]))
}

/** Who cannot be made stays unknown. Internal topics are made by those whose they are. */
async function createMissing(names: readonly string[], request: Request, context: RequestContext): Promise<void> {
  const { admin, broker } = context
  if (!request.allowAutoTopicCreation) return
  if (brokerValue(admin.overrides, 'auto.create.topics.enable')?.trim().toLowerCase() !== 'true') return
  const topics = [...new Set(names)]
    .filter((name) => !isInternalTopic(name) && topicNameFault(name) === undefined)
    .map((topic) => ({ topic, partitions: -1, replicationFactor: -1, assignments: [], configs: {} }))
  if (topics.length === 0) return
  try {
    await admin.ask({ type: 'createEachTopic', topics, nodeId: broker.nodeId, validateOnly: false })
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
  }
}

function described(info: TopicInfo, context: RequestContext): Topic {
  return {
    errorCode: 0,
    name: info.topic,
    topicId: info.topicId,
    isInternal: isInternalTopic(info.topic),
    partitions: Array.from({ length: info.partitionCount }, (_, partition) => partitionView(info, partition, context)),
    topicAuthorizedOperations: NO_OPERATIONS,
  }
}

function unknown(errorCode: number, name: string | null, topicId: string): Topic {
  const isInternal = name !== null && isInternalTopic(name)
  return { errorCode, name, topicId, isInternal, partitions: [], topicAuthorizedOperations: NO_OPERATIONS }
}
