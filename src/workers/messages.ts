/**
 * What threads say to each other: control messages (MessagePort, structured clone) and ring frames (byte tables).
 *
 * Ring frames, little endian; requests go from a client thread to a shard, replies come back:
 *
 *  PRODUCE (20 bytes)                         APPENDED (36 bytes)
 *   0  u32  requestId                          0  u32  requestId
 *   4  u32  slot                               4  i32  errorCode, Kafka's; 0: appended
 *   8  u32  position of the batch in arena     8  f64  baseOffset, -1 on an error
 *  12  u32  lengthBytes                       16  f64  timestamp set by the log, or -1
 *  16  i32  acks: 0, 1, -1                    24  f64  logStartOffset
 *                                             32  i32  generation of the log that has it
 *
 *  SYNC (8 bytes), shard to flusher           SYNCED (24 bytes), flusher to shard
 *   0  u32  token                              0  u32  token
 *   4  i32  file descriptor                    4  u32  length of the errno name, 0: synced
 *                                              8  16   errno name, ASCII
 */
import type { MessagePort } from 'node:worker_threads'
import type { ErrorData } from '../base/errors.ts'
import type { DamageReport } from '../log/partition-log.ts'
import type { LogConfig } from '../log/topic-config.ts'
import type { EngineRequest, ProducerDescription } from '../protocol/admin-link.ts'
import type { AdminRequest, DamageInfo } from '../protocol/transport.ts'
import { SLOT_COUNT_MAX } from '../ring/watermarks.ts'
import type { Overrides } from '../settings/overrides.ts'

export const PRODUCE = 1
export const PRODUCE_BYTES = 20
export const APPENDED = 2
export const APPENDED_BYTES = 36
export const SYNC = 3
export const SYNC_BYTES = 8
export const SYNCED = 4
export const SYNCED_BYTES = 24
export const ERRNO_BYTES_MAX = 16

/** Sizes of the shared memory, and how much a shard takes on at once. The simulator makes them tiny. */
export interface EngineLimits {
  /** Partitions that one shard may have had since the log was opened. At most SLOT_COUNT_MAX. */
  readonly slotCount: number
  /** Requests that a client may have unanswered on one shard; a power of two. */
  readonly requestsMax: number
  /** Orders to one flusher that may be unanswered when a round begins; a power of two. */
  readonly syncOrdersMax: number
  /** Syncs of different files that go on at once, so that the file system commits its journal once for them. */
  readonly flushersPerShard: number
  /** Frames of one client that a shard takes in one step. */
  readonly framesPerPoll: number
  /** Bytes of batches that wait for one write. */
  readonly writeBytesMax: number
  /** Bytes of acks=all that wait for the disk; above, no frames are taken. */
  readonly uncommittedBytesMax: number
}

export const ENGINE_LIMITS: EngineLimits = {
  slotCount: SLOT_COUNT_MAX,
  requestsMax: 1024,
  syncOrdersMax: 4096,
  flushersPerShard: 2,
  framesPerPoll: 128,
  writeBytesMax: 8 << 20,
  uncommittedBytesMax: 64 << 20,
}

/** Bytes of a ring that holds at least `frameCount` frames of any kind in the tables above, whatever the padding. */
export function ringBytesFor(frameCount: number): number {
  return frameCount * 64
}

/** A partition that a shard is to open. */
export interface PartitionOrder {
  readonly slot: number
  readonly topic: string
  readonly partition: number
  readonly directory: string
  readonly topicId: string
  readonly config: LogConfig
  readonly wasClean: boolean
  /** Another program's log: it may have been compacted, whatever `config` says. */
  readonly isAdopted?: boolean
  readonly recoveryPoint: number
  readonly logStartOffset: number
}

/** One client thread's shared memory, as a shard sees it. */
export interface ClientLink {
  readonly clientId: string
  readonly arena: SharedArrayBuffer
  readonly doorbell: SharedArrayBuffer
  readonly requestRing: SharedArrayBuffer
  readonly replyRing: SharedArrayBuffer
  readonly interest: SharedArrayBuffer
}

export type ShardRequest =
  | { readonly type: 'open'; readonly partitions: readonly PartitionOrder[] }
  | { readonly type: 'link'; readonly link: ClientLink }
  | { readonly type: 'unlink'; readonly clientId: string }
  | { readonly type: 'configure'; readonly slot: number; readonly config: LogConfig }
  | { readonly type: 'trim'; readonly slot: number; readonly offset: number }
  | { readonly type: 'describeProducers'; readonly slot: number }
  | { readonly type: 'delete'; readonly slot: number }
  | { readonly type: 'close' }

export interface OpenedPartition {
  readonly slot: number
  readonly error: ErrorData | undefined
  readonly damage: readonly DamageReport[]
  readonly greatestProducerId: number
}

export interface PartitionPoints {
  readonly slot: number
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly highWatermark: number
}

export interface ShardReplies {
  open: readonly OpenedPartition[]
  link: undefined
  unlink: undefined
  configure: undefined
  trim: number
  describeProducers: readonly ProducerDescription[]
  delete: undefined
  /** Of each partition; an error for those that did not close cleanly. */
  close: { readonly points: readonly PartitionPoints[]; readonly errors: readonly ErrorData[] }
}

export interface ToShard {
  readonly requestId: number
  readonly request: ShardRequest
}

export type FromShard =
  | { readonly type: 'reply'; readonly requestId: number; readonly value: unknown; readonly error?: ErrorData }
  | { readonly type: 'offline'; readonly slot: number; readonly error: ErrorData }
  | { readonly type: 'online'; readonly slot: number; readonly damage: readonly DamageReport[] }

/** The first message of every thread that the dispatcher starts: its code is loaded. */
export const LOADED = 'loaded'

/** What a shard's thread is started with. */
export interface ShardStart {
  readonly shardIndex: number
  readonly watermarks: SharedArrayBuffer
  readonly doorbell: SharedArrayBuffer
  readonly retentionCheckMs: number
  readonly limits: EngineLimits
  readonly flushers: readonly FlusherStart[]
}

/** What a flusher's thread is started with; its shard has the other ends. */
export interface FlusherStart {
  readonly syncRing: SharedArrayBuffer
  readonly syncedRing: SharedArrayBuffer
  readonly flusherDoorbell: SharedArrayBuffer
  readonly shardDoorbell: SharedArrayBuffer
  readonly ordersMax: number
}

/** A shard as a client thread sees it; made anew with each incarnation of the shard. */
export interface ShardLink {
  readonly shardIndex: number
  readonly epoch: number
  readonly watermarks: SharedArrayBuffer
  readonly shardDoorbell: SharedArrayBuffer
  readonly requestRing: SharedArrayBuffer
  readonly replyRing: SharedArrayBuffer
  readonly interest: SharedArrayBuffer
  readonly requestsMax: number
}

export interface TopicDescription {
  readonly topic: string
  readonly topicId: string
  readonly configs: Readonly<Record<string, string>>
  readonly config: LogConfig
  /** Where each partition lives. */
  readonly places: readonly { readonly shardIndex: number; readonly slot: number }[]
}

/** What client threads ask of the dispatcher. */
export type ControlRequest = AdminRequest | EngineRequest

export type ToDispatcher =
  | {
      readonly type: 'attach'
      readonly clientId: string
      /** Of the arena that it wants. */
      readonly memoryBytes: number
      readonly doorbell: SharedArrayBuffer
    }
  /** `isLost`: its thread ended and could not say so itself. */
  | { readonly type: 'detach'; readonly clientId: string; readonly isLost?: boolean }
  /** Wants a port to the group coordinator, which is started if it is not there. Answered with 'coordinator'. */
  | { readonly type: 'groups'; readonly clientId: string }
  | {
      readonly type: 'request'
      readonly clientId: string
      readonly requestId: number
      readonly request: ControlRequest
    }
  | { readonly type: 'close'; readonly clientId: string; readonly requestId: number }

/** Sent to the dispatcher's thread by a thread that attaches: see dispatcher-thread.ts. */
export interface Lifeline {
  readonly address: string
  readonly clientId: string
  readonly lifeline: MessagePort
}

/** What another thread attaches to: the dispatcher's thread, and which log it has open. */
export function logAddress(dispatcherThreadId: number, logId: string): string {
  return `vltava:${dispatcherThreadId}:${logId}`
}

/** The number of the dispatcher's thread; undefined if it is not an address. */
export function parseLogAddress(address: string): number | undefined {
  const match = /^vltava:(\d{1,15}):[\w-]+$/.exec(address)
  return match === null ? undefined : Number(match[1])
}

export type FromDispatcher =
  | { readonly type: 'ready'; readonly damage: readonly DamageInfo[] }
  /** The log could not be opened, or, with a client, this one not attached. */
  | { readonly type: 'failed'; readonly clientId?: string; readonly error: ErrorData }
  | {
      readonly type: 'attached'
      readonly clientId: string
      readonly arena: SharedArrayBuffer
      readonly directory: string
      readonly shards: readonly ShardLink[]
      readonly topics: readonly TopicDescription[]
      readonly overrides: Overrides
    }
  | { readonly type: 'shard'; readonly clientId: string; readonly link: ShardLink }
  | { readonly type: 'overrides'; readonly overrides: Overrides }
  | { readonly type: 'topics'; readonly changed: readonly TopicDescription[]; readonly removed: readonly string[] }
  | {
      readonly type: 'failure'
      readonly topic: string
      readonly partition: number
      readonly error: ErrorData | undefined
    }
  | {
      readonly type: 'reply'
      readonly clientId: string
      readonly requestId: number
      readonly value: unknown
      readonly error?: ErrorData
    }
  | { readonly type: 'restarted'; readonly shardIndex: number; readonly epoch: number; readonly reason: string }
  /** Sent to one client only; `port` leads to the group coordinator. */
  | { readonly type: 'coordinator'; readonly clientId: string; readonly port: MessagePort }
  /** The group coordinator ended and was started again. */
  | { readonly type: 'coordinatorRestarted'; readonly reason: string }
  /** A client's thread ended without detaching; its memory was given back. */
  | { readonly type: 'lost'; readonly clientId: string }
  | { readonly type: 'closed'; readonly error?: ErrorData }
