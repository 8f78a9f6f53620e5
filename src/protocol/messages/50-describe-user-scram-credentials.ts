/**
 * DescribeUserScramCredentials: users that have SCRAM credentials; null users are all of them.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, int8, string } from '../wire/schema.ts'

export const describeUserScramCredentials = new Api({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    users: array(
      {
        name: string(),
      },
      { nullableSince: 0 },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0 }),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
      credentialInfos: array({
        mechanism: int8(),
        iterations: int32(),
      }),
    }),
  },
})
