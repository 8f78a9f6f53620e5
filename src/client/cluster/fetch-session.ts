/**
 * FetchSession: what a broker remembers of what this client wants (KIP-227), so that a fetch names only what changed.
 *
 * (id 0, epoch 0) asks for a session with everything in it; (id, n) tells the changes since n - 1, and what is not
 * wanted any more. After any failure the next fetch is a full one. A broker that has no room answers with id 0: then
 * every fetch is full.
 */
import { ZERO_UUID } from '../../base/uuid.ts'
import type { fetch } from '../../protocol/messages/01-fetch.ts'
import type { RequestOf } from '../../protocol/wire/api.ts'
import type { Encodable } from '../../protocol/wire/schema.ts'

/** One partition of a fetch. */
export interface FetchTarget {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly fetchOffset: number
  readonly leaderEpoch: number
  readonly partitionMaxBytes: number
}

type FetchRequest = Encodable<RequestOf<typeof fetch>>
type SessionPart = Pick<FetchRequest, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'>

const NO_SESSION_EPOCH = -1
const FULL_EPOCH = 0
const EPOCH_MAX = 0x7fff_ffff
/** Topics by id from here on. */
export const FIRST_VERSION_BY_ID = 13

export class FetchSession {
  #id = 0
  #epoch = FULL_EPOCH
  #isById = false
  readonly #told = new Map<string, FetchTarget>()

  /** The session's part of a fetch of `targets`, which takes effect when the answer is accept()ed. */
  next(targets: readonly FetchTarget[], isById: boolean): SessionPart {
    if (isById !== this.#isById) this.reset()
    this.#isById = isById
    const isFull = this.#epoch === FULL_EPOCH
    const forgotten = new Map(isFull ? [] : this.#told)
    const changed: FetchTarget[] = []
    for (const target of targets) {
      const key = keyOf(target)
      forgotten.delete(key)
      if (isFull || !isSame(this.#told.get(key), target)) changed.push(target)
    }
    if (isFull) this.#told.clear()
    for (const key of forgotten.keys()) this.#told.delete(key)
    for (const target of changed) this.#told.set(keyOf(target), target)
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: fetchTopics(changed, isById),
      forgottenTopicsData: byTopic([...forgotten.values()]).map((some) => ({
        ...nameOf(some[0]!, isById),
        partitions: some.map(({ partition }) => partition),
      })),
    }
  }

  /** An answer without an error of the session came. */
  accept(sessionId: number): void {
    if (sessionId === 0) return this.reset()
    this.#id = sessionId
    this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1
  }

  reset(): void {
    this.#id = 0
    this.#epoch = FULL_EPOCH
    this.#told.clear()
  }
}

/** The same of a fetch that the broker shall not remember. */
export function sessionless(targets: readonly FetchTarget[], isById: boolean): SessionPart {
  const topics = fetchTopics(targets, isById)
  return { sessionId: 0, sessionEpoch: NO_SESSION_EPOCH, topics, forgottenTopicsData: [] }
}

export function canBeById(targets: readonly FetchTarget[]): boolean {
  return targets.every(({ topicId }) => topicId !== ZERO_UUID)
}

function fetchTopics(targets: readonly FetchTarget[], isById: boolean): NonNullable<SessionPart['topics']> {
  return byTopic(targets).map((some) => ({
    ...nameOf(some[0]!, isById),
    partitions: some.map(({ partition, fetchOffset, leaderEpoch, partitionMaxBytes }) => ({
      partition,
      currentLeaderEpoch: leaderEpoch,
      fetchOffset,
      partitionMaxBytes,
    })),
  }))
}

/** In the order of each topic's first target. */
function byTopic(targets: readonly FetchTarget[]): FetchTarget[][] {
  const topics = new Map<string, FetchTarget[]>()
  for (const target of targets) {
    const key = `${target.topicId}/${target.topic}`
    const some = topics.get(key)
    if (some === undefined) topics.set(key, [target])
    else some.push(target)
  }
  return [...topics.values()]
}

function nameOf({ topic, topicId }: FetchTarget, isById: boolean): { topicId: string } | { topic: string } {
  return isById ? { topicId } : { topic }
}

function keyOf({ topic, topicId, partition }: FetchTarget): string {
  return `${topicId}/${topic}-${partition}`
}

function isSame(one: FetchTarget | undefined, other: FetchTarget): boolean {
  return (
    one !== undefined &&
    one.fetchOffset === other.fetchOffset &&
    one.leaderEpoch === other.leaderEpoch &&
    one.partitionMaxBytes === other.partitionMaxBytes
  )
}
