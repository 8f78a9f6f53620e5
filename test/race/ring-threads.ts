/** Starts the threads of the race tests and collects what they say. */
import { Worker } from 'node:worker_threads'

export interface RingThreadData {
  readonly role: 'writer' | 'reader'
  readonly ring: SharedArrayBuffer
  readonly ownBell: SharedArrayBuffer
  readonly otherBell: SharedArrayBuffer
  readonly sequenceFirst: number
  readonly frameCount: number
  readonly seed: number
  readonly lengthMax: number
  readonly frameCountMax: number
  readonly spinCount: number
  readonly sleep: 'blocking' | 'event loop'
  readonly hangsAt?: number
}

export interface RingThreadReport {
  readonly frameCount: number
  readonly byteCount: number
  readonly sleepCount: number
}

/** The first thing that a thread said, or how it ended without a word. */
type Outcome = { readonly report: RingThreadReport } | { readonly hangs: true } | { readonly error: unknown }

const ENTRY = new URL('./ring-thread.mjs', import.meta.url)

export class RingThread {
  readonly worker: Worker
  readonly #outcome: Promise<Outcome>

  constructor(data: RingThreadData) {
    this.worker = new Worker(ENTRY, { workerData: data })
    this.#outcome = new Promise((resolve) => {
      this.worker.once('message', resolve)
      this.worker.once('error', (error) => resolve({ error }))
      this.worker.once('exit', (status) => {
        resolve({ error: new Error(`SEED=${data.seed} ${data.role} ended with status ${status}`) })
      })
    })
  }

  /** Resolves when the thread has done its work; rejects with what it threw. */
  async report(): Promise<RingThreadReport> {
    const outcome = await this.#outcome
    if ('report' in outcome) return outcome.report
    throw 'error' in outcome ? outcome.error : new Error('thread hangs')
  }

  /** Resolves when the thread has come to where it was told to hang. */
  async hangs(): Promise<void> {
    const outcome = await this.#outcome
    if (!('hangs' in outcome)) throw 'error' in outcome ? outcome.error : new Error('thread does not hang')
  }

  /** Strikes the thread dead; rejects if it had already ended by itself or found a fault. */
  async kill(): Promise<void> {
    const silence = Symbol('silence')
    const said = await Promise.race([this.#outcome, Promise.resolve(silence)])
    await this.worker.terminate()
    if (typeof said === 'object' && 'error' in said) throw said.error
  }
}
