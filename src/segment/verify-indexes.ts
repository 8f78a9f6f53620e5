/**
 * Checks a segment's index files against the batches of its `.log`, in one walk over the log: each check is told of
 * every batch in order, and of the stretches that could not be read. Nothing is written.
 *
 *   .index      an entry (offset, position): a batch starts at the position, and the offset is the last one of that
 *               batch or of one that was appended together with it (Kafka before 4.3 makes one entry for several)
 *   .timeindex  an entry (timestamp, offset): the batch of that offset has exactly this timestamp as its greatest,
 *               and no batch before has a greater one
 *   .txnindex   an entry: at its last offset lies a marker of that producer that aborts a transaction
 */
import { errnoOf } from '../base/errors.ts'
import type { Fs } from '../base/env/env.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import type { FaultList } from './fault.ts'
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex, type OffsetIndexEntry } from './offset-index.ts'
import { TIME_INDEX_ENTRY_BYTES, TimeIndex } from './time-index.ts'
import { TRANSACTION_INDEX_ENTRY_BYTES, TransactionIndex } from './transaction-index.ts'
import { CONTROL_ABORT, controlType } from './verify-records.ts'

/** One of the three checks. `skip` takes a stretch of the log out of what is judged. */
export interface IndexCheck {
  readonly entryCount: number
  batch(batch: RecordBatchView, position: number): void
  skip(fromPosition: number, toPosition: number): void
  end(logBytes: number): void
  close(): void
}

/** The checks of the index files that are there; a missing `.index` is no fault, it is rebuilt. */
export function openIndexChecks(
  fs: Fs,
  paths: { readonly offset: string; readonly time: string; readonly transaction: string },
  baseOffset: number,
  faults: FaultList,
): IndexCheck[] {
  const checks: IndexCheck[] = []
  const add = (path: string, open: () => IndexCheck): void => {
    if (fs.stat(path) === undefined) return
    try {
      checks.push(open())
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error // Removed since: the log of a running program moves on.
    }
  }
  add(paths.offset, () => new OffsetIndexCheck(OffsetIndex.openReadOnly(fs, paths.offset, baseOffset), faults))
  add(paths.time, () => new TimeIndexCheck(TimeIndex.openReadOnly(fs, paths.time, baseOffset), faults))
  add(paths.transaction, () => {
    return new TransactionIndexCheck(TransactionIndex.openReadOnly(fs, paths.transaction, baseOffset), faults)
  })
  return checks
}

class OffsetIndexCheck implements IndexCheck {
  readonly entryCount: number
  readonly #index: OffsetIndex
  readonly #faults: FaultList
  #nextEntry = 0
  /** Its position was right; the batch that ends at its offset is still to come. */
  #open: OffsetIndexEntry | undefined

  constructor(index: OffsetIndex, faults: FaultList) {
    this.#index = index
    this.#faults = faults
    this.entryCount = index.entryCount
    const fault = index.sanityCheck()
    if (fault !== undefined) faults.add(index.path, index.entryCount * OFFSET_INDEX_ENTRY_BYTES, fault)
  }

  batch(batch: RecordBatchView, position: number): void {
    for (; this.#nextEntry < this.entryCount; this.#nextEntry++) {
      const entry = this.#index.entryAt(this.#nextEntry)
      if (entry.position > position) break
      if (entry.position < position) {
        this.#fault(this.#nextEntry, `position=${entry.position} is not where a batch starts`, entry.offset)
      } else {
        this.#settle(`the batches from position=${this.#open?.position} on`)
        this.#open = entry
      }
    }
    const { lastOffset } = batch
    if (this.#open === undefined || lastOffset < this.#open.offset) return
    if (lastOffset === this.#open.offset) this.#open = undefined
    else this.#settle(`the batch at position=${position}, with last offset ${lastOffset},`)
  }

  /** The open entry was not met. */
  #settle(where: string): void {
    const entry = this.#open
    if (entry === undefined) return
    this.#open = undefined
    this.#fault(this.#nextEntry - 1, `offset=${entry.offset} is not the last offset of ${where}`, entry.offset)
  }

  skip(_fromPosition: number, toPosition: number): void {
    this.#open = undefined
    while (this.#nextEntry < this.entryCount && this.#index.entryAt(this.#nextEntry).position < toPosition) {
      this.#nextEntry += 1
    }
  }

  end(logBytes: number): void {
    this.#settle('a batch')
    for (; this.#nextEntry < this.entryCount; this.#nextEntry++) {
      const { offset, position } = this.#index.entryAt(this.#nextEntry)
      const what =
        position >= logBytes
          ? `position=${position} is beyond the log's end at ${logBytes}`
          : `position=${position} is not where a batch starts`
      this.#fault(this.#nextEntry, what, offset)
    }
  }

  #fault(entryIndex: number, what: string, offset: number): void {
    this.#faults.add(this.#index.path, entryIndex * OFFSET_INDEX_ENTRY_BYTES, `entry ${entryIndex}: ${what}`, offset)
  }

  close(): void {
    this.#index.abandon()
  }
}

class TimeIndexCheck implements IndexCheck {
  readonly entryCount: number
  readonly #index: TimeIndex
  readonly #faults: FaultList
  #nextEntry = 0
  /** Of the batches so far. */
  #maxTimestamp = -1
  #nextOffset: number
  /** A stretch before the next batch could not be read: entries in it are not judged. */
  #hasGap = false

  constructor(index: TimeIndex, faults: FaultList) {
    this.#index = index
    this.#faults = faults
    this.entryCount = index.entryCount
    this.#nextOffset = index.baseOffset
    const fault = index.sanityCheck()
    if (fault !== undefined) faults.add(index.path, index.entryCount * TIME_INDEX_ENTRY_BYTES, fault)
  }

  batch(batch: RecordBatchView, position: number): void {
    const { baseOffset, lastOffset, maxTimestamp } = batch
    for (; this.#nextEntry < this.entryCount; this.#nextEntry++) {
      const { timestamp, offset } = this.#index.entryAt(this.#nextEntry)
      if (offset > lastOffset) break
      if (offset < baseOffset) {
        if (!this.#hasGap) this.#fault('there is no batch of that offset', offset)
      } else if (maxTimestamp !== timestamp) {
        this.#fault(
          `timestamp=${timestamp}, but the batch at position=${position} has max timestamp ${maxTimestamp}`,
          offset,
        )
      } else if (this.#maxTimestamp > timestamp) {
        this.#fault(`timestamp=${timestamp} is below max timestamp ${this.#maxTimestamp} of a batch before it`, offset)
      }
    }
    this.#hasGap = false
    this.#maxTimestamp = Math.max(this.#maxTimestamp, maxTimestamp)
    this.#nextOffset = lastOffset + 1
  }

  skip(_fromPosition: number, _toPosition: number): void {
    this.#hasGap = true
  }

  end(_logBytes: number): void {
    if (this.#hasGap) return // The rest of the log could not be read.
    for (; this.#nextEntry < this.entryCount; this.#nextEntry++) {
      const { offset } = this.#index.entryAt(this.#nextEntry)
      this.#fault(`it is beyond the log's end, whose next offset is ${this.#nextOffset}`, offset)
    }
  }

  #fault(what: string, offset: number): void {
    const entry = this.#nextEntry
    this.#faults.add(
      this.#index.path,
      entry * TIME_INDEX_ENTRY_BYTES,
      `entry ${entry}: offset=${offset}: ${what}`,
      offset,
    )
  }

  close(): void {
    this.#index.abandon()
  }
}

class TransactionIndexCheck implements IndexCheck {
  readonly entryCount: number
  readonly #index: TransactionIndex
  readonly #faults: FaultList
  #nextEntry = 0
  #hasGap = false

  constructor(index: TransactionIndex, faults: FaultList) {
    this.#index = index
    this.#faults = faults
    this.entryCount = index.entryCount
    const fault = index.sanityCheck()
    if (fault !== undefined) faults.add(index.path, index.entryCount * TRANSACTION_INDEX_ENTRY_BYTES, fault)
  }

  batch(batch: RecordBatchView, position: number): void {
    const { baseOffset, lastOffset } = batch
    for (; this.#nextEntry < this.entryCount; this.#nextEntry++) {
      const entry = this.#index.entryAt(this.#nextEntry)
      if (entry.lastOffset > lastOffset) break
      if (entry.lastOffset < baseOffset) {
        if (!this.#hasGap) this.#fault('there is no batch of that offset', entry.lastOffset)
      } else if (!batch.isControl || batch.producerId !== entry.producerId || controlType(batch) !== CONTROL_ABORT) {
        const what = `the batch at position=${position} is no abort marker of producer id ${entry.producerId}`
        this.#fault(what, entry.lastOffset)
      }
    }
    this.#hasGap = false
  }

  skip(_fromPosition: number, _toPosition: number): void {
    this.#hasGap = true
  }

  end(_logBytes: number): void {
    if (this.#hasGap) return
    for (; this.#nextEntry < this.entryCount; this.#nextEntry++) {
      this.#fault("it is beyond the log's end", this.#index.entryAt(this.#nextEntry).lastOffset)
    }
  }

  #fault(what: string, lastOffset: number): void {
    const entry = this.#nextEntry
    const position = entry * TRANSACTION_INDEX_ENTRY_BYTES
    this.#faults.add(this.#index.path, position, `entry ${entry}: lastOffset=${lastOffset}: ${what}`, lastOffset)
  }

  close(): void {
    this.#index.abandon()
  }
}
