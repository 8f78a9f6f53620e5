/**
 * The algorithm of src/ring/doorbell.ts, step by step: each yield is one access to shared memory.
 *
 * Keep the two side by side; doorbell-trace.test.ts compares their accesses. A BellFlaw is a way of getting it wrong
 * that the exploration has to notice. Rings are reduced to a count of published messages each: what the bell is about
 * is only whether the owner looks again.
 *
 * Waiters form one queue, as in the engine: those of Atomics.wait and of Atomics.waitAsync alike.
 */
import type { Steps } from './explore.ts'

export type BellFlaw =
  | 'none'
  | 'input looked for before arming'
  | 'rung count read after the look'
  | 'bell rung before publishing'
  | 'sleeping read before publishing'
  | 'rung not counted'
  | 'only one waiter notified'
  | 'every waiter disarms as it ends'
  | 'a look that finds input disarms'

export type WaiterState = 'waiting' | 'ended' | 'settled'

/** `settled`: its promise's reaction has run. A blocking waiter skips that state. */
export interface WaiterModel {
  state: WaiterState
  readonly timeoutMs: number
}

/** One call of sleepAsync that waits: its `finally` runs once the waiter has settled. */
export interface CallModel {
  readonly waiter: WaiterModel
  isOver: boolean
}

export class BellMemory {
  sleeping = 0
  rung = 0
  /** Messages published per writer: the tails of the rings. */
  readonly published: number[]
  readonly waiters: WaiterModel[] = []

  constructor(writerCount: number) {
    this.published = Array.from({ length: writerCount }, () => 0)
  }

  notify(countMax: number): number {
    let count = 0
    for (const waiter of this.waiters) {
      if (waiter.state !== 'waiting' || count === countMax) continue
      waiter.state = 'ended'
      count += 1
    }
    return count
  }

  key(): string {
    return `${this.sleeping},${this.rung}|${this.published.join()}`
  }
}

/** Looks at every ring, one load each; true as soon as one has something. */
export type LookModel = () => Steps<boolean>

export class DoorbellModel {
  readonly memory: BellMemory
  readonly #flaw: BellFlaw
  readonly calls: CallModel[] = []
  #pending: WaiterModel | undefined
  #waiterCount = 0

  constructor(memory: BellMemory, flaw: BellFlaw = 'none') {
    this.memory = memory
    this.#flaw = flaw
  }

  /** Waiters and calls in the order of their making, without those that are over: they decide nothing any more. */
  key(): string {
    const calls = this.calls.filter(({ isOver }) => !isOver)
    const living = this.memory.waiters.filter((waiter) => this.#isLiving(waiter, calls))
    const waiters = living.map((waiter) => `${waiter.state} ${waiter.timeoutMs} ${waiter === this.#pending}`)
    const waitedFor = calls.map(({ waiter }) => living.indexOf(waiter))
    return `${this.#waiterCount}|${waiters.join()}|${waitedFor.join()}`
  }

  /** Where a call stands among those that are not over, for keys. */
  placeOf(call: CallModel | undefined): number {
    return call === undefined ? -2 : this.calls.filter(({ isOver }) => !isOver).indexOf(call)
  }

  *ring(): Steps {
    if ((yield* this.loadSleeping()) === 0) return
    yield* this.wake()
  }

  *loadSleeping(): Steps<number> {
    return yield { at: 'load sleeping', perform: () => this.memory.sleeping }
  }

  *wake(): Steps {
    const { memory } = this
    const added = this.#flaw === 'rung not counted' ? 0 : 1
    yield { at: 'add rung', perform: () => ((memory.rung += added), 1) }
    const countMax = this.#flaw === 'only one waiter notified' ? 1 : Infinity
    yield { at: `notify rung ${countMax === 1 ? 1 : 'all'}`, perform: () => memory.notify(countMax) }
  }

  *arm(live: string): Steps<number> {
    const isReadLate = this.#flaw === 'rung count read after the look'
    const rung = isReadLate ? 0 : yield* this.#loadRung(live)
    yield* this.#storeSleeping(1, `${live} ${rung}`)
    return rung
  }

  *disarm(live: string): Steps {
    yield* this.#storeSleeping(0, live)
  }

  *sleep(hasInput: LookModel): Steps {
    const { memory } = this
    const looksEarly = this.#flaw === 'input looked for before arming'
    const foundEarly = looksEarly && (yield* hasInput())
    let rung = yield* this.arm(`${foundEarly}`)
    const hasFound = looksEarly ? foundEarly : yield* this.#lookWith(hasInput, rung)
    if (!hasFound) {
      if (this.#flaw === 'rung count read after the look') rung = yield* this.#loadRung('')
      yield* this.#blockUntilRung(rung)
    }
    memory.waiters.length = 0 // A blocked thread has one waiter, and it is over.
    yield* this.disarm('')
  }

  /** The call's own part, up to its first await. Returns the call that now waits, as an index of `calls`, or -1. */
  *sleepAsync(hasInput: LookModel, timeoutMs: number): Steps<number> {
    const rung = yield* this.arm('')
    if (yield* this.#lookWith(hasInput, rung)) {
      if (this.#flaw === 'a look that finds input disarms') yield* this.disarm('found')
      else yield* this.#disarmUnlessWaiting('found')
      return -1
    }
    const pending = this.#pending
    const waiter =
      pending !== undefined && pending.timeoutMs <= timeoutMs ? pending : yield* this.#wait(rung, timeoutMs)
    if (waiter === undefined) {
      yield* this.#disarmUnlessWaiting('at once')
      return -1
    }
    return this.calls.push({ waiter, isOver: false }) - 1
  }

  /** The reaction of a waiter's promise. */
  settle(waiter: WaiterModel): void {
    waiter.state = 'settled'
    this.#waiterCount -= 1
    if (this.#pending === waiter) this.#pending = undefined
  }

  /** The `finally` of a call whose waiter has settled: one access at most, so it is made in one step. */
  finish(call: CallModel): void {
    call.isOver = true
    if (this.#waiterCount === 0 || this.#flaw === 'every waiter disarms as it ends') this.memory.sleeping = 0
  }

  #isLiving(waiter: WaiterModel, calls: readonly CallModel[]): boolean {
    return waiter.state !== 'settled' || calls.some((call) => call.waiter === waiter)
  }

  *#lookWith(hasInput: LookModel, rung: number): Steps<boolean> {
    const steps = hasInput()
    let next = steps.next()
    while (next.done !== true) {
      const operation = next.value
      next = steps.next(yield { ...operation, live: `${operation.live ?? ''} ${rung}` })
    }
    return next.value
  }

  *#wait(rung: number, timeoutMs: number): Steps<WaiterModel | undefined> {
    const { memory } = this
    const waiter: WaiterModel = { state: 'waiting', timeoutMs }
    const isAsync = yield {
      at: `waitAsync rung ${rung}`,
      live: `${timeoutMs}`,
      perform: () => {
        if (memory.rung !== rung) return 0
        memory.waiters.push(waiter)
        return 1
      },
    }
    if (isAsync === 0) return undefined
    this.#waiterCount += 1
    this.#pending = waiter
    return waiter
  }

  *#disarmUnlessWaiting(live: string): Steps {
    if (this.#waiterCount === 0) yield* this.disarm(live)
  }

  *#blockUntilRung(rung: number): Steps {
    const { memory } = this
    const waiter: WaiterModel = { state: 'waiting', timeoutMs: 1 }
    yield {
      at: `wait rung ${rung}`,
      perform: () => {
        if (memory.rung === rung) memory.waiters.push(waiter)
        else waiter.state = 'ended'
        return Number(memory.rung === rung)
      },
    }
    yield { at: 'blocked', isReady: () => waiter.state !== 'waiting', perform: () => 0 }
  }

  *#loadRung(live: string): Steps<number> {
    return yield { at: 'load rung', live, perform: () => this.memory.rung }
  }

  *#storeSleeping(value: number, live: string): Steps {
    yield { at: 'store sleeping', live: `${value} ${live}`, perform: () => (this.memory.sleeping = value) }
  }
}
