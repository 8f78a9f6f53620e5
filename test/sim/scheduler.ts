/**
 * Scheduler: decides, from one seed, which of the things that could happen next does.
 *
 * Everything that happens is an event of a source: a thread's step, the delivery of a message, a client's turn, a
 * timer. Between two events all microtasks run, so an event ends when nothing is left to do at once. Time is virtual:
 * it passes a little with every event, and jumps to the next thing that is due when nothing else can happen, or now and
 * then all the same, so that timers run in the middle of other work.
 *
 * Each event goes into a hash. Two runs of a seed must give the same one.
 */
import { setImmediate as nextMacrotask } from 'node:timers/promises'
import type { SimClock } from '../../src/base/env/sim-clock.ts'
import { SimHalt } from '../../src/base/env/sim-error.ts'
import type { SeededRandom } from '../../src/base/random.ts'

export interface Source {
  readonly label: string
  /** Drawn once: sources of one seed are not all equally quick. */
  readonly weight: number
  isReady(nowMs: number): boolean
  run(): void
  /** Monotonic time at which it becomes ready by itself, if nothing else happens. */
  dueMs?(): number | undefined
}

/** What is wrong with the engine, found by the simulation. */
export class SimFailure extends Error {
  override readonly name = 'SimFailure'
}

const LABELS_KEPT = 400
/** Whoever could go on for this long goes on next: a machine is slow, not unfair. Well below what counts as a hang. */
const STARVING_MS = 200
const TIME_LABEL = 'time'

export class Scheduler {
  readonly random: SeededRandom
  readonly clock: SimClock
  eventCount = 0
  /** A failure seen by something that could not throw it to anybody. */
  failure: Error | undefined
  readonly #sources = new Set<Source>()
  readonly #readySince = new Map<Source, number>()
  readonly #labels: string[] = []
  readonly #onTrace: ((line: string) => void) | undefined
  readonly #timeWeight: number
  readonly #eventMsMax: number
  #hash = 0x811c_9dc5

  constructor(random: SeededRandom, clock: SimClock, onTrace?: (line: string) => void) {
    this.random = random
    this.clock = clock
    this.#onTrace = onTrace
    this.#timeWeight = random.pick([0, 0.02, 0.2])
    this.#eventMsMax = random.pick([0.01, 0.05, 0.5])
  }

  add(source: Source): void {
    this.#sources.add(source)
  }

  remove(source: Source): void {
    this.#sources.delete(source)
    this.#readySince.delete(source)
  }

  drawWeight(): number {
    return this.random.pick([0.1, 1, 1, 3])
  }

  /** Of all events so far. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  /** The latest events, oldest first. */
  get latest(): readonly string[] {
    return this.#labels
  }

  /** For the trace only, besides events. */
  note(what: string): void {
    this.#record(`  ${what}`)
  }

  fail(message: string): never {
    throw new SimFailure(message)
  }

  /**
   * Runs events until `isDone`, `eventsMax` or `virtualMsMax`; returns whether it is done. It is an error to be stuck.
   */
  async run(isDone: () => boolean, eventsMax: number, virtualMsMax: number): Promise<boolean> {
    const isOver = await this.#run(isDone, eventsMax, virtualMsMax)
    if (isOver === undefined) this.fail('nothing can happen any more, and nothing is due')
    return isOver
  }

  /** Lets things go on for a while, or until nothing can happen any more. */
  async rest(eventsMax: number, virtualMsMax: number, isDone = (): boolean => false): Promise<void> {
    await this.#run(isDone, eventsMax, virtualMsMax)
  }

  async #run(isDone: () => boolean, eventsMax: number, virtualMsMax: number): Promise<boolean | undefined> {
    const endMs = this.clock.monotonicMs() + virtualMsMax
    const lastEvent = this.eventCount + eventsMax
    await nextMacrotask()
    while (!isDone()) {
      this.#throwFailure()
      if (this.eventCount >= lastEvent || this.clock.monotonicMs() >= endMs) return false
      if (!this.#runOne()) return undefined
      await nextMacrotask()
    }
    this.#throwFailure()
    return true
  }

  #throwFailure(): void {
    if (this.failure !== undefined) throw this.failure
  }

  /** False: nothing can happen. */
  #runOne(): boolean {
    const nowMs = this.clock.monotonicMs()
    const ready: Source[] = []
    let oldest: Source | undefined
    let weight = 0
    let dueMs = this.clock.nextTimerMs() ?? Infinity
    for (const source of this.#sources) {
      if (source.isReady(nowMs)) {
        ready.push(source)
        weight += source.weight
        const sinceMs = this.#readySince.get(source)
        if (sinceMs === undefined) this.#readySince.set(source, nowMs)
        else if (nowMs - sinceMs > STARVING_MS) oldest ??= source
      } else {
        this.#readySince.delete(source)
        dueMs = Math.min(dueMs, source.dueMs?.() ?? Infinity)
      }
    }
    this.eventCount += 1
    const isTimeDrawn = this.random.next() * (weight + this.#timeWeight) >= weight
    if (ready.length === 0 && dueMs === Infinity) return false
    if (oldest === undefined && (dueMs <= nowMs || ready.length === 0 || (isTimeDrawn && dueMs < Infinity))) {
      this.#record(TIME_LABEL)
      this.clock.advance(Math.max(0, dueMs - nowMs))
      return true
    }
    let drawn = this.random.next() * weight
    let chosen = ready[0]!
    for (const source of ready) {
      chosen = source
      drawn -= source.weight
      if (drawn < 0) break
    }
    chosen = oldest ?? chosen
    this.#readySince.delete(chosen)
    this.#record(chosen.label)
    this.clock.elapse(this.random.next() * this.#eventMsMax)
    try {
      chosen.run()
    } catch (error) {
      if (!(error instanceof SimHalt)) throw error // The disk says that the process has ended; whoever runs us looks.
    }
    return true
  }

  #record(label: string): void {
    for (let i = 0; i < label.length; i++) this.#hash = Math.imul(this.#hash ^ label.charCodeAt(i), 0x0100_0193)
    const line = `${this.clock.monotonicMs().toFixed(2)} ${label}`
    this.#labels.push(line)
    if (this.#labels.length > LABELS_KEPT) this.#labels.shift()
    this.#onTrace?.(line)
  }
}

/** Messages from one thread to another: delivered one by one, in order, each as an event. */
export class Channel implements Source {
  readonly label: string
  readonly weight: number
  readonly #waiting: (() => void)[] = []

  constructor(scheduler: Scheduler, label: string) {
    this.label = label
    this.weight = scheduler.drawWeight()
  }

  post(deliver: () => void): void {
    this.#waiting.push(deliver)
  }

  isReady(): boolean {
    return this.#waiting.length > 0
  }

  run(): void {
    this.#waiting.shift()!()
  }
}
