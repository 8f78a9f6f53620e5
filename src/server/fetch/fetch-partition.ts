/**
 * What one partition of a fetch comes to: an error, or how far the log goes and where the batches lie.
 *
 * - Offsets outside the log: OFFSET_OUT_OF_RANGE, with the ends -1. Between the log's end and itself: nothing.
 * - leader epochs as KIP-320 has them; a last fetched epoch that diverges gets where (KIP-595).
 * - zstd goes to version 10 and later only (KIP-110).
 */
import { errnoOf, VltavaError } from '../../base/errors.ts'
import type { BatchLocator, LocatedBatches } from '../../engine/batch-locator.ts'
import type { LocalTransport } from '../../engine/local-transport.ts'
import type { TopicInfo } from '../../protocol/transport.ts'
import type { FileRange } from '../answer-pieces.ts'
import {
  INCONSISTENT_TOPIC_ID,
  KAFKA_STORAGE_ERROR,
  NONE,
  OFFSET_OUT_OF_RANGE,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
  UNSUPPORTED_COMPRESSION_TYPE,
} from '../error-codes.ts'
import { epochFault } from '../leader-epoch.ts'

const ZSTD_BIT = 1 << 4
const ZSTD_SINCE_VERSION = 10

/** What a client wants of a partition; kept in its session. */
export interface WantedPartition {
  /** '' where it goes by id and none has it. */
  topic: string
  topicId: string
  readonly partition: number
  currentLeaderEpoch: number
  fetchOffset: number
  lastFetchedEpoch: number
  partitionMaxBytes: number
}

export interface FetchedPartition {
  readonly wanted: WantedPartition
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly located: LocatedBatches | undefined
  readonly diverging: { epoch: number; endOffset: number } | undefined
}

export class PartitionFetcher {
  readonly #transport: LocalTransport
  readonly #locator: BatchLocator
  readonly #onDamage: (error: Error) => void

  constructor(transport: LocalTransport, locator: BatchLocator, onDamage: (error: Error) => void) {
    this.#transport = transport
    this.#locator = locator
    this.#onDamage = onDamage
  }

  /** `maxBytes` is what is left of the request's; whoever gets batches releases them. */
  fetch(
    wanted: WantedPartition,
    byId: boolean,
    version: number,
    maxBytes: number,
    wantsOne: boolean,
  ): FetchedPartition {
    const { topic, topicId, partition } = wanted
    const info = topic === '' ? undefined : this.#transport.topic(topic)
    const code = unknown(info, partition, byId ? topicId : '')
    if (code !== NONE) return failed(wanted, code)
    try {
      return this.#fetchKnown(wanted, version, maxBytes, wantsOne)
    } catch (error) {
      if (error instanceof VltavaError) {
        if (error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') this.#onDamage(error)
        return failed(wanted, error.kafkaCode)
      }
      if (errnoOf(error) === '') throw error
      this.#onDamage(error as Error)
      return failed(wanted, KAFKA_STORAGE_ERROR)
    }
  }

  #fetchKnown(wanted: WantedPartition, version: number, maxBytes: number, wantsOne: boolean): FetchedPartition {
    const { topic, partition, fetchOffset, lastFetchedEpoch } = wanted
    const state = this.#transport.partitionState(topic, partition)
    if (state === 'deleted') return failed(wanted, UNKNOWN_TOPIC_OR_PARTITION)
    if (state === 'opening') return failed(wanted, KAFKA_STORAGE_ERROR) // A client asks again.
    const fault = epochFault(this.#transport, topic, partition, wanted.currentLeaderEpoch)
    if (fault !== NONE) return failed(wanted, fault)
    const { highWatermark, logStartOffset } = this.#transport.ends(topic, partition)
    if (fetchOffset < logStartOffset || fetchOffset > highWatermark) return failed(wanted, OFFSET_OUT_OF_RANGE)
    const base = { wanted, errorCode: NONE, highWatermark, logStartOffset }
    if (lastFetchedEpoch >= 0) {
      const { epoch, endOffset } = this.#transport
        .leaderEpochs(topic, partition)
        .endOffsetFor(lastFetchedEpoch, highWatermark)
      if (epoch < 0) return failed(wanted, OFFSET_OUT_OF_RANGE)
      if (epoch < lastFetchedEpoch || endOffset < fetchOffset) {
        return { ...base, located: undefined, diverging: { epoch, endOffset } }
      }
    }
    const limitBytes = Math.min(maxBytes, wanted.partitionMaxBytes)
    const located = this.#locator.locate(
      this.#transport.place(topic, partition),
      fetchOffset,
      highWatermark,
      limitBytes,
      wantsOne,
    )
    if (located !== undefined && version < ZSTD_SINCE_VERSION && (located.codecs & ZSTD_BIT) !== 0) {
      this.#locator.release(located)
      return failed(wanted, UNSUPPORTED_COMPRESSION_TYPE)
    }
    return { ...base, located, diverging: undefined }
  }

  /** The batches as a piece of an answer. */
  range(located: LocatedBatches): FileRange {
    const { segment, position, sizeBytes } = located
    return { file: segment.file, position, sizeBytes, release: () => this.#locator.release(located) }
  }

  release(located: LocatedBatches | undefined): void {
    if (located !== undefined) this.#locator.release(located)
  }
}

/** `topicId`: '' if the client names no ids. */
function unknown(info: TopicInfo | undefined, partition: number, topicId: string): number {
  if (info === undefined) return topicId === '' ? UNKNOWN_TOPIC_OR_PARTITION : UNKNOWN_TOPIC_ID
  if (topicId !== '' && info.topicId !== topicId) return INCONSISTENT_TOPIC_ID
  return partition < 0 || partition >= info.partitionCount ? UNKNOWN_TOPIC_OR_PARTITION : NONE
}

function failed(wanted: WantedPartition, errorCode: number): FetchedPartition {
  return { wanted, errorCode, highWatermark: -1, logStartOffset: -1, located: undefined, diverging: undefined }
}
