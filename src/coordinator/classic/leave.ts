/**
 * Heartbeat and LeaveGroup, and what a member of a classic group must show to commit an offset.
 */
import type {
  HeartbeatRequest,
  LeaveGroupRequest,
  LeaveGroupResponse,
  Reply,
  RequestContext,
} from '../classic-messages.ts'
import { GroupError, groupWriteError } from '../group-errors.ts'
import type { OffsetCommitRequest } from '../offset-messages.ts'
import type { ClassicGroup } from './classic-group.ts'
import { afterRemoval, restartSession } from './rebalance.ts'

const BATCH_SINCE = 3

export function classicHeartbeat(group: ClassicGroup, request: HeartbeatRequest): number {
  const memberError = group.memberError(request.memberId, request.groupInstanceId)
  if (memberError !== GroupError.NONE) return memberError
  if (request.generationId !== group.generationId) return GroupError.ILLEGAL_GENERATION
  switch (group.state) {
    case 'Empty':
      return GroupError.UNKNOWN_MEMBER_ID
    case 'PreparingRebalance':
      restartSession(group, group.members.get(request.memberId)!)
      return GroupError.REBALANCE_IN_PROGRESS
    case 'CompletingRebalance':
    case 'Stable':
      restartSession(group, group.members.get(request.memberId)!)
      return GroupError.NONE
  }
}

type Leaving = LeaveGroupRequest['members'][number]

/** The members of a request of any version. */
export function leavingMembers(request: LeaveGroupRequest, apiVersion: number): readonly Leaving[] {
  return apiVersion >= BATCH_SINCE ? request.members : [{ memberId: request.memberId, groupInstanceId: null }]
}

export function leaveResponse(apiVersion: number, members: LeaveGroupResponse['members']): LeaveGroupResponse {
  const errorCode = apiVersion >= BATCH_SINCE ? GroupError.NONE : (members[0]?.errorCode ?? GroupError.NONE)
  // Before batches the answer has no members: what became of the one is the error of the whole.
  return { throttleTimeMs: 0, errorCode, members: apiVersion >= BATCH_SINCE ? members : [] }
}

export function leaveGroup(
  group: ClassicGroup,
  request: LeaveGroupRequest,
  context: RequestContext,
  reply: Reply<LeaveGroupResponse>,
): void {
  const members = leavingMembers(request, context.apiVersion).map((leaving) => ({
    memberId: leaving.memberId,
    groupInstanceId: leaving.groupInstanceId,
    errorCode: removeLeaving(group, leaving),
  }))
  if (members.some(({ errorCode }) => errorCode === GroupError.NONE)) afterRemoval(group)
  group.seat.whenWritten((error) => {
    const response = leaveResponse(context.apiVersion, members)
    if (error !== undefined) response.errorCode = groupWriteError(error)
    reply(response)
  })
}

function removeLeaving(group: ClassicGroup, { memberId, groupInstanceId }: Leaving): number {
  if (memberId !== '' && group.pendingJoin.has(memberId)) {
    group.forgetPending(memberId)
    return GroupError.NONE
  }
  // An operator removes a static member by its instance id alone.
  const isByInstance = memberId === '' && groupInstanceId !== null
  const id = isByInstance ? (group.staticMemberId(groupInstanceId) ?? '') : memberId
  const errorCode = group.memberError(id, groupInstanceId)
  if (errorCode === GroupError.NONE) group.remove(group.members.get(id)!, GroupError.UNKNOWN_MEMBER_ID)
  return errorCode
}

/** 0, or why this commit is refused. */
export function classicCommitError(group: ClassicGroup, request: OffsetCommitRequest): number {
  const { generationIdOrMemberEpoch: generationId, memberId, groupInstanceId } = request
  if (generationId < 0 && group.members.size === 0) return GroupError.NONE // Consumers that manage themselves.
  if (generationId < 0 && memberId === '' && groupInstanceId === null) return GroupError.UNKNOWN_MEMBER_ID
  const memberError = group.memberError(memberId, groupInstanceId)
  if (memberError !== GroupError.NONE) return memberError
  if (generationId !== group.generationId) return GroupError.ILLEGAL_GENERATION
  if (group.state === 'CompletingRebalance') return GroupError.REBALANCE_IN_PROGRESS
  restartSession(group, group.members.get(memberId)!)
  return GroupError.NONE
}
