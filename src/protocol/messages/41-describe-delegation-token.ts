/**
 * DescribeDelegationToken: delegation tokens by owner; null owners are all of them.
 */
import { Api } from '../wire/api.ts'
import { array, bytes, int16, int32, int64, string } from '../wire/schema.ts'

export const describeDelegationToken = new Api({
  key: 41,
  name: 'DescribeDelegationToken',
  versions: [1, 3],
  flexibleSince: 2,
  request: {
    owners: array(
      {
        principalType: string(),
        principalName: string(),
      },
      { nullableSince: 0 },
    ),
  },
  response: {
    errorCode: int16(),
    tokens: array({
      principalType: string(),
      principalName: string(),
      tokenRequesterPrincipalType: string({ since: 3 }),
      tokenRequesterPrincipalName: string({ since: 3 }),
      issueTimestamp: int64(),
      expiryTimestamp: int64(),
      maxTimestamp: int64(),
      tokenId: string(),
      hmac: bytes(),
      renewers: array({
        principalType: string(),
        principalName: string(),
      }),
    }),
    throttleTimeMs: int32(),
  },
})
