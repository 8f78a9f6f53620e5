/**
 * SaslAuthenticate: one step of an authentication: what one side says to the other.
 */
import { Api } from '../wire/api.ts'
import { bytes, int16, int64, string } from '../wire/schema.ts'

export const saslAuthenticate = new Api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    authBytes: bytes(),
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0 }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ since: 1, ignorable: true }),
  },
})
