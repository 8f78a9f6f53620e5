/**
 * What a producer can be told, and the gate through which it comes: wrong options are typed errors at once.
 */
import { VltavaError } from '../base/errors.ts'
import type { Acks } from '../protocol/transport.ts'
import type { RecordHeader } from '../record/batch-builder.ts'
import { CODEC_IDS, type CompressionName, compressionAvailable, compress } from '../record/compression/codec.ts'
import { guardSerde, resolveSerde, type Serde, type SerdeName } from './serdes.ts'

/** Options of a producer. All are optional. */
export interface ProducerOptions<K = Uint8Array, V = Uint8Array> {
  /**
   * When a record counts as accepted: 'all' (default): on disk, it survives a power cut; 1: written to the page cache,
   * it survives the death of the process; 0: handed over, nothing is promised.
   */
  readonly acks?: 'all' | -1 | 0 | 1
  /** Milliseconds that a batch waits for more records. Default 5, as in Kafka. */
  readonly linger?: number
  /**
   * Bytes of a batch, before compression. Default 262,144; at most half of the thread's memory. Where many partitions
   * have an open batch, each is smaller, down to 16 KiB.
   */
  readonly batchBytes?: number
  readonly compression?: CompressionName
  readonly compressionLevel?: number
  /** Sequence numbers, so that a repeated batch lands once. Default true. */
  readonly idempotence?: boolean
  /** How keys and values become bytes. Default: both are Uint8Array. */
  readonly key?: SerdeName | Serde<K>
  readonly value?: SerdeName | Serde<V>
  /** Chooses a partition instead of Kafka's partitioner (murmur2 of the key; sticky without a key). */
  readonly partitioner?: (topic: string, key: Uint8Array | null, partitionCount: number) => number
  /** Told of each batch of append()ed records that failed. Without it, flush() and close() reject with the first. */
  readonly onError?: (error: VltavaError, batch: { topic: string; partition: number; recordCount: number }) => void
}

export interface ProducerRecord<K = Uint8Array, V = Uint8Array> {
  readonly topic: string
  /** null: a tombstone on a compacted topic. */
  readonly value: V | null
  readonly key?: K | null
  readonly headers?: readonly RecordHeader[]
  /** Default: by key, or sticky. */
  readonly partition?: number
  /** Milliseconds since the epoch; default now. */
  readonly timestamp?: number
}

export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1 with acks 0, and for a repeated batch whose first answer was lost and whose place the broker has forgotten. */
  readonly offset: number
  /** What 'acknowledged' meant: 'committed' (on disk), 'stable' (in the page cache), 'none'. */
  readonly durability: 'committed' | 'stable' | 'none'
}

/** Extras of append(), for records that need more than key and value. */
export interface AppendExtras {
  readonly headers?: readonly RecordHeader[]
  readonly partition?: number
  readonly timestamp?: number
}

const DEFAULT_LINGER_MS = 5
const DEFAULT_BATCH_BYTES = 262_144
const BATCH_BYTES_MIN = 1024

/** Options with their defaults, checked. */
export interface CheckedOptions<K, V> {
  readonly acks: Acks
  readonly lingerMs: number
  readonly batchBytes: number
  readonly compression: CompressionName
  readonly compressionLevel: number | undefined
  readonly isIdempotent: boolean
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly partitioner: ProducerOptions['partitioner']
  readonly onError: ProducerOptions['onError']
}

/** Throws VltavaError INVALID_ARGUMENT, INVALID_REQUIRED_ACKS, UNSUPPORTED_COMPRESSION_TYPE. */
export function checkOptions<K, V>(options: ProducerOptions<K, V>, batchBytesMax: number): CheckedOptions<K, V> {
  const { linger = DEFAULT_LINGER_MS, batchBytes = Math.min(DEFAULT_BATCH_BYTES, batchBytesMax) } = options
  return {
    acks: parseAcks(options.acks),
    lingerMs: checkNumber('linger', linger, 0, 0x7fff_ffff),
    batchBytes: checkNumber('batchBytes', batchBytes, BATCH_BYTES_MIN, batchBytesMax),
    compression: parseCompression(options.compression, options.compressionLevel),
    compressionLevel: options.compressionLevel,
    isIdempotent: options.idempotence ?? true,
    key: guardSerde(resolveSerde((options.key ?? 'bytes') as Serde<K>)),
    value: guardSerde(resolveSerde((options.value ?? 'bytes') as Serde<V>)),
    partitioner: options.partitioner,
    onError: options.onError,
  }
}

function parseAcks(acks: ProducerOptions['acks']): Acks {
  switch (acks) {
    case undefined:
    case 'all':
    case -1:
      return -1
    case 0:
    case 1:
      return acks
    default:
      throw new VltavaError('INVALID_REQUIRED_ACKS', `acks=${String(acks)} is none of 0, 1, 'all'`)
  }
}

function parseCompression(compression: CompressionName | undefined, level: number | undefined): CompressionName {
  if (compression === undefined) return 'none'
  if (!Object.hasOwn(CODEC_IDS, compression)) {
    const names = Object.keys(CODEC_IDS).join(', ')
    throw new VltavaError('UNSUPPORTED_COMPRESSION_TYPE', `compression=${String(compression)} is none of ${names}`)
  }
  if (!compressionAvailable(compression)) {
    throw new VltavaError('UNSUPPORTED_COMPRESSION_TYPE', `compression=${compression} is not available in this process`)
  }
  compress(compression, new Uint8Array(0), 0, 0, level) // Throws INVALID_ARGUMENT for a level that the codec has not.
  return compression
}

/** Throws VltavaError INVALID_RECORD: what is no header must not become bytes that the program did not mean. */
export function checkHeaders(headers: readonly RecordHeader[]): readonly RecordHeader[] {
  const given: unknown = headers
  if (Array.isArray(given) && given.every(isHeader)) return headers
  throw new VltavaError('INVALID_RECORD', 'headers are [name, Uint8Array or null] pairs in an array')
}

function isHeader(header: unknown): boolean {
  if (!Array.isArray(header)) return false
  const pair: readonly unknown[] = header
  return typeof pair[0] === 'string' && (pair[1] === null || pair[1] instanceof Uint8Array)
}

/** Throws VltavaError INVALID_TIMESTAMP. */
export function checkTimestamp(timestamp: number): number {
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return timestamp
  throw new VltavaError(
    'INVALID_TIMESTAMP',
    `timestamp=${timestamp} is not a whole number of milliseconds since 1970, 0 or more`,
  )
}

export function checkNumber(name: string, value: number, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw new VltavaError('INVALID_ARGUMENT', `${name}=${String(value)} is not a number in ${min} .. ${max}`)
}
