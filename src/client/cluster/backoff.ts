/**
 * Waiting before the next attempt: exponential, with jitter, so that clients that failed together do not come back
 * together; and the loop that tries again until a deadline.
 */
import { VltavaError } from '../../base/errors.ts'
import type { Backoff, ClusterEnv } from './settings.ts'

const JITTER = 0.2
const DOUBLINGS_MAX = 30

/** `attempt`: 0 for the first wait. */
export function backoffMs({ firstMs, maxMs }: Backoff, attempt: number, env: Pick<ClusterEnv, 'random'>): number {
  const ms = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, DOUBLINGS_MAX))
  return ms * (1 - JITTER + 2 * JITTER * env.random.next())
}

/** Resolves after `delayMs`. Rejects with the signal's reason when it aborts. */
export function sleep(env: Pick<ClusterEnv, 'timers'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel()
      reject(signal!.reason as Error)
    }
    const timer = env.timers.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Tries until it succeeds, `timeoutMs` has passed, or the error is not `retriable`. Rejects with the last error, or the
 * signal's reason.
 */
export async function retry<T>(
  env: ClusterEnv,
  backoff: Backoff,
  timeoutMs: number,
  attempt: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const deadlineMs = env.clock.monotonicMs() + timeoutMs
  for (let count = 0; ; count++) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof VltavaError) || !error.retriable) throw error
      const delayMs = backoffMs(backoff, count, env)
      if (env.clock.monotonicMs() + delayMs >= deadlineMs) throw error
      await sleep(env, delayMs, signal)
    }
  }
}
