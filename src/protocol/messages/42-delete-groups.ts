/**
 * DeleteGroups: deletes groups that have no members.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, string } from '../wire/schema.ts'

export const deleteGroups = new Api({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    groupsNames: array(string()),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      groupId: string(),
      errorCode: int16(),
    }),
  },
})
