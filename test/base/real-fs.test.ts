/** The real file system: files as owned objects, errors as Node's, with the addon and without. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { realEnv } from '../../src/base/env/real-env.ts'
import { errnoOf } from '../../src/base/errors.ts'
import { native } from '../../src/base/native.ts'

const { fs } = realEnv
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vltava-fs-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    return errnoOf(error)
  }
  return 'returned'
}

const text = (content: string): Uint8Array => new Uint8Array(Buffer.from(content))

describe('a file', () => {
  it('is written and read at positions, in and out of parts of buffers', () => {
    const path = join(folder, 'a')
    const file = fs.open(path, 'create')
    expect(file.path).toBe(path)
    expect(file.write(text('--hello--'), 2, 5, 3)).toBe(5)
    expect(file.sizeBytes()).toBe(8)
    expect(file.writeVector([text(' '), text('wor'), text('ld')], 8)).toBe(6)
    const target = new Uint8Array(20).fill(46)
    expect(file.read(target, 1, 15, 3)).toBe(11)
    expect(Buffer.from(target).toString()).toBe('.hello world........')
    expect(file.read(target, 0, 5, 14)).toBe(0)
    file.sync()
    file.truncate(5)
    expect(file.sizeBytes()).toBe(5)
    file.close()
    expect(readFileSync(path)).toEqual(Buffer.from('\0\0\0he'))
  })

  it('is written from shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(16))
    shared.set(text('from a ring'))
    const file = fs.open(join(folder, 'a'), 'create')
    expect(file.write(shared, 5, 6, 0)).toBe(6)
    expect(file.writeVector([shared.subarray(0, 4), shared.subarray(7, 11)], 6)).toBe(8)
    file.close()
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('a ringfromring')
  })

  it('opens as its mode says', () => {
    const path = join(folder, 'a')
    for (const mode of ['read', 'write'] as const) expect(codeOf(() => fs.open(path, mode))).toBe('ENOENT')
    fs.open(path, 'create').close()
    expect(codeOf(() => fs.open(path, 'create'))).toBe('EEXIST')
    const written = fs.open(path, 'write')
    written.write(text('abc'), 0, 3, 0)
    written.close()
    const read = fs.open(path, 'read')
    expect(read.sizeBytes()).toBe(3)
    expect(codeOf(() => read.write(text('x'), 0, 1, 0))).toBe('EBADF')
    read.close()
    const replaced = fs.open(path, 'replace')
    expect(replaced.sizeBytes()).toBe(0)
    replaced.close()
  })

  it('is an assertion failure in every call after close', () => {
    const file = fs.open(join(folder, 'a'), 'create')
    const { fd } = file
    file.close()
    expect(codeOf(() => fstatSync(fd))).toBe('EBADF')
    const bytes = new Uint8Array(1)
    const calls = [
      () => file.fd,
      () => file.sizeBytes(),
      () => file.read(bytes, 0, 1, 0),
      () => file.write(bytes, 0, 1, 0),
      () => file.writeVector([bytes], 0),
      () => file.sync(),
      () => file.truncate(0),
      () => file.map(0, 1),
      () => file.close(),
    ]
    for (const call of calls) expect(call).toThrow(AssertionFailed)
  })

  it('is synced by its descriptor too', () => {
    const file = fs.open(join(folder, 'a'), 'create')
    fs.syncDescriptor(file.fd)
    file.close()
    expect(codeOf(() => fs.syncDescriptor(987_654))).toBe('EBADF')
  })

  it('reports a failed sync as a system error', () => {
    const file = fs.open(join(folder, 'a'), 'create')
    closeSync(file.fd)
    expect(() => file.sync()).toThrow(/^EBADF: .*fdatasync/)
    expect(codeOf(() => file.sync())).toBe('EBADF')
  })

  it('takes at most 1,024 pieces at once', () => {
    const file = fs.open(join(folder, 'a'), 'create')
    const pieces = Array.from({ length: 1024 }, () => text('x'))
    expect(file.writeVector(pieces, 0)).toBe(1024)
    expect(() => file.writeVector([...pieces, text('x')], 0)).toThrow(AssertionFailed)
    file.close()
  })

  it('is created for its owner alone, and not through a symbolic link', () => {
    fs.open(join(folder, 'a'), 'create').close()
    fs.makeDirectory(join(folder, 'd'))
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'd')).mode & 0o777).toBe(0o700)
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'link'))
    expect(codeOf(() => fs.open(join(folder, 'link'), 'create'))).toBe('EEXIST')
    expect(codeOf(() => fs.open(join(folder, 'link'), 'replace'))).toBe('ELOOP')
    expect(codeOf(() => fs.lock(join(folder, 'link')))).toBe('ELOOP')
  })

  it('is not inherited by a child process', () => {
    const file = fs.open(join(folder, 'kept'), 'create')
    if (process.platform !== 'linux') {
      console.warn('LEFT OUT: descriptors of a child process, which only /proc shows')
    } else {
      expect(execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' })).not.toContain('kept')
    }
    file.close()
  })
})

describe('a map', () => {
  if (native === undefined) {
    it('is undefined without the addon', () => {
      const file = fs.open(join(folder, 'a'), 'create')
      expect(file.map(0, 100)).toBeUndefined()
      file.close()
    })
    return
  }

  it('shows a window of the file, also what is written later, and outlives the file', () => {
    const file = fs.open(join(folder, 'a'), 'create')
    file.write(text('at the start'), 0, 12, 0)
    file.write(text('at 64 KiB'), 0, 9, 65_536)
    const map = file.map(65_536, 9)!
    expect(Buffer.from(map.bytes).toString()).toBe('at 64 KiB')
    file.write(text('AT'), 0, 2, 65_536)
    file.close()
    expect(Buffer.from(map.bytes).toString()).toBe('AT 64 KiB')
    map.close()
    expect(map.bytes.length).toBe(0)
    expect(() => map.close()).toThrow(AssertionFailed)
  })

  it('starts at a multiple of 64 KiB', () => {
    const file = fs.open(join(folder, 'a'), 'create')
    expect(() => file.map(4096, 10)).toThrow(AssertionFailed)
    file.close()
  })

  it('throws the system error where mapping fails', () => {
    const file = fs.open(join(folder, 'a'), 'create')
    closeSync(file.fd)
    expect(() => file.map(0, 10)).toThrow(/^EBADF: .*mmap/)
  })
})

describe('a directory', () => {
  it('is listed by code unit', () => {
    for (const name of ['b', 'a', 'B', '10', '9', 'ä', '.x']) writeFileSync(join(folder, name), '')
    expect(fs.list(folder)).toEqual(['.x', '10', '9', 'B', 'a', 'b', 'ä'])
  })

  it('is made, synced, renamed in and removed', () => {
    const inner = join(folder, 'inner')
    fs.makeDirectory(inner)
    expect(codeOf(() => fs.makeDirectory(inner))).toBe('EEXIST')
    expect(codeOf(() => fs.makeDirectory(join(folder, 'x', 'y')))).toBe('ENOENT')
    writeFileSync(join(inner, 'a'), '1')
    fs.rename(join(inner, 'a'), join(inner, 'b'))
    fs.syncDirectory(inner)
    expect(codeOf(() => fs.removeDirectory(inner))).toBe('ENOTEMPTY')
    fs.unlink(join(inner, 'b'))
    fs.removeDirectory(inner)
    expect(fs.stat(inner)).toBeUndefined()
    expect(codeOf(() => fs.syncDirectory(inner))).toBe('ENOENT')
    expect(codeOf(() => fs.unlink(inner))).toBe('ENOENT')
  })
})

describe('stat', () => {
  it('tells size, kind and time, and undefined for what is not there', () => {
    writeFileSync(join(folder, 'a'), 'abc')
    expect(fs.stat(join(folder, 'a'))).toMatchObject({ sizeBytes: 3, isDirectory: false })
    expect(fs.stat(join(folder, 'a'))!.mtimeMs).toBe(statSync(join(folder, 'a')).mtimeMs)
    expect(fs.stat(folder)).toMatchObject({ isDirectory: true })
    expect(fs.stat(join(folder, 'b'))).toBeUndefined()
  })

  it('throws what is no plain absence', () => {
    writeFileSync(join(folder, 'a'), 'abc')
    expect(codeOf(() => fs.stat(join(folder, 'a', 'b')))).toBe('ENOTDIR')
    mkdirSync(join(folder, 'closed'), { mode: 0o000 })
    // Root may look anywhere.
    if (process.getuid?.() !== 0) expect(codeOf(() => fs.stat(join(folder, 'closed', 'b')))).toBe('EACCES')
    chmodSync(join(folder, 'closed'), 0o700)
  })
})

describe('the rest of the real Env', () => {
  it('has a monotonic clock, the wall clock, and random numbers in [0, 1)', () => {
    const first = realEnv.clock.monotonicMs()
    expect(realEnv.clock.monotonicMs()).toBeGreaterThanOrEqual(first)
    expect(Math.abs(realEnv.clock.wallMs() - Date.now())).toBeLessThan(60_000)
    const drawn = Array.from({ length: 1000 }, () => realEnv.random.next())
    expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true)
    expect(new Set(drawn).size).toBe(1000)
    const bytes = new Uint8Array(64)
    realEnv.random.fill(bytes)
    expect(bytes.some((byte) => byte !== 0)).toBe(true)
    expect(() => realEnv.failpoint('anything')).not.toThrow()
  })

  it('has timers that call back once, or not at all when cancelled', async () => {
    const called: string[] = []
    realEnv.timers.after(0, () => called.push('cancelled')).cancel()
    await new Promise<void>((resolve) => {
      realEnv.timers.after(1, () => {
        called.push('first')
        realEnv.timers.after(0, resolve)
      })
    })
    expect(called).toEqual(['first'])
  })

  it('writes, syncs, and maps nothing with VLTAVA_NATIVE=off', () => {
    const module = pathToFileURL('dist/base/env/real-fs.js').href
    const script = `
      import { RealFs } from '${module}'
      const file = new RealFs().open(process.argv[1], 'create')
      file.write(Buffer.from('abc'), 0, 3, 0)
      file.sync()
      console.log(file.map(0, 3))
      file.close()`
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script, join(folder, 'off')], {
      encoding: 'utf8',
      env: { ...process.env, VLTAVA_NATIVE: 'off' },
    })
    expect(output).toBe('undefined\n')
    expect(readFileSync(join(folder, 'off'), 'utf8')).toBe('abc')
  })
})
