/**
 * OffsetFetch: stored offsets of groups.
 *
 * Up to 7 one group stands at the top, from 8 on there is an array of groups; null topics are all of them. Version 10
 * names topics by id.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int64, string, uuid } from '../wire/schema.ts'

export const offsetFetch = new Api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 10],
  flexibleSince: 6,
  request: {
    groupId: string({ until: 7 }),
    topics: array(
      {
        name: string(),
        partitionIndexes: array(int32()),
      },
      { until: 7, nullableSince: 2 },
    ),
    groups: array(
      {
        groupId: string(),
        memberId: string({ since: 9, nullableSince: 0, default: null, ignorable: true }),
        memberEpoch: int32({ since: 9, default: -1, ignorable: true }),
        topics: array(
          {
            name: string({ until: 9, ignorable: true }),
            topicId: uuid({ since: 10, ignorable: true }),
            partitionIndexes: array(int32()),
          },
          { nullableSince: 0 },
        ),
      },
      { since: 8 },
    ),
    requireStable: boolean({ since: 7 }),
  },
  response: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    topics: array(
      {
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32({ since: 5, default: -1, ignorable: true }),
          metadata: string({ nullableSince: 0 }),
          errorCode: int16(),
        }),
      },
      { until: 7 },
    ),
    errorCode: int16({ since: 2, until: 7, ignorable: true }),
    groups: array(
      {
        groupId: string(),
        topics: array({
          name: string({ until: 9, ignorable: true }),
          topicId: uuid({ since: 10, ignorable: true }),
          partitions: array({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ default: -1 }),
            metadata: string({ nullableSince: 0 }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16(),
      },
      { since: 8 },
    ),
  },
})
