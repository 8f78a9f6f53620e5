/**
 * ClassicMember: one member of a classic group, with the requests of its that wait.
 */
import type {
  JoinGroupRequest,
  JoinGroupResponse,
  NamedMetadata,
  Reply,
  RequestContext,
  SyncGroupResponse,
} from '../classic-messages.ts'
import { GroupError } from '../group-errors.ts'
import type { Timer } from '../timers.ts'

export const NO_BYTES = new Uint8Array(0)

export interface ClassicMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  protocols: readonly NamedMetadata[]
  assignment: Uint8Array
  joinReply: Reply<JoinGroupResponse> | undefined
  joinVersion: number
  syncReply: Reply<SyncGroupResponse> | undefined
  /** Its first join is not answered yet. */
  isNew: boolean
  readonly sessionTimer: Timer
}

/** What is kept of a request outlives its frame: bytes are copied. */
export function keepProtocols(protocols: readonly NamedMetadata[]): NamedMetadata[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Uint8Array.from(metadata) }))
}

export function rebalanceTimeoutOf(request: JoinGroupRequest): number {
  return request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
}

export function metadataOf(member: ClassicMember, protocolName: string): Uint8Array {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? NO_BYTES
}

export function hasProtocols(member: ClassicMember, protocols: readonly NamedMetadata[]): boolean {
  if (member.protocols.length !== protocols.length) return false
  return protocols.every(({ name, metadata }, index) => {
    const known = member.protocols[index]!
    return known.name === name && Buffer.compare(known.metadata, metadata) === 0
  })
}

/** Answers the join that waits, if one does. */
export function answerJoin(member: ClassicMember, response: JoinGroupResponse): void {
  const reply = member.joinReply
  member.joinReply = undefined
  reply?.(response)
}

export function answerSync(member: ClassicMember, response: SyncGroupResponse): boolean {
  const reply = member.syncReply
  member.syncReply = undefined
  reply?.(response)
  return reply !== undefined
}

/** A request of a member takes the place of one that still waits: that one's connection is gone, or soon is. */
export function parkJoin(member: ClassicMember, context: RequestContext, reply: Reply<JoinGroupResponse>): void {
  const version = member.joinVersion
  answerJoin(member, joinError(version, member.memberId, GroupError.REBALANCE_IN_PROGRESS))
  member.joinReply = reply
  member.joinVersion = context.apiVersion
}

export function parkSync(member: ClassicMember, reply: Reply<SyncGroupResponse>): void {
  answerSync(member, syncError(GroupError.REBALANCE_IN_PROGRESS))
  member.syncReply = reply
}

/** Whoever is dropped hears of it. */
export function answerAll(member: ClassicMember, errorCode: number, memberId: string): void {
  answerJoin(member, joinError(member.joinVersion, memberId, errorCode))
  answerSync(member, syncError(errorCode))
}

export const PROTOCOL_NAME_NULLABLE_SINCE = 7

export function joinError(apiVersion: number, memberId: string, errorCode: number): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: apiVersion >= PROTOCOL_NAME_NULLABLE_SINCE ? null : '',
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  }
}

export function syncError(errorCode: number): SyncGroupResponse {
  return { throttleTimeMs: 0, errorCode, protocolType: null, protocolName: null, assignment: NO_BYTES }
}
