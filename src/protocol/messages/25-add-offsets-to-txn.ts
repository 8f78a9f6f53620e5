/**
 * AddOffsetsToTxn: a group's offsets join a transaction.
 */
import { Api } from '../wire/api.ts'
import { int16, int32, int64, string } from '../wire/schema.ts'

export const addOffsetsToTxn = new Api({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: [0, 4],
  flexibleSince: 3,
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
  },
})
