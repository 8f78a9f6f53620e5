/**
 * The disk-fault loop: each micro-workload, with its k-th call on the disk going wrong, for k = 1, 2, ... until it gets
 * through without meeting the fault. Whatever happens, the log must open again, hold what was acknowledged, and work.
 */
import type { Fault } from '../../src/base/env/sim-faults.ts'
import { Bench, type Micro } from './micro.ts'
import { heal, stopFileSystem } from './nemesis.ts'
import { watched } from './watched.ts'

/** The fault of one call, and how the process ends after a halt. */
export type Mishap =
  'EIO' | 'ENOSPC' | 'short' | 'short, then full' | 'EIO on sync' | 'EIO on a directory sync' | 'killed' | 'power cut'

export const MISHAPS: readonly Mishap[] = [
  'EIO',
  'ENOSPC',
  'short',
  'short, then full',
  'EIO on sync',
  'EIO on a directory sync',
  'killed',
  'power cut',
]

const SEED = 4711
/** More calls than any of them makes. */
const K_MAX = 2_000

/** How many calls were disturbed. */
export async function disturbEveryCall(micro: Micro, mishap: Mishap, step = 1): Promise<number> {
  for (let k = 1; k < K_MAX; k += step) {
    const bench = new Bench(SEED + k)
    let isDone = false
    await watched(bench.world, `${micro.name}, ${mishap} at call ${k}`, async () => {
      isDone = await disturb(bench, micro, mishap, k)
    })
    if (isDone) return Math.ceil((k - 1) / step)
  }
  throw new Error(`${micro.name} makes more than ${K_MAX} calls`)
}

/** True: the workload got through before the k-th call. */
async function disturb(bench: Bench, micro: Micro, mishap: Mishap, k: number): Promise<boolean> {
  const { world, lifecycle } = bench
  const { fs } = world.env
  await micro.prepare(bench)
  const firedBefore = fs.faults.fired
  arm(bench, mishap, k)
  await micro.act(bench)
  const hasFired = fs.faults.fired > firedBefore
  heal(world)
  if (fs.halted || fs.readOnly) bench.end(mishap === 'power cut')
  else await bench.finish()
  for (let i = 0; i < 2; i++) {
    const { process, client } = await lifecycle.open(false)
    await lifecycle.useEverything(client)
    await lifecycle.closeWell(process, [client])
  }
  return !hasFired
}

function arm({ world }: Bench, mishap: Mishap, k: number): void {
  const { faults } = world.env.fs
  switch (mishap) {
    case 'short, then full':
      faults.failAt(k, 'short', undefined, { then: 'ENOSPC' })
      return
    case 'EIO on sync':
      faults.failAt(k, 'EIO', ({ kind }) => kind === 'sync')
      return
    case 'EIO on a directory sync':
      stopFileSystem(world, k)
      return
    case 'killed':
    case 'power cut':
      faults.failAt(k, 'halt')
      return
    default:
      faults.failAt(k, mishap satisfies Fault, ({ kind }) => kind !== 'syncDirectory')
  }
}
