/**
 * MonitoredFs: the file system as a shard uses it, telling the supervisor while a call may block.
 *
 * A shard that is silent because the disk is slow must not be taken for one that hangs: a second owner could then not
 * be started anyway (the first is inside a write), and its memory would be lost for nothing. So each call that may wait
 * for the disk runs with the activity word at IN_SYSTEM_CALL, and beats when it returns: a recovery that reads for
 * seconds is between two calls when the supervisor happens to look. Calls are per write, not per record.
 */
import type { DirectoryLock, File, FileMap, FileStat, Fs, OpenMode, VolumeSize } from '../base/env/env.ts'
import { Activity, type Watermarks } from '../ring/watermarks.ts'

export class MonitoredFs implements Fs {
  readonly #fs: Fs
  readonly #watermarks: Watermarks

  constructor(fs: Fs, watermarks: Watermarks) {
    this.#fs = fs
    this.#watermarks = watermarks
  }

  open(path: string, mode: OpenMode): File {
    return new MonitoredFile(
      this.#during(() => this.#fs.open(path, mode)),
      this.#watermarks,
    )
  }
  stat(path: string): FileStat | undefined {
    return this.#during(() => this.#fs.stat(path))
  }
  volume(path: string): VolumeSize | undefined {
    return this.#during(() => this.#fs.volume(path))
  }
  list(path: string): string[] {
    return this.#during(() => this.#fs.list(path))
  }
  makeDirectory(path: string): void {
    this.#during(() => this.#fs.makeDirectory(path))
  }
  removeDirectory(path: string): void {
    this.#during(() => this.#fs.removeDirectory(path))
  }
  rename(from: string, to: string): void {
    this.#during(() => this.#fs.rename(from, to))
  }
  unlink(path: string): void {
    this.#during(() => this.#fs.unlink(path))
  }
  syncDescriptor(fd: number): void {
    this.#during(() => this.#fs.syncDescriptor(fd))
  }
  syncDirectory(path: string): void {
    this.#during(() => this.#fs.syncDirectory(path))
  }
  lock(path: string): DirectoryLock | undefined {
    return this.#during(() => this.#fs.lock(path))
  }

  #during<T>(call: () => T): T {
    return during(this.#watermarks, call)
  }
}

class MonitoredFile implements File {
  readonly #file: File
  readonly #watermarks: Watermarks

  constructor(file: File, watermarks: Watermarks) {
    this.#file = file
    this.#watermarks = watermarks
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
    return during(this.#watermarks, () => this.#file.read(target, targetPosition, length, position))
  }
  write(source: Uint8Array, sourcePosition: number, length: number, position: number): number {
    return during(this.#watermarks, () => this.#file.write(source, sourcePosition, length, position))
  }
  writeVector(sources: Uint8Array[], position: number): number {
    return during(this.#watermarks, () => this.#file.writeVector(sources, position))
  }
  sync(): void {
    during(this.#watermarks, () => this.#file.sync())
  }
  truncate(sizeBytes: number): void {
    during(this.#watermarks, () => this.#file.truncate(sizeBytes))
  }
  map(position: number, length: number): FileMap | undefined {
    return this.#file.map(position, length)
  }
  close(): void {
    this.#file.close()
  }
}

function during<T>(watermarks: Watermarks, call: () => T): T {
  watermarks.setActivity(Activity.IN_SYSTEM_CALL)
  try {
    return call()
  } finally {
    watermarks.beat() // First: a supervisor that sees RUNNING sees this beat as well.
    watermarks.setActivity(Activity.RUNNING)
  }
}
