/**
 * What log.listen() takes and gives: where client and server meet.
 */

/** An address that clients connect to. */
export interface ListenAddress {
  /** Address or name of an interface of this machine. Default 127.0.0.1: nobody outside of it. */
  readonly host?: string
  /** Default 9092; 0 for one that is free. */
  readonly port?: number
  /** What clients are told to connect to, where that is something else (behind NAT, in a container). */
  readonly advertisedHost?: string
  readonly advertisedPort?: number
}

export interface ListenOptions extends ListenAddress {
  /** Several addresses at once; then host, port and the advertised ones above are not given. */
  readonly listeners?: readonly ListenAddress[]
  /** Threads that serve connections. Default 1. */
  readonly threads?: number
  /** Bytes of shared memory in which each of these threads takes in batches. Default 32 MiB. */
  readonly memoryBytes?: number
  /** Settings of the broker by Kafka's names, such as { 'connections.max.idle.ms': '60000' }. */
  readonly settings?: Readonly<Record<string, string>>
  /** Serves metrics in Prometheus's text format at http://host:port/metrics. */
  readonly metrics?: { readonly host?: string; readonly port: number }
  /** Told of connections that were closed for a fault of their own, and the like; by default nobody is. */
  readonly onLog?: (line: ServerLogLine) => void
}

export interface ServerLogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
}

export interface BoundAddress {
  readonly host: string
  readonly port: number
  readonly advertisedHost: string
  readonly advertisedPort: number
}

/** An open listener. */
export interface Listener {
  /** As bound, in the order in which they were asked for. */
  readonly addresses: readonly BoundAddress[]
  /** Of the first address. */
  readonly port: number
  readonly ports: readonly number[]
  /** Of /metrics, if it was asked for. */
  readonly metricsPort: number | undefined
  /** No new connections; answers under way are sent, then every connection is closed. A second call waits too. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How a log gets a listener: the server's, handed in by the package's door. */
export type StartListener = (address: string, options: ListenOptions) => Promise<Listener>
