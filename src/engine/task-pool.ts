/**
 * TaskPool: threads for work that takes the processor and keeps no state (workers/pool-tasks.ts), over Piscina. Owned
 * by the thread that made it. Shards are plain workers: they own partitions, and a pool hands a task to whoever is
 * idle.
 *
 * Piscina is loaded when the first pool is made: a program that needs none does not pay for it.
 */
import { fileURLToPath } from 'node:url'
import type { Piscina } from 'piscina'
import type { SegmentReport, SegmentTask } from '../segment/verify.ts'

export class TaskPool {
  readonly #pool: Piscina
  readonly #stopListening: () => void

  private constructor(pool: Piscina, stopListening: () => void) {
    this.#pool = pool
    this.#stopListening = stopListening
  }

  /**
   * `threadCount` threads, 1 or more; they start at once. When `signal` aborts they are ended and their tasks reject.
   */
  static async start(threadCount: number, signal: AbortSignal): Promise<TaskPool> {
    const { Piscina } = await import('piscina')
    const filename = fileURLToPath(new URL('../workers/pool-tasks.js', import.meta.url))
    const pool = new Piscina({ filename, minThreads: threadCount, maxThreads: threadCount, execArgv: [] })
    // One listener for all tasks: Piscina would add one for each.
    const onAbort = (): void => void pool.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    return new TaskPool(pool, () => signal.removeEventListener('abort', onAbort))
  }

  async verifySegment(task: SegmentTask): Promise<SegmentReport> {
    // Piscina does not know the types of its tasks; the name and this one belong together.
    return (await this.#pool.run(task, { name: 'verifySegment' })) as SegmentReport
  }

  async close(): Promise<void> {
    this.#stopListening()
    await this.#pool.destroy()
  }
}
