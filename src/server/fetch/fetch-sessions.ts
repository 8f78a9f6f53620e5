/**
 * FetchSessions: what clients fetch again and again, kept here so that a request names only what changed (KIP-227). Of
 * one net thread: a connection stays with its thread, and so do the sessions that it opened.
 *
 *   (id 0, epoch -1)   no session              (id n, epoch -1)   the session ends, this fetch is without one
 *   (id *, epoch 0)    a new session           (id n, epoch e)    the next fetch of session n: e must be what is due
 *
 * An incremental answer names partitions with batches, an error, or ends that moved; and what it names goes to the
 * back, so that partitions take turns at the limits. Bounded: a new session takes the place of one that was idle for
 * EVICTION_MS, or of none; then the client is answered without (id 0), which costs it nothing but bytes.
 */
import type { Env } from '../../base/env/env.ts'
import type { fetch } from '../../protocol/messages/01-fetch.ts'
import type { RequestOf } from '../../protocol/wire/api.ts'
import {
  FETCH_SESSION_ID_NOT_FOUND,
  FETCH_SESSION_TOPIC_ID_ERROR,
  INVALID_FETCH_SESSION_EPOCH,
  NONE,
} from '../error-codes.ts'
import type { FetchedPartition, WantedPartition } from './fetch-partition.ts'

type Request = RequestOf<typeof fetch>

const INITIAL_EPOCH = 0
const FINAL_EPOCH = -1
const EPOCH_MAX = 0x7fff_ffff
const EVICTION_MS = 120_000
const TOPIC_IDS_SINCE_VERSION = 13

/** The partitions of one fetch. */
export interface FetchContext {
  /** 0: none. */
  readonly sessionId: number
  partitions(): Iterable<WantedPartition>
  /** Of what was fetched, what the answer names. The batches of others hold no file. */
  toSend(fetched: readonly FetchedPartition[]): readonly FetchedPartition[]
}

interface CachedPartition extends WantedPartition {
  /** As the client was last told. */
  sentHighWatermark: number
  sentLogStartOffset: number
  /** It was told of an error, and is told when that is over. */
  hadError: boolean
}

class Session implements FetchContext {
  readonly sessionId: number
  readonly byId: boolean
  usedMs: number
  dueEpoch = 1
  readonly wanted = new Map<string, CachedPartition>()
  isFull = true

  constructor(sessionId: number, byId: boolean, nowMs: number) {
    this.sessionId = sessionId
    this.byId = byId
    this.usedMs = nowMs
  }

  partitions(): Iterable<WantedPartition> {
    return this.wanted.values()
  }

  toSend(fetched: readonly FetchedPartition[]): readonly FetchedPartition[] {
    const sent = this.isFull ? fetched : fetched.filter((each) => isNews(each))
    for (const { wanted, errorCode, highWatermark, logStartOffset, located } of sent) {
      const cached = wanted as CachedPartition
      cached.sentHighWatermark = highWatermark
      cached.sentLogStartOffset = logStartOffset
      cached.hadError = errorCode !== NONE
      const key = keyOf(cached, this.byId)
      if (located === undefined || this.wanted.get(key) !== cached) continue
      this.wanted.delete(key)
      this.wanted.set(key, cached)
    }
    this.isFull = false
    return sent
  }
}

/** Whether a client that knows what it was last told hears something new. */
function isNews({ wanted, errorCode, highWatermark, logStartOffset, located, diverging }: FetchedPartition): boolean {
  const { sentHighWatermark, sentLogStartOffset, hadError } = wanted as CachedPartition
  if (located !== undefined || errorCode !== NONE || diverging !== undefined || hadError) return true
  return highWatermark !== sentHighWatermark || logStartOffset !== sentLogStartOffset
}

export class FetchSessions {
  readonly #env: Env
  readonly #slots: number
  /** The one that was used longest ago first. */
  readonly #sessions = new Map<number, Session>()

  constructor(env: Env, slots: number) {
    this.#env = env
    this.#slots = slots
  }

  get count(): number {
    return this.#sessions.size
  }

  /** What a request fetches, or an error code. `nameOf` a topic's id, '' if there is none. */
  open(request: Request, apiVersion: number, nameOf: (topicId: string) => string): FetchContext | number {
    const { sessionId, sessionEpoch } = request
    const byId = apiVersion >= TOPIC_IDS_SINCE_VERSION
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      if (sessionId !== 0) this.#sessions.delete(sessionId)
      if (sessionEpoch === INITIAL_EPOCH) {
        const session = this.#create(byId, request)
        if (session !== undefined) {
          apply(session, request, nameOf)
          return session
        }
      }
      return withoutSession(request, byId, nameOf)
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return FETCH_SESSION_ID_NOT_FOUND
    if (sessionEpoch !== session.dueEpoch) return INVALID_FETCH_SESSION_EPOCH
    if (session.byId !== byId) return FETCH_SESSION_TOPIC_ID_ERROR
    session.dueEpoch = session.dueEpoch === EPOCH_MAX ? 1 : session.dueEpoch + 1
    session.usedMs = this.#env.clock.monotonicMs()
    this.#sessions.delete(sessionId)
    this.#sessions.set(sessionId, session)
    apply(session, request, nameOf)
    return session
  }

  #create(byId: boolean, request: Request): Session | undefined {
    if (request.topics.length === 0) return undefined // As Kafka: there is nothing to keep.
    const nowMs = this.#env.clock.monotonicMs()
    if (this.#sessions.size >= this.#slots) {
      const oldest = this.#sessions.values().next().value
      if (oldest === undefined || nowMs - oldest.usedMs < EVICTION_MS) return undefined
      this.#sessions.delete(oldest.sessionId)
    }
    let sessionId = 0
    while (sessionId === 0 || this.#sessions.has(sessionId)) {
      sessionId = 1 + Math.floor(this.#env.random.next() * (EPOCH_MAX - 1))
    }
    const session = new Session(sessionId, byId, nowMs)
    this.#sessions.set(sessionId, session)
    return session
  }
}

function apply(session: Session, request: Request, nameOf: (topicId: string) => string): void {
  for (const wanted of wantedOf(request, session.byId, nameOf)) {
    const cached = session.wanted.get(keyOf(wanted, session.byId))
    if (cached === undefined) {
      const fresh = { ...wanted, sentHighWatermark: -2, sentLogStartOffset: -2, hadError: false }
      session.wanted.set(keyOf(wanted, session.byId), fresh)
    } else {
      cached.currentLeaderEpoch = wanted.currentLeaderEpoch
      cached.fetchOffset = wanted.fetchOffset
      cached.lastFetchedEpoch = wanted.lastFetchedEpoch
      cached.partitionMaxBytes = wanted.partitionMaxBytes
    }
  }
  for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
    for (const partition of partitions) session.wanted.delete(keyOf({ topic, topicId, partition }, session.byId))
  }
  // A topic that had no name when the session learned of it may have one by now.
  if (session.byId) for (const wanted of session.wanted.values()) wanted.topic = nameOf(wanted.topicId)
}

function keyOf(
  { topic, topicId, partition }: { topic: string; topicId: string; partition: number },
  byId: boolean,
): string {
  return `${byId ? topicId : topic}/${partition}`
}

function* wantedOf(request: Request, byId: boolean, nameOf: (topicId: string) => string): Iterable<WantedPartition> {
  for (const { topic, topicId, partitions } of request.topics) {
    const name = byId ? nameOf(topicId) : topic
    for (const { partition, currentLeaderEpoch, fetchOffset, lastFetchedEpoch, partitionMaxBytes } of partitions) {
      const limits = { currentLeaderEpoch, fetchOffset, lastFetchedEpoch, partitionMaxBytes }
      yield { topic: name, topicId, partition, ...limits }
    }
  }
}

function withoutSession(request: Request, byId: boolean, nameOf: (topicId: string) => string): FetchContext {
  const wanted = [...wantedOf(request, byId, nameOf)]
  return { sessionId: 0, partitions: () => wanted, toSend: (fetched) => fetched }
}
