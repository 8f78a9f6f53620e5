/** What DescribeConfigs, IncrementalAlterConfigs and AlterConfigs call a resource, and which one is meant. */
import type { ResourceKind } from '../../protocol/admin-link.ts'
import { topicNameFault } from '../../segment/names.ts'
import { type Outcome, refusal } from './outcome.ts'

/** As the protocol numbers them. */
export const ResourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const

export interface Resource {
  readonly kind: ResourceKind | 'brokerLogger'
  readonly name: string
}

/** The resource, or why there is no such one. A broker's name is its id; '' stands for all brokers. */
export function resourceOf(resourceType: number, name: string, nodeId: number): Resource | Outcome {
  switch (resourceType) {
    case ResourceType.topic: {
      const fault = topicNameFault(name)
      return fault === undefined ? { kind: 'topic', name } : refusal('INVALID_TOPIC_EXCEPTION', fault)
    }
    case ResourceType.broker:
      if (name === '') return { kind: 'brokerDefault', name }
      return brokerFault(name, nodeId) ?? { kind: 'broker', name }
    case ResourceType.brokerLogger:
      return brokerFault(name, nodeId) ?? { kind: 'brokerLogger', name }
    case ResourceType.clientMetrics:
      if (name === '') return refusal('INVALID_REQUEST', 'a subscription to client metrics has a name')
      return { kind: 'clientMetrics', name }
    case ResourceType.group:
      if (name === '') return refusal('INVALID_REQUEST', 'a group has a name')
      return { kind: 'group', name }
    default:
      return refusal('INVALID_REQUEST', `there is no resource type ${resourceType}`)
  }
}

function brokerFault(name: string, nodeId: number): Outcome | undefined {
  if (name === '') return refusal('INVALID_REQUEST', 'a broker is named by its id')
  if (!/^-?\d+$/.test(name)) return refusal('INVALID_REQUEST', `broker=${name} is no id of a broker`)
  return Number(name) === nodeId ? undefined : refusal('INVALID_REQUEST', `this is broker=${nodeId}, not ${name}`)
}
