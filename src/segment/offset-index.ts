/**
 * OffsetIndex: a segment's `.index` file, from offsets to places in the `.log`. Sparse: about one entry per
 * index.interval.bytes. Owned by the partition's shard; other threads read the file by lookupInFile.
 *
 *  byte  size  field           notes
 *  ----  ----  --------------  ------------------------------------------
 *     0     4  relativeOffset  last offset of a batch, minus the base offset
 *     4     4  position        where that batch starts in the .log, in bytes
 *
 * Big-endian, 8 bytes an entry, both fields strictly increasing, never all zeros. There is no checksum: a damaged entry
 * that still fits between its neighbours cannot be told from a good one here, so readers check the batch they find at a
 * position.
 */
import { assert } from '../base/assert.ts'
import { findLastInFile, IndexFile, withFileIfPresent, type IndexFileMode } from './index-file.ts'
import type { File, Fs } from '../base/env/env.ts'

export const OFFSET_INDEX_ENTRY_BYTES = 8

const RELATIVE_OFFSET = 0
const POSITION = 4
const INT32_MAX = 0x7fff_ffff

export interface OffsetIndexEntry {
  readonly offset: number
  readonly position: number
}

export class OffsetIndex {
  readonly baseOffset: number
  readonly entryCountMax: number
  readonly #entries: IndexFile

  private constructor(entries: IndexFile, baseOffset: number, entryCountMax: number) {
    this.#entries = entries
    this.baseOffset = baseOffset
    this.entryCountMax = entryCountMax
  }

  /** Opens the file, or creates an empty one. Throws StorageError. Ask sanityCheck() before the first use. */
  static open(fs: Fs, path: string, baseOffset: number, entryCountMax: number): OffsetIndex {
    return new OffsetIndex(openEntries(fs, path, 'writable'), baseOffset, entryCountMax)
  }

  /** For tools: the file must exist and is not changed, not even trimmed. */
  static openReadOnly(fs: Fs, path: string, baseOffset: number): OffsetIndex {
    return new OffsetIndex(openEntries(fs, path, 'read-only'), baseOffset, 0)
  }

  /** Why the file is corrupt, or undefined. A corrupt index must be reset() and filled anew from the `.log`. */
  sanityCheck(): string | undefined {
    return this.#entries.fault
  }

  get path(): string {
    return this.#entries.path
  }

  get file(): File | undefined {
    return this.#entries.file
  }

  get entryCount(): number {
    return this.#entries.entryCount
  }

  get sizeBytes(): number {
    return this.#entries.entryCount * OFFSET_INDEX_ENTRY_BYTES
  }

  get isFull(): boolean {
    return this.#entries.entryCount >= this.entryCountMax
  }

  /** The base offset when there is no entry. */
  get lastOffset(): number {
    const count = this.#entries.entryCount
    return count === 0 ? this.baseOffset : this.baseOffset + this.#relativeOffsetAt(count - 1)
  }

  /** 0 when there is no entry. */
  get lastPosition(): number {
    const count = this.#entries.entryCount
    return count === 0 ? 0 : this.#positionAt(count - 1)
  }

  entryAt(entryIndex: number): OffsetIndexEntry {
    assert(entryIndex >= 0 && entryIndex < this.entryCount, 'offset index entry exists')
    return { offset: this.baseOffset + this.#relativeOffsetAt(entryIndex), position: this.#positionAt(entryIndex) }
  }

  /** The file may lag by 63 entries until writeBuffered(). Throws StorageError. */
  append(offset: number, position: number): void {
    const relativeOffset = offset - this.baseOffset
    assert(!this.isFull, 'offset index has room')
    assert(relativeOffset >= 0 && relativeOffset <= INT32_MAX, 'indexed offset fits the segment')
    assert(position >= 0 && position <= INT32_MAX, 'indexed position fits the segment')
    assert(relativeOffset > 0 || position > 0, 'an index entry is not all zeros')
    assert(this.entryCount === 0 || offset > this.lastOffset, 'indexed offsets increase')
    assert(this.entryCount === 0 || position > this.lastPosition, 'indexed positions increase')
    const place = this.#entries.claimEntry()
    this.#entries.view.setInt32(place + RELATIVE_OFFSET, relativeOffset)
    this.#entries.view.setInt32(place + POSITION, position)
    this.#entries.entryAdded()
  }

  /**
   * Where to start reading for `offset`: position of the last entry at or before it, 0 when there is none. Throws
   * StorageError.
   */
  lookup(offset: number): number {
    const after = this.#firstEntryFrom(offset + 1)
    return after === 0 ? 0 : this.#positionAt(after - 1)
  }

  /** Drops the entries of `offset` and beyond. Throws StorageError. */
  truncateTo(offset: number): void {
    this.#entries.truncateToCount(this.#firstEntryFrom(offset))
  }

  reset(): void {
    this.#entries.reset()
  }

  writeBuffered(): void {
    this.#entries.writeBuffered()
  }

  sync(): void {
    this.#entries.sync()
  }

  trim(): void {
    this.#entries.trim()
  }

  close(): void {
    this.#entries.close()
  }

  /** Closes without another write: after a storage error, or before the file is removed. */
  abandon(): void {
    this.#entries.abandon()
  }

  /** Number of the first entry whose offset is `offset` or more; entryCount if there is none. */
  #firstEntryFrom(offset: number): number {
    const relativeOffset = offset - this.baseOffset
    let low = 0
    let high = this.#entries.entryCount
    // Most lookups are for the end of the log.
    if (high === 0 || this.#relativeOffsetAt(high - 1) < relativeOffset) return high
    const { firstKept } = this.#entries
    if (firstKept < high && this.#relativeOffsetAt(firstKept) < relativeOffset) low = firstKept
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#relativeOffsetAt(middle) < relativeOffset) low = middle + 1
      else high = middle
    }
    return low
  }

  #relativeOffsetAt(entryIndex: number): number {
    const place = this.#entries.locate(entryIndex)
    return this.#entries.view.getInt32(place + RELATIVE_OFFSET)
  }

  #positionAt(entryIndex: number): number {
    const place = this.#entries.locate(entryIndex)
    return this.#entries.view.getInt32(place + POSITION)
  }
}

/**
 * As OffsetIndex.lookup, for threads that do not own the index. A file that is missing, behind or still growing gives a
 * lower position, 0 at worst; so does one that ends in zeros or garbage. With garbage inside, the position may be no
 * batch's start. Throws StorageError on a failing disk only.
 */
export function lookupInFile(fs: Fs, path: string, baseOffset: number, offset: number): number {
  return withFileIfPresent(fs, path, (file) => lookupInOpenFile(file, baseOffset, offset)) ?? 0
}

/** As lookupInFile, for a reader that keeps the file open. */
export function lookupInOpenFile(file: File, baseOffset: number, offset: number): number {
  const target = offset - baseOffset
  const found = findLastInFile(file, OFFSET_INDEX_ENTRY_BYTES, (view, place) => {
    const relativeOffset = view.getInt32(place + RELATIVE_OFFSET)
    const position = view.getInt32(place + POSITION)
    if (relativeOffset < 0 || position < 0) return true
    return relativeOffset > target || (relativeOffset === 0 && position === 0) // Zeros: behind the last entry.
  })
  return found === undefined ? 0 : found.getInt32(POSITION)
}

function openEntries(fs: Fs, path: string, mode: IndexFileMode): IndexFile {
  return IndexFile.open(fs, path, OFFSET_INDEX_ENTRY_BYTES, mode, checkEntry)
}

function checkEntry(view: DataView, place: number, entryIndex: number): string | undefined {
  const relativeOffset = view.getInt32(place + RELATIVE_OFFSET)
  const position = view.getInt32(place + POSITION)
  if (relativeOffset < 0) return `relativeOffset=${relativeOffset} is below the base offset`
  if (position < 0) return `position=${position} is negative`
  // As an entry it would say nothing, so it is a hole or space that the file was extended by.
  if (relativeOffset === 0 && position === 0) return 'it is all zeros'
  if (entryIndex === 0) return undefined
  const before = place - OFFSET_INDEX_ENTRY_BYTES
  const offsetBefore = view.getInt32(before + RELATIVE_OFFSET)
  const positionBefore = view.getInt32(before + POSITION)
  if (relativeOffset > offsetBefore && position > positionBefore) return undefined
  return (
    `relativeOffset=${relativeOffset} position=${position} does not come after ` +
    `relativeOffset=${offsetBefore} position=${positionBefore}`
  )
}
