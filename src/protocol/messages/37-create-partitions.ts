/**
 * CreatePartitions: raises the number of partitions.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, string } from '../wire/schema.ts'

export const createPartitions = new Api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexibleSince: 2,
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array(
        {
          brokerIds: array(int32()),
        },
        { nullableSince: 0 },
      ),
    }),
    timeoutMs: int32(),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, default: null }),
    }),
  },
})
