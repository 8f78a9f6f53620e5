/** The link to the group coordinator where there is none: every question is refused. */
import { VltavaError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'

export const NO_GROUPS: GroupLink = {
  coordinate: () => Promise.reject(new VltavaError('LOG_CLOSED', 'this log has no group coordinator')),
  onGroupNews: () => () => undefined,
}
