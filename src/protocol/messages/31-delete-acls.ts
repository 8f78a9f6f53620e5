/**
 * DeleteAcls: deletes the ACLs that filters match.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, int8, string } from '../wire/schema.ts'

export const deleteAcls = new Api({
  key: 31,
  name: 'DeleteAcls',
  versions: [1, 3],
  flexibleSince: 2,
  request: {
    filters: array({
      resourceTypeFilter: int8(),
      resourceNameFilter: string({ nullableSince: 0 }),
      patternTypeFilter: int8({ default: 3 }),
      principalFilter: string({ nullableSince: 0 }),
      hostFilter: string({ nullableSince: 0 }),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    filterResults: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
      matchingAcls: array({
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0 }),
        resourceType: int8(),
        resourceName: string(),
        patternType: int8({ default: 3 }),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
})
