/**
 * WriteTxnMarkers: writes the markers that end transactions.
 *
 * Sent by coordinators, and by the tool that aborts a hanging transaction.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int64, int8, string } from '../wire/schema.ts'

export const writeTxnMarkers = new Api({
  key: 27,
  name: 'WriteTxnMarkers',
  versions: [1, 2],
  flexibleSince: 1,
  request: {
    markers: array({
      producerId: int64(),
      producerEpoch: int16(),
      transactionResult: boolean(),
      topics: array({
        name: string(),
        partitionIndexes: array(int32()),
      }),
      coordinatorEpoch: int32(),
      transactionVersion: int8({ since: 2, ignorable: true }),
    }),
  },
  response: {
    markers: array({
      producerId: int64(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          errorCode: int16(),
        }),
      }),
    }),
  },
})
