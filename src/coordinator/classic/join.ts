/**
 * JoinGroup. A join is answered when its rebalance ends; here it is parked, refused, or answered where nothing changes.
 *
 * Versions: 4 and later ask a new dynamic member to come again with the id that it is given (KIP-394), so that a lost
 * answer leaves no ghost behind; 5 knows instance ids; 9 can tell a leader that came back to keep its assignment.
 */
import { randomUuid } from '../../base/uuid.ts'
import type { JoinGroupRequest, JoinGroupResponse, Reply, RequestContext } from '../classic-messages.ts'
import { GroupError, groupWriteError } from '../group-errors.ts'
import { type ClassicGroup, keptClientText } from './classic-group.ts'
import {
  answerJoin,
  type ClassicMember,
  hasProtocols,
  joinError,
  keepProtocols,
  parkJoin,
  rebalanceTimeoutOf,
} from './classic-member.ts'
import {
  afterRemoval,
  completeIfAllJoined,
  expireMember,
  fence,
  joinResponse,
  prepareRebalance,
  rebalanceOrComplete,
  restartSession,
} from './rebalance.ts'

const KNOWN_ID_SINCE = 4
const SKIP_ASSIGNMENT_SINCE = 9

interface Join {
  readonly group: ClassicGroup
  readonly request: JoinGroupRequest
  readonly context: RequestContext
  readonly reply: Reply<JoinGroupResponse>
}

/** 0, or what is wrong with a request, whatever the group. */
export function joinRequestError(request: JoinGroupRequest, group: { readonly config: JoinLimits }): number {
  const { config } = group
  if (request.groupId === '' || Buffer.byteLength(request.groupId) > config.nameBytesMax) {
    return GroupError.INVALID_GROUP_ID
  }
  if (request.sessionTimeoutMs < config.sessionTimeoutMinMs || request.sessionTimeoutMs > config.sessionTimeoutMaxMs) {
    return GroupError.INVALID_SESSION_TIMEOUT
  }
  if (request.groupInstanceId === '' || Buffer.byteLength(request.groupInstanceId ?? '') > config.nameBytesMax) {
    return GroupError.INVALID_REQUEST
  }
  let bytes = 0
  for (const { name, metadata } of request.protocols) {
    if (Buffer.byteLength(name) > config.nameBytesMax) return GroupError.INVALID_REQUEST
    bytes += metadata.length
  }
  const isTooMuch = bytes > config.memberMetadataBytesMax || request.protocols.length > config.protocolsMax
  if (isTooMuch || Buffer.byteLength(request.protocolType) > config.nameBytesMax) return GroupError.INVALID_REQUEST
  return GroupError.NONE
}

export interface JoinLimits {
  readonly nameBytesMax: number
  readonly sessionTimeoutMinMs: number
  readonly sessionTimeoutMaxMs: number
  readonly memberMetadataBytesMax: number
  readonly protocolsMax: number
}

export function joinGroup(join: Join): void {
  const { group, request } = join
  if (!hasRoomFor(group, request)) {
    group.forgetPending(request.memberId)
    refuse(join, '', GroupError.GROUP_MAX_SIZE_REACHED)
    completeIfAllJoined(group)
  } else if (!group.accepts(request.protocolType, request.protocols)) {
    refuse(join, request.memberId, GroupError.INCONSISTENT_GROUP_PROTOCOL)
  } else if (request.memberId === '') {
    joinAsNew(join)
  } else {
    joinAsKnown(join)
  }
}

function hasRoomFor(group: ClassicGroup, { memberId, groupInstanceId }: JoinGroupRequest): boolean {
  if (group.members.has(memberId)) return true
  if (groupInstanceId !== null && group.staticMemberId(groupInstanceId) !== undefined) return true // Takes its place.
  const max = group.seat.services.config.membersMax
  return group.members.size + group.pendingJoin.size < max + (group.pendingJoin.has(memberId) ? 1 : 0)
}

function refuse({ context, reply }: Join, memberId: string, errorCode: number): void {
  reply(joinError(context.apiVersion, memberId, errorCode))
}

function joinAsNew(join: Join): void {
  const { group, request, context, reply } = join
  const { services } = group.seat
  const instanceId = request.groupInstanceId
  const memberId = `${instanceId ?? keptClientText(context.clientId)}-${randomUuid(services.random)}`
  if (instanceId !== null) {
    const known = group.members.get(group.staticMemberId(instanceId) ?? '')
    if (known === undefined) addMember(join, memberId)
    else replaceStatic(join, known, memberId)
    return
  }
  if (context.apiVersion < KNOWN_ID_SINCE) {
    addMember(join, memberId)
    return
  }
  const timer = group.seat.timer(() => {
    group.pendingJoin.delete(memberId)
    afterPendingExpired(group)
  })
  group.pendingJoin.set(memberId, timer)
  services.timers.set(timer, services.nowMs + request.sessionTimeoutMs)
  reply(joinError(context.apiVersion, memberId, GroupError.MEMBER_ID_REQUIRED))
}

/** The rebalance may have waited for that id only. */
function afterPendingExpired(group: ClassicGroup): void {
  if (group.state === 'PreparingRebalance') afterRemoval(group)
}

function joinAsKnown(join: Join): void {
  const { group, request, context, reply } = join
  const { memberId } = request
  if (group.pendingJoin.has(memberId) && request.groupInstanceId === null) {
    addMember(join, memberId)
    return
  }
  const errorCode = group.memberError(memberId, request.groupInstanceId)
  if (errorCode !== GroupError.NONE) {
    refuse(join, memberId, errorCode)
    return
  }
  const member = group.members.get(memberId)!
  switch (group.state) {
    case 'PreparingRebalance':
      updateMember(join, member)
      completeIfAllJoined(group)
      return
    case 'CompletingRebalance':
    case 'Stable': {
      const isLeaderOfStable = group.state === 'Stable' && group.leaderId === memberId
      if (!isLeaderOfStable && hasProtocols(member, request.protocols)) {
        restartSession(group, member)
        reply(joinResponse(group, memberId, context.apiVersion))
        return
      }
      updateMember(join, member)
      prepareRebalance(group)
      return
    }
    case 'Empty':
      refuse(join, memberId, GroupError.UNKNOWN_MEMBER_ID)
      return
  }
}

function addMember(join: Join, memberId: string): void {
  const { group, request, context } = join
  const { services } = group.seat
  const member = group.newMember(memberId, request.groupInstanceId, (id) => expireMember(group, id))
  member.isNew = true
  setClient(member, context)
  group.add(member, request.protocolType)
  updateMember(join, member)
  if (group.initialDelay !== undefined) group.isNewMemberAdded = true
  services.timers.set(member.sessionTimer, services.nowMs + services.config.newMemberJoinTimeoutMs)
  rebalanceOrComplete(group)
}

function setClient(member: ClassicMember, context: RequestContext): void {
  member.clientId = keptClientText(context.clientId)
  member.clientHost = keptClientText(context.clientHost)
}

function updateMember({ request, context, reply }: Join, member: ClassicMember): void {
  member.protocols = keepProtocols(request.protocols)
  member.rebalanceTimeoutMs = rebalanceTimeoutOf(request)
  member.sessionTimeoutMs = request.sessionTimeoutMs
  parkJoin(member, context, reply)
}

/** A static member comes back as a new process. Without a change of protocol nobody else has to hear of it. */
function replaceStatic(join: Join, old: ClassicMember, memberId: string): void {
  const { group, request, context } = join
  const member = group.newMember(memberId, request.groupInstanceId, (id) => expireMember(group, id))
  setClient(member, context)
  member.assignment = old.assignment
  const leaderBefore = group.leaderId
  group.replace(old, member)
  updateMember(join, member)
  restartSession(group, member)
  switch (group.state) {
    case 'Stable':
      if (group.selectProtocol() !== group.protocolName) {
        fence(old)
        prepareRebalance(group)
      } else {
        storeReplacement(join, old, member, leaderBefore)
      }
      return
    case 'CompletingRebalance':
      fence(old)
      prepareRebalance(group)
      return
    case 'PreparingRebalance':
    case 'Empty':
      fence(old)
      completeIfAllJoined(group)
      return
  }
}

function storeReplacement(join: Join, old: ClassicMember, member: ClassicMember, leaderBefore: string | null): void {
  const { group, context } = join
  group.seat.write([group.record(({ assignment }) => assignment)], (error) => {
    if (error !== undefined) {
      group.replace(member, old)
      group.leaderId = leaderBefore
      restartSession(group, old)
      answerJoin(member, joinError(context.apiVersion, '', groupWriteError(error)))
      return
    }
    group.isStored = true
    fence(old)
    const canSkip = context.apiVersion >= SKIP_ASSIGNMENT_SINCE
    const isLeader = group.leaderId === member.memberId
    const response = joinResponse(group, member.memberId, context.apiVersion)
    // A leader that cannot be told to skip hears its old id as the leader's, and so does not assign anew.
    if (canSkip) response.skipAssignment = isLeader
    else Object.assign(response, { leader: leaderBefore ?? '', members: [] })
    answerJoin(member, response)
  })
}
