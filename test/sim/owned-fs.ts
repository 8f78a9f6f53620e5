/**
 * OwnedFs: the simulated file system as one thread sees it. When the thread ends, the files that it had open are
 * closed, as Node closes a worker's.
 */
import type { DirectoryLock, File, FileMap, FileStat, Fs, OpenMode, VolumeSize } from '../../src/base/env/env.ts'

export class OwnedFs implements Fs {
  readonly #fs: Fs
  readonly #open = new Set<OwnedFile>()

  constructor(fs: Fs) {
    this.#fs = fs
  }

  open(path: string, mode: OpenMode): File {
    const file = new OwnedFile(this.#fs.open(path, mode), () => this.#open.delete(file))
    this.#open.add(file)
    return file
  }

  get openPaths(): string[] {
    return [...this.#open].map(({ path }) => path)
  }

  /** The thread has ended. */
  closeAll(): void {
    for (const file of [...this.#open]) file.close()
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
    this.#fs.makeDirectory(path)
  }
  removeDirectory(path: string): void {
    this.#fs.removeDirectory(path)
  }
  rename(from: string, to: string): void {
    this.#fs.rename(from, to)
  }
  unlink(path: string): void {
    this.#fs.unlink(path)
  }
  syncDescriptor(fd: number): void {
    this.#fs.syncDescriptor(fd)
  }
  syncDirectory(path: string): void {
    this.#fs.syncDirectory(path)
  }
  lock(path: string): DirectoryLock | undefined {
    return this.#fs.lock(path)
  }
}

class OwnedFile implements File {
  readonly path: string
  readonly #file: File
  readonly #onClose: () => void

  constructor(file: File, onClose: () => void) {
    this.path = file.path
    this.#file = file
    this.#onClose = onClose
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
    return this.#file.write(source, sourcePosition, length, position)
  }
  writeVector(sources: Uint8Array[], position: number): number {
    return this.#file.writeVector(sources, position)
  }
  sync(): void {
    this.#file.sync()
  }
  truncate(sizeBytes: number): void {
    this.#file.truncate(sizeBytes)
  }
  map(position: number, length: number): FileMap | undefined {
    return this.#file.map(position, length)
  }
  close(): void {
    this.#onClose()
    this.#file.close()
  }
}
