/**
 * Power cuts, enumerated: each micro-workload is stopped at every call that changes the disk, and of what was not
 * synced at that moment every subset is left over, where there are few changes; else all, none, each prefix, each one
 * alone, and all but each one. Some of them with sectors torn and with what lay on the disk before in the gaps.
 *
 * Each state must open, hold what was acknowledged with acks=all before the cut, and nothing that was never written.
 */
import type { CrashOptions } from '../../src/base/env/sim-crash.ts'
import type { SimOperationKind } from '../../src/base/env/sim-faults.ts'
import { Bench, type Micro } from './micro.ts'
import { watched } from './watched.ts'

const SEED = 815
const EXHAUSTIVE_CHANGES_MAX = 5
const CHANGING = new Set<SimOperationKind>([
  'open',
  'write',
  'sync',
  'truncate',
  'makeDirectory',
  'removeDirectory',
  'rename',
  'unlink',
  'syncDirectory',
])

/** Visits at most about `statesMax` states, spread over the workload; returns how many. Each `order` is another run. */
export async function cutPowerEverywhere(micro: Micro, statesMax: number, order = 0): Promise<number> {
  const seed = SEED + order
  const kinds = await callsOf(micro, seed)
  const points = kinds.flatMap((kind, index) =>
    CHANGING.has(kind) || CHANGING.has(kinds[index - 1]!) ? [index + 1] : [],
  )
  const perPoint = Math.max(1, Math.floor(statesMax / points.length))
  let states = 0
  for (const [index, k] of points.entries()) {
    const first = await stopAt(micro, seed, k)
    const cuts = drawCuts(first.world.env.fs.unsyncedChanges().length)
    // Another part of them at each point, if not all of them.
    const step = Math.max(1, Math.ceil(cuts.length / perPoint))
    for (let cut = index % step; cut < cuts.length; cut += step) {
      const bench = cut === index % step ? first : await stopAt(micro, seed, k)
      const what = `${micro.name}, power cut at call ${k}, state ${cut} of ${cuts.length}`
      await watched(bench.world, what, async () => {
        bench.end(true, cuts[cut])
        await bench.open()
        await bench.finish()
      })
      states += 1
    }
  }
  return states
}

/** Undisturbed: the kinds of the calls that `act` makes. */
async function callsOf(micro: Micro, seed: number): Promise<SimOperationKind[]> {
  const kinds: SimOperationKind[] = []
  const bench = new Bench(seed)
  await watched(bench.world, micro.name, async () => {
    await micro.prepare(bench)
    bench.world.env.fs.faults.failAt(1, 'EIO', ({ kind }) => {
      kinds.push(kind)
      return false
    })
    await micro.act(bench)
  })
  return kinds
}

/** The same run, up to the k-th call of `act`. */
async function stopAt(micro: Micro, seed: number, k: number): Promise<Bench> {
  const bench = new Bench(seed)
  await watched(bench.world, `${micro.name}, stopped at call ${k}`, async () => {
    await micro.prepare(bench)
    bench.world.env.fs.faults.failAt(k, 'halt')
    await micro.act(bench)
  })
  return bench
}

function drawCuts(changeCount: number): CrashOptions[] {
  const plain = { tear: false, extension: 'none' } as const
  const keep = (survives: (index: number) => boolean): CrashOptions => ({ ...plain, survives })
  const cuts: CrashOptions[] = []
  if (changeCount <= EXHAUSTIVE_CHANGES_MAX) {
    for (let subset = 0; subset < 1 << changeCount; subset++) cuts.push(keep((index) => (subset & (1 << index)) !== 0))
  } else {
    cuts.push(
      keep(() => false),
      keep(() => true),
    )
    for (let chosen = 0; chosen < changeCount; chosen++) {
      cuts.push(
        keep((index) => index < chosen),
        keep((index) => index === chosen),
        keep((index) => index !== chosen),
      )
    }
  }
  if (changeCount > 0) {
    cuts.push({ files: 'all', directories: 'all', tear: true, extension: 'garbage' })
    cuts.push({ files: 'subset', directories: 'subset', tear: true, extension: 'zeros' })
    cuts.push({ files: 'none', directories: 'all', tear: false, extension: 'garbage' })
  }
  return cuts
}
