/**
 * SimDoorbell: a client thread's doorbell whose wake-ups are events of the scheduler.
 *
 * The words in shared memory, arming, and the look for input after it are the real ones; only the wait is not left to
 * Atomics.waitAsync, whose promises settle when Node likes. It has no timeout: the real one is there for threads that
 * died, and here it would hide a wake-up that was lost: without it that is a client that waits for ever.
 */
import { Doorbell } from '../../src/ring/doorbell.ts'
import type { Scheduler, Source } from './scheduler.ts'

interface Sleeper {
  readonly rung: number
  readonly wake: () => void
}

export class SimDoorbell extends Doorbell implements Source {
  readonly label: string
  readonly weight: number
  #sleepers: Sleeper[] = []

  constructor(buffer: SharedArrayBuffer, label: string, scheduler: Scheduler) {
    super(buffer)
    this.label = label
    this.weight = scheduler.drawWeight()
  }

  override async sleepAsync(hasInput: () => boolean): Promise<void> {
    const rung = this.arm() >>> 0
    if (!hasInput()) {
      await new Promise<void>((wake) => {
        this.#sleepers.push({ rung, wake })
      })
    }
    if (this.#sleepers.length === 0) this.disarm()
  }

  isReady(): boolean {
    const { rungCount } = this
    return this.#sleepers.some(({ rung }) => rung !== rungCount)
  }

  run(): void {
    const woken = this.#sleepers
    this.#sleepers = []
    for (const { wake } of woken) wake()
  }
}
