/**
 * Failpoints: named places in the engine where a test kills the process or makes the disk fail.
 *
 *   VLTAVA_FAILPOINTS="segment.append.written=exit:3,checkpoint.renamed=eio"
 *
 * name=action[:k], separated by commas; the action happens at the k-th hit (from 1, the default) and at no other.
 *
 *   exit     SIGKILL to this process: no handler runs, nothing is flushed; as `kill -9` at this very line
 *   throw    an AssertionFailed, as a bug in the engine would be
 *   eio      a system error with code EIO, as a failing disk gives
 *   enospc   a system error with code ENOSPC, as a full disk gives
 *
 * Hits are counted per thread. Production leaves the variable unset, and a failpoint is then an empty function.
 */
import { AssertionFailed } from '../assert.ts'
import type { Failpoint } from './env.ts'

type Action = 'exit' | 'throw' | 'eio' | 'enospc'

interface Plan {
  readonly action: Action
  /** Hits until it happens; below 1 once it has. */
  hitsLeft: number
}

/** Throws an Error on a specification that it cannot read: a test with a misspelt failpoint would prove nothing. */
export function createFailpoint(specification: string | undefined): Failpoint {
  if (specification === undefined || specification === '') return () => {}
  const plans = new Map<string, Plan>()
  for (const entry of specification.split(',')) {
    const match = /^([^=,:]+)=(exit|throw|eio|enospc)(?::([1-9]\d{0,8}))?$/.exec(entry.trim())
    if (match === null)
      throw new Error(`VLTAVA_FAILPOINTS: cannot read '${entry}'; want name=exit|throw|eio|enospc[:k]`)
    const [, name, action, hits] = match
    if (plans.has(name!)) throw new Error(`VLTAVA_FAILPOINTS: ${name} is named twice`)
    plans.set(name!, { action: action as Action, hitsLeft: hits === undefined ? 1 : Number(hits) })
  }
  return (name) => {
    const plan = plans.get(name)
    if (plan === undefined) return
    plan.hitsLeft -= 1
    if (plan.hitsLeft === 0) happen(name, plan.action)
  }
}

function happen(name: string, action: Action): void {
  switch (action) {
    case 'exit':
      process.kill(process.pid, 'SIGKILL')
      // The signal may be delivered to another thread a moment later; this one goes no further.
      for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
    case 'throw':
      throw new AssertionFailed(`failpoint ${name}`)
    case 'eio':
      throw diskError('EIO', -5, name)
    case 'enospc':
      throw diskError('ENOSPC', -28, name)
  }
}

function diskError(code: string, errno: number, name: string): Error {
  return Object.assign(new Error(`${code}: failpoint ${name}`), { code, errno, syscall: 'failpoint' })
}
