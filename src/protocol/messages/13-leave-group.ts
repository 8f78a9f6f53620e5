/**
 * LeaveGroup: members leave a classic group: one up to 2, several from 3 on.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, string } from '../wire/schema.ts'

export const leaveGroup = new Api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: string(),
    memberId: string({ until: 2 }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullableSince: 0, default: null }),
        reason: string({ since: 5, nullableSince: 0, default: null, ignorable: true }),
      },
      { since: 3 },
    ),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullableSince: 0 }),
        errorCode: int16(),
      },
      { since: 3 },
    ),
  },
})
