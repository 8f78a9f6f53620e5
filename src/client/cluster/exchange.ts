/**
 * Exchange: how an authentication talks to a broker before anything else does.
 */
import type { Api } from '../../protocol/wire/api.ts'
import type { Decoded, Encodable, Fields } from '../../protocol/wire/schema.ts'

export interface Exchange {
  readonly host: string
  request<Q extends Fields, R extends Fields>(api: Api<Q, R>, message: Encodable<Decoded<Q>>): Promise<Decoded<R>>
}
