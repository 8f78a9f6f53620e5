/**
 * DemoProducers: the demo's producer threads, seen from the main thread.
 */
import { Worker } from 'node:worker_threads'
import { fromErrorData } from '../base/errors.ts'
import { CommandFailed } from './command.ts'
import type { DemoStart, FromDemoThread } from './demo-thread.ts'

export interface DemoProgress {
  recordCount: number
  bytes: number
}

export class DemoProducers {
  readonly #workers: readonly Worker[]
  readonly #ready: Promise<unknown>
  readonly #done: Promise<unknown>
  readonly #progress: DemoProgress[]

  /** Starts one thread for each entry of `recordCounts`, which writes so many records when go() is called. */
  constructor(address: string, topic: string, recordCounts: readonly number[]) {
    this.#progress = recordCounts.map(() => ({ recordCount: 0, bytes: 0 }))
    const ready: Promise<void>[] = []
    const done: Promise<void>[] = []
    this.#workers = recordCounts.map((recordCount, thread) => {
      const workerData: DemoStart = { address, topic, thread, recordCount }
      const worker = new Worker(new URL('./demo-thread.js', import.meta.url), { workerData, execArgv: [] })
      ready.push(this.#until(worker, thread, 'ready'))
      done.push(this.#until(worker, thread, 'done'))
      return worker
    })
    this.#ready = Promise.all(ready)
    this.#done = Promise.all(done)
    // A thread that dies while it starts is told by ready(); the other promise is then nobody's.
    void this.#done.then(undefined, () => undefined)
  }

  #until(worker: Worker, thread: number, type: 'ready' | 'done'): Promise<void> {
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromDemoThread) => {
        if (message.type === 'failed') reject(fromErrorData(message.error))
        else if (message.type !== 'ready') this.#progress[thread] = message
        if (message.type === type) resolve()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => reject(new CommandFailed(`producer thread ${thread} ended early with code ${code}`)))
    })
  }

  /** Resolves when every thread has the log and waits. Rejects with the first error of a thread. */
  async ready(): Promise<void> {
    await this.#ready
  }

  go(): void {
    for (const worker of this.#workers) worker.postMessage('go')
  }

  /** Resolves when every record is acknowledged. Rejects with the first error of a thread. */
  async done(): Promise<void> {
    await this.#done
  }

  get progress(): DemoProgress {
    let recordCount = 0
    let bytes = 0
    for (const each of this.#progress) {
      recordCount += each.recordCount
      bytes += each.bytes
    }
    return { recordCount, bytes }
  }

  async terminate(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
