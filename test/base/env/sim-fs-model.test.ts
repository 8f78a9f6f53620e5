/**
 * Without power cuts and faults, SimFs must be indistinguishable from the real file system: the same random calls on
 * both give the same results and the same errors.
 */
import * as node from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSimEnv } from '../../../src/base/env/sim-env.ts'
import type { File, FileMap, Fs, OpenMode } from '../../../src/base/env/env.ts'
import { SeededRandom } from '../../../src/base/random.ts'
import { testSeed } from '../../random.ts'

const SEED = testSeed()
const RUNS = 40
const STEPS = 400

let root = ''
beforeAll(() => {
  root = node.mkdtempSync(join(tmpdir(), 'vltava-sim-fs-'))
})
afterAll(() => {
  node.rmSync(root, { recursive: true })
})

/** Locks and descriptors have no counterpart in node:fs, the simulator no volume. */
type NamedFs = Omit<Fs, 'lock' | 'syncDescriptor' | 'volume'>

/** The least that lets node:fs stand beside SimFs. */
class NodeFs implements NamedFs {
  readonly #root: string

  constructor(directory: string) {
    this.#root = directory
  }

  open(path: string, mode: OpenMode): File {
    const flags = { read: 'r', write: 'r+', create: 'wx+', replace: 'w+' }[mode]
    const fd = node.openSync(this.#root + path, flags)
    // Linux opens directories for reading; Fs says EISDIR, as for the other modes.
    if (node.fstatSync(fd).isDirectory()) {
      node.closeSync(fd)
      const message = `EISDIR: illegal operation on a directory, open '${this.#root + path}'`
      throw Object.assign(new Error(message), { code: 'EISDIR' })
    }
    return new NodeFile(path, fd)
  }

  stat(path: string): { sizeBytes: number; mtimeMs: number; isDirectory: boolean } | undefined {
    try {
      const stat = node.statSync(this.#root + path)
      return { sizeBytes: stat.isDirectory() ? 4096 : stat.size, mtimeMs: 0, isDirectory: stat.isDirectory() }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  list(path: string): string[] {
    return node.readdirSync(this.#root + path).sort()
  }

  makeDirectory(path: string): void {
    node.mkdirSync(this.#root + path)
  }

  removeDirectory(path: string): void {
    node.rmdirSync(this.#root + path)
  }

  rename(from: string, to: string): void {
    node.renameSync(this.#root + from, this.#root + to)
  }

  unlink(path: string): void {
    try {
      node.unlinkSync(this.#root + path)
    } catch (error) {
      if (codeOf(error) !== 'EPERM') throw error
      const message = `EISDIR: illegal operation on a directory, unlink '${this.#root + path}'` // macOS says EPERM.
      throw Object.assign(new Error(message), { code: 'EISDIR' })
    }
  }

  syncDirectory(path: string): void {
    const fd = node.openSync(this.#root + path, node.constants.O_RDONLY | node.constants.O_DIRECTORY)
    node.closeSync(fd) // The sync itself would only take time.
  }
}

class NodeFile implements File {
  readonly path: string
  readonly fd: number

  constructor(path: string, fd: number) {
    this.path = path
    this.fd = fd
  }

  sizeBytes(): number {
    return node.fstatSync(this.fd).size
  }

  read(target: Uint8Array, targetPosition: number, length: number, position: number): number {
    return node.readSync(this.fd, target, targetPosition, length, position)
  }

  write(source: Uint8Array, sourcePosition: number, length: number, position: number): number {
    return node.writeSync(this.fd, source, sourcePosition, length, position)
  }

  writeVector(sources: Uint8Array[], position: number): number {
    return node.writevSync(this.fd, sources, position)
  }

  sync(): void {}

  truncate(sizeBytes: number): void {
    node.ftruncateSync(this.fd, sizeBytes)
  }

  map(): FileMap | undefined {
    return undefined
  }

  close(): void {
    node.closeSync(this.fd)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** What a call gave, in a form that compares. Node's messages about open files name no path: only codes compare. */
function outcome(call: () => unknown, byPath: boolean, realRoot: string): unknown {
  try {
    return call()
  } catch (error) {
    if (codeOf(error) === '' || !(error instanceof Error)) throw error
    return byPath ? error.message.replaceAll(realRoot, '') : codeOf(error)
  }
}

const MODES: OpenMode[] = ['read', 'write', 'create', 'replace', 'create', 'replace']

/** One side of the comparison: a file system and the files open on it, in the same slots on both sides. */
interface Side {
  readonly fs: NamedFs
  readonly files: (File | undefined)[]
}

/** Draws one step; the function returned does it on either side. */
function drawStep(random: SeededRandom): { name: string; run: (side: Side) => unknown } {
  const drawPath = (): string => {
    let path = ''
    for (let depth = random.below(4); depth >= 0; depth--) path += `/${random.pick(['a', 'b', 'c'])}`
    return path
  }
  const path = drawPath()
  const other = drawPath()
  const mode = random.pick(MODES)
  const slot = random.below(6)
  const position = random.chance(0.5) ? random.below(300) : random.below(20_000)
  const length = random.chance(0.1) ? 0 : random.below(random.chance(0.2) ? 20_000 : 600)
  const bytes = new Uint8Array(length)
  random.fill(bytes)
  const cut = random.below(length + 1)
  const onFile = (use: (file: File) => unknown) => (side: Side) => {
    const file = side.files[slot]
    return file === undefined ? 'no file' : use(file)
  }
  const readWhole = (file: File): unknown => {
    const target = new Uint8Array(length + 8).fill(9)
    const count = file.read(target, 4, length, position)
    return [count, Buffer.from(target).toString('base64')]
  }
  const open = (side: Side): unknown => {
    const file = side.fs.open(path, mode)
    side.files[slot]?.close()
    side.files[slot] = file
    return file.path
  }
  const close = (side: Side): void => {
    side.files[slot]?.close()
    side.files[slot] = undefined
  }
  return random.pick([
    { name: `open ${path} ${mode}`, run: open },
    { name: `open ${path} ${mode}`, run: open },
    { name: `makeDirectory ${path}`, run: ({ fs }: Side) => fs.makeDirectory(path) },
    { name: `makeDirectory ${path}`, run: ({ fs }: Side) => fs.makeDirectory(path) },
    { name: `removeDirectory ${path}`, run: ({ fs }: Side) => fs.removeDirectory(path) },
    { name: `rename ${path} ${other}`, run: ({ fs }: Side) => fs.rename(path, other) },
    { name: `rename ${path} ${other}`, run: ({ fs }: Side) => fs.rename(path, other) },
    { name: `unlink ${path}`, run: ({ fs }: Side) => fs.unlink(path) },
    { name: `stat ${path}`, run: ({ fs }: Side) => ({ ...fs.stat(path), mtimeMs: 0 }) },
    { name: `list ${path}`, run: ({ fs }: Side) => fs.list(path) },
    { name: `syncDirectory ${path}`, run: ({ fs }: Side) => fs.syncDirectory(path) },
    { name: `read ${slot}`, run: onFile(readWhole) },
    { name: `write ${slot}`, run: onFile((file) => file.write(bytes, cut, length - cut, position)) },
    {
      name: `writeVector ${slot}`,
      run: onFile((file) => file.writeVector([bytes.subarray(0, cut), bytes.subarray(cut)], position)),
    },
    { name: `truncate ${slot}`, run: onFile((file) => file.truncate(position)) },
    { name: `size ${slot}`, run: onFile((file) => file.sizeBytes()) },
    { name: `sync ${slot}`, run: onFile((file) => file.sync()) },
    { name: `close ${slot}`, run: close },
  ])
}

/** Every path with what is there. */
function treeOf(fs: NamedFs, path = ''): Record<string, string> {
  const tree: Record<string, string> = {}
  for (const name of fs.list(path === '' ? '/' : path)) {
    const below = `${path}/${name}`
    if (fs.stat(below)?.isDirectory === true) {
      Object.assign(tree, { [below]: 'directory' }, treeOf(fs, below))
    } else {
      const file = fs.open(below, 'read')
      const bytes = new Uint8Array(file.sizeBytes())
      file.read(bytes, 0, bytes.length, 0)
      file.close()
      tree[below] = Buffer.from(bytes).toString('base64')
    }
  }
  return tree
}

it(`gives the results and errors of the real file system for the same random calls (SEED=${SEED})`, () => {
  const seen = new Map<string, number>()
  for (let run = 0; run < RUNS; run++) {
    const seed = SEED + run
    const random = new SeededRandom(seed)
    const realRoot = join(root, String(run))
    node.mkdirSync(realRoot)
    const sim: Side = { fs: createSimEnv(seed).fs, files: [] }
    const real: Side = { fs: new NodeFs(realRoot), files: [] }
    for (let step = 0; step < STEPS; step++) {
      const { name, run: call } = drawStep(random)
      const byPath = name.includes(' /')
      const expected = outcome(() => call(real), byPath, realRoot)
      expect(
        outcome(() => call(sim), byPath, realRoot),
        `SEED=${seed} step ${step}: ${name}`,
      ).toEqual(expected)
      const kind = `${name.split(' ')[0]} ${/^E[A-Z]+/.exec(String(expected))?.[0] ?? 'ok'}`
      seen.set(kind, (seen.get(kind) ?? 0) + 1)
    }
    expect(treeOf(sim.fs), `SEED=${seed} at the end`).toEqual(treeOf(real.fs))
    for (const file of real.files) file?.close()
  }
  // The comparison is worth something only if the calls reach their many outcomes.
  const wanted = [
    'open EEXIST',
    'open EISDIR',
    'open ENOENT',
    'open ENOTDIR',
    'open ok',
    'rename EINVAL',
    'rename EISDIR',
  ]
  wanted.push('rename ENOENT', 'rename ENOTDIR', 'rename ENOTEMPTY', 'rename ok', 'removeDirectory ENOTEMPTY')
  wanted.push(
    'removeDirectory ok',
    'unlink EISDIR',
    'unlink ok',
    'truncate EINVAL',
    'write EBADF',
    'write ok',
    'read ok',
  )
  for (const kind of wanted) expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(0)
})
