/**
 * verifySegment: checks every byte of one segment, its `.log` and its index files, and changes none.
 *
 * Behind damage the walk goes on at the next batch that can be found, so one bad batch does not hide the next. Any
 * thread may call this; it blocks on the disk. Reads with constant memory.
 */
import { StorageError } from '../base/errors.ts'
import { storageCall } from '../base/file-io.ts'
import type { File, Fs } from '../base/env/env.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import { declaredBatchSize, type RecordBatchView } from '../record/batch-view.ts'
import { BATCH_BYTES_MAX, BatchScan, findNextBatch } from './batch-scan.ts'
import { type Fault, FaultList } from './fault.ts'
import { type IndexCheck, openIndexChecks } from './verify-indexes.ts'
import { segmentPath } from './segment.ts'
import { recordsFault } from './verify-records.ts'

const RELATIVE_OFFSET_MAX = 0x7fff_ffff

/** What to check. Structured-clonable: it goes to a pool thread. */
export interface SegmentTask {
  /** The partition's directory. */
  readonly directory: string
  readonly baseOffset: number
  /** Base offset of the segment that follows; undefined for the last one. */
  readonly nextBaseOffset: number | undefined
  /** Decode every record too, decompressed. */
  readonly withRecords: boolean
  /** Offsets may be missing: the partition is, or was, compacted. */
  readonly mayHaveHoles: boolean
  /** Somebody may be writing at this moment: the end of the last segment may be half written, and files may vanish. */
  readonly isLive: boolean
}

export interface SegmentReport {
  readonly baseOffset: number
  /** Base offset of the first batch; undefined without one. */
  readonly firstOffset: number | undefined
  /** After the last good batch; the base offset without one. */
  readonly nextOffset: number
  readonly sizeBytes: number
  readonly batchCount: number
  /** As the batches' headers say. */
  readonly recordCount: number
  readonly indexEntryCount: number
  /** The file was removed since it was listed (live only). */
  readonly isGone: boolean
  readonly faults: readonly Fault[]
  /** Also those beyond the first 100. */
  readonly faultCount: number
}

/** A file that the disk does not give back is a fault like any other; nothing is thrown for it. */
export function verifySegment(fs: Fs, task: SegmentTask): SegmentReport {
  const faults = new FaultList()
  const path = segmentPath(task.directory, task.baseOffset, '.log')
  try {
    return storageCall(`reading ${path}`, () => verifyFiles(fs, path, task, faults))
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    const isGone = task.isLive && error.errno === 'ENOENT'
    if (!isGone) faults.add(path, 0, error.message)
    return unreadReport(task.baseOffset, faults, isGone)
  }
}

function verifyFiles(fs: Fs, path: string, task: SegmentTask, faults: FaultList): SegmentReport {
  // Indexes first: of a log that grows, they then hold nothing that lies beyond the end that is read next.
  const checks = openIndexChecks(
    fs,
    {
      offset: segmentPath(task.directory, task.baseOffset, '.index'),
      time: segmentPath(task.directory, task.baseOffset, '.timeindex'),
      transaction: segmentPath(task.directory, task.baseOffset, '.txnindex'),
    },
    task.baseOffset,
    faults,
  )
  try {
    const log = fs.open(path, 'read')
    try {
      return new SegmentWalk(log, task, checks, faults).run()
    } finally {
      log.close()
    }
  } finally {
    for (const check of checks) check.close()
  }
}

function unreadReport(baseOffset: number, { faults, count }: FaultList, isGone: boolean): SegmentReport {
  return {
    baseOffset,
    firstOffset: undefined,
    nextOffset: baseOffset,
    sizeBytes: 0,
    batchCount: 0,
    recordCount: 0,
    indexEntryCount: 0,
    isGone,
    faults: isGone ? [] : faults,
    faultCount: isGone ? 0 : count,
  }
}

class SegmentWalk {
  readonly #log: File
  readonly #task: SegmentTask
  readonly #checks: readonly IndexCheck[]
  readonly #faults: FaultList
  readonly #sizeBytes: number
  #firstOffset: number | undefined
  /** What the next batch should begin with. */
  #nextOffset: number
  /** What it may begin with just as well: the batch before had a base offset that does not fit its neighbours. */
  #otherNextOffset = -1
  /** A stretch before the next batch could not be read. */
  #hasGap = false
  #batchCount = 0
  #recordCount = 0

  constructor(log: File, task: SegmentTask, checks: readonly IndexCheck[], faults: FaultList) {
    this.#log = log
    this.#task = task
    this.#checks = checks
    this.#faults = faults
    this.#sizeBytes = log.sizeBytes()
    this.#nextOffset = task.baseOffset
  }

  run(): SegmentReport {
    for (let start = 0; start < this.#sizeBytes;) {
      const scan = new BatchScan(this.#log, start, this.#sizeBytes)
      while (scan.next()) this.#batch(scan.batch, scan.position)
      if (scan.fault === undefined || this.#isGrowingTail(scan.position)) break
      this.#faults.add(this.#log.path, scan.position, scan.fault, this.#nextOffset)
      const found = findNextBatch(this.#log, scan.position + 1, this.#sizeBytes, this.#nextOffset)
      start = found < 0 ? this.#sizeBytes : found
      this.#hasGap = true
      for (const check of this.#checks) check.skip(scan.position, start)
    }
    for (const check of this.#checks) check.end(this.#sizeBytes)
    return {
      baseOffset: this.#task.baseOffset,
      firstOffset: this.#firstOffset,
      nextOffset: this.#nextOffset,
      sizeBytes: this.#sizeBytes,
      batchCount: this.#batchCount,
      recordCount: this.#recordCount,
      indexEntryCount: this.#checks.reduce((sum, check) => sum + check.entryCount, 0),
      isGone: false,
      faults: this.#faults.faults,
      faultCount: this.#faults.count,
    }
  }

  #batch(batch: RecordBatchView, position: number): void {
    const { baseOffset, lastOffset } = batch
    const expected = baseOffset === this.#otherNextOffset ? baseOffset : this.#nextOffset
    const fault = this.#offsetFault(batch, expected)
    if (fault !== undefined) this.#fault(position, fault, baseOffset)
    const isOutOfPlace = fault !== undefined
    this.#otherNextOffset = isOutOfPlace ? expected + batch.lastOffsetDelta + 1 : -1
    this.#nextOffset = isOutOfPlace && baseOffset < expected ? expected : lastOffset + 1
    this.#hasGap = false
    this.#firstOffset ??= baseOffset
    this.#batchCount += 1
    this.#recordCount += batch.recordCount
    const recordFault = this.#task.withRecords ? recordsFault(batch, this.#task.mayHaveHoles) : undefined
    if (recordFault !== undefined) this.#fault(position, recordFault, baseOffset)
    for (const check of this.#checks) {
      if (isOutOfPlace) check.skip(position, position + batch.sizeBytes)
      else check.batch(batch, position)
    }
  }

  #offsetFault(batch: RecordBatchView, expected: number): string | undefined {
    const { baseOffset, lastOffset } = batch
    const { nextBaseOffset, mayHaveHoles } = this.#task
    if (baseOffset < expected) return `base offset ${baseOffset} is not after the batch before it, expected ${expected}`
    if (lastOffset - this.#task.baseOffset > RELATIVE_OFFSET_MAX) {
      return `last offset ${lastOffset} is more than 2^31 - 1 above the segment's base offset`
    }
    if (nextBaseOffset !== undefined && lastOffset >= nextBaseOffset) {
      return `last offset ${lastOffset} reaches into the next segment, which begins at ${nextBaseOffset}`
    }
    if (baseOffset > expected && !mayHaveHoles && !this.#hasGap) {
      return `base offset ${baseOffset} does not go on from the batch before it, expected ${expected}`
    }
    return undefined
  }

  /** The bytes at `position` are the beginning of a batch that somebody is writing just now. */
  #isGrowingTail(position: number): boolean {
    if (!this.#task.isLive || this.#task.nextBaseOffset !== undefined) return false
    const available = this.#sizeBytes - position
    if (available < BATCH_HEADER_BYTES) return true
    const header = new DataView(new ArrayBuffer(BATCH_HEADER_BYTES))
    if (this.#log.read(new Uint8Array(header.buffer), 0, BATCH_HEADER_BYTES, position) < BATCH_HEADER_BYTES) return true
    const sizeBytes = declaredBatchSize(header, 0)
    return sizeBytes > available && sizeBytes <= BATCH_BYTES_MAX
  }

  #fault(position: number, what: string, offset: number): void {
    this.#faults.add(this.#log.path, position, what, offset)
  }
}
