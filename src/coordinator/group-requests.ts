/**
 * Requests about groups, by their API: which coordinator method takes one, which groups it names, how a request that
 * names groups of several coordinators is split and its answers are joined, and what it is answered where no
 * coordinator can be asked.
 *
 * Messages come in as decoded by protocol/messages; the plain types of *-messages.ts are the same, read-only.
 */
import { assert } from '../base/assert.ts'
import type * as Classic from './classic-messages.ts'
import { joinError, syncError } from './classic/classic-member.ts'
import { leaveResponse } from './classic/leave.ts'
import type * as Consumer from './consumer-messages.ts'
import { heartbeatError } from './consumer/changes.ts'
import { emptyConsumerDescription, emptyDescription } from './describe.ts'
import type { GroupCoordinator } from './group-coordinator.ts'
import type * as Offsets from './offset-messages.ts'
import { commitError } from './offsets/commit.ts'
import { offsetDeleteError } from './offsets/delete.ts'
import { refuseFetch } from './offsets/fetch.ts'

export const GroupApi = {
  OFFSET_COMMIT: 8,
  OFFSET_FETCH: 9,
  JOIN_GROUP: 11,
  HEARTBEAT: 12,
  LEAVE_GROUP: 13,
  SYNC_GROUP: 14,
  DESCRIBE_GROUPS: 15,
  LIST_GROUPS: 16,
  DELETE_GROUPS: 42,
  OFFSET_DELETE: 47,
  CONSUMER_GROUP_HEARTBEAT: 68,
  CONSUMER_GROUP_DESCRIBE: 69,
} as const

const OFFSET_FETCH_GROUPS_SINCE = 8

/** One API with its request Q and response R. */
interface GroupApiShape<Q, R> {
  handle(coordinator: GroupCoordinator, request: Q, context: Classic.RequestContext, reply: Classic.Reply<R>): void
  refuse(request: Q, apiVersion: number, errorCode: number): R
  /** The groups that it names; undefined: the request is for every coordinator. */
  groups(request: Q, apiVersion: number): readonly string[] | undefined
  /** The same request about some of its groups. */
  about?(request: Q, groups: ReadonlySet<string>): Q
  /** One answer made of several, each about some of the request's groups. */
  join?(request: Q, answers: readonly R[]): R
}

type AnyShape = GroupApiShape<object, object>

/** Whoever takes an entry out passes it what its API sends: see `shapeOf`. */
function shape<Q extends object, R extends object>(of: GroupApiShape<Q, R>): AnyShape {
  return of
}

const oneGroup = ({ groupId }: { readonly groupId: string }): readonly string[] => [groupId]

const SHAPES: ReadonlyMap<number, AnyShape> = new Map([
  [
    GroupApi.OFFSET_COMMIT,
    shape<Offsets.OffsetCommitRequest, Offsets.OffsetCommitResponse>({
      handle: (coordinator, ...call) => coordinator.handleOffsetCommit(...call),
      refuse: (request, _version, errorCode) => commitError(request, errorCode),
      groups: oneGroup,
    }),
  ],
  [
    GroupApi.OFFSET_FETCH,
    shape<Offsets.OffsetFetchRequest, Offsets.OffsetFetchResponse>({
      handle: (coordinator, ...call) => coordinator.handleOffsetFetch(...call),
      refuse: (request, version, errorCode) => refuseFetch(request, version, errorCode),
      groups: (request, version) =>
        version >= OFFSET_FETCH_GROUPS_SINCE ? request.groups.map(({ groupId }) => groupId) : [request.groupId],
      about: (request, groups) => ({
        ...request,
        groups: request.groups.filter(({ groupId }) => groups.has(groupId)),
      }),
      join: (request, answers) => {
        const ids = request.groups.map(({ groupId }) => groupId)
        const groups = inOrder(ids, answers, (answer) => answer.groups)
        return { throttleTimeMs: 0, topics: [], errorCode: 0, groups }
      },
    }),
  ],
  [
    GroupApi.JOIN_GROUP,
    shape<Classic.JoinGroupRequest, Classic.JoinGroupResponse>({
      handle: (coordinator, ...call) => coordinator.handleJoinGroup(...call),
      refuse: ({ memberId }, version, errorCode) => joinError(version, memberId, errorCode),
      groups: oneGroup,
    }),
  ],
  [
    GroupApi.HEARTBEAT,
    shape<Classic.HeartbeatRequest, Classic.HeartbeatResponse>({
      handle: (coordinator, ...call) => coordinator.handleHeartbeat(...call),
      refuse: (_request, _version, errorCode) => ({ throttleTimeMs: 0, errorCode }),
      groups: oneGroup,
    }),
  ],
  [
    GroupApi.LEAVE_GROUP,
    shape<Classic.LeaveGroupRequest, Classic.LeaveGroupResponse>({
      handle: (coordinator, ...call) => coordinator.handleLeaveGroup(...call),
      refuse: (_request, version, errorCode) => ({ ...leaveResponse(version, []), errorCode }),
      groups: oneGroup,
    }),
  ],
  [
    GroupApi.SYNC_GROUP,
    shape<Classic.SyncGroupRequest, Classic.SyncGroupResponse>({
      handle: (coordinator, ...call) => coordinator.handleSyncGroup(...call),
      refuse: (_request, _version, errorCode) => syncError(errorCode),
      groups: oneGroup,
    }),
  ],
  [
    GroupApi.DESCRIBE_GROUPS,
    shape<Classic.DescribeGroupsRequest, Classic.DescribeGroupsResponse>({
      handle: (coordinator, ...call) => coordinator.handleDescribeGroups(...call),
      refuse: ({ groups }, _version, errorCode) => ({
        throttleTimeMs: 0,
        groups: groups.map((groupId) => emptyDescription(groupId, errorCode)),
      }),
      groups: ({ groups }) => groups,
      about: (request, groups) => ({ ...request, groups: request.groups.filter((groupId) => groups.has(groupId)) }),
      join: (request, answers) => ({
        throttleTimeMs: 0,
        groups: inOrder(request.groups, answers, ({ groups }) => groups),
      }),
    }),
  ],
  [
    GroupApi.LIST_GROUPS,
    shape<Classic.ListGroupsRequest, Classic.ListGroupsResponse>({
      handle: (coordinator, ...call) => coordinator.handleListGroups(...call),
      refuse: (_request, _version, errorCode) => ({ throttleTimeMs: 0, errorCode, groups: [] }),
      groups: () => undefined,
      join: (_request, answers) => ({
        throttleTimeMs: 0,
        errorCode: answers.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0,
        groups: answers.flatMap(({ groups }) => groups),
      }),
    }),
  ],
  [
    GroupApi.DELETE_GROUPS,
    shape<Classic.DeleteGroupsRequest, Classic.DeleteGroupsResponse>({
      handle: (coordinator, ...call) => coordinator.handleDeleteGroups(...call),
      refuse: ({ groupsNames }, _version, errorCode) => ({
        throttleTimeMs: 0,
        results: groupsNames.map((groupId) => ({ groupId, errorCode })),
      }),
      groups: ({ groupsNames }) => groupsNames,
      about: ({ groupsNames }, groups) => ({ groupsNames: groupsNames.filter((groupId) => groups.has(groupId)) }),
      join: ({ groupsNames }, answers) => ({
        throttleTimeMs: 0,
        results: inOrder(groupsNames, answers, ({ results }) => results),
      }),
    }),
  ],
  [
    GroupApi.OFFSET_DELETE,
    shape<Offsets.OffsetDeleteRequest, Offsets.OffsetDeleteResponse>({
      handle: (coordinator, ...call) => coordinator.handleOffsetDelete(...call),
      refuse: (_request, _version, errorCode) => offsetDeleteError(errorCode),
      groups: oneGroup,
    }),
  ],
  [
    GroupApi.CONSUMER_GROUP_HEARTBEAT,
    shape<Consumer.ConsumerGroupHeartbeatRequest, Consumer.ConsumerGroupHeartbeatResponse>({
      handle: (coordinator, ...call) => coordinator.handleConsumerGroupHeartbeat(...call),
      refuse: (_request, _version, errorCode) => heartbeatError({ errorCode, message: 'no coordinator can be asked' }),
      groups: oneGroup,
    }),
  ],
  [
    GroupApi.CONSUMER_GROUP_DESCRIBE,
    shape<Consumer.ConsumerGroupDescribeRequest, Consumer.ConsumerGroupDescribeResponse>({
      handle: (coordinator, ...call) => coordinator.handleConsumerGroupDescribe(...call),
      refuse: ({ groupIds }, _version, errorCode) => ({
        throttleTimeMs: 0,
        groups: groupIds.map((groupId) => emptyConsumerDescription(groupId, errorCode, null)),
      }),
      groups: ({ groupIds }) => groupIds,
      about: (request, groups) => ({
        ...request,
        groupIds: request.groupIds.filter((groupId) => groups.has(groupId)),
      }),
      join: (request, answers) => ({
        throttleTimeMs: 0,
        groups: inOrder(request.groupIds, answers, ({ groups }) => groups),
      }),
    }),
  ],
])

function shapeOf(apiKey: number): AnyShape {
  const found = SHAPES.get(apiKey)
  assert(found !== undefined, 'only requests about groups come to a coordinator')
  return found
}

/** The parts of several answers in the order in which their groups were asked for; one part for each time. */
function inOrder<R, T extends { readonly groupId: string }>(
  groupIds: readonly string[],
  answers: readonly R[],
  partsOf: (answer: R) => readonly T[],
): T[] {
  const parts = new Map(answers.flatMap(partsOf).map((part) => [part.groupId, part]))
  return groupIds.flatMap((groupId) => parts.get(groupId) ?? [])
}

/** What a request is answered without a coordinator. `errorCode` is Kafka's. */
export function refuseGroupRequest(apiKey: number, apiVersion: number, request: object, errorCode: number): object {
  return shapeOf(apiKey).refuse(request, apiVersion, errorCode)
}

/**
 * Takes a request to the coordinator of each group that it names, and answers with all that they answer. `coordinators`
 * is every one there is, in the order of their partitions, undefined where it cannot be asked; `indexOf` says which of
 * them has a group. Replies once, at once or later.
 */
export function handleGroupRequest(
  coordinators: readonly (GroupCoordinator | undefined)[],
  indexOf: (groupId: string) => number,
  apiKey: number,
  request: object,
  context: Classic.RequestContext,
  unavailableCode: number,
  reply: Classic.Reply<object>,
): void {
  const { handle, refuse, groups, about, join } = shapeOf(apiKey)
  const { apiVersion } = context
  const ask = (index: number, part: object, answer: Classic.Reply<object>): void => {
    const coordinator = coordinators[index]
    if (coordinator === undefined) answer(refuse(part, apiVersion, unavailableCode))
    else handle(coordinator, part, context, answer)
  }
  const parts = new Map<number, object>()
  const named = groups(request, apiVersion)
  const indexes = new Set(named === undefined ? coordinators.keys() : named.map(indexOf))
  if (indexes.size === 1) {
    ask([...indexes][0]!, request, reply)
    return
  }
  for (const index of indexes) {
    const isOf = (groupId: string): boolean => indexOf(groupId) === index
    parts.set(index, named === undefined ? request : about!(request, new Set(named.filter(isOf))))
  }
  const answers: object[] = []
  if (parts.size === 0) reply(join!(request, answers))
  for (const [index, part] of parts) {
    ask(index, part, (answer) => {
      answers.push(answer)
      if (answers.length === parts.size) reply(join!(request, answers))
    })
  }
}
