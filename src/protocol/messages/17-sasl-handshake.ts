/**
 * SaslHandshake: the mechanism of an authentication.
 *
 * After version 0 raw SASL tokens follow, without any header. Never flexible.
 */
import { Api } from '../wire/api.ts'
import { array, int16, string } from '../wire/schema.ts'

export const saslHandshake = new Api({
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  request: {
    mechanism: string(),
  },
  response: {
    errorCode: int16(),
    mechanisms: array(string()),
  },
})
