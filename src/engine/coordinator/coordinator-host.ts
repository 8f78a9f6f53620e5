/**
 * CoordinatorHost: all group coordinators of a log, one for each partition of `__consumer_offsets`, and the client
 * threads that ask them. A plain class; coordinator-thread.ts gives it a thread, the simulator a turn.
 *
 * It makes the topic at the first request if there is none. Requests that come while it starts wait; then each
 * partition answers for itself.
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env/env.ts'
import { VltavaError } from '../../base/errors.ts'
import { javaHashCode } from '../../base/java-hash.ts'
import type { GroupCoordinator } from '../../coordinator/group-coordinator.ts'
import { GroupError } from '../../coordinator/group-errors.ts'
import { GroupApi, handleGroupRequest, refuseGroupRequest } from '../../coordinator/group-requests.ts'
import type { FoundMember } from '../../coordinator/group-watch.ts'
import type { CatalogueTopic, TopicCatalogue } from '../../coordinator/topic-catalogue.ts'
import type { TopicInfo, Transport } from '../../protocol/transport.ts'
import type { CoordinatorConfig } from './coordinator-settings.ts'
import { HostedPartition, OFFSETS_TOPIC } from './hosted-partition.ts'
import { KEEP_ALIVE_MS, type LocalMember, LocalMembers, leaveRequestOf } from './local-members.ts'
import { type CoordinatorPort, LOCAL_CLIENT_HOST, LOCAL_CLIENT_ID, type ToCoordinator } from './messages.ts'

/** After a restart of the coordinator: how long members of this process have to be heard of again. */
const REBIND_MS = 10_000
/** Requests of all threads that wait while the coordinators start. */
const WAITING_MAX = 10_000
const START_RETRY_MS = 500
/** Requests wait for short logs to be read; for long ones they hear COORDINATOR_LOAD_IN_PROGRESS after this. */
const LOAD_WAIT_MS = 1000

/** APIs by which a thread's own members come, live and go. */
const MEMBER_APIS: ReadonlySet<number> = new Set([
  GroupApi.JOIN_GROUP,
  GroupApi.SYNC_GROUP,
  GroupApi.HEARTBEAT,
  GroupApi.LEAVE_GROUP,
  GroupApi.CONSUMER_GROUP_HEARTBEAT,
])

export class CoordinatorHost {
  readonly #env: Env
  readonly #transport: Transport
  readonly #config: CoordinatorConfig
  readonly #isFirst: boolean
  readonly #members = new LocalMembers()
  readonly #clients = new Set<CoordinatorPort>()
  #partitions: HostedPartition[] = []
  #topicId = ''
  #state: 'starting' | 'serving' | 'failed' | 'closed' = 'starting'
  #waiting: (() => void)[] = []
  #timer: { readonly atMs: number; cancel(): void } | undefined
  #topics = new Map<string, CatalogueTopic>()
  #topicsById = new Map<string, CatalogueTopic>()

  /** `isFirst`: no coordinator was there before since the log was opened; see CoordinatorStart. */
  constructor(env: Env, transport: Transport, config: CoordinatorConfig, isFirst: boolean) {
    this.#env = env
    this.#transport = transport
    this.#config = config
    this.#isFirst = isFirst
    this.#learnTopics()
    transport.onTopics(() => this.#topicsChanged())
    transport.onClose(() => this.close())
  }

  /** Makes the topic if need be and loads every partition. Tries again by itself when the log does not let it. */
  async start(): Promise<void> {
    this.#state = 'starting'
    try {
      if (this.#transport.topic(OFFSETS_TOPIC) === undefined) await this.#createTopic()
      if (this.#isClosed()) return
      const topic = this.#transport.topic(OFFSETS_TOPIC)
      if (topic === undefined) throw new VltavaError('UNKNOWN_TOPIC_OR_PARTITION', `${OFFSETS_TOPIC} was deleted`)
      await this.#host(topic)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      if (this.#isClosed()) return
      this.#state = 'failed' // A full disk, maybe. Requests hear it; the next try may find another world.
      this.#env.timers.after(START_RETRY_MS, () => void (this.#state === 'failed' && this.start()))
    }
    this.#letIn()
  }

  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  async #createTopic(): Promise<void> {
    const configs = {
      'cleanup.policy': 'compact',
      'compression.type': 'producer',
      'segment.bytes': String(this.#config.topicSegmentBytes),
    }
    const topics = [{ topic: OFFSETS_TOPIC, partitions: this.#config.topicPartitions, configs }]
    try {
      await this.#transport.request({ type: 'createTopics', topics, validateOnly: false })
    } catch (error) {
      if (!(error instanceof VltavaError) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error
    }
  }

  async #host(topic: TopicInfo): Promise<void> {
    this.#topicId = topic.topicId
    const catalogue: TopicCatalogue = {
      byName: (name) => this.#topics.get(name),
      byId: (topicId) => this.#topicsById.get(topicId),
      all: () => this.#topics.values(),
    }
    const services = {
      env: this.#env,
      transport: this.#transport,
      config: this.#config.groups,
      topics: catalogue,
      onProgress: () => this.#settle(),
      onLoaded: (coordinator: GroupCoordinator) => this.#loaded(coordinator),
    }
    this.#partitions = Array.from({ length: topic.partitionCount }, (_, index) => new HostedPartition(index, services))
    let wait: { cancel(): void } | undefined
    const enough = new Promise<void>((resolve) => {
      wait = this.#env.timers.after(LOAD_WAIT_MS, resolve)
    })
    await Promise.race([enough, Promise.all(this.#partitions.map((partition) => partition.load()))])
    wait?.cancel()
    if (!this.#isClosed()) this.#state = 'serving'
    this.#settle()
  }

  /** Members of threads that ended with an earlier process, or with this one's earlier coordinator, are out. */
  #loaded(coordinator: GroupCoordinator): void {
    const dismiss = (): void => {
      for (const member of coordinator.membersFrom(LOCAL_CLIENT_HOST)) {
        if (!this.#members.has(member.groupId, member.memberId)) this.#dismiss(member)
      }
    }
    if (this.#isFirst) dismiss()
    else this.#env.timers.after(REBIND_MS, dismiss)
    this.#settle()
  }

  #dismiss(member: FoundMember): void {
    const leave = leaveRequestOf(member)
    if (leave === undefined || this.#isClosed()) return
    this.#handle(leave.apiKey, leave.apiVersion, leave.request, LOCAL_CLIENT_ID, LOCAL_CLIENT_HOST, () => undefined)
  }

  /** A client thread's port: its messages are served until it closes. */
  admit(port: CoordinatorPort): void {
    if (this.#isClosed()) {
      port.close()
      return
    }
    this.#clients.add(port)
    port.onMessage((message) => this.#receive(port, message))
    port.onClose(() => this.#clientGone(port))
  }

  #receive(port: CoordinatorPort, message: ToCoordinator): void {
    if (this.#state !== 'starting') {
      this.#serve(port, message)
      return
    }
    if (this.#waiting.length >= WAITING_MAX) this.#refuse(port, message, GroupError.COORDINATOR_LOAD_IN_PROGRESS)
    else this.#waiting.push(() => this.#serve(port, message))
  }

  #letIn(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const serve of waiting) serve()
  }

  #refuse(port: CoordinatorPort, message: ToCoordinator, errorCode: number): void {
    const answer = refuseGroupRequest(message.apiKey, message.apiVersion, message.request, errorCode)
    port.post({ type: 'answer', requestId: message.requestId, answer })
  }

  #serve(port: CoordinatorPort, message: ToCoordinator): void {
    if (this.#state !== 'serving') {
      this.#refuse(port, message, GroupError.COORDINATOR_NOT_AVAILABLE)
      return
    }
    const { requestId, apiKey, apiVersion, request, caller } = message
    const isOfMember = caller === undefined && MEMBER_APIS.has(apiKey)
    const nowMs = this.#env.clock.monotonicMs()
    if (isOfMember) this.#members.heard(port, request, nowMs)
    this.#env.failpoint('coordinator:request')
    const { clientId, clientHost } = caller ?? { clientId: LOCAL_CLIENT_ID, clientHost: LOCAL_CLIENT_HOST }
    this.#handle(apiKey, apiVersion, request, clientId, clientHost, (answer) => {
      if (isOfMember) {
        this.#members.answered(port, apiKey, request, answer, this.#env.clock.monotonicMs())
        // The thread ended while its request was on its way: nobody is there who could be a member.
        if (!this.#clients.has(port)) this.#clientGone(port)
      }
      if (this.#clients.has(port)) port.post({ type: 'answer', requestId, answer })
    })
    this.#settle()
  }

  #handle(
    apiKey: number,
    apiVersion: number,
    request: object,
    clientId: string,
    clientHost: string,
    reply: (answer: object) => void,
  ): void {
    for (const partition of this.#partitions) partition.advance()
    const count = this.#partitions.length
    const indexOf = (groupId: string): number => partitionOf(groupId, count)
    const coordinators = this.#partitions.map(({ active }) => active)
    const errorCode = this.#partitions.find(({ active }) => active === undefined)?.errorCode ?? GroupError.NONE
    const context = { apiVersion, clientId, clientHost }
    handleGroupRequest(coordinators, indexOf, apiKey, request, context, errorCode, reply)
  }

  #clientGone(port: CoordinatorPort): void {
    this.#clients.delete(port)
    for (const member of this.#members.take(port)) this.#dismiss(member)
    this.#settle()
  }

  /** After everything that may have moved a group: tells local members, and sets the timer. */
  #settle(): void {
    if (this.#isClosed()) return
    this.#partitions.forEach((partition, index) => {
      const coordinator = partition.active
      if (coordinator === undefined) return
      for (const groupId of coordinator.takeChanged()) {
        if (this.#members.size === 0) break
        for (const member of this.#members.of(groupId)) this.#tell(coordinator, member)
      }
      partition.tidy()
      assert(this.#partitions[index] === partition, 'partitions are replaced as a whole')
    })
    this.#schedule()
  }

  #tell(coordinator: GroupCoordinator, member: LocalMember): void {
    const { groupId, memberId } = member
    const port = [...this.#clients].find((client) => client === member.client)
    if (port !== undefined && coordinator.hasNews(groupId, memberId)) port.post({ type: 'news', groupId, memberId })
  }

  #schedule(): void {
    const nowMs = this.#env.clock.monotonicMs()
    const keepAliveMs = this.#members.size > 0 ? nowMs + KEEP_ALIVE_MS : Infinity
    const deadlinesMs = this.#partitions.map((partition) => partition.nextDeadlineMs())
    const atMs = Math.min(keepAliveMs, ...deadlinesMs)
    // A timer that comes too early looks and sets the next one.
    if (atMs === Infinity || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return
    this.#timer?.cancel()
    const timer = this.#env.timers.after(Math.max(0, atMs - nowMs), () => {
      this.#timer = undefined
      this.#onTimer()
    })
    this.#timer = { atMs, cancel: () => timer.cancel() }
  }

  #onTimer(): void {
    if (this.#isClosed()) return
    const nowMs = this.#env.clock.monotonicMs()
    for (const member of this.#members.takeSilent(nowMs)) this.#dismiss(member)
    for (const { groupId, memberId } of this.#members.all()) {
      const partition = this.#partitions[partitionOf(groupId, this.#partitions.length)]
      partition?.active?.keepAlive(groupId, memberId)
    }
    for (const partition of this.#partitions) partition.advance()
    this.#settle()
  }

  #learnTopics(): string[] {
    const before = this.#topics
    this.#topics = new Map()
    this.#topicsById = new Map()
    for (const { topic: name, topicId, partitionCount } of this.#transport.topics()) {
      const topic = { name, topicId, partitionCount }
      this.#topics.set(name, topic)
      this.#topicsById.set(topicId, topic)
    }
    return [...before.values()].filter(({ topicId }) => !this.#topicsById.has(topicId)).map(({ name }) => name)
  }

  #topicsChanged(): void {
    const deleted = this.#learnTopics()
    if (this.#state !== 'serving') return
    const { topicId, partitionCount } = this.#transport.topic(OFFSETS_TOPIC) ?? { topicId: '', partitionCount: 0 }
    if (topicId !== this.#topicId || partitionCount !== this.#partitions.length) {
      // Somebody deleted the topic, or spread the groups anew: what is in the log now counts.
      for (const partition of this.#partitions.splice(0)) partition.close()
      void this.start()
      return
    }
    for (const { active } of this.#partitions) {
      if (deleted.length > 0) active?.topicsDeleted(deleted)
      else active?.topicsChanged()
    }
    // Each member's next heartbeat looks at the topics; those of this process come at once.
    for (const client of this.#clients) {
      for (const { groupId, memberId, client: owner } of this.#members.all()) {
        if (owner === client) client.post({ type: 'news', groupId, memberId })
      }
    }
    this.#settle()
  }

  close(): void {
    if (this.#isClosed()) return
    this.#state = 'closed'
    this.#timer?.cancel()
    for (const partition of this.#partitions) partition.close()
    for (const port of this.#clients) port.close()
    this.#clients.clear()
    this.#waiting = []
  }
}

/** The partition of `__consumer_offsets` that a group belongs to: Kafka's rule. */
export function partitionOf(groupId: string, partitionCount: number): number {
  const hash = javaHashCode(groupId)
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionCount
}
