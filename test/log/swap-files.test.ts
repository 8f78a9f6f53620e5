/** What a crash in a compaction or a deletion leaves, and what is made of it: Kafka's load order. */
import { describe, expect, it } from 'vitest'
import { finishInterrupted } from '../../src/log/swap-files.ts'
import { buildBatch } from '../record/batches.ts'
import { DATA, fileNames, logName, PARTITION, putFile, simDisk } from './sim-log.ts'
import type { SimEnv } from '../../src/base/env/sim-env.ts'

function directory(files: Record<string, Uint8Array | undefined>, seed = 1): SimEnv {
  const env = simDisk(seed)
  env.fs.makeDirectory(PARTITION)
  env.fs.syncDirectory(DATA)
  for (const [name, bytes] of Object.entries(files)) putFile(env, name, bytes ?? new Uint8Array(3))
  return env
}

const segment = (base: number, transient = ''): Record<string, undefined> =>
  Object.fromEntries(['.log', '.index', '.timeindex'].map((suffix) => [logName(base, suffix + transient), undefined]))

const batches = (...offsets: number[]): Uint8Array =>
  Buffer.concat(offsets.map((baseOffset) => buildBatch({ count: 1, baseOffset })))

const names = (env: SimEnv): string[] => fileNames(env, '')

describe('an interrupted change', () => {
  it('that is none leaves everything alone, foreign files too', () => {
    const files = { ...segment(0), ...segment(10), 'leader-epoch-checkpoint': undefined, 'notes.swap': undefined }
    const env = directory(files)
    const before = names(env)
    finishInterrupted(env.fs, PARTITION)
    expect(names(env)).toEqual(before)
  })

  it('of a deletion is finished', () => {
    const env = directory({ ...segment(0, '.deleted'), ...segment(10), [logName(10, '.snapshot.deleted')]: undefined })
    finishInterrupted(env.fs, PARTITION)
    expect(names(env)).toEqual(Object.keys(segment(10)).sort())
  })

  it('of a snapshot is undone; a replaced file of a fixed name is left to its next replacement', () => {
    const kept = { ...segment(0), [logName(5, '.snapshot')]: undefined, 'leader-epoch-checkpoint.tmp': undefined }
    const env = directory({ ...kept, [logName(7, '.snapshot.tmp')]: undefined })
    finishInterrupted(env.fs, PARTITION)
    expect(names(env)).toEqual(Object.keys(kept).sort())
  })

  it('of a compaction before its output was complete is undone', () => {
    const env = directory({ ...segment(0), ...segment(10), ...segment(0, '.cleaned') })
    finishInterrupted(env.fs, PARTITION)
    expect(names(env)).toEqual(Object.keys({ ...segment(0), ...segment(10) }).sort())
  })

  it('of a compaction after it was complete is finished: what it replaces goes, it takes its name', () => {
    const env = directory({
      ...segment(0),
      ...segment(10),
      ...segment(20),
      ...segment(30),
      [logName(10, '.snapshot')]: undefined,
      [logName(0, '.log.swap')]: batches(3, 7, 15, 19),
      [logName(0, '.index.swap')]: undefined,
      [logName(0, '.timeindex.swap')]: undefined,
    })
    finishInterrupted(env.fs, PARTITION)
    expect(names(env)).toEqual(
      [...Object.keys({ ...segment(0), ...segment(20), ...segment(30) }), logName(10, '.snapshot')].sort(),
    )
    expect(env.fs.stat(`${PARTITION}/${logName(0)}`)!.sizeBytes).toBe(batches(3, 7, 15, 19).length)
  })

  it('of several outputs at once is finished for each', () => {
    const env = directory({
      ...segment(0),
      ...segment(10),
      ...segment(20),
      [logName(0, '.log.swap')]: batches(4),
      [logName(10, '.log.swap')]: batches(12, 25),
    })
    finishInterrupted(env.fs, PARTITION)
    expect(names(env)).toEqual([logName(0), logName(10)])
  })

  it('of a split is undone: swap files at or above the smallest unfinished output go', () => {
    const env = directory({
      ...segment(0),
      ...segment(10),
      [logName(5, '.log.cleaned')]: undefined,
      [logName(5, '.log.swap')]: batches(5),
      [logName(7, '.log.swap')]: batches(7),
      [logName(0, '.log.swap')]: batches(0, 4),
    })
    finishInterrupted(env.fs, PARTITION)
    expect(names(env)).toEqual(Object.keys({ [logName(0)]: 1, ...segment(10) }).sort())
  })

  it('may be interrupted again at any call, and comes to the same end', () => {
    const files = {
      ...segment(0),
      ...segment(10),
      ...segment(20),
      ...segment(40, '.deleted'),
      ...segment(30, '.cleaned'),
      [logName(0, '.log.swap')]: batches(3, 15),
      [logName(0, '.index.swap')]: undefined,
    }
    const undisturbed = directory(files)
    finishInterrupted(undisturbed.fs, PARTITION)
    const expected = names(undisturbed)
    for (let k = 1; k < 40; k++) {
      for (const end of ['killed', 'power'] as const) {
        const env = directory(files, k)
        env.fs.faults.failAt(k, 'halt')
        try {
          finishInterrupted(env.fs, PARTITION)
        } catch (error) {
          expect(env.fs.halted, String(error)).toBe(true)
        }
        env.fs.faults.clear()
        if (end === 'killed') env.fs.killProcess()
        else env.fs.crash(env.random)
        finishInterrupted(env.fs, PARTITION)
        // An index may be missing: it is derived. No log may, and none may come back.
        const found = names(env)
        expect(
          found.filter((name) => name.endsWith('.log')),
          `${end} at call ${k}`,
        ).toEqual(expected.filter((name) => name.endsWith('.log')))
        expect(expected, `${end} at call ${k}`).toEqual(expect.arrayContaining(found))
      }
    }
  })
})
