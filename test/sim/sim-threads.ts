/**
 * The threads of the simulated process: the same Shard and Flusher classes as in src/workers/*-thread.ts, stepped by
 * the scheduler instead of looping.
 *
 * A thread that has nothing to do sleeps at its doorbell as the real one does: it arms the bell, looks once more, and
 * goes on when the bell is rung or its timeout passes. If it sleeps with input at hand and nobody has rung, a wake-up
 * was lost, which the timeout would hide in production: here it is a failure.
 *
 * A step that throws ends the thread. terminate() takes its time: until then the thread goes on and may still write, as
 * a real one may while it is being terminated.
 */
import type { Env } from '../../src/base/env/env.ts'
import { SimHalt } from '../../src/base/env/sim-error.ts'
import { Doorbell } from '../../src/ring/doorbell.ts'
import { Flusher } from '../../src/workers/flusher.ts'
import type { FlusherStart, FromShard, ShardStart, ToShard } from '../../src/workers/messages.ts'
import { Shard } from '../../src/workers/shard.ts'
import type { ThreadHandle, ThreadSpawner } from '../../src/workers/supervised-shard.ts'
import { OwnedFs } from './owned-fs.ts'
import { Channel, type Scheduler, type Source } from './scheduler.ts'

/** As in shard-thread.ts and flusher-thread.ts. */
const SHARD_SLEEP_MS = 100
const FLUSHER_SLEEP_MS = 1000

/** What one thread does, without its sleeping and dying. */
interface Work {
  /** False: there was nothing to do. */
  step(): boolean
  hasInput(): boolean
  /** The thread's loop has come to its own end. */
  isOver(): boolean
}

export class SimThread implements ThreadHandle, Source {
  readonly label: string
  readonly weight: number
  readonly fs: OwnedFs
  isEnded = false
  /** It makes no step before this moment. */
  hungUntilMs = 0
  readonly #scheduler: Scheduler
  readonly #bell: Doorbell
  readonly #sleepMs: number
  readonly #out: Channel
  readonly #control: Channel
  readonly #mailbox: unknown[] = []
  readonly #messageListeners: ((message: unknown) => void)[] = []
  readonly #endListeners: ((reason: string) => void)[] = []
  #work: Work | undefined
  #isSleeping = false
  #rungAtSleep = 0
  #wakeMs = 0

  constructor(scheduler: Scheduler, label: string, fs: OwnedFs, bell: Doorbell, sleepMs: number) {
    this.label = label
    this.weight = scheduler.drawWeight()
    this.fs = fs
    this.#scheduler = scheduler
    this.#bell = bell
    this.#sleepMs = sleepMs
    this.#out = new Channel(scheduler, `${label} message`)
    this.#control = new Channel(scheduler, `${label} terminate`)
    for (const source of [this, this.#out, this.#control]) scheduler.add(source)
  }

  /** Given once, before the first step. */
  begin(work: Work): void {
    this.#work = work
  }

  /** The messages that came since the last call. */
  takeMail(): unknown[] {
    return this.#mailbox.splice(0)
  }

  send(message: unknown): void {
    const copy: unknown = structuredClone(message)
    this.#out.post(() => {
      for (const listener of this.#messageListeners) listener(copy)
    })
  }

  post(message: unknown): void {
    this.#mailbox.push(structuredClone(message))
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#messageListeners.push(listener)
  }

  onEnd(listener: (reason: string) => void): void {
    this.#endListeners.push(listener)
  }

  terminate(): Promise<void> {
    if (this.isEnded) return Promise.resolve()
    return new Promise((resolve) => {
      this.#control.post(() => {
        this.end('was terminated')
        resolve()
      })
    })
  }

  end(reason: string): void {
    if (this.isEnded) return
    this.isEnded = true
    this.fs.closeAll()
    this.#out.post(() => {
      for (const listener of this.#endListeners) listener(reason)
    })
    this.#scheduler.note(`${this.label} ${reason.split('\n', 1)[0]}`)
    this.#scheduler.remove(this)
  }

  /** Its process is gone: nothing of it happens any more. */
  vanish(): void {
    for (const source of [this, this.#out, this.#control]) this.#scheduler.remove(source)
  }

  isReady(nowMs: number): boolean {
    if (this.isEnded || nowMs < this.hungUntilMs) return false
    if (!this.#isSleeping || nowMs >= this.#wakeMs) return true
    if (this.#bell.rungCount !== this.#rungAtSleep) return true
    if (this.#hasInput()) this.#scheduler.fail(`${this.label} sleeps, has input, and nobody rang its bell`)
    return false
  }

  dueMs(): number | undefined {
    if (this.isEnded) return undefined
    return Math.max(this.#isSleeping ? this.#wakeMs : 0, this.hungUntilMs)
  }

  run(): void {
    if (this.#isSleeping) {
      this.#isSleeping = false
      this.#bell.disarm()
    }
    try {
      const isBusy = this.#work!.step()
      if (this.#work!.isOver()) this.end('ended with code 0')
      else if (!isBusy) this.#sleep()
    } catch (error) {
      if (error instanceof SimHalt) return // The whole process ends; see SimProcess.
      this.end(`threw ${error instanceof Error ? error.stack : String(error)}`)
    }
  }

  #sleep(): void {
    this.#rungAtSleep = this.#bell.arm() >>> 0
    if (this.#hasInput()) {
      this.#bell.disarm()
      return
    }
    this.#isSleeping = true
    this.#wakeMs = this.#scheduler.clock.monotonicMs() + this.#sleepMs
  }

  #hasInput(): boolean {
    return this.#mailbox.length > 0 || this.#work!.hasInput()
  }
}

/** Starts threads for the dispatcher; tells `onStart` of each. */
export class SimSpawner implements ThreadSpawner {
  readonly #scheduler: Scheduler
  readonly #envFor: (label: string, fs: OwnedFs) => Env
  readonly #fs: Env['fs']
  readonly #onStart: (thread: SimThread) => void
  #flusherCount = 0

  constructor(
    scheduler: Scheduler,
    fs: Env['fs'],
    envFor: (label: string, fs: OwnedFs) => Env,
    onStart: (thread: SimThread) => void,
  ) {
    this.#scheduler = scheduler
    this.#fs = fs
    this.#envFor = envFor
    this.#onStart = onStart
  }

  shard(start: ShardStart): ThreadHandle {
    const label = `shard ${start.shardIndex}`
    const fs = new OwnedFs(this.#fs)
    const thread = new SimThread(this.#scheduler, label, fs, new Doorbell(start.doorbell), SHARD_SLEEP_MS)
    const shard = new Shard(this.#envFor(label, fs), start, (message: FromShard) => thread.send(message))
    thread.begin({
      step: () => {
        const mail = thread.takeMail()
        for (const message of mail) shard.enqueue(message as ToShard)
        return shard.step() || mail.length > 0
      },
      hasInput: () => shard.hasInput(),
      isOver: () => shard.isClosed,
    })
    this.#onStart(thread)
    return thread
  }

  flusher(start: FlusherStart): ThreadHandle {
    const label = `flusher ${this.#flusherCount++}`
    const fs = new OwnedFs(this.#fs)
    const thread = new SimThread(this.#scheduler, label, fs, new Doorbell(start.flusherDoorbell), FLUSHER_SLEEP_MS)
    const flusher = new Flusher(this.#envFor(label, fs), start)
    thread.begin({
      step: () => flusher.step(),
      hasInput: () => flusher.hasWork(),
      isOver: () => false,
    })
    this.#onStart(thread)
    return thread
  }
}
