/**
 * ExpireDelegationToken: ends the life of a delegation token.
 */
import { Api } from '../wire/api.ts'
import { bytes, int16, int32, int64 } from '../wire/schema.ts'

export const expireDelegationToken = new Api({
  key: 40,
  name: 'ExpireDelegationToken',
  versions: [1, 2],
  flexibleSince: 2,
  request: {
    hmac: bytes(),
    expiryTimePeriodMs: int64(),
  },
  response: {
    errorCode: int16(),
    expiryTimestampMs: int64(),
    throttleTimeMs: int32(),
  },
})
