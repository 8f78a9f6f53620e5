/**
 * Transport: where clients and engine meet. `client` talks to this interface and cannot tell whether the broker is in
 * its process (engine/local-transport.ts: rings and mapped files) or behind a socket.
 *
 * Everything on the hot path is synchronous and works on memory that the transport owns; promises appear only where
 * somebody waits. All members belong to the thread that made the transport.
 */
import type { ErrorData } from '../base/errors.ts'

export interface TopicInfo {
  readonly topic: string
  readonly topicId: string
  readonly partitionCount: number
  /** Settings that differ from the default. */
  readonly configs: Readonly<Record<string, string>>
  /** Largest batch the log takes, bytes. */
  readonly maxMessageBytes: number
  /** 'producer', 'none' or the codec that every stored batch must have. */
  readonly compressionType: string
  readonly isCompacted: boolean
}

/** Memory in which a producer builds one batch. */
export interface BatchMemory {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly start: number
  /** Bytes that are reserved from `start` on. */
  sizeBytes: number
  /** Of a part of memory that somebody else reserved: told when the part comes back, in the transport's place. */
  readonly owner?: { release(): void }
}

export type Acks = 0 | 1 | -1

/** Told once about each batch that was submitted. Never called from inside submit(). */
export interface BatchListener {
  /**
   * Appended: stable, or the outcome that acks=0 gets. `timestamp` is -1 unless the log set it; `generation` is for
   * commitState().
   */
  onAppended(baseOffset: number, timestamp: number, generation: number): void
  /**
   * Refused or lost; `isUnknown` when it may have been written all the same. True: the listener keeps the batch's
   * memory, to submit it again; else it is released.
   */
  onFailed(error: ErrorData, isUnknown: boolean): boolean
}

/** 'lost': not in the log, or nobody knows, after the log had to be opened anew. */
export type CommitState = 'waiting' | 'committed' | 'lost'

/** What is known of a partition's ends at this moment. */
export interface PartitionEnds {
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly committedOffset: number
}

/** Whole batches, in memory that stays valid until the reader's next poll(), seek() or close(). */
export interface FetchedBatches {
  readonly bytes: Uint8Array
  /** Start of each batch in `bytes`, and the end of the last one. */
  readonly positions: readonly number[]
  readonly highWatermark: number
}

/** Reads one partition from an offset on. */
export interface PartitionReader {
  readonly topic: string
  readonly partition: number
  /** The next offset wanted. */
  readonly nextOffset: number
  seek(offset: number): void
  /** Batches from nextOffset on that are at hand, about `maxBytes` of them but at least one; undefined if none is. */
  poll(maxBytes: number): FetchedBatches | undefined
  ends(): PartitionEnds
  /** Whether poll() would find something, or throw. */
  hasNews(): boolean
  close(): void
}

export type OffsetSpec = 'start' | 'end' | 'max-timestamp' | { readonly timestamp: number }

export interface OffsetAndTimestamp {
  /** -1: no record that late. */
  readonly offset: number
  /** -1: not asked for by timestamp. */
  readonly timestamp: number
}

export interface DamageInfo {
  readonly topic: string
  readonly partition: number
  readonly file: string
  readonly position: number
  readonly reason: string
  readonly action: string
}

/** What an administrator may ask; each answers with the type that AdminReplies names. */
export type AdminRequest =
  | {
      readonly type: 'createTopics'
      readonly topics: readonly { topic: string; partitions: number; configs: Readonly<Record<string, string>> }[]
      readonly validateOnly: boolean
    }
  | { readonly type: 'deleteTopics'; readonly topics: readonly string[] }
  | { readonly type: 'createPartitions'; readonly topic: string; readonly partitions: number }
  | {
      readonly type: 'alterConfigs'
      readonly topic: string
      /** null: back to the default. */
      readonly configs: Readonly<Record<string, string | null>>
    }
  | { readonly type: 'trim'; readonly topic: string; readonly partition: number; readonly offset: number }
  | { readonly type: 'allocateProducerId' }
  | { readonly type: 'damage' }

export interface AdminReplies {
  createTopics: undefined
  deleteTopics: undefined
  createPartitions: undefined
  alterConfigs: undefined
  /** The log start offset now. */
  trim: number
  allocateProducerId: number
  damage: readonly DamageInfo[]
}

export interface Transport {
  readonly isClosed: boolean
  /** Calls back once when the transport closes; returns how to take that back. */
  onClose(listener: () => void): () => void
  topic(name: string): TopicInfo | undefined
  topics(): TopicInfo[]
  /** Calls back when topics came, went or changed; returns how to take that back. */
  onTopics(listener: () => void): () => void

  /** Memory for a batch of up to `sizeBytes`; undefined while none is free. */
  reserve(sizeBytes: number): BatchMemory | undefined
  /** The most that one batch may take, bytes. */
  readonly batchBytesMax: number
  /** Gives back what lies behind the first `keptBytes`. */
  trim(memory: BatchMemory, keptBytes: number): void
  release(memory: BatchMemory): void
  /**
   * Hands a built batch of `lengthBytes` over; its memory comes back by itself, before the listener is told of success.
   * Throws UnknownTopicOrPartitionError, or VltavaError LOG_CLOSED; then nothing was done.
   */
  submit(
    topic: string,
    partition: number,
    memory: BatchMemory,
    lengthBytes: number,
    acks: Acks,
    listener: BatchListener,
  ): void
  /** Of a batch that was appended in `generation` and ends before `endOffset`. Throws UnknownTopicOrPartitionError. */
  commitState(topic: string, partition: number, endOffset: number, generation: number): CommitState
  /** Takes in answers that are there, without waiting: frees memory and calls listeners. */
  poll(): void
  /** Whoever waits looks again whether it is ready. */
  wake(): void
  /** Resolves when poll() has something to take in, or `isReady()` says so, or after `timeoutMs`. */
  wait(isReady: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void>

  /** Throws UnknownTopicOrPartitionError. */
  reader(topic: string, partition: number, offset: number): PartitionReader
  ends(topic: string, partition: number): PartitionEnds
  /** Why a partition cannot be written at present; undefined if it can. */
  partitionFailure(topic: string, partition: number): ErrorData | undefined
  /** From now on wait() wakes when this partition moves, until the function that is returned is called, once. */
  watch(topic: string, partition: number): () => void

  lookup(topic: string, partition: number, spec: OffsetSpec): Promise<OffsetAndTimestamp>
  request<R extends AdminRequest>(request: R, signal?: AbortSignal): Promise<AdminReplies[R['type']]>
  close(): Promise<void>
}
