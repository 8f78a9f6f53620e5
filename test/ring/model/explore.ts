/**
 * Explores every schedule of a few processes that share memory.
 *
 * A process is a generator that yields one Operation before each access to shared memory; the scheduler performs the
 * operation and sends its result back in. Between two yields a process touches only what is its own. The search is
 * depth first over all choices of "who goes next" (a step of a process, or an event such as a death), and it visits
 * each state once: a state is the text of key(), so everything that decides the future has to be in it. That promise
 * is itself tested: without memory (`isMemoised: false`) the search must count the same number of schedules.
 *
 * Generators cannot be copied, so each branch but the first is reached by replaying its choices on a fresh system.
 *
 * Memory here is sequentially consistent. That covers the real thing as long as plain accesses never race, which the
 * ring's model checks at each of them (RingMemory in ring-model.ts): JavaScript promises sequential consistency to
 * programs without data races.
 */

/** One access to shared memory, or a wait: not performed while `isReady` says no. */
export interface Operation {
  /** What is accessed: the place in the program. */
  readonly at: string
  /** The local variables whose values are still needed after this access. */
  readonly live?: string
  readonly perform: () => number
  readonly isReady?: () => boolean
}

export type Steps<Result = void> = Generator<Operation, Result, number>

/** What is explored. `choices()` names what can happen next; a choice is made by its index in that list. */
export interface System {
  choices(): readonly string[]
  choose(choice: string): void
  /** Everything that decides what may still happen. */
  key(): string
  /** Called where nothing can happen any more: throws if somebody still waits, or if something is missing. */
  checkEnd(): void
}

export interface Exploration {
  readonly stateCount: number
  readonly scheduleCount: bigint
  readonly longestSchedule: number
  /** The first broken rule, with the schedule that leads to it. */
  readonly violation: { readonly rule: string; readonly schedule: readonly string[] } | undefined
}

/** A rule of the model is broken: a finding, not a fault of the model. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export function require(holds: boolean, rule: string): void {
  if (!holds) throw new Violation(rule)
}

/** `stateCountMax` bounds the search; reaching it is a fault of the model's sizing and throws. */
export function explore(create: () => System, isMemoised = true, stateCountMax = 2_000_000): Exploration {
  const schedulesFrom = new Map<string, bigint>()
  const schedule: string[] = []
  let stateCount = 0
  let longestSchedule = 0

  function replay(): System {
    const system = create()
    for (const choice of schedule) system.choose(choice)
    return system
  }

  function visit(live: System): bigint {
    const key = live.key()
    const known = schedulesFrom.get(key)
    if (known === -1n) throw new Violation('the same state comes again: a process can spin for ever')
    if (known !== undefined && isMemoised) return known
    stateCount += 1
    if (stateCount > stateCountMax) throw new Error(`model has more than ${stateCountMax} states`)
    longestSchedule = Math.max(longestSchedule, schedule.length)
    schedulesFrom.set(key, -1n)

    const choices = live.choices()
    if (choices.length === 0) live.checkEnd()
    let scheduleCount = choices.length === 0 ? 1n : 0n
    for (const [index, choice] of choices.entries()) {
      const system = index === 0 ? live : replay()
      schedule.push(choice)
      system.choose(choice)
      scheduleCount += visit(system)
      schedule.pop()
    }
    schedulesFrom.set(key, scheduleCount)
    return scheduleCount
  }

  try {
    const scheduleCount = visit(create())
    return { stateCount, scheduleCount, longestSchedule, violation: undefined }
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    const violation = { rule: error.message, schedule: [...schedule] }
    return { stateCount, scheduleCount: 0n, longestSchedule, violation }
  }
}

/** A running generator and the operation that it is about to make. */
export class Process {
  readonly name: string
  readonly #steps: Steps
  #pending: Operation | undefined

  constructor(name: string, steps: Steps) {
    this.name = name
    this.#steps = steps
    this.#pending = this.#advance(steps.next())
  }

  get isFinished(): boolean {
    return this.#pending === undefined
  }

  get isReady(): boolean {
    return this.#pending !== undefined && (this.#pending.isReady === undefined || this.#pending.isReady())
  }

  /** Where the process stands, for the state's key and for schedules. */
  get at(): string {
    return this.#pending === undefined ? 'end' : `${this.#pending.at} ${this.#pending.live ?? ''}`
  }

  step(): void {
    if (this.#pending === undefined) throw new Error(`${this.name} has ended`)
    const value = this.#pending.perform()
    this.#pending = this.#advance(this.#steps.next(value))
  }

  #advance(result: IteratorResult<Operation, void>): Operation | undefined {
    return result.done === true ? undefined : result.value
  }
}

/** Runs a method of a model alone, to its end, and returns its result and the operations that it made. */
export function runAlone<Result>(steps: Steps<Result>): { result: Result; operations: string[] } {
  const operations: string[] = []
  let next = steps.next()
  while (next.done !== true) {
    const { at, perform } = next.value
    const value = perform()
    operations.push(`${at} = ${value}`)
    next = steps.next(value)
  }
  return { result: next.value, operations }
}
