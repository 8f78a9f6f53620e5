/**
 * SimTree: the directories and files of the simulated disk, with the entries that are durable beside those that the
 * process sees. What makes an entry durable: see sim-directory-changes.ts. The content of files: see
 * sim-file-image.ts.
 *
 * No path has a meaning of its own: '/', 'a' and './a/' start at the root, and '..' is refused.
 */
import { assert } from '../assert.ts'
import type { Random } from './env.ts'
import { drawFileDamage, drawSurvivors, type CrashOptions } from './sim-crash.ts'
import { isUndecided, makeDirectoryChange, settle, waitFor } from './sim-directory-changes.ts'
import type { DirectoryChange, EntryContext, EntryEdit } from './sim-directory-changes.ts'
import type { Errno, SimSystemError } from './sim-error.ts'
import { FileImage } from './sim-file-image.ts'
import { SimDirectory, SimFileInode, type SimInode } from './sim-inode.ts'

const NAME_BYTES_MAX = 255

/** Where a path leads. */
export interface Place {
  /** The directories passed, the root first and the parent of `name` last. */
  readonly above: readonly SimDirectory[]
  readonly parent: SimDirectory
  /** '' for the root. */
  readonly name: string
  readonly node: SimInode | undefined
}

/** A change that a power cut may keep or lose. `index`: see CrashOptions.survives. */
export interface UnsyncedChange {
  readonly index: number
  readonly kind: 'entry' | 'write' | 'truncate'
  /** The entry's name and directory id, or the file's id: paths may not exist any more. */
  readonly what: string
}

export class SimTree {
  #root: SimDirectory
  #nextId = 2
  #changes: DirectoryChange[] = []

  constructor(nowMs: number) {
    this.#root = new SimDirectory(1, nowMs)
  }

  /** Throws what `fail` makes of ENOENT or ENOTDIR where the way to the last name is not made of directories. */
  find(path: string, fail: (code: Errno) => SimSystemError): Place {
    const names = path.split('/').filter((name) => name !== '' && name !== '.')
    const name = names.pop() ?? ''
    let parent = this.#root
    const above = [parent]
    for (const step of names) {
      const next = parent.entries.get(checkName(step, fail))
      if (next === undefined) throw fail('ENOENT')
      if (!next.isDirectory) throw fail('ENOTDIR')
      parent = next
      above.push(parent)
    }
    const node = name === '' ? parent : parent.entries.get(checkName(name, fail))
    return { above, parent, name, node }
  }

  createFile(place: Place, nowMs: number): SimFileInode {
    const file = new SimFileInode(this.#nextId++, new FileImage(nowMs))
    file.linked = true
    this.#commit([{ directory: place.parent, name: place.name, node: file }], nowMs, { above: place.above })
    return file
  }

  createDirectory(place: Place, nowMs: number): void {
    const directory = new SimDirectory(this.#nextId++, nowMs)
    const edit = { directory: place.parent, name: place.name, node: directory }
    this.#commit([edit], nowMs, { above: place.above, made: directory })
  }

  /** The caller has checked that a directory is empty. */
  remove(place: Place, nowMs: number): void {
    const removed = place.node?.isDirectory === true ? place.node : undefined
    const edit = { directory: place.parent, name: place.name, node: undefined }
    this.#commit([edit], nowMs, { above: place.above, removed })
    if (place.node?.isDirectory === false) place.node.linked = false
  }

  /** The caller has checked what rename(2) checks. */
  move(from: Place, to: Place, nowMs: number): void {
    assert(from.node !== undefined && from.node !== to.node, 'a rename has a source, and another target')
    const edits = [
      { directory: from.parent, name: from.name, node: undefined },
      { directory: to.parent, name: to.name, node: from.node },
    ]
    this.#commit(edits, nowMs, {
      above: new Set([...from.above, ...to.above]),
      moved: from.node.isDirectory ? from.node : undefined,
      removed: to.node?.isDirectory === true ? to.node : undefined,
    })
    if (to.node?.isDirectory === false) to.node.linked = false
  }

  syncDirectory(directory: SimDirectory): void {
    for (const change of this.#changes) if (!change.lost) change.unsynced.delete(directory)
    this.#changes = settle(this.#changes, (change) => !change.lost && change.unsynced.size === 0)
  }

  /** A sync of the directory that failed: its changes so far never become durable, as with files. */
  loseUnsynced(directory: SimDirectory): void {
    for (const change of this.#changes) if (change.unsynced.has(directory)) change.lost = true
  }

  /** In the order of indexes that CrashOptions.survives is asked about. */
  unsyncedChanges(): UnsyncedChange[] {
    const found: UnsyncedChange[] = []
    for (const change of this.#changes) {
      if (!isUndecided(change)) continue
      const what = change.edits.map((edit) => `${edit.node === undefined ? '-' : '+'}${edit.directory.id}/${edit.name}`)
      found.push({ index: found.length, kind: 'entry', what: what.join(' ') })
    }
    for (const file of this.#files()) {
      for (const { kind } of file.image.unsynced) found.push({ index: found.length, kind, what: `file ${file.id}` })
    }
    return found
  }

  cutPower(random: Random, options: CrashOptions): void {
    const { survives } = options
    const files = this.#files()
    const undecided = this.#changes.filter(isUndecided)
    let asked = 0
    const draw = (count: number, wanted: CrashOptions['files']): boolean[] => {
      const drawn = drawSurvivors(random, count, wanted)
      const answers = survives === undefined ? drawn : drawn.map((_, index) => survives(asked + index))
      asked += count
      return answers
    }

    const entries = draw(undecided.length, options.directories)
    const kept = new Set(undecided.filter((_, index) => entries[index]))
    settle(this.#changes, (change) => kept.has(change) || (!change.lost && change.unsynced.size === 0))
    this.#changes = []
    for (const { image } of files) {
      image.cutPower(random, draw(image.unsynced.length, options.files), drawFileDamage(random, options))
    }
    for (const { node } of this.#walk('durableEntries')) {
      if (node.isDirectory) node.entries = new Map(node.durableEntries)
    }
    for (const file of files) file.linked = false
    for (const { node } of this.#walk('entries')) if (!node.isDirectory) node.linked = true
    for (const file of files) file.openCount = 0
  }

  /** Every file that a process sees by name. */
  linkedFiles(): SimFileInode[] {
    const found: SimFileInode[] = []
    for (const { node } of this.#walk('entries')) if (!node.isDirectory) found.push(node)
    return found
  }

  /** The same disk; nothing in it is open. */
  clone(): SimTree {
    const copies = new Map<SimInode, SimInode>()
    const copyDirectory = (directory: SimDirectory): SimDirectory => {
      const known = copies.get(directory)
      if (known?.isDirectory === true) return known
      const copy = new SimDirectory(directory.id, directory.mtimeMs)
      copies.set(directory, copy)
      for (const [name, node] of directory.entries) copy.entries.set(name, copyNode(node))
      for (const [name, node] of directory.durableEntries) copy.durableEntries.set(name, copyNode(node))
      return copy
    }
    const copyNode = (node: SimInode): SimInode => {
      const known = copies.get(node)
      if (known !== undefined) return known
      if (node.isDirectory) return copyDirectory(node)
      const copy = new SimFileInode(node.id, node.image.clone())
      copy.linked = node.linked
      copies.set(node, copy)
      return copy
    }
    const copyEdit = (edit: EntryEdit): EntryEdit => ({
      directory: copyDirectory(edit.directory),
      name: edit.name,
      node: edit.node === undefined ? undefined : copyNode(edit.node),
    })

    const tree = new SimTree(this.#root.mtimeMs)
    tree.#root = copyDirectory(this.#root)
    tree.#nextId = this.#nextId
    tree.#changes = this.#changes.map((change) => ({
      edits: change.edits.map(copyEdit),
      marks: change.marks,
      needs: change.needs,
      unsynced: new Set([...change.unsynced].map(copyDirectory)),
      lost: change.lost,
    }))
    return tree
  }

  /** One line for each directory and file that the process sees, sorted by path. */
  dump(): string {
    const lines: string[] = []
    for (const { path, node } of this.#walk('entries')) {
      lines.push(node.isDirectory ? `${path}/` : `${path} ${node.image.sizeBytes} ${node.image.hash()}`)
    }
    return lines.sort().join('\n')
  }

  #commit(edits: readonly EntryEdit[], nowMs: number, context: EntryContext): void {
    for (const { directory, name, node } of edits) {
      if (node === undefined) directory.entries.delete(name)
      else directory.entries.set(name, node)
      directory.mtimeMs = nowMs
    }
    if (context.removed !== undefined) waitFor(this.#changes, context.removed, edits.at(-1)!.directory)
    this.#changes.push(makeDirectoryChange(edits, context))
  }

  /** Every file with content that may still matter, oldest first. */
  #files(): SimFileInode[] {
    const found = new Set<SimFileInode>()
    const add = (node: SimInode | undefined): void => {
      if (node?.isDirectory === false) found.add(node)
    }
    for (const { node } of this.#walk('entries')) add(node)
    for (const { node } of this.#walk('durableEntries')) add(node)
    for (const change of this.#changes) for (const edit of change.edits) add(edit.node)
    return [...found].sort((one, other) => one.id - other.id)
  }

  /** The root, with '' for a path, and everything below it, in an order that only the history decides. */
  *#walk(which: 'entries' | 'durableEntries'): Generator<{ path: string; node: SimInode }> {
    const waiting: { path: string; node: SimInode }[] = [{ path: '', node: this.#root }]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      yield next
      if (!next.node.isDirectory) continue
      for (const [name, node] of next.node[which]) waiting.push({ path: `${next.path}/${name}`, node })
    }
  }
}

function checkName(name: string, fail: (code: Errno) => SimSystemError): string {
  assert(name !== '..', 'a simulated path does not go up')
  if (name.length > NAME_BYTES_MAX / 3 && Buffer.byteLength(name) > NAME_BYTES_MAX) {
    throw fail('ENAMETOOLONG')
  }
  return name
}
