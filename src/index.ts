/**
 * The door of the package: open a log, attach to it from a worker thread, and the types that a program meets.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { crc32cImplementation } from './base/crc32c.ts'
import { realEnv } from './base/env/real-env.ts'
import { VltavaError } from './base/errors.ts'
import { nativeStatus } from './base/native.ts'
import { Log } from './client/log.ts'
import { checkNumber } from './client/producer-options.ts'
import { parseCoordinatorSettings } from './engine/coordinator/coordinator-settings.ts'
import { attachLocal, openLocal } from './engine/open.ts'
import { compressionAvailable } from './record/compression/codec.ts'
import { SLAB_BYTES } from './ring/arena.ts'
import { startListener } from './server/listen.ts'
import type { FromDispatcher } from './workers/messages.ts'

export { Admin } from './client/admin.ts'
export type { AdminOptions, NewTopic, PartitionDescription, TopicDescription } from './client/admin.ts'
export { Consumer } from './client/consumer.ts'
export type { Assignment, BatchesOptions, ConsumerOptions, StartPosition, TopicPartition } from './client/consumer.ts'
export { Log } from './client/log.ts'
export { Producer } from './client/producer.ts'
export type { AppendExtras, ProducerOptions, ProducerRecord, RecordMetadata } from './client/producer-options.ts'
export { ConsumerBatch, ConsumerRecord } from './client/record-batch.ts'
export { serdes } from './client/serdes.ts'
export type { Serde, SerdeChoice, SerdeData, SerdeName } from './client/serdes.ts'
export {
  CorruptRecordError,
  DamagedLogError,
  OffsetOutOfRangeError,
  RecordTooLargeError,
  StorageError,
  UnknownTopicOrPartitionError,
  VltavaError,
} from './base/errors.ts'
export type { ErrorCode } from './base/errors.ts'
export type { BoundAddress, ListenAddress, Listener, ListenOptions, ServerLogLine } from './protocol/listener.ts'
export type { DamageInfo, OffsetAndTimestamp, OffsetSpec, PartitionEnds } from './protocol/transport.ts'
export type { RecordHeader } from './record/batch-builder.ts'
export type { CompressionName } from './record/compression/codec.ts'
export type { RecordCursor } from './record/record-cursor.ts'

/** Something that happened to the log while it was open, told to `onNotice`. */
export type LogNotice =
  /** A shard thread died or hung and was started again from disk. */
  | { readonly type: 'shard-restarted'; readonly shard: number; readonly epoch: number; readonly reason: string }
  /** The group coordinator's thread died or hung and was started again; members go on. */
  | { readonly type: 'coordinator-restarted'; readonly reason: string }
  /** A thread that had attached ended without close(); its shared memory was given back. */
  | { readonly type: 'thread-lost' }
  /** A partition stopped after a failed write or sync, or (without `error`) is back. */
  | { readonly type: 'partition'; readonly topic: string; readonly partition: number; readonly error?: VltavaError }

export interface OpenOptions {
  /** The data directory; created if it is missing. One log owns it at a time. */
  readonly dir: string
  /** Threads that own partitions. Default: cores - 1, at least 1. */
  readonly shards?: number
  /** Bytes of shared memory in which this thread's producers build batches. Default 32 MiB. */
  readonly memoryBytes?: number
  /** Kafka's log.retention.check.interval.ms. Default 300,000. */
  readonly retentionCheckMs?: number
  /** How often the recovery points are written. Default 5,000 ms. */
  readonly checkpointMs?: number
  /**
   * Broker settings by Kafka's names. Obeyed here: group.initial.rebalance.delay.ms, group.min.session.timeout.ms,
   * group.max.session.timeout.ms, group.max.size, group.consumer.session.timeout.ms,
   * group.consumer.heartbeat.interval.ms, group.consumer.max.size, offset.metadata.max.bytes,
   * offsets.retention.minutes, offsets.retention.check.interval.ms, offsets.topic.num.partitions,
   * offsets.topic.segment.bytes.
   */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  readonly onNotice?: (notice: LogNotice) => void
}

export interface AttachOptions {
  readonly memoryBytes?: number
  readonly onNotice?: (notice: LogNotice) => void
}

const MEMORY_BYTES = 32 << 20
const MEMORY_BYTES_MAX = 2 ** 31

/**
 * Opens the log in a directory and takes its lock. Recovers first if the directory was not closed cleanly.
 *
 * Rejects with VltavaError DIRECTORY_LOCKED (open already), DIRECTORY_UNUSABLE (a file, not writable),
 * DIRECTORY_VERSION (written by a later release), DIRECTORY_CORRUPT, INVALID_ARGUMENT.
 */
export async function open(options: OpenOptions): Promise<Log> {
  if (typeof options?.dir !== 'string' || options.dir === '') {
    throw new VltavaError('INVALID_ARGUMENT', "open() needs a directory: open({ dir: './data' })")
  }
  const { shards = Math.max(1, availableParallelism() - 1) } = options
  if (!Number.isInteger(shards)) throw new VltavaError('INVALID_ARGUMENT', `shards=${shards} is not a whole number`)
  const settings = Object.fromEntries(
    Object.entries(options.settings ?? {}).map(([name, value]) => [name, String(value)]),
  )
  parseCoordinatorSettings(settings)
  const { transport, groups, address } = await openLocal(
    {
      directory: resolve(options.dir),
      shards: checkNumber('shards', shards, 1, 64),
      memoryBytes: checkMemory(options.memoryBytes),
      retentionCheckMs: checkNumber('retentionCheckMs', options.retentionCheckMs ?? 300_000, 1, 0x7fff_ffff),
      checkpointMs: checkNumber('checkpointMs', options.checkpointMs ?? 5_000, 1, 0x7fff_ffff),
      settings,
    },
    noticeListener(options.onNotice),
  )
  return new Log(transport, realEnv, address, groups, startListener)
}

/**
 * Uses, from a worker thread, a log that another thread of this process has open: `address` is its log.address. The
 * thread gets rings and memory of its own; nobody waits for anybody. Rejects with VltavaError LOG_CLOSED.
 */
export async function attach(address: string, options: AttachOptions = {}): Promise<Log> {
  if (typeof address !== 'string')
    throw new VltavaError('INVALID_ARGUMENT', 'attach() needs the address of an open log')
  const listen = noticeListener(options.onNotice)
  const { transport, groups } = await attachLocal(address, checkMemory(options.memoryBytes), listen)
  return new Log(transport, realEnv, address, groups, startListener)
}

function checkMemory(memoryBytes = MEMORY_BYTES): number {
  return checkNumber('memoryBytes', memoryBytes, 4 * SLAB_BYTES, MEMORY_BYTES_MAX)
}

function noticeListener(onNotice: ((notice: LogNotice) => void) | undefined): (message: FromDispatcher) => void {
  return (message) => {
    if (onNotice === undefined) return
    if (message.type === 'restarted') {
      onNotice({ type: 'shard-restarted', shard: message.shardIndex, epoch: message.epoch, reason: message.reason })
    } else if (message.type === 'coordinatorRestarted') {
      onNotice({ type: 'coordinator-restarted', reason: message.reason })
    } else if (message.type === 'lost') {
      onNotice({ type: 'thread-lost' })
    } else if (message.type === 'failure') {
      const { topic, partition, error } = message
      const told = error === undefined ? {} : { error: new VltavaError(error.code, error.message) }
      onNotice({ type: 'partition', topic, partition, ...told })
    }
  }
}

/** Which implementation of each replaceable part is live in this process. */
export interface Features {
  readonly addon: boolean
  /** Why the addon is, or is not, live. */
  readonly addonReason: string
  readonly crc32c: 'native' | 'wasm' | 'js'
  readonly mmap: boolean
  readonly sendfile: boolean
  readonly flock: boolean
  readonly compression: { readonly [codec in 'gzip' | 'snappy' | 'lz4' | 'zstd']: boolean }
}

export function features(): Features {
  const { live, reason } = nativeStatus()
  return {
    addon: live,
    addonReason: reason,
    crc32c: crc32cImplementation(),
    mmap: live,
    sendfile: live,
    flock: live,
    compression: {
      gzip: compressionAvailable('gzip'),
      snappy: compressionAvailable('snappy'),
      lz4: compressionAvailable('lz4'),
      zstd: compressionAvailable('zstd'),
    },
  }
}
