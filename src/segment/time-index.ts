/**
 * TimeIndex: a segment's `.timeindex` file, from timestamps to offsets. Sparse. Owned by the partition's shard; other
 * threads read the file by lookupTimestampInFile.
 *
 *  byte  size  field           notes
 *  ----  ----  --------------  ---------------------------------------------------------------
 *     0     8  timestamp       largest timestamp of the segment up to and with the offset, in ms
 *     8     4  relativeOffset  last offset of the batch that holds it, minus the base offset
 *
 * Big-endian, 12 bytes an entry, both fields strictly increasing, timestamps 0 or more. An entry says: every record up
 * to its offset has a timestamp at or below its timestamp, so a search for a later time may start behind it. Batches
 * whose timestamps go back add no entry. Full one entry early: the last place is kept for the entry that closes the
 * segment, which is appended with `skipFullCheck`.
 */
import { assert } from '../base/assert.ts'
import { getInt64, isSafeInt64, setInt64 } from '../base/int64.ts'
import { findLastInFile, IndexFile, withFileIfPresent, type IndexFileMode } from './index-file.ts'
import type { File, Fs } from '../base/env/env.ts'

export const TIME_INDEX_ENTRY_BYTES = 12

const TIMESTAMP = 0
const RELATIVE_OFFSET = 8
const INT32_MAX = 0x7fff_ffff
const NO_TIMESTAMP = -1

export interface TimestampOffset {
  /** Milliseconds since the Unix epoch, or -1: none. */
  readonly timestamp: number
  readonly offset: number
}

export class TimeIndex {
  readonly baseOffset: number
  readonly entryCountMax: number
  readonly #entries: IndexFile

  private constructor(entries: IndexFile, baseOffset: number, entryCountMax: number) {
    this.#entries = entries
    this.baseOffset = baseOffset
    this.entryCountMax = entryCountMax
  }

  /** Opens the file, or creates an empty one. Throws StorageError. Ask sanityCheck() before the first use. */
  static open(fs: Fs, path: string, baseOffset: number, entryCountMax: number): TimeIndex {
    return new TimeIndex(openEntries(fs, path, 'writable'), baseOffset, entryCountMax)
  }

  /** For tools: the file must exist and is not changed, not even trimmed. */
  static openReadOnly(fs: Fs, path: string, baseOffset: number): TimeIndex {
    return new TimeIndex(openEntries(fs, path, 'read-only'), baseOffset, 0)
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
    return this.#entries.entryCount * TIME_INDEX_ENTRY_BYTES
  }

  get isFull(): boolean {
    return this.#entries.entryCount >= this.entryCountMax - 1
  }

  /** { -1, base offset } when there is no entry. */
  get lastEntry(): TimestampOffset {
    const count = this.#entries.entryCount
    return count === 0 ? { timestamp: NO_TIMESTAMP, offset: this.baseOffset } : this.entryAt(count - 1)
  }

  get lastTimestamp(): number {
    const count = this.#entries.entryCount
    return count === 0 ? NO_TIMESTAMP : this.#timestampAt(count - 1)
  }

  entryAt(entryIndex: number): TimestampOffset {
    assert(entryIndex >= 0 && entryIndex < this.entryCount, 'time index entry exists')
    return { timestamp: this.#timestampAt(entryIndex), offset: this.baseOffset + this.#relativeOffsetAt(entryIndex) }
  }

  /**
   * Appends, unless `timestamp` is not above the last one or the last entry is of the same offset: then it says nothing
   * new (a closing entry usually does not). The file may lag by 63 entries until writeBuffered(). Throws StorageError.
   */
  append(timestamp: number, offset: number, skipFullCheck = false): void {
    const count = this.#entries.entryCount
    if (timestamp <= this.lastTimestamp) return
    const relativeOffset = offset - this.baseOffset
    const lastRelativeOffset = count === 0 ? -1 : this.#relativeOffsetAt(count - 1)
    if (count > 0 && relativeOffset === lastRelativeOffset) return
    assert(skipFullCheck || !this.isFull, 'time index has room')
    assert(relativeOffset > lastRelativeOffset, 'offsets in the time index increase')
    assert(relativeOffset >= 0 && relativeOffset <= INT32_MAX, 'indexed offset fits the segment')
    const place = this.#entries.claimEntry()
    setInt64(this.#entries.view, place + TIMESTAMP, timestamp)
    this.#entries.view.setInt32(place + RELATIVE_OFFSET, relativeOffset)
    this.#entries.entryAdded()
  }

  /**
   * The last entry at or before `timestamp`, or { -1, base offset }: where to start looking for a record of that time.
   */
  lookup(timestamp: number): TimestampOffset {
    let low = 0
    let high = this.#entries.entryCount
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#timestampAt(middle) <= timestamp) low = middle + 1
      else high = middle
    }
    return low === 0 ? { timestamp: NO_TIMESTAMP, offset: this.baseOffset } : this.entryAt(low - 1)
  }

  /** Drops the entries of `offset` and beyond. Throws StorageError. */
  truncateTo(offset: number): void {
    const relativeOffset = offset - this.baseOffset
    let low = 0
    let high = this.#entries.entryCount
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#relativeOffsetAt(middle) < relativeOffset) low = middle + 1
      else high = middle
    }
    this.#entries.truncateToCount(low)
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

  #timestampAt(entryIndex: number): number {
    const place = this.#entries.locate(entryIndex)
    return getInt64(this.#entries.view, place + TIMESTAMP)
  }

  #relativeOffsetAt(entryIndex: number): number {
    const place = this.#entries.locate(entryIndex)
    return this.#entries.view.getInt32(place + RELATIVE_OFFSET)
  }
}

/**
 * As TimeIndex.lookup, for threads that do not own the index. A file that is missing, behind, still growing, or ends in
 * zeros or garbage gives an earlier entry. Throws StorageError on a failing disk only.
 */
export function lookupTimestampInFile(fs: Fs, path: string, baseOffset: number, timestamp: number): TimestampOffset {
  const found = withFileIfPresent(fs, path, (file) => lookupTimestampInOpenFile(file, baseOffset, timestamp))
  return found ?? { timestamp: NO_TIMESTAMP, offset: baseOffset }
}

/** As lookupTimestampInFile, for a reader that keeps the file open. */
export function lookupTimestampInOpenFile(file: File, baseOffset: number, timestamp: number): TimestampOffset {
  const found = findLastInFile(file, TIME_INDEX_ENTRY_BYTES, (view, place, entryIndex) => {
    if (!isSafeInt64(view, place + TIMESTAMP)) return true
    const entryTimestamp = getInt64(view, place + TIMESTAMP)
    const relativeOffset = view.getInt32(place + RELATIVE_OFFSET)
    if (entryTimestamp < 0 || relativeOffset < 0) return true
    // Zeros after the first entry are space that Kafka has extended the file by.
    return entryTimestamp > timestamp || (entryIndex > 0 && entryTimestamp === 0 && relativeOffset === 0)
  })
  if (found === undefined) return { timestamp: NO_TIMESTAMP, offset: baseOffset }
  return { timestamp: getInt64(found, TIMESTAMP), offset: baseOffset + found.getInt32(RELATIVE_OFFSET) }
}

function openEntries(fs: Fs, path: string, mode: IndexFileMode): IndexFile {
  return IndexFile.open(fs, path, TIME_INDEX_ENTRY_BYTES, mode, checkEntry)
}

function checkEntry(view: DataView, place: number, entryIndex: number): string | undefined {
  if (!isSafeInt64(view, place + TIMESTAMP)) return 'timestamp is outside the safe integers'
  const timestamp = getInt64(view, place + TIMESTAMP)
  const relativeOffset = view.getInt32(place + RELATIVE_OFFSET)
  if (timestamp < 0) return `timestamp=${timestamp} is negative`
  if (relativeOffset < 0) return `relativeOffset=${relativeOffset} is below the base offset`
  if (entryIndex === 0) return undefined
  const before = place - TIME_INDEX_ENTRY_BYTES
  const timestampBefore = getInt64(view, before + TIMESTAMP)
  const offsetBefore = view.getInt32(before + RELATIVE_OFFSET)
  if (timestamp > timestampBefore && relativeOffset > offsetBefore) return undefined
  return (
    `timestamp=${timestamp} relativeOffset=${relativeOffset} does not come after ` +
    `timestamp=${timestampBefore} relativeOffset=${offsetBefore}`
  )
}
