/**
 * A file system in a Map: for tests of file formats, where only the bytes count. It records what was done to it, and
 * one call can be made to fail. Crashes and lost writes are the simulator's business.
 */
import type { DirectoryLock, File, FileMap, FileStat, Fs, OpenMode } from '../../src/base/env/env.ts'

export class MemoryFs implements Fs {
  readonly files = new Map<string, Uint8Array>()
  readonly directories = new Set<string>(['/d'])
  /** `write /d/x 8`, `sync /d/x`, `rename /d/x.tmp /d/x`, ... in order. */
  readonly calls: string[] = []
  openCount = 0
  /** The next call whose text begins with this throws a system error with this code. */
  failNext: { call: string; code: string } | undefined

  put(path: string, content: Uint8Array | string): void {
    this.files.set(path, typeof content === 'string' ? Buffer.from(content, 'latin1') : content.slice())
  }

  bytes(path: string): Uint8Array {
    const bytes = this.files.get(path)
    if (bytes === undefined) throw systemError('ENOENT', path)
    return bytes
  }

  text(path: string): string {
    return Buffer.from(this.bytes(path)).toString('latin1')
  }

  note(call: string): void {
    this.calls.push(call)
    const fail = this.failNext
    if (fail !== undefined && call.startsWith(fail.call)) {
      this.failNext = undefined
      throw systemError(fail.code, call)
    }
  }

  open(path: string, mode: OpenMode): File {
    this.note(`open ${path} ${mode}`)
    const exists = this.files.has(path)
    if (this.directories.has(path)) throw systemError('EISDIR', path)
    if (mode === 'create' && exists) throw systemError('EEXIST', path)
    if ((mode === 'read' || mode === 'write') && !exists) throw systemError('ENOENT', path)
    if (mode === 'create' || mode === 'replace') this.files.set(path, new Uint8Array(0))
    this.openCount += 1
    return new MemoryFile(this, path, mode)
  }

  stat(path: string): FileStat | undefined {
    const isDirectory = this.directories.has(path)
    const bytes = this.files.get(path)
    return bytes === undefined && !isDirectory ? undefined : { sizeBytes: bytes?.length ?? 0, mtimeMs: 0, isDirectory }
  }

  volume(): undefined {
    return undefined
  }

  list(path: string): string[] {
    const names = [...this.files.keys(), ...this.directories].filter((name) => name.startsWith(`${path}/`))
    return names.map((name) => name.slice(path.length + 1)).sort()
  }

  makeDirectory(path: string): void {
    this.directories.add(path)
  }

  removeDirectory(path: string): void {
    this.directories.delete(path)
  }

  rename(from: string, to: string): void {
    this.note(`rename ${from} ${to}`)
    this.files.set(to, this.bytes(from))
    this.files.delete(from)
  }

  unlink(path: string): void {
    this.note(`unlink ${path}`)
    if (!this.files.delete(path)) throw systemError('ENOENT', path)
  }

  syncDescriptor(): void {
    throw new Error('no descriptors here')
  }

  syncDirectory(path: string): void {
    this.note(`syncDirectory ${path}`)
  }

  lock(): DirectoryLock | undefined {
    throw new Error('no locks here')
  }
}

class MemoryFile implements File {
  readonly path: string
  readonly fd = -1
  readonly #fs: MemoryFs
  readonly #mode: OpenMode
  #isClosed = false

  constructor(fs: MemoryFs, path: string, mode: OpenMode) {
    this.#fs = fs
    this.path = path
    this.#mode = mode
  }

  sizeBytes(): number {
    this.#check()
    return this.#fs.bytes(this.path).length
  }

  read(target: Uint8Array, targetPosition: number, length: number, position: number): number {
    this.#check()
    this.#fs.note(`read ${this.path}`)
    const part = this.#fs.bytes(this.path).subarray(position, position + length)
    target.set(part, targetPosition)
    return part.length
  }

  write(source: Uint8Array, sourcePosition: number, length: number, position: number): number {
    this.#checkWritable()
    this.#fs.note(`write ${this.path} ${length}`)
    const before = this.#fs.bytes(this.path)
    const after = new Uint8Array(Math.max(before.length, position + length))
    after.set(before)
    after.set(source.subarray(sourcePosition, sourcePosition + length), position)
    this.#fs.files.set(this.path, after)
    return length
  }

  writeVector(): number {
    throw new Error('small files are written in one piece')
  }

  sync(): void {
    this.#check()
    this.#fs.note(`sync ${this.path}`)
  }

  truncate(sizeBytes: number): void {
    this.#checkWritable()
    this.#fs.note(`truncate ${this.path} ${sizeBytes}`)
    const after = new Uint8Array(sizeBytes)
    after.set(this.#fs.bytes(this.path).subarray(0, sizeBytes))
    this.#fs.files.set(this.path, after)
  }

  map(): FileMap | undefined {
    return undefined
  }

  close(): void {
    this.#check()
    this.#isClosed = true
    this.#fs.openCount -= 1
  }

  #check(): void {
    if (this.#isClosed) throw new Error(`${this.path} is closed`)
  }

  #checkWritable(): void {
    this.#check()
    if (this.#mode === 'read') throw systemError('EBADF', this.path)
  }
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}

/** A seeded generator: the seed is in every message of a failing property test, `SEED=... ` replays it. */
export function seededRandom(): { seed: number; next: () => number; below: (limit: number) => number } {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b_79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
  return { seed, next, below: (limit) => Math.floor(next() * limit) }
}

/** Every way to cut `bytes` short, and every single flipped bit. */
export function* damaged(bytes: Uint8Array): Generator<{ what: string; bytes: Uint8Array }> {
  for (let length = 0; length < bytes.length; length++) {
    yield { what: `cut to ${length} bytes`, bytes: bytes.slice(0, length) }
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice()
    flipped[bit >>> 3] = flipped[bit >>> 3]! ^ (1 << (bit & 7))
    yield { what: `bit ${bit & 7} of byte ${bit >>> 3} flipped`, bytes: flipped }
  }
}
