/**
 * BenchOptions: what `vltava bench` was told, with what it assumes where it was told nothing.
 */
import { CODEC_IDS, type CompressionName } from '../../record/compression/codec.ts'
import { checkedBrokers } from '../open-log.ts'
import { type Arguments, LOG_OPTIONS, type OptionSpecs, UsageError } from '../command.ts'
import { PRODUCERS_MAX } from './record-checker.ts'
import { VALUE_BYTES_MIN } from './values.ts'

export type BenchName = 'produce' | 'consume' | 'end-to-end' | 'limit'

export interface BenchOptions {
  readonly bench: BenchName
  /** Undefined: a directory of its own, removed afterwards. */
  readonly data: string | undefined
  /** Undefined: the log is opened in this process. */
  readonly brokers: string | undefined
  /** Undefined: a topic of its own, deleted afterwards. */
  readonly topic: string | undefined
  /** Infinity: as many as go into `seconds`. */
  readonly records: number
  readonly recordSize: number
  /** Whether the size was given: a topic that was filled earlier says it itself. */
  readonly isRecordSizeGiven: boolean
  readonly partitions: number
  readonly acks: 0 | 1 | 'all'
  readonly batchBytes: number
  readonly threads: number
  readonly compression: CompressionName
  readonly lingerMs: number
  /** Records per second of all producers together; 0: as fast as it goes. */
  readonly rate: number
  /** Infinity: until `records` are done. */
  readonly seconds: number
}

export const BENCH_OPTIONS: OptionSpecs = {
  ...LOG_OPTIONS,
  topic: { type: 'string' },
  records: { type: 'string' },
  'record-size': { type: 'string' },
  partitions: { type: 'string' },
  acks: { type: 'string' },
  'batch-bytes': { type: 'string' },
  threads: { type: 'string' },
  compression: { type: 'string' },
  linger: { type: 'string' },
  rate: { type: 'string' },
  seconds: { type: 'string' },
}

const RECORDS = 5_000_000
const LIMIT_RECORDS = 2_000_000
const RECORD_SIZE = 100
const RECORD_SIZE_MAX = 1_000_000
const PARTITIONS = 8
const BATCH_BYTES = 262_144
const BATCH_BYTES_MIN = 1024
const BATCH_BYTES_MAX = 1 << 20 // max.message.bytes of a topic.
const LINGER_MS = 5
const SCHEDULE_SECONDS = 10

/** Throws UsageError. */
export function readBenchOptions(bench: BenchName, args: Arguments): BenchOptions {
  const brokers = args.text('brokers')
  if (brokers !== undefined && bench === 'limit')
    throw new UsageError('bench limit measures this machine, not --brokers')
  const records = args.integer('records', 1)
  const rate = args.integer('rate', 1, 1e9) ?? 0
  const seconds = args.integer('seconds', 1, 1e6)
  const recordSize = args.integer('record-size', VALUE_BYTES_MIN, RECORD_SIZE_MAX)
  const batchBytes = args.integer('batch-bytes', BATCH_BYTES_MIN, BATCH_BYTES_MAX) ?? BATCH_BYTES
  const hasSchedule = rate > 0
  if (hasSchedule && (bench === 'consume' || bench === 'limit')) throw new UsageError(`bench ${bench} has no --rate`)
  if (seconds !== undefined && bench === 'limit')
    throw new UsageError('bench limit has no --seconds, it takes --records')
  const isTimed = seconds !== undefined || (hasSchedule && records === undefined)
  const acks = args.choice('acks', ['0', '1', 'all']) ?? (bench === 'consume' ? '1' : 'all')
  return {
    bench,
    data: args.text('data'),
    brokers: brokers === undefined ? undefined : checkedBrokers(brokers, args.text('data')),
    topic: args.text('topic'),
    records: records ?? (isTimed ? Number.POSITIVE_INFINITY : bench === 'limit' ? LIMIT_RECORDS : RECORDS),
    recordSize: recordSize ?? RECORD_SIZE,
    isRecordSizeGiven: recordSize !== undefined,
    partitions: args.integer('partitions', 1, 1000) ?? PARTITIONS,
    acks: acks === 'all' ? 'all' : acks === '1' ? 1 : 0,
    batchBytes,
    threads: args.integer('threads', 1, PRODUCERS_MAX) ?? 1,
    compression: args.choice('compression', COMPRESSIONS) ?? 'none',
    lingerMs: args.integer('linger', 0, 60_000) ?? (hasSchedule ? 0 : LINGER_MS),
    rate,
    seconds: seconds ?? (isTimed ? SCHEDULE_SECONDS : Number.POSITIVE_INFINITY),
  }
}

const COMPRESSIONS = Object.keys(CODEC_IDS) as CompressionName[] // The table's keys are the names.
