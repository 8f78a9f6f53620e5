import { expect, it } from 'vitest'
import { runSeed } from './run-seed.ts'

// The whole engine in one thread, one seed a run. SEEDS=20000 runs more, SEED=123 replays one (TRACE=1 prints events).
const only = process.env['SEED']
const first = only === undefined ? Number(process.env['FIRST_SEED'] ?? 1) : Number(only)
const count = only === undefined ? Number(process.env['SEEDS'] ?? 500) : 1
/** One seed in so many is run twice: the same seed is the same run, event for event. */
const REPEAT_EVERY = 100

it(
  `holds its promises for ${count} seeds from ${first} on, through faults, kills and power cuts`,
  async () => {
    let events = 0
    let acknowledged = 0
    let read = 0
    for (let seed = first; seed < first + count; seed++) {
      const trace = only !== undefined && process.env['TRACE'] === '1' ? (line: string) => console.log(line) : undefined
      const result = await runSeed(seed, trace)
      events += result.events
      acknowledged += result.acknowledged
      read += result.read
      if (seed % REPEAT_EVERY === 0) {
        expect((await runSeed(seed)).hash, `SEED=${seed} is not deterministic`).toBe(result.hash)
      }
    }
    console.log(`sim: ${count} seeds, ${events} events, ${acknowledged} records acknowledged, ${read} read`)
    expect(acknowledged, 'the runs did something').toBeGreaterThan(count)
  },
  30 * 60_000,
)
