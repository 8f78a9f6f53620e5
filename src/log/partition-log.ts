/**
 * PartitionLog: the ordered segments of one partition and its offsets. Owned by one shard thread.
 *
 *   logStartOffset <= committedOffset <= highWatermark = logEndOffset (one node: what is written is visible)
 *
 * A batch goes through append() (checked, given its offsets in place), write() (one system call for all that wait) and,
 * for acks=all, a sync round (takeSyncRound, then syncEnded). Nothing is acknowledged before write() returned.
 *
 * A failed write or sync leaves the log failed for good: every later call is refused with the same StorageError, and
 * only opening it anew from disk makes it usable again. No retry: after a failed fsync the page cache may show bytes
 * that the disk does not have.
 *
 * Retention and trimming are in retention.ts, opening and recovery in log-loader.ts.
 */
import { assert } from '../base/assert.ts'
import type { Env } from '../base/env/env.ts'
import { ERROR_CODES, errnoOf, StorageError, type VltavaError } from '../base/errors.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { Segment } from '../segment/segment.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import { ACCEPT, DUPLICATE, type ProducerState } from './producer-state.ts'
import { writeProducerSnapshot } from './snapshot-files.ts'
import type { LogConfig } from './topic-config.ts'

/** A segment that gets no more batches: its files are closed once they are synced. */
export interface SealedSegment {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly sizeBytes: number
  /** Greatest record timestamp; the file's modification time where no record has one. */
  readonly maxTimestamp: number
}

/** What a sync round covers: `offset` is committed when all of `segments` are synced. */
export interface SyncRound {
  readonly offset: number
  readonly segments: readonly Segment[]
  readonly sizes: readonly number[]
}

/** Something that opening found and dealt with; nothing is repaired in silence. */
export interface DamageReport {
  readonly file: string
  readonly position: number
  readonly reason: string
  /** truncated: an incomplete tail was cut off; kept-aside: moved to a file beside; quarantined: left, not readable. */
  readonly action: 'truncated' | 'kept-aside' | 'quarantined' | 'rebuilt'
}

export interface PartitionLogParts {
  readonly env: Env
  readonly topic: string
  readonly partition: number
  readonly directory: string
  readonly config: LogConfig
  readonly sealed: SealedSegment[]
  readonly active: Segment
  readonly logStartOffset: number
  readonly committedOffset: number
  readonly producers: ProducerState
  readonly epochs: LeaderEpochs
  readonly damage: readonly DamageReport[]
}

/** No writev call takes more pieces than this (IOV_MAX). */
const PIECES_MAX = 1024
const INT32_MAX = 0x7fff_ffff

export class PartitionLog {
  readonly env: Env
  readonly topic: string
  readonly partition: number
  readonly directory: string
  readonly sealed: SealedSegment[]
  readonly producers: ProducerState
  readonly epochs: LeaderEpochs
  readonly damage: readonly DamageReport[]
  active: Segment
  config: LogConfig
  logStartOffset: number
  committedOffset: number
  /** Set by the first failed write or sync; see the header. */
  failure: StorageError | undefined
  /** Of the last append() that was accepted, or the original of a duplicate. */
  appendedOffset = -1
  /** The log's timestamp for the batch if message.timestamp.type=LogAppendTime, else -1. */
  appendedTimestamp = -1
  /** Rolled segments whose last bytes are not synced yet, oldest first; their files are still open. */
  readonly #rolled: Segment[] = []
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  readonly #pendingNotes: number[] = []
  #nextOffset: number
  #messagesSinceSync = 0
  #lastSyncMs: number
  #round: SyncRound | undefined

  constructor(parts: PartitionLogParts) {
    this.env = parts.env
    this.topic = parts.topic
    this.partition = parts.partition
    this.directory = parts.directory
    this.config = parts.config
    this.sealed = parts.sealed
    this.active = parts.active
    this.logStartOffset = parts.logStartOffset
    this.committedOffset = parts.committedOffset
    this.producers = parts.producers
    this.epochs = parts.epochs
    this.damage = parts.damage
    this.#nextOffset = parts.active.nextOffset
    this.#lastSyncMs = parts.env.clock.monotonicMs()
  }

  /** First offset that is not written: readers stop before it. */
  get highWatermark(): number {
    return this.active.nextOffset
  }

  /** The offset that the next batch gets; ahead of the high watermark while batches wait for write(). */
  get logEndOffset(): number {
    return this.#nextOffset
  }

  get sizeBytes(): number {
    let sizeBytes = this.active.sizeBytes
    for (const segment of this.sealed) sizeBytes += segment.sizeBytes
    return sizeBytes
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /**
   * Checks the batch at the view's position and gives it its offsets, in place. Returns 0 (accepted), DUPLICATE
   * (already in the log at `appendedOffset`) or a Kafka error code. Accepted bytes must stay untouched until write()
   * returns.
   */
  append(batch: RecordBatchView, wallMs: number): number {
    assert(this.failure === undefined, 'a failed log takes no batches')
    const sizeBytes = batch.sizeBytes
    const count = batch.recordCount
    const config = this.config
    if (sizeBytes > config.maxMessageBytes) return ERROR_CODES.MESSAGE_TOO_LARGE.kafkaCode
    if (count <= 0 || batch.lastOffsetDelta !== count - 1) return ERROR_CODES.INVALID_RECORD.kafkaCode
    if (sizeBytes > config.segmentBytes) return ERROR_CODES.RECORD_LIST_TOO_LARGE.kafkaCode
    const verdict = this.producers.check(batch)
    if (verdict === DUPLICATE) {
      this.appendedOffset = this.producers.duplicateBaseOffset
      this.appendedTimestamp = config.isLogAppendTime ? this.producers.duplicateTimestamp : -1
      return DUPLICATE
    }
    if (verdict !== ACCEPT) return verdict
    if (config.isLogAppendTime) batch.stampLogAppendTime(wallMs)
    else if (batch.maxTimestamp > wallMs + config.timestampAfterMaxMs) return ERROR_CODES.INVALID_TIMESTAMP.kafkaCode
    else if (batch.baseTimestamp >= 0 && batch.baseTimestamp < wallMs - config.timestampBeforeMaxMs) {
      return ERROR_CODES.INVALID_TIMESTAMP.kafkaCode
    }
    if (this.#mustRoll(batch, sizeBytes)) {
      this.write()
      this.roll()
    } else if (this.#pending.length === PIECES_MAX) {
      this.write()
    }
    const baseOffset = this.#nextOffset
    batch.baseOffset = baseOffset
    batch.partitionLeaderEpoch = this.epochs.latestEpoch()
    this.producers.update(batch)
    this.#pending.push(batch.bytes.subarray(batch.position, batch.position + sizeBytes))
    this.#pendingBytes += sizeBytes
    this.#pendingNotes.push(batch.lastOffset, sizeBytes, batch.maxTimestamp)
    this.#nextOffset = baseOffset + count
    this.#messagesSinceSync += count
    this.appendedOffset = baseOffset
    this.appendedTimestamp = config.isLogAppendTime ? wallMs : -1
    return ACCEPT
  }

  /** Kafka's rules for starting a new segment, by size, record time, full indexes and the int32 of relative offsets. */
  #mustRoll(batch: RecordBatchView, sizeBytes: number): boolean {
    const active = this.active
    const activeBytes = active.sizeBytes + this.#pendingBytes
    if (activeBytes === 0) return false
    if (activeBytes > this.config.segmentBytes - sizeBytes) return true
    if (active.isFull) return true
    if (this.#nextOffset + batch.lastOffsetDelta - active.baseOffset > INT32_MAX) return true
    const firstTimestamp = active.sizeBytes > 0 ? active.firstTimestamp : this.#pendingNotes[2]!
    const now = this.env.clock.wallMs()
    const waitedMs = firstTimestamp >= 0 ? batch.maxTimestamp - firstTimestamp : now - active.createdMs
    return waitedMs > this.config.segmentMs - active.jitterMs
  }

  /** Writes every accepted batch: afterwards they are stable and visible. Throws StorageError and fails the log. */
  write(): void {
    if (this.#pendingBytes === 0) return
    assert(this.failure === undefined, 'a failed log is not written')
    try {
      this.env.failpoint('append:before-write')
      this.active.write(this.#pending, this.#pendingBytes)
      this.env.failpoint('append:after-write')
      const notes = this.#pendingNotes
      for (let i = 0; i < notes.length; i += 3) this.active.note(notes[i]!, notes[i + 1]!, notes[i + 2]!)
    } catch (error) {
      throw this.fail(error)
    }
    this.#pending = []
    this.#pendingBytes = 0
    this.#pendingNotes.length = 0
    assert(this.active.nextOffset === this.#nextOffset, 'what is written ends where the next offset begins')
  }

  /** Seals the active segment and starts the next one at the log's end. Throws StorageError and fails the log. */
  roll(): void {
    assert(this.#pendingBytes === 0, 'accepted batches are written before a roll')
    const old = this.active
    if (old.sizeBytes === 0) return
    try {
      this.env.failpoint('roll:before-seal')
      old.seal()
      this.env.failpoint('roll:before-snapshot')
      writeProducerSnapshot(this.env.fs, this.directory, this.#nextOffset, this.producers.entries())
      this.env.failpoint('roll:before-create')
      this.active = this.newSegment(this.#nextOffset)
      this.env.failpoint('roll:after-create')
    } catch (error) {
      throw this.fail(error)
    }
    this.sealed.push({
      baseOffset: old.baseOffset,
      nextOffset: old.nextOffset,
      sizeBytes: old.sizeBytes,
      maxTimestamp: old.maxTimestamp >= 0 ? old.maxTimestamp : this.env.clock.wallMs(),
    })
    if (old.syncedBytes === old.sizeBytes && old.syncsInFlight === 0) old.abandon()
    else this.#rolled.push(old)
  }

  newSegment(baseOffset: number): Segment {
    const jitterMs = Math.floor(this.env.random.next() * Math.min(this.config.segmentJitterMs, this.config.segmentMs))
    return Segment.create(this.env.fs, this.directory, baseOffset, this.config, this.env.clock.wallMs(), jitterMs)
  }

  /** Whether flush.messages or flush.ms, or a rolled segment, ask for a sync without anybody waiting for one. */
  wantsSync(): boolean {
    if (this.failure !== undefined || this.#round !== undefined) return false
    if (this.#rolled.length > 0) return true
    if (this.committedOffset >= this.highWatermark) return false
    if (this.#messagesSinceSync >= this.config.flushMessages) return true
    return this.env.clock.monotonicMs() - this.#lastSyncMs >= this.config.flushMs
  }

  /**
   * What is written so far and not synced, oldest first, at most `segmentsMax` segments of it; undefined if there is
   * nothing, or a round is under way.
   */
  takeSyncRound(segmentsMax = Number.POSITIVE_INFINITY): SyncRound | undefined {
    if (this.#round !== undefined || this.failure !== undefined) return undefined
    const unsynced = [...this.#rolled]
    if (this.active.syncedBytes < this.active.sizeBytes) unsynced.push(this.active)
    if (unsynced.length === 0) return undefined
    const segments = unsynced.slice(0, segmentsMax)
    for (const segment of segments) segment.syncStarted()
    const isAll = segments.length === unsynced.length
    if (isAll) this.#messagesSinceSync = 0
    const offset = isAll ? this.highWatermark : segments.at(-1)!.nextOffset
    this.#round = { offset, segments, sizes: segments.map((segment) => segment.sizeBytes) }
    return this.#round
  }

  /** The flusher is done with the round: `errno` is '' or why it failed. Throws nothing: a failure fails the log. */
  syncEnded(errno: string): void {
    const round = this.#round
    assert(round !== undefined, 'a sync round that ends has begun')
    this.#round = undefined
    this.#lastSyncMs = this.env.clock.monotonicMs()
    for (const segment of round.segments) segment.syncEnded()
    if (errno !== '') {
      const what = `fdatasync of ${this.directory} failed: ${errno}; the partition stops until it is reopened`
      this.fail(new StorageError(what, errno))
      return
    }
    if (this.failure !== undefined) return
    round.segments.forEach((segment, i) => {
      segment.syncedBytes = round.sizes[i]!
      const rolled = this.#rolled.indexOf(segment)
      if (rolled >= 0 && segment.syncedBytes === segment.sizeBytes) {
        this.#rolled.splice(rolled, 1)
        segment.abandon() // Sealed by the roll: nothing is left to be written.
      }
    })
    this.committedOffset = Math.max(round.offset, this.committedOffset)
  }

  get isSyncing(): boolean {
    return this.#round !== undefined
  }

  /** Syncs everything from this thread: for closing and the simulator's tests, not for the path of acks=all. */
  syncNow(): void {
    const round = this.takeSyncRound()
    if (round === undefined) return
    let errno = ''
    try {
      for (const segment of round.segments) segment.log.sync()
    } catch (error) {
      errno = errnoOf(error)
      if (errno === '') throw error
    }
    this.syncEnded(errno)
    if (this.failure !== undefined) throw this.failure
  }

  /** Segments that end at or below `offset` are being deleted: nobody needs their bytes synced any more. */
  forget(offset: number): void {
    while (this.#rolled.length > 0 && this.#rolled[0]!.nextOffset <= offset) this.#rolled.shift()!.abandon()
  }

  /** The first failure of the disk stays; the log is unusable from now on. Returns it, to be thrown. */
  fail(error: unknown): VltavaError {
    const errno = errnoOf(error)
    if (errno === '') throw error
    const what = `${this.directory} failed: ${(error as Error).message}`
    this.failure ??= error instanceof StorageError ? error : new StorageError(what, errno, { cause: error })
    return this.failure
  }

  /** Clean close: everything written, sealed, synced, with a snapshot of the producers at the end. */
  closeClean(): void {
    try {
      this.write()
      this.env.failpoint('close:before-seal')
      this.active.seal()
      this.syncNow()
      this.env.failpoint('close:before-snapshot')
      writeProducerSnapshot(this.env.fs, this.directory, this.#nextOffset, this.producers.entries())
      this.epochs.write()
    } catch (error) {
      throw this.fail(error)
    } finally {
      this.release()
    }
  }

  /** Closes the files and writes nothing: after a failure, or before a deletion. */
  release(): void {
    this.active.abandon()
    for (const segment of this.#rolled) segment.abandon()
    this.#rolled.length = 0
  }
}
