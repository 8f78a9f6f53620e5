/**
 * OffsetForLeaderEpoch: where a leader epoch ends.
 *
 * A consumer's replica id is -1; the default, -2, is somebody debugging.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, int64, string } from '../wire/schema.ts'

export const offsetForLeaderEpoch = new Api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexibleSince: 4,
  request: {
    replicaId: int32({ since: 3, default: -2, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ default: -1 }),
        leaderEpoch: int32(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32({ default: -1 }),
        endOffset: int64({ default: -1 }),
      }),
    }),
  },
})
