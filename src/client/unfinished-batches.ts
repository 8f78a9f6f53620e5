/**
 * UnfinishedBatches: what a producer has opened and has neither seen acknowledged nor failed, and who waits for that.
 */
import type { ProducerBatch } from './producer-batch.ts'

export class UnfinishedBatches {
  readonly #batches = new Set<ProducerBatch>()
  #waiters: (() => void)[] = []

  add(batch: ProducerBatch): void {
    this.#batches.add(batch)
  }

  finished(batch: ProducerBatch): void {
    this.#batches.delete(batch)
    const waiters = this.#waiters
    if (waiters.length === 0) return
    this.#waiters = []
    for (const wake of waiters) wake()
  }

  /** Resolves when all that there are now have finished, whatever comes meanwhile. Rejects when `signal` aborts. */
  async allFinished(signal: AbortSignal | undefined): Promise<void> {
    for (const batches = [...this.#batches]; batches.length > 0;) {
      if (!this.#batches.has(batches[batches.length - 1]!)) {
        batches.pop()
        continue
      }
      await orAborted(new Promise((resolve) => this.#waiters.push(resolve)), signal)
    }
  }
}

/** `promise`, which never rejects, or a rejection as soon as `signal` aborts. */
export async function orAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  let onAbort: () => void = () => undefined
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve
  })
  signal?.addEventListener('abort', onAbort, { once: true })
  await Promise.race([promise, aborted])
  signal?.removeEventListener('abort', onAbort)
  signal?.throwIfAborted()
}
