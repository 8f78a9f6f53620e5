/**
 * The nodes of the simulated disk: directories and files, apart from the names that lead to them. An id is never used
 * again.
 */
import type { FileImage } from './sim-file-image.ts'

export class SimDirectory {
  readonly isDirectory = true
  readonly id: number
  entries = new Map<string, SimInode>()
  durableEntries = new Map<string, SimInode>()
  mtimeMs: number

  constructor(id: number, nowMs: number) {
    this.id = id
    this.mtimeMs = nowMs
  }
}

export class SimFileInode {
  readonly isDirectory = false
  readonly id: number
  readonly image: FileImage
  openCount = 0
  /** Whether a directory entry leads here; an open file lives on without. */
  linked = false

  constructor(id: number, image: FileImage) {
    this.id = id
    this.image = image
  }
}

export type SimInode = SimDirectory | SimFileInode
