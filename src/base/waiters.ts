/**
 * Waiters: those who sleep in a transport until something is so. Owned by one thread.
 *
 * Whoever waits names a condition; the owner looks at all of them whenever something has changed (notify). Nobody
 * polls.
 */
import type { Timers } from './env/env.ts'

interface Waiter {
  readonly isReady: () => boolean
  readonly resolve: () => void
}

export class Waiters {
  readonly #timers: Timers
  readonly #waiters = new Set<Waiter>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  get count(): number {
    return this.#waiters.size
  }

  hasReady(): boolean {
    for (const waiter of this.#waiters) if (waiter.isReady()) return true
    return false
  }

  /**
   * Resolves when notify() finds it ready, after `timeoutMs`, or when `signal` aborts. `onWaiting` is called before the
   * sleep begins, and not at all if there is none.
   */
  async wait(
    isReady: () => boolean,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    onWaiting: () => void,
  ): Promise<void> {
    if (signal?.aborted === true || isReady()) return
    let waiter: Waiter | undefined
    let timer: { cancel(): void } | undefined
    const onAbort = (): void => this.#resolve(waiter)
    try {
      await new Promise<void>((resolve) => {
        waiter = { isReady, resolve }
        this.#waiters.add(waiter)
        signal?.addEventListener('abort', onAbort, { once: true })
        if (timeoutMs < Number.POSITIVE_INFINITY) {
          timer = this.#timers.after(timeoutMs, () => this.#resolve(waiter))
        }
        onWaiting()
      })
    } finally {
      signal?.removeEventListener('abort', onAbort)
      timer?.cancel()
    }
  }

  /** Wakes those who are ready; everybody if `isOver`. */
  notify(isOver: boolean): void {
    for (const waiter of this.#waiters) if (isOver || waiter.isReady()) this.#resolve(waiter)
  }

  #resolve(waiter: Waiter | undefined): void {
    if (waiter !== undefined && this.#waiters.delete(waiter)) waiter.resolve()
  }
}
