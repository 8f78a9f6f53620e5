/**
 * GroupLane: one group's requests, one after the other around its appends.
 *
 * A group's state is what its written records say. So between handing records to the log and hearing that they are
 * written (or not), nobody may look at the group: its requests and timers wait here, in order. Then the records are
 * taken into the state, or the state is as before, and in neither case is there anything to take back.
 *
 *   plain   looks at the group, changes it, may begin an append. Waits while one is under way.
 *   commit  looks at the group and appends offsets, which no other request depends on: many are under way at once.
 *   alone   as plain, and waits for commits under way too: for what deletes offsets.
 *
 * Bound: `queuedMax` requests wait; what comes then is refused. Timers are always taken, a group has few of them.
 */
import { assert } from '../base/assert.ts'

export type LaneKind = 'plain' | 'commit' | 'alone'

interface Waiting {
  readonly kind: LaneKind
  readonly run: () => void
  /** Says no to whoever waits. */
  readonly refuse: () => void
}

export class GroupLane {
  readonly #queuedMax: number
  #waiting: Waiting[] = []
  #next = 0
  #isWriting = false
  #commits = 0
  #isDraining = false
  #isClosed = false
  #completion: (() => void) | undefined

  constructor(queuedMax: number) {
    this.#queuedMax = queuedMax
  }

  /** Nothing runs and nothing waits. */
  get isIdle(): boolean {
    return (
      !this.#isWriting &&
      this.#commits === 0 &&
      !this.#isDraining &&
      this.#completion === undefined &&
      this.#queued === 0
    )
  }

  get #queued(): number {
    return this.#waiting.length - this.#next
  }

  /** Runs it now or when its turn comes; or refuses it, if too much waits already or the lane closes first. */
  request(kind: LaneKind, run: () => void, refuse: () => void): void {
    if (this.#isClosed || this.#queued >= this.#queuedMax) refuse()
    else this.#enqueue({ kind, run, refuse })
  }

  /** For what nobody could be told of: timers, housekeeping. */
  enqueue(kind: LaneKind, run: () => void): void {
    if (!this.#isClosed) this.#enqueue({ kind, run, refuse: () => undefined })
  }

  /** Refuses everything that waits and whatever comes. An append under way ends as it would. */
  close(): void {
    this.#isClosed = true
    const waiting = this.#waiting.slice(this.#next)
    this.#waiting = []
    this.#next = 0
    for (const { refuse } of waiting) refuse()
  }

  beginWrite(): void {
    assert(!this.#isWriting, 'a group has one append under way')
    this.#isWriting = true
  }

  endWrite(): void {
    assert(this.#isWriting, 'an append ends once')
    this.#isWriting = false
  }

  /** The append under way has ended: `run` comes before everything that waits, but after what runs just now. */
  complete(run: () => void): void {
    assert(this.#completion === undefined, 'an append ends once')
    this.#completion = run
    this.drain()
  }

  beginCommit(): void {
    this.#commits += 1
  }

  endCommit(): void {
    assert(this.#commits > 0, 'a commit ends once')
    this.#commits -= 1
  }

  /** Runs what may run; called after endCommit(). */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    try {
      for (let run = this.#take(); run !== undefined; run = this.#take()) run()
    } finally {
      this.#isDraining = false
    }
  }

  #enqueue(waiting: Waiting): void {
    this.#waiting.push(waiting)
    this.drain()
  }

  #take(): (() => void) | undefined {
    const completion = this.#completion
    if (completion !== undefined) {
      this.#completion = undefined
      return completion
    }
    const first = this.#waiting[this.#next]
    if (first === undefined || !this.#mayRun(first.kind)) return undefined
    this.#next += 1
    this.#compact()
    return first.run
  }

  #mayRun(kind: LaneKind): boolean {
    return !this.#isWriting && (kind !== 'alone' || this.#commits === 0)
  }

  /** Forgets what ran, not at each one: shifting a long queue by one is work for its whole length. */
  #compact(): void {
    const isSmall = this.#next < 64 || this.#next * 2 < this.#waiting.length
    if (isSmall && this.#next < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#next)
    this.#next = 0
  }
}
