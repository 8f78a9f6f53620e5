/**
 * CoordinatorKeeper: starts the group coordinator's thread when somebody first asks for it, connects clients to it, and
 * starts it again when it ends or hangs. Part of the dispatcher's thread.
 *
 * A thread that dies again and again is started again more slowly: clients hear COORDINATOR_NOT_AVAILABLE meanwhile, and
 * a bug that the log's data hits each time must not take a core.
 */
import type { Env } from '../base/env/env.ts'

/** Its event loop turns even while it reads a long log. */
const HANG_MS = 15_000
const PING_MS = 1000
const QUICK_DEATH_MS = 10_000
const RESTART_DELAY_MS_MAX = 2000

/** The thread, as whoever can start threads hands it out. */
export interface CoordinatorThread {
  /** Makes a channel; one end goes to the thread, the other to the client. */
  connect(clientId: string): void
  /** Answered through onPong, if the thread's event loop turns. */
  ping(): void
  onPong(listener: () => void): void
  /** Called once, when the thread has ended, with why. */
  onEnd(listener: (reason: string) => void): void
  /** Resolves when the thread has ended. */
  terminate(): Promise<void>
}

export class CoordinatorKeeper {
  readonly #env: Env
  readonly #start: (isFirst: boolean) => CoordinatorThread
  readonly #onRestart: (reason: string) => void
  readonly #waiting = new Set<string>()
  #thread: CoordinatorThread | undefined
  #hasStarted = false
  #isRestartDue = false
  #isStopped = false
  #startedMs = 0
  #heardMs = 0
  #pingedMs = 0
  #lastTickMs = 0
  /** In a row. */
  #quickDeaths = 0

  constructor(env: Env, start: (isFirst: boolean) => CoordinatorThread, onRestart: (reason: string) => void) {
    this.#env = env
    this.#start = start
    this.#onRestart = onRestart
  }

  /** Connects a client to the coordinator, now or when the next one has started. */
  connect(clientId: string): void {
    if (this.#isStopped) return
    if (this.#thread !== undefined) {
      this.#thread.connect(clientId)
      return
    }
    this.#waiting.add(clientId)
    if (!this.#isRestartDue) this.#begin()
  }

  /** A client that is gone needs no connection any more. */
  forget(clientId: string): void {
    this.#waiting.delete(clientId)
  }

  #begin(): void {
    this.#isRestartDue = false
    const thread = this.#start(!this.#hasStarted)
    this.#hasStarted = true
    this.#thread = thread
    this.#startedMs = this.#env.clock.monotonicMs()
    this.#heardMs = this.#startedMs
    thread.onPong(() => {
      this.#heardMs = this.#env.clock.monotonicMs()
    })
    thread.onEnd((reason) => this.#ended(thread, reason))
    for (const clientId of this.#waiting) thread.connect(clientId)
    this.#waiting.clear()
  }

  #ended(thread: CoordinatorThread, reason: string): void {
    if (this.#thread !== thread || this.#isStopped) return
    this.#thread = undefined
    const ageMs = this.#env.clock.monotonicMs() - this.#startedMs
    this.#quickDeaths = ageMs < QUICK_DEATH_MS ? this.#quickDeaths + 1 : 0
    const delayMs = this.#quickDeaths <= 1 ? 0 : Math.min(RESTART_DELAY_MS_MAX, 8 * 2 ** this.#quickDeaths)
    this.#isRestartDue = true
    this.#env.timers.after(delayMs, () => {
      if (this.#isStopped) return
      this.#begin()
      this.#onRestart(reason)
    })
  }

  /** Called every so often by the thread's timer. */
  tick(): void {
    const nowMs = this.#env.clock.monotonicMs()
    const wasAsleep = nowMs - this.#lastTickMs > PING_MS
    this.#lastTickMs = nowMs
    const thread = this.#thread
    if (thread === undefined || this.#isStopped) return
    if (wasAsleep) this.#heardMs = nowMs // It was this thread that did not run.
    if (nowMs - this.#heardMs > HANG_MS) {
      this.#heardMs = nowMs
      void thread.terminate() // Its end is told as any other's.
      return
    }
    if (nowMs - this.#pingedMs < PING_MS) return
    this.#pingedMs = nowMs
    thread.ping()
  }

  /** No coordinator from now on. Resolves when its thread has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#waiting.clear()
    await this.#thread?.terminate()
    this.#thread = undefined
  }
}
