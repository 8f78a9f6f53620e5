import { describe, expect, it } from 'vitest'
import type { File } from '../../src/base/env/env.ts'
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import { SimHalt } from '../../src/base/env/sim-error.ts'
import { CorruptRecordError, StorageError } from '../../src/base/errors.ts'
import { readFully, readSmallFile, replaceFile, storageCall, writeFully } from '../../src/base/file-io.ts'
import { MemoryFs } from '../log/memory-fs.ts'

/** A file that takes and gives at most `most` bytes a call. */
function reluctant(most: number, content = new Uint8Array(0)): { file: File; bytes: () => Uint8Array } {
  const fs = new MemoryFs()
  fs.put('/d/x', content)
  const inner = fs.open('/d/x', 'write')
  const file: File = Object.create(inner, {
    read: {
      value: (target: Uint8Array, at: number, length: number, position: number) =>
        inner.read(target, at, Math.min(length, most), position),
    },
    write: {
      value: (source: Uint8Array, at: number, length: number, position: number) =>
        inner.write(source, at, Math.min(length, most), position),
    },
    path: { value: '/d/x' },
  }) as File
  return { file, bytes: () => fs.bytes('/d/x') }
}

describe('a full write', () => {
  it('goes on after short writes, from the place where each ended', () => {
    const { file, bytes } = reluctant(3)
    writeFully(file, Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), 1, 8, 0)
    expect([...bytes()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('that makes no progress is a full disk, not an endless loop', () => {
    const { file } = reluctant(0)
    expect(() => writeFully(file, new Uint8Array(4), 0, 4, 0)).toThrow(
      expect.objectContaining({ code: 'KAFKA_STORAGE_ERROR', errno: 'ENOSPC' }),
    )
  })
})

describe('a full read', () => {
  it('goes on after short reads and says whether the file had enough', () => {
    const { file } = reluctant(2, Uint8Array.from([1, 2, 3, 4, 5]))
    const target = new Uint8Array(7)
    expect(readFully(file, target, 1, 5, 0)).toBe(true)
    expect([...target]).toEqual([0, 1, 2, 3, 4, 5, 0])
    expect(readFully(file, target, 0, 6, 0)).toBe(false)
    expect(readFully(file, target, 0, 0, 99)).toBe(true)
  })
})

describe('a small file', () => {
  it('is read whole, is undefined if missing, and is refused if it is large or a directory', () => {
    const fs = new MemoryFs()
    fs.put('/d/x', 'hello')
    expect(Buffer.from(readSmallFile(fs, '/d/x')!).toString()).toBe('hello')
    expect(readSmallFile(fs, '/d/y')).toBeUndefined()
    expect(() => readSmallFile(fs, '/d/x', 4)).toThrow(expect.objectContaining({ errno: 'EFBIG' }))
    expect(() => readSmallFile(fs, '/d')).toThrow(expect.objectContaining({ errno: 'EISDIR' }))
  })
})

describe('a replacement', () => {
  it('writes, syncs, renames, syncs the directory, in this order', () => {
    const fs = new MemoryFs()
    replaceFile(fs, '/d', 'x', Buffer.from('new'))
    const order = fs.calls.map((call) => call.replace(/ \d+$/, ''))
    expect(order.filter((call) => !call.startsWith('close'))).toEqual([
      'open /d/x.tmp replace',
      'write /d/x.tmp',
      'sync /d/x.tmp',
      'rename /d/x.tmp /d/x',
      'syncDirectory /d',
    ])
    expect(fs.text('/d/x')).toBe('new')
  })

  it('leaves the old content or the new, whenever the power goes', () => {
    const texts = new Set<string>()
    for (let seed = 0; seed < 300; seed++) {
      const env = createSimEnv(seed)
      env.fs.makeDirectory('/d')
      env.fs.syncDirectory('/')
      replaceFile(env.fs, '/d', 'x', Buffer.from('the old content'))
      env.fs.faults.failAt(1 + (seed % 6), 'halt')
      try {
        replaceFile(env.fs, '/d', 'x', Buffer.from('the new content'))
      } catch (error) {
        if (!(error instanceof SimHalt)) throw error
      }
      env.fs.faults.clear()
      env.fs.crash(env.random)
      const text = Buffer.from(readSmallFile(env.fs, '/d/x')!).toString()
      expect(['the old content', 'the new content'], `seed ${seed}`).toContain(text)
      texts.add(text)
    }
    expect(texts.size, 'both ends were met').toBe(2)
  })

  it('that fails says what was being replaced and with what system error', () => {
    const fs = new MemoryFs()
    fs.failNext = { call: 'rename', code: 'EROFS' }
    expect(() => replaceFile(fs, '/d', 'x', Buffer.from('new'))).toThrow(StorageError)
    fs.failNext = { call: 'sync', code: 'EIO' }
    expect(() => replaceFile(fs, '/d', 'x', Buffer.from('new'))).toThrow(/replacing \/d\/x failed/)
    expect(fs.files.has('/d/x')).toBe(false)
  })
})

describe('a storage call', () => {
  it('turns system errors into StorageError and lets all others through', () => {
    const eio = Object.assign(new Error('EIO: bad disk'), { code: 'EIO' })
    expect(() => storageCall('reading x', () => { throw eio })).toThrow(
      expect.objectContaining({ message: 'reading x failed: EIO: bad disk', errno: 'EIO', cause: eio }),
    ) // prettier-ignore
    const corrupt = new CorruptRecordError('bad bytes')
    expect(() => storageCall('reading x', () => { throw corrupt })).toThrow(corrupt) // prettier-ignore
    const bug = new TypeError('a bug')
    expect(() => storageCall('reading x', () => { throw bug })).toThrow(bug) // prettier-ignore
    expect(storageCall('reading x', () => 7)).toBe(7)
  })
})
