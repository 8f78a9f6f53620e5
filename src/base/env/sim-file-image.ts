/**
 * FileImage: what a simulated file holds, in the page cache and on the disk.
 *
 *  volatile   what every read shows; survives kill -9
 *  durable    as of the last successful sync; survives a power cut
 *  unsynced   the writes and truncations since then, oldest first; after a power cut any of them may be there
 *
 * Invariant: volatile = durable + unsynced, except where a failed sync dropped changes. Those are gone from `unsynced`
 * and never reach `durable`, while `volatile` goes on showing them: the kernel marks pages clean after a failed
 * write-back, and the next sync succeeds.
 *
 * A change goes to the disk by whole sectors of the page cache, so a surviving write carries along older changes that
 * share a sector with it, and a torn one leaves the sectors as they were before it.
 */
import { assert } from '../assert.ts'
import type { Random } from './env.ts'
import { SparseBytes } from './sim-bytes.ts'
import { drawSectors, SECTOR_BYTES, type FileDamage } from './sim-crash.ts'

interface Write {
  readonly kind: 'write'
  readonly position: number
  readonly bytes: Uint8Array
}

interface Truncate {
  readonly kind: 'truncate'
  readonly sizeBytes: number
}

/** Never changed once made: clones share them. */
export type FileChange = Write | Truncate

export class FileImage {
  #volatile = new SparseBytes()
  #durable = new SparseBytes()
  #unsynced: FileChange[] = []
  #mtimeMs: number
  #durableMtimeMs: number

  constructor(nowMs: number) {
    this.#mtimeMs = nowMs
    this.#durableMtimeMs = nowMs
  }

  get sizeBytes(): number {
    return this.#volatile.sizeBytes
  }

  get mtimeMs(): number {
    return this.#mtimeMs
  }

  /** Pages that the file takes up on the disk. */
  get pageCount(): number {
    return this.#volatile.pageCount
  }

  get unsynced(): readonly FileChange[] {
    return this.#unsynced
  }

  read(target: Uint8Array, targetPosition: number, length: number, position: number): number {
    return this.#volatile.read(target, targetPosition, length, position)
  }

  /** `bytes` belongs to the image from here on. */
  write(bytes: Uint8Array, position: number, nowMs: number): void {
    if (bytes.length > 0) this.#change({ kind: 'write', position, bytes }, nowMs)
  }

  truncate(sizeBytes: number, nowMs: number): void {
    this.#change({ kind: 'truncate', sizeBytes }, nowMs)
  }

  /** How many of `length` bytes at `position` could be written with `freePages` new pages. */
  writableBytes(position: number, length: number, freePages: number): number {
    return this.#volatile.writableBytes(position, length, freePages)
  }

  sync(): void {
    for (const change of this.#unsynced) apply(this.#durable, change)
    this.#unsynced = []
    this.#durableMtimeMs = this.#mtimeMs
  }

  /** A sync that failed: what it should have made durable is lost, and no later sync tries again. */
  loseUnsynced(): void {
    this.#unsynced = []
  }

  /** Reads what waits for no sync from the disk again: where a sync failed, that is older data, or zeros. */
  dropCache(): void {
    const sizeBytes = this.#volatile.sizeBytes
    this.#volatile = this.#durable.clone()
    for (const change of this.#unsynced) apply(this.#volatile, change)
    this.#volatile.truncate(sizeBytes)
  }

  /** The power is cut while the changes in `survives` have reached the disk. */
  cutPower(random: Random, survives: readonly boolean[], damage: FileDamage): void {
    assert(survives.length === this.#unsynced.length, 'a power cut decides about every un-synced change')
    if (this.#unsynced.length > 0) this.#durable = this.#survivor(random, survives, damage)
    this.#volatile = this.#durable.clone()
    this.#unsynced = []
    if (!survives.includes(true)) this.#mtimeMs = this.#durableMtimeMs
    this.#durableMtimeMs = this.#mtimeMs
  }

  clone(): FileImage {
    const copy = new FileImage(this.#mtimeMs)
    copy.#volatile = this.#volatile.clone()
    copy.#durable = this.#durable.clone()
    copy.#unsynced = this.#unsynced.slice()
    copy.#durableMtimeMs = this.#durableMtimeMs
    return copy
  }

  hash(): string {
    return this.#volatile.hash()
  }

  #change(change: FileChange, nowMs: number): void {
    apply(this.#volatile, change)
    this.#unsynced.push(change)
    this.#mtimeMs = nowMs
  }

  #survivor(random: Random, survives: readonly boolean[], damage: FileDamage): SparseBytes {
    const cache = this.#durable.clone()
    const disk = this.#durable.clone()
    if (damage.extension === 'garbage') fillGarbage(random, disk, this.#unsynced)
    // The size is kept by itself: garbage makes `disk` longer than the file says it is.
    let sizeBytes = this.#durable.sizeBytes
    let sizesSeen: number[] = []
    this.#unsynced.forEach((change, index) => {
      apply(cache, change)
      sizesSeen.push(cache.sizeBytes)
      if (!survives[index]) return
      if (change.kind === 'write') {
        sizeBytes = writeSectors(random, cache, disk, change, sizeBytes, damage.tear)
      } else {
        disk.truncate(change.sizeBytes)
        sizeBytes = change.sizeBytes
        sizesSeen = [] // Sizes are journalled in order: none from before this truncation comes back.
      }
    })
    if (damage.extension !== 'none' && sizesSeen.length > 0) {
      sizeBytes = Math.max(sizeBytes, sizesSeen[Math.floor(random.next() * sizesSeen.length)]!)
    }
    disk.truncate(sizeBytes)
    return disk
  }
}

function apply(content: SparseBytes, change: FileChange): void {
  if (change.kind === 'write') content.write(change.bytes, change.position)
  else content.truncate(change.sizeBytes)
}

/** Random bytes in all sectors that the file gains: what was on the disk before they were allocated. */
function fillGarbage(random: Random, disk: SparseBytes, changes: readonly FileChange[]): void {
  const gainedFrom = Math.ceil(disk.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES
  for (const change of changes) {
    if (change.kind !== 'write') continue
    const start = Math.max(gainedFrom, Math.floor(change.position / SECTOR_BYTES) * SECTOR_BYTES)
    const end = change.position + change.bytes.length
    if (start >= end) continue
    const garbage = new Uint8Array(end - start)
    random.fill(garbage)
    disk.write(garbage, start)
  }
}

/** Copies the sectors of one surviving write from the page cache to the disk; returns the file's new size. */
function writeSectors(
  random: Random,
  cache: SparseBytes,
  disk: SparseBytes,
  change: Write,
  sizeBytes: number,
  tear: boolean,
): number {
  const first = Math.floor(change.position / SECTOR_BYTES)
  const count = Math.ceil((change.position + change.bytes.length) / SECTOR_BYTES) - first
  const there = tear ? drawSectors(random, count) : undefined
  const limit = Math.max(cache.sizeBytes, sizeBytes)
  let size = sizeBytes
  for (let from = 0; from < count;) {
    let to = from
    while (to < count && (there === undefined || there[to] === true)) to++
    if (to > from) {
      const start = (first + from) * SECTOR_BYTES
      const end = Math.min((first + to) * SECTOR_BYTES, limit)
      const sectors = new Uint8Array(end - start) // Past the cache's end a sector holds zeros.
      cache.read(sectors, 0, sectors.length, start)
      disk.write(sectors, start)
      size = Math.max(size, Math.min(end, cache.sizeBytes))
    }
    from = to + 1
  }
  return size
}
