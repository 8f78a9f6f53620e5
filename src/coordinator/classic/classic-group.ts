/**
 * ClassicGroup: state of a group whose members choose among themselves (JoinGroup, SyncGroup, Heartbeat).
 *
 *   Empty               no members; offsets may be there
 *   PreparingRebalance  waits for the members' joins
 *   CompletingRebalance joins are answered; waits for the leader's assignment
 *   Stable              the assignment is written
 *
 * Kafka's Dead is not a state here: a deleted group is gone. What changes the state is in rebalance.ts, join.ts,
 * sync.ts and leave.ts; only whole generations, with their assignment, are records.
 *
 * Invariants: the leader is a member while there are members; a static instance names one member; a member waits for
 * sync only in CompletingRebalance.
 */
import { assert } from '../../base/assert.ts'
import type { JoinGroupResponseMember, NamedMetadata } from '../classic-messages.ts'
import { GroupError } from '../group-errors.ts'
import type { GroupSeat } from '../group-seat.ts'
import { type GroupMetadataValue, groupMetadataRecord } from '../records/group-metadata-record.ts'
import type { CoordinatorRecord } from '../records/record-codec.ts'
import type { Timer } from '../timers.ts'
import { answerAll, type ClassicMember, keepProtocols, metadataOf, NO_BYTES } from './classic-member.ts'
import { CONSUMER_PROTOCOL_TYPE, subscribedTopicsIn } from './subscribed-topics.ts'

export type ClassicState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable'

/** The delay of the first rebalance: this round, and what may still be added. */
export interface InitialDelay {
  delayMs: number
  remainingMs: number
}

const CLIENT_TEXT_MAX = 255

/** What a client calls itself, short enough to be kept for each of its members. */
export function keptClientText(text: string): string {
  return text.slice(0, CLIENT_TEXT_MAX).toWellFormed()
}

export class ClassicGroup {
  readonly seat: GroupSeat
  readonly members = new Map<string, ClassicMember>()
  /** Ids that were given out and not used yet (KIP-394), each with the timer that takes it back. */
  readonly pendingJoin = new Map<string, Timer>()
  readonly pendingSync = new Set<string>()
  readonly #memberIdOf = new Map<string, string>()
  state: ClassicState = 'Empty'
  generationId = 0
  protocolType: string | null = null
  protocolName: string | null = null
  leaderId: string | null = null
  stateTimestampMs: number
  initialDelay: InitialDelay | undefined
  /** A member came while the first rebalance is being delayed. */
  isNewMemberAdded = false
  /** Whether a record in the log speaks of this group. */
  isStored = false
  /** Ends the wait for joins. */
  readonly joinTimer: Timer
  /** Ends the wait for followers that do not sync. */
  readonly syncTimer: Timer

  constructor(seat: GroupSeat, onJoinTimeout: () => void, onSyncTimeout: () => void) {
    this.seat = seat
    this.stateTimestampMs = seat.services.wallMs
    this.joinTimer = seat.timer(onJoinTimeout)
    this.syncTimer = seat.timer(onSyncTimeout)
  }

  get isConsumer(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE
  }

  /** Nothing would be lost if it were forgotten. */
  get isVoid(): boolean {
    return this.members.size === 0 && this.pendingJoin.size === 0 && !this.isStored && this.state === 'Empty'
  }

  get rebalanceTimeoutMs(): number {
    let timeoutMs = 0
    for (const member of this.members.values()) timeoutMs = Math.max(timeoutMs, member.rebalanceTimeoutMs)
    return timeoutMs
  }

  moveTo(state: ClassicState): void {
    this.state = state
    this.stateTimestampMs = this.seat.services.wallMs
    this.seat.services.noteChange(this.seat.groupId)
  }

  staticMemberId(instanceId: string): string | undefined {
    return this.#memberIdOf.get(instanceId)
  }

  /** 0, or why a request of this member is refused. */
  memberError(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const known = this.#memberIdOf.get(groupInstanceId)
      if (known === undefined) return GroupError.UNKNOWN_MEMBER_ID
      return known === memberId ? GroupError.NONE : GroupError.FENCED_INSTANCE_ID
    }
    return this.members.has(memberId) ? GroupError.NONE : GroupError.UNKNOWN_MEMBER_ID
  }

  newMember(memberId: string, groupInstanceId: string | null, onSilence: (memberId: string) => void): ClassicMember {
    return {
      memberId,
      groupInstanceId,
      clientId: '',
      clientHost: '',
      rebalanceTimeoutMs: 0,
      sessionTimeoutMs: 0,
      protocols: [],
      assignment: NO_BYTES,
      joinReply: undefined,
      joinVersion: 0,
      syncReply: undefined,
      isNew: false,
      sessionTimer: this.seat.timer(() => onSilence(memberId)),
    }
  }

  add(member: ClassicMember, protocolType: string): void {
    assert(!this.members.has(member.memberId), 'a member is listed once')
    if (this.members.size === 0) this.protocolType = protocolType
    this.members.set(member.memberId, member)
    this.forgetPending(member.memberId)
    this.leaderId ??= member.memberId
    if (member.groupInstanceId !== null) this.#memberIdOf.set(member.groupInstanceId, member.memberId)
  }

  forgetPending(memberId: string): void {
    const timer = this.pendingJoin.get(memberId)
    if (timer === undefined) return
    this.seat.services.timers.clear(timer)
    this.pendingJoin.delete(memberId)
  }

  /** Answers what waits, with `errorCode`. */
  remove(member: ClassicMember, errorCode: number): void {
    this.members.delete(member.memberId)
    this.pendingSync.delete(member.memberId)
    this.seat.services.timers.clear(member.sessionTimer)
    const { groupInstanceId } = member
    if (groupInstanceId !== null && this.#memberIdOf.get(groupInstanceId) === member.memberId) {
      this.#memberIdOf.delete(groupInstanceId)
    }
    if (this.leaderId === member.memberId) this.leaderId = this.members.keys().next().value ?? null
    answerAll(member, errorCode, '')
  }

  /** Another process came with the same instance id: it is the same member under a new member id. */
  replace(old: ClassicMember, member: ClassicMember): void {
    const wasLeader = this.leaderId === old.memberId
    this.members.delete(old.memberId)
    this.pendingSync.delete(old.memberId)
    this.seat.services.timers.clear(old.sessionTimer)
    this.members.set(member.memberId, member)
    this.#memberIdOf.set(member.groupInstanceId!, member.memberId)
    if (wasLeader) this.leaderId = member.memberId
  }

  areAllJoined(): boolean {
    if (this.pendingJoin.size > 0) return false
    for (const member of this.members.values()) if (member.joinReply === undefined) return false
    return true
  }

  /** Whether a member with these protocols could take part. */
  accepts(protocolType: string, protocols: readonly NamedMetadata[]): boolean {
    if (this.members.size === 0) return protocolType !== '' && protocols.length > 0
    if (protocolType !== this.protocolType) return false
    const common = new Set(this.commonProtocols())
    return protocols.some(({ name }) => common.has(name))
  }

  commonProtocols(): string[] {
    const counts = new Map<string, number>()
    for (const member of this.members.values()) {
      for (const name of new Set(member.protocols.map((protocol) => protocol.name))) {
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
    }
    return [...counts].filter(([, count]) => count === this.members.size).map(([name]) => name)
  }

  /** Each member votes for the first of its protocols that all know. */
  selectProtocol(): string {
    const common = new Set(this.commonProtocols())
    const votes = new Map<string, number>()
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => common.has(name))?.name
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1)
    }
    let selected = ''
    for (const [name, count] of votes) if (count > (votes.get(selected) ?? 0)) selected = name
    return selected
  }

  /** For the leader's answer. */
  memberList(): JoinGroupResponseMember[] {
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: metadataOf(member, this.protocolName ?? ''),
    }))
  }

  /** Topics that a member subscribes to; undefined where that cannot be known. */
  subscribedTopics(): Set<string> | undefined {
    if (!this.isConsumer || this.protocolName === null || this.members.size === 0) return undefined
    const topics = new Set<string>()
    for (const member of this.members.values()) {
      const names = subscribedTopicsIn(metadataOf(member, this.protocolName))
      if (names === undefined) return undefined
      for (const name of names) topics.add(name)
    }
    return topics
  }

  /** The group as it is stored, with an assignment that is not in force yet. */
  record(assignmentOf: (member: ClassicMember) => Uint8Array): CoordinatorRecord {
    const value: GroupMetadataValue = {
      protocolType: this.protocolType ?? '',
      generation: this.generationId,
      protocol: this.protocolName,
      leader: this.leaderId,
      currentStateTimestamp: this.stateTimestampMs,
      members: [...this.members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: metadataOf(member, this.protocolName ?? ''),
        assignment: assignmentOf(member),
      })),
    }
    return groupMetadataRecord(this.seat.groupId, value)
  }

  /** Becomes what a record says. Sessions begin when the coordinator is loaded. */
  restore(value: GroupMetadataValue, onSilence: (memberId: string) => void): void {
    this.isStored = true
    this.generationId = value.generation
    this.protocolType = value.protocolType === '' ? null : value.protocolType
    this.protocolName = value.protocol
    const { currentStateTimestamp } = value
    this.stateTimestampMs = Number.isSafeInteger(currentStateTimestamp) ? currentStateTimestamp : -1
    for (const stored of value.members) {
      const member = this.newMember(stored.memberId, stored.groupInstanceId, onSilence)
      member.clientId = stored.clientId
      member.clientHost = stored.clientHost
      member.sessionTimeoutMs = stored.sessionTimeout
      member.rebalanceTimeoutMs = stored.rebalanceTimeout < 0 ? stored.sessionTimeout : stored.rebalanceTimeout
      member.protocols = keepProtocols([{ name: value.protocol ?? '', metadata: stored.subscription }])
      member.assignment = stored.assignment
      if (!this.members.has(member.memberId)) this.add(member, value.protocolType)
    }
    if (value.leader !== null && this.members.has(value.leader)) this.leaderId = value.leader
    this.state = this.members.size === 0 ? 'Empty' : 'Stable'
  }

  /** No timer of a group that is given up may fire. */
  close(errorCode: number): void {
    const { timers } = this.seat.services
    timers.clear(this.joinTimer)
    timers.clear(this.syncTimer)
    for (const memberId of [...this.pendingJoin.keys()]) this.forgetPending(memberId)
    for (const member of [...this.members.values()]) this.remove(member, errorCode)
  }
}
