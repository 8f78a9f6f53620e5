/**
 * EndTxn: commits or aborts a transaction. From 5 on the answer carries the epoch to go on with (KIP-890).
 */
import { Api } from '../wire/api.ts'
import { boolean, int16, int32, int64, string } from '../wire/schema.ts'

export const endTxn = new Api({
  key: 26,
  name: 'EndTxn',
  versions: [0, 5],
  flexibleSince: 3,
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: boolean(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ since: 5, default: -1, ignorable: true }),
    producerEpoch: int16({ since: 5, default: -1, ignorable: true }),
  },
})
