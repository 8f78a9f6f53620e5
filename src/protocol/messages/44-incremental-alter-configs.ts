/**
 * IncrementalAlterConfigs: sets, unsets, appends to or subtracts from single settings.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int8, string } from '../wire/schema.ts'

export const incrementalAlterConfigs = new Api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleSince: 1,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        configOperation: int8(),
        value: string({ nullableSince: 0 }),
      }),
    }),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: int32(),
    responses: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
})
