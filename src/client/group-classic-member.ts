/**
 * ClassicMember: membership by the classic protocol: join, sync, heartbeat; one member, the leader, assigns.
 *
 * A rebalance has two ways. Eager: everything is given up, then all join, then each gets its part. Cooperative
 * (KIP-429, if every assignor of this member is cooperative): members join with what they own and go on reading; what
 * the new assignment takes away is given up after it, and one more rebalance hands it on.
 *
 * Heartbeats go on while the program is asked to give partitions up; they stop while a join or a sync waits, which the
 * coordinator counts as life.
 */
import { VltavaError } from '../base/errors.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import { joinGroup } from '../protocol/messages/11-join-group.ts'
import { heartbeat } from '../protocol/messages/12-heartbeat.ts'
import { leaveGroup } from '../protocol/messages/13-leave-group.ts'
import { syncGroup } from '../protocol/messages/14-sync-group.ts'
import type { ResponseOf } from '../protocol/wire/api.ts'
import { WireFormatError } from '../protocol/wire/wire-error.ts'
import type { TopicPartition } from './consumer-positions.ts'
import { type AssigningMember, type AssignorName, assignPartitions } from './group-assignors.ts'
import { type GroupMember, type GroupSeat, without } from './group-member.ts'
import type { CommitIdentity } from './group-offsets.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './group-protocol-codec.ts'
import { askCoordinator, groupError, isAway, pause, retryDelayMs } from './group-requests.ts'

const JOIN_VERSION = 9
const SYNC_VERSION = 5
const HEARTBEAT_VERSION = 4
const LEAVE_VERSION = 5
const PROTOCOL_TYPE = 'consumer'
const NO_GENERATION = -1
const LEAVE_MS = 5000

const ILLEGAL_GENERATION = kafkaError('ILLEGAL_GENERATION')
const UNKNOWN_MEMBER_ID = kafkaError('UNKNOWN_MEMBER_ID')
const REBALANCE_IN_PROGRESS = kafkaError('REBALANCE_IN_PROGRESS')
const MEMBER_ID_REQUIRED = kafkaError('MEMBER_ID_REQUIRED')
const INCONSISTENT_GROUP_PROTOCOL = kafkaError('INCONSISTENT_GROUP_PROTOCOL')

type Joined = ResponseOf<typeof joinGroup>

export class ClassicMember implements GroupMember {
  readonly #seat: GroupSeat
  readonly #abort = new AbortController()
  readonly #isCooperative: boolean
  #memberId = ''
  #generation = NO_GENERATION
  /** The generation that what is owned was assigned in. */
  #ownedGeneration = NO_GENERATION
  /** Of the leader: the topics that it assigned, and how many partitions each had. */
  #leaderTopics: readonly string[] = []
  #leaderView: string | undefined
  #joinedTopics = ''
  #isJoining = false
  #isRejoinDue = false
  #isBeating = false
  #isBeatDue = false
  #attempts = 0
  #timer: { cancel(): void } | undefined
  #unlisten: () => void = () => undefined
  #isStopped = false

  constructor(seat: GroupSeat) {
    this.#seat = seat
    this.#isCooperative = seat.settings.assignors.every((name) => name === 'cooperative-sticky')
  }

  get identity(): CommitIdentity {
    const { instanceId } = this.#seat.settings
    return { memberId: this.#memberId, generation: this.#generation, groupInstanceId: instanceId }
  }

  get isSettled(): boolean {
    return this.#generation >= 0 && !this.#isJoining && !this.#isRejoinDue
  }

  start(): void {
    this.#join()
  }

  topicsChanged(): void {
    if (this.#isJoining || this.#isStopped) return
    const isOther = this.#seat.topics().join() !== this.#joinedTopics
    // The leader watches what it has assigned: a topic of any member may have come, gone or grown.
    const isLeaderOutdated = this.#leaderView !== undefined && this.#leaderView !== this.#viewOf(this.#leaderTopics)
    if (isOther || isLeaderOutdated) this.#join()
  }

  #viewOf(topics: readonly string[]): string {
    return topics.map((topic) => `${topic}:${this.#seat.partitionCount(topic) ?? 0}`).join()
  }

  /** Joins anew, once more if it is doing so already. */
  #join(): void {
    if (this.#isStopped) return
    if (this.#isJoining) {
      this.#isRejoinDue = true
      return
    }
    this.#isJoining = true
    void this.#joinAll()
  }

  async #joinAll(): Promise<void> {
    try {
      do {
        this.#isRejoinDue = false
        await this.#rebalance()
      } while (this.#isRejoinDue && !this.#isStopped)
      this.#isJoining = false
      if (!this.#isStopped) this.#beatAfter(this.#seat.settings.heartbeatIntervalMs)
    } catch (error) {
      this.#isJoining = false
      this.#timer?.cancel()
      if (!(error instanceof VltavaError)) throw error
      if (!this.#isStopped) this.#seat.fail(error)
    }
  }

  async #rebalance(): Promise<void> {
    // The program may take its time to give up what it has: heartbeats say that we live.
    if (this.#generation >= 0) this.#beatAfter(this.#seat.settings.heartbeatIntervalMs)
    const owned = this.#seat.owned()
    if (!this.#isCooperative && owned.length > 0) await this.#seat.revoke(owned)
    this.#timer?.cancel()
    const joined = await this.#joinOnce()
    if (joined === undefined || this.#isStopped) return
    const assignment = await this.#sync(joined)
    if (assignment === undefined || this.#isStopped) return
    const before = this.#seat.owned()
    const revoked = without(before, assignment)
    if (revoked.length > 0) {
      await this.#seat.revoke(revoked)
      this.#isRejoinDue = true // For whoever is to have them.
    }
    this.#ownedGeneration = this.#generation
    const added = without(assignment, before)
    if (added.length > 0 && !this.#isStopped) await this.#seat.assign(added)
  }

  /** Undefined: to be tried again, what is due is set. */
  async #joinOnce(): Promise<Joined | undefined> {
    const { settings, link } = this.#seat
    const topics = this.#seat.topics()
    const subscription = { topics, owned: this.#seat.owned(), generation: this.#ownedGeneration }
    const metadata = encodeSubscription(subscription, settings.rack)
    const joined = await askCoordinator(
      link,
      joinGroup,
      JOIN_VERSION,
      {
        groupId: settings.groupId,
        sessionTimeoutMs: settings.sessionTimeoutMs,
        rebalanceTimeoutMs: settings.maxPollIntervalMs,
        memberId: this.#memberId,
        groupInstanceId: settings.instanceId,
        protocolType: PROTOCOL_TYPE,
        protocols: settings.assignors.map((name) => ({ name, metadata })),
        reason: null,
      },
      this.#abort.signal,
    )
    if (joined.errorCode === 0) {
      this.#attempts = 0
      this.#joinedTopics = topics.join()
      this.#generation = joined.generationId
      this.#setMemberId(joined.memberId)
      return joined
    }
    this.#isRejoinDue = true
    if (joined.errorCode === MEMBER_ID_REQUIRED) this.#setMemberId(joined.memberId)
    else if (joined.errorCode === INCONSISTENT_GROUP_PROTOCOL && this.#seat.changeProtocol()) this.#isRejoinDue = false
    else await this.#refused(joined.errorCode)
    return undefined
  }

  #setMemberId(memberId: string): void {
    if (memberId === this.#memberId) return
    const { link, settings } = this.#seat
    this.#unlisten()
    this.#memberId = memberId
    this.#unlisten = link.onGroupNews(settings.groupId, memberId, () => this.#beat())
  }

  /** What every request of a member may be refused with. Throws what cannot be mended. */
  async #refused(errorCode: number): Promise<void> {
    if (isAway(errorCode)) {
      this.#attempts += 1
      await pause(this.#seat.timers, retryDelayMs(this.#attempts), this.#abort.signal)
    } else if (errorCode === UNKNOWN_MEMBER_ID || errorCode === ILLEGAL_GENERATION) {
      if (errorCode === UNKNOWN_MEMBER_ID) this.#setMemberId('')
      this.#generation = NO_GENERATION
      this.#ownedGeneration = NO_GENERATION
      if (this.#seat.owned().length > 0) await this.#seat.lose()
    } else if (errorCode !== REBALANCE_IN_PROGRESS) {
      throw groupError(errorCode, `group=${this.#seat.settings.groupId}`)
    }
  }

  /** What is assigned to this member; undefined: to be tried again. */
  async #sync(joined: Joined): Promise<TopicPartition[] | undefined> {
    const { settings, link } = this.#seat
    const isLeader = joined.leader === joined.memberId
    this.#leaderView = undefined
    const answer = await askCoordinator(
      link,
      syncGroup,
      SYNC_VERSION,
      {
        groupId: settings.groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: settings.instanceId,
        protocolType: joined.protocolType,
        protocolName: joined.protocolName,
        assignments: isLeader && !joined.skipAssignment ? this.#assign(joined) : [],
      },
      this.#abort.signal,
    )
    if (answer.errorCode === 0) return decodeAssignment(answer.assignment)
    this.#isRejoinDue = true
    await this.#refused(answer.errorCode)
    return undefined
  }

  #assign({ members, protocolName }: Joined): { memberId: string; assignment: Uint8Array }[] {
    const assigning = members.map(({ memberId, groupInstanceId, metadata }): AssigningMember => {
      return { memberId, groupInstanceId, ...subscriptionOf(metadata) }
    })
    this.#leaderTopics = [...new Set(assigning.flatMap(({ topics }) => topics))].sort()
    this.#leaderView = this.#viewOf(this.#leaderTopics)
    // The coordinator picked one that every member offered, this one included.
    const assignments = assignPartitions(protocolName as AssignorName, assigning, (topic) =>
      this.#seat.partitionCount(topic),
    )
    return [...assignments].map(([memberId, partitions]) => ({ memberId, assignment: encodeAssignment(partitions) }))
  }

  #beatAfter(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#seat.timers.after(delayMs, () => this.#beat())
  }

  #beat(): void {
    if (this.#isStopped || this.#generation < 0) return
    if (this.#isBeating) {
      this.#isBeatDue = true
      return
    }
    this.#isBeating = true
    this.#isBeatDue = false
    void this.#beatOnce()
  }

  async #beatOnce(): Promise<void> {
    const { settings, link } = this.#seat
    const { generation } = this.identity
    let delayMs = settings.heartbeatIntervalMs
    try {
      const request = {
        groupId: settings.groupId,
        generationId: generation,
        memberId: this.#memberId,
        groupInstanceId: settings.instanceId,
      }
      const { errorCode } = await askCoordinator(link, heartbeat, HEARTBEAT_VERSION, request, this.#abort.signal)
      if (this.#isStopped || generation !== this.#generation) return
      if (isAway(errorCode)) {
        this.#attempts += 1
        delayMs = retryDelayMs(this.#attempts)
      } else if (errorCode === 0) {
        this.#attempts = 0
      } else if (!this.#isJoining) {
        await this.#refused(errorCode)
        this.#join()
      }
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      if (!this.#isStopped) this.#seat.fail(error)
      return
    } finally {
      this.#isBeating = false
    }
    if (this.#isBeatDue) this.#beat()
    else if (!this.#isJoining || this.#seat.owned().length > 0) this.#beatAfter(delayMs)
  }

  async stop(isLeaving: boolean): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#timer?.cancel()
    this.#unlisten()
    this.#abort.abort(new VltavaError('CONSUMER_CLOSED', 'the consumer is closed'))
    const { settings, link, timers } = this.#seat
    // A static member that goes comes back: its place is kept until its session ends.
    if (!isLeaving || this.#memberId === '' || settings.instanceId !== null) return
    const tooLate = new AbortController()
    const timer = timers.after(LEAVE_MS, () => tooLate.abort(new VltavaError('REQUEST_TIMED_OUT', 'leaving the group')))
    const members = [{ memberId: this.#memberId, groupInstanceId: null, reason: 'the consumer is closed' }]
    const leave = { groupId: settings.groupId, memberId: '', members }
    try {
      await askCoordinator(link, leaveGroup, LEAVE_VERSION, leave, tooLate.signal)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      // The log is closed, or nobody answers: the coordinator sees the end of this member by itself.
    } finally {
      timer.cancel()
    }
  }
}

/** A member that says what nobody can read subscribes to nothing. */
function subscriptionOf(metadata: Uint8Array): ReturnType<typeof decodeSubscription> {
  try {
    return decodeSubscription(metadata)
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error
    return { topics: [], owned: [], generation: NO_GENERATION }
  }
}
