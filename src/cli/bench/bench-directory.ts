/**
 * BenchDirectory: where a bench keeps its log: the directory it was given, or one of its own on a real disk, removed
 * afterwards.
 *
 * The system's temporary directory is often memory (tmpfs), where an fdatasync costs nothing and a page cache rate is
 * no disk's: then the working directory is used instead.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { CommandFailed } from '../command.ts'

/** statfs(2)'s f_type. */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x0102_1994, 'tmpfs'],
  [0x8584_58f6, 'ramfs'],
  [0xef53, 'ext4'],
  [0x5846_5342, 'xfs'],
  [0x9123_683e, 'btrfs'],
  [0x794c_7630, 'overlayfs'],
  [0x2fc1_2fc1, 'zfs'],
  [0x1a, 'apfs'],
])
const IN_MEMORY = new Set(['tmpfs', 'ramfs'])

export class BenchDirectory {
  readonly path: string
  /** As statfs names it, or its number. */
  readonly fileSystem: string
  readonly #isOwn: boolean

  private constructor(path: string, isOwn: boolean) {
    this.path = path
    this.fileSystem = fileSystemOf(path)
    this.#isOwn = isOwn
  }

  /** `data`: the directory to use; undefined: one of its own. */
  static create(data: string | undefined): BenchDirectory {
    if (data !== undefined) {
      const path = resolve(data)
      mkdirSync(path, { recursive: true, mode: 0o700 })
      return new BenchDirectory(path, false)
    }
    const parent = [tmpdir(), '.'].find((path) => existsSync(path) && !IN_MEMORY.has(fileSystemOf(path)))
    if (parent === undefined) {
      throw new CommandFailed('both the temporary and the working directory are in memory: name a disk with --data DIR')
    }
    return new BenchDirectory(mkdtempSync(join(resolve(parent), 'vltava-bench-')), true)
  }

  /** Whether it was given and will stay. */
  get isKept(): boolean {
    return !this.#isOwn
  }

  remove(): void {
    if (this.#isOwn) rmSync(this.path, { recursive: true, force: true })
  }
}

function fileSystemOf(path: string): string {
  const { type } = statfsSync(path)
  return FILE_SYSTEMS.get(type) ?? `0x${type.toString(16)}`
}
