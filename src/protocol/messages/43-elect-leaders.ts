/**
 * ElectLeaders: elects leaders of partitions anew; null is every partition.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, int8, string } from '../wire/schema.ts'

export const electLeaders = new Api({
  key: 43,
  name: 'ElectLeaders',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    electionType: int8({ since: 1 }),
    topicPartitions: array(
      {
        topic: string(),
        partitions: array(int32()),
      },
      { nullableSince: 0 },
    ),
    timeoutMs: int32({ default: 60_000 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 1 }),
    replicaElectionResults: array({
      topic: string(),
      partitionResult: array({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0 }),
      }),
    }),
  },
})
