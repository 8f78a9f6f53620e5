/**
 * Timers of a coordinator: a binary heap by deadline. They fire only inside fireDue(); nothing here knows a clock.
 *
 * Moving a timer moves its place in the heap, so a flood of heartbeats leaves no entries behind: there are never more
 * entries than timers. Invariant: heap[timer.index] === timer for every timer that is set, index is -1 for the others.
 */
import { assert } from '../base/assert.ts'

export const NO_DEADLINE = Infinity

export class Timer {
  deadlineMs = NO_DEADLINE
  index = -1
  /** Changes whenever it is set or cleared: who was told to fire later sees whether that still holds. */
  version = 0
  readonly fire: () => void

  constructor(fire: () => void) {
    this.fire = fire
  }

  get isSet(): boolean {
    return this.index >= 0
  }
}

export class Timers {
  readonly #heap: Timer[] = []

  get size(): number {
    return this.#heap.length
  }

  /** When the next timer is due, NO_DEADLINE if none is set. */
  get nextDeadlineMs(): number {
    return this.#heap[0]?.deadlineMs ?? NO_DEADLINE
  }

  /** Sets or moves. */
  set(timer: Timer, deadlineMs: number): void {
    assert(Number.isFinite(deadlineMs), 'a deadline is a point in time')
    timer.deadlineMs = deadlineMs
    timer.version += 1
    if (timer.index < 0) {
      timer.index = this.#heap.length
      this.#heap.push(timer)
    }
    this.#settle(timer)
  }

  clear(timer: Timer): void {
    const index = timer.index
    timer.version += 1
    if (index < 0) return
    timer.index = -1
    const last = this.#heap.pop()!
    if (last === timer) return
    this.#place(last, index)
    this.#settle(last)
  }

  /**
   * Fires what is due at `nowMs`; a timer that is set again meanwhile, even for now, waits for the next call. True if
   * one fired.
   */
  fireDue(nowMs: number): boolean {
    const due: Timer[] = []
    while (this.nextDeadlineMs <= nowMs) {
      const timer = this.#heap[0]!
      this.clear(timer)
      due.push(timer)
    }
    for (const timer of due) timer.fire()
    return due.length > 0
  }

  #settle(timer: Timer): void {
    let index = timer.index
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.#heap[parent]!.deadlineMs <= timer.deadlineMs) break
      this.#place(this.#heap[parent]!, index)
      index = parent
    }
    for (;;) {
      const child = this.#smallerChild(index)
      if (child < 0 || this.#heap[child]!.deadlineMs >= timer.deadlineMs) break
      this.#place(this.#heap[child]!, index)
      index = child
    }
    this.#place(timer, index)
  }

  #smallerChild(index: number): number {
    const left = 2 * index + 1
    if (left >= this.#heap.length) return -1
    const right = left + 1
    return right < this.#heap.length && this.#heap[right]!.deadlineMs < this.#heap[left]!.deadlineMs ? right : left
  }

  #place(timer: Timer, index: number): void {
    this.#heap[index] = timer
    timer.index = index
  }
}
