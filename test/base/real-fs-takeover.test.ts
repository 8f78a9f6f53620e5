/**
 * The owner file's promise, tried at every point: while one taker stands between two of its file system calls, others
 * take the lock, give it back, or die. Never do two hold it, and it is never lost for good.
 */
import { spawnSync } from 'node:child_process'
import type * as nodeFs from 'node:fs'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { claimOwnerFile, type OwnerFile } from '../../src/base/env/owner-file.ts'

/** Runs before each file system call of owner-file.ts that changes or reads the folder. */
const before = vi.hoisted(() => ({ call: (): void => {} }))

vi.mock('node:fs', async (importOriginal) => {
  const actual = await importOriginal<typeof nodeFs>()
  const observed = (name: 'linkSync' | 'openSync' | 'readdirSync' | 'renameSync' | 'unlinkSync' | 'writeFileSync') => {
    const call = actual[name] as (...values: unknown[]) => unknown
    return (...values: unknown[]) => {
      if (!String(values[0]).startsWith('/proc')) before.call()
      return call(...values)
    }
  }
  return {
    ...actual,
    linkSync: observed('linkSync'),
    openSync: observed('openSync'),
    readdirSync: observed('readdirSync'),
    renameSync: observed('renameSync'),
    unlinkSync: observed('unlinkSync'),
    writeFileSync: observed('writeFileSync'),
  }
})

const CALLS_MAX = 40
const deadPid = spawnSync(process.execPath, ['-e', '']).pid
const base = mkdtempSync(join(tmpdir(), 'vltava-takeover-'))
afterAll(() => rmSync(base, { recursive: true }))

class Death extends Error {}

/** Runs `body`; before its call number `at` (from 0) runs `interruption`. False if it made no such call. */
function interruptedAt<T>(at: number, interruption: () => void, body: () => T): { result: T; isReached: boolean } {
  const outer = before.call
  let count = 0
  before.call = () => {
    if (count++ !== at) return
    const inner = before.call
    before.call = () => {}
    interruption()
    before.call = inner
  }
  try {
    return { result: body(), isReached: count > at }
  } finally {
    before.call = outer
  }
}

/** One lock, and the takers that believe that they hold it. */
class Scene {
  readonly folder: string
  readonly path: string
  readonly holders = new Map<string, OwnerFile>()

  constructor(folder: string) {
    mkdirSync(folder)
    this.folder = folder
    this.path = join(folder, '.lock')
  }

  claim(name: string): void {
    const claimed = claimOwnerFile(this.path, '')
    if (claimed !== undefined) this.holders.set(name, claimed)
  }

  release(name: string): void {
    this.holders.get(name)?.release()
    this.holders.delete(name)
  }

  /** As if the process that wrote it had been killed. The names of one record are links to one file. */
  kill(isVictim: (name: string, text: string) => boolean): void {
    for (const name of readdirSync(this.folder)) {
      const file = join(this.folder, name)
      const text = readFileSync(file, 'utf8')
      if (isVictim(name, text)) writeFileSync(file, text.replace(/"pid":\d+/, `"pid":${deadPid}`))
    }
  }

  killHolder(name: string): void {
    if (!this.holders.delete(name)) return
    this.kill((file) => file === '.lock.owner')
  }

  /** A taker that is killed before its call number `at`. */
  claimAndDie(at: number): void {
    const earlier = new Set(readdirSync(this.folder).map((name) => readFileSync(join(this.folder, name), 'utf8')))
    const die = (): void => {
      throw new Death()
    }
    try {
      const { result, isReached } = interruptedAt(at, die, () => {
        // No more calls after the first death: `finally` blocks do not run in a process that was killed.
        const outer = before.call
        let isDead = false
        before.call = () => {
          if (isDead) die()
          try {
            outer()
          } catch (error) {
            isDead = true
            throw error
          }
        }
        try {
          return claimOwnerFile(this.path, '')
        } finally {
          before.call = outer
        }
      })
      if (!isReached) result?.release()
    } catch (error) {
      if (!(error instanceof Death)) throw error
      before.call = () => {}
    }
    this.kill((_, text) => !earlier.has(text))
  }
}

/** What takers found on the disk: nothing; a dead owner; a dead owner and a taker of it that died too. */
const beginnings: Record<string, (scene: Scene) => void> = {
  'a free lock': () => {},
  'a dead owner': (scene) => {
    scene.claim('dead')
    scene.killHolder('dead')
  },
  'a dead owner and a dead taker': (scene) => {
    scene.claim('dead')
    scene.killHolder('dead')
    const { token } = JSON.parse(readFileSync(`${scene.path}.owner`, 'utf8')) as { token: string }
    const record = readFileSync(`${scene.path}.owner`, 'utf8').replace(token, 'f'.repeat(32))
    writeFileSync(`${scene.path}.owner.${token}`, record)
  },
}

/** What happens while the first taker stands still; `at` is where the second is interrupted or dies. */
const meanwhile: Record<string, (scene: Scene, at: number) => void> = {
  'B takes it': (scene) => scene.claim('B'),
  'B takes it and gives it back': (scene) => {
    scene.claim('B')
    scene.release('B')
  },
  'B takes it and dies': (scene) => {
    scene.claim('B')
    scene.killHolder('B')
  },
  'B takes it and dies, C takes it': (scene) => {
    scene.claim('B')
    scene.killHolder('B')
    scene.claim('C')
  },
  'B dies on the way': (scene, at) => scene.claimAndDie(at),
  'B dies on the way, C takes it': (scene, at) => {
    scene.claimAndDie(at)
    scene.claim('C')
  },
  'C takes it while B is on the way': (scene, at) => {
    interruptedAt(
      at,
      () => scene.claim('C'),
      () => scene.claim('B'),
    )
  },
  'C takes it and gives it back while B is on the way': (scene, at) => {
    const comeAndGo = (): void => {
      scene.claim('C')
      scene.release('C')
    }
    interruptedAt(at, comeAndGo, () => scene.claim('B'))
  },
  'C takes it and dies while B is on the way': (scene, at) => {
    const comeAndDie = (): void => {
      scene.claim('C')
      scene.killHolder('C')
    }
    interruptedAt(at, comeAndDie, () => scene.claim('B'))
  },
}

let scenes = 0

it.each(Object.keys(beginnings))('never has two holders and is never lost, from %s', (beginning) => {
  let tried = 0
  for (const [event, happen] of Object.entries(meanwhile)) {
    const isTwofold = happen.length === 2
    for (let at = 0; at < CALLS_MAX; at++) {
      let isReached = true
      for (let inner = 0; isReached && inner < (isTwofold ? CALLS_MAX / 2 : 1); inner++) {
        const scene = new Scene(join(base, String(scenes++)))
        beginnings[beginning]!(scene)
        isReached = interruptedAt(
          at,
          () => happen(scene, inner),
          () => scene.claim('A'),
        ).isReached
        const where = `${beginning}; before call ${at} of A: ${event} (${inner}); holders ${[...scene.holders.keys()]}`
        expect(scene.holders.size, where).toBeLessThanOrEqual(1)
        scene.claim('Z')
        expect(scene.holders.size, `${where}, then Z`).toBe(1)
        for (const name of [...scene.holders.keys()]) scene.release(name)
        scene.claim('last')
        expect(scene.holders.has('last'), `${where}, then the last`).toBe(true)
        tried += 1
      }
      if (!isReached) break
      expect(at, 'every call was interrupted').toBeLessThan(CALLS_MAX - 1)
    }
  }
  expect(tried).toBeGreaterThan(300)
})
