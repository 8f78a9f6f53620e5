/**
 * Env: everything the engine takes from the outside world, passed to every constructor that needs it.
 *
 * Two implementations: RealEnv (real-env.ts) over Node, and the simulator's (sim-fs.ts and test/sim). A lint rule bans
 * the globals (Date, setTimeout, Math.random, node:fs, worker_threads, ...) outside this folder, so one seed decides a
 * whole run of the engine in the simulator.
 */

/** Wall time for records and retention, monotonic time for everything that waits. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number
  /** Milliseconds from an arbitrary start, with fractions; never goes back. */
  monotonicMs(): number
}

/** Timers for threads with an event loop. A pending timer does not keep the process alive. */
export interface Timers {
  /** Calls back once after `delayMs` of monotonic time, unless cancelled before. */
  after(delayMs: number, callback: () => void): { cancel(): void }
}

export interface FileStat {
  readonly sizeBytes: number
  readonly mtimeMs: number
  readonly isDirectory: boolean
}

/** Of a file system; `usableBytes` is what this process may still write. */
export interface VolumeSize {
  readonly totalBytes: number
  readonly usableBytes: number
}

/**
 * `read`: must exist, read only. `write`: must exist, read and write. `create`: must not exist, read and write.
 * `replace`: created or truncated to nothing, read and write.
 */
export type OpenMode = 'read' | 'write' | 'create' | 'replace'

/** A read-only window of a file in memory. */
export interface FileMap {
  /** Length 0 once closed. Bytes past the end of the file read as zeros. */
  readonly bytes: Uint8Array
  close(): void
}

/**
 * An open file: an owned object. After close() every call is an assertion failure, so a recycled descriptor number is
 * never used by mistake. All calls block the calling thread. Errors are Node's system errors (`code: 'ENOSPC'`, ...).
 */
export interface File {
  readonly path: string
  /** The descriptor number, only for the flusher thread, which syncs while the owner keeps the file open. */
  readonly fd: number
  sizeBytes(): number
  /** Reads up to `length` bytes; returns how many, 0 at the end of the file. */
  read(target: Uint8Array, targetPosition: number, length: number, position: number): number
  /** Writes up to `length` bytes; returns how many (fewer on a full disk). See writeFully in file-io.ts. */
  write(source: Uint8Array, sourcePosition: number, length: number, position: number): number
  /** As write, for many pieces in one system call. At most 1,024 pieces. */
  writeVector(sources: Uint8Array[], position: number): number
  /** fdatasync. Never called again after it failed. */
  sync(): void
  truncate(sizeBytes: number): void
  /** Maps [position, position + length), `position` a multiple of 64 KiB; undefined where there is no mmap. */
  map(position: number, length: number): FileMap | undefined
  close(): void
}

/** Held until release() or the end of the process, whichever comes first (kill -9 included). */
export interface DirectoryLock {
  release(): void
}

/** The file system, synchronous: it is called on shard, dispatcher and pool threads, which may block on the disk. */
export interface Fs {
  open(path: string, mode: OpenMode): File
  /** Undefined if nothing is there. */
  stat(path: string): FileStat | undefined
  /** Of the file system that holds `path`; undefined where nobody knows. */
  volume(path: string): VolumeSize | undefined
  /** Names in a directory, sorted by code unit. */
  list(path: string): string[]
  /** Creates one directory (mode 0700); its parent must exist. */
  makeDirectory(path: string): void
  /** Removes an empty directory. */
  removeDirectory(path: string): void
  rename(from: string, to: string): void
  unlink(path: string): void
  /** fdatasync by descriptor number, for the flusher thread, while the file's owner keeps it open. */
  syncDescriptor(fd: number): void
  /** fsync of a directory: makes creations, renames and removals in it durable. */
  syncDirectory(path: string): void
  /** Exclusive lock on a lock file, created if missing; undefined if another holder has it. */
  lock(path: string): DirectoryLock | undefined
}

/** Cryptographically strong in RealEnv, seeded in the simulator. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  fill(bytes: Uint8Array): void
}

/**
 * Names a place in the code where tests kill the process, throw, or pause. In production it does nothing unless the
 * environment variable VLTAVA_FAILPOINTS names it (see failpoints.ts).
 */
export type Failpoint = (name: string) => void

export interface Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly fs: Fs
  readonly random: Random
  readonly failpoint: Failpoint
}
