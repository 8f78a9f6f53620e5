/**
 * DescribeAcls: the ACLs that a filter matches.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, int8, string } from '../wire/schema.ts'

export const describeAcls = new Api({
  key: 29,
  name: 'DescribeAcls',
  versions: [1, 3],
  flexibleSince: 2,
  request: {
    resourceTypeFilter: int8(),
    resourceNameFilter: string({ nullableSince: 0 }),
    patternTypeFilter: int8({ default: 3 }),
    principalFilter: string({ nullableSince: 0 }),
    hostFilter: string({ nullableSince: 0 }),
    operation: int8(),
    permissionType: int8(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0 }),
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      patternType: int8({ default: 3 }),
      acls: array({
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
})
