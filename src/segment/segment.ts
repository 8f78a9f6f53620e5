/**
 * Segment: one .log file of a partition with its two indexes. Owned by the partition's shard thread.
 *
 * A segment knows how bytes lie in its file and how they are found again; when to roll, delete or sync is the partition
 * log's business (src/log). Batches are appended by one writeVector from the memory of their producers, then noted.
 *
 * Index rule (Kafka 4.3): for each batch, if more than index.interval.bytes were appended since the last entry, an entry
 * (last offset of the batch, position of the batch) goes to .index and (greatest timestamp, its batch's last offset) to
 * .timeindex; then the batch's size is added to the count. So the first batch of a segment never has an entry.
 *
 * Invariants: baseOffset <= every offset in it < nextOffset; 0 <= syncedBytes <= sizeBytes = length of valid bytes.
 */
import { assert } from '../base/assert.ts'
import { StorageError } from '../base/errors.ts'
import { storageCall } from '../base/file-io.ts'
import type { File, Fs } from '../base/env/env.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { segmentFileName } from './names.ts'
import { OffsetIndex } from './offset-index.ts'
import { TimeIndex } from './time-index.ts'

export interface SegmentConfig {
  readonly indexIntervalBytes: number
  readonly segmentIndexBytes: number
}

const OFFSET_ENTRY_BYTES = 8
const TIME_ENTRY_BYTES = 12

export class Segment {
  readonly baseOffset: number
  readonly directory: string
  readonly log: File
  readonly offsetIndex: OffsetIndex
  readonly timeIndex: TimeIndex
  /** Offset after the last batch. */
  nextOffset: number
  sizeBytes = 0
  /** Bytes that an fdatasync has confirmed. */
  syncedBytes = 0
  /** Greatest record timestamp, -1 while there is none, and the last offset of the batch that has it. */
  maxTimestamp = -1
  offsetOfMaxTimestamp: number
  /** Max timestamp of the first batch, the reference of segment.ms; -1 while empty. */
  firstTimestamp = -1
  readonly createdMs: number
  readonly jitterMs: number
  /** Descriptors that the flusher is syncing at this moment; the file is closed when none is left. */
  syncsInFlight = 0
  #bytesSinceIndexEntry = 0
  #config: SegmentConfig
  #closeWanted = false

  private constructor(
    fs: Fs,
    directory: string,
    baseOffset: number,
    log: File,
    config: SegmentConfig,
    createdMs: number,
    jitterMs: number,
  ) {
    this.directory = directory
    this.baseOffset = baseOffset
    this.nextOffset = baseOffset
    this.offsetOfMaxTimestamp = baseOffset
    this.log = log
    this.createdMs = createdMs
    this.jitterMs = jitterMs
    this.#config = config
    const offsetEntries = Math.floor(config.segmentIndexBytes / OFFSET_ENTRY_BYTES)
    const timeEntries = Math.floor(config.segmentIndexBytes / TIME_ENTRY_BYTES)
    this.offsetIndex = OffsetIndex.open(fs, segmentPath(directory, baseOffset, '.index'), baseOffset, offsetEntries)
    this.timeIndex = TimeIndex.open(fs, segmentPath(directory, baseOffset, '.timeindex'), baseOffset, timeEntries)
  }

  /** A new, empty segment; its file must not exist. The directory entry is made durable. */
  static create(
    fs: Fs,
    directory: string,
    baseOffset: number,
    config: SegmentConfig,
    nowMs: number,
    jitterMs: number,
  ): Segment {
    const path = segmentPath(directory, baseOffset, '.log')
    return storageCall(`creating segment ${path}`, () => {
      for (const suffix of ['.index', '.timeindex'] as const) {
        const stray = segmentPath(directory, baseOffset, suffix)
        if (fs.stat(stray) !== undefined) fs.unlink(stray)
      }
      const log = fs.open(path, 'create')
      try {
        const segment = new Segment(fs, directory, baseOffset, log, config, nowMs, jitterMs)
        fs.syncDirectory(directory)
        return segment
      } catch (error) {
        log.close()
        throw error
      }
    })
  }

  /** Opens what is on disk; the caller then either trusts it (loadTrusted) or scans it (recovery in partition-log). */
  static open(
    fs: Fs,
    directory: string,
    baseOffset: number,
    config: SegmentConfig,
    nowMs: number,
    jitterMs: number,
  ): Segment {
    const path = segmentPath(directory, baseOffset, '.log')
    return storageCall(`opening segment ${path}`, () => {
      const log = fs.open(path, 'write')
      try {
        const segment = new Segment(fs, directory, baseOffset, log, config, nowMs, jitterMs)
        segment.sizeBytes = log.sizeBytes()
        return segment
      } catch (error) {
        log.close()
        throw error
      }
    })
  }

  set config(config: SegmentConfig) {
    this.#config = config
  }

  get isFull(): boolean {
    return this.offsetIndex.isFull || this.timeIndex.isFull
  }

  /** Writes whole batches at the end; they are noted one by one with note(). Throws StorageError. */
  write(sources: Uint8Array[], totalBytes: number): void {
    const written = storageCall(`write of ${totalBytes} bytes to ${this.log.path}`, () =>
      this.log.writeVector(sources, this.sizeBytes),
    )
    if (written === totalBytes) return
    this.#writeRest(sources, written, totalBytes)
  }

  /** A short write: a signal, or a disk that is about to be full. The rest is tried piece by piece, which tells. */
  #writeRest(sources: Uint8Array[], written: number, totalBytes: number): void {
    let skip = written
    let position = this.sizeBytes + written
    for (const source of sources) {
      if (skip >= source.length) {
        skip -= source.length
        continue
      }
      while (skip < source.length) {
        const from = skip
        const count = storageCall(`write of ${totalBytes} bytes to ${this.log.path}`, () =>
          this.log.write(source, from, source.length - from, position),
        )
        if (count === 0) throw new StorageError(`write to ${this.log.path} made no progress`, 'ENOSPC')
        skip += count
        position += count
      }
      skip = 0
    }
  }

  /** Takes a written (or recovered) batch into account: size, timestamps, index entries. */
  note(lastOffset: number, sizeBytes: number, maxTimestamp: number): void {
    assert(lastOffset >= this.nextOffset - 1 || this.sizeBytes === 0, 'offsets in a segment increase')
    if (this.sizeBytes === 0) this.firstTimestamp = maxTimestamp
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp
      this.offsetOfMaxTimestamp = lastOffset
    }
    // A full index rolls the segment before an append; only the recovery of a larger segment than ours meets one here.
    if (this.#bytesSinceIndexEntry > this.#config.indexIntervalBytes && !this.isFull) {
      this.offsetIndex.append(lastOffset, this.sizeBytes)
      this.timeIndex.append(this.maxTimestamp, this.offsetOfMaxTimestamp)
      this.#bytesSinceIndexEntry = 0
    }
    this.#bytesSinceIndexEntry += sizeBytes
    this.sizeBytes += sizeBytes
    this.nextOffset = lastOffset + 1
  }

  /** Forgets everything derived, before a scan notes every batch anew. */
  resetDerived(): void {
    this.offsetIndex.reset()
    this.timeIndex.reset()
    this.sizeBytes = 0
    this.nextOffset = this.baseOffset
    this.maxTimestamp = -1
    this.offsetOfMaxTimestamp = this.baseOffset
    this.firstTimestamp = -1
    this.#bytesSinceIndexEntry = 0
  }

  /** After a clean shutdown: end and timestamps from the indexes and the last batches. */
  loadTrusted(nextOffset: number, firstTimestamp: number, maxTimestamp: number, offsetOfMaxTimestamp: number): void {
    this.nextOffset = nextOffset
    this.firstTimestamp = firstTimestamp
    this.maxTimestamp = maxTimestamp
    this.offsetOfMaxTimestamp = offsetOfMaxTimestamp
    this.syncedBytes = this.sizeBytes
    this.#bytesSinceIndexEntry = this.sizeBytes - this.offsetIndex.lastPosition
  }

  /** Cuts bytes off the end that are no batches; only before any reader knows of them. */
  truncateLog(sizeBytes: number): void {
    if (this.log.sizeBytes() === sizeBytes) return
    storageCall(`truncating ${this.log.path} to ${sizeBytes} bytes`, () => {
      this.log.truncate(sizeBytes)
      this.log.sync()
    })
  }

  /** The segment gets no more batches: closing time-index entry, indexes trimmed and durable. */
  seal(): void {
    if (this.maxTimestamp >= 0) this.timeIndex.append(this.maxTimestamp, this.offsetOfMaxTimestamp, true)
    storageCall(`closing the indexes of ${this.log.path}`, () => {
      this.offsetIndex.sync()
      this.timeIndex.sync()
      this.offsetIndex.trim()
      this.timeIndex.trim()
    })
  }

  /** Called by recovery for each batch that it found good. */
  noteBatch(batch: RecordBatchView): void {
    this.note(batch.lastOffset, batch.sizeBytes, batch.maxTimestamp)
  }

  /** Closes the files now, or when the flusher has finished with them. */
  close(): void {
    if (this.#closeWanted) return
    this.#closeWanted = true
    this.offsetIndex.close()
    this.timeIndex.close()
    if (this.syncsInFlight === 0) this.log.close()
  }

  syncStarted(): void {
    assert(!this.#closeWanted, 'a closed segment is not synced')
    this.syncsInFlight += 1
  }

  syncEnded(): void {
    assert(this.syncsInFlight > 0, 'a sync that ends has begun')
    this.syncsInFlight -= 1
    if (this.syncsInFlight === 0 && this.#closeWanted) this.log.close()
  }
}

export function segmentPath(
  directory: string,
  baseOffset: number,
  suffix: '.log' | '.index' | '.timeindex' | '.txnindex' | '.snapshot',
): string {
  return `${directory}/${segmentFileName(baseOffset, suffix)}`
}
