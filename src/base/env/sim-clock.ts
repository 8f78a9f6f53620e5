/**
 * SimClock: the clocks and timers of a simulated process. Time stands still until the test moves it.
 *
 * A timer calls back only from advance(), never inside another call of the engine, as with an event loop: while the
 * process is busy (elapse(), say for a slow disk) the timers that come due wait.
 */
import { assert } from '../assert.ts'
import type { Clock, Timers } from './env.ts'

/** Any fixed moment does; this one is 2026-01-01T00:00:00Z. */
const START_WALL_MS = 1_767_225_600_000

/** As in Node. So a timer that always sets itself again cannot stop time. */
const DELAY_MS_MIN = 1

interface SimTimer {
  readonly dueMs: number
  readonly callback: () => void
}

export class SimClock implements Clock, Timers {
  #wallMs: number
  #monotonicMs = 0
  /** In the order in which they were set. */
  readonly #timers = new Set<SimTimer>()

  constructor(startWallMs = START_WALL_MS) {
    this.#wallMs = startWallMs
  }

  /** A whole number, as Date.now() gives it. */
  wallMs(): number {
    return Math.floor(this.#wallMs)
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  after(delayMs: number, callback: () => void): { cancel(): void } {
    assert(delayMs >= 0, 'a delay is not negative')
    const timer = { dueMs: this.#monotonicMs + Math.max(DELAY_MS_MIN, delayMs), callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  /** Monotonic time at which the next timer is due, or undefined if none is set. */
  nextTimerMs(): number | undefined {
    return this.#nextTimer()?.dueMs
  }

  /** Lets time pass for a process that waits: each timer calls back when it is due, of equal ones the first set. */
  advance(ms: number): void {
    assert(ms >= 0, 'time passes forwards')
    const endMs = this.#monotonicMs + ms
    for (let timer = this.#nextTimer(); timer !== undefined && timer.dueMs <= endMs; timer = this.#nextTimer()) {
      this.elapse(Math.max(0, timer.dueMs - this.#monotonicMs))
      this.#timers.delete(timer)
      timer.callback()
    }
    this.elapse(Math.max(0, endMs - this.#monotonicMs))
  }

  /** Lets time pass for a process that is busy: timers that come due wait for the next advance(), which may be of 0. */
  elapse(ms: number): void {
    assert(ms >= 0, 'time passes forwards')
    this.#wallMs += ms
    this.#monotonicMs += ms
  }

  /** Sets the wall clock forwards or back; no time passes. */
  jumpWall(ms: number): void {
    this.#wallMs += ms
  }

  /** The process has ended: nothing calls back any more. */
  clearTimers(): void {
    this.#timers.clear()
  }

  #nextTimer(): SimTimer | undefined {
    let next: SimTimer | undefined
    for (const timer of this.#timers) if (next === undefined || timer.dueMs < next.dueMs) next = timer
    return next
  }
}
