/**
 * AlterPartitionReassignments: where replicas shall go; null replicas take a pending move back.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, string } from '../wire/schema.ts'

export const alterPartitionReassignments = new Api({
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    timeoutMs: int32({ default: 60_000 }),
    allowReplicationFactorChange: boolean({ since: 1, default: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32(), { nullableSince: 0, default: null }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    allowReplicationFactorChange: boolean({ since: 1, default: true, ignorable: true }),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0 }),
    responses: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0 }),
      }),
    }),
  },
})
