/**
 * BenchWorker: a thread of a bench, as the main thread sees it.
 */
import { Worker } from 'node:worker_threads'
import { CommandFailed } from '../command.ts'
import type { FromThread, Outcomes, Role, ThreadStart, ToThread } from './messages.ts'
import type { SharedClock } from './shared-clock.ts'

/** As for the engine's threads: V8 lets the young generation grow to 48 MB, whatever is in it, over some minutes. */
const YOUNG_GENERATION_MB = 6

export class BenchWorker<T extends Role['type']> {
  /** Resolves when the thread waits for go(). */
  readonly ready: Promise<void>
  /** Rejects with CommandFailed if the role failed or the thread died. */
  readonly outcome: Promise<Outcomes[T]>
  readonly #worker: Worker

  constructor(role: Extract<Role, { type: T }>, clock: SharedClock) {
    const start: ThreadStart = { role, originMs: clock.originMs }
    this.#worker = new Worker(new URL('./bench-thread.js', import.meta.url), {
      name: `bench-${role.type}`,
      workerData: start,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    let onReady: () => void = () => undefined
    this.ready = new Promise((resolve) => {
      onReady = resolve
    })
    this.outcome = new Promise((resolve, reject) => {
      const fail = (message: string): void => {
        reject(new CommandFailed(`the ${role.type} thread: ${message}`))
        onReady() // Nobody waits for a thread that is gone; its outcome says why.
      }
      this.#worker.on('message', (message: FromThread) => {
        if (message.type === 'ready') onReady()
        else if (message.type === 'failed') fail(message.message)
        else resolve(message.outcome as Outcomes[T]) // The thread answers with its own role's outcome.
      })
      this.#worker.on('error', (error) => fail(error.message))
      this.#worker.on('exit', () => fail('ended without an outcome'))
    })
    this.outcome.catch(() => undefined) // It is awaited later, perhaps after another thread's failure has been thrown.
  }

  send(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }
}
