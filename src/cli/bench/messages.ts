/**
 * What the main thread and the threads of a bench say to each other.
 *
 *   thread -> main   ready, then done with the role's outcome; or failed
 *   main -> thread   go; to a follower also: appended, how many records each producer appended; to all: abort
 */
import type { FollowerOutcome, FollowerPlan, ReaderOutcome, ReaderPlan } from './consumer-role.ts'
import type { RingOutcome, RingPlan } from './ring-role.ts'
import type { ProducerOutcome, ProducerPlan } from './producer-role.ts'

export type Role =
  | { readonly type: 'producer'; readonly address: string; readonly plan: ProducerPlan }
  | { readonly type: 'reader'; readonly address: string; readonly plan: ReaderPlan }
  | {
      readonly type: 'follower'
      readonly address: string
      readonly plan: FollowerPlan
      readonly seen: SharedArrayBuffer
    }
  | { readonly type: 'ring'; readonly plan: RingPlan }

export interface Outcomes {
  producer: ProducerOutcome
  reader: ReaderOutcome
  follower: FollowerOutcome
  ring: RingOutcome
}

export interface ThreadStart {
  readonly role: Role
  /** SharedClock's origin. */
  readonly originMs: number
}

export type ToThread =
  | { readonly type: 'go' }
  | { readonly type: 'appended'; readonly counts: readonly number[] }
  | { readonly type: 'abort' }

export type FromThread =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly outcome: Outcomes[keyof Outcomes] }
  | { readonly type: 'failed'; readonly message: string }
