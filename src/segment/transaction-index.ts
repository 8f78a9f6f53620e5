/**
 * TransactionIndex: a segment's `.txnindex` file, the aborted transactions whose abort marker lies in the segment.
 * Owned by the partition's shard; other threads read the file by collectAbortedInFile.
 *
 *  byte  size  field             notes
 *  ----  ----  ----------------  -------------------------------------------------------
 *     0     2  version           0
 *     2     8  producerId
 *    10     8  firstOffset       of the transaction in this partition, perhaps in an earlier segment
 *    18     8  lastOffset        of the abort marker
 *    26     8  lastStableOffset  when the marker was appended
 *
 * Big-endian, 34 bytes an entry, lastOffset strictly increasing. Most segments have no aborted transaction and then no
 * such file: it is created with the first entry. Entries are written at once, because a reader in another thread must
 * see an abort before it sees the last stable offset pass it.
 */
import { assert } from '../base/assert.ts'
import { CorruptRecordError } from '../base/errors.ts'
import { getInt64, isSafeInt64, setInt64 } from '../base/int64.ts'
import { IndexFile, readChunk, sizeOf, withFileIfPresent, type IndexFileMode } from './index-file.ts'
import type { File, Fs } from '../base/env/env.ts'

export const TRANSACTION_INDEX_ENTRY_BYTES = 34

const VERSION = 0
const PRODUCER_ID = 2
const FIRST_OFFSET = 10
const LAST_OFFSET = 18
const LAST_STABLE_OFFSET = 26
const CURRENT_VERSION = 0
/** 2,000,000 aborts in one segment, 68 MB: more than a segment of 1 GiB holds of markers and data in practice. */
const READER_ENTRY_COUNT_MAX = 2_000_000

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the abort marker. */
  readonly lastOffset: number
  readonly lastStableOffset: number
}

export interface AbortedSearch {
  readonly transactions: AbortedTransaction[]
  /** False: transactions that overlap the range may still be found in the next segment's index. */
  readonly isComplete: boolean
}

export class TransactionIndex {
  readonly baseOffset: number
  readonly #entries: IndexFile

  private constructor(entries: IndexFile, baseOffset: number) {
    this.#entries = entries
    this.baseOffset = baseOffset
  }

  /** Opens the file if there is one; creates none. Throws StorageError. Ask sanityCheck() before the first use. */
  static open(fs: Fs, path: string, baseOffset: number): TransactionIndex {
    return new TransactionIndex(openEntries(fs, path, baseOffset, 'lazy'), baseOffset)
  }

  /** For tools: the file must exist and is not changed. */
  static openReadOnly(fs: Fs, path: string, baseOffset: number): TransactionIndex {
    return new TransactionIndex(openEntries(fs, path, baseOffset, 'read-only'), baseOffset)
  }

  /** Why the file is corrupt, or undefined. A corrupt index must be reset() and filled anew from the `.log`. */
  sanityCheck(): string | undefined {
    return this.#entries.fault
  }

  get path(): string {
    return this.#entries.path
  }

  /** Undefined while there is no entry and so no file. */
  get file(): File | undefined {
    return this.#entries.file
  }

  get entryCount(): number {
    return this.#entries.entryCount
  }

  get sizeBytes(): number {
    return this.#entries.entryCount * TRANSACTION_INDEX_ENTRY_BYTES
  }

  entryAt(entryIndex: number): AbortedTransaction {
    assert(entryIndex >= 0 && entryIndex < this.entryCount, 'transaction index entry exists')
    const place = this.#entries.locate(entryIndex)
    return readEntry(this.#entries.view, place)
  }

  all(): AbortedTransaction[] {
    return Array.from({ length: this.entryCount }, (_, entryIndex) => this.entryAt(entryIndex))
  }

  /** Stable on return. Throws StorageError. */
  append(transaction: AbortedTransaction): void {
    const { producerId, firstOffset, lastOffset, lastStableOffset } = transaction
    const count = this.entryCount
    assert(producerId >= 0, 'producer id is 0 or more')
    assert(firstOffset >= 0 && firstOffset <= lastOffset, 'transaction begins at or before its marker')
    assert(lastStableOffset >= 0, 'last stable offset is 0 or more')
    assert(lastOffset >= this.baseOffset, 'abort marker lies in the segment')
    assert(count === 0 || lastOffset > this.#lastOffsetAt(count - 1), 'abort markers come in order')
    const place = this.#entries.claimEntry()
    const view = this.#entries.view
    view.setInt16(place + VERSION, CURRENT_VERSION)
    setInt64(view, place + PRODUCER_ID, producerId)
    setInt64(view, place + FIRST_OFFSET, firstOffset)
    setInt64(view, place + LAST_OFFSET, lastOffset)
    setInt64(view, place + LAST_STABLE_OFFSET, lastStableOffset)
    this.#entries.entryAdded()
    this.#entries.writeBuffered()
  }

  /** The aborted transactions with records in [fetchOffset, upperBoundOffset), as far as this segment knows them. */
  collectAborted(fetchOffset: number, upperBoundOffset: number): AbortedSearch {
    assert(this.#entries.fault === undefined, 'a corrupt index is reset before it is used')
    return collect((entryIndex) => this.entryAt(entryIndex), this.entryCount, fetchOffset, upperBoundOffset)
  }

  /** Drops the transactions whose marker is at `offset` or beyond. */
  truncateTo(offset: number): void {
    let count = this.entryCount
    while (count > 0 && this.#lastOffsetAt(count - 1) >= offset) count -= 1
    this.#entries.truncateToCount(count)
  }

  reset(): void {
    this.#entries.reset()
  }

  sync(): void {
    this.#entries.sync()
  }

  close(): void {
    this.#entries.close()
  }

  /** Closes without another write: after a storage error, or before the file is removed. */
  abandon(): void {
    this.#entries.abandon()
  }

  #lastOffsetAt(entryIndex: number): number {
    const place = this.#entries.locate(entryIndex)
    return getInt64(this.#entries.view, place + LAST_OFFSET)
  }
}

/**
 * As TransactionIndex.collectAborted, for threads that do not own the index. No file: no aborted transaction. An entry
 * that is being written at this moment is not seen. Damage throws CorruptRecordError: with an abort missed, a
 * read_committed consumer would be given its records. Throws StorageError on a failing disk.
 */
export function collectAbortedInFile(
  fs: Fs,
  path: string,
  baseOffset: number,
  fetchOffset: number,
  upperBoundOffset: number,
): AbortedSearch {
  const found = withFileIfPresent(fs, path, (file) => {
    const entryCount = Math.floor(sizeOf(file) / TRANSACTION_INDEX_ENTRY_BYTES)
    if (entryCount > READER_ENTRY_COUNT_MAX) {
      throw new CorruptRecordError(`${path} has entryCount=${entryCount}, over ${READER_ENTRY_COUNT_MAX}`)
    }
    const bytes = new Uint8Array(entryCount * TRANSACTION_INDEX_ENTRY_BYTES)
    if (!readChunk(file, bytes, bytes.length, 0)) throw new CorruptRecordError(`${path} shrank while it was read`)
    const view = new DataView(bytes.buffer)
    for (let entryIndex = 0; entryIndex < entryCount; entryIndex++) {
      const fault = checkEntry(view, entryIndex * TRANSACTION_INDEX_ENTRY_BYTES, entryIndex, baseOffset)
      if (fault !== undefined) throw new CorruptRecordError(`${path} entry ${entryIndex}: ${fault}`)
    }
    const entryAt = (entryIndex: number): AbortedTransaction =>
      readEntry(view, entryIndex * TRANSACTION_INDEX_ENTRY_BYTES)
    return collect(entryAt, entryCount, fetchOffset, upperBoundOffset)
  })
  return found ?? { transactions: [], isComplete: false }
}

function collect(
  entryAt: (entryIndex: number) => AbortedTransaction,
  entryCount: number,
  fetchOffset: number,
  upperBoundOffset: number,
): AbortedSearch {
  const transactions: AbortedTransaction[] = []
  for (let entryIndex = 0; entryIndex < entryCount; entryIndex++) {
    const transaction = entryAt(entryIndex)
    if (transaction.lastOffset >= fetchOffset && transaction.firstOffset < upperBoundOffset) {
      transactions.push(transaction)
    }
    // Every transaction that begins below the bound had ended by then.
    if (transaction.lastStableOffset >= upperBoundOffset) return { transactions, isComplete: true }
  }
  return { transactions, isComplete: false }
}

function openEntries(fs: Fs, path: string, baseOffset: number, mode: IndexFileMode): IndexFile {
  return IndexFile.open(fs, path, TRANSACTION_INDEX_ENTRY_BYTES, mode, (view, place, entryIndex) =>
    checkEntry(view, place, entryIndex, baseOffset),
  )
}

function readEntry(view: DataView, place: number): AbortedTransaction {
  return {
    producerId: getInt64(view, place + PRODUCER_ID),
    firstOffset: getInt64(view, place + FIRST_OFFSET),
    lastOffset: getInt64(view, place + LAST_OFFSET),
    lastStableOffset: getInt64(view, place + LAST_STABLE_OFFSET),
  }
}

function checkEntry(view: DataView, place: number, entryIndex: number, baseOffset: number): string | undefined {
  const version = view.getInt16(place + VERSION)
  if (version !== CURRENT_VERSION) return `version=${version} is not ${CURRENT_VERSION}`
  for (const field of [PRODUCER_ID, FIRST_OFFSET, LAST_OFFSET, LAST_STABLE_OFFSET]) {
    if (!isSafeInt64(view, place + field)) return `the field at byte ${field} is outside the safe integers`
    if (getInt64(view, place + field) < 0) return `the field at byte ${field} is negative`
  }
  const { firstOffset, lastOffset } = readEntry(view, place)
  if (firstOffset > lastOffset) return `firstOffset=${firstOffset} is above lastOffset=${lastOffset}`
  if (lastOffset < baseOffset) return `lastOffset=${lastOffset} is below the base offset ${baseOffset}`
  if (entryIndex === 0) return undefined
  const before = getInt64(view, place - TRANSACTION_INDEX_ENTRY_BYTES + LAST_OFFSET)
  return lastOffset > before ? undefined : `lastOffset=${lastOffset} does not come after ${before}`
}
