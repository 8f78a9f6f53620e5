/**
 * Produce: record batches for partitions, as the producer encoded them.
 *
 * Versions 0 to 2 are no more, yet a broker advertises 0: some clients fail to compress when the minimum is higher
 * (KAFKA-18659). With acks=0 there is no response at all. Version 13 names topics by id.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, int64, records, string, struct, uuid } from '../wire/schema.ts'

export const produce = new Api({
  key: 0,
  name: 'Produce',
  versions: [3, 13],
  flexibleSince: 9,
  request: {
    transactionalId: string({ nullableSince: 0, default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionData: array({
        index: int32(),
        records: records({ nullableSince: 0 }),
      }),
    }),
  },
  response: {
    responses: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ default: -1 }),
        logStartOffset: int64({ since: 5, default: -1, ignorable: true }),
        recordErrors: array(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ nullableSince: 0, default: null }),
          },
          { since: 8, ignorable: true },
        ),
        errorMessage: string({ since: 8, nullableSince: 0, default: null, ignorable: true }),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { since: 10, tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32(),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullableSince: 0, default: null }),
      },
      { since: 10, tag: 0 },
    ),
  },
})
