/**
 * Metadata: brokers, topics, partitions and their leaders.
 *
 * All topics: an empty array in version 0, null later, when an empty array is none. A topic may go by id from 12 on.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, string, uuid } from '../wire/schema.ts'

export const metadata = new Api({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexibleSince: 9,
  request: {
    topics: array(
      {
        topicId: uuid({ since: 10, ignorable: true }),
        name: string({ nullableSince: 10 }),
      },
      { nullableSince: 1 },
    ),
    allowAutoTopicCreation: boolean({ since: 4, default: true }),
    includeClusterAuthorizedOperations: boolean({ since: 8, until: 10 }),
    includeTopicAuthorizedOperations: boolean({ since: 8 }),
  },
  response: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ since: 1, nullableSince: 0, default: null, ignorable: true }),
    }),
    clusterId: string({ since: 2, nullableSince: 0, default: null, ignorable: true }),
    controllerId: int32({ since: 1, default: -1, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string({ nullableSince: 12 }),
      topicId: uuid({ since: 10, ignorable: true }),
      isInternal: boolean({ since: 1, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ since: 7, default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { since: 5, ignorable: true }),
      }),
      topicAuthorizedOperations: int32({ since: 8, default: -0x8000_0000 }),
    }),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, default: -0x8000_0000 }),
    errorCode: int16({ since: 13, ignorable: true }),
  },
})
