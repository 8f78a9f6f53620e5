/**
 * SyncGroup: the leader's assignment goes in, the member's comes out.
 */
import { Api } from '../wire/api.ts'
import { array, bytes, int16, int32, string } from '../wire/schema.ts'

export const syncGroup = new Api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullableSince: 0, default: null }),
    protocolType: string({ since: 5, nullableSince: 0, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullableSince: 0, default: null, ignorable: true }),
    assignments: array({
      memberId: string(),
      assignment: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    protocolType: string({ since: 5, nullableSince: 0, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullableSince: 0, default: null, ignorable: true }),
    assignment: bytes(),
  },
})
