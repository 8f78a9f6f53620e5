/**
 * AlterUserScramCredentials: sets and deletes SCRAM credentials.
 */
import { Api } from '../wire/api.ts'
import { array, bytes, int16, int32, int8, string } from '../wire/schema.ts'

export const alterUserScramCredentials = new Api({
  key: 51,
  name: 'AlterUserScramCredentials',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    deletions: array({
      name: string(),
      mechanism: int8(),
    }),
    upsertions: array({
      name: string(),
      mechanism: int8(),
      iterations: int32(),
      salt: bytes(),
      saltedPassword: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
    }),
  },
})
