/**
 * Changes of a consumer group: how they get into the log and then into the group, and the answer if they do not.
 */
import type { ConsumerGroupHeartbeatResponse } from '../consumer-messages.ts'
import { GroupError, groupWriteError } from '../group-errors.ts'
import { type ConsumerGroupChange, consumerGroupRecord } from '../records/consumer-group-records.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import type { Refusal } from './heartbeat-checks.ts'

/** Writes and then applies; at once if there is nothing to write. */
export function writeChanges(
  group: ConsumerGroup,
  changes: readonly ConsumerGroupChange[],
  then: (errorCode: number) => void,
): void {
  if (changes.length === 0) {
    then(GroupError.NONE)
    return
  }
  const records = changes.map((change) => consumerGroupRecord(group.seat.groupId, change))
  group.seat.write(records, (error) => {
    if (error === undefined) for (const change of changes) group.apply(change)
    else group.checkedCatalogueVersion = -1 // What was found out is not in the log: look again.
    then(error === undefined ? GroupError.NONE : groupWriteError(error))
  })
}

/** The member is gone from every record; whether the group's epoch moves is the caller's to say. */
export function fenceChanges(group: ConsumerGroup, memberId: string): ConsumerGroupChange[] {
  const changes: ConsumerGroupChange[] = [{ kind: 'current', memberId, value: null }]
  if (group.targets.has(memberId)) changes.push({ kind: 'target', memberId, value: null })
  changes.push({ kind: 'member', memberId, value: null })
  return changes
}

export function heartbeatError({ errorCode, message }: Refusal): ConsumerGroupHeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    errorMessage: message,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  }
}
