/**
 * Doorbell: many writers wake the one thread that reads all their rings. Layout: see layout.ts.
 *
 * Threads: any thread calls ring(); only the owner arms, disarms and sleeps. One thread has one Doorbell object.
 *
 * No wake-up is lost: the owner stores `sleeping`, then looks at its rings; a writer stores a tail, then looks at
 * `sleeping`; at least one sees the other. `rung` is read before the look, so a bell rung in between ends the wait.
 * Timeouts are there for what rings no bell (a writer that died, a clock), not to hide a lost wake-up; the model in
 * test/ring/model has none and never hangs.
 *
 * A wake-up may be spurious, so sleepers look at their rings again and sleep again.
 *
 * Why ring() notifies all waiters although one thread owns the bell: an Atomics.waitAsync cannot be cancelled. A thread
 * with an event loop that sleeps again with a shorter timeout leaves its first waiter behind, at the front of the
 * queue, and `notify(..., 1)` would wake that one alone.
 */
import { assert } from '../base/assert.ts'
import { DOORBELL_BYTES, DOORBELL_VERSION, DOORBELL_VERSION_I32, RUNG_I32, SLEEPING_I32 } from './layout.ts'

export function createDoorbell(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(DOORBELL_BYTES)
  new Int32Array(buffer)[DOORBELL_VERSION_I32] = DOORBELL_VERSION
  return buffer
}

/** An Atomics.waitAsync that has not ended yet. */
interface PendingSleep {
  readonly timeoutMs: number
  readonly ended: Promise<void>
}

export class Doorbell {
  readonly #words: Int32Array
  #pending: PendingSleep | undefined = undefined // The newest waiter of this object that has not ended.
  #waiterCount = 0 // Asynchronous waiters that have not ended.

  constructor(buffer: SharedArrayBuffer) {
    assert(!buffer.growable && buffer.byteLength === DOORBELL_BYTES, 'buffer has the length of a doorbell')
    this.#words = new Int32Array(buffer)
    assert(this.#words[DOORBELL_VERSION_I32] === DOORBELL_VERSION, 'doorbell layout version matches')
  }

  /** Writers, after publish(): one load while the owner is awake, else a wake-up. */
  ring(): void {
    if (Atomics.load(this.#words, SLEEPING_I32) === 0) return
    Atomics.add(this.#words, RUNG_I32, 1)
    Atomics.notify(this.#words, RUNG_I32)
  }

  /** How often the bell was rung for a sleeping owner, modulo 2^32. For counters and tests; any thread. */
  get rungCount(): number {
    return Atomics.load(this.#words, RUNG_I32) >>> 0
  }

  /**
   * Owner: asks writers to ring from now on, and returns the rung count (as the i32 that Atomics.wait takes) to wait
   * for a change of. Look at the rings after this, never before, and disarm() when awake again.
   */
  arm(): number {
    const rung = Atomics.load(this.#words, RUNG_I32)
    Atomics.store(this.#words, SLEEPING_I32, 1)
    return rung
  }

  /**
   * Owner: awake; writers need not ring. Not while a sleepAsync is pending: nobody would wake it before its timeout.
   */
  disarm(): void {
    Atomics.store(this.#words, SLEEPING_I32, 0)
  }

  /**
   * Owner, shard threads only: blocks the thread until the bell is rung or `timeoutMs` (finite, >= 0) passes; returns
   * at once if `hasInput`. A thread that sleeps here has no sleepAsync pending.
   */
  sleep(hasInput: () => boolean, timeoutMs: number): void {
    assert(timeoutMs >= 0 && timeoutMs < Infinity, 'every wait has a timeout')
    assert(this.#waiterCount === 0, 'a thread that blocks has no asynchronous sleep pending')
    const rung = this.arm()
    try {
      if (!hasInput()) Atomics.wait(this.#words, RUNG_I32, rung, timeoutMs)
    } finally {
      this.disarm()
    }
  }

  /**
   * Owner, threads with an event loop: resolves when the bell is rung or `timeoutMs` (finite, >= 0) has passed; at once
   * if `hasInput`. Never rejects but by a throw of `hasInput`.
   *
   * The promise does not keep the process alive: with nothing else to do, Node exits. Who needs the wake-up holds a
   * reference of its own (a socket, a worker, a timer).
   *
   * Whoever is woken by something else may read the rings and call again while a sleep is pending: the call joins it
   * if that one ends in time, so calls do not pile up waiters. A call with a shorter timeout starts another and leaves
   * the older one to run out: at most (longest / shortest timeout) waiters exist at a time, and the next ring ends all.
   */
  async sleepAsync(hasInput: () => boolean, timeoutMs: number): Promise<void> {
    assert(timeoutMs >= 0 && timeoutMs < Infinity, 'every wait has a timeout')
    const rung = this.arm()
    try {
      if (hasInput()) return
      const pending = this.#pending
      await (pending !== undefined && pending.timeoutMs <= timeoutMs ? pending.ended : this.#wait(rung, timeoutMs))
    } finally {
      this.#disarmUnlessWaiting()
    }
  }

  #wait(rung: number, timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#words, RUNG_I32, rung, timeoutMs)
    if (!wait.async) return Promise.resolve() // Rung since arm(), or a timeout of 0.
    this.#waiterCount += 1
    const ended = wait.value.then(() => {
      this.#waiterCount -= 1
      if (this.#pending === pending) this.#pending = undefined
    })
    const pending: PendingSleep = { timeoutMs, ended }
    this.#pending = pending
    return ended
  }

  /** The bell stays armed for as long as anyone waits for it, or the one who still waits would not be woken. */
  #disarmUnlessWaiting(): void {
    if (this.#waiterCount === 0) this.disarm()
  }
}
