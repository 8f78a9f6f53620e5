/**
 * AlterClientQuotas: changes quotas of clients.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, float64, int16, int32, string } from '../wire/schema.ts'

export const alterClientQuotas = new Api({
  key: 49,
  name: 'AlterClientQuotas',
  versions: [0, 1],
  flexibleSince: 1,
  request: {
    entries: array({
      entity: array({
        entityType: string(),
        entityName: string({ nullableSince: 0 }),
      }),
      ops: array({
        key: string(),
        value: float64(),
        remove: boolean(),
      }),
    }),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: int32(),
    entries: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
      entity: array({
        entityType: string(),
        entityName: string({ nullableSince: 0 }),
      }),
    }),
  },
})
