/**
 * A member of a consumer group, as a client is one: one heartbeat under way at a time, what is taken away is given up
 * before the next heartbeat says so, and whoever is fenced gives up everything.
 */
import type { SeededRandom } from '../../src/base/random.ts'
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
  TopicIdPartitions,
} from '../../src/coordinator/consumer-messages.ts'
import type { OffsetCommitResponse } from '../../src/coordinator/offset-messages.ts'
import type { Answer, SimCoordinator, Awaited } from './sim-coordinator.ts'

const RETRIABLE = new Set([14, 15, 16])
const FENCED = new Set([25, 69, 82, 110])

export interface SentCommit {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly answer: Answer<OffsetCommitResponse>
}

export class ModelConsumer {
  readonly groupId: string
  readonly instanceId: string | null
  memberId: string
  epoch = 0
  /** `topicId:partition` of all that it works on. */
  owned = new Set<string>()
  #assigned = new Set<string>()
  #heartbeat: Answer<ConsumerGroupHeartbeatResponse> | undefined
  #isFull = true
  #names: readonly string[]
  #regex: string | null
  readonly commits: SentCommit[] = []
  #incarnation = 0

  constructor(groupId: string, name: string, isStatic: boolean, names: readonly string[], regex: string | null) {
    this.groupId = groupId
    this.instanceId = isStatic ? `instance-${name}` : null
    this.memberId = name
    this.#names = names
    this.#regex = regex
  }

  get answers(): Awaited[] {
    return [...(this.#heartbeat === undefined ? [] : [this.#heartbeat]), ...this.commits.map(({ answer }) => answer)]
  }

  /** Its connection broke: whatever was under way will not be answered. */
  disconnect(): void {
    this.#heartbeat = undefined
    this.commits.length = 0
    this.#isFull = true
  }

  step(sim: SimCoordinator): void {
    if (this.#heartbeat?.isThere === true) this.#take(this.#heartbeat.value)
    if (this.#heartbeat !== undefined) return
    const revoked = [...this.owned].filter((place) => !this.#assigned.has(place))
    for (const place of revoked) this.owned.delete(place)
    // It takes what is new in a step of its own, and never while a heartbeat that does not list it is under way.
    if (revoked.length === 0) for (const place of this.#assigned) this.owned.add(place)
    this.#send(sim)
  }

  #send(sim: SimCoordinator): void {
    const isJoin = this.epoch === 0
    const isFull = this.#isFull || isJoin
    const more: Partial<ConsumerGroupHeartbeatRequest> = {
      groupId: this.groupId,
      instanceId: this.instanceId,
      rebalanceTimeoutMs: isFull ? 20_000 : -1,
      subscribedTopicNames: isFull && this.#regex === null ? this.#names : null,
      subscribedTopicRegex: isFull ? this.#regex : null,
      topicPartitions: isJoin ? [] : this.#ownedTopics(),
    }
    this.#isFull = false
    this.#heartbeat = sim.beat(this.memberId, this.epoch, more)
  }

  #ownedTopics(): TopicIdPartitions[] {
    const topics = new Map<string, number[]>()
    for (const place of this.owned) {
      const [topicId, partition] = place.split(':') as [string, string]
      topics.set(topicId, [...(topics.get(topicId) ?? []), Number(partition)])
    }
    return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }))
  }

  #take(response: ConsumerGroupHeartbeatResponse): void {
    this.#heartbeat = undefined
    const { errorCode, memberEpoch, assignment } = response
    if (RETRIABLE.has(errorCode)) {
      this.#isFull = true
    } else if (errorCode === 111) {
      // The process before it has not left yet: it asks again later.
    } else if (FENCED.has(errorCode)) {
      this.#forget()
    } else {
      if (errorCode !== 0) throw new Error(`${this.memberId} is answered errorCode=${errorCode}`)
      if (memberEpoch < this.epoch) throw new Error(`${this.memberId} goes back from ${this.epoch} to ${memberEpoch}`)
      this.epoch = memberEpoch
      if (assignment !== null) this.#assigned = new Set(places(assignment.topicPartitions))
    }
  }

  #forget(): void {
    this.owned.clear()
    this.#assigned.clear()
    this.epoch = 0
    this.#isFull = true
  }

  /** Leaves by its own word; the answer does not matter to it. */
  leave(sim: SimCoordinator): Awaited {
    const { groupId, instanceId } = this
    const answer = sim.beat(this.memberId, this.instanceId === null ? -1 : -2, { groupId, instanceId })
    this.restart()
    return answer
  }

  /** A new process, with nothing but its instance id. */
  restart(): void {
    this.disconnect()
    this.#forget()
    this.#incarnation += 1
    this.memberId = `${this.memberId.split('.')[0]}.${this.#incarnation}`
  }

  /** Commits one of its partitions. */
  commit(sim: SimCoordinator, random: SeededRandom, offset: number): void {
    const mine = [...this.owned]
    if (mine.length === 0 || this.commits.length > 3) return
    const [topicId, partition] = random.pick(mine).split(':') as [string, string]
    const topic = sim.catalogue.byId(topicId)!.name
    const by = { memberId: this.memberId, generation: this.epoch, groupId: this.groupId }
    const answer = sim.commit(topic, { [partition]: offset }, by)
    this.commits.push({ topic, partition: Number(partition), offset, answer })
  }
}

function places(topics: readonly TopicIdPartitions[]): string[] {
  return topics.flatMap(({ topicId, partitions }) => partitions.map((partition) => `${topicId}:${partition}`))
}
