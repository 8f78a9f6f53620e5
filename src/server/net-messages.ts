/** What the thread that asked for a listener and its net threads say to each other. */
import type { ErrorData } from '../base/errors.ts'
import type { ServerLogLine } from '../protocol/listener.ts'

/** One address, as a net thread is to bind it. */
export interface ListenOrder {
  readonly host: string
  readonly port: number
  readonly advertisedHost: string
  /** The bound one if undefined. */
  readonly advertisedPort: number | undefined
}

/** What a net thread is started with. */
export interface NetStart {
  /** Of the log that is open in this process. */
  readonly address: string
  readonly memoryBytes: number
  readonly listeners: readonly ListenOrder[]
  readonly settings: Readonly<Record<string, string>>
  /** Where to serve metrics; the first thread alone. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined
  /** Undefined for the first thread, which binds. For the others: what it shared, one for each listener. */
  readonly adopted: readonly number[] | undefined
  /** How many other threads want to adopt. */
  readonly sharerCount: number
}

export interface ToNet {
  readonly type: 'close'
  readonly graceMs: number
}

export type FromNet =
  | {
      readonly type: 'listening'
      readonly ports: readonly number[]
      readonly metricsPort: number | undefined
      /** For each thread that wants to adopt, one for each listener; empty where descriptors cannot be shared. */
      readonly shared: readonly (readonly number[])[]
    }
  | { readonly type: 'failed'; readonly error: ErrorData }
  | { readonly type: 'log'; readonly line: ServerLogLine }
  | { readonly type: 'closed' }
