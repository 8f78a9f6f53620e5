/**
 * How a classic group goes from one generation to the next: wait for joins, elect, vote, answer; and the timeouts.
 *
 * The first rebalance of an empty group waits initialRebalanceDelayMs, and as long again while members keep coming, up
 * to the group's rebalance timeout: a deployment starts many members at once.
 */
import { assert } from '../../base/assert.ts'
import type { JoinGroupResponse } from '../classic-messages.ts'
import { GroupError, groupWriteError } from '../group-errors.ts'
import type { GroupSeat } from '../group-seat.ts'
import { ClassicGroup, type InitialDelay } from './classic-group.ts'
import {
  answerAll,
  answerJoin,
  answerSync,
  type ClassicMember,
  NO_BYTES,
  PROTOCOL_NAME_NULLABLE_SINCE,
  syncError,
} from './classic-member.ts'

export function newClassicGroup(seat: GroupSeat): ClassicGroup {
  const group: ClassicGroup = new ClassicGroup(
    seat,
    () => (group.initialDelay === undefined ? completeJoin(group) : extendInitialDelay(group, group.initialDelay)),
    () => expirePendingSync(group),
  )
  return group
}

/** A rebalance if the state allows one, else the end of the one that is going on, if all are there. */
export function rebalanceOrComplete(group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance') prepareRebalance(group)
  else completeIfAllJoined(group)
}

export function completeIfAllJoined(group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance' || group.initialDelay !== undefined) return
  if (group.areAllJoined()) completeJoin(group)
}

export function prepareRebalance(group: ClassicGroup): void {
  const { services } = group.seat
  if (group.state === 'CompletingRebalance') dropAssignment(group, GroupError.REBALANCE_IN_PROGRESS)
  services.timers.clear(group.syncTimer)
  group.pendingSync.clear()
  const isInitial = group.state === 'Empty'
  group.moveTo('PreparingRebalance')
  if (!isInitial) {
    if (group.areAllJoined()) completeJoin(group)
    else services.timers.set(group.joinTimer, services.nowMs + group.rebalanceTimeoutMs)
    return
  }
  const delayMs = services.config.initialRebalanceDelayMs
  group.isNewMemberAdded = false
  if (delayMs === 0) {
    if (group.areAllJoined()) completeJoin(group)
    else services.timers.set(group.joinTimer, services.nowMs + group.rebalanceTimeoutMs)
    return
  }
  const remainingMs = Math.max(group.rebalanceTimeoutMs - delayMs, 0)
  group.initialDelay = { delayMs, remainingMs }
  services.timers.set(group.joinTimer, services.nowMs + delayMs)
}

function extendInitialDelay(group: ClassicGroup, delay: InitialDelay): void {
  const { services } = group.seat
  if (!group.isNewMemberAdded || delay.remainingMs === 0) {
    completeJoin(group)
    return
  }
  group.isNewMemberAdded = false
  const next = Math.min(services.config.initialRebalanceDelayMs, delay.remainingMs)
  delay.remainingMs = Math.max(delay.remainingMs - delay.delayMs, 0)
  delay.delayMs = next
  services.timers.set(group.joinTimer, services.nowMs + next)
}

/** The wait for joins is over: whoever did not come is out, static members excepted (their session decides). */
function completeJoin(group: ClassicGroup): void {
  assert(group.state === 'PreparingRebalance', 'joins are complete only while a rebalance is prepared')
  const { services } = group.seat
  services.timers.clear(group.joinTimer)
  group.initialDelay = undefined
  for (const member of [...group.members.values()]) {
    if (member.joinReply === undefined && member.groupInstanceId === null) {
      group.remove(member, GroupError.UNKNOWN_MEMBER_ID)
    }
  }
  if (!electJoinedLeader(group) && group.members.size > 0) {
    services.timers.set(group.joinTimer, services.nowMs + group.rebalanceTimeoutMs)
    return
  }
  group.generationId += 1
  group.pendingSync.clear()
  if (group.members.size === 0) {
    becomeEmpty(group)
    return
  }
  group.protocolName = group.selectProtocol()
  group.moveTo('CompletingRebalance')
  for (const member of group.members.values()) group.pendingSync.add(member.memberId)
  services.timers.set(group.syncTimer, services.nowMs + group.rebalanceTimeoutMs)
  for (const member of [...group.members.values()]) {
    member.isNew = false
    restartSession(group, member)
    answerJoin(member, joinResponse(group, member.memberId, member.joinVersion))
  }
}

function becomeEmpty(group: ClassicGroup): void {
  group.protocolName = null
  group.moveTo('Empty')
  group.seat.write([group.record(() => NO_BYTES)], (error) => {
    // If it failed, the log still has the members; whoever loads it hears nothing from them and comes here too.
    if (error === undefined) group.isStored = true
  })
}

function electJoinedLeader(group: ClassicGroup): boolean {
  const leader = group.leaderId === null ? undefined : group.members.get(group.leaderId)
  if (leader?.joinReply !== undefined) return true
  for (const member of group.members.values()) {
    if (member.joinReply === undefined) continue
    group.leaderId = member.memberId
    return true
  }
  return false
}

export function joinResponse(group: ClassicGroup, memberId: string, apiVersion: number): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: GroupError.NONE,
    generationId: group.generationId,
    protocolType: apiVersion >= PROTOCOL_NAME_NULLABLE_SINCE ? group.protocolType : null,
    protocolName: group.protocolName,
    leader: group.leaderId ?? '',
    skipAssignment: false,
    memberId,
    members: group.leaderId === memberId ? group.memberList() : [],
  }
}

/** The assignment that was being made is void; who waits for it hears why. */
export function dropAssignment(group: ClassicGroup, errorCode: number): void {
  for (const member of [...group.members.values()]) {
    member.assignment = NO_BYTES
    if (answerSync(member, syncError(errorCode))) restartSession(group, member)
  }
}

export function restartSession(group: ClassicGroup, member: ClassicMember): void {
  const { services } = group.seat
  services.timers.set(member.sessionTimer, services.nowMs + member.sessionTimeoutMs)
}

/** Nothing was heard of a member for its session timeout. Who waits for an answer of ours is alive. */
export function expireMember(group: ClassicGroup, memberId: string): void {
  const member = group.members.get(memberId)
  if (member === undefined) return
  if (!member.isNew && (member.joinReply !== undefined || member.syncReply !== undefined)) {
    restartSession(group, member)
    return
  }
  removeMember(group, member)
}

export function removeMember(group: ClassicGroup, member: ClassicMember): void {
  group.remove(member, GroupError.UNKNOWN_MEMBER_ID)
  afterRemoval(group)
}

/** Members left or ids were taken back. */
export function afterRemoval(group: ClassicGroup): void {
  switch (group.state) {
    case 'Stable':
    case 'CompletingRebalance':
      prepareRebalance(group)
      return
    case 'PreparingRebalance':
      completeIfAllJoined(group)
      return
    case 'Empty':
      return
  }
}

function expirePendingSync(group: ClassicGroup): void {
  if (group.pendingSync.size === 0) return
  if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return
  for (const memberId of [...group.pendingSync]) {
    const member = group.members.get(memberId)
    if (member !== undefined) group.remove(member, GroupError.UNKNOWN_MEMBER_ID)
  }
  prepareRebalance(group)
}

/** An assignment could not be written: nobody gets it, and a new rebalance begins. */
export function failAssignment(group: ClassicGroup, error: Error): void {
  dropAssignment(group, groupWriteError(error))
  prepareRebalance(group)
}

/** Another process took the instance: the old one hears that it is fenced. */
export function fence(old: ClassicMember): void {
  answerAll(old, GroupError.FENCED_INSTANCE_ID, old.memberId)
}
