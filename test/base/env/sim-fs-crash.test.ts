import { describe, expect, it } from 'vitest'
import { createSimEnv } from '../../../src/base/env/sim-env.ts'
import type { File } from '../../../src/base/env/env.ts'
import type { CrashOptions } from '../../../src/base/env/sim-crash.ts'
import type { SimFs } from '../../../src/base/env/sim-fs.ts'
import { SeededRandom } from '../../../src/base/random.ts'
import { testSeed } from '../../random.ts'

const SEED = testSeed()
const SECTOR = 512

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value)
}

function contentOf(file: File): Uint8Array {
  const bytes = new Uint8Array(file.sizeBytes())
  file.read(bytes, 0, bytes.length, 0)
  return bytes
}

function read(fs: SimFs, path: string): Uint8Array {
  const file = fs.open(path, 'read')
  const bytes = contentOf(file)
  file.close()
  return bytes
}

/** A file of three synced sectors of ones, its name durable, open for more. */
function makeFile(): { fs: SimFs; file: File } {
  const { fs } = createSimEnv(1)
  const file = fs.open('f', 'create')
  file.write(filled(3 * SECTOR, 1), 0, 3 * SECTOR, 0)
  file.sync()
  fs.syncDirectory('/')
  return { fs, file }
}

/** What 200 power cuts make of the same moment, each outcome once. */
function outcomesOf(fs: SimFs, describeOutcome: (fs: SimFs) => string, options?: CrashOptions): Set<string> {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const cut = fs.clone()
    cut.crash(new SeededRandom(seed), options)
    outcomes.add(describeOutcome(cut))
  }
  return outcomes
}

/** One digit for each sector of a file whose sectors are uniform; '?' for garbage. */
function sectorsOf(fs: SimFs): string {
  const bytes = read(fs, 'f')
  let sectors = ''
  for (let start = 0; start < bytes.length; start += SECTOR) {
    const sector = bytes.subarray(start, start + SECTOR)
    sectors += sector.every((byte) => byte === sector[0]) ? String(sector[0]) : '?'
  }
  return sectors
}

describe('contents', () => {
  it('keeps what was synced, to the byte, whatever the seed', () => {
    const { fs } = makeFile()
    expect([...outcomesOf(fs, sectorsOf)]).toEqual(['111'])
  })

  it('loses, keeps or tears an un-synced overwrite: each of the eight mixes of three sectors', () => {
    const { fs, file } = makeFile()
    file.write(filled(3 * SECTOR, 2), 0, 3 * SECTOR, 0)
    const all = ['111', '112', '121', '122', '211', '212', '221', '222']
    expect([...outcomesOf(fs, sectorsOf)].sort()).toEqual(all)
    expect([...outcomesOf(fs, sectorsOf, { tear: false })].sort()).toEqual(['111', '222'])
    expect([...outcomesOf(fs, sectorsOf, { files: 'all', tear: false })]).toEqual(['222'])
    expect([...outcomesOf(fs, sectorsOf, { files: 'none' })]).toEqual(['111'])
  })

  it('keeps any subset of several writes', () => {
    const { fs, file } = makeFile()
    for (const sector of [0, 1, 2]) file.write(filled(SECTOR, 2), 0, SECTOR, sector * SECTOR)
    const all = ['111', '112', '121', '122', '211', '212', '221', '222']
    expect([...outcomesOf(fs, sectorsOf, { tear: false })].sort()).toEqual(all)
    expect([...outcomesOf(fs, sectorsOf, { tear: false, files: 'prefix' })].sort()).toEqual(['111', '211', '221'])
    expect([...outcomesOf(fs, sectorsOf, { tear: false, files: 'onlyLast' })]).toEqual(['112'])
    expect([...outcomesOf(fs, sectorsOf, { tear: false, files: 'dropOne' })].sort()).toEqual(['122', '212', '221'])
  })

  it('gives an appended part that did not arrive no bytes, zeros or garbage', () => {
    const { fs, file } = makeFile()
    file.write(filled(SECTOR, 2), 0, SECTOR, 3 * SECTOR)
    expect([...outcomesOf(fs, sectorsOf)].sort()).toEqual(['111', '1110', '1112', '111?'])
    const lost = (extension: 'none' | 'zeros' | 'garbage'): string[] =>
      [...outcomesOf(fs, sectorsOf, { files: 'none', extension })].sort()
    expect(lost('none')).toEqual(['111'])
    expect(lost('zeros')).toEqual(['1110'])
    expect(lost('garbage')).toEqual(['111?'])
  })

  it('may keep the end of an append and lose its middle', () => {
    const { fs, file } = makeFile()
    for (const value of [2, 3]) file.write(filled(SECTOR, value), 0, SECTOR, (value + 1) * SECTOR)
    const outcomes = outcomesOf(fs, sectorsOf)
    for (const outcome of ['111', '1112', '11123', '11103', '111?3', '11120', '1112?']) {
      expect(outcomes.has(outcome), outcome).toBe(true)
    }
  })

  it('writes whole sectors: a later write carries along what an earlier one put into the same sector', () => {
    const { fs, file } = makeFile()
    file.write(filled(100, 2), 0, 100, 0)
    file.write(filled(100, 3), 0, 100, 100)
    fs.crash(new SeededRandom(1), { files: 'onlyLast', tear: false })
    const sector = read(fs, 'f').subarray(0, SECTOR)
    expect(sector).toEqual(Uint8Array.of(...filled(100, 2), ...filled(100, 3), ...filled(SECTOR - 200, 1)))
  })

  it('undoes an un-synced truncation, or keeps it', () => {
    const { fs, file } = makeFile()
    file.truncate(SECTOR)
    expect([...outcomesOf(fs, sectorsOf)].sort()).toEqual(['1', '111'])
    file.sync()
    expect([...outcomesOf(fs, sectorsOf)]).toEqual(['1'])
    file.truncate(2 * SECTOR)
    expect([...outcomesOf(fs, sectorsOf)].sort()).toEqual(['1', '10'])
  })

  it('does not bring back a size from before a truncation that survived, nor the bytes that it cut off', () => {
    const { fs, file } = makeFile()
    file.write(filled(SECTOR, 2), 0, SECTOR, 3 * SECTOR)
    file.truncate(SECTOR)
    const outcomes = [...outcomesOf(fs, sectorsOf, { files: 'onlyLast' })]
    expect(outcomes).toEqual(['1'])
    file.truncate(3 * SECTOR)
    expect([...outcomesOf(fs, sectorsOf, { files: 'all' })]).toEqual(['100'])
  })

  it('tears a long write in every plain way: its start, its end, all but one sector, or anything', () => {
    const { fs, file } = makeFile()
    file.write(filled(40 * SECTOR, 2), 0, 40 * SECTOR, 0)
    file.sync()
    file.write(filled(40 * SECTOR, 3), 0, 40 * SECTOR, 0)
    const outcomes = [...outcomesOf(fs, sectorsOf, { files: 'all', tear: true })]
    for (const shape of [/^3+2+$/, /^2+3+$/, /^3+23+$/, /^3{40}$/, /^(2+3+){5,}/]) {
      expect(
        outcomes.some((outcome) => shape.test(outcome)),
        String(shape),
      ).toBe(true)
    }
  })

  it('can leave an empty file where the new content was not synced before the rename', () => {
    const { fs } = makeFile()
    const temporary = fs.open('f.tmp', 'create')
    temporary.write(filled(SECTOR, 2), 0, SECTOR, 0)
    fs.rename('f.tmp', 'f')
    fs.syncDirectory('/')
    const outcomes = outcomesOf(fs, sectorsOf)
    expect([...outcomes].sort()).toEqual(['', '0', '2', '?'])
  })

  it('restores the modification time of the last sync when nothing newer survives', () => {
    const { fs, clock } = createSimEnv(1)
    const file = fs.open('f', 'create')
    file.write(filled(1, 1), 0, 1, 0)
    const syncedMs = clock.wallMs()
    file.sync()
    fs.syncDirectory('/')
    clock.advance(1000)
    file.write(filled(1, 2), 0, 1, 0)
    const kept = fs.clone()
    kept.crash(new SeededRandom(1), { files: 'all' })
    expect(kept.stat('f')?.mtimeMs).toBe(syncedMs + 1000)
    fs.crash(new SeededRandom(1), { files: 'none' })
    expect(fs.stat('f')?.mtimeMs).toBe(syncedMs)
  })

  it(`leaves in each sector what some moment since the last sync had there (SEED=${SEED})`, () => {
    for (let run = 0; run < 60; run++) {
      const random = new SeededRandom(SEED + run)
      const { fs } = createSimEnv(SEED + run)
      const file = fs.open('f', 'create')
      fs.syncDirectory('/')
      let moments: Uint8Array[] = [contentOf(file)]
      for (let step = random.below(12); step >= 0; step--) {
        const bytes = filled(random.below(3000), 1 + random.below(255))
        file.write(bytes, 0, bytes.length, random.below(random.chance(0.5) ? 1000 : 6000))
        moments.push(contentOf(file))
        if (!random.chance(0.2)) continue
        file.sync()
        moments = [contentOf(file)]
      }
      for (let seed = 0; seed < 20; seed++) {
        const cut = fs.clone()
        cut.crash(new SeededRandom(seed))
        expect(misfit(read(cut, 'f'), moments), `SEED=${SEED + run} crash seed ${seed}`).toBeUndefined()
      }
    }
  })
})

/** The first sector that no moment explains. Sectors that the file gained since the last sync may hold anything. */
function misfit(content: Uint8Array, moments: readonly Uint8Array[]): number | undefined {
  const synced = moments[0]!
  if (content.length < synced.length) return content.length
  for (let start = 0; start < content.length && start < synced.length; start += SECTOR) {
    const end = Math.min(start + SECTOR, content.length)
    const fits = moments.some((moment) => {
      const sector = new Uint8Array(end - start)
      sector.set(moment.subarray(start, end))
      return Buffer.compare(sector, content.subarray(start, end)) === 0
    })
    if (!fits) return start
  }
  return undefined
}

describe('names', () => {
  const paths = (fs: SimFs): string =>
    fs
      .dump()
      .replaceAll(/ \d+ \w+$/gm, '')
      .split('\n')
      .sort()
      .join(' ')
  const namesAfter = (fs: SimFs, options?: CrashOptions): string[] => [...outcomesOf(fs, paths, options)].sort()

  it('loses a new file whose directory was not synced, even when its content was', () => {
    const { fs } = createSimEnv(1)
    const file = fs.open('f', 'create')
    file.write(filled(10, 1), 0, 10, 0)
    file.sync()
    expect(namesAfter(fs)).toEqual(['/', '/ /f'])
    fs.syncDirectory('/')
    expect(namesAfter(fs)).toEqual(['/ /f'])
  })

  it('loses a whole new directory whose parent was not synced', () => {
    const { fs } = createSimEnv(1)
    fs.makeDirectory('d')
    fs.open('d/f', 'create').close()
    expect(namesAfter(fs)).toEqual(['/', '/ /d/', '/ /d/ /d/f'])
    fs.syncDirectory('d')
    expect(namesAfter(fs)).toEqual(['/', '/ /d/ /d/f'])
    fs.syncDirectory('/')
    expect(namesAfter(fs)).toEqual(['/ /d/ /d/f'])
  })

  it('shows an un-synced rename by its old name or by its new one, never by both or neither', () => {
    const { fs } = makeFile()
    fs.rename('f', 'g')
    expect(namesAfter(fs)).toEqual(['/ /f', '/ /g'])
    fs.syncDirectory('/')
    expect(namesAfter(fs)).toEqual(['/ /g'])
  })

  it('moves a file between directories durably only when both are synced', () => {
    const { fs } = makeFile()
    fs.makeDirectory('d')
    fs.syncDirectory('/')
    fs.rename('f', 'd/f')
    const both = ['/ /d/ /d/f', '/ /d/ /f']
    expect(namesAfter(fs)).toEqual(both)
    fs.syncDirectory('d')
    expect(namesAfter(fs)).toEqual(both)
    fs.syncDirectory('/')
    expect(namesAfter(fs)).toEqual(['/ /d/ /d/f'])
  })

  it('brings back an unlinked file, with its content, until the directory is synced', () => {
    const { fs } = makeFile()
    fs.unlink('f')
    expect(namesAfter(fs)).toEqual(['/', '/ /f'])
    const back = fs.clone()
    back.crash(new SeededRandom(1), { directories: 'none' })
    expect(sectorsOf(back)).toBe('111')
    fs.syncDirectory('/')
    expect(namesAfter(fs)).toEqual(['/'])
  })

  it('cuts off what was not synced of files without a name as well, for the name may come back', () => {
    const { fs, file } = makeFile()
    file.write(filled(SECTOR, 2), 0, SECTOR, 0)
    fs.unlink('f')
    expect([...outcomesOf(fs, sectorsOf, { directories: 'none' })].sort()).toEqual(['111', '211'])

    const short = fs.open('g', 'create')
    short.write(filled(SECTOR, 2), 0, SECTOR, 0)
    fs.unlink('g')
    const createdOnly = (index: number): boolean => fs.unsyncedChanges()[index]?.what === '+1/g'
    const cut = fs.clone()
    cut.crash(new SeededRandom(1), { survives: createdOnly, extension: 'none' })
    expect(cut.list('/')).toEqual(['f', 'g'])
    expect(cut.stat('g')?.sizeBytes).toBe(0)
    expect(cut.unsyncedChanges()).toEqual([])
  })

  it('brings back a replaced file', () => {
    const { fs } = makeFile()
    const other = fs.open('g', 'create')
    other.write(filled(SECTOR, 2), 0, SECTOR, 0)
    other.sync()
    fs.syncDirectory('/')
    fs.rename('g', 'f')
    expect([...outcomesOf(fs, (cut) => paths(cut) + sectorsOf(cut))].sort()).toEqual(['/ /f /g111', '/ /f2'])
  })

  it('keeps a prefix in journal order, or any subset, as asked', () => {
    const { fs } = createSimEnv(1)
    for (const name of ['a', 'b', 'c']) fs.open(name, 'create').close()
    expect(namesAfter(fs, { directories: 'prefix' })).toEqual(['/', '/ /a', '/ /a /b'])
    expect(namesAfter(fs)).toHaveLength(8)
  })

  it('keeps what builds on other changes only together with them', () => {
    const { fs } = makeFile()
    fs.makeDirectory('d')
    fs.rename('f', 'd/f')
    fs.rename('d/f', 'd/g')
    // Without 'd' the file stays where it was: it is nowhere lost.
    expect(namesAfter(fs)).toEqual(['/ /d/ /d/f', '/ /d/ /d/g', '/ /d/ /f', '/ /f'])
  })

  it('does not lose a file that was moved out of a directory before that was removed', () => {
    const { fs } = createSimEnv(1)
    fs.makeDirectory('d')
    fs.open('d/f', 'create').close()
    fs.syncDirectory('d')
    fs.syncDirectory('/')
    fs.rename('d/f', 'f')
    fs.removeDirectory('d')
    expect(namesAfter(fs)).toEqual(['/ /d/ /d/f', '/ /d/ /f', '/ /f'])
    fs.syncDirectory('/')
    expect(namesAfter(fs)).toEqual(['/ /f'])
  })

  it('does not close a circle of directories', () => {
    const { fs } = createSimEnv(1)
    for (const path of ['a', 'a/b', 'a/b/c']) fs.makeDirectory(path)
    for (const path of ['/', 'a', 'a/b']) fs.syncDirectory(path)
    fs.rename('a/b', 'b')
    fs.rename('a', 'b/c/a')
    expect(namesAfter(fs)).toEqual(['/ /a/ /a/b/ /a/b/c/', '/ /a/ /b/ /b/c/', '/ /b/ /b/c/ /b/c/a/'])
  })

  it('asks the caller about each change, by its index', () => {
    const { fs, file } = makeFile()
    file.write(filled(SECTOR, 2), 0, SECTOR, 0)
    file.write(filled(SECTOR, 3), 0, SECTOR, SECTOR)
    fs.open('g', 'create').truncate(5)
    const changes = fs.unsyncedChanges()
    expect(changes.map(({ index, kind }) => `${index} ${kind}`)).toEqual([
      '0 entry',
      '1 write',
      '2 write',
      '3 truncate',
    ])
    const outcomes = new Set<string>()
    for (let mask = 0; mask < 2 ** changes.length; mask++) {
      const cut = fs.clone()
      cut.crash(new SeededRandom(1), {
        tear: false,
        extension: 'none',
        survives: (index) => ((mask >> index) & 1) === 1,
      })
      outcomes.add(`${sectorsOf(cut)} ${cut.stat('g')?.sizeBytes ?? 'none'}`)
    }
    const sectors = ['111', '131', '211', '231']
    const expected = sectors.flatMap((content) => ['0', '5', 'none'].map((size) => `${content} ${size}`))
    expect([...outcomes].sort()).toEqual(expected.sort())
  })

  it(`keeps every file that was safe, once, under a name it had, in a tree of directories (SEED=${SEED})`, () => {
    for (let run = 0; run < 60; run++) checkRandomTree(SEED + run)
  })
})

/** Moves files and directories about at random; then cuts the power many times and looks for every file. */
function checkRandomTree(seed: number): void {
  const random = new SeededRandom(seed)
  const { fs } = createSimEnv(seed)
  const names = ['a', 'b', 'c']
  const directories = (): string[] =>
    fs
      .dump()
      .split('\n')
      .filter((line) => line.endsWith('/'))
  const attempt = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      expect((error as { code?: string }).code, `SEED=${seed}: ${String(error)}`).toMatch(/^E/)
    }
  }
  /** Names (the last one in a path) that each file had since everything was last synced. */
  const hadNames = new Map<number, Set<string>>()
  const safe = new Set<number>()
  let nextFile = 1
  const fileAt = (path: string): number | undefined =>
    fs.stat(path)?.isDirectory === false ? Number(Buffer.from(read(fs, path)).toString()) : undefined

  for (let step = 0; step < 60; step++) {
    const path = random.pick(directories()) + random.pick(names)
    const other = random.pick(directories()) + random.pick(names)
    const action = random.below(8)
    if (action <= 1) {
      attempt(() => {
        const file = fs.open(path, 'create')
        const bytes = Buffer.from(String(nextFile))
        file.write(bytes, 0, bytes.length, 0)
        file.sync()
        hadNames.set(nextFile++, new Set([path.at(-1)!]))
      })
    } else if (action === 2) {
      attempt(() => fs.makeDirectory(path))
    } else if (action <= 5) {
      const moved = fileAt(path)
      const replaced = fileAt(other)
      attempt(() => {
        fs.rename(path, other)
        if (moved !== undefined) hadNames.get(moved)!.add(other.at(-1)!)
        if (replaced !== undefined && moved !== replaced) safe.delete(replaced)
      })
    } else if (action === 6) {
      const unlinked = fileAt(path)
      attempt(() => fs.unlink(path))
      if (unlinked !== undefined) safe.delete(unlinked)
    } else {
      attempt(() => fs.removeDirectory(path))
    }
    if (!random.chance(0.1)) continue
    for (const directory of directories()) fs.syncDirectory(directory)
    expect(fs.unsyncedChanges(), `SEED=${seed}`).toEqual([])
    safe.clear()
    for (const line of fs.dump().split('\n')) {
      if (line.endsWith('/')) continue
      const [where] = line.split(' ')
      const file = fileAt(where!)!
      safe.add(file)
      hadNames.set(file, new Set([where!.at(-1)!]))
    }
  }

  for (let crashSeed = 0; crashSeed < 20; crashSeed++) {
    const cut = fs.clone()
    cut.crash(new SeededRandom(crashSeed))
    const found = new Map<number, string>()
    for (const line of cut.dump().split('\n')) {
      if (line.endsWith('/')) continue
      const where = line.split(' ')[0]!
      const file = Number(Buffer.from(read(cut, where)).toString())
      const hint = `SEED=${seed} crash seed ${crashSeed}: file ${file} at ${where}`
      expect(found.get(file), hint).toBeUndefined()
      expect(hadNames.get(file)?.has(where.at(-1)!), hint).toBe(true)
      found.set(file, where)
    }
    for (const file of safe) expect(found.has(file), `SEED=${seed} crash seed ${crashSeed}: file ${file}`).toBe(true)
  }
}

describe('processes', () => {
  it('keeps the page cache when the process is killed, and ends its files', () => {
    const { fs, file } = makeFile()
    file.write(filled(SECTOR, 2), 0, SECTOR, 0)
    const before = fs.dump()
    fs.killProcess()
    expect(fs.dump()).toBe(before)
    expect(sectorsOf(fs)).toBe('211')
    expect(() => file.sizeBytes()).toThrow("EIO: i/o error, fstat 'f'")
    expect(() => file.sync()).toThrow('EIO')
    file.close()
    expect([...outcomesOf(fs, sectorsOf, { files: 'none' })]).toEqual(['111'])
  })

  it('ends open files at a power cut, and shows afterwards only what is on the disk', () => {
    const { fs, file } = makeFile()
    file.write(filled(SECTOR, 2), 0, SECTOR, 0)
    fs.crash(new SeededRandom(1))
    expect(() => file.read(filled(1, 0), 0, 1, 0)).toThrow('EIO')
    expect(fs.unsyncedChanges()).toEqual([])
    const once = fs.dump()
    fs.crash(new SeededRandom(2))
    expect(fs.dump()).toBe(once)
  })

  it('knows after the end of a process which files have a name and which are open', () => {
    for (const end of [(fs: SimFs): void => fs.killProcess(), (fs: SimFs): void => fs.crash(new SeededRandom(1))]) {
      const { fs } = makeFile()
      end(fs)
      fs.open('f', 'read').close()
      expect(fs.usedBytes).toBe(4096)
      fs.unlink('f')
      expect(fs.usedBytes).toBe(0)
    }
  })

  it('drops an open file that was unlinked', () => {
    const { fs, file } = makeFile()
    fs.unlink('f')
    fs.syncDirectory('/')
    expect(file.sizeBytes()).toBe(3 * SECTOR)
    fs.killProcess()
    expect(fs.list('/')).toEqual([])
    expect(fs.usedBytes).toBe(0)
  })
})

it('leaves the same for the same seeds, and something else for others', () => {
  const run = (seed: number): string => {
    const { fs, random } = createSimEnv(seed)
    const dumps: string[] = []
    for (let round = 0; round < 10; round++) {
      for (const name of ['a', 'b', 'c']) {
        const file = fs.open(name, 'replace')
        const bytes = new Uint8Array(random.below(5000))
        random.fill(bytes)
        fs.faults.failAt(1, 'short')
        file.write(bytes, 0, bytes.length, random.below(5000))
        if (random.chance(0.3)) fs.rename(name, `${name}${round}`)
        if (random.chance(0.3)) file.sync()
        if (random.chance(0.3)) fs.syncDirectory('/')
      }
      fs.crash(random)
      dumps.push(fs.dump())
    }
    return dumps.join('\n\n')
  }
  expect(run(SEED)).toBe(run(SEED))
  expect(run(SEED)).not.toBe(run(SEED + 1))
})
