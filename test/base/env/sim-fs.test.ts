import { expect, it } from 'vitest'
import { AssertionFailed } from '../../../src/base/assert.ts'
import { readFully, replaceFile, writeFully } from '../../../src/base/file-io.ts'
import { createSimEnv, type SimEnvOptions } from '../../../src/base/env/sim-env.ts'
import type { File, OpenMode } from '../../../src/base/env/env.ts'
import type { SimFs } from '../../../src/base/env/sim-fs.ts'

function makeFs(options: SimEnvOptions = {}): SimFs {
  return createSimEnv(1, options).fs
}

function put(fs: SimFs, path: string, text: string): void {
  const file = fs.open(path, 'replace')
  const bytes = Buffer.from(text)
  writeFully(file, bytes, 0, bytes.length, 0)
  file.close()
}

function textOf(file: File): string {
  const bytes = new Uint8Array(file.sizeBytes())
  expect(readFully(file, bytes, 0, bytes.length, 0)).toBe(true)
  return Buffer.from(bytes).toString()
}

function get(fs: SimFs, path: string): string {
  const file = fs.open(path, 'read')
  const text = textOf(file)
  file.close()
  return text
}

function errorOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('the call should have thrown')
}

it('fails like Node does: code, errno, syscall, path and message', () => {
  const fs = makeFs()
  fs.makeDirectory('/d')
  put(fs, '/d/f', 'x')

  expect(errorOf(() => fs.open('/d/none', 'read'))).toMatchObject({
    code: 'ENOENT',
    errno: -2,
    syscall: 'open',
    path: '/d/none',
    message: "ENOENT: no such file or directory, open '/d/none'",
  })
  expect(errorOf(() => fs.rename('/d/none', '/x'))).toMatchObject({
    code: 'ENOENT',
    message: "ENOENT: no such file or directory, rename '/d/none' -> '/x'",
  })
  const expected: [string, () => unknown][] = [
    ['EEXIST', () => fs.open('/d/f', 'create')],
    ['EEXIST', () => fs.open('/d', 'create')],
    ['EISDIR', () => fs.open('/d', 'read')],
    ['EISDIR', () => fs.open('/d', 'replace')],
    ['ENOENT', () => fs.open('/none/f', 'create')],
    ['ENOTDIR', () => fs.open('/d/f/g', 'create')],
    ['ENOTDIR', () => fs.stat('/d/f/g')],
    ['ENOTDIR', () => fs.list('/d/f')],
    ['ENOENT', () => fs.list('/none')],
    ['EEXIST', () => fs.makeDirectory('/d')],
    ['ENOENT', () => fs.makeDirectory('/none/d')],
    ['ENOTEMPTY', () => fs.removeDirectory('/d')],
    ['ENOTDIR', () => fs.removeDirectory('/d/f')],
    ['EISDIR', () => fs.unlink('/d')],
    ['ENOENT', () => fs.unlink('/none')],
    ['EISDIR', () => fs.rename('/d/f', '/e')],
    ['ENOTDIR', () => fs.rename('/e', '/d/f')],
    ['ENOTEMPTY', () => fs.rename('/e', '/d')],
    ['EINVAL', () => fs.rename('/d', '/d/g')],
    ['ENOENT', () => fs.syncDirectory('/none')],
    ['ENOTDIR', () => fs.syncDirectory('/d/f')],
    ['ENAMETOOLONG', () => fs.open(`/${'n'.repeat(256)}`, 'create')],
    ['EBADF', () => fs.open('/d/f', 'read').write(new Uint8Array(1), 0, 1, 0)],
    ['EINVAL', () => fs.open('/d/f', 'read').truncate(0)],
    ['EFBIG', () => fs.open('/d/f', 'write').truncate(2 ** 50)],
  ]
  fs.makeDirectory('/e')
  for (const [code, call] of expected) expect(errorOf(call), String(call)).toMatchObject({ code })
  expect(fs.stat('/none')).toBeUndefined()
  expect(fs.stat('/none/f')).toBeUndefined()
})

it('has one meaning for a path, wherever it starts, and refuses to go up', () => {
  const fs = makeFs()
  fs.makeDirectory('data')
  put(fs, './data/f', 'x')
  expect(get(fs, '/data//f')).toBe('x')
  expect(fs.list('/')).toEqual(['data'])
  expect(() => fs.open('data/../data/f', 'read')).toThrow('does not go up')
})

it('reads zeros in holes and nothing past the end', () => {
  const fs = makeFs()
  const file = fs.open('f', 'create')
  expect(file.write(Buffer.from('end'), 0, 3, 10_000)).toBe(3)
  const bytes = new Uint8Array(20_000).fill(7)
  expect(file.read(bytes, 0, 20_000, 0)).toBe(10_003)
  expect(bytes.subarray(0, 10_000).every((byte) => byte === 0)).toBe(true)
  expect(Buffer.from(bytes.subarray(10_000, 10_003)).toString()).toBe('end')
  expect(bytes[10_003]).toBe(7)
  expect(file.read(bytes, 0, 1, 10_003)).toBe(0)
  expect(file.read(bytes, 0, 1, 99_999)).toBe(0)

  file.truncate(10_001)
  file.truncate(10_003)
  expect(file.read(bytes, 0, 3, 10_000)).toBe(3)
  expect([...bytes.subarray(0, 3)]).toEqual([101, 0, 0])
})

it('writes a vector as one piece, and takes at most 1,024 pieces', () => {
  const fs = makeFs()
  const file = fs.open('f', 'create')
  expect(file.writeVector([Buffer.from('ab'), Buffer.from(''), Buffer.from('cde')], 1)).toBe(5)
  expect(textOf(file)).toBe('\0abcde')
  expect(file.writeVector([], 0)).toBe(0)
  expect(() => file.writeVector(new Array<Uint8Array>(1025).fill(new Uint8Array(1)), 0)).toThrow('1,024')
})

it('keeps what was written when the caller changes its buffer afterwards', () => {
  const fs = makeFs()
  const file = fs.open('f', 'create')
  const buffer = Buffer.from('one')
  file.write(buffer, 0, 3, 0)
  file.writeVector([buffer], 3)
  buffer.fill(0)
  expect(textOf(file)).toBe('oneone')
  file.sync()
  fs.syncDirectory('/')
  fs.crash(createSimEnv(2).random)
  expect(get(fs, 'f')).toBe('oneone')
})

it('keeps an open file usable after it was unlinked or replaced by a rename', () => {
  const fs = makeFs()
  put(fs, 'a', 'a')
  put(fs, 'b', 'b')
  put(fs, 'c', 'c')
  const a = fs.open('a', 'write')
  const c = fs.open('c', 'write')
  fs.unlink('a')
  fs.rename('b', 'c')
  expect(textOf(a)).toBe('a')
  a.write(Buffer.from('more'), 0, 4, 1)
  expect(textOf(a)).toBe('amore')
  expect(textOf(c)).toBe('c')
  expect(get(fs, 'c')).toBe('b')
  expect(fs.list('/')).toEqual(['c'])
})

it('lets nobody use a file after close, not even to close it again', () => {
  const file = makeFs().open('f', 'create')
  expect(file.map(0, 4096)).toBeUndefined()
  file.close()
  const buffer = new Uint8Array(1)
  const calls = [
    (): unknown => file.fd,
    (): unknown => file.sizeBytes(),
    (): unknown => file.read(buffer, 0, 1, 0),
    (): unknown => file.write(buffer, 0, 1, 0),
    (): unknown => file.writeVector([buffer], 0),
    (): unknown => file.sync(),
    (): unknown => file.truncate(0),
    (): unknown => file.map(0, 1),
    (): unknown => file.close(),
  ]
  for (const call of calls) expect(call, String(call)).toThrow('file is open')
})

it('asserts that ranges lie inside the buffer', () => {
  const file = makeFs().open('f', 'create')
  const buffer = new Uint8Array(4)
  for (const [start, length, position] of [
    [0, 5, 0],
    [2, 3, 0],
    [-1, 1, 0],
    [0, 1, -1],
    [0, 1.5, 0],
    [0, 1, 0.5],
  ]) {
    expect(() => file.read(buffer, start!, length!, position!)).toThrow(AssertionFailed)
    expect(() => file.write(buffer, start!, length!, position!)).toThrow(AssertionFailed)
  }
})

it('stamps files and directories with the wall clock of their last change', () => {
  const { fs, clock } = createSimEnv(1)
  const start = clock.wallMs()
  const file = fs.open('f', 'create')
  clock.advance(10)
  file.write(new Uint8Array(1), 0, 1, 0)
  clock.advance(10)
  fs.makeDirectory('d')
  clock.advance(10)
  file.sync()
  expect(fs.stat('f')).toEqual({ sizeBytes: 1, mtimeMs: start + 10, isDirectory: false })
  expect(fs.stat('d')).toMatchObject({ mtimeMs: start + 20, isDirectory: true })
  expect(fs.stat('/')).toMatchObject({ mtimeMs: start + 20, isDirectory: true })
})

it('gives a lock to one holder, until release, kill -9 or a power cut', () => {
  const fs = makeFs()
  const first = fs.lock('.lock')
  expect(first).toBeDefined()
  expect(fs.lock('.lock')).toBeUndefined()
  expect(fs.lock('.other')).toBeDefined()
  first?.release()
  const second = fs.lock('.lock')
  expect(second).toBeDefined()
  first?.release() // No longer its own: the second holder keeps the lock.
  expect(fs.lock('.lock')).toBeUndefined()

  fs.killProcess()
  const third = fs.lock('.lock')
  expect(third).toBeDefined()
  second?.release()
  expect(fs.lock('.lock')).toBeUndefined()
  fs.crash(createSimEnv(2).random)
  expect(fs.lock('.lock')).toBeDefined()
  expect(errorOf(() => fs.lock('none/.lock'))).toMatchObject({ code: 'ENOENT' })
})

it('counts open files, so that a leak shows', () => {
  const fs = makeFs()
  const file = fs.open('f', 'create')
  fs.open('f', 'read')
  expect(fs.openFileCount).toBe(2)
  file.close()
  expect(fs.openFileCount).toBe(1)
  fs.killProcess()
  expect(fs.openFileCount).toBe(0)
})

it('fills up: a short write first, then ENOSPC, until there is room again', () => {
  const fs = makeFs({ capacityBytes: 3 * 4096 + 100 })
  put(fs, 'other', 'x')
  const file = fs.open('f', 'create')
  const bytes = new Uint8Array(20_000).fill(1)
  expect(file.write(bytes, 0, 20_000, 100)).toBe(2 * 4096 - 100)
  expect(errorOf(() => file.write(bytes, 0, 1, 8192))).toMatchObject({ code: 'ENOSPC', syscall: 'write', path: 'f' })
  expect(errorOf(() => file.writeVector([bytes], 8192))).toMatchObject({ code: 'ENOSPC' })
  expect(file.write(bytes, 0, 100, 0)).toBe(100) // There are pages for this.
  expect(file.sizeBytes()).toBe(8192)
  expect(fs.usedBytes).toBe(3 * 4096)

  fs.unlink('other')
  expect(file.write(bytes, 0, 20_000, 8192)).toBe(4096)
  fs.capacityBytes = 64 * 4096
  expect(file.write(bytes, 0, 20_000, 12_288)).toBe(20_000)
})

it('gives back room when files shrink, are replaced, or are closed after unlink', () => {
  const fs = makeFs({ capacityBytes: 10 * 4096 })
  const file = fs.open('f', 'create')
  file.write(new Uint8Array(10 * 4096), 0, 10 * 4096, 0)
  file.truncate(4097)
  expect(fs.usedBytes).toBe(2 * 4096)
  put(fs, 'g', 'x')
  fs.rename('g', 'f')
  expect(fs.usedBytes).toBe(3 * 4096)
  file.close()
  expect(fs.usedBytes).toBe(4096)
  const again = fs.open('f', 'replace')
  expect(fs.usedBytes).toBe(0)
  again.truncate(2 ** 40) // A hole takes no room.
  expect(fs.usedBytes).toBe(0)
  again.write(new Uint8Array(4096), 0, 4096, 4096)
  fs.unlink('f')
  expect(fs.usedBytes).toBe(4096)
  fs.dropCaches()
  expect(fs.usedBytes).toBe(4096)
  fs.killProcess()
  expect(fs.usedBytes).toBe(0)
})

it('refuses every change while it is read-only, and goes on reading', () => {
  const fs = makeFs()
  fs.makeDirectory('d')
  put(fs, 'f', 'x')
  const open = fs.open('f', 'write')
  fs.readOnly = true
  const modes: OpenMode[] = ['write', 'replace']
  const refused: (() => unknown)[] = [
    ...modes.map((mode) => () => fs.open('f', mode)),
    (): unknown => fs.open('g', 'create'),
    (): unknown => fs.makeDirectory('e'),
    (): unknown => fs.removeDirectory('d'),
    (): unknown => fs.rename('f', 'g'),
    (): unknown => fs.unlink('f'),
    (): unknown => fs.lock('f'),
    (): unknown => open.write(new Uint8Array(1), 0, 1, 0),
    (): unknown => open.truncate(0),
  ]
  for (const call of refused) expect(errorOf(call), String(call)).toMatchObject({ code: 'EROFS' })
  expect(errorOf(() => fs.open('f', 'create'))).toMatchObject({ code: 'EEXIST' })
  expect(get(fs, 'f')).toBe('x')
  fs.readOnly = false
  open.truncate(0)
  expect(get(fs, 'f')).toBe('')
})

it('branches: what happens to a clone does not happen to the disk it came from, nor the other way round', () => {
  const fs = makeFs({ capacityBytes: 1 << 20 })
  fs.makeDirectory('d')
  put(fs, 'd/f', 'one')
  const before = fs.dump()
  const clone = fs.clone()
  expect(clone.dump()).toBe(before)
  expect(clone.unsyncedChanges()).toEqual(fs.unsyncedChanges())
  expect(clone.usedBytes).toBe(fs.usedBytes)

  put(clone, 'd/f', 'two')
  clone.rename('d', 'e')
  expect(fs.dump()).toBe(before)
  const file = fs.open('d/f', 'write')
  const untouched = fs.clone()
  file.write(Buffer.from('O'), 0, 1, 0) // In place, in a page that both have.
  expect(get(fs, 'd/f')).toBe('One')
  expect(get(untouched, 'd/f')).toBe('one')
  put(fs, 'd/f', 'three')
  expect(get(clone, 'e/f')).toBe('two')
  clone.crash(createSimEnv(2).random, { files: 'none', directories: 'none' })
  expect(clone.list('/')).toEqual([])
  expect(get(fs, 'd/f')).toBe('three')
})

it('draws in a clone what the original would draw, and leaves the numbers of the original alone', () => {
  const fs = makeFs()
  put(fs, 'f', '')
  const shortWrite = (on: SimFs): number => {
    on.faults.failAt(1, 'short')
    return on.open('f', 'write').write(new Uint8Array(1_000_000), 0, 1_000_000, 0)
  }
  const expected = [1, 2, 3].map(
    (
      (clone) => () =>
        shortWrite(clone)
    )(fs.clone()),
  )
  shortWrite(fs.clone())
  expect([1, 2, 3].map(() => shortWrite(fs))).toEqual(expected)
})

it('dumps equal trees equally, whatever their history, and unequal ones differently', () => {
  const one = makeFs()
  put(one, 'b', 'text')
  put(one, 'a', '')
  one.open('a', 'write').truncate(9000)
  const other = makeFs()
  put(other, 'c', 'other')
  put(other, 'a', '\0'.repeat(9000))
  other.rename('c', 'b')
  put(other, 'b', 'text')
  expect(other.dump()).toBe(one.dump())

  const dump = one.dump()
  const file = one.open('a', 'write')
  file.write(Uint8Array.of(1), 0, 1, 8999)
  expect(one.dump()).not.toBe(dump)
  file.write(Uint8Array.of(0), 0, 1, 8999)
  expect(one.dump()).toBe(dump)
  file.truncate(8999)
  expect(one.dump()).not.toBe(dump)
})

it('replaces a file by the one helper that does it right', () => {
  const fs = makeFs()
  fs.makeDirectory('d')
  fs.syncDirectory('/')
  replaceFile(fs, 'd', 'f', Buffer.from('one'))
  replaceFile(fs, 'd', 'f', Buffer.from('two'))
  expect(fs.unsyncedChanges()).toEqual([])
  expect(fs.list('d')).toEqual(['f'])
  fs.crash(createSimEnv(2).random)
  expect(get(fs, 'd/f')).toBe('two')
})
