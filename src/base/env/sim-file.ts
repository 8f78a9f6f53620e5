/**
 * SimFile: an open file of the simulated disk. What it holds: see sim-file-image.ts.
 *
 * After close() every call is an assertion failure. After killProcess() or crash() the process that opened it is gone:
 * every call throws EIO, but close() does nothing, for a `finally` block may still run.
 */
import { assert } from '../assert.ts'
import type { File, FileMap } from './env.ts'
import { FILE_BYTES_MAX } from './sim-bytes.ts'
import { SimSystemError } from './sim-error.ts'
import type { Fault, SimOperationKind } from './sim-faults.ts'
import type { SimFileInode } from './sim-inode.ts'

const VECTOR_PIECES_MAX = 1024

/** The part of SimFs that open files call. */
export interface SimFileHost {
  /** Whether the process that opened the file still runs. */
  isAlive(file: SimFile): boolean
  /** Counts the call; returns the fault that it meets. */
  begin(kind: SimOperationKind, path: string): Fault | undefined
  /** Throws what a fault means for a call that cannot be short. */
  raise(fault: Fault, syscall: string, path: string): never
  /** How many bytes the disk takes, at least 1, or throws. Follow with store(). */
  admit(file: SimFile, fault: Fault | undefined, length: number, position: number): number
  /** Puts the bytes into the file; throws if the process ended on the way. `bytes` belongs to the file afterwards. */
  store(file: SimFile, fault: Fault | undefined, bytes: Uint8Array, position: number): void
  /** How much of a read of `length` bytes is done. */
  shorten(fault: Fault | undefined, length: number, path: string): number
  truncate(file: SimFile, sizeBytes: number): void
  closed(file: SimFile): void
}

export class SimFile implements File {
  readonly path: string
  /** The descriptor number for SimFs, which asks for it after close() as well. */
  readonly number: number
  readonly inode: SimFileInode
  readonly writable: boolean
  readonly #host: SimFileHost
  #open = true

  constructor(host: SimFileHost, path: string, number: number, inode: SimFileInode, writable: boolean) {
    this.#host = host
    this.path = path
    this.number = number
    this.inode = inode
    this.writable = writable
  }

  get fd(): number {
    assert(this.#open, 'file is open')
    return this.number
  }

  sizeBytes(): number {
    this.#begin('stat', 'fstat')
    return this.inode.image.sizeBytes
  }

  read(target: Uint8Array, targetPosition: number, length: number, position: number): number {
    checkRange(target, targetPosition, length, position)
    const fault = this.#enter('read', 'read')
    const count = this.#host.shorten(fault, length, this.path)
    return this.inode.image.read(target, targetPosition, count, position)
  }

  write(source: Uint8Array, sourcePosition: number, length: number, position: number): number {
    checkRange(source, sourcePosition, length, position)
    const fault = this.#enter('write', 'write')
    const bytes = new Uint8Array(this.#admit(fault, length, position)) // Not slice(): a Buffer's does not copy.
    bytes.set(source.subarray(sourcePosition, sourcePosition + bytes.length))
    this.#host.store(this, fault, bytes, position)
    return bytes.length
  }

  writeVector(sources: Uint8Array[], position: number): number {
    assert(sources.length <= VECTOR_PIECES_MAX, 'a vector has at most 1,024 pieces')
    assert(Number.isSafeInteger(position) && position >= 0, 'position in a file is a non-negative integer')
    const fault = this.#enter('write', 'write')
    const length = sources.reduce((sum, source) => sum + source.length, 0)
    const bytes = new Uint8Array(this.#admit(fault, length, position))
    let done = 0
    for (const source of sources) {
      const count = Math.min(source.length, bytes.length - done)
      bytes.set(source.subarray(0, count), done)
      done += count
    }
    this.#host.store(this, fault, bytes, position)
    return bytes.length
  }

  sync(): void {
    const fault = this.#enter('sync', 'fdatasync')
    if (fault !== undefined) {
      if (fault !== 'halt') this.inode.image.loseUnsynced()
      this.#host.raise(fault, 'fdatasync', this.path)
    }
    this.inode.image.sync()
  }

  truncate(sizeBytes: number): void {
    assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'size of a file is a non-negative integer')
    this.#begin('truncate', 'ftruncate')
    if (!this.writable) throw new SimSystemError('EINVAL', 'ftruncate', this.path)
    if (sizeBytes > FILE_BYTES_MAX) throw new SimSystemError('EFBIG', 'ftruncate', this.path)
    this.#host.truncate(this, sizeBytes)
  }

  /** Always undefined: a window would have to follow the file as it grows. Callers read instead, as without mmap. */
  map(position: number, length: number): FileMap | undefined {
    assert(this.#open, 'file is open')
    assert(position % 65536 === 0 && length >= 0, 'a map starts at a multiple of 64 KiB')
    return undefined
  }

  close(): void {
    assert(this.#open, 'file is open')
    this.#open = false
    if (this.#host.isAlive(this)) this.#host.closed(this)
  }

  #begin(kind: SimOperationKind, syscall: string): void {
    const fault = this.#enter(kind, syscall)
    if (fault !== undefined) this.#host.raise(fault, syscall, this.path)
  }

  #enter(kind: SimOperationKind, syscall: string): Fault | undefined {
    assert(this.#open, 'file is open')
    if (!this.#host.isAlive(this)) throw new SimSystemError('EIO', syscall, this.path)
    return this.#host.begin(kind, this.path)
  }

  #admit(fault: Fault | undefined, length: number, position: number): number {
    if (!this.writable) throw new SimSystemError('EBADF', 'write', this.path)
    if (position + length > FILE_BYTES_MAX) throw new SimSystemError('EFBIG', 'write', this.path)
    return this.#host.admit(this, fault, length, position)
  }
}

function checkRange(bytes: Uint8Array, start: number, length: number, position: number): void {
  assert(Number.isSafeInteger(start) && start >= 0, 'position in a buffer is a non-negative integer')
  assert(Number.isSafeInteger(length) && length >= 0 && start + length <= bytes.length, 'range lies inside the buffer')
  assert(Number.isSafeInteger(position) && position >= 0, 'position in a file is a non-negative integer')
}
