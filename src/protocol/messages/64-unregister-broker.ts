/**
 * UnregisterBroker: takes a broker that is gone for ever off the books.
 */
import { Api } from '../wire/api.ts'
import { int16, int32, string } from '../wire/schema.ts'

export const unregisterBroker = new Api({
  key: 64,
  name: 'UnregisterBroker',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    brokerId: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0 }),
  },
})
