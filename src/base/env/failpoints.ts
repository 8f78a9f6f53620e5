/**
 * Failpoints: named places in the engine where a test kills the process or a thread, or makes the disk fail.
 *
 *   VLTAVA_FAILPOINTS="append:after-write=exit:3,checkpoint:before-write=eio"
 *
 * name=action[:k], separated by commas; the action happens at the k-th hit (from 1, the default) and at no other.
 *
 *   exit          this thread goes no further, and SIGKILL ends the process a moment later: no handler runs, nothing is
 *                 flushed. In that moment other threads hear what this one has told them, be it too early
 *   throw         an AssertionFailed, as a bug in the engine would be
 *   exit-thread   process.exit() in a worker thread: the thread ends, the process goes on
 *   hang          an endless loop
 *   oom           memory is allocated until V8 gives up: set a heap limit
 *   eio           a system error with code EIO, as a failing disk gives
 *   enospc        a system error with code ENOSPC, as a full disk gives
 *
 * Hits are counted per thread, and anew in each thread that is started. VLTAVA_FAILPOINTS_ONCE=FOLDER limits each
 * name to one action of the whole process and all that come after it: who acts first leaves a file of that name in the
 * folder. So a shard dies once, and its next incarnation lives.
 *
 * Production leaves the variables unset, and a failpoint is then an empty function.
 */
import { closeSync, openSync } from 'node:fs'
import { AssertionFailed } from '../assert.ts'
import { errnoOf } from '../errors.ts'
import type { Failpoint } from './env.ts'

type Action = 'exit' | 'throw' | 'exit-thread' | 'hang' | 'oom' | 'eio' | 'enospc'

interface Plan {
  readonly action: Action
  /** Hits until it happens; below 1 once it has. */
  hitsLeft: number
}

/** Long enough for a thread that was woken to act on it. */
const HEARD_MS = 30

const ENTRY = /^([^=,:]+(?::[^=,:]+)*)=(exit|throw|exit-thread|hang|oom|eio|enospc)(?::([1-9]\d{0,8}))?$/

/**
 * `onceFolder`: see VLTAVA_FAILPOINTS_ONCE. Throws an Error on a specification that it cannot read: a test with a
 * misspelt failpoint would prove nothing.
 */
export function createFailpoint(specification: string | undefined, onceFolder?: string): Failpoint {
  if (specification === undefined || specification === '') return () => {}
  const plans = new Map<string, Plan>()
  for (const entry of specification.split(',')) {
    const match = ENTRY.exec(entry.trim())
    if (match === null) {
      const actions = 'exit|throw|exit-thread|hang|oom|eio|enospc'
      throw new Error(`VLTAVA_FAILPOINTS: cannot read '${entry}'; want name=${actions}[:k]`)
    }
    const [, name, action, hits] = match
    if (plans.has(name!)) throw new Error(`VLTAVA_FAILPOINTS: ${name} is named twice`)
    plans.set(name!, { action: action as Action, hitsLeft: hits === undefined ? 1 : Number(hits) })
  }
  return (name) => {
    const plan = plans.get(name)
    if (plan === undefined) return
    plan.hitsLeft -= 1
    if (plan.hitsLeft === 0 && (onceFolder === undefined || isFirst(onceFolder, name))) happen(name, plan.action)
  }
}

/** Whether no thread has acted at this failpoint yet; if so, this one has. */
function isFirst(onceFolder: string, name: string): boolean {
  try {
    closeSync(openSync(`${onceFolder}/${name}`, 'wx'))
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

function happen(name: string, action: Action): void {
  switch (action) {
    case 'exit':
      standStill(HEARD_MS)
      process.kill(process.pid, 'SIGKILL')
      for (;;) standStill(1000) // The signal may be delivered to another thread first.
    case 'throw':
      throw new AssertionFailed(`failpoint ${name}`)
    case 'exit-thread':
      return process.exit(1)
    case 'hang':
      for (;;);
    case 'oom':
      return allocateForEver([])
    case 'eio':
      throw diskError('EIO', -5, name)
    case 'enospc':
      throw diskError('ENOSPC', -28, name)
  }
}

function standStill(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

function allocateForEver(kept: unknown[]): never {
  for (;;) kept.push(Array.from({ length: 1000 }, (_, index) => ({ index })))
}

function diskError(code: string, errno: number, name: string): Error {
  return Object.assign(new Error(`${code}: failpoint ${name}`), { code, errno, syscall: 'failpoint' })
}
