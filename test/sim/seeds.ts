/**
 * Many seeds, shared out among test files that run side by side.
 *
 *   SEEDS=20000      how many instead of 500; from this many on the loops over faults and power cuts are longer, too
 *   SEED_FROM=1000   the first of them instead of 1
 *   SEED=123         this one alone; TRACE=1 prints every event and every call on the disk
 */
import { expect, it } from 'vitest'
import { runSeed } from './run-seed.ts'

const SEEDS_IN_GATE = 500
/** One seed in so many runs twice, and must do the same. */
const REPEATED = 100
const FAILURES_SHOWN = 3
const SEED_TIMEOUT_MS = 5_000

const one = process.env['SEED']
const count = Number(process.env['SEEDS'] ?? SEEDS_IN_GATE)
const first = Number(process.env['SEED_FROM'] ?? 1)

/** Somebody replays one seed: everything else is left out. */
export const isReplay = one !== undefined && one !== ''
export const isLongRun = count >= 5_000

/** Registers the tests of the share `part` of `parts`. */
export function describeSeeds(part: number, parts: number): void {
  if (isReplay) {
    if (part > 0) it.skip('runs only what is replayed', () => undefined)
    else replay(Number(one))
    return
  }
  const mine = Array.from({ length: count }, (_, index) => first + index).filter((seed) => seed % parts === part)
  it(`keeps every promise through ${mine.length} seeds`, { timeout: mine.length * SEED_TIMEOUT_MS }, async () => {
    await runAll(mine)
  })
}

function replay(seed: number): void {
  it(`keeps every promise with SEED=${seed}`, async () => {
    const onTrace = process.env['TRACE'] === undefined ? undefined : (line: string): void => console.log(line)
    const { hash, counts, ...sums } = await runSeed(seed, onTrace)
    console.log(JSON.stringify({ seed, hash, ...sums, counts: Object.fromEntries([...counts].sort()) }, undefined, 1))
  })
}

async function runAll(seeds: readonly number[]): Promise<void> {
  const failures: string[] = []
  const sums = { seeds: seeds.length, events: 0, records: 0, acknowledged: 0, read: 0 }
  for (const seed of seeds) {
    try {
      const run = await runSeed(seed)
      for (const key of ['events', 'records', 'acknowledged', 'read'] as const) sums[key] += run[key]
      if (seed % REPEATED !== 0) continue
      const again = await runSeed(seed)
      if (again.hash !== run.hash) failures.push(`SEED=${seed} did other things when it was run again`)
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error))
    }
  }
  console.log(JSON.stringify(sums))
  const shown = failures.slice(0, FAILURES_SHOWN).join('\n\n')
  expect(failures.length, `${failures.length} seeds failed, of which:\n${shown}`).toBe(0)
}
