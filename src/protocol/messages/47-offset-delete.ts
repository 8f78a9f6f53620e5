/**
 * OffsetDelete: deletes offsets that a group has stored. Never flexible, although younger than KIP-482.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, string } from '../wire/schema.ts'

export const offsetDelete = new Api({
  key: 47,
  name: 'OffsetDelete',
  versions: [0, 0],
  request: {
    groupId: string(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
      }),
    }),
  },
  response: {
    errorCode: int16(),
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
})
