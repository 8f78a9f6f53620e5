/**
 * CreateAcls: creates ACLs.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, int8, string } from '../wire/schema.ts'

export const createAcls = new Api({
  key: 30,
  name: 'CreateAcls',
  versions: [1, 3],
  flexibleSince: 2,
  request: {
    creations: array({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8({ default: 3 }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
    }),
  },
})
