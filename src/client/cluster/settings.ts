/**
 * What connect() can be told, and the gate through which it comes: wrong options are typed errors at once. Names and
 * defaults are those of Kafka's clients where they have the same setting.
 */
import type { Dialer, TlsOptions } from '../../base/env/dialer.ts'
import type { Env } from '../../base/env/env.ts'
import { VltavaError } from '../../base/errors.ts'
import { SLAB_BYTES } from '../../base/slabs.ts'
import { checkNumber } from '../producer-options.ts'
import type { Exchange } from './exchange.ts'

/** Something that happened to the cluster as this program sees it, told to `onNotice`. */
export type ClusterNotice = {
  readonly type: 'broker'
  readonly host: string
  readonly port: number
  /** Why the connection ended or could not be made; undefined: it is back. */
  readonly error?: VltavaError
}

export interface ConnectOptions {
  /** Some brokers of the cluster, 'host:port' each (or joined by commas); the others are learned from them. */
  readonly brokers: string | readonly string[]
  /** Told to the brokers, for their logs and quotas. Default 'vltava'. */
  readonly clientId?: string
  /** Encrypted connections; `{}` takes the system's roots. Default: plain TCP. */
  readonly tls?: TlsOptions
  /** 'read_committed' leaves records of aborted and open transactions out. Default 'read_uncommitted', as in Kafka. */
  readonly isolation?: 'read_uncommitted' | 'read_committed'
  /** Bytes of memory in which producers build batches and keep them until they are answered. Default 32 MiB. */
  readonly memoryBytes?: number
  /** How long connect() tries to reach a first broker. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** How long a broker may take to answer before its connection is given up. Default 30,000. */
  readonly requestTimeoutMs?: number
  /** How long a batch is tried, from its submission; then its records fail. Default 120,000. */
  readonly deliveryTimeoutMs?: number
  /** What is known of topics and brokers is asked for again at this age. Default 300,000. */
  readonly metadataMaxAgeMs?: number
  /** Connections that nobody uses for so long are closed. Default 540,000. */
  readonly connectionsMaxIdleMs?: number
  /** Bytes of one produce request, which carries batches of several partitions. Default 4 MiB. */
  readonly maxRequestBytes?: number
  /** A consumer's idle fetch is answered by the broker after so long. Default 500. */
  readonly fetchMaxWaitMs?: number
  /** Bytes that are asked of one partition at a time; twice as much may be read ahead. Default 1 MiB. */
  readonly maxPartitionFetchBytes?: number
  /** Bytes of one fetch answer. Default 16 MiB. */
  readonly fetchMaxBytes?: number
  readonly onNotice?: (notice: ClusterNotice) => void
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** Milliseconds; grows by doubling, with 20 % of jitter. */
export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
}

/** What the parts of a cluster transport take from the world outside. */
export interface ClusterEnv extends Pick<Env, 'clock' | 'timers' | 'random'> {
  readonly dialer: Dialer
}

/** Options with their defaults, checked. */
export interface ClusterSettings {
  readonly bootstrap: readonly Address[]
  readonly clientId: string
  readonly tls: TlsOptions | undefined
  readonly isReadCommitted: boolean
  readonly memoryBytes: number
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly deliveryTimeoutMs: number
  readonly metadataMaxAgeMs: number
  readonly connectionsMaxIdleMs: number
  readonly maxRequestBytes: number
  readonly fetchMaxWaitMs: number
  readonly maxPartitionFetchBytes: number
  readonly fetchMaxBytes: number
  /** A larger frame ends its connection. */
  readonly maxResponseBytes: number
  readonly reconnectBackoff: Backoff
  readonly retryBackoff: Backoff
  /** Runs after the versions are known and before anything else is sent on a connection. */
  readonly authenticate: ((exchange: Exchange) => Promise<void>) | undefined
  readonly onNotice: (notice: ClusterNotice) => void
}

const MEMORY_BYTES = 32 << 20
const MEMORY_BYTES_MAX = 2 ** 31
const MS_MAX = 0x7fff_ffff
const BYTES_MAX = 0x4000_0000
/** A broker may answer a fetch with one batch that is larger than what was asked for. */
const BATCH_BYTES_BEYOND = 100 << 20

/** Throws VltavaError INVALID_ARGUMENT. */
export function checkConnectOptions(options: ConnectOptions): ClusterSettings {
  if (typeof options !== 'object' || options === null) {
    throw new VltavaError('INVALID_ARGUMENT', "connect() needs brokers: connect({ brokers: ['localhost:9092'] })")
  }
  const fetchMaxBytes = bytes('fetchMaxBytes', options.fetchMaxBytes, 16 << 20)
  return {
    bootstrap: parseBrokers(options.brokers),
    clientId: checkClientId(options.clientId ?? 'vltava'),
    tls: options.tls,
    isReadCommitted: parseIsolation(options.isolation),
    memoryBytes: checkNumber('memoryBytes', options.memoryBytes ?? MEMORY_BYTES, 4 * SLAB_BYTES, MEMORY_BYTES_MAX),
    connectTimeoutMs: milliseconds('connectTimeoutMs', options.connectTimeoutMs, 10_000),
    requestTimeoutMs: milliseconds('requestTimeoutMs', options.requestTimeoutMs, 30_000),
    deliveryTimeoutMs: milliseconds('deliveryTimeoutMs', options.deliveryTimeoutMs, 120_000),
    metadataMaxAgeMs: milliseconds('metadataMaxAgeMs', options.metadataMaxAgeMs, 300_000),
    connectionsMaxIdleMs: milliseconds('connectionsMaxIdleMs', options.connectionsMaxIdleMs, 540_000),
    maxRequestBytes: bytes('maxRequestBytes', options.maxRequestBytes, 4 << 20),
    fetchMaxWaitMs: milliseconds('fetchMaxWaitMs', options.fetchMaxWaitMs, 500),
    maxPartitionFetchBytes: bytes('maxPartitionFetchBytes', options.maxPartitionFetchBytes, 1 << 20),
    fetchMaxBytes,
    maxResponseBytes: fetchMaxBytes + BATCH_BYTES_BEYOND,
    reconnectBackoff: { firstMs: 50, maxMs: 1000 },
    retryBackoff: { firstMs: 50, maxMs: 1000 },
    authenticate: undefined,
    onNotice: options.onNotice ?? (() => undefined),
  }
}

function milliseconds(name: string, value: number | undefined, fallback: number): number {
  return checkNumber(name, value ?? fallback, 1, MS_MAX)
}

function bytes(name: string, value: number | undefined, fallback: number): number {
  return checkNumber(name, value ?? fallback, 1024, BYTES_MAX)
}

function checkClientId(clientId: unknown): string {
  if (typeof clientId === 'string' && Buffer.byteLength(clientId) <= 0x7fff) return clientId
  throw new VltavaError('INVALID_ARGUMENT', 'clientId is a text of at most 32,767 bytes')
}

function parseIsolation(isolation: ConnectOptions['isolation']): boolean {
  if (isolation === undefined || isolation === 'read_uncommitted') return false
  if (isolation === 'read_committed') return true
  const message = `isolation=${String(isolation)} is neither read_uncommitted nor read_committed`
  throw new VltavaError('INVALID_ARGUMENT', message)
}

/** 'a:9092,b:9092', or such texts in an array. Throws VltavaError INVALID_ARGUMENT. */
export function parseBrokers(brokers: unknown): Address[] {
  const given = Array.isArray(brokers) ? (brokers as unknown[]) : [brokers]
  const texts = given.flatMap((each) => (typeof each === 'string' ? each.split(',') : [each]))
  if (texts.length === 0) throw new VltavaError('INVALID_ARGUMENT', "connect() needs brokers: ['localhost:9092']")
  return texts.map(parseAddress)
}

function parseAddress(given: unknown): Address {
  const text = typeof given === 'string' ? given.trim() : ''
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^\s:/[\]]+)):(\d{1,5})$/i.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host !== undefined && port >= 1 && port <= 0xffff) return { host, port }
  throw new VltavaError('INVALID_ARGUMENT', `brokers: '${String(given)}' is not HOST:PORT, such as localhost:9092`)
}
