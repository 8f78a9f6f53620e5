/**
 * Segment: one .log file of a partition with its two indexes. Owned by the partition's shard thread.
 *
 * A segment knows how bytes lie in its file and how they are found again; when to roll, delete or sync is the partition
 * log's business (src/log). Batches are appended by one writeVector from the memory of their producers, then noted.
 *
 * Index rule (Kafka 4.3): for each batch, if more than index.interval.bytes were appended since the last entry, an
 * entry (last offset of the batch, position of the batch) goes to .index and (greatest timestamp, its batch's last
 * offset) to .timeindex; then the batch's size is added to the count. So the first batch of a segment never has an
 * entry.
 *
 * Invariants: baseOffset <= every offset in it < nextOffset; 0 <= syncedBytes <= sizeBytes = length of valid bytes.
 */
import { assert } from '../base/assert.ts'
import { StorageError } from '../base/errors.ts'
import { closeQuietly, readFully, storageCall, writeFully } from '../base/file-io.ts'
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
const WRITE_AGAIN_BYTES = 1 << 20
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
    try {
      this.timeIndex = TimeIndex.open(fs, segmentPath(directory, baseOffset, '.timeindex'), baseOffset, timeEntries)
    } catch (error) {
      this.offsetIndex.abandon()
      throw error
    }
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
      const segment = openFiles(fs.open(path, 'create'), (log) => {
        return new Segment(fs, directory, baseOffset, log, config, nowMs, jitterMs)
      })
      try {
        fs.syncDirectory(directory)
      } catch (error) {
        segment.abandon()
        throw error
      }
      return segment
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
      return openFiles(fs.open(path, 'write'), (log) => {
        const sizeBytes = log.sizeBytes()
        const segment = new Segment(fs, directory, baseOffset, log, config, nowMs, jitterMs)
        segment.sizeBytes = sizeBytes
        return segment
      })
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

  /**
   * Writes the bytes from `position` to the end of the valid ones over themselves, so that a sync has them to write.
   */
  writeAgain(position: number, onProgress: () => void): void {
    const piece = new Uint8Array(Math.min(WRITE_AGAIN_BYTES, this.sizeBytes - position))
    for (let done = position; done < this.sizeBytes; done += piece.length) {
      const length = Math.min(piece.length, this.sizeBytes - done)
      const isWhole = storageCall(`read of ${this.log.path}`, () => readFully(this.log, piece, 0, length, done))
      if (!isWhole) throw new StorageError(`${this.log.path} ends before byte ${done + length}`, 'EIO')
      writeFully(this.log, piece, 0, length, done)
      onProgress()
    }
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

  /**
   * Writes what the indexes hold back and closes the files; the log's when the flusher has finished with it. Throws
   * StorageError, and the files are closed all the same.
   */
  close(): void {
    if (this.#closeWanted) return
    try {
      this.offsetIndex.trim()
      this.timeIndex.trim()
    } finally {
      this.abandon()
    }
  }

  /** As close(), and writes nothing: after a failure, or before a deletion. Throws nothing. */
  abandon(): void {
    if (this.#closeWanted) return
    this.#closeWanted = true
    this.offsetIndex.abandon()
    this.timeIndex.abandon()
    if (this.syncsInFlight === 0) closeQuietly(this.log)
  }

  syncStarted(): void {
    assert(!this.#closeWanted, 'a closed segment is not synced')
    this.syncsInFlight += 1
  }

  syncEnded(): void {
    assert(this.syncsInFlight > 0, 'a sync that ends has begun')
    this.syncsInFlight -= 1
    if (this.syncsInFlight === 0 && this.#closeWanted) closeQuietly(this.log)
  }
}

/** What fails behind the opening of the log closes it again. */
function openFiles(log: File, open: (log: File) => Segment): Segment {
  try {
    return open(log)
  } catch (error) {
    log.close()
    throw error
  }
}

export function segmentPath(
  directory: string,
  baseOffset: number,
  suffix: '.log' | '.index' | '.timeindex' | '.txnindex' | '.snapshot',
): string {
  return `${directory}/${segmentFileName(baseOffset, suffix)}`
}
