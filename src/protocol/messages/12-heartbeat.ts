/**
 * Heartbeat: a member of a classic group is alive.
 */
import { Api } from '../wire/api.ts'
import { int16, int32, string } from '../wire/schema.ts'

export const heartbeat = new Api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullableSince: 0, default: null }),
  },
  response: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
  },
})
