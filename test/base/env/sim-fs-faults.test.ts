import { expect, it } from 'vitest'
import { StorageError } from '../../../src/base/errors.ts'
import { replaceFile, writeFully } from '../../../src/base/file-io.ts'
import { createSimEnv } from '../../../src/base/env/sim-env.ts'
import type { File } from '../../../src/base/env/env.ts'
import { SimHalt } from '../../../src/base/env/sim-error.ts'
import type { Fault, SimOperation } from '../../../src/base/env/sim-faults.ts'
import type { SimFs } from '../../../src/base/env/sim-fs.ts'
import { SeededRandom } from '../../../src/base/random.ts'

function textOf(fs: SimFs, path: string): string {
  const file = fs.open(path, 'read')
  const bytes = new Uint8Array(file.sizeBytes())
  file.read(bytes, 0, bytes.length, 0)
  file.close()
  return Buffer.from(bytes).toString()
}

function append(file: File, text: string): number {
  return file.write(Buffer.from(text), 0, text.length, file.sizeBytes())
}

function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
  return 'ok'
}

const isWrite = (operation: SimOperation): boolean => operation.kind === 'write'

it('fails the k-th call that matches, once', () => {
  const { fs } = createSimEnv(1)
  const file = fs.open('f', 'create')
  fs.faults.failAt(2, 'EIO', isWrite)
  fs.faults.failAt(1, 'EMFILE', ({ kind, path }) => kind === 'open' && path === 'g')
  expect([1, 2, 3].map(() => codeOf(() => append(file, 'x')))).toEqual(['ok', 'EIO', 'ok'])
  expect(textOf(fs, 'f')).toBe('xx')
  expect(codeOf(() => fs.open('h', 'create'))).toBe('ok')
  expect(codeOf(() => fs.open('g', 'create'))).toBe('EMFILE')
  expect(fs.stat('g')).toBeUndefined()
  expect(codeOf(() => fs.open('g', 'create'))).toBe('ok')
  expect(fs.faults.fired).toBe(2)
})

it('goes on failing for as many calls as asked, until cleared', () => {
  const { fs } = createSimEnv(1)
  const file = fs.open('f', 'create')
  fs.faults.failAt(2, 'EIO', isWrite, { times: 2 })
  expect([1, 2, 3, 4].map(() => codeOf(() => append(file, 'x')))).toEqual(['ok', 'EIO', 'EIO', 'ok'])
  fs.faults.failAt(1, 'ENOSPC', isWrite, { times: Infinity })
  for (let count = 0; count < 10; count++) expect(codeOf(() => append(file, 'x'))).toBe('ENOSPC')
  fs.faults.clear()
  expect(codeOf(() => append(file, 'x'))).toBe('ok')
})

it('can fail every kind of call, with the name of its system call, and the call does nothing', () => {
  const calls: [string, (fs: SimFs, file: File) => unknown][] = [
    ['open', (fs) => fs.open('g', 'create')],
    ['stat', (fs) => fs.stat('f')],
    ['scandir', (fs) => fs.list('/')],
    ['mkdir', (fs) => fs.makeDirectory('e')],
    ['rmdir', (fs) => fs.removeDirectory('d')],
    ['rename', (fs) => fs.rename('f', 'g')],
    ['unlink', (fs) => fs.unlink('f')],
    ['fsync', (fs) => fs.syncDirectory('/')],
    ['open', (fs) => fs.lock('.lock')],
    ['fstat', (_, file) => file.sizeBytes()],
    ['read', (_, file) => file.read(new Uint8Array(1), 0, 1, 0)],
    ['write', (_, file) => file.write(new Uint8Array(1), 0, 1, 0)],
    ['write', (_, file) => file.writeVector([new Uint8Array(1)], 0)],
    ['ftruncate', (_, file) => file.truncate(0)],
    ['fdatasync', (_, file) => file.sync()],
  ]
  for (const [syscall, call] of calls) {
    const { fs } = createSimEnv(1)
    fs.makeDirectory('d')
    const file = fs.open('f', 'create')
    append(file, 'text')
    const before = fs.dump()
    fs.faults.failAt(1, 'EIO')
    expect(() => call(fs, file), String(call)).toThrow(expect.objectContaining({ code: 'EIO', syscall }))
    expect(fs.dump()).toBe(before)
    call(fs, file)
  }
})

it('counts every call, so that a loop over k knows its end', () => {
  const work = (fs: SimFs): void => {
    fs.makeDirectory('d')
    replaceFile(fs, 'd', 'f', Buffer.from('text'))
  }
  const count = (() => {
    const { fs } = createSimEnv(1, { operationLogMax: 3 })
    work(fs)
    expect(fs.operations.map(({ number, kind, path }) => `${number} ${kind} ${path}`)).toEqual([
      '4 sync d/f.tmp',
      '5 rename d/f.tmp',
      '6 syncDirectory d',
    ])
    return fs.operationCount
  })()
  expect(count).toBe(6)
  for (let k = 1; k <= count; k++) {
    const { fs } = createSimEnv(1)
    fs.faults.failAt(k, 'EIO')
    expect(() => work(fs), String(k)).toThrow(k === 1 ? 'EIO' : StorageError)
    expect(fs.faults.fired).toBe(1)
  }
})

it('shows every operation to the hook before it happens', () => {
  const seen: string[] = []
  const env = createSimEnv(1, { onOperation: ({ kind, destination }) => seen.push(`${kind} ${destination ?? ''}`) })
  env.fs.open('f', 'create').sync()
  env.fs.rename('f', 'g')
  expect(seen).toEqual(['open ', 'sync ', 'rename g'])
})

it('cuts writes and reads short, by at least a byte, and goes on to what `then` says', () => {
  const lengths = new Set<number>()
  for (let seed = 0; seed < 100; seed++) {
    const { fs } = createSimEnv(seed)
    const file = fs.open('f', 'create')
    fs.faults.failAt(1, 'short', undefined, { then: 'ENOSPC' })
    const count = append(file, '12345')
    lengths.add(count)
    expect(textOf(fs, 'f')).toBe('12345'.slice(0, count))
    expect(codeOf(() => append(file, 'x'))).toBe('ENOSPC')
    expect(codeOf(() => append(file, 'x'))).toBe('ok')

    fs.faults.failAt(1, 'short')
    const target = new Uint8Array(2)
    expect(file.read(target, 0, 2, 0)).toBe(1)
    expect([...target]).toEqual([49, 0])
  }
  expect([...lengths].sort()).toEqual([1, 2, 3, 4])
})

it('does not count calls for a short fault that cannot be short', () => {
  const { fs } = createSimEnv(1)
  fs.faults.failAt(1, 'short')
  const file = fs.open('f', 'create')
  file.sync()
  expect(append(file, '12')).toBe(1)
  fs.faults.failAt(1, 'short')
  writeFully(file, Buffer.from('12345'), 0, 5, 0)
  expect(textOf(fs, 'f')).toBe('12345')
})

it.each<Fault>(['EIO', 'ENOSPC'])(
  'loses data for good at a failed sync, though reads and the next sync look well: %s',
  (fault) => {
    const { fs } = createSimEnv(1)
    const file = fs.open('f', 'create')
    append(file, 'one ')
    file.sync()
    fs.syncDirectory('/')
    append(file, 'two ')
    fs.faults.failAt(1, fault, ({ kind }) => kind === 'sync')
    expect(codeOf(() => file.sync())).toBe(fault)
    expect(textOf(fs, 'f')).toBe('one two ')
    file.sync()
    expect(textOf(fs, 'f')).toBe('one two ')

    const evicted = fs.clone()
    evicted.dropCaches()
    expect(textOf(evicted, 'f')).toBe('one \0\0\0\0')
    const cut = fs.clone()
    cut.crash(new SeededRandom(1), { files: 'all' })
    expect(textOf(cut, 'f')).toBe('one ')

    append(file, 'three')
    file.sync()
    fs.crash(new SeededRandom(1), { files: 'all' })
    expect(textOf(fs, 'f')).toBe('one \0\0\0\0three')
  },
)

it('loses names for good at a failed sync of a directory', () => {
  const { fs } = createSimEnv(1)
  fs.open('a', 'create').close()
  fs.faults.failAt(1, 'EIO', ({ kind }) => kind === 'syncDirectory')
  expect(codeOf(() => fs.syncDirectory('/'))).toBe('EIO')
  fs.open('b', 'create').close()
  fs.rename('a', 'c')
  fs.syncDirectory('/')
  expect(fs.list('/')).toEqual(['b', 'c'])
  fs.crash(new SeededRandom(1), { directories: 'all' })
  expect(fs.list('/')).toEqual(['b'])
})

it('evicts only what was synced: dirty data stays in the page cache', () => {
  const { fs } = createSimEnv(1)
  const file = fs.open('f', 'create')
  append(file, 'one')
  file.sync()
  append(file, 'two')
  fs.unlink('f')
  fs.dropCaches()
  const bytes = new Uint8Array(6)
  file.read(bytes, 0, 6, 0)
  expect(Buffer.from(bytes).toString()).toBe('onetwo')
})

it('halts the process inside a call; nothing runs until it is killed or the power is cut', () => {
  const written = new Set<string>()
  for (let seed = 0; seed < 100; seed++) {
    const { fs } = createSimEnv(seed)
    const file = fs.open('f', 'create')
    fs.faults.failAt(2, 'halt', isWrite)
    append(file, 'ab')
    expect(() => append(file, 'cd')).toThrow(SimHalt)
    expect(fs.halted).toBe(true)
    expect(() => file.sync()).toThrow(SimHalt)
    expect(() => fs.stat('f')).toThrow(SimHalt)
    file.close()
    fs.killProcess()
    expect(fs.halted).toBe(false)
    written.add(textOf(fs, 'f'))
  }
  expect([...written].sort()).toEqual(['ab', 'abc', 'abcd'])
})

it('shows one old or new content, whole, wherever the helper that replaces files is halted or fails', () => {
  const outcomes = new Set<string>()
  for (const fault of ['halt', 'EIO', 'ENOSPC', 'short'] satisfies Fault[]) {
    for (let k = 1; k <= 5; k++) {
      for (let seed = 0; seed < 20; seed++) {
        const { fs, random } = createSimEnv(seed)
        replaceFile(fs, '/', 'f', Buffer.from('old content'))
        fs.faults.failAt(k, fault)
        let acknowledged = false
        try {
          replaceFile(fs, '/', 'f', Buffer.from('new content'))
          acknowledged = true
        } catch (error) {
          expect(error instanceof SimHalt || error instanceof StorageError, String(error)).toBe(true)
        }
        fs.crash(random)
        fs.faults.clear()
        const content = textOf(fs, 'f')
        expect(acknowledged ? ['new content'] : ['old content', 'new content']).toContain(content)
        outcomes.add(`${acknowledged} ${content}`)
      }
    }
  }
  expect([...outcomes].sort()).toEqual(['false new content', 'false old content', 'true new content'])
})

it('syncs by descriptor number, as the flusher does, with the same faults', () => {
  const { fs } = createSimEnv(1)
  const file = fs.open('f', 'create')
  append(file, 'one')
  fs.syncDirectory('/')
  fs.syncDescriptor(file.fd)
  append(file, 'two')
  fs.faults.failAt(1, 'EIO', ({ kind, path }) => kind === 'sync' && path === 'f')
  expect(codeOf(() => fs.syncDescriptor(file.fd))).toBe('EIO')
  const { fd } = file
  fs.crash(new SeededRandom(1))
  expect(textOf(fs, 'f')).toBe('one')
  expect(() => fs.syncDescriptor(fd)).toThrow('descriptor is open')
})
