/**
 * InitProducerId: a producer id and epoch. Version 6 (two-phase commit) is unstable in this release and left out.
 */
import { Api } from '../wire/api.ts'
import { int16, int32, int64, string } from '../wire/schema.ts'

export const initProducerId = new Api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexibleSince: 2,
  request: {
    transactionalId: string({ nullableSince: 0 }),
    transactionTimeoutMs: int32(),
    producerId: int64({ since: 3, default: -1 }),
    producerEpoch: int16({ since: 3, default: -1 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
  },
})
