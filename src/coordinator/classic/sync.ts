/**
 * SyncGroup: the leader brings the assignment; it is written, and everyone who waits or comes later gets their part.
 */
import type { Reply, RequestContext, SyncGroupRequest, SyncGroupResponse } from '../classic-messages.ts'
import { GroupError } from '../group-errors.ts'
import type { ClassicGroup } from './classic-group.ts'
import { answerSync, type ClassicMember, NO_BYTES, parkSync, syncError } from './classic-member.ts'
import { failAssignment, restartSession } from './rebalance.ts'

export function syncGroup(
  group: ClassicGroup,
  request: SyncGroupRequest,
  _context: RequestContext,
  reply: Reply<SyncGroupResponse>,
): void {
  const errorCode = requestError(group, request)
  if (errorCode !== GroupError.NONE) {
    reply(syncError(errorCode))
    return
  }
  const member = group.members.get(request.memberId)!
  switch (group.state) {
    case 'Empty':
      reply(syncError(GroupError.UNKNOWN_MEMBER_ID))
      return
    case 'PreparingRebalance':
      reply(syncError(GroupError.REBALANCE_IN_PROGRESS))
      return
    case 'Stable':
      noteSync(group, member)
      restartSession(group, member)
      reply(syncResponse(group, member))
      return
    case 'CompletingRebalance':
      parkSync(member, reply)
      noteSync(group, member)
      if (group.leaderId === member.memberId) storeAssignment(group, request)
      return
  }
}

function requestError(group: ClassicGroup, request: SyncGroupRequest): number {
  const memberError = group.memberError(request.memberId, request.groupInstanceId)
  if (memberError !== GroupError.NONE) return memberError
  if (request.generationId !== group.generationId) return GroupError.ILLEGAL_GENERATION
  const isOtherType = request.protocolType !== null && request.protocolType !== group.protocolType
  const isOtherName = request.protocolName !== null && request.protocolName !== group.protocolName
  if (group.state !== 'PreparingRebalance' && (isOtherType || isOtherName)) {
    return GroupError.INCONSISTENT_GROUP_PROTOCOL
  }
  const { assignmentBytesMax } = group.seat.services.config
  if (request.assignments.some(({ assignment }) => assignment.length > assignmentBytesMax)) {
    return GroupError.INVALID_REQUEST
  }
  return GroupError.NONE
}

function noteSync(group: ClassicGroup, member: ClassicMember): void {
  group.pendingSync.delete(member.memberId)
  if (group.pendingSync.size === 0) group.seat.services.timers.clear(group.syncTimer)
}

function storeAssignment(group: ClassicGroup, request: SyncGroupRequest): void {
  const assignments = new Map<string, Uint8Array>()
  for (const { memberId, assignment } of request.assignments) {
    if (group.members.has(memberId)) assignments.set(memberId, Uint8Array.from(assignment))
  }
  group.seat.write([group.record(({ memberId }) => assignments.get(memberId) ?? NO_BYTES)], (error) => {
    if (error !== undefined) {
      failAssignment(group, error)
      return
    }
    group.isStored = true
    for (const member of group.members.values()) member.assignment = assignments.get(member.memberId) ?? NO_BYTES
    group.moveTo('Stable')
    for (const member of [...group.members.values()]) {
      if (answerSync(member, syncResponse(group, member))) restartSession(group, member)
    }
  })
}

function syncResponse(group: ClassicGroup, member: ClassicMember): SyncGroupResponse {
  const { protocolType, protocolName } = group
  return { throttleTimeMs: 0, errorCode: GroupError.NONE, protocolType, protocolName, assignment: member.assignment }
}
