/**
 * Handler: answers one request of one API. Between the connections, which decode, order and encode, and the code that
 * knows what an API means. A handler never sees a socket, a frame or a correlation id.
 */
import type { Clock } from '../base/env/env.ts'
import type { AdminLink } from '../protocol/admin-link.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import type { Api, RequestOf, ResponseOf } from '../protocol/wire/api.ts'
import type { Transport } from '../protocol/transport.ts'

/** What this broker says of itself to clients of one listener. */
export interface BrokerIdentity {
  readonly clusterId: string
  readonly nodeId: number
  /** As advertised to clients of the listener that the request came in on. */
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface RequestContext {
  readonly apiVersion: number
  /** '' if the client sent none. */
  readonly clientId: string
  /** Numeric address of the peer, as Kafka prints it: "/127.0.0.1". */
  readonly clientHost: string
  readonly broker: BrokerIdentity
  readonly transport: Transport
  readonly groups: GroupLink
  readonly admin: AdminLink
  readonly clock: Clock
  /** Settings of the broker, by Kafka's names; `undefined` for what Kafka does not know. */
  setting(name: string): string | undefined
  /** Aborted when the connection closes: who waits stops waiting. */
  readonly signal: AbortSignal
}

/**
 * The answer, with Kafka's error codes inside; `throttleTimeMs` is filled in by the caller. A handler that throws is a
 * defect: the client hears UNKNOWN_SERVER_ERROR and the log of the server says why.
 */
export type Handler<A extends Api> = (
  request: RequestOf<A>,
  context: RequestContext,
) => ResponseOf<A> | Promise<ResponseOf<A>>
