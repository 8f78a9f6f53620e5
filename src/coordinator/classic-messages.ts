/**
 * Requests and responses of the classic group protocol, as plain objects: the newest version of each message of
 * Kafka's protocol, with Kafka's field names. What a version lacks holds its default; what a version calls differently
 * is said at the field.
 */

/** What a coordinator must know of a request besides its body. */
export interface RequestContext {
  readonly apiVersion: number
  readonly clientId: string
  readonly clientHost: string
}

/** Called exactly once for each request. */
export type Reply<R> = (response: R) => void

export interface NamedMetadata {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinGroupRequest {
  readonly groupId: string
  readonly sessionTimeoutMs: number
  /** Version 0 lacks it: anything below 0 stands for the session timeout. */
  readonly rebalanceTimeoutMs: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly protocolType: string
  readonly protocols: readonly NamedMetadata[]
  readonly reason: string | null
}

export interface JoinGroupResponseMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Uint8Array
}

export interface JoinGroupResponse {
  throttleTimeMs: number
  errorCode: number
  generationId: number
  /** Not in versions before 7. */
  protocolType: string | null
  /** Never null in versions before 7: there an empty string. */
  protocolName: string | null
  leader: string
  skipAssignment: boolean
  memberId: string
  members: JoinGroupResponseMember[]
}

export interface SyncGroupRequest {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export interface SyncGroupResponse {
  throttleTimeMs: number
  errorCode: number
  protocolType: string | null
  protocolName: string | null
  assignment: Uint8Array
}

export interface HeartbeatRequest {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface HeartbeatResponse {
  throttleTimeMs: number
  errorCode: number
}

export interface LeaveGroupRequest {
  readonly groupId: string
  /** Versions 0 to 2; later ones have `members`. */
  readonly memberId: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly reason?: string | null
  }[]
}

export interface LeaveGroupResponse {
  throttleTimeMs: number
  /** In versions before 3 the one member's. */
  errorCode: number
  members: { memberId: string; groupInstanceId: string | null; errorCode: number }[]
}

export interface DescribeGroupsRequest {
  readonly groups: readonly string[]
  readonly includeAuthorizedOperations: boolean
}

export interface DescribedGroup {
  errorCode: number
  errorMessage: string | null
  groupId: string
  groupState: string
  protocolType: string
  protocolData: string
  members: {
    memberId: string
    groupInstanceId: string | null
    clientId: string
    clientHost: string
    memberMetadata: Uint8Array
    memberAssignment: Uint8Array
  }[]
  /** For whoever knows about authorisation to fill in. */
  authorizedOperations: number
}

export interface DescribeGroupsResponse {
  throttleTimeMs: number
  groups: DescribedGroup[]
}

export interface ListGroupsRequest {
  readonly statesFilter: readonly string[]
  readonly typesFilter: readonly string[]
}

export interface ListGroupsResponse {
  throttleTimeMs: number
  errorCode: number
  groups: { groupId: string; protocolType: string; groupState: string; groupType: string }[]
}

export interface DeleteGroupsRequest {
  readonly groupsNames: readonly string[]
}

export interface DeleteGroupsResponse {
  throttleTimeMs: number
  results: { groupId: string; errorCode: number }[]
}

/** Kafka's number for "operations were not asked for". */
export const NO_AUTHORIZED_OPERATIONS = -0x8000_0000
