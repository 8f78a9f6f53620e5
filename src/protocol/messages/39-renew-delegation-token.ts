/**
 * RenewDelegationToken: extends the life of a delegation token.
 */
import { Api } from '../wire/api.ts'
import { bytes, int16, int32, int64 } from '../wire/schema.ts'

export const renewDelegationToken = new Api({
  key: 39,
  name: 'RenewDelegationToken',
  versions: [1, 2],
  flexibleSince: 2,
  request: {
    hmac: bytes(),
    renewPeriodMs: int64(),
  },
  response: {
    errorCode: int16(),
    expiryTimestampMs: int64(),
    throttleTimeMs: int32(),
  },
})
