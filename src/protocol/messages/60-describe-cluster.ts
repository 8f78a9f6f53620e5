/**
 * DescribeCluster: the brokers (or controllers) of the cluster and its id.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int8, string } from '../wire/schema.ts'

export const describeCluster = new Api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexibleSince: 0,
  request: {
    includeClusterAuthorizedOperations: boolean(),
    endpointType: int8({ since: 1, default: 1 }),
    includeFencedBrokers: boolean({ since: 2 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, default: null }),
    endpointType: int8({ since: 1, default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullableSince: 0, default: null }),
      isFenced: boolean({ since: 2 }),
    }),
    clusterAuthorizedOperations: int32({ default: -0x8000_0000 }),
  },
})
