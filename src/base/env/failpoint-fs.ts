/**
 * FailpointFs: the real file system with a failpoint at every change that it makes. In use only when VLTAVA_FAILPOINTS
 * is set, so that a test can stop the process before any one of its changes to the disk, or make that one fail.
 *
 *   fs:change       before every change, whichever it is
 *   fs:create       before a file is created, or emptied to be replaced
 *   fs:write        before a write
 *   fs:half-write   in the middle of a write: its first half is in the file
 *   fs:half-append  in the middle of an append to a segment: all but half of the last batch is in the file
 *   fs:sync         before fdatasync of a file
 *   fs:truncate, fs:rename, fs:unlink, fs:make-directory, fs:remove-directory, fs:sync-directory
 */
import type { DirectoryLock, Failpoint, File, FileMap, FileStat, Fs, OpenMode, VolumeSize } from './env.ts'

export class FailpointFs implements Fs {
  readonly #fs: Fs
  readonly #failpoint: Failpoint

  constructor(fs: Fs, failpoint: Failpoint) {
    this.#fs = fs
    this.#failpoint = failpoint
  }

  #change(kind: string): void {
    this.#failpoint('fs:change')
    this.#failpoint(`fs:${kind}`)
  }

  open(path: string, mode: OpenMode): File {
    if (mode === 'create' || mode === 'replace') this.#change('create')
    return new FailpointFile(this.#fs.open(path, mode), this.#failpoint)
  }
  stat(path: string): FileStat | undefined {
    return this.#fs.stat(path)
  }
  volume(path: string): VolumeSize | undefined {
    return this.#fs.volume(path)
  }
  list(path: string): string[] {
    return this.#fs.list(path)
  }
  makeDirectory(path: string): void {
    this.#change('make-directory')
    this.#fs.makeDirectory(path)
  }
  removeDirectory(path: string): void {
    this.#change('remove-directory')
    this.#fs.removeDirectory(path)
  }
  rename(from: string, to: string): void {
    this.#change('rename')
    this.#fs.rename(from, to)
  }
  unlink(path: string): void {
    this.#change('unlink')
    this.#fs.unlink(path)
  }
  syncDescriptor(fd: number): void {
    this.#change('sync')
    this.#fs.syncDescriptor(fd)
  }
  syncDirectory(path: string): void {
    this.#change('sync-directory')
    this.#fs.syncDirectory(path)
  }
  lock(path: string): DirectoryLock | undefined {
    return this.#fs.lock(path)
  }
}

class FailpointFile implements File {
  readonly #file: File
  readonly #failpoint: Failpoint

  constructor(file: File, failpoint: Failpoint) {
    this.#file = file
    this.#failpoint = failpoint
  }

  #change(kind: string): void {
    this.#failpoint('fs:change')
    this.#failpoint(`fs:${kind}`)
  }

  get path(): string {
    return this.#file.path
  }
  get fd(): number {
    return this.#file.fd
  }
  sizeBytes(): number {
    return this.#file.sizeBytes()
  }
  read(target: Uint8Array, targetPosition: number, length: number, position: number): number {
    return this.#file.read(target, targetPosition, length, position)
  }
  write(source: Uint8Array, sourcePosition: number, length: number, position: number): number {
    this.#change('write')
    if (length < 2) return this.#file.write(source, sourcePosition, length, position)
    const written = this.#file.write(source, sourcePosition, length >> 1, position)
    this.#failpoint('fs:half-write')
    return written
  }
  writeVector(sources: Uint8Array[], position: number): number {
    this.#change('write')
    const last = sources.at(-1)
    if (last === undefined || last.length < 2) return this.#file.writeVector(sources, position)
    // A short write is legal; the caller goes on with the rest.
    const written = this.#file.writeVector([...sources.slice(0, -1), last.subarray(0, last.length >> 1)], position)
    this.#failpoint('fs:half-append')
    return written
  }
  sync(): void {
    this.#change('sync')
    this.#file.sync()
  }
  truncate(sizeBytes: number): void {
    this.#change('truncate')
    this.#file.truncate(sizeBytes)
  }
  map(position: number, length: number): FileMap | undefined {
    return this.#file.map(position, length)
  }
  close(): void {
    this.#file.close()
  }
}
