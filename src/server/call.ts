/**
 * Call: one request on its way through the server, and what its handler may know of where it came from.
 */
import type { Clock } from '../base/env/env.ts'
import type { AdminLink } from '../protocol/admin-link.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import type { LocalTransport } from '../engine/local-transport.ts'
import type { FrameMemory } from './frame-reader.ts'
import type { BrokerIdentity, RequestContext } from './handler.ts'
import type { BrokerMetrics } from './broker-metrics.ts'
import type { RequestMemory } from './request-memory.ts'
import type { BrokerSettings } from './settings.ts'

/** What all connections of a thread share. */
export interface ServerCore {
  readonly transport: LocalTransport
  readonly groups: GroupLink
  readonly clock: Clock
  readonly settings: BrokerSettings
  readonly memory: RequestMemory
  readonly metrics: BrokerMetrics
  /** Files that could not be read as they should: the client gets an error code, the log of the server the reason. */
  onDamage(error: Error): void
}

/** Of one connection. */
export interface Peer {
  readonly broker: BrokerIdentity
  /** As Kafka prints it: "/127.0.0.1". */
  readonly host: string
  readonly signal: AbortSignal
  /** Calls back when the connection closes; returns how to take that back. */
  onClosed(listener: () => void): () => void
}

export class Call implements RequestContext {
  readonly apiKey: number
  readonly apiVersion: number
  readonly clientId: string
  /** Of the request's bytes; byte fields of the request are views of it. */
  readonly frame: FrameMemory
  readonly core: ServerCore
  readonly #peer: Peer
  #isReleased = false
  /** No request of the connection begins: parts of this one wait to be handed over. */
  holdsNext = false
  /** Time of this thread that the request took, but for waiting. */
  busyMs = 0
  /** Of a fetch: bytes of records in the answer. */
  fetchedBytes = 0

  constructor(core: ServerCore, peer: Peer, apiKey: number, apiVersion: number, clientId: string, frame: FrameMemory) {
    this.core = core
    this.#peer = peer
    this.apiKey = apiKey
    this.apiVersion = apiVersion
    this.clientId = clientId
    this.frame = frame
  }

  /** The request's bytes are not looked at any more: called early by handlers that wait, else when they are done. */
  releaseFrame(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.frame.release()
  }

  /** Calls back when the connection closes; returns how to take that back. Cheaper than the signal. */
  onClose(listener: () => void): () => void {
    return this.#peer.onClosed(listener)
  }

  get clientHost(): string {
    return this.#peer.host
  }

  get broker(): BrokerIdentity {
    return this.#peer.broker
  }

  get transport(): LocalTransport {
    return this.core.transport
  }

  get groups(): GroupLink {
    return this.core.groups
  }

  get admin(): AdminLink {
    return this.core.transport.admin
  }

  get clock(): Clock {
    return this.core.clock
  }

  get signal(): AbortSignal {
    return this.#peer.signal
  }

  setting(name: string): string | undefined {
    return this.core.settings.get(name)
  }
}

/** In place of a response: the request gets none (produce with acks=0). */
export const NO_RESPONSE = Symbol('no response')

/** The server's own handlers know a little more than those of handler.ts; a response is the API's, or NO_RESPONSE. */
export type ServerHandler = (request: never, call: Call) => unknown
