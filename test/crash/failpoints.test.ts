/**
 * The process is killed at every failpoint of the engine, and before the k-th change that one of its threads makes to
 * the disk: under load, and in the recovery of a killed process. Each time a fresh process reads everything.
 *
 * The names are taken from the sources, so a new failpoint is covered from its first day; one that the load never
 * reaches is a fault of the load. FAILPOINT_SCALE=10 npm run test:crash tries ten times as many k.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { mulberry32, testSeed } from '../random.ts'
import { CrashSite, sleep } from './crash-site.ts'

const SCALE = Number(process.env['FAILPOINT_SCALE'] ?? 1)
/** Long enough for each failpoint to be reached: retention and the flush policy look once a second. */
const LOAD_MS = 2500
const WARM_UP_MS = 400

const seed = testSeed()
const random = mulberry32(seed)

function namedInSources(): string[] {
  const names = new Set<string>()
  for (const path of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts') || path.startsWith(join('base', 'env'))) continue
    for (const [, name] of readFileSync(join('src', path), 'utf8').matchAll(/failpoint\('([^']+)'\)/g)) names.add(name!)
  }
  return [...names].sort()
}

/** Of FailpointFs, which stands before every change to the disk. */
const CHANGES = [
  'fs:create',
  'fs:write',
  'fs:half-write',
  'fs:half-append',
  'fs:sync',
  'fs:truncate',
  'fs:rename',
  'fs:unlink',
  'fs:make-directory',
  'fs:remove-directory',
  'fs:sync-directory',
]
/** Reached once in the life of a process. */
const ONCE = /^(close|open):/
/**
 * Reached by nothing that the load does: partitions are not added to topics, and there are no groups. Their host dies
 * at a request in test/workers/groups.test.ts, and the simulation stops it before a trim (test/sim/groups.test.ts).
 */
const NOT_IN_LOAD = new Set([
  'create-partitions:after-file',
  'coordinator:request',
  'offsets-rewrite:before-trim',
  'offsets-rewrite:start',
])

/**
 * A warm directory, a process that dies at the failpoint (or ends), and what is found. Returns whether it died of it.
 */
async function dieAt(failpoints: string, loadMs: number): Promise<boolean> {
  const site = new CrashSite()
  const where = `SEED=${seed} VLTAVA_FAILPOINTS=${failpoints}; the directory is kept: ${site.folder}`
  const first = site.start({ seed, checkpointMs: 50 })
  if (await first.says('opened')) await sleep(WARM_UP_MS)
  await first.kill()
  const env = { VLTAVA_FAILPOINTS: failpoints }
  const engine = site.start({ seed: seed + 1, checkpointMs: 50, loadMs, env })
  const { status, signal } = await engine.ended
  expect(engine.stderr, where).toBe('')
  expect(signal === 'SIGKILL' || status === 0, `${where}: status=${status} signal=${signal}`).toBe(true)
  expect((await site.check()).slice(0, 20), where).toEqual([])
  site.remove()
  return signal === 'SIGKILL'
}

it('finds the failpoints in the sources', () => {
  expect(namedInSources()).toEqual(expect.arrayContaining(['append:after-write', 'roll:before-seal']))
})

const names = [...namedInSources(), ...CHANGES].filter((name) => !NOT_IN_LOAD.has(name))
it.each(names)('a process that is killed at %s has lost nothing', async (name) => {
  const hits = ONCE.test(name) ? [1] : [1, 2 + Math.floor(random() * 8)]
  for (let i = 1; i < SCALE && !ONCE.test(name); i++) hits.push(10 + Math.floor(random() * 90))
  for (const [index, hit] of hits.entries()) {
    // What only a close reaches is reached soon.
    const hasDied = await dieAt(`${name}=exit:${hit}`, name.startsWith('close:') ? 200 : LOAD_MS)
    if (index === 0) expect(hasDied, `${name} was not reached`).toBe(true)
  }
})

it('a process that is killed before any of its first changes to the disk has lost nothing', async () => {
  // The first changes are the recovery's, in the dispatcher and in both shards.
  const step = Math.max(1, Math.round(6 / SCALE))
  for (let hit = 1 + Math.floor(random() * step); hit <= 72; hit += step) {
    expect(await dieAt(`fs:change=exit:${hit}`, LOAD_MS)).toBe(true)
  }
})
