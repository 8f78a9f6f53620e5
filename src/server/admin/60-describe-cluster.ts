/** DescribeCluster (KIP-700): one broker, which is the controller too; version 1 may ask a controller (KIP-919). */
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { describeCluster } from '../../protocol/messages/60-describe-cluster.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import type { Handler } from '../handler.ts'
import { CLUSTER_OPERATIONS, NO_OPERATIONS } from './topic-view.ts'

const BROKERS = 1
const CONTROLLERS = 2

export const handleDescribeCluster: Handler<typeof describeCluster> = (request, { broker }) => {
  const { endpointType } = request
  if (endpointType === CONTROLLERS) {
    return failed(kafkaError('MISMATCHED_ENDPOINT_TYPE'), 'this is an endpoint for clients of the broker')
  }
  if (endpointType !== BROKERS) {
    return failed(kafkaError('UNSUPPORTED_ENDPOINT_TYPE'), `there is no endpoint type ${endpointType}`)
  }
  const { nodeId, host, port, rack, clusterId } = broker
  return {
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    endpointType,
    clusterId,
    controllerId: nodeId,
    brokers: [{ brokerId: nodeId, host, port, rack, isFenced: false }],
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NO_OPERATIONS,
  }
}

function failed(errorCode: number, errorMessage: string): ResponseOf<typeof describeCluster> {
  return {
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    endpointType: BROKERS,
    clusterId: '',
    controllerId: -1,
    brokers: [],
    clusterAuthorizedOperations: NO_OPERATIONS,
  }
}
