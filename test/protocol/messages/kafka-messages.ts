/** The fixture test/fixtures/protocol: messages as Kafka's own classes write them. */
import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'

export interface ApiLine {
  readonly api: number
  readonly name: string
  readonly versions: readonly [number, number]
  readonly flexibleSince: number | null
}

export type Direction = 'request' | 'response'

export interface MessageLine {
  readonly api: number
  readonly direction: Direction
  readonly version: number
  readonly header: string
  readonly bytes: string
  readonly values: unknown
}

/** One field set, all others left out. A frame for each version of the API; null where Kafka refuses to write it. */
export interface AloneLine {
  readonly api: number
  readonly direction: Direction
  readonly alone: Record<string, unknown>
  readonly frames: readonly (string | null)[]
}

type Line = ApiLine | MessageLine | AloneLine

const FIXTURE = new URL('../../fixtures/protocol/messages-4.3.1.jsonl.br', import.meta.url)
/** In every header of the fixture. */
export const CORRELATION_ID = 0x01020304
/** Of an API, direction and version: one of defaults, the others drawn. */
export const MESSAGES_EACH = 7

/** Kafka's objects have these already; the version that brings them to the wire is unstable. */
const UNSTABLE_FIELDS = ['enable2Pc', 'keepPreparedTxn', 'ongoingTxnProducerId', 'ongoingTxnProducerEpoch']

const lines = brotliDecompressSync(readFileSync(FIXTURE)).toString().trimEnd().split('\n')
const parsed = lines.map((line) => JSON.parse(line, revive) as Line)
export const apiLines = parsed.filter((line): line is ApiLine => 'name' in line)
export const messageLines = parsed.filter((line): line is MessageLine => 'bytes' in line)
export const aloneLines = parsed.filter((line): line is AloneLine => 'alone' in line)

/** Bytes of a field set alone. */
function revive(name: string, value: unknown): unknown {
  if (UNSTABLE_FIELDS.includes(name)) return undefined
  const isBytes = typeof value === 'object' && value !== null && 'base64' in value
  return isBytes ? Buffer.from(value.base64 as string, 'base64') : value
}
