/**
 * The few ways in which files are written and read whole. Nothing else in the engine loops over write(), and nothing
 * else renames: rule 5 of the design (write, fsync, rename, fsync of the directory) lives in replaceFile alone.
 */
import { errnoOf, StorageError, VltavaError } from './errors.ts'
import type { File, Fs } from './env/env.ts'

/** Writes all of it, or throws StorageError; after a throw any prefix may be in the file. */
export function writeFully(file: File, source: Uint8Array, start: number, length: number, position: number): void {
  let done = 0
  while (done < length) {
    const count = storageCall(`write of ${file.path}`, () =>
      file.write(source, start + done, length - done, position + done),
    )
    if (count === 0)
      throw new StorageError(`write of ${file.path} made no progress at byte ${position + done}`, 'ENOSPC')
    done += count
  }
}

/** Closes a file of which nothing more is wanted; what close(2) has to say then, EIO or EDQUOT, concerns nobody. */
export function closeQuietly(file: File): void {
  try {
    file.close()
  } catch (error) {
    if (errnoOf(error) === '') throw error
  }
}

/** Reads exactly `length` bytes; false if the file ends before. */
export function readFully(file: File, target: Uint8Array, start: number, length: number, position: number): boolean {
  let done = 0
  while (done < length) {
    const count = file.read(target, start + done, length - done, position + done)
    if (count === 0) return false
    done += count
  }
  return true
}

/** The whole of a small file, or undefined if there is none. Larger than `sizeMax` is refused. */
export function readSmallFile(fs: Fs, path: string, sizeMax = 64 << 20): Uint8Array | undefined {
  const stat = fs.stat(path)
  if (stat === undefined) return undefined
  if (stat.isDirectory) throw new StorageError(`${path} is a directory where a file should be`, 'EISDIR')
  if (stat.sizeBytes > sizeMax)
    throw new StorageError(`${path} has sizeBytes=${stat.sizeBytes}, over ${sizeMax}`, 'EFBIG')
  const file = fs.open(path, 'read')
  try {
    const bytes = new Uint8Array(stat.sizeBytes)
    return readFully(file, bytes, 0, bytes.length, 0) ? bytes : bytes.subarray(0, file.sizeBytes())
  } finally {
    file.close()
  }
}

/** Of a file that is to replace another; after a crash it may be left over. */
export const TEMPORARY_SUFFIX = '.tmp'

/** Replaces a file atomically and durably: after a crash there is the old content or the new, never a mix. */
export function replaceFile(fs: Fs, directory: string, name: string, content: Uint8Array): void {
  const target = `${directory}/${name}`
  const temporary = `${target}${TEMPORARY_SUFFIX}`
  storageCall(`replacing ${target}`, () => {
    const file = fs.open(temporary, 'replace')
    try {
      try {
        writeFully(file, content, 0, content.length, 0)
        file.sync()
      } finally {
        file.close()
      }
      fs.rename(temporary, target)
    } catch (error) {
      discard(fs, temporary)
      throw error
    }
    fs.syncDirectory(directory)
  })
}

/** On a full disk what could not be completed must not stay. If it cannot be removed either, the first error counts. */
function discard(fs: Fs, path: string): void {
  try {
    fs.unlink(path)
  } catch (error) {
    if (errnoOf(error) === '') throw error
  }
}

/** Runs `call`; a system error of the file system becomes a StorageError that says what was being done. */
export function storageCall<T>(what: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (error instanceof VltavaError || errnoOf(error) === '') throw error
    throw new StorageError(`${what} failed: ${(error as Error).message}`, errnoOf(error), { cause: error })
  }
}
