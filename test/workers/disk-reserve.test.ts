/** Bytes that are given up on a full disk, for what makes room. */
import { expect, it } from 'vitest'
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import { StorageError } from '../../src/base/errors.ts'
import { DiskReserve, RESERVE_FILE } from '../../src/workers/disk-reserve.ts'

const PATH = `/${RESERVE_FILE}`

function reserve() {
  const { fs } = createSimEnv(1)
  const made = new DiskReserve(fs, '')
  /** Fails as a full disk does, for as long as the reserve is there. */
  const needsRoom = (): string => {
    if (fs.stat(PATH) !== undefined) throw new StorageError('no room', 'ENOSPC')
    return 'done'
  }
  return { fs, made, needsRoom }
}

it('is given up when the disk is full, once, and set aside again', () => {
  const { fs, made, needsRoom } = reserve()
  made.restore()
  const { sizeBytes } = fs.stat(PATH)!
  expect(sizeBytes).toBeGreaterThan(100_000)
  expect(made.use(needsRoom)).toBe('done')
  expect(fs.stat(PATH)).toBe(undefined)
  made.restore()
  expect(fs.stat(PATH)?.sizeBytes).toBe(sizeBytes)
  expect(new DiskReserve(fs, '').use(needsRoom)).toBe('done') // That of an earlier process counts.
})

it('is not touched for other errors, and does not hide that it did not help', () => {
  const { fs, made } = reserve()
  made.restore()
  const fail = (errno: string) => (): void => {
    throw new StorageError(errno, errno)
  }
  expect(() => made.use(fail('EIO'))).toThrow('EIO')
  expect(fs.stat(PATH)).not.toBe(undefined)
  expect(() => made.use(fail('ENOSPC'))).toThrow('ENOSPC')
  expect(() => made.use(fail('ENOSPC'))).toThrow('ENOSPC')
})
