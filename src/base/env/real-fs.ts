/**
 * The file system of RealEnv: Env's Fs and File over Node's synchronous calls, and the addon where it is live.
 *
 * Every open is close-on-exec (Node's default), so no child process inherits a file or a lock. Files are created with
 * mode 0600 and directories with 0700; creation does not follow a symbolic link that someone put in the way. Errors
 * are Node's system errors; the addon's errnos are turned into the same form.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
  writevSync,
} from 'node:fs'
import { constants as osConstants } from 'node:os'
import { assert } from '../assert.ts'
import { native, systemError } from '../native.ts'
import type { DirectoryLock, File, FileMap, FileStat, Fs, OpenMode, VolumeSize } from './env.ts'
import { acquireLock } from './real-lock.ts'

const FLAGS: Record<OpenMode, number> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  replace: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
}

/** Where maps may start: the largest page size among the machines that we run on. */
const MAP_ALIGNMENT = 64 * 1024

const WRITE_PIECES_MAX = 1024

const CLOSED = -1

export class RealFs implements Fs {
  open(path: string, mode: OpenMode): File {
    return new RealFile(path, openSync(path, FLAGS[mode], 0o600))
  }

  stat(path: string): FileStat | undefined {
    // throwIfNoEntry alone would also hide ENOTDIR: a file where a directory should be is worth an error.
    try {
      const stat = statSync(path)
      return { sizeBytes: stat.size, mtimeMs: stat.mtimeMs, isDirectory: stat.isDirectory() }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  volume(path: string): VolumeSize {
    const { bsize, blocks, bavail } = statfsSync(path)
    return { totalBytes: blocks * bsize, usableBytes: bavail * bsize }
  }

  list(path: string): string[] {
    return readdirSync(path).sort() // The default order of sort() is by code unit.
  }

  makeDirectory(path: string): void {
    mkdirSync(path, 0o700)
  }

  removeDirectory(path: string): void {
    rmdirSync(path)
  }

  rename(from: string, to: string): void {
    renameSync(from, to)
  }

  unlink(path: string): void {
    unlinkSync(path)
  }

  syncDirectory(path: string): void {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }

  syncDescriptor(fd: number): void {
    syncData(fd, `descriptor ${fd}`)
  }

  lock(path: string): DirectoryLock | undefined {
    return acquireLock(path)
  }
}

function syncData(fd: number, path: string): void {
  if (native === undefined) return fdatasyncSync(fd)
  const result = native.fdatasync(fd)
  if (result < 0) throw systemError(result, 'fdatasync', path)
}

class RealFile implements File {
  readonly path: string
  #fd: number

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  get fd(): number {
    assert(this.#fd !== CLOSED, 'file is open')
    return this.#fd
  }

  sizeBytes(): number {
    return fstatSync(this.fd).size
  }

  read(target: Uint8Array, targetPosition: number, length: number, position: number): number {
    return readSync(this.fd, target, targetPosition, length, position)
  }

  write(source: Uint8Array, sourcePosition: number, length: number, position: number): number {
    return writeSync(this.fd, source, sourcePosition, length, position)
  }

  writeVector(sources: Uint8Array[], position: number): number {
    assert(sources.length <= WRITE_PIECES_MAX, 'a vector has at most 1,024 pieces')
    return writevSync(this.fd, sources, position)
  }

  sync(): void {
    syncData(this.fd, this.path)
  }

  truncate(sizeBytes: number): void {
    ftruncateSync(this.fd, sizeBytes)
  }

  map(position: number, length: number): FileMap | undefined {
    assert(position % MAP_ALIGNMENT === 0, 'a map starts at a multiple of 64 KiB')
    const fd = this.fd
    if (native === undefined) return undefined
    const view = native.mmap(fd, position, length)
    // Buffers that must own their memory, a file system that cannot be mapped, too many maps: callers read instead.
    const { ENOTSUP, ENODEV, ENOMEM, EPERM } = osConstants.errno
    if ([ENOTSUP, ENODEV, ENOMEM, EPERM].some((errno) => view === -errno)) return undefined
    if (typeof view === 'number') throw systemError(view, 'mmap', this.path)
    return new RealFileMap(view)
  }

  close(): void {
    const fd = this.fd
    this.#fd = CLOSED // First: close(2) frees the number even when it reports an error.
    closeSync(fd)
  }
}

class RealFileMap implements FileMap {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  close(): void {
    assert(native !== undefined, 'a map comes from the addon')
    const result = native.munmap(this.bytes)
    assert(result === 0, 'a map is closed once')
  }
}
