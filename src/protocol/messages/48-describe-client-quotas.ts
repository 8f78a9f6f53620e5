/**
 * DescribeClientQuotas: quotas of clients by their entities.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, float64, int16, int32, int8, string } from '../wire/schema.ts'

export const describeClientQuotas = new Api({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: [0, 1],
  flexibleSince: 1,
  request: {
    components: array({
      entityType: string(),
      matchType: int8(),
      match: string({ nullableSince: 0 }),
    }),
    strict: boolean(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0 }),
    entries: array(
      {
        entity: array({
          entityType: string(),
          entityName: string({ nullableSince: 0 }),
        }),
        values: array({
          key: string(),
          value: float64(),
        }),
      },
      { nullableSince: 0 },
    ),
  },
})
