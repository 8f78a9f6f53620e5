/**
 * kill -9 at random instants: of a log under load, of one that is recovering from the last kill, and twice in a row.
 * After each a fresh process reads the whole directory, and an oracle says what is wrong.
 *
 * KILLS=1000 npm run test:crash is the long run; 60 is the gate. SEED replays the choices, not the instants.
 */
import { afterAll, expect, it } from 'vitest'
import { mulberry32, testSeed } from '../random.ts'
import { CrashSite, sleep } from './crash-site.ts'

const KILLS = Number(process.env['KILLS'] ?? 60)
/** Then a new directory: reading all of it takes longer with each kill. */
const KILLS_PER_DIRECTORY = 6
const LOAD_MS_MAX = 2000
/** From the first word of a process to the end of its recovery, roughly. */
const RECOVERY_MS = 150

const seed = testSeed()
const random = mulberry32(seed)
const recoveryMs: number[] = []
let acknowledged = 0

afterAll(() => {
  const worst = Math.max(...recoveryMs).toFixed(0)
  console.log(`SEED=${seed}: ${acknowledged} records acknowledged; slowest open after a kill: ${worst} ms`)
})

for (let first = 0; first < KILLS; first += KILLS_PER_DIRECTORY) {
  const last = Math.min(first + KILLS_PER_DIRECTORY, KILLS)
  it(`kills ${first + 1} to ${last} lose nothing that was acknowledged`, { timeout: 600_000 }, async () => {
    const site = new CrashSite()
    for (let kill = first; kill < last; kill++) {
      const how = await killOnce(site, kill)
      const faults = await site.check()
      const place = `SEED=${seed} kill ${kill + 1}, ${how}; the directory is kept: ${site.folder}`
      expect(faults.slice(0, 20), place).toEqual([])
    }
    recoveryMs.push(...site.recoveryMs)
    acknowledged += site.oracle.acknowledgedCount
    site.remove()
  })
}

/** Kills once under load; before that, sometimes, once or twice while the process is still starting. */
async function killOnce(site: CrashSite, kill: number): Promise<string> {
  const checkpointMs = [20, 200, 5000][Math.floor(random() * 3)]!
  const options = { seed: seed + kill, checkpointMs }
  const early = random()
  const earlyKills = early < 0.1 ? 2 : early < 0.3 ? 1 : 0
  const loadMs = random() * LOAD_MS_MAX
  let engine = site.start(options)
  if (await engine.says('opened')) await sleep(loadMs)
  await engine.kill()
  expect(engine.stderr, `SEED=${seed} kill ${kill + 1}: ${site.folder}`).toBe('')
  for (let i = 0; i < earlyKills; i++) {
    engine = site.start(options)
    if (await engine.says('opening')) await sleep(random() * (earlyKills === 2 ? 50 : RECOVERY_MS))
    await engine.kill()
  }
  return `after ${loadMs.toFixed(0)} ms of load and ${earlyKills} kills in recovery, checkpointMs=${checkpointMs}`
}
