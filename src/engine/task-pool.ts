/**
 * TaskPool: threads for work that takes the processor and keeps no state (workers/pool-tasks.ts), over Piscina. Owned by
 * the thread that made it. Shards are plain workers: they own partitions, and a pool hands a task to whoever is idle.
 *
 * Piscina is loaded when the first pool is made: a program that needs none does not pay for it.
 */
import { fileURLToPath } from 'node:url'
import type { Piscina } from 'piscina'
import type { SegmentReport, SegmentTask } from '../segment/verify.ts'

export class TaskPool {
  readonly #pool: Piscina

  private constructor(pool: Piscina) {
    this.#pool = pool
  }

  /** `threadCount` threads, 1 or more; they start at once. */
  static async start(threadCount: number): Promise<TaskPool> {
    const { Piscina } = await import('piscina')
    const filename = fileURLToPath(new URL('../workers/pool-tasks.js', import.meta.url))
    return new TaskPool(new Piscina({ filename, minThreads: threadCount, maxThreads: threadCount, execArgv: [] }))
  }

  /** Rejects with an AbortError when `signal` aborts; a thread that was at work on it is ended. */
  async verifySegment(task: SegmentTask, signal: AbortSignal): Promise<SegmentReport> {
    // Piscina does not know the types of its tasks; the name and this one belong together.
    return (await this.#pool.run(task, { name: 'verifySegment', signal })) as SegmentReport
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}
