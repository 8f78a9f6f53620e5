/**
 * The lock of a directory, between threads and processes, with the addon and without; and the owner file's chain.
 * Other processes run the built module: `npm run build` first.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { claimOwnerFile } from '../../src/base/env/owner-file.ts'
import { RealFs } from '../../src/base/env/real-fs.ts'
import { native } from '../../src/base/native.ts'
import { testSeed } from '../random.ts'

const fs = new RealFs()
const MODULE = pathToFileURL('dist/base/env/real-fs.js').href
const IMPORT = `import { RealFs } from '${MODULE}'; const fs = new RealFs();`

/** VLTAVA_NATIVE of a process; '' is with the addon. */
const kinds = native === undefined ? ['off'] : ['', 'off']
if (native === undefined) console.warn('LEFT OUT: locks by flock, for the addon is not loaded')
const nameOf = (kind: string): string => (kind === 'off' ? 'without the addon' : 'with the addon')
const pairs = kinds.flatMap((holder) => kinds.map((taker) => ({ holder, taker })))
const namedPairs = pairs.map(
  ({ holder, taker }) => [`${nameOf(holder)}, a taker ${nameOf(taker)}`, holder, taker] as const,
)
const namedKinds = kinds.map((kind) => [nameOf(kind), kind] as const)

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vltava-lock-'))
  path = join(folder, '.lock')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

function start(script: string, kind: string): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', IMPORT + script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, VLTAVA_NATIVE: kind },
  })
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [bytes] = (await once(child.stdout!, 'data')) as [Buffer]
  return bytes.toString().trim()
}

const HOLD = `console.log(fs.lock(process.argv[1]) === undefined ? 'refused' : 'held'); setInterval(() => {}, 1000)`
const TRY = `
  const lock = fs.lock(process.argv[1])
  console.log(lock === undefined ? 'refused' : 'held')
  lock?.release()`

/** What a process that tries once is told. */
function tryOnce(kind: string): string {
  const options = { encoding: 'utf8', env: { ...process.env, VLTAVA_NATIVE: kind } } as const
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', IMPORT + TRY, path], options)
  return (child.stdout + child.stderr).trim()
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

describe('in one process', () => {
  it('is held by one at a time, and free after release', () => {
    const first = fs.lock(path)
    expect(first).toBeDefined()
    expect(fs.lock(path)).toBeUndefined()
    expect(new RealFs().lock(path)).toBeUndefined()
    first!.release()
    const second = fs.lock(path)
    expect(second).toBeDefined()
    second!.release()
    expect(readdirSync(folder)).toEqual(['.lock'])
  })

  it('is released once', () => {
    const lock = fs.lock(path)!
    lock.release()
    expect(() => lock.release()).toThrow(AssertionFailed)
  })

  it('throws the system error where the lock file cannot be', () => {
    expect(() => fs.lock(join(folder, 'missing', '.lock'))).toThrow(/ENOENT/)
  })

  it.each(namedKinds)('is held against other threads, %s', async (_title, kind) => {
    const lock = fs.lock(path)!
    const thread = `
      const { parentPort } = require('node:worker_threads')
      import('${MODULE}').then(({ RealFs }) => {
        const lock = new RealFs().lock(${JSON.stringify(path)})
        parentPort.postMessage(lock === undefined ? 'refused' : 'held')
      })`
    const ask = async (): Promise<unknown> => {
      const worker = new Worker(thread, { eval: true, env: { ...process.env, VLTAVA_NATIVE: kind } })
      const exited = once(worker, 'exit')
      const [answer] = (await once(worker, 'message')) as [unknown]
      await exited
      return answer
    }
    expect(await ask()).toBe('refused')
    lock.release()
    expect(await ask()).toBe('held')
    // That thread has ended without release(): flock went with its descriptor, an owner file alone stays.
    const next = fs.lock(path)
    if (kind === 'off') expect(next).toBeUndefined()
    else expect(next).toBeDefined()
    next?.release()
  })
})

describe('between processes', () => {
  it.each(namedPairs)('excludes: a holder %s', async (_title, holder, taker) => {
    const child = start(HOLD, holder)
    expect(await firstLine(child)).toBe('held')
    expect(tryOnce(taker)).toBe('refused')
    await kill(child)
    expect(tryOnce(taker)).toBe('held')
    expect(tryOnce(holder)).toBe('held')
  })

  it.each(namedKinds)(
    'is free at once after kill -9 of the holder, though its child process lives on, %s',
    async (_title, kind) => {
      const child = start(
        `
        import { spawn } from 'node:child_process'
        const lock = fs.lock(process.argv[1])
        const grandchild = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
        grandchild.on('spawn', () => console.log(lock === undefined ? 'refused' : grandchild.pid))`,
        kind,
      )
      const grandchild = Number(await firstLine(child))
      expect(grandchild).toBeGreaterThan(0)
      try {
        await kill(child)
        expect(() => process.kill(grandchild, 0)).not.toThrow()
        expect(tryOnce(kind)).toBe('held')
      } finally {
        process.kill(grandchild, 'SIGKILL')
      }
    },
  )

  it('lets no two in while many race, give back, and die holding it', async () => {
    const seed = testSeed()
    // Each line is one write in append mode, so the file tells the order. A holder that is killed writes 'dies' before.
    const journal = join(folder, 'journal')
    const script = `
      import { appendFileSync, readdirSync } from 'node:fs'
      const journal = ${JSON.stringify(journal)}
      let state = Number(process.env.RACER_SEED)
      const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
      let taken = 0
      for (let round = 0; round < 4000 && taken < 40; round++) {
        const lock = fs.lock(process.argv[1])
        if (lock === undefined) continue
        taken += 1
        appendFileSync(journal, process.pid + ' enters\\n')
        for (let spin = Math.floor(next() * 4); spin > 0; spin--) readdirSync('.')
        if (next() < 0.08) {
          appendFileSync(journal, process.pid + ' dies\\n')
          process.kill(process.pid, 'SIGKILL')
          for (;;);
        }
        appendFileSync(journal, process.pid + ' leaves\\n')
        lock.release()
      }`
    const racer = async (number: number): Promise<void> => {
      for (let life = 0; life < 5; life++) {
        const child = spawn(process.execPath, ['--input-type=module', '-e', IMPORT + script, path], {
          stdio: ['ignore', 'ignore', 'inherit'],
          env: {
            ...process.env,
            VLTAVA_NATIVE: kinds[(number + life) % kinds.length],
            RACER_SEED: String(seed + number * 101 + life),
          },
        })
        const [status, signal] = (await once(child, 'exit')) as [number | null, string | null]
        expect(signal ?? status, `SEED=${seed}`).toBeOneOf([0, 'SIGKILL'])
      }
    }
    await Promise.all([0, 1, 2, 3].map(racer))

    const lines = readFileSync(journal, 'utf8').trim().split('\n')
    let holder = ''
    let deaths = 0
    for (const line of lines) {
      const [pid, act] = line.split(' ') as [string, string]
      if (act === 'enters') {
        expect(holder, `SEED=${seed}: ${pid} enters`).toBe('')
        holder = pid
      } else {
        expect(pid, `SEED=${seed}: ${line}`).toBe(holder)
        holder = ''
        if (act === 'dies') deaths += 1
      }
    }
    console.log(`SEED=${seed}: ${lines.length / 2} times held, ${deaths} deaths`)
    expect(lines.length).toBeGreaterThan(100)
    expect(deaths).toBeGreaterThan(3)
    // Nobody is left: whoever comes next takes it over and clears up.
    const last = fs.lock(path)
    expect(last, `SEED=${seed}`).toBeDefined()
    last!.release()
    const names = readdirSync(folder).filter((name) => name !== 'journal' && name !== '.lock')
    expect(names.filter((name) => !/^\.lock\.owner[.-]/.test(name))).toEqual([])
  })
})

describe('the owner file', () => {
  const owner = (): string => `${path}.owner`
  const record = (): Record<string, unknown> => {
    const claimed = claimOwnerFile(`${path}-other`, '')!
    const text = readFileSync(`${path}-other.owner`, 'utf8')
    claimed.release()
    return JSON.parse(text) as Record<string, unknown>
  }
  const tokenOf = (digit: string): string => digit.repeat(32)
  const isHeldBy = (fields: Record<string, unknown>): boolean => {
    writeFileSync(owner(), JSON.stringify({ ...record(), token: tokenOf('a'), ...fields }))
    const claimed = claimOwnerFile(path, '')
    claimed?.release()
    return claimed === undefined
  }
  /** A process that has ended. */
  const deadPid = spawnSync(process.execPath, ['-e', '']).pid

  it('of a live process is held; of a dead one it is stale', () => {
    expect(isHeldBy({})).toBe(true)
    expect(isHeldBy({ pid: process.ppid, startTime: startTimeOf(process.ppid) })).toBe(true)
    expect(isHeldBy({ pid: deadPid })).toBe(false)
  })

  if (process.platform === 'linux') {
    it('of an earlier process with the same pid, or from before the machine started, is stale', () => {
      expect(isHeldBy({ startTime: '1' })).toBe(false)
      expect(isHeldBy({ boot: 'another' })).toBe(false)
    })

    it('from another process namespace is refused with advice', () => {
      expect(() => isHeldBy({ pidNamespace: 'pid:[1]' })).toThrow(/namespace.*remove .*\.lock\.owner/)
    })

    it('of a killed process that nobody has waited for is stale', async () => {
      // The parent is a shell that never waits: the child stays as a zombie.
      const shell = spawn('sh', ['-c', 'sleep 1000 & echo $!; kill -9 $!; exec sleep 1000'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const pid = Number(await firstLine(shell))
      try {
        while (!readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) await new Promise(setImmediate)
        expect(isHeldBy({ pid, startTime: startTimeOf(pid) })).toBe(false)
      } finally {
        await kill(shell)
      }
    })
  } else {
    console.warn('LEFT OUT: start times, boots and namespaces of processes, which only /proc tells')
  }

  it('that a power cut left torn is stale', () => {
    for (const text of ['', '{"token":', 'null', '[]', '{"token":"../../x","pid":1}', `{"token":"${tokenOf('a')}"}`]) {
      writeFileSync(owner(), text)
      const claimed = claimOwnerFile(path, '')
      expect(claimed, text).toBeDefined()
      claimed!.release()
    }
  })

  it('of a holder that had flock is stale to whoever has flock of the same file, and to nobody else', () => {
    writeFileSync(owner(), JSON.stringify({ ...record(), flockedFile: '1:2' }))
    expect(claimOwnerFile(path, '')).toBeUndefined()
    expect(claimOwnerFile(path, '1:3')).toBeUndefined()
    const claimed = claimOwnerFile(path, '1:2')
    expect(claimed).toBeDefined()
    claimed!.release()
  })

  it('is taken over through takers that died, and what they left is removed', () => {
    const dead = { ...record(), pid: deadPid }
    writeFileSync(owner(), JSON.stringify({ ...dead, token: tokenOf('a') }))
    writeFileSync(`${owner()}.${tokenOf('a')}`, JSON.stringify({ ...dead, token: tokenOf('b') }))
    writeFileSync(`${owner()}-${tokenOf('c')}`, JSON.stringify({ ...dead, token: tokenOf('c') }))
    writeFileSync(`${owner()}-${tokenOf('d')}`, JSON.stringify({ ...record(), token: tokenOf('d') }))
    writeFileSync(`${owner()}.notes`, 'not ours')
    const claimed = claimOwnerFile(path, '')!
    expect(readdirSync(folder)).toEqual(['.lock.owner', `.lock.owner-${tokenOf('d')}`, '.lock.owner.notes'])
    expect(claimOwnerFile(path, '')).toBeUndefined()
    claimed.release()
    expect(readdirSync(folder)).toEqual([`.lock.owner-${tokenOf('d')}`, '.lock.owner.notes'])
  })

  it('belongs to the last taker in the chain while that one lives', () => {
    writeFileSync(owner(), JSON.stringify({ ...record(), pid: deadPid, token: tokenOf('a') }))
    writeFileSync(`${owner()}.${tokenOf('a')}`, JSON.stringify({ ...record(), token: tokenOf('b') }))
    expect(claimOwnerFile(path, '')).toBeUndefined()
    expect(readdirSync(folder)).toEqual(['.lock.owner', `.lock.owner.${tokenOf('a')}`])
  })

  it('of somebody else is not removed by release', () => {
    const claimed = claimOwnerFile(path, '')!
    rmSync(owner())
    writeFileSync(owner(), JSON.stringify({ ...record(), token: tokenOf('e') }))
    claimed.release()
    expect(readdirSync(folder)).toEqual(['.lock.owner'])
  })

  it('needs hard links, which this folder has', () => {
    writeFileSync(path, '')
    expect(() => linkSync(path, `${path}-link`)).not.toThrow()
  })
})

function startTimeOf(pid: number): string {
  if (process.platform !== 'linux') return ''
  expect(readlinkSync('/proc/self/ns/pid')).toContain('pid:')
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]!
}
