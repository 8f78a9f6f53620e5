/**
 * NetServer: the connections of one net thread, and what they share: handlers, memory, limits, counters. A plain class;
 * net-thread.ts gives it a thread, tests a network of their own.
 */
import type { Env } from '../base/env/env.ts'
import type { Net, NetConnection, NetListener } from '../base/env/net.ts'
import { assert } from '../base/assert.ts'
import type { LocalTransport } from '../engine/local-transport.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import { APIS, apiOf } from '../protocol/messages/apis.ts'
import type { Api } from '../protocol/wire/api.ts'
import { serveApiVersions } from './api-versions.ts'
import { type Call, type ServerCore, type ServerHandler } from './call.ts'
import { ConnectionFault } from './connection-fault.ts'
import { Connection, type ConnectionHost, PRODUCE_KEY } from './connection.ts'
import type { BrokerIdentity } from './handler.ts'
import { makeHandlers } from './handlers.ts'
import { BrokerMetrics } from './broker-metrics.ts'
import { serveMetrics } from './metrics-page.ts'
import { ClientQuotas } from './quotas.ts'
import { RequestMemory } from './request-memory.ts'
import { type BrokerSettings, REQUEST_MEMORY_BYTES } from './settings.ts'

const API_VERSIONS_KEY = 18
const FETCH_KEY = 1
/** APIs whose answers have no throttle time: SaslHandshake, SaslAuthenticate. */
const UNTHROTTLED: ReadonlySet<number> = new Set([17, 36])
const THROTTLE_MS_MAX = 0x7fff_ffff
/** How often idle connections are looked for, at most. */
const SWEEP_MS = 5_000
/** A client that has sent half a request and then nothing for so long gives its memory to others that want it. */
const STALL_MS = 10_000

export interface NetServerOptions {
  readonly env: Env
  readonly net: Net
  readonly transport: LocalTransport
  readonly groups: GroupLink
  readonly settings: BrokerSettings
  readonly clusterId: string
  log(level: 'info' | 'warn' | 'error', message: string): void
}

export class NetServer implements ConnectionHost {
  readonly core: ServerCore
  readonly memory: RequestMemory
  readonly #options: NetServerOptions
  readonly #handlers: ReadonlyMap<number, ServerHandler>
  readonly #connections = new Set<Connection>()
  readonly #quotas: ClientQuotas
  readonly #perAddress = new Map<string, number>()
  readonly #listeners: NetListener[] = []
  #sweepTimer: { cancel(): void } | undefined
  #isClosing = false
  #onEmpty: (() => void) | undefined

  constructor(options: NetServerOptions) {
    const { env, transport, groups, settings } = options
    this.#options = options
    const memoryBytes = settings.number('queued.max.request.bytes')
    this.memory = new RequestMemory(transport, memoryBytes > 0 ? memoryBytes : REQUEST_MEMORY_BYTES)
    this.#quotas = new ClientQuotas(transport.admin, env.clock, settings)
    const metrics = new BrokerMetrics()
    this.core = {
      metrics,
      transport,
      groups,
      clock: env.clock,
      settings,
      memory: this.memory,
      onDamage: (error) => options.log('error', error.message),
    }
    const handlers = new Map(makeHandlers(env, this.core))
    handlers.set(
      API_VERSIONS_KEY,
      serveApiVersions(APIS.filter(({ key }) => key === API_VERSIONS_KEY || handlers.has(key))),
    )
    this.#handlers = handlers
    this.#sweepLater()
  }

  /** Of each connection, oldest first: requests that are not answered. */
  pendingCounts(): number[] {
    return [...this.#connections].map(({ pendingCount }) => pendingCount)
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Rejects with the system's error. `adopted`: a descriptor that another thread's listener shared. */
  async listen(
    host: string,
    port: number,
    adopted: number | undefined,
    brokerOf: (port: number) => BrokerIdentity,
  ): Promise<NetListener> {
    const { net } = this.#options
    const brokers: BrokerIdentity[] = []
    const onConnection = (connection: NetConnection): void => {
      const [broker] = brokers // There is one before anybody can connect.
      if (broker === undefined) connection.destroy()
      else this.accept(connection, broker)
    }
    const listener = await (adopted === undefined
      ? net.listen(host, port, onConnection)
      : net.adopt(adopted, onConnection))
    brokers.push(brokerOf(listener.port))
    this.#listeners.push(listener)
    return listener
  }

  accept(net: NetConnection, broker: BrokerIdentity): void {
    const { settings } = this.core
    const address = net.remoteAddress
    const count = this.#perAddress.get(address) ?? 0
    const isOver = this.#connections.size >= settings.number('max.connections')
    if (this.#isClosing || isOver || count >= settings.number('max.connections.per.ip')) {
      if (!this.#isClosing) {
        const limit = isOver ? 'max.connections' : 'max.connections.per.ip'
        this.#options.log('warn', `connection of ${address} refused: ${limit} is reached`)
      }
      net.destroy()
      return
    }
    this.#perAddress.set(address, count + 1)
    this.core.metrics.connectionsCreated += 1
    this.#connections.add(new Connection(net, this, broker, this.core.clock.monotonicMs()))
  }

  admit(apiKey: number, apiVersion: number): void {
    const api = apiOf(apiKey)
    if (api === undefined || !this.#handlers.has(apiKey)) {
      throw new ConnectionFault(`request of an API that is not served: key=${apiKey} version=${apiVersion}`)
    }
    if (api.has(apiVersion) || apiKey === API_VERSIONS_KEY) return
    const versions = `${api.firstVersion} .. ${api.lastVersion}`
    throw new ConnectionFault(`${api.name} request of version=${apiVersion}, known are ${versions}`)
  }

  serve(api: Api, request: unknown, call: Call): unknown {
    const handler = this.#handlers.get(api.key)
    assert(handler !== undefined, 'a request that was admitted has a handler')
    return handler(request as never, call)
  }

  throttle(api: Api, response: unknown, call: Call, requestBytes: number): number {
    const { clientId } = call
    let muteMs = this.#quotas.record('request_percentage', clientId, call.busyMs / 10)
    if (api.key === PRODUCE_KEY) {
      muteMs = Math.max(muteMs, this.#quotas.record('producer_byte_rate', clientId, requestBytes))
    } else if (api.key === FETCH_KEY) {
      muteMs = Math.max(muteMs, this.#quotas.record('consumer_byte_rate', clientId, call.fetchedBytes))
    }
    if (muteMs === 0) return 0
    const throttleTimeMs = Math.min(muteMs, THROTTLE_MS_MAX)
    if (typeof response === 'object' && response !== null && !UNTHROTTLED.has(api.key)) {
      Object.assign(response, { throttleTimeMs })
    }
    return throttleTimeMs
  }

  answered(api: Api, call: Call, requestBytes: number, responseBytes: number, startedMs: number): void {
    const tookMs = this.core.clock.monotonicMs() - startedMs
    this.core.metrics.request(api.key, call.apiVersion, requestBytes, responseBytes, tookMs)
  }

  /** For /metrics. */
  metricsText(): string {
    return this.core.metrics.text({
      transport: this.core.transport,
      files: this.#options.net.counters,
      connectionCount: this.#connections.size,
      requestMemoryBytes: this.memory.heapBytes,
      clusterId: this.#options.clusterId,
    })
  }

  async serveMetrics(host: string, port: number): Promise<NetListener> {
    const listener = await serveMetrics(this.#options.net, host, port, () => this.metricsText())
    this.#listeners.push(listener)
    return listener
  }

  after(delayMs: number, callback: () => void): { cancel(): void } {
    return this.#options.env.timers.after(delayMs, callback)
  }

  defect(api: Api, apiVersion: number, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#options.log('error', `${api.name} version=${apiVersion} failed: ${text}`)
  }

  closed(connection: Connection, reason: string, isFault: boolean): void {
    this.#connections.delete(connection)
    this.core.metrics.connectionsClosed += 1
    if (isFault) this.core.metrics.connectionFaults += 1
    const count = this.#perAddress.get(connection.remoteAddress)! - 1
    if (count === 0) this.#perAddress.delete(connection.remoteAddress)
    else this.#perAddress.set(connection.remoteAddress, count)
    if (isFault) this.#options.log('warn', `connection of ${connection.remote} closed: ${reason}`)
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  #sweepLater(): void {
    const idleMs = this.core.settings.number('connections.max.idle.ms')
    const delayMs = idleMs < 0 ? SWEEP_MS : Math.min(SWEEP_MS, Math.max(1, idleMs / 2))
    this.#sweepTimer = this.after(delayMs, () => {
      this.#sweep(idleMs)
      this.#sweepLater()
    })
  }

  /** Ends connections that were idle for too long, and those that hold memory for nothing while others want it. */
  #sweep(idleMs: number): void {
    const nowMs = this.core.clock.monotonicMs()
    const isMemoryWanted = this.memory.waitingCount > 0
    for (const connection of [...this.#connections]) {
      const silentMs = nowMs - connection.activeMs
      if (idleMs >= 0 && silentMs > idleMs && connection.isClientsTurn) {
        connection.destroy(`idle for connections.max.idle.ms=${idleMs}`)
      } else if (isMemoryWanted && silentMs > STALL_MS && connection.isPartial && connection.isClientsTurn) {
        connection.destroy(`silent for ${STALL_MS} ms inside a request, while others wait for memory`)
      }
    }
  }

  /** No new connections; what is under way is answered for up to `graceMs`, then all are closed. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true
    this.#sweepTimer?.cancel()
    await Promise.all(this.#listeners.map((listener) => listener.close()))
    for (const connection of [...this.#connections]) connection.end()
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.after(graceMs, resolve)
        this.#onEmpty = (): void => {
          timer.cancel()
          resolve()
        }
      })
    }
    for (const connection of [...this.#connections]) connection.destroy('the broker is closing')
  }
}
