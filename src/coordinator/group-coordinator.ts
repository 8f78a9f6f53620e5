/**
 * GroupCoordinator: the groups of one partition of `__consumer_offsets`. A state machine: requests, time and the ends
 * of appends come in by calls, answers and records go out by calls; it has no clock, no timers of its own, no I/O.
 * Owned by the partition's shard; nothing here may be called from two threads.
 *
 *   load(key, value)...   every record of the partition, in order
 *   loaded(now, wall)     from here on requests are served; before, they hear COORDINATOR_LOAD_IN_PROGRESS
 *   advance(now, wall)    first thing in each step: time moves only here, and what is due fires
 *   handle...()           each calls its `reply` exactly once, at once or later, also inside the call
 *   stop()                everyone who waits hears NOT_COORDINATOR; so does whoever comes
 *
 * Records go through `append`, which calls `onWritten` once, when they are as durable as they are to be, or with the
 * error. Records of one call are written all or none; calls take effect in their order. After an error the state is
 * what the log says.
 *
 * Bounds: group-config.ts.
 */
import { assert } from '../base/assert.ts'
import type * as Classic from './classic-messages.ts'
import type { Reply, RequestContext } from './classic-messages.ts'
import { joinError, syncError } from './classic/classic-member.ts'
import { joinGroup, joinRequestError } from './classic/join.ts'
import { classicHeartbeat, leaveGroup, leaveResponse, leavingMembers } from './classic/leave.ts'
import { syncGroup } from './classic/sync.ts'
import type * as Consumer from './consumer-messages.ts'
import { heartbeatError } from './consumer/changes.ts'
import { LEAVE_EPOCH, STATIC_LEAVE_EPOCH } from './consumer/consumer-group.ts'
import { consumerHeartbeat } from './consumer/heartbeat.ts'
import { heartbeatRefusal } from './consumer/heartbeat-checks.ts'
import { leaveConsumerGroup } from './consumer/leave.ts'
import { type CoordinatorOptions, CoordinatorState } from './coordinator-state.ts'
import {
  describeClassic,
  describeConsumer,
  emptyConsumerDescription,
  emptyDescription,
  listedGroup,
  matchesFilter,
} from './describe.ts'
import { convertTo, deleteGroup } from './group-deletion.ts'
import type { GroupEntry } from './group-entry.ts'
import { type FoundMember, hasNews, keepAlive, membersFrom } from './group-watch.ts'
import { GroupError } from './group-errors.ts'
import type { LaneKind } from './group-lane.ts'
import { randomUuid } from '../base/uuid.ts'
import { commitError, commitOffsets } from './offsets/commit.ts'
import { deleteOffsets, offsetDeleteError } from './offsets/delete.ts'
import { fetchOffsets } from './offsets/fetch.ts'
import { OffsetSweep } from './offsets/sweep.ts'
import type * as Offsets from './offset-messages.ts'
import { Rewrite } from './rewrite.ts'

export class GroupCoordinator {
  readonly #state: CoordinatorState
  readonly #sweep: OffsetSweep
  #phase: 'loading' | 'active' | 'stopped' = 'loading'

  constructor(options: CoordinatorOptions) {
    this.#state = new CoordinatorState(options)
    this.#sweep = new OffsetSweep(this.#state)
  }

  load(key: Uint8Array, value: Uint8Array | null): void {
    assert(this.#phase === 'loading', 'records are loaded before requests are served')
    this.#state.load(key, value)
  }

  loaded(nowMs: number, wallMs: number): void {
    assert(this.#phase === 'loading', 'a coordinator is loaded once')
    this.#phase = 'active'
    this.#state.nowMs = nowMs
    this.#state.wallMs = Math.floor(wallMs)
    this.#sweep.start()
    this.#state.finishLoad()
  }

  /** `nowMs` is monotonic and decides every timeout; `wallMs` is for what is stored. True if something fired. */
  advance(nowMs: number, wallMs: number): boolean {
    if (this.#phase !== 'active') return false
    this.#state.nowMs = Math.max(nowMs, this.#state.nowMs)
    this.#state.wallMs = Math.floor(wallMs)
    const hasSwept = this.#sweep.step()
    return this.#state.timers.fireDue(this.#state.nowMs) || hasSwept
  }

  /** When advance() next has something to do; Infinity for never. */
  nextDeadlineMs(): number {
    if (this.#phase !== 'active') return Infinity
    return Math.min(this.#state.timers.nextDeadlineMs, this.#sweep.nextMs)
  }

  /** Topics came, went or got partitions: groups look at their next heartbeat. */
  topicsChanged(): void {
    this.#state.catalogueVersion += 1
  }

  /** Offsets of deleted topics go. */
  topicsDeleted(names: readonly string[]): void {
    this.topicsChanged()
    if (this.#phase === 'active') this.#sweep.deleteTopics(names)
  }

  stop(): void {
    if (this.#phase === 'stopped') return
    this.#phase = 'stopped'
    for (const entry of [...this.#state.entries.values()]) {
      entry.lane.close()
      entry.forgetGroup(GroupError.NOT_COORDINATOR)
    }
  }

  /** Groups that look otherwise than at the last call; the caller looks with hasNews() what that means to members. */
  takeChanged(): ReadonlySet<string> {
    return this.#state.takeChanged()
  }

  /** Whether a heartbeat of this member would tell it something, its being out of the group included. */
  hasNews(groupId: string, memberId: string): boolean {
    return hasNews(this.#state.entries.get(groupId), memberId)
  }

  /** Begins the member's session anew, as a heartbeat does: for members whose life is seen in another way. */
  keepAlive(groupId: string, memberId: string): void {
    const entry = this.#state.entries.get(groupId)
    if (this.#phase === 'active' && entry !== undefined) keepAlive(entry, memberId)
  }

  /** Members that came from this client host. */
  membersFrom(clientHost: string): FoundMember[] {
    return [...this.#state.entries.values()].flatMap((entry) => membersFrom(entry, clientHost))
  }

  /**
   * Appends all that lives once more, group by group, beside the requests that go on meanwhile. `then` hears of the end
   * or of the first error; not at all if the coordinator stops before. What lay in the log before the call is dead when
   * `then` hears no error.
   */
  rewrite(then: (error: Error | undefined) => void): void {
    assert(this.#phase === 'active', 'a loaded coordinator rewrites what it has')
    new Rewrite(this.#state, then).step()
  }

  get groupCount(): number {
    return this.#state.entries.size
  }

  handleJoinGroup(
    request: Classic.JoinGroupRequest,
    context: RequestContext,
    reply: Reply<Classic.JoinGroupResponse>,
  ): void {
    const { groupId, memberId } = request
    const refuse = (errorCode: number): void => reply(joinError(context.apiVersion, memberId, errorCode))
    const errorCode = this.#error() || joinRequestError(request, this.#state)
    if (errorCode !== GroupError.NONE) refuse(errorCode)
    else if (memberId !== '' && this.#state.entries.get(groupId)?.exists !== true) refuse(GroupError.UNKNOWN_MEMBER_ID)
    else {
      this.#inTurn('plain', groupId, refuse, (entry) => {
        if (entry.consumer?.isEmpty === false) {
          refuse(GroupError.INCONSISTENT_GROUP_PROTOCOL)
          return
        }
        if (memberId !== '' && entry.classic === undefined) {
          refuse(GroupError.UNKNOWN_MEMBER_ID)
          return
        }
        convertTo('classic', entry, (failed) => {
          if (failed !== GroupError.NONE) refuse(failed)
          else joinGroup({ group: entry.classicGroup(), request, context, reply })
        })
      })
    }
  }

  handleSyncGroup(
    request: Classic.SyncGroupRequest,
    context: RequestContext,
    reply: Reply<Classic.SyncGroupResponse>,
  ): void {
    const refuse = (errorCode: number): void => reply(syncError(errorCode))
    this.#inKnown('plain', request.groupId, refuse, GroupError.UNKNOWN_MEMBER_ID, ({ classic }) => {
      if (classic === undefined) refuse(GroupError.UNKNOWN_MEMBER_ID)
      else syncGroup(classic, request, context, reply)
    })
  }

  handleHeartbeat(
    request: Classic.HeartbeatRequest,
    _context: RequestContext,
    reply: Reply<Classic.HeartbeatResponse>,
  ): void {
    const answer = (errorCode: number): void => reply({ throttleTimeMs: 0, errorCode })
    this.#inKnown('plain', request.groupId, answer, GroupError.UNKNOWN_MEMBER_ID, ({ classic }) =>
      answer(classic === undefined ? GroupError.UNKNOWN_MEMBER_ID : classicHeartbeat(classic, request)),
    )
  }

  handleLeaveGroup(
    request: Classic.LeaveGroupRequest,
    context: RequestContext,
    reply: Reply<Classic.LeaveGroupResponse>,
  ): void {
    const refuse = (errorCode: number): void => reply({ ...leaveResponse(context.apiVersion, []), errorCode })
    const unknown = (): void => {
      const members = leavingMembers(request, context.apiVersion).map(({ memberId, groupInstanceId }) => ({
        memberId,
        groupInstanceId,
        errorCode: GroupError.UNKNOWN_MEMBER_ID,
      }))
      reply(leaveResponse(context.apiVersion, members))
    }
    const answer = (errorCode: number): void => {
      if (errorCode === GroupError.UNKNOWN_MEMBER_ID) unknown()
      else refuse(errorCode)
    }
    this.#inKnown('plain', request.groupId, answer, GroupError.UNKNOWN_MEMBER_ID, ({ classic }) => {
      if (classic === undefined) unknown()
      else leaveGroup(classic, request, context, reply)
    })
  }

  handleOffsetCommit(
    request: Offsets.OffsetCommitRequest,
    context: RequestContext,
    reply: Reply<Offsets.OffsetCommitResponse>,
  ): void {
    const refuse = (errorCode: number): void => reply(commitError(request, errorCode))
    const errorCode = this.#error() || this.#groupIdError(request.groupId)
    if (errorCode !== GroupError.NONE) refuse(errorCode)
    else {
      this.#inTurn('commit', request.groupId, refuse, (entry) =>
        commitOffsets(entry, request, context, this.#state.nextCommitSequence(), reply),
      )
    }
  }

  handleOffsetFetch(
    request: Offsets.OffsetFetchRequest,
    context: RequestContext,
    reply: Reply<Offsets.OffsetFetchResponse>,
  ): void {
    const entryOf = (groupId: string): GroupEntry | undefined => this.#state.entries.get(groupId)
    reply(fetchOffsets(request, context.apiVersion, this.#state.topics, entryOf, this.#error()))
  }

  handleOffsetDelete(
    request: Offsets.OffsetDeleteRequest,
    _context: RequestContext,
    reply: Reply<Offsets.OffsetDeleteResponse>,
  ): void {
    const refuse = (errorCode: number): void => reply(offsetDeleteError(errorCode))
    this.#inKnown('alone', request.groupId, refuse, GroupError.GROUP_ID_NOT_FOUND, (entry) =>
      deleteOffsets(entry, request, reply),
    )
  }

  handleDescribeGroups(
    request: Classic.DescribeGroupsRequest,
    context: RequestContext,
    reply: Reply<Classic.DescribeGroupsResponse>,
  ): void {
    const errorCode = this.#error()
    const groups = request.groups.map((groupId) =>
      errorCode === GroupError.NONE
        ? describeClassic(groupId, this.#state.entries.get(groupId), context.apiVersion)
        : emptyDescription(groupId, errorCode),
    )
    reply({ throttleTimeMs: 0, groups })
  }

  handleListGroups(
    request: Classic.ListGroupsRequest,
    _context: RequestContext,
    reply: Reply<Classic.ListGroupsResponse>,
  ): void {
    const errorCode = this.#error()
    const groups = errorCode === GroupError.NONE ? [...this.#state.entries.values()] : []
    const listed = groups
      .filter((entry) => entry.exists)
      .map(listedGroup)
      .filter(({ groupState, groupType }) => {
        return matchesFilter(request.statesFilter, groupState) && matchesFilter(request.typesFilter, groupType)
      })
    reply({ throttleTimeMs: 0, errorCode, groups: listed })
  }

  handleDeleteGroups(
    request: Classic.DeleteGroupsRequest,
    _context: RequestContext,
    reply: Reply<Classic.DeleteGroupsResponse>,
  ): void {
    const results: Classic.DeleteGroupsResponse['results'] = request.groupsNames.map((groupId) => ({
      groupId,
      errorCode: GroupError.NONE,
    }))
    let left = results.length
    if (left === 0) reply({ throttleTimeMs: 0, results })
    for (const result of results) {
      const answer = (errorCode: number): void => {
        result.errorCode = errorCode
        left -= 1
        if (left === 0) reply({ throttleTimeMs: 0, results })
      }
      this.#inKnown('alone', result.groupId, answer, GroupError.GROUP_ID_NOT_FOUND, (entry) =>
        deleteGroup(entry, answer),
      )
    }
  }

  handleConsumerGroupHeartbeat(
    request: Consumer.ConsumerGroupHeartbeatRequest,
    context: RequestContext,
    reply: Reply<Consumer.ConsumerGroupHeartbeatResponse>,
  ): void {
    const refuse = (errorCode: number): void => reply(heartbeatError({ errorCode, message: '' }))
    const unknown = (): void =>
      reply(heartbeatError({ errorCode: GroupError.GROUP_ID_NOT_FOUND, message: 'there is no such consumer group' }))
    const errorCode = this.#error()
    const refusal = heartbeatRefusal(request, context.apiVersion, this.#state.config)
    if (errorCode !== GroupError.NONE) refuse(errorCode)
    else if (refusal !== undefined) reply(heartbeatError(refusal))
    else if (request.memberEpoch !== 0) {
      this.#inKnown('plain', request.groupId, refuse, GroupError.GROUP_ID_NOT_FOUND, ({ consumer }) => {
        const isLeave = request.memberEpoch === LEAVE_EPOCH || request.memberEpoch === STATIC_LEAVE_EPOCH
        if (consumer === undefined) unknown()
        else if (isLeave) leaveConsumerGroup(consumer, request, reply)
        else consumerHeartbeat(consumer, request, context, reply)
      })
    } else {
      this.#inTurn('plain', request.groupId, refuse, (entry) => this.#joinConsumer(entry, request, context, reply))
    }
  }

  #joinConsumer(
    entry: GroupEntry,
    request: Consumer.ConsumerGroupHeartbeatRequest,
    context: RequestContext,
    reply: Reply<Consumer.ConsumerGroupHeartbeatResponse>,
  ): void {
    const { classic } = entry
    const memberId = request.memberId === '' ? randomUuid(this.#state.random) : request.memberId
    if (classic !== undefined && (classic.state !== 'Empty' || classic.pendingJoin.size > 0)) {
      const message = 'members of the group use the classic protocol'
      reply(heartbeatError({ errorCode: GroupError.INCONSISTENT_GROUP_PROTOCOL, message }))
      return
    }
    convertTo('consumer', entry, (errorCode) => {
      if (errorCode !== GroupError.NONE) reply(heartbeatError({ errorCode, message: '' }))
      else consumerHeartbeat(entry.consumerGroup(), { ...request, memberId }, context, reply)
    })
  }

  handleConsumerGroupDescribe(
    request: Consumer.ConsumerGroupDescribeRequest,
    _context: RequestContext,
    reply: Reply<Consumer.ConsumerGroupDescribeResponse>,
  ): void {
    const errorCode = this.#error()
    const groups = request.groupIds.map((groupId) =>
      errorCode === GroupError.NONE
        ? describeConsumer(groupId, this.#state.entries.get(groupId), this.#state.topics)
        : emptyConsumerDescription(groupId, errorCode, null),
    )
    reply({ throttleTimeMs: 0, groups })
  }

  /** 0, or why nothing can be served now. */
  #error(): number {
    if (this.#phase === 'loading') return GroupError.COORDINATOR_LOAD_IN_PROGRESS
    return this.#phase === 'stopped' ? GroupError.NOT_COORDINATOR : GroupError.NONE
  }

  #groupIdError(groupId: string): number {
    const isTooLong = Buffer.byteLength(groupId) > this.#state.config.nameBytesMax
    return isTooLong ? GroupError.INVALID_GROUP_ID : GroupError.NONE
  }

  /** Runs in the group's turn; the group is made if there is room. */
  #inTurn(
    kind: LaneKind,
    groupId: string,
    refuse: (errorCode: number) => void,
    run: (entry: GroupEntry) => void,
  ): void {
    if (this.#state.isFull && !this.#state.entries.has(groupId)) {
      refuse(GroupError.COORDINATOR_NOT_AVAILABLE)
      return
    }
    const entry = this.#state.entry(groupId)
    const tooMuch = (): void => refuse(this.#error() || GroupError.COORDINATOR_NOT_AVAILABLE)
    entry.lane.request(kind, () => run(entry), tooMuch)
    this.#state.releaseIfVoid(entry)
  }

  /** The same for a group that has to be there. */
  #inKnown(
    kind: LaneKind,
    groupId: string,
    refuse: (errorCode: number) => void,
    unknownCode: number,
    run: (entry: GroupEntry) => void,
  ): void {
    const errorCode = this.#error()
    if (errorCode !== GroupError.NONE) refuse(errorCode)
    else if (!this.#state.entries.has(groupId)) refuse(unknownCode)
    else this.#inTurn(kind, groupId, refuse, run)
  }
}
