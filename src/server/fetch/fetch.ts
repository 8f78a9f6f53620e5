/**
 * Fetch: batches of partitions from offsets on, sent from the segment files. @hot
 *
 * - Answered at once if there are min_bytes, an error, or nothing to wait for; else when enough was appended, something
 *   went wrong, or max_wait is over. A waiting fetch is told of the partitions that move, and looks at those alone.
 * - Partitions are served in the order of the request or session. The first that has anything gives at least one batch,
 *   however large; the others while the limits last.
 * - One partition's batches come from one file: what lies in the next segment comes with the next fetch.
 * - The log stable offset is the high watermark: there are no transactions.
 *
 * v4 KIP-98. v5 log start. v7 sessions (KIP-227). v9 leader epochs. v10 zstd. v11 KIP-392. v12 diverging epoch. v13
 * topic ids (KIP-516). v15 replica state (KIP-903). v16 node endpoints (KIP-951).
 */
import type { Env } from '../../base/env/env.ts'
import { BatchLocator } from '../../engine/batch-locator.ts'
import type { LocalTransport } from '../../engine/local-transport.ts'
import type { fetch } from '../../protocol/messages/01-fetch.ts'
import type { RequestOf } from '../../protocol/wire/api.ts'
import type { Call, ServerCore, ServerHandler } from '../call.ts'
import { NONE } from '../error-codes.ts'
import type { TopicIds } from '../topic-ids.ts'
import { type FetchedPartition, PartitionFetcher, type WantedPartition } from './fetch-partition.ts'
import { type FetchContext, FetchSessions } from './fetch-sessions.ts'

type Request = RequestOf<typeof fetch>

const TOPIC_IDS_SINCE_VERSION = 13
const READ_COMMITTED = 1

export function makeFetch(env: Env, core: ServerCore, topicIds: TopicIds): ServerHandler {
  const locator = new BatchLocator(env.fs, env.clock, env.timers)
  core.transport.onClose(() => locator.close())
  const fetcher = new PartitionFetcher(core.transport, locator, core.onDamage)
  const sessions = new FetchSessions(env, core.settings.number('max.incremental.fetch.session.cache.slots'))
  core.metrics.fetchSessions = (): number => sessions.count
  return (request: Request, call) => {
    call.releaseFrame()
    const nameOf = (topicId: string): string => topicIds.get(topicId)?.topic ?? ''
    const opened = sessions.open(request, call.apiVersion, nameOf)
    if (typeof opened === 'number') return { errorCode: opened, sessionId: 0, responses: [] }
    return new FetchCall(env, fetcher, opened, request, call).run()
  }
}

class FetchCall {
  readonly #env: Env
  readonly #fetcher: PartitionFetcher
  readonly #context: FetchContext
  readonly #request: Request
  readonly #call: Call
  readonly #transport: LocalTransport
  readonly #byId: boolean
  readonly #maxBytes: number
  /** While it waits: what is readable in each partition, and how to stop. */
  readonly #readable = new Map<WantedPartition, number>()
  #readableBytes = 0
  #stops: (() => void)[] = []
  #resolve: ((response: unknown) => void) | undefined
  #reject: (error: unknown) => void = () => undefined

  constructor(env: Env, fetcher: PartitionFetcher, context: FetchContext, request: Request, call: Call) {
    this.#env = env
    this.#fetcher = fetcher
    this.#context = context
    this.#request = request
    this.#call = call
    this.#transport = call.transport
    this.#byId = call.apiVersion >= TOPIC_IDS_SINCE_VERSION
    this.#maxBytes = Math.min(request.maxBytes, call.core.settings.number('fetch.max.bytes'))
  }

  run(): unknown {
    const { maxWaitMs, minBytes } = this.#request
    const fetched = this.#fetchAll()
    let sizeBytes = 0
    let mustAnswer = maxWaitMs <= 0 || fetched.length === 0
    for (const { located, errorCode, diverging } of fetched) {
      sizeBytes += located?.sizeBytes ?? 0
      if (errorCode !== NONE || diverging !== undefined) mustAnswer = true
    }
    if (mustAnswer || sizeBytes >= minBytes) return this.#answer(fetched)
    for (const { wanted, located } of fetched) {
      this.#readable.set(wanted, located?.sizeBytes ?? 0)
      this.#fetcher.release(located)
    }
    this.#readableBytes = sizeBytes
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#wait(maxWaitMs)
    })
  }

  #wait(maxWaitMs: number): void {
    const timer = this.#env.timers.after(maxWaitMs, () => this.#finish())
    this.#stops.push(
      () => timer.cancel(),
      this.#call.onClose(() => this.#stop()),
    )
    for (const wanted of this.#readable.keys()) {
      this.#stops.push(this.#transport.onMove(wanted.topic, wanted.partition, () => this.#moved(wanted)))
    }
    // What moved before anybody listened.
    for (const wanted of this.#readable.keys()) if (this.#resolve !== undefined) this.#moved(wanted)
  }

  /** A partition moved: is there enough now, or something wrong? */
  #moved(wanted: WantedPartition): void {
    if (this.#resolve === undefined) return
    const before = this.#readable.get(wanted)!
    const { located, errorCode, diverging } = this.#fetchOne(wanted, this.#maxBytes, true)
    this.#readable.set(wanted, located?.sizeBytes ?? 0)
    this.#readableBytes += (located?.sizeBytes ?? 0) - before
    this.#fetcher.release(located)
    const isEnough = this.#readableBytes >= this.#request.minBytes
    if (isEnough || errorCode !== NONE || diverging !== undefined) this.#finish()
  }

  #finish(): void {
    const resolve = this.#resolve
    if (resolve === undefined) return
    this.#stop()
    try {
      resolve(this.#answer(this.#fetchAll()))
    } catch (error) {
      this.#reject(error)
    }
  }

  #stop(): void {
    this.#resolve = undefined
    for (const stop of this.#stops) stop()
    this.#stops = []
  }

  #fetchAll(): FetchedPartition[] {
    let leftBytes = this.#maxBytes
    let isEmpty = true
    const fetched: FetchedPartition[] = []
    for (const wanted of this.#context.partitions()) {
      const one = this.#fetchOne(wanted, leftBytes, isEmpty)
      if (one.located !== undefined) {
        isEmpty = false
        leftBytes = Math.max(0, leftBytes - one.located.sizeBytes)
      }
      fetched.push(one)
    }
    return fetched
  }

  #fetchOne(wanted: WantedPartition, maxBytes: number, wantsOne: boolean): FetchedPartition {
    return this.#fetcher.fetch(wanted, this.#byId, this.#call.apiVersion, maxBytes, wantsOne)
  }

  #answer(fetched: readonly FetchedPartition[]): object {
    const isCommitted = this.#request.isolationLevel === READ_COMMITTED
    const { metrics } = this.#call.core
    const responses: { topic: string; topicId: string; partitions: object[] }[] = []
    for (const { wanted, errorCode, highWatermark, logStartOffset, located, diverging } of this.#context.toSend(
      fetched,
    )) {
      const { topic, topicId, partition } = wanted
      let response = responses.at(-1)
      if (response === undefined || (this.#byId ? response.topicId !== topicId : response.topic !== topic)) {
        response = { topic, topicId, partitions: [] }
        responses.push(response)
      }
      const counters = errorCode === NONE ? metrics.topic(topic) : undefined
      const sizeBytes = located?.sizeBytes ?? 0
      this.#call.fetchedBytes += sizeBytes
      if (counters !== undefined) {
        counters.fetchRequests += 1
        counters.bytesOut += sizeBytes
      }
      response.partitions.push({
        partitionIndex: partition,
        errorCode,
        highWatermark,
        lastStableOffset: highWatermark,
        logStartOffset,
        ...(diverging === undefined ? {} : { divergingEpoch: diverging }),
        abortedTransactions: isCommitted && errorCode === NONE ? [] : null,
        preferredReadReplica: -1,
        records: located === undefined ? NO_RECORDS : this.#fetcher.range(located),
      })
    }
    return { errorCode: NONE, sessionId: this.#context.sessionId, responses }
  }
}

const NO_RECORDS = new Uint8Array(0)
