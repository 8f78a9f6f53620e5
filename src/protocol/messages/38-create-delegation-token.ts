/**
 * CreateDelegationToken: makes a delegation token.
 */
import { Api } from '../wire/api.ts'
import { array, bytes, int16, int32, int64, string } from '../wire/schema.ts'

export const createDelegationToken = new Api({
  key: 38,
  name: 'CreateDelegationToken',
  versions: [1, 3],
  flexibleSince: 2,
  request: {
    ownerPrincipalType: string({ since: 3, nullableSince: 0 }),
    ownerPrincipalName: string({ since: 3, nullableSince: 0 }),
    renewers: array({
      principalType: string(),
      principalName: string(),
    }),
    maxLifetimeMs: int64(),
  },
  response: {
    errorCode: int16(),
    principalType: string(),
    principalName: string(),
    tokenRequesterPrincipalType: string({ since: 3 }),
    tokenRequesterPrincipalName: string({ since: 3 }),
    issueTimestampMs: int64(),
    expiryTimestampMs: int64(),
    maxTimestampMs: int64(),
    tokenId: string(),
    hmac: bytes(),
    throttleTimeMs: int32(),
  },
})
