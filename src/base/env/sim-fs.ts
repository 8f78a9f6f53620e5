/**
 * SimFs: a disk in memory that one seed decides wholly: what a power cut leaves, what fails, what is cut short.
 *
 * It promises less than any real file system. Data and size of a file are durable after File.sync, its name only after
 * syncDirectory on the parent. So what survives here survives on ext4, xfs and the rest.
 *
 *  killProcess()  kill -9: open files and locks are gone, the page cache stays
 *  crash()        power loss: of what was not synced, any part may be left
 *  clone()        the same disk once more, to try many ends from one point
 *
 * One process at a time. Parts: sim-tree (directories), sim-file-image (contents), sim-crash (what is drawn),
 * sim-faults (what fails), sim-file (an open file), sim-error.
 */
import { assert } from '../assert.ts'
import { randomBelow, type SeededRandom } from '../random.ts'
import type { Clock, DirectoryLock, File, FileStat, Fs, OpenMode, Random } from './env.ts'
import { PAGE_BYTES } from './sim-bytes.ts'
import type { CrashOptions } from './sim-crash.ts'
import { SimHalt, SimSystemError, type Errno } from './sim-error.ts'
import { SimFaults, type Fault, type SimOperation, type SimOperationKind } from './sim-faults.ts'
import { SimFile, type SimFileHost } from './sim-file.ts'
import type { SimDirectory, SimFileInode } from './sim-inode.ts'
import { SimTree, type Place, type UnsyncedChange } from './sim-tree.ts'

export interface SimFsOptions {
  /** For modification times. */
  readonly clock: Clock
  /** For where short reads, short writes and halted writes stop. */
  readonly random: SeededRandom
  /** Size of the disk, for file contents only, in pages of 4,096 bytes. Default: no limit. */
  readonly capacityBytes?: number
  /** How many of the latest operations are kept for messages. Default 0. */
  readonly operationLogMax?: number
  /** Called before each operation: to let time pass, to record, or to throw. */
  readonly onOperation?: (operation: SimOperation) => void
}

export class SimFs implements Fs {
  readonly faults = new SimFaults()
  /** May be changed at any time, as a disk fills up or is given room. */
  capacityBytes: number
  /** Whether every change fails with EROFS. */
  readOnly = false
  readonly #options: SimFsOptions
  readonly #clock: Clock
  readonly #random: SeededRandom
  readonly #openFiles = new Map<number, SimFile>()
  readonly #locks = new Map<SimFileInode, DirectoryLock>()
  readonly #operations: SimOperation[] = []
  readonly #host: SimFileHost
  #tree: SimTree
  #usedPages = 0
  #nextFd = 3
  #operationCount = 0
  #halted = false

  constructor(options: SimFsOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#random = options.random
    this.capacityBytes = options.capacityBytes ?? Infinity
    this.#tree = new SimTree(options.clock.wallMs())
    this.#host = this.#makeHost()
  }

  open(path: string, mode: OpenMode): File {
    this.#begin('open', 'open', path)
    const place = this.#find(path, 'open')
    const inode = this.#openInode(place, mode, path)
    const file = new SimFile(this.#host, path, this.#nextFd++, inode, mode !== 'read')
    inode.openCount++
    this.#openFiles.set(file.number, file)
    return file
  }

  stat(path: string): FileStat | undefined {
    this.#begin('stat', 'stat', path)
    let node: Place['node']
    try {
      node = this.#find(path, 'stat').node
    } catch (error) {
      if (error instanceof SimSystemError && error.code === 'ENOENT') return undefined
      throw error
    }
    if (node === undefined) return undefined
    if (node.isDirectory) return { sizeBytes: PAGE_BYTES, mtimeMs: node.mtimeMs, isDirectory: true }
    return { sizeBytes: node.image.sizeBytes, mtimeMs: node.image.mtimeMs, isDirectory: false }
  }

  volume(): undefined {
    return undefined
  }

  list(path: string): string[] {
    this.#begin('list', 'scandir', path)
    return [...this.#directory(path, 'scandir').entries.keys()].sort()
  }

  makeDirectory(path: string): void {
    this.#begin('makeDirectory', 'mkdir', path)
    const place = this.#find(path, 'mkdir')
    if (place.node !== undefined) throw new SimSystemError('EEXIST', 'mkdir', path)
    this.#checkWritable('mkdir', path)
    this.#tree.createDirectory(place, this.#clock.wallMs())
  }

  removeDirectory(path: string): void {
    this.#begin('removeDirectory', 'rmdir', path)
    const place = this.#find(path, 'rmdir')
    if (place.node === undefined) throw new SimSystemError('ENOENT', 'rmdir', path)
    if (!place.node.isDirectory) throw new SimSystemError('ENOTDIR', 'rmdir', path)
    if (place.name === '') throw new SimSystemError('EBUSY', 'rmdir', path)
    if (place.node.entries.size > 0) throw new SimSystemError('ENOTEMPTY', 'rmdir', path)
    this.#checkWritable('rmdir', path)
    this.#tree.remove(place, this.#clock.wallMs())
  }

  rename(from: string, to: string): void {
    this.#begin('rename', 'rename', from, to)
    const fail = (code: Errno): SimSystemError => new SimSystemError(code, 'rename', from, to)
    const source = this.#tree.find(from, fail)
    const target = this.#tree.find(to, fail)
    const errno = renameErrno(source, target)
    if (errno !== undefined) throw fail(errno)
    if (source.node === target.node) return
    this.#checkWritable('rename', from, to)
    this.#tree.move(source, target, this.#clock.wallMs())
    this.#releaseUnlinked(target.node)
  }

  unlink(path: string): void {
    this.#begin('unlink', 'unlink', path)
    const place = this.#find(path, 'unlink')
    if (place.node === undefined) throw new SimSystemError('ENOENT', 'unlink', path)
    if (place.node.isDirectory) throw new SimSystemError('EISDIR', 'unlink', path)
    this.#checkWritable('unlink', path)
    this.#tree.remove(place, this.#clock.wallMs())
    this.#releaseUnlinked(place.node)
  }

  syncDescriptor(fd: number): void {
    const file = this.#openFiles.get(fd)
    assert(file !== undefined, 'descriptor is open')
    file.sync()
  }

  syncDirectory(path: string): void {
    const fault = this.#enter('syncDirectory', path)
    const directory = this.#directory(path, 'open')
    if (fault !== undefined) {
      if (fault !== 'halt') this.#tree.loseUnsynced(directory)
      this.#raise(fault, 'fsync', path)
    }
    this.#tree.syncDirectory(directory)
  }

  lock(path: string): DirectoryLock | undefined {
    this.#begin('lock', 'open', path)
    const place = this.#find(path, 'open')
    const inode = this.#openInode(place, place.node === undefined ? 'create' : 'write', path)
    if (this.#locks.has(inode)) return undefined
    const lock = {
      release: (): void => {
        if (this.#locks.get(inode) === lock) this.#locks.delete(inode)
      },
    }
    this.#locks.set(inode, lock)
    return lock
  }

  /** Calls so far, failed ones included. */
  get operationCount(): number {
    return this.#operationCount
  }

  /** The latest calls, oldest first, as many as operationLogMax asks for. */
  get operations(): readonly SimOperation[] {
    return this.#operations
  }

  get openFileCount(): number {
    return this.#openFiles.size
  }

  /** Whether a 'halt' fault has ended the process. */
  get halted(): boolean {
    return this.#halted
  }

  get usedBytes(): number {
    return this.#usedPages * PAGE_BYTES
  }

  /** What a power cut now would choose from. */
  unsyncedChanges(): UnsyncedChange[] {
    return this.#tree.unsyncedChanges()
  }

  /** kill -9. Faults stay armed. */
  killProcess(): void {
    for (const file of this.#openFiles.values()) file.inode.openCount = 0
    this.#endProcess()
  }

  /** Power loss. `random` alone decides what is left, within `options`. Faults stay armed. */
  crash(random: Random, options: CrashOptions = {}): void {
    this.#tree.cutPower(random, options)
    this.#endProcess()
  }

  /** Evicts all clean pages: where a sync failed, reads show from now on what really is on the disk. */
  dropCaches(): void {
    for (const inode of this.#inodes()) inode.image.dropCache()
    this.#countPages()
  }

  /** The same disk and the same random numbers ahead, after a kill -9 and without faults; this one is not touched. */
  clone(): SimFs {
    const copy = new SimFs({ ...this.#options, random: this.#random.clone(), capacityBytes: this.capacityBytes })
    copy.readOnly = this.readOnly
    copy.#tree = this.#tree.clone()
    copy.#countPages()
    return copy
  }

  /** Every directory and file that the process sees, with sizes and hashes of the contents, a line for each. */
  dump(): string {
    return this.#tree.dump()
  }

  #makeHost(): SimFileHost {
    return {
      isAlive: (file) => this.#openFiles.get(file.number) === file,
      begin: (kind, path) => this.#enter(kind, path),
      raise: (fault, syscall, path) => this.#raise(fault, syscall, path),
      admit: (file, fault, length, position) => this.#admit(file, fault, length, position),
      store: (file, fault, bytes, position) => {
        const halted = fault === 'halt'
        const stored = halted ? bytes.slice(0, randomBelow(this.#random, bytes.length + 1)) : bytes
        this.#resize(file.inode, () => file.inode.image.write(stored, position, this.#clock.wallMs()))
        if (halted) this.#raise(fault, 'write', file.path)
      },
      shorten: (fault, length, path) => {
        if (fault === undefined) return length
        if (fault !== 'short') this.#raise(fault, 'read', path)
        return this.#shorter(length)
      },
      truncate: (file, sizeBytes) => {
        this.#checkWritable('ftruncate', file.path)
        this.#resize(file.inode, () => file.inode.image.truncate(sizeBytes, this.#clock.wallMs()))
      },
      closed: (file) => {
        this.#openFiles.delete(file.number)
        file.inode.openCount--
        this.#releaseUnlinked(file.inode)
      },
    }
  }

  #openInode(place: Place, mode: OpenMode, path: string): SimFileInode {
    const { node } = place
    if (mode === 'create' && node !== undefined) throw new SimSystemError('EEXIST', 'open', path)
    if (node?.isDirectory === true) throw new SimSystemError('EISDIR', 'open', path)
    if (node === undefined && (mode === 'read' || mode === 'write')) throw new SimSystemError('ENOENT', 'open', path)
    if (mode !== 'read') this.#checkWritable('open', path)
    if (node === undefined) return this.#tree.createFile(place, this.#clock.wallMs())
    if (mode === 'replace' && node.image.sizeBytes > 0) {
      this.#resize(node, () => node.image.truncate(0, this.#clock.wallMs()))
    }
    return node
  }

  #find(path: string, syscall: string): Place {
    return this.#tree.find(path, (code) => new SimSystemError(code, syscall, path))
  }

  #directory(path: string, syscall: string): SimDirectory {
    const { node } = this.#find(path, syscall)
    if (node === undefined) throw new SimSystemError('ENOENT', syscall, path)
    if (!node.isDirectory) throw new SimSystemError('ENOTDIR', syscall, path)
    return node
  }

  #begin(kind: SimOperationKind, syscall: string, path: string, destination?: string): void {
    const fault = this.#enter(kind, path, destination)
    if (fault !== undefined) this.#raise(fault, syscall, path, destination)
  }

  #enter(kind: SimOperationKind, path: string, destination?: string): Fault | undefined {
    if (this.#halted) throw new SimHalt('the simulated process has ended')
    const operation = { number: ++this.#operationCount, kind, path, destination }
    const logMax = this.#options.operationLogMax ?? 0
    if (logMax > 0 && this.#operations.push(operation) > logMax) this.#operations.shift()
    this.#options.onOperation?.(operation)
    return this.faults.take(operation)
  }

  #raise(fault: Fault, syscall: string, path: string, destination?: string): never {
    assert(fault !== 'short', 'only reads and writes are short')
    if (fault !== 'halt') throw new SimSystemError(fault, syscall, path, destination)
    this.#halted = true
    throw new SimHalt(`the simulated process ended in ${syscall} of ${path}, operation ${this.#operationCount}`)
  }

  #checkWritable(syscall: string, path: string, destination?: string): void {
    if (this.readOnly) throw new SimSystemError('EROFS', syscall, path, destination)
  }

  #admit(file: SimFile, fault: Fault | undefined, length: number, position: number): number {
    if (fault !== undefined && fault !== 'short' && fault !== 'halt') this.#raise(fault, 'write', file.path)
    this.#checkWritable('write', file.path)
    const wanted = fault === 'short' ? this.#shorter(length) : length
    const freePages = Math.floor(this.capacityBytes / PAGE_BYTES) - this.#usedPages
    const count = freePages === Infinity ? wanted : file.inode.image.writableBytes(position, wanted, freePages)
    if (count === 0 && length > 0) throw new SimSystemError('ENOSPC', 'write', file.path)
    return count
  }

  #shorter(length: number): number {
    return length < 2 ? length : 1 + randomBelow(this.#random, length - 1)
  }

  #resize(inode: SimFileInode, change: () => void): void {
    const before = inode.image.pageCount
    change()
    this.#usedPages += inode.image.pageCount - before
  }

  /** Gives back the room of a file that nobody can reach any more. */
  #releaseUnlinked(node: Place['node']): void {
    if (node?.isDirectory === false && !node.linked && node.openCount === 0) this.#usedPages -= node.image.pageCount
  }

  #endProcess(): void {
    this.#openFiles.clear()
    this.#locks.clear()
    this.#halted = false
    this.#countPages()
  }

  #countPages(): void {
    this.#usedPages = 0
    for (const inode of this.#inodes()) this.#usedPages += inode.image.pageCount
  }

  /** Every file that a process can reach, by name or because it is open. */
  #inodes(): Set<SimFileInode> {
    const found = new Set(this.#tree.linkedFiles())
    for (const file of this.#openFiles.values()) found.add(file.inode)
    return found
  }
}

/** What rename(2) refuses, in Linux's order. */
function renameErrno(source: Place, target: Place): Errno | undefined {
  const from = source.node
  const to = target.node
  if (source.name === '' || target.name === '') return 'EBUSY'
  if (from === undefined) return 'ENOENT'
  if (from.isDirectory && target.above.includes(from)) return 'EINVAL'
  if (to?.isDirectory === true && source.above.includes(to)) return 'ENOTEMPTY'
  if (to === undefined || from === to) return undefined
  if (from.isDirectory && !to.isDirectory) return 'ENOTDIR'
  if (!from.isDirectory && to.isDirectory) return 'EISDIR'
  if (to.isDirectory && to.entries.size > 0) return 'ENOTEMPTY'
  return undefined
}
