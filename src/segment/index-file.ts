/**
 * IndexFile: the entries of one index, all of one size. Owned by the partition's shard.
 *
 * Memory holds the latest entries; the file follows in runs of up to 64, so an index costs one small pwrite per 64
 * entries instead of one per entry. That is safe because an index is derived: after a crash recovery rebuilds what may
 * be missing. Earlier entries are read from the file when somebody asks: an index of every segment in memory would grow
 * with the log, 5 MB for each GiB of it. OffsetIndex, TimeIndex and TransactionIndex know the fields, this file does
 * not.
 *
 *   firstKept <= writtenCount <= entryCount, and entryCount - writtenCount <= 64 after each append
 *
 * Kafka extends the file of the active segment with zeros to its full size and maps it. We do neither: a failed write
 * is then an error at the write and not a SIGBUS later, and other threads can tell the end of the entries from the
 * size. A tail of zeros that Kafka left behind is ignored on load.
 */
import { assert } from '../base/assert.ts'
import { errnoOf, StorageError } from '../base/errors.ts'
import { closeQuietly, readFully, storageCall, writeFully } from '../base/file-io.ts'
import type { File, Fs } from '../base/env/env.ts'

const PENDING_ENTRY_COUNT_MAX = 64
const KEPT_ENTRY_COUNT_MAX = 2 * PENDING_ENTRY_COUNT_MAX
const READ_CHUNK_BYTES = 64 << 10
const SEARCH_BLOCK_BYTES = 4 << 10

/**
 * Judges the entry at byte `position` of `view`; the one before it, if `entryIndex` > 0, lies directly before. Returns
 * why it cannot follow, or undefined.
 */
export type EntryCheck = (view: DataView, position: number, entryIndex: number) => string | undefined

/** `writable`: created now if missing. `lazy`: created with the first entry. `read-only`: must exist, never changed. */
export type IndexFileMode = 'writable' | 'lazy' | 'read-only'

export class IndexFile {
  readonly path: string
  readonly entryBytes: number
  readonly #fs: Fs
  readonly #mode: IndexFileMode
  #file: File | undefined
  /** Entries from #firstKept on. */
  #kept = new Uint8Array(0)
  #keptView = new DataView(this.#kept.buffer)
  #firstKept = 0
  /** Entries from #blockFirst on, as they were read from the file for locate(). */
  #block: DataView | undefined
  #blockFirst = 0
  #view: DataView = this.#keptView
  #entryCount = 0
  #writtenCount = 0
  #fault: string | undefined
  #isClosed = false

  private constructor(fs: Fs, path: string, entryBytes: number, mode: IndexFileMode) {
    this.#fs = fs
    this.path = path
    this.entryBytes = entryBytes
    this.#mode = mode
  }

  /** Opens the file and reads its entries up to the first that `check` refuses; see fault. */
  static open(fs: Fs, path: string, entryBytes: number, mode: IndexFileMode, check: EntryCheck): IndexFile {
    const index = new IndexFile(fs, path, entryBytes, mode)
    storageCall(`opening ${path}`, () => {
      if (mode === 'read-only') index.#file = fs.open(path, 'read')
      else if (fs.stat(path) !== undefined) index.#file = fs.open(path, 'write')
      else if (mode === 'writable') index.#file = fs.open(path, 'create')
    })
    if (index.#file === undefined) return index
    try {
      index.#load(index.#file, check)
    } catch (error) {
      index.abandon()
      throw error
    }
    return index
  }

  /** Why the file is corrupt: entries after the first bad one are not loaded. Undefined once reset. */
  get fault(): string | undefined {
    return this.#fault
  }

  get entryCount(): number {
    return this.#entryCount
  }

  /** From here on locate() needs no file. */
  get firstKept(): number {
    return this.#firstKept
  }

  /** Where locate() and claimEntry() have put their entry; another one after the next call of either. */
  get view(): DataView {
    return this.#view
  }

  /** Brings an entry into `view` and returns its byte position there. Throws StorageError. */
  locate(entryIndex: number): number {
    assert(entryIndex >= 0 && entryIndex < this.#entryCount, 'index entry exists')
    if (entryIndex >= this.#firstKept) {
      this.#view = this.#keptView
      return (entryIndex - this.#firstKept) * this.entryBytes
    }
    const blockEntryCount = Math.floor(SEARCH_BLOCK_BYTES / this.entryBytes)
    const blockFirst = entryIndex - (entryIndex % blockEntryCount)
    if (this.#block === undefined || this.#blockFirst !== blockFirst) {
      const length = Math.min(blockEntryCount, this.#writtenCount - blockFirst) * this.entryBytes
      const block = new Uint8Array(length)
      if (!readChunk(this.#file!, block, length, blockFirst * this.entryBytes))
        throw new StorageError(`${this.path} ends before its entry ${entryIndex}`, 'EIO')
      this.#block = new DataView(block.buffer)
      this.#blockFirst = blockFirst
    }
    this.#view = this.#block
    return (entryIndex - blockFirst) * this.entryBytes
  }

  /** Undefined while a lazy file has no entries. For the flusher thread; never read or written through it. */
  get file(): File | undefined {
    return this.#file
  }

  /** Where in `view` to write the fields of a new entry. Follow with entryAdded(). */
  claimEntry(): number {
    assert(!this.#isClosed && this.#mode !== 'read-only', 'index is open for writing')
    assert(this.#fault === undefined, 'a corrupt index is reset before it is used')
    if ((this.#entryCount - this.#firstKept) * this.entryBytes === this.#kept.length) this.#makeRoom()
    this.#block = undefined
    this.#view = this.#keptView
    return (this.#entryCount - this.#firstKept) * this.entryBytes
  }

  entryAdded(): void {
    this.#entryCount += 1
    if (this.#entryCount - this.#writtenCount >= PENDING_ENTRY_COUNT_MAX) this.writeBuffered()
  }

  /** Writes the entries that are in memory only. Throws StorageError. */
  writeBuffered(): void {
    if (this.#writtenCount === this.#entryCount) return
    assert(!this.#isClosed, 'index is open')
    const file = (this.#file ??= storageCall(`creating ${this.path}`, () => this.#fs.open(this.path, 'create')))
    const { entryBytes } = this
    const start = (this.#writtenCount - this.#firstKept) * entryBytes
    const length = (this.#entryCount - this.#writtenCount) * entryBytes
    writeFully(file, this.#kept, start, length, this.#writtenCount * entryBytes)
    this.#writtenCount = this.#entryCount
  }

  /** Drops the entries from number `entryCount` on, in memory and in the file. */
  truncateToCount(entryCount: number): void {
    assert(!this.#isClosed && this.#mode !== 'read-only', 'index is open for writing')
    assert(this.#fault === undefined, 'a corrupt index is reset before it is used')
    if (entryCount >= this.#entryCount) return
    this.#entryCount = entryCount
    if (this.#writtenCount <= entryCount) return
    this.#writtenCount = entryCount
    this.#firstKept = Math.min(this.#firstKept, entryCount)
    this.#block = undefined
    this.#truncateFile()
  }

  /** Back to no entries and no fault: the start of a rebuild. */
  reset(): void {
    assert(!this.#isClosed && this.#mode !== 'read-only', 'index is open for writing')
    this.#fault = undefined
    this.#entryCount = 0
    this.#writtenCount = 0
    this.#firstKept = 0
    this.#block = undefined
    this.#truncateFile()
  }

  /** Writes what is pending and makes the file durable. Throws StorageError, after which it is never called again. */
  sync(): void {
    this.writeBuffered()
    const file = this.#file
    if (file !== undefined) storageCall(`sync of ${this.path}`, () => file.sync())
  }

  /** Writes what is pending and cuts off whatever lies behind the entries. A corrupt file is left as it is. */
  trim(): void {
    this.writeBuffered()
    const file = this.#file
    if (this.#fault !== undefined || file === undefined || this.#mode === 'read-only') return
    if (sizeOf(file) !== this.#entryCount * this.entryBytes) this.#truncateFile()
  }

  /** Trims and closes. Harmless when closed already. */
  close(): void {
    if (this.#isClosed) return
    try {
      this.trim()
    } finally {
      this.abandon()
    }
  }

  /** Closes without another write: the partition has failed, or the file is about to be removed. */
  abandon(): void {
    this.#isClosed = true
    if (this.#file !== undefined) closeQuietly(this.#file)
    this.#file = undefined
  }

  #truncateFile(): void {
    const file = this.#file
    if (file === undefined) return
    storageCall(`truncation of ${this.path}`, () => file.truncate(this.#entryCount * this.entryBytes))
  }

  /** Reads by chunks, each behind the last entry of the one before it, with which its first is compared. */
  #load(file: File, check: EntryCheck): void {
    const { entryBytes } = this
    const sizeBytes = sizeOf(file)
    const wholeBytes = sizeBytes - (sizeBytes % entryBytes)
    const chunkBytes = Math.min(wholeBytes, READ_CHUNK_BYTES - (READ_CHUNK_BYTES % entryBytes))
    const bytes = new Uint8Array(entryBytes + chunkBytes)
    const chunk = bytes.subarray(entryBytes)
    const view = new DataView(bytes.buffer)
    for (let done = 0; done < wholeBytes && this.#fault === undefined; done += chunkBytes) {
      const length = Math.min(chunkBytes, wholeBytes - done)
      if (!readChunk(file, chunk, length, done)) break // Shorter than it was: the rest has no entries.
      this.#acceptEntries(view, entryBytes, entryBytes + length, check)
      bytes.copyWithin(0, length, length + entryBytes)
    }
    this.#firstKept = this.#entryCount
    this.#writtenCount = this.#entryCount
    if (this.#fault !== undefined && isZeroFrom(file, chunk, this.#entryCount * entryBytes, sizeBytes)) {
      this.#fault = undefined
      this.#dropZeroEntry()
    }
    if (sizeBytes !== wholeBytes) {
      this.#fault = `sizeBytes=${sizeBytes} is not a multiple of the entry size ${entryBytes}`
    }
  }

  #acceptEntries(view: DataView, start: number, end: number, check: EntryCheck): void {
    for (let position = start; position < end; position += this.entryBytes) {
      const fault = check(view, position, this.#entryCount)
      if (fault !== undefined) {
        this.#fault = `entry ${this.#entryCount}: ${fault}`
        return
      }
      this.#entryCount += 1
    }
  }

  /** Of a file of zeros only the first looks like an entry (a record at timestamp 0 may have such a one). */
  #dropZeroEntry(): void {
    if (this.#entryCount === 0) return
    const place = this.locate(this.#entryCount - 1)
    for (let i = 0; i < this.entryBytes; i++) if (this.#view.getUint8(place + i) !== 0) return
    this.#entryCount -= 1
    this.#firstKept = this.#entryCount
    this.#writtenCount = this.#entryCount
  }

  /** Room for another entry in memory: grows up to a limit, then the oldest make room. */
  #makeRoom(): void {
    const { entryBytes } = this
    const before = this.#kept
    if (before.length < KEPT_ENTRY_COUNT_MAX * entryBytes) {
      this.#kept = new Uint8Array(before.length + PENDING_ENTRY_COUNT_MAX * entryBytes)
      this.#kept.set(before)
      this.#keptView = new DataView(this.#kept.buffer)
      return
    }
    const droppedCount = KEPT_ENTRY_COUNT_MAX - PENDING_ENTRY_COUNT_MAX
    assert(this.#firstKept + droppedCount <= this.#writtenCount, 'entries that are dropped from memory are in the file')
    this.#kept.copyWithin(0, droppedCount * entryBytes)
    this.#firstKept += droppedCount
  }
}

/**
 * Binary search in a file that its owner may be writing at this moment: the last entry for which `isAfter` is false, as
 * a view of its bytes, or undefined. For reader threads, which have no image. Whatever the bytes are, it ends within
 * log2(size) reads; with bytes in no order it may return any entry for which `isAfter` is false.
 */
export function findLastInFile(
  file: File,
  entryBytes: number,
  isAfter: (view: DataView, position: number, entryIndex: number) => boolean,
): DataView | undefined {
  const blockEntryCount = Math.floor(SEARCH_BLOCK_BYTES / entryBytes)
  const block = new Uint8Array(blockEntryCount * entryBytes)
  const view = new DataView(block.buffer)
  let low = 0 // Entries before this one are not after.
  let high = Math.floor(sizeOf(file) / entryBytes) // From here on they are after, or past the end.
  while (high - low > blockEntryCount) {
    const middle = low + Math.floor((high - low) / 2)
    if (!readChunk(file, block, entryBytes, middle * entryBytes) || isAfter(view, 0, middle)) high = middle
    else low = middle
  }
  const first = low
  if (!readChunk(file, block, (high - low) * entryBytes, low * entryBytes)) return undefined // It shrank meanwhile.
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if (isAfter(view, (middle - first) * entryBytes, middle)) high = middle
    else low = middle + 1
  }
  return low === first ? undefined : new DataView(block.buffer, (low - 1 - first) * entryBytes, entryBytes)
}

/** Calls `read` with the file, opened for reading; undefined if there is no such file. Throws StorageError. */
export function withFileIfPresent<T>(fs: Fs, path: string, read: (file: File) => T): T | undefined {
  const file = storageCall(`opening ${path}`, () => {
    try {
      return fs.open(path, 'read')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  })
  if (file === undefined) return undefined
  try {
    return read(file)
  } finally {
    file.close()
  }
}

/** The size of an open file. Throws StorageError. */
export function sizeOf(file: File): number {
  return storageCall(`size of ${file.path}`, () => file.sizeBytes())
}

/** Fills `target` from its start; false if the file ends before. Throws StorageError. */
export function readChunk(file: File, target: Uint8Array, length: number, position: number): boolean {
  return storageCall(`reading ${file.path}`, () => readFully(file, target, 0, length, position))
}

function isZeroFrom(file: File, chunk: Uint8Array, start: number, end: number): boolean {
  for (let position = start; position < end; position += chunk.length) {
    const length = Math.min(chunk.length, end - position)
    if (!readChunk(file, chunk, length, position)) return false
    for (let index = 0; index < length; index++) if (chunk[index] !== 0) return false
  }
  return true
}
