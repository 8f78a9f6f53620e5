/**
 * ListConfigResources (KIP-1142): what may have, or has, settings: topics, this broker, groups and subscriptions to client
 * metrics that have some. Version 0 knows client metrics alone (KIP-714).
 */
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { listConfigResources } from '../../protocol/messages/74-list-config-resources.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { ResourceType } from './resources.ts'

const ALL_TYPES = Object.values(ResourceType) as readonly number[]

export const handleListConfigResources: Handler<typeof listConfigResources> = ({ resourceTypes }, context) => {
  const wanted = context.apiVersion === 0 ? [ResourceType.clientMetrics] : resourceTypes
  if (wanted.some((type) => !ALL_TYPES.includes(type))) {
    return { throttleTimeMs: 0, errorCode: kafkaError('UNSUPPORTED_VERSION'), configResources: [] }
  }
  const types = wanted.length === 0 ? ALL_TYPES : [...new Set(wanted)]
  const configResources = types.flatMap((resourceType) =>
    namesOf(resourceType, context).map((resourceName) => ({ resourceName, resourceType })),
  )
  return { throttleTimeMs: 0, errorCode: 0, configResources }
}

function namesOf(resourceType: number, { admin, broker, transport }: RequestContext): string[] {
  switch (resourceType) {
    case ResourceType.topic:
      return transport.topics().map(({ topic }) => topic)
    case ResourceType.broker:
    case ResourceType.brokerLogger:
      return [String(broker.nodeId)]
    case ResourceType.clientMetrics:
      return Object.keys(admin.overrides.clientMetrics)
    default:
      return Object.keys(admin.overrides.groups)
  }
}
