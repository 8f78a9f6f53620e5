/**
 * Reconciliation of one member: from what it has to what it is to have, one heartbeat at a time (KIP-848).
 *
 *   keep      what it has and is to have
 *   revoke    what it has and is not to have: until its heartbeat no longer lists that, it stays at its epoch
 *   add       what it is to have, unless somebody else still holds it
 *
 * Invariants: a partition is added only when nobody holds it; the member's epoch never passes the target's.
 */
import { assert } from '../../base/assert.ts'
import { type CurrentAssignment, MemberState } from '../records/consumer-group-records.ts'
import { type Assignment, filter, has, isEmpty, minus, NO_PARTITIONS, partitionCount, union } from './assignment.ts'

export interface Target {
  readonly epoch: number
  readonly partitions: Assignment
}

/**
 * `owned`: what the member says that it has, null if it does not say, which is taken as everything.
 * `isFree`: whether nobody else holds a partition.
 */
export function reconcile(
  current: CurrentAssignment,
  target: Target,
  owned: Assignment | null,
  isFree: (topicId: string, partition: number) => boolean,
): CurrentAssignment {
  if (current.state === MemberState.STABLE && current.memberEpoch === target.epoch) return current
  if (current.state !== MemberState.UNREVOKED_PARTITIONS) {
    return next(current, current.memberEpoch, target, owned, isFree)
  }
  if (ownsAny(owned, current.pendingRevocation)) return current
  return next(current, Math.min(current.memberEpoch + 1, target.epoch), target, owned, isFree)
}

function next(
  current: CurrentAssignment,
  memberEpoch: number,
  target: Target,
  owned: Assignment | null,
  isFree: (topicId: string, partition: number) => boolean,
): CurrentAssignment {
  assert(memberEpoch <= target.epoch, 'a member is not ahead of the target')
  const kept = filter(current.assigned, (topicId, partition) => has(target.partitions, topicId, partition))
  const revoked = minus(current.assigned, kept)
  if (!isEmpty(revoked) && ownsAny(owned, revoked)) {
    return changed(current, memberEpoch, MemberState.UNREVOKED_PARTITIONS, kept, revoked)
  }
  const wanted = minus(target.partitions, kept)
  const added = filter(wanted, isFree)
  const isAll = partitionCount(added) === partitionCount(wanted)
  const state = isAll ? MemberState.STABLE : MemberState.UNRELEASED_PARTITIONS
  return changed(current, target.epoch, state, union(kept, added), NO_PARTITIONS)
}

function ownsAny(owned: Assignment | null, partitions: Assignment): boolean {
  if (owned === null) return true
  return !isEmpty(filter(partitions, (topicId, partition) => has(owned, topicId, partition)))
}

/** `current` itself if nothing moved: there is nothing to write then. */
function changed(
  current: CurrentAssignment,
  memberEpoch: number,
  state: number,
  assigned: Assignment,
  pendingRevocation: Assignment,
): CurrentAssignment {
  const isSame =
    current.memberEpoch === memberEpoch &&
    current.state === state &&
    partitionCount(current.assigned) === partitionCount(assigned) &&
    isEmpty(minus(assigned, current.assigned)) &&
    partitionCount(current.pendingRevocation) === partitionCount(pendingRevocation) &&
    isEmpty(minus(pendingRevocation, current.pendingRevocation))
  if (isSame) return current
  return { memberEpoch, previousMemberEpoch: current.memberEpoch, state, assigned, pendingRevocation }
}
