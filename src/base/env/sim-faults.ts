/**
 * SimFaults: which file system calls of a simulation fail, and how.
 *
 * Rules are armed by call number, so that a test may run the same work once for each k and fail the k-th call each
 * time. A rule counts only the calls that it matches, whichever rule is the one to fire.
 */
import { assert } from '../assert.ts'
import type { Errno } from './sim-error.ts'

export type SimOperationKind =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'stat'
  | 'list'
  | 'makeDirectory'
  | 'removeDirectory'
  | 'rename'
  | 'unlink'
  | 'syncDirectory'
  | 'lock'

/** One call on the simulated file system. */
export interface SimOperation {
  /** 1 for the first call since the disk was made. */
  readonly number: number
  readonly kind: SimOperationKind
  /** As given by the caller; of a rename, the old name. */
  readonly path: string
  /** The new name, of a rename. */
  readonly destination: string | undefined
}

/**
 * An errno: the call throws it and does nothing, save that a failed sync loses what it should have made durable.
 * 'short': a read or write does only a part, at least one byte; other calls do not count for it.
 * 'halt': the process ends in the middle of the call (a write may be half done, nothing else is); SimHalt is thrown
 * here and from every later call, until killProcess() or crash().
 */
export type Fault = Errno | 'short' | 'halt'

export interface FaultOptions {
  /** How many matching calls fail from the k-th on; Infinity for a disk that stays broken. Default 1. */
  readonly times?: number
  /** After a short write: what the next write to the same path meets. */
  readonly then?: Fault
}

interface Rule {
  readonly fault: Fault
  readonly first: number
  readonly end: number
  readonly filter: (operation: SimOperation) => boolean
  readonly then: Fault | undefined
  matched: number
}

export class SimFaults {
  #rules: Rule[] = []
  #fired = 0

  /** How many calls have failed so far. */
  get fired(): number {
    return this.#fired
  }

  /** Arms a fault for the k-th call (1-based, counted from now) that `filter` accepts; without one, for any call. */
  failAt(k: number, fault: Fault, filter?: (operation: SimOperation) => boolean, options: FaultOptions = {}): void {
    const times = options.times ?? 1
    assert(Number.isSafeInteger(k) && k >= 1 && times >= 1, 'a fault is armed for the first call or a later one')
    const rule = { fault, first: k, end: k + times, filter: filter ?? (() => true), then: options.then, matched: 0 }
    this.#rules.push(rule)
  }

  /** Disarms everything. */
  clear(): void {
    this.#rules = []
  }

  /** Called by SimFs at each operation. */
  take(operation: SimOperation): Fault | undefined {
    if (this.#rules.length === 0) return undefined
    let firing: Rule | undefined
    for (const rule of this.#rules) {
      if (rule.fault === 'short' && operation.kind !== 'read' && operation.kind !== 'write') continue
      if (!rule.filter(operation)) continue
      rule.matched++
      if (rule.matched >= rule.first) firing ??= rule
    }
    this.#rules = this.#rules.filter((rule) => rule.matched + 1 < rule.end)
    if (firing === undefined) return undefined
    this.#fired++
    if (firing.then !== undefined) {
      this.failAt(1, firing.then, (next) => next.kind === 'write' && next.path === operation.path)
    }
    return firing.fault
  }
}
