/**
 * SupervisedShard: one shard through all its incarnations, as the dispatcher sees it.
 *
 * An incarnation is a shard thread, its flusher threads, and shared memory made for them: watermarks, doorbells, rings.
 * It is given up when a thread ends, throws, or does not beat. Then all are terminated. Only when they have ended (a
 * second owner never starts while the first might still write) the epoch is raised, new memory is made and new threads
 * start; the old memory is thrown away.
 *
 * Heartbeats: the shard beats every duty cycle and at least every 100 ms. Silence of HANG_MS while it says that it is
 * RUNNING is a hang; a shard that is IN_SYSTEM_CALL waits for a slow disk, which is no reason to lose its memory.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/env/env.ts'
import { fromErrorData, VltavaError } from '../base/errors.ts'
import { createDoorbell, Doorbell } from '../ring/doorbell.ts'
import { createRing } from '../ring/spsc.ts'
import { Activity, createWatermarks, SlotState, Watermarks } from '../ring/watermarks.ts'
import {
  type EngineLimits,
  type FlusherStart,
  type FromShard,
  ringBytesFor,
  type ShardReplies,
  type ShardRequest,
  type ShardStart,
} from './messages.ts'

/** A shard silent for this long is given up; together with the look every CHECK_MS it is noticed within a second. */
export const HANG_MS = 800
export const CHECK_MS = 100
/** A thread that loads its code on a busy machine does not beat yet. */
const START_MS = 15_000
/** An incarnation that ends before this age counts as a quick death, which makes the next restart wait longer. */
const QUICK_DEATH_MS = 10_000
const RESTART_DELAY_MS_MAX = 1000

/** A thread, as whoever can start threads hands it out. */
export interface ThreadHandle {
  post(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  /** Called once, when the thread has ended, with why. */
  onEnd(listener: (reason: string) => void): void
  /** Resolves when the thread has ended. */
  terminate(): Promise<void>
}

export interface ThreadSpawner {
  shard(start: ShardStart): ThreadHandle
  flusher(start: FlusherStart): ThreadHandle
}

interface Waiter {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: VltavaError) => void
}

/** What every incarnation of a shard is started with. */
export interface ShardSettings {
  readonly retentionCheckMs: number
  readonly limits: EngineLimits
}

export class SupervisedShard {
  readonly shardIndex: number
  epoch = 0
  watermarksBuffer: SharedArrayBuffer
  watermarks: Watermarks
  doorbellBuffer: SharedArrayBuffer
  /** Of partitions that were deleted: readers find them so in every later incarnation. */
  readonly deletedSlots: number[] = []
  /** False from the moment a failure is seen until the next incarnation answers. */
  isUp = false
  readonly #clock: Clock
  readonly #spawner: ThreadSpawner
  readonly #settings: ShardSettings
  readonly #onFailure: (reason: string) => void
  readonly #onNotice: (message: FromShard) => void
  readonly #waiters = new Map<number, Waiter>()
  #nextRequestId = 1
  #doorbell: Doorbell
  #thread: ThreadHandle | undefined
  #flushers: readonly ThreadHandle[] = []
  #lastBeat = 0
  #lastBeatMs = 0
  #hasBeaten = false
  #startedMs = 0
  /** In a row. */
  #quickDeaths = 0

  constructor(
    shardIndex: number,
    clock: Clock,
    spawner: ThreadSpawner,
    settings: ShardSettings,
    onFailure: (reason: string) => void,
    onNotice: (message: FromShard) => void,
  ) {
    this.shardIndex = shardIndex
    this.#clock = clock
    this.#spawner = spawner
    this.#settings = settings
    this.#onFailure = onFailure
    this.#onNotice = onNotice
    this.watermarksBuffer = createWatermarks(0, 1)
    this.watermarks = new Watermarks(this.watermarksBuffer)
    this.doorbellBuffer = createDoorbell()
    this.#doorbell = new Doorbell(this.doorbellBuffer)
  }

  get slotCount(): number {
    return this.#settings.limits.slotCount
  }

  /** Starts the next incarnation; its partitions and clients are then ordered with ask(). */
  start(): void {
    assert(this.#thread === undefined, 'one incarnation lives at a time')
    const { limits, retentionCheckMs } = this.#settings
    const ringBytes = ringBytesFor(limits.syncOrdersMax)
    this.epoch += 1
    const { watermarks: before } = this
    this.watermarksBuffer = createWatermarks(this.epoch, this.slotCount)
    this.watermarks = new Watermarks(this.watermarksBuffer)
    this.watermarks.inherit(before) // Nobody sees an offset go back, even if a partition cannot be opened.
    for (const slot of this.deletedSlots) this.watermarks.setState(slot, SlotState.DELETED)
    this.doorbellBuffer = createDoorbell()
    this.#doorbell = new Doorbell(this.doorbellBuffer)
    const flusherStarts = Array.from({ length: limits.flushersPerShard }, (): FlusherStart => ({
      syncRing: createRing(ringBytes),
      syncedRing: createRing(ringBytes),
      flusherDoorbell: createDoorbell(),
      shardDoorbell: this.doorbellBuffer,
      ordersMax: limits.syncOrdersMax,
    }))
    const thread = this.#spawner.shard({
      shardIndex: this.shardIndex,
      watermarks: this.watermarksBuffer,
      doorbell: this.doorbellBuffer,
      retentionCheckMs,
      limits,
      flushers: flusherStarts,
    })
    const flushers = flusherStarts.map((start) => this.#spawner.flusher(start))
    const { epoch } = this
    thread.onMessage((message) => {
      // One that was given up may still answer before it has ended: nobody waits for that any more.
      if (this.epoch === epoch && this.isUp) this.#receive(message as FromShard)
    })
    thread.onEnd((reason) => this.#ended(epoch, `shard ${this.shardIndex} ${reason}`))
    for (const flusher of flushers)
      flusher.onEnd((reason) => this.#ended(epoch, `flusher of shard ${this.shardIndex} ${reason}`))
    this.#thread = thread
    this.#flushers = flushers
    this.isUp = true
    this.#hasBeaten = false
    this.#lastBeat = 0
    this.#lastBeatMs = this.#clock.monotonicMs()
    this.#startedMs = this.#lastBeatMs
  }

  /** Rejects with the shard's VltavaError, or SHARD_UNAVAILABLE if the incarnation ends before it answers. */
  ask<R extends ShardRequest>(request: R): Promise<ShardReplies[R['type']]> {
    const thread = this.#thread
    if (thread === undefined || !this.isUp) return Promise.reject(this.#unavailable())
    const requestId = this.#nextRequestId++
    return new Promise((resolve, reject) => {
      this.#waiters.set(requestId, { resolve: resolve as (value: unknown) => void, reject })
      thread.post({ requestId, request })
      this.#doorbell.ring()
    })
  }

  #receive(message: FromShard): void {
    if (message.type !== 'reply') {
      this.#onNotice(message)
      return
    }
    const waiter = this.#waiters.get(message.requestId)
    assert(waiter !== undefined, 'a shard answers what it was asked')
    this.#waiters.delete(message.requestId)
    if (message.error !== undefined) waiter.reject(fromErrorData(message.error))
    else waiter.resolve(message.value)
  }

  /** Looks at the heartbeat; called every CHECK_MS. `sinceLastCheckMs` tells whether this thread itself was asleep. */
  check(sinceLastCheckMs: number): void {
    if (!this.isUp) return
    const now = this.#clock.monotonicMs()
    // In this order: a shard that returns from the disk between the two has beaten by then.
    const activity = this.watermarks.activity()
    const beat = this.watermarks.heartbeat()
    if (beat !== this.#lastBeat || sinceLastCheckMs > 4 * CHECK_MS) {
      this.#hasBeaten ||= beat !== 0
      this.#lastBeat = beat
      this.#lastBeatMs = now
      return
    }
    if (activity === Activity.IN_SYSTEM_CALL) return
    if (now - this.#lastBeatMs < (this.#hasBeaten ? HANG_MS : START_MS)) return
    this.fail(`shard ${this.shardIndex} did not beat for ${Math.round(now - this.#lastBeatMs)} ms`)
  }

  #ended(epoch: number, reason: string): void {
    if (this.epoch === epoch && this.isUp) this.fail(reason)
  }

  /**
   * How long the restart after a failure should wait: not at all, unless incarnations die one quickly after the other.
   * A shard that cannot live (a bug that its data hits again and again) must not take a core for its restarts.
   */
  restartDelayMs(): number {
    return this.#quickDeaths <= 1 ? 0 : Math.min(RESTART_DELAY_MS_MAX, 4 * 2 ** this.#quickDeaths)
  }

  /** Gives the incarnation up; the dispatcher then starts the next one. */
  fail(reason: string): void {
    if (!this.isUp) return
    this.isUp = false
    this.#quickDeaths = this.#clock.monotonicMs() - this.#startedMs < QUICK_DEATH_MS ? this.#quickDeaths + 1 : 0
    this.#rejectWaiters()
    this.#onFailure(reason)
  }

  #rejectWaiters(): void {
    const waiters = [...this.#waiters.values()]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.reject(this.#unavailable())
  }

  /** Ends all its threads. Afterwards nothing of the incarnation can write any more. */
  async stop(): Promise<void> {
    this.isUp = false
    this.#rejectWaiters()
    await Promise.all([this.#thread?.terminate(), ...this.#flushers.map((flusher) => flusher.terminate())])
    this.watermarks.setActivity(Activity.ENDED)
    this.#thread = undefined
    this.#flushers = []
  }

  #unavailable(): VltavaError {
    return new VltavaError('SHARD_UNAVAILABLE', `shard ${this.shardIndex} is being restarted; try again`)
  }
}
