/**
 * ConsumerMember: membership by the consumer protocol (KIP-848). The coordinator assigns; one request does it all.
 *
 * Heartbeats go out at the coordinator's interval, and at once when something is due: the assignment was taken over,
 * the subscription changed, the coordinator has news. One is under way at a time. They go on while partitions are given
 * up, which waits for the program; owned partitions are reported again when that is done.
 *
 * Whoever is fenced gives up everything and joins anew.
 */
import { VltavaError } from '../base/errors.ts'
import { randomUuid } from '../base/uuid.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import { consumerGroupHeartbeat } from '../protocol/messages/68-consumer-group-heartbeat.ts'
import type { ResponseOf } from '../protocol/wire/api.ts'
import type { TopicPartition } from './consumer-positions.ts'
import { type GroupMember, type GroupSeat, without } from './group-member.ts'
import { byTopic, type CommitIdentity } from './group-offsets.ts'
import { askCoordinator, groupError, isAway, retryDelayMs } from './group-requests.ts'

const VERSION = 1
const JOIN_EPOCH = 0
const LEAVE_EPOCH = -1
const STATIC_LEAVE_EPOCH = -2
/** The one way out of a group is not worth waiting long for: the coordinator finds out by itself. */
const LEAVE_MS = 5000
const REJOIN_MS = 100

const FENCED: ReadonlySet<number> = new Set([
  kafkaError('UNKNOWN_MEMBER_ID'),
  kafkaError('FENCED_MEMBER_EPOCH'),
  kafkaError('GROUP_ID_NOT_FOUND'),
])
const OTHER_PROTOCOL: ReadonlySet<number> = new Set([
  kafkaError('INCONSISTENT_GROUP_PROTOCOL'),
  kafkaError('UNSUPPORTED_VERSION'),
])

type Heartbeat = ResponseOf<typeof consumerGroupHeartbeat>
type TopicIdPartitions = { topicId: string; partitions: number[] }[]

export class ConsumerMember implements GroupMember {
  readonly #seat: GroupSeat
  readonly #memberId: string
  readonly #abort = new AbortController()
  #epoch = JOIN_EPOCH
  #intervalMs = 1000
  #target: TopicIdPartitions | undefined
  #saidTopics = ''
  #isReportDue = false
  #isBeating = false
  #isBeatDue = false
  #isReconciling = false
  #isLost = false
  #attempts = 0
  #timer: { cancel(): void } | undefined
  #unlisten: () => void = () => undefined
  #isStopped = false

  constructor(seat: GroupSeat) {
    this.#seat = seat
    this.#memberId = randomUuid(seat.random)
  }

  get identity(): CommitIdentity {
    const { instanceId } = this.#seat.settings
    return { memberId: this.#memberId, generation: this.#epoch, groupInstanceId: instanceId }
  }

  get isSettled(): boolean {
    return this.#epoch > JOIN_EPOCH && this.#target !== undefined && !this.#isReconciling
  }

  start(): void {
    const { link, settings } = this.#seat
    this.#unlisten = link.onGroupNews(settings.groupId, this.#memberId, () => this.#beat())
    this.#beat()
  }

  topicsChanged(): void {
    if (this.#target !== undefined) this.#reconcile() // A topic of the assignment may be known only now.
    if (this.#seat.topics().join() !== this.#saidTopics) this.#beat()
  }

  #beat(): void {
    if (this.#isStopped || this.#isLost) return
    if (this.#isBeating) {
      this.#isBeatDue = true
      return
    }
    this.#timer?.cancel()
    this.#isBeating = true
    this.#isBeatDue = false
    void this.#beatOnce()
  }

  async #beatOnce(): Promise<void> {
    let delayMs: number
    try {
      delayMs = await this.#heartbeat()
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      if (!this.#isStopped) this.#seat.fail(error)
      return
    } finally {
      this.#isBeating = false
    }
    if (this.#isStopped || this.#isLost) return
    if (this.#isBeatDue) this.#beat()
    else this.#timer = this.#seat.timers.after(delayMs, () => this.#beat())
  }

  /** When the next is due. */
  async #heartbeat(): Promise<number> {
    const { settings, link } = this.#seat
    const isJoin = this.#epoch === JOIN_EPOCH
    const topics = this.#seat.topics()
    const isReport = this.#isReportDue && !isJoin
    this.#isReportDue = false
    const hasNewTopics = isJoin || topics.join() !== this.#saidTopics
    const answer = await askCoordinator(
      link,
      consumerGroupHeartbeat,
      VERSION,
      {
        groupId: settings.groupId,
        memberId: this.#memberId,
        memberEpoch: this.#epoch,
        instanceId: settings.instanceId,
        rackId: isJoin ? settings.rack : null,
        rebalanceTimeoutMs: isJoin ? settings.maxPollIntervalMs : -1,
        subscribedTopicNames: hasNewTopics ? topics : null,
        subscribedTopicRegex: null,
        serverAssignor: isJoin ? settings.remoteAssignor : null,
        topicPartitions: isJoin ? [] : isReport ? this.#ownedIds() : null,
      },
      this.#abort.signal,
    )
    if (answer.errorCode === 0) {
      this.#attempts = 0
      this.#saidTopics = topics.join()
      this.#intervalMs = answer.heartbeatIntervalMs
      this.#epoch = answer.memberEpoch
      this.#take(answer)
      return this.#intervalMs
    }
    this.#isReportDue ||= isReport
    return this.#refused(answer, isJoin)
  }

  #refused({ errorCode, errorMessage }: Heartbeat, isJoin: boolean): number {
    const { settings } = this.#seat
    if (isAway(errorCode)) {
      this.#attempts += 1
      return retryDelayMs(this.#attempts)
    }
    if (FENCED.has(errorCode)) {
      void this.#rejoin()
      return REJOIN_MS
    }
    if (isJoin && OTHER_PROTOCOL.has(errorCode) && this.#seat.changeProtocol()) return REJOIN_MS
    const what = `group=${settings.groupId}${errorMessage === null ? '' : `: ${errorMessage}`}`
    this.#seat.fail(groupError(errorCode, what))
    return this.#intervalMs
  }

  /** Others may have our partitions already. */
  async #rejoin(): Promise<void> {
    this.#isLost = true
    this.#target = undefined
    try {
      if (this.#seat.owned().length > 0) await this.#seat.lose()
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      if (!this.#isStopped) this.#seat.fail(error)
      return
    }
    this.#epoch = JOIN_EPOCH
    this.#isLost = false
    this.#isReportDue = false
    this.#beat()
  }

  #take({ assignment }: Heartbeat): void {
    if (assignment === null) return
    this.#target = assignment.topicPartitions
    this.#reconcile()
  }

  #reconcile(): void {
    if (this.#isReconciling || this.#isStopped) return
    this.#isReconciling = true
    void this.#reconcileAll()
  }

  async #reconcileAll(): Promise<void> {
    try {
      while (!this.#isStopped && !this.#isLost) {
        const target = this.#target
        if (target === undefined) return
        const wanted = this.#named(target)
        const owned = this.#seat.owned()
        const revoked = without(owned, wanted)
        const added = without(wanted, owned)
        if (revoked.length > 0) await this.#seat.revoke(revoked)
        // A later assignment may have come while the program took its time.
        if (this.#target === target && added.length > 0 && !this.#isFenced()) await this.#seat.assign(added)
        if (this.#target !== target || this.#isFenced()) continue
        if (revoked.length > 0 || added.length > 0) {
          this.#isReportDue = true
          this.#beat()
        }
        return
      }
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      if (!this.#isStopped) this.#seat.fail(error)
    } finally {
      this.#isReconciling = false
    }
  }

  #isFenced(): boolean {
    return this.#isLost || this.#isStopped
  }

  #named(target: TopicIdPartitions): TopicPartition[] {
    return target.flatMap(({ topicId, partitions }) => {
      const topic = this.#seat.topicNameOf(topicId)
      return topic === undefined ? [] : partitions.map((partition) => ({ topic, partition }))
    })
  }

  #ownedIds(): TopicIdPartitions {
    return [...byTopic(this.#seat.owned())].flatMap(([topic, places]) => {
      const topicId = this.#seat.topicIdOf(topic)
      return topicId === undefined ? [] : [{ topicId, partitions: places.map(({ partition }) => partition) }]
    })
  }

  async stop(isLeaving: boolean): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#timer?.cancel()
    this.#unlisten()
    this.#abort.abort(new VltavaError('CONSUMER_CLOSED', 'the consumer is closed'))
    const { settings, link, timers } = this.#seat
    // Also when the answer to the first heartbeat is not there yet: the coordinator may have let us in.
    if (!isLeaving) return
    const tooLate = new AbortController()
    const timer = timers.after(LEAVE_MS, () => tooLate.abort(new VltavaError('REQUEST_TIMED_OUT', 'leaving the group')))
    const leave = {
      groupId: settings.groupId,
      memberId: this.#memberId,
      memberEpoch: settings.instanceId === null ? LEAVE_EPOCH : STATIC_LEAVE_EPOCH,
      instanceId: settings.instanceId,
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: null,
    }
    try {
      await askCoordinator(link, consumerGroupHeartbeat, VERSION, leave, tooLate.signal)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      // The log is closed, or nobody answers: the coordinator sees the end of this member by itself.
    } finally {
      timer.cancel()
    }
  }
}
