/**
 * AlterConfigs: replaces all settings of a resource; what is not named goes back to its default.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int8, string } from '../wire/schema.ts'

export const alterConfigs = new Api({
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
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
