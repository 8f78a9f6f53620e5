/**
 * Produce: batches of a client into the log. @hot
 *
 * - The request was read into the thread's arena, so a batch is handed to its shard where it lies. What is too large
 *   for that was read onto the heap, and each batch is copied over when there is room.
 * - acks=1 is answered when the shard has written (stable), acks=all when the disk has (committed), acks=0 never; with
 *   acks=0 a batch that is refused ends the connection, the only way to tell.
 * - Each partition has its own outcome. A request that is not through after its timeout is answered REQUEST_TIMED_OUT
 *   for what is missing, which may be written all the same: as in Kafka.
 *
 * v3 KIP-98. v5 log start offset. v7 zstd. v8 record errors (KIP-467). v9 flexible. v10 leader hints (KIP-951). v12
 * KIP-890. v13 topic ids (KIP-516).
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env/env.ts'
import { type ErrorData, VltavaError } from '../../base/errors.ts'
import type { LocalTransport } from '../../engine/local-transport.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { produce } from '../../protocol/messages/00-produce.ts'
import type { Acks, BatchListener, BatchMemory, TopicInfo } from '../../protocol/transport.ts'
import type { RequestOf } from '../../protocol/wire/api.ts'
import { ATTRIBUTES, RECORD_COUNT } from '../../record/batch-layout.ts'
import { type Call, NO_RESPONSE, type ServerCore, type ServerHandler } from '../call.ts'
import { ConnectionFault } from '../connection-fault.ts'
import {
  INVALID_RECORD,
  INVALID_REQUIRED_ACKS,
  INVALID_TOPIC_EXCEPTION,
  KAFKA_STORAGE_ERROR,
  MESSAGE_TOO_LARGE,
  NONE,
  REQUEST_TIMED_OUT,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../error-codes.ts'
import { ArenaFrame } from '../request-memory.ts'
import type { TopicIds } from '../topic-ids.ts'
import { adaptBatch, mustAdapt } from './adapt-batch.ts'
import { batchRefusal } from './batch-checks.ts'
import { CommitWatch } from './commit-watch.ts'

type Request = RequestOf<typeof produce>

const INTERNAL_TOPICS = new Set(['__consumer_offsets', '__transaction_state', '__share_group_state'])
/** Who may write to internal topics all the same, as in Kafka. */
const ADMIN_CLIENT = '__admin_client'
const TOPIC_IDS_SINCE_VERSION = 13

interface PartitionAnswer {
  readonly index: number
  errorCode: number
  baseOffset: number
  logAppendTimeMs: number
  logStartOffset: number
  recordErrors: readonly { batchIndex: number; batchIndexErrorMessage: string | null }[]
  errorMessage: string | null
  /** Has its outcome. */
  isDone: boolean
}

export function makeProduce(env: Env, core: ServerCore, topicIds: TopicIds): ServerHandler {
  const commits = new CommitWatch(core.transport)
  return (request: Request, call) => new ProduceCall(env, commits, topicIds, request, call).run()
}

class ProduceCall {
  readonly #env: Env
  readonly #commits: CommitWatch
  readonly #topicIds: TopicIds
  readonly #request: Request
  readonly #call: Call
  readonly #transport: LocalTransport
  readonly #responses: { name: string; topicId: string; partitionResponses: PartitionAnswer[] }[] = []
  /** Partitions without an outcome. */
  #missing = 0
  #isOver = false
  #resolve: (response: unknown) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  #timer: { cancel(): void } | undefined

  constructor(env: Env, commits: CommitWatch, topicIds: TopicIds, request: Request, call: Call) {
    this.#env = env
    this.#commits = commits
    this.#topicIds = topicIds
    this.#request = request
    this.#call = call
    this.#transport = call.transport
  }

  run(): unknown {
    const { acks, topicData, timeoutMs } = this.#request
    this.#missing = 1 // This run itself, so that nothing is answered before everything was submitted.
    const later: (() => Promise<void>)[] = []
    for (const { name, topicId, partitionData } of topicData) {
      const info =
        this.#call.apiVersion >= TOPIC_IDS_SINCE_VERSION ? this.#topicIds.get(topicId) : this.#transport.topic(name)
      const partitionResponses: PartitionAnswer[] = []
      this.#responses.push({ name, topicId, partitionResponses })
      for (const { index, records } of partitionData) {
        const answer = newAnswer(index)
        partitionResponses.push(answer)
        // What the codec decodes is bytes; external records are what is encoded.
        const batch = records as Uint8Array | null
        // Without a topic or a batch it was refused.
        if (this.#refused(answer, info, batch) || info === undefined || batch === null) continue
        const adapted = this.#adapted(answer, info, batch)
        if (adapted === undefined) continue
        this.#missing += 1
        const { frame } = this.#call
        if (adapted !== batch) {
          later.push(() => this.#copyAndSubmit(answer, info, adapted))
          continue
        }
        if (frame instanceof ArenaFrame) {
          this.#submit(answer, info, frame.part(batch.byteOffset - frame.bytes.byteOffset, batch.length))
        } else {
          later.push(() => this.#copyAndSubmit(answer, info, batch))
        }
      }
    }
    if (later.length > 0) return this.#runLater(later)
    this.#call.releaseFrame()
    return this.#outcome(acks, timeoutMs)
  }

  /** A frame that is larger than the arena takes: batch by batch, and nothing of the connection behind it meanwhile. */
  async #runLater(later: (() => Promise<void>)[]): Promise<unknown> {
    this.#call.holdsNext = true
    for (const submit of later) await submit()
    this.#call.holdsNext = false
    this.#call.releaseFrame()
    return this.#outcome(this.#request.acks, this.#request.timeoutMs)
  }

  #outcome(acks: number, timeoutMs: number): unknown {
    this.#missing -= 1
    if (this.#missing === 0) return this.#answer()
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      if (acks === 0) return
      this.#timer = this.#env.timers.after(Math.max(0, timeoutMs), () => this.#timedOut())
    })
  }

  /** True if the partition has its outcome already, which is then in `answer`. */
  #refused(answer: PartitionAnswer, info: TopicInfo | undefined, batch: Uint8Array | null): boolean {
    const { acks } = this.#request
    const { apiVersion, clientId } = this.#call
    if (acks !== 0 && acks !== 1 && acks !== -1) {
      fail(answer, INVALID_REQUIRED_ACKS, `acks=${acks} is none of 0, 1, -1`)
    } else if (info === undefined && apiVersion >= TOPIC_IDS_SINCE_VERSION) {
      fail(answer, UNKNOWN_TOPIC_ID, null)
    } else if (info === undefined || answer.index < 0 || answer.index >= info.partitionCount) {
      fail(answer, UNKNOWN_TOPIC_OR_PARTITION, null)
    } else if (batch === null) {
      fail(answer, INVALID_RECORD, `Produce requests of version ${apiVersion} have one record batch a partition`)
    } else if (INTERNAL_TOPICS.has(info.topic) && clientId !== ADMIN_CLIENT) {
      fail(answer, INVALID_TOPIC_EXCEPTION, `${info.topic} is an internal topic`)
    } else {
      const { frame } = this.#call
      const view = frame instanceof ArenaFrame ? frame.view : viewOf(batch)
      const start = frame instanceof ArenaFrame ? batch.byteOffset - frame.bytes.byteOffset : 0
      const refusal = batchRefusal(view, start, batch.length, info, apiVersion)
      if (refusal === undefined) return false
      fail(answer, refusal.errorCode, refusal.message)
      if (refusal.errorCode === INVALID_RECORD) {
        answer.recordErrors = [{ batchIndex: 0, batchIndexErrorMessage: refusal.message }]
      }
    }
    return true
  }

  /** The batch as the topic wants it; undefined if it is refused. */
  #adapted(answer: PartitionAnswer, info: TopicInfo, batch: Uint8Array): Uint8Array | undefined {
    if (!mustAdapt(info, (batch[ATTRIBUTES]! << 8) | batch[ATTRIBUTES + 1]!)) return batch
    const { errorCode, message, recordErrors, bytes } = adaptBatch(batch, info)
    if (errorCode === NONE) return bytes ?? batch
    fail(answer, errorCode, message)
    answer.recordErrors = recordErrors
    return undefined
  }

  async #copyAndSubmit(answer: PartitionAnswer, info: TopicInfo, batch: Uint8Array): Promise<void> {
    if (batch.length > this.#transport.batchBytesMax) {
      const limit = `${this.#transport.batchBytesMax} that memoryBytes of the listener allows`
      fail(answer, MESSAGE_TOO_LARGE, `a batch of ${batch.length} bytes is over the ${limit}`)
      this.#done(answer)
      return
    }
    const { memory } = this.#call.core
    let frame = memory.takeArena(batch.length)
    while (frame === undefined) {
      await memory.freed()
      frame = memory.takeArena(batch.length)
    }
    assert(frame instanceof ArenaFrame, 'what fits the arena is taken there')
    frame.bytes.set(batch, frame.start)
    const part = frame.part(frame.start, batch.length)
    frame.release()
    this.#submit(answer, info, part)
  }

  #submit(answer: PartitionAnswer, info: TopicInfo, memory: BatchMemory): void {
    // Every value but these three was refused.
    const acks = this.#request.acks as Acks
    const recordCount = memory.view.getInt32(memory.start + RECORD_COUNT)
    const counters = this.#call.core.metrics.topic(info.topic)
    counters.produceRequests += 1
    counters.bytesIn += memory.sizeBytes
    counters.messagesIn += recordCount
    const listener = new PartitionListener(this, answer, info, recordCount)
    try {
      this.#transport.submit(info.topic, answer.index, memory, memory.sizeBytes, acks, listener)
    } catch (error) {
      this.#transport.release(memory)
      if (!(error instanceof VltavaError)) throw error
      fail(answer, error.kafkaCode, error.message)
      this.#done(answer)
    }
  }

  appended(
    answer: PartitionAnswer,
    info: TopicInfo,
    baseOffset: number,
    timestamp: number,
    endOffset: number,
    generation: number,
  ): void {
    answer.baseOffset = baseOffset
    answer.logAppendTimeMs = timestamp
    if (this.#request.acks !== -1 || this.#isOver) {
      this.#done(answer)
      return
    }
    const { topic, topicId } = info
    this.#commits.add(topic, topicId, answer.index, endOffset, generation, (outcome) => {
      if (outcome !== 'committed' && !this.#isOver) {
        const isGone = outcome === 'gone'
        const message = isGone
          ? `${topic} was deleted before the records were synced`
          : `${topic}-${answer.index} stopped before the records were synced`
        fail(answer, isGone ? UNKNOWN_TOPIC_OR_PARTITION : KAFKA_STORAGE_ERROR, message)
      }
      this.#done(answer)
    })
  }

  failed(answer: PartitionAnswer, error: ErrorData): void {
    if (!this.#isOver) fail(answer, kafkaError(error.code), error.message)
    this.#done(answer)
  }

  #done(answer: PartitionAnswer): void {
    answer.isDone = true
    this.#missing -= 1
    if (this.#missing === 0 && !this.#isOver) this.#finish()
  }

  #finish(): void {
    this.#isOver = true
    this.#timer?.cancel()
    try {
      this.#resolve(this.#answer())
    } catch (error) {
      this.#reject(error)
    }
  }

  #timedOut(): void {
    if (this.#isOver) return
    for (const { partitionResponses } of this.#responses) {
      for (const answer of partitionResponses) {
        if (answer.errorCode === NONE && !answer.isDone) fail(answer, REQUEST_TIMED_OUT, 'not through in time')
      }
    }
    this.#finish()
  }

  #answer(): unknown {
    const isAcked = this.#request.acks !== 0
    for (const { name, topicId, partitionResponses } of this.#responses) {
      for (const answer of partitionResponses) {
        if (!isAcked && answer.errorCode !== NONE) {
          const where = `${name === '' ? topicId : name}-${answer.index}`
          throw new ConnectionFault(`produce with acks=0 to ${where}: error code ${answer.errorCode}`)
        }
      }
      if (isAcked) this.#fillLogStarts(name, topicId, partitionResponses)
    }
    return isAcked ? { responses: this.#responses } : NO_RESPONSE
  }

  #fillLogStarts(name: string, topicId: string, answers: PartitionAnswer[]): void {
    if (this.#call.apiVersion < 5) return
    const info =
      this.#call.apiVersion >= TOPIC_IDS_SINCE_VERSION ? this.#topicIds.get(topicId) : this.#transport.topic(name)
    if (info === undefined) return
    for (const answer of answers) {
      if (answer.errorCode !== NONE || answer.index >= info.partitionCount) continue
      answer.logStartOffset = this.#transport.ends(info.topic, answer.index).logStartOffset
    }
  }
}

class PartitionListener implements BatchListener {
  readonly #owner: ProduceCall
  readonly #answer: PartitionAnswer
  readonly #info: TopicInfo
  readonly #recordCount: number

  constructor(owner: ProduceCall, answer: PartitionAnswer, info: TopicInfo, recordCount: number) {
    this.#owner = owner
    this.#answer = answer
    this.#info = info
    this.#recordCount = recordCount
  }

  onAppended(baseOffset: number, timestamp: number, generation: number): void {
    const endOffset = baseOffset + this.#recordCount
    this.#owner.appended(this.#answer, this.#info, baseOffset, timestamp, endOffset, generation)
  }

  onFailed(error: ErrorData): boolean {
    this.#owner.failed(this.#answer, error)
    return false
  }
}

function newAnswer(index: number): PartitionAnswer {
  return {
    index,
    errorCode: NONE,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage: null,
    isDone: false,
  }
}

function fail(answer: PartitionAnswer, errorCode: number, message: string | null): void {
  answer.errorCode = errorCode
  answer.errorMessage = message
  answer.baseOffset = -1
  answer.logAppendTimeMs = -1
  answer.isDone = true
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
