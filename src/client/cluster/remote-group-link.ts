/**
 * RemoteGroupLink: the way to the coordinators of consumer groups that are behind sockets. Owned by one thread.
 *
 * Which broker coordinates a group is looked up once and again when it says that it does not (any more). What cannot be
 * asked now is answered COORDINATOR_NOT_AVAILABLE, as a coordinator that moves answers: whoever asks tries again at
 * their own pace.
 *
 * JoinGroup and SyncGroup wait at the broker for the other members, some of which may be of this thread: each such
 * request has a connection for itself.
 */
import { VltavaError } from '../../base/errors.ts'
import type { GroupCaller, GroupLink } from '../../protocol/group-link.ts'
import { errorNamed, kafkaError } from '../../protocol/kafka-errors.ts'
import { findCoordinator } from '../../protocol/messages/10-find-coordinator.ts'
import { joinGroup } from '../../protocol/messages/11-join-group.ts'
import { syncGroup } from '../../protocol/messages/14-sync-group.ts'
import type { Broker } from './broker.ts'
import type { Brokers } from './brokers.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import { GROUP_SHAPES, type GroupShape } from './group-shapes.ts'
import type { ClusterSettings } from './settings.ts'

const GROUP = 0
const ATTEMPTS_MAX = 3
const COORDINATOR_NOT_AVAILABLE = kafkaError('COORDINATOR_NOT_AVAILABLE')
const NOT_COORDINATOR = kafkaError('NOT_COORDINATOR')
/** Behind the rebalance timeout: the broker answers a little later than that. */
const REBALANCE_SLACK_MS = 5000
const GROUPS_MAX = 10_000

export class RemoteGroupLink implements GroupLink {
  readonly isLocal = false
  readonly #settings: ClusterSettings
  readonly #brokers: Brokers
  readonly #metadata: ClusterMetadata
  readonly #whileHeld: <T>(ask: () => Promise<T>) => Promise<T>
  /** Node ids by group, found or being looked for. */
  readonly #coordinators = new Map<string, Promise<number | undefined>>()
  readonly #rebalanceTimeoutsMs = new Map<string, number>()

  /** `whileHeld` keeps the process alive during a request, and rejects with LOG_CLOSED when there is nobody to ask. */
  constructor(
    settings: ClusterSettings,
    brokers: Brokers,
    metadata: ClusterMetadata,
    whileHeld: <T>(ask: () => Promise<T>) => Promise<T>,
  ) {
    this.#settings = settings
    this.#brokers = brokers
    this.#metadata = metadata
    this.#whileHeld = whileHeld
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#whileHeld(() => {
      signal?.throwIfAborted()
      return Promise.resolve()
    })
  }

  /** Who asks is this program: brokers take the client from the connection. */
  async coordinate(
    apiKey: number,
    apiVersion: number,
    request: object,
    _caller?: GroupCaller,
    signal?: AbortSignal,
  ): Promise<object> {
    const shape = GROUP_SHAPES.get(apiKey)
    if (shape === undefined) throw new VltavaError('INVALID_REQUEST', `apiKey=${apiKey} is no request about groups`)
    signal?.throwIfAborted()
    let onAbort: (() => void) | undefined
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal!.reason as Error)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
    try {
      const asking = this.#whileHeld(() => this.#askAll(shape, apiKey, apiVersion, request))
      return await Promise.race([asking, aborted])
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Nobody calls back over a socket: members heartbeat. */
  onGroupNews(): () => void {
    return () => undefined
  }

  async #askAll(shape: GroupShape, apiKey: number, apiVersion: number, request: object): Promise<object> {
    const groups = shape.groups(request)
    if (groups === undefined) {
      if (this.#brokers.all().length === 0) await this.#metadata.refresh([])
      const asks = this.#brokers.all().map((broker) => this.#ask(broker, shape, apiVersion, request))
      return shape.join((await Promise.all(asks)).map((answer) => answer ?? this.#refuse(shape, request)))
    }
    const asks = groups.map((groupId) =>
      this.#askCoordinator(shape, apiKey, apiVersion, shape.about(request, groupId), groupId),
    )
    if (asks.length === 0) return this.#refuse(shape, request) // About no group at all.
    return shape.join(await Promise.all(asks))
  }

  async #askCoordinator(
    shape: GroupShape,
    apiKey: number,
    apiVersion: number,
    request: object,
    groupId: string,
  ): Promise<object> {
    const timeoutMs = this.#timeoutOf(apiKey, request, groupId)
    let answer: object | undefined
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const broker = await this.#coordinatorOf(groupId)
      if (broker === undefined) break
      answer = await this.#ask(broker, shape, apiVersion, request, timeoutMs)
      const errorCode = answer === undefined ? COORDINATOR_NOT_AVAILABLE : shape.errorOf(answer)
      if (errorCode === COORDINATOR_NOT_AVAILABLE || errorCode === NOT_COORDINATOR) this.#coordinators.delete(groupId)
      if (errorCode !== NOT_COORDINATOR) break
    }
    return answer ?? this.#refuse(shape, request)
  }

  #refuse(shape: GroupShape, request: object): object {
    return shape.refuse(request, COORDINATOR_NOT_AVAILABLE)
  }

  /** Undefined: an ordinary request. Else it waits at the broker, up to so long. */
  #timeoutOf(apiKey: number, request: object, groupId: string): number | undefined {
    if (apiKey !== joinGroup.key && apiKey !== syncGroup.key) return undefined
    if ('rebalanceTimeoutMs' in request && typeof request.rebalanceTimeoutMs === 'number') {
      if (this.#rebalanceTimeoutsMs.size >= GROUPS_MAX) this.#rebalanceTimeoutsMs.clear()
      this.#rebalanceTimeoutsMs.set(groupId, request.rebalanceTimeoutMs)
    }
    const rebalanceMs = this.#rebalanceTimeoutsMs.get(groupId) ?? 0
    return Math.max(this.#settings.requestTimeoutMs, rebalanceMs + REBALANCE_SLACK_MS)
  }

  /** Undefined: the broker cannot be asked now. Rejects with what asking again does not change. */
  async #ask(
    broker: Broker,
    shape: GroupShape,
    apiVersion: number,
    request: object,
    waitingMs?: number,
  ): Promise<object | undefined> {
    try {
      if (waitingMs !== undefined) {
        return await broker.alone((connection) => shape.send(connection, request, apiVersion, waitingMs))
      }
      const connection = await broker.connection('control')
      return await shape.send(connection, request, apiVersion, undefined)
    } catch (error) {
      if (!(error instanceof VltavaError) || !error.retriable) throw error
      this.#metadata.refreshSoon()
      return undefined
    }
  }

  async #coordinatorOf(groupId: string): Promise<Broker | undefined> {
    let finding = this.#coordinators.get(groupId)
    if (finding === undefined) {
      if (this.#coordinators.size >= GROUPS_MAX) this.#coordinators.clear()
      finding = this.#find(groupId)
      this.#coordinators.set(groupId, finding)
    }
    let nodeId
    try {
      nodeId = await finding
    } catch (error) {
      this.#coordinators.delete(groupId)
      if (!(error instanceof VltavaError) || !error.retriable) throw error
    }
    if (nodeId !== undefined && this.#brokers.get(nodeId) === undefined) await this.#metadata.refresh([])
    const broker = nodeId === undefined ? undefined : this.#brokers.get(nodeId)
    if (broker === undefined) this.#coordinators.delete(groupId)
    return broker
  }

  /** Undefined: there is none at the moment. */
  async #find(groupId: string): Promise<number | undefined> {
    const single = { key: groupId, keyType: GROUP }
    let answer
    try {
      answer = await this.#brokers.askAny(findCoordinator, { keyType: GROUP, coordinatorKeys: [groupId] })
    } catch (error) {
      // Before version 4 a request names one group.
      if (!(error instanceof VltavaError) || error.code !== 'INVALID_REQUEST') throw error
      answer = await this.#brokers.askAny(findCoordinator, single, LAST_VERSION_OF_ONE)
    }
    const { errorCode, nodeId } = answer.coordinators[0] ?? answer
    if (errorCode === 0) return nodeId
    if (errorCode === COORDINATOR_NOT_AVAILABLE) return undefined
    const code = errorNamed(errorCode)
    throw new VltavaError(code, `group=${groupId}: the cluster answers ${code} (${errorCode})`)
  }
}

const LAST_VERSION_OF_ONE = 3
