/**
 * A cluster in memory: brokers that speak Kafka's protocol through our codec, over sockets that the test can cut. Time
 * stands still until the test moves it. As in Kafka a broker works on one request of a connection at a time.
 *
 * A test scripts what goes wrong by `onRequest`: it is asked about each request before the broker looks at it.
 */
import { SimClock } from '../../../src/base/env/sim-clock.ts'
import type { Dialer, DialOptions, Socket, SocketListener } from '../../../src/base/env/dialer.ts'
import { SeededRandom } from '../../../src/base/random.ts'
import { ClusterTransport } from '../../../src/client/cluster/cluster-transport.ts'
import { FrameAssembler } from '../../../src/client/cluster/frames.ts'
import { checkConnectOptions, type ClusterSettings, type ConnectOptions } from '../../../src/client/cluster/settings.ts'
import { Log } from '../../../src/client/log.ts'
import { apiOf } from '../../../src/protocol/messages/apis.ts'
import { peekApi, readRequestHeader, writeResponseHeader } from '../../../src/protocol/wire/headers.ts'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'
import { FakeHandlers } from './fake-handlers.ts'
import { FakePartition } from './fake-log.ts'

const FRAME_BYTES_MAX = 64 << 20

/** A request as the broker got it. */
export interface FakeRequest {
  readonly nodeId: number
  readonly apiName: string
  readonly version: number
  readonly body: Body
}

/** Decoded: names as in src/protocol/messages. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- Requests of all APIs, looked into by tests.
export type Body = any

/**
 * 'answer': as a broker does. 'cut-before': the connection ends before the broker sees it. 'cut-after': the broker does
 * what it was asked, and the connection ends before it can say so. 'hang': never answered. An object: the answer.
 * A promise: the broker waits for it first.
 */
export type Fate = 'answer' | 'cut-before' | 'cut-after' | 'hang' | { readonly answer: Body }

export interface FakeTopic {
  readonly id: string
  readonly partitions: FakePartition[]
  readonly configs: Record<string, string>
}

export class FakeCluster {
  readonly clock = new SimClock()
  readonly random = new SeededRandom(1)
  readonly topics = new Map<string, FakeTopic>()
  readonly requests: FakeRequest[] = []
  /** Versions that the brokers speak at most, by name; 0 to this. */
  readonly versionsMax = new Map<string, number>()
  readonly handlers = new FakeHandlers(this)
  onRequest: (request: FakeRequest) => Fate | Promise<Fate> = () => 'answer'
  /** Cuts what brokers send into pieces of so many bytes. */
  pieceBytes = Number.POSITIVE_INFINITY
  keptAlive = 0
  dialCount = 0
  readonly #up = new Set<number>()
  readonly #nodeIds: number[]
  readonly #sockets = new Set<FakeSocket>()
  #nextTopicId = 1

  constructor(nodeIds: readonly number[] = [1]) {
    this.#nodeIds = [...nodeIds]
    for (const nodeId of nodeIds) this.#up.add(nodeId)
  }

  get nodeIds(): readonly number[] {
    return this.#nodeIds
  }

  isUp(nodeId: number): boolean {
    return this.#up.has(nodeId)
  }

  addTopic(name: string, partitionCount: number, configs: Record<string, string> = {}): FakeTopic {
    const bytes = Buffer.alloc(16)
    bytes.writeInt32BE(this.#nextTopicId++, 12)
    bytes[0] = 1
    const partitions = Array.from(
      { length: partitionCount },
      (_, i) => new FakePartition(this.#nodeIds[i % this.#nodeIds.length]!),
    )
    const topic = { id: bytes.toString('base64url'), partitions, configs }
    this.topics.set(name, topic)
    return topic
  }

  partition(topic: string, partition: number): FakePartition {
    return this.topics.get(topic)!.partitions[partition]!
  }

  readonly dialer: Dialer = {
    dial: (options: DialOptions, listener: SocketListener): Socket => {
      this.dialCount += 1
      const socket = new FakeSocket(this, Number(options.host.replace('node', '')), listener)
      this.#sockets.add(socket)
      return socket
    },
    keepAlive: () => {
      this.keptAlive += 1
      return () => {
        this.keptAlive -= 1
      }
    },
  }

  forget(socket: FakeSocket): void {
    this.#sockets.delete(socket)
  }

  /** The node dies: its connections end, new ones are refused, others lead its partitions. */
  kill(nodeId: number): void {
    this.#up.delete(nodeId)
    const [heir] = this.#up
    for (const { partitions } of this.topics.values()) {
      for (const each of partitions) if (each.leader === nodeId && heir !== undefined) each.elect(heir)
    }
    this.cut(nodeId)
  }

  revive(nodeId: number): void {
    this.#up.add(nodeId)
  }

  /** Ends the connections of a node, or of all. */
  cut(nodeId?: number): void {
    for (const socket of [...this.#sockets]) if (nodeId === undefined || socket.nodeId === nodeId) socket.cut()
  }

  settings(options: Partial<ConnectOptions> = {}): ClusterSettings {
    const brokers = this.#nodeIds.map((nodeId) => `node${nodeId}:9092`)
    return checkConnectOptions({ brokers, ...options })
  }

  async transport(options: Partial<ConnectOptions> = {}): Promise<ClusterTransport> {
    const env = { clock: this.clock, timers: this.clock, random: this.random, dialer: this.dialer }
    return await this.during(ClusterTransport.connect(env, this.settings(options)))
  }

  async log(options: Partial<ConnectOptions> = {}): Promise<Log> {
    const transport = await this.transport(options)
    const { clock, random } = this
    return new Log(transport, { clock, timers: clock, random }, '', transport.groups)
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Lets time pass, in steps, so that what one timer starts happens before the next. */
  async advance(ms: number): Promise<void> {
    const endMs = this.clock.monotonicMs() + ms
    await this.settle()
    for (;;) {
      const nextMs = this.clock.nextTimerMs()
      if (nextMs === undefined || nextMs > endMs) break
      this.clock.advance(Math.max(0, nextMs - this.clock.monotonicMs()))
      await this.settle()
    }
    this.clock.advance(Math.max(0, endMs - this.clock.monotonicMs()))
    await this.settle()
  }

  /** Waits for a promise, and lets time pass if it does not come without; up to ten minutes. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    const done = (): void => {
      isDone = true
    }
    promise.then(done, done)
    const endMs = this.clock.monotonicMs() + 600_000
    await this.settle()
    while (!isDone && this.clock.monotonicMs() < endMs) {
      const nextMs = this.clock.nextTimerMs()
      if (nextMs === undefined) break
      this.clock.advance(Math.max(0, nextMs - this.clock.monotonicMs()))
      await this.settle()
    }
    if (!isDone) throw new Error('nothing is left that could settle it')
    return await promise
  }

  requestsOf(apiName: string): FakeRequest[] {
    return this.requests.filter((request) => request.apiName === apiName)
  }
}

class FakeSocket implements Socket {
  readonly nodeId: number
  readonly #cluster: FakeCluster
  readonly #listener: SocketListener
  readonly #frames = new FrameAssembler(FRAME_BYTES_MAX)
  #work: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(cluster: FakeCluster, nodeId: number, listener: SocketListener) {
    this.#cluster = cluster
    this.nodeId = nodeId
    this.#listener = listener
    queueMicrotask(() => {
      if (this.#isClosed) return
      if (cluster.isUp(nodeId)) listener.onOpen()
      else this.cut(new Error('connect ECONNREFUSED'))
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(pieces: readonly Uint8Array[], onSent?: () => void): void {
    for (const piece of pieces) {
      this.#frames.push(piece, (frame) => {
        this.#work = this.#work.then(() => this.#serve(frame))
      })
    }
    if (onSent !== undefined) queueMicrotask(onSent)
  }

  close(): void {
    this.#isClosed = true
    this.#cluster.forget(this)
  }

  cut(error?: Error): void {
    if (this.#isClosed) return
    this.close()
    this.#listener.onClose(error)
  }

  async #serve(frame: Uint8Array): Promise<void> {
    if (this.#isClosed) return
    const reader = new WireReader(frame)
    const { apiKey, apiVersion } = peekApi(reader)
    const api = apiOf(apiKey)!
    const { correlationId } = readRequestHeader(reader, api, apiVersion)
    const versionMax = this.#cluster.versionsMax.get(api.name) ?? api.lastVersion
    const isKnown = apiVersion <= versionMax
    const body: Body = isKnown ? api.request.read(reader, apiVersion) : {}
    const request = { nodeId: this.nodeId, apiName: api.name, version: apiVersion, body }
    this.#cluster.requests.push(request)
    const fate = await this.#cluster.onRequest(request)
    if (fate === 'cut-before') return this.cut()
    if (fate === 'hang') return await new Promise(() => undefined)
    const answer: Body = typeof fate === 'object' ? fate.answer : await this.#cluster.handlers.handle(request, this)
    if (fate === 'cut-after') return this.cut()
    if (answer === undefined || this.#isClosed) return
    const writer = new WireWriter()
    writer.claim(4)
    writeResponseHeader(writer, api, apiVersion, correlationId)
    api.response.write(writer, isKnown ? apiVersion : 0, answer)
    writer.patchInt32(0, writer.sizeBytes - 4)
    const bytes = writer.finish()
    for (let i = 0; i < bytes.length && !this.#isClosed; i += this.#cluster.pieceBytes) {
      this.#listener.onBytes(bytes.slice(i, Math.min(bytes.length, i + this.#cluster.pieceBytes)))
    }
  }
}
