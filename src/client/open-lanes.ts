/**
 * OpenLanes: the lanes of a producer that have an open batch, and when such a batch is handed over.
 *
 * When it is due (linger), when its producer says so, or, if somebody awaits a send() and nothing else of the lane is
 * under way, at the end of the caller's turn: together with everything else that was sent in that turn.
 */
import type { Clock } from '../base/env/env.ts'
import type { Transport } from '../protocol/transport.ts'
import type { Lane } from './producer-batch.ts'

/**
 * The k-th open batch of a thread gets 1/k of an eighth of its memory. With 32 MiB the first 16 are of 256 KiB, and a
 * thousand fit.
 */
const SHARES_PER_LANE = 4
const SHARE_BYTES_MIN = 16 << 10

export class OpenLanes {
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #onClosing: (lane: Lane) => void
  readonly #lanes = new Set<Lane>()
  #isLingering = false
  #isTurnEnding = false

  /** `onClosing` is told of each lane just before its batch is handed over. */
  constructor(transport: Transport, clock: Clock, onClosing: (lane: Lane) => void) {
    this.#transport = transport
    this.#clock = clock
    this.#onClosing = onClosing
  }

  /** Bytes of the next batch: with many open at once, less than `batchBytes`, so that each finds memory. */
  share(batchBytes: number): number {
    const share = Math.floor(this.#transport.batchBytesMax / (SHARES_PER_LANE * (this.#lanes.size + 1)))
    return Math.min(batchBytes, Math.max(share, SHARE_BYTES_MIN))
  }

  /** The lane has a new open batch. */
  add(lane: Lane): void {
    this.#lanes.add(lane)
    if (this.#isLingering) return
    this.#isLingering = true
    void this.#linger()
  }

  /** The lane's open batch was given up. */
  remove(lane: Lane): void {
    this.#lanes.delete(lane)
  }

  clear(): void {
    this.#lanes.clear()
  }

  /** Hands the lane's batch over, if it has one. */
  close(lane: Lane): void {
    if (lane.open === undefined) return
    this.#onClosing(lane)
    this.#lanes.delete(lane)
    lane.closeOpen()
  }

  closeAll(): void {
    for (const lane of [...this.#lanes]) this.close(lane)
  }

  closeIfUrgent(lane: Lane): void {
    if (lane.open?.isUrgent === true && lane.isIdle) this.close(lane)
  }

  /** Urgent batches of idle lanes go out when the caller's turn ends. */
  endTurnSoon(): void {
    if (this.#isTurnEnding) return
    this.#isTurnEnding = true
    queueMicrotask(() => {
      this.#isTurnEnding = false
      for (const lane of [...this.#lanes]) this.closeIfUrgent(lane)
    })
  }

  /** One wait for all open batches; it keeps the process alive until they are handed over. */
  async #linger(): Promise<void> {
    await Promise.resolve() // The caller's turn fills the batch first, also without lingering.
    while (this.#lanes.size > 0 && !this.#transport.isClosed) {
      const now = this.#clock.monotonicMs()
      let nextDueMs = Number.POSITIVE_INFINITY
      for (const lane of [...this.#lanes]) {
        const { dueMs } = lane.open!
        if (dueMs <= now) this.close(lane)
        else nextDueMs = Math.min(nextDueMs, dueMs)
      }
      if (nextDueMs === Number.POSITIVE_INFINITY) break
      await this.#transport.wait(() => this.#lanes.size === 0, nextDueMs - now)
    }
    this.#isLingering = false
  }
}
