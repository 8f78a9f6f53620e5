/**
 * Opens a partition's directory: Kafka's load order, recovery after an unclean stop, and what is done about damage.
 *
 * 1. Left-overs of interrupted deletions and compactions are finished or undone (.deleted, .cleaned, .swap).
 * 2. Segments that end at or below the recovery point were synced: they are trusted, their batches are not read.
 * 3. After an unclean stop every other segment is scanned byte for byte; its indexes are rebuilt. So are those of any
 *    segment that lacks one or has a corrupt one.
 *      A fault at or above the recovery point is an incomplete tail: the log ends there. If whole batches follow it, or
 *      later segments do, those bytes are moved aside (*.kept-aside), not deleted.
 *      A fault below the recovery point is damage of data that was durable: it is reported and left where it is
 *      (quarantined); the batches behind it stay readable. If the log ends below the recovery point, it goes on at the
 *      recovery point: no offset is given out twice.
 * 4. Producer state: a snapshot plus a replay of batch headers (producer-recovery.ts).
 *
 * Opening a directory twice changes no byte the second time.
 */
import { AssertionFailed } from '../base/assert.ts'
import type { Env, Fs } from '../base/env/env.ts'
import { storageCall, TEMPORARY_SUFFIX } from '../base/file-io.ts'
import { BatchScan, findBatchBehind, findNextBatch, judgeOffsetJump } from '../segment/batch-scan.ts'
import { parseSegmentFileName } from '../segment/names.ts'
import { Segment, segmentPath } from '../segment/segment.ts'
import { copyTailAside, moveSegmentAside } from './kept-aside.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { readPartitionMetadata, writePartitionMetadata } from './partition-metadata.ts'
import { type DamageReport, PartitionLog, type SealedSegment } from './partition-log.ts'
import type { PartitionLogSpec } from './partition-log-spec.ts'
import { ProducerRecovery } from './producer-recovery.ts'
import { finishInterrupted } from './swap-files.ts'

/** Relative offsets in a segment are int32. */
const OFFSET_SPAN_MAX = 0x8000_0000

/** Throws StorageError, or VltavaError DIRECTORY_* if the directory is not what it should be; nothing is left open. */
export function openPartitionLog(env: Env, spec: PartitionLogSpec): PartitionLog {
  const loader = new Loader(env, spec)
  try {
    return storageCall(`opening ${spec.directory}`, () => loader.open())
  } catch (error) {
    loader.abandon()
    throw error
  }
}

class Loader {
  readonly #env: Env
  readonly #fs: Fs
  readonly #spec: PartitionLogSpec
  readonly #damage: DamageReport[] = []
  readonly #producers: ProducerRecovery
  /** Offsets are missing between batches: the log was compacted, whatever its settings say now. */
  #hasHoles: boolean
  /** The segment that was scanned last lost its end. */
  #hasBeenCut = false
  /** Position in it of the first batch that is not known to be durable, or -1. */
  #unsyncedFrom = -1
  /** Every segment that was opened, to be closed if the log cannot be. */
  readonly #opened: Segment[] = []

  constructor(env: Env, spec: PartitionLogSpec) {
    this.#env = env
    this.#fs = env.fs
    this.#spec = spec
    this.#hasHoles = spec.isAdopted ?? false
    this.#producers = new ProducerRecovery(env.fs, spec, this.#report.bind(this))
    this.#producers.producers.nowMs = env.clock.monotonicMs()
  }

  open(): PartitionLog {
    const { directory } = this.#spec
    this.#prepareDirectory()
    finishInterrupted(this.#fs, directory)
    const bases = this.#segmentBases()
    const epochs = LeaderEpochs.load(this.#fs, directory)
    const sealed: SealedSegment[] = []
    let active = bases.length === 0 ? this.#startNew() : this.#openSegments(bases, sealed)
    const logStartOffset = Math.max(this.#spec.logStartOffset, sealed[0]?.baseOffset ?? active.baseOffset)
    if (logStartOffset > active.nextOffset) active = this.#goOnAtStart(active, sealed, logStartOffset)
    this.#producers.finish(active.nextOffset, [...sealed, active])
    let hasChanged = epochs.truncateFromEnd(active.nextOffset)
    hasChanged = epochs.truncateFromStart(logStartOffset) || hasChanged
    if (epochs.latestEpoch() < 0) hasChanged = epochs.assign(0, logStartOffset) || hasChanged
    if (hasChanged) epochs.write()
    return new PartitionLog({
      env: this.#env,
      topic: this.#spec.topic,
      partition: this.#spec.partition,
      directory,
      config: this.#spec.config,
      sealed,
      active,
      logStartOffset,
      committedOffset: this.#committedOffset(active),
      producers: this.#producers.producers,
      epochs,
      damage: this.#damage,
    })
  }

  abandon(): void {
    for (const segment of this.#opened) segment.abandon()
  }

  /** No segment is there: a new partition, unless the checkpoint knows of offsets that it had. */
  #startNew(): Segment {
    const { directory, logStartOffset, recoveryPoint } = this.#spec
    if (recoveryPoint > logStartOffset) {
      this.#report(directory, 0, `no segment is left of what was below offset=${recoveryPoint}`, 'quarantined')
    }
    return this.#createSegment(Math.max(logStartOffset, recoveryPoint))
  }

  /** The start was moved beyond everything that survived: the log goes on where its start is. */
  #goOnAtStart(active: Segment, sealed: SealedSegment[], logStartOffset: number): Segment {
    const { nextOffset } = active
    const reason = `logStartOffset=${logStartOffset} is beyond logEndOffset=${nextOffset}`
    this.#report(this.#spec.directory, 0, reason, 'rebuilt')
    // What lies below the start goes with the next retention, as always.
    this.#seal(active, sealed, logStartOffset)
    return this.#createSegment(logStartOffset)
  }

  /**
   * After an unclean stop only what the checkpoint says is known to be durable, and what recovery synced: it read the
   * page cache. The shard orders a sync of the rest at once, without holding the opening up for it.
   */
  #committedOffset(active: Segment): number {
    if (this.#spec.wasClean || active.syncedBytes === active.sizeBytes) return active.nextOffset
    return Math.min(Math.max(this.#spec.recoveryPoint, active.baseOffset), active.nextOffset)
  }

  #prepareDirectory(): void {
    const { directory, topicId } = this.#spec
    storageCall(`preparing ${directory}`, () => {
      if (this.#fs.stat(directory) === undefined) this.#fs.makeDirectory(directory)
      if (readPartitionMetadata(this.#fs, directory) === undefined) {
        // Also where the directory was there: whoever made it may not have come as far as this.
        this.#fs.syncDirectory(directory.slice(0, directory.lastIndexOf('/')))
        writePartitionMetadata(this.#fs, directory, topicId)
      }
    })
  }

  /**
   * Ascending base offsets; index files without a log are deleted, they are derived, and what replaces nothing any
   * more.
   */
  #segmentBases(): number[] {
    const bases = new Set<number>()
    const { directory } = this.#spec
    const names = this.#fs.list(directory).map((name) => ({ name, parsed: parseSegmentFileName(name) }))
    for (const { name } of names) if (name.endsWith(TEMPORARY_SUFFIX)) this.#fs.unlink(`${directory}/${name}`)
    for (const { parsed } of names) {
      if (parsed?.suffix === '.log' && parsed.transient === '') bases.add(parsed.baseOffset)
    }
    for (const { name, parsed } of names) {
      if (parsed === undefined || parsed.transient !== '' || parsed.suffix === '.log' || parsed.suffix === '.snapshot')
        continue
      if (!bases.has(parsed.baseOffset)) this.#fs.unlink(`${directory}/${name}`)
    }
    return [...bases].sort((a, b) => a - b)
  }

  #createSegment(baseOffset: number): Segment {
    const { config, directory } = this.#spec
    const nowMs = this.#env.clock.wallMs()
    const segment = Segment.create(this.#fs, directory, baseOffset, config, nowMs, this.#jitterMs())
    this.#opened.push(segment)
    return segment
  }

  /** Fills `sealed` and returns the segment that goes on. */
  #openSegments(bases: readonly number[], sealed: SealedSegment[]): Segment {
    const { wasClean, recoveryPoint, directory } = this.#spec
    const trustedEnd = wasClean ? Number.POSITIVE_INFINITY : recoveryPoint
    // The names of segments that a stop has interrupted the making of: what is written into them must not lose them.
    if (!wasClean) this.#fs.syncDirectory(directory)
    this.#producers.start(bases)
    for (let i = 0; i < bases.length; i++) {
      const base = bases[i]!
      const nextBase = bases[i + 1]
      this.#spec.onProgress()
      const isTrusted = nextBase === undefined ? wasClean : nextBase <= trustedEnd
      const missing = this.#missingIndex(base)
      const segment = this.#openSegment(base)
      const indexFault = missing ?? segment.offsetIndex.sanityCheck() ?? segment.timeIndex.sanityCheck()
      if (isTrusted && indexFault !== undefined) this.#report(segment.offsetIndex.path, 0, indexFault, 'rebuilt')
      if (nextBase === undefined) {
        if (!isTrusted || indexFault !== undefined || !this.#trustActive(segment)) this.#scan(segment, undefined)
        return this.#endWith(segment, sealed)
      }
      if (isTrusted && indexFault === undefined) {
        sealed.push(this.#trustSealed(segment, nextBase))
        continue
      }
      this.#scan(segment, nextBase)
      if (this.#endsBefore(segment, nextBase)) {
        this.#keepAside(bases.slice(i + 1))
        return segment
      }
      this.#seal(segment, sealed, nextBase)
    }
    throw new AssertionFailed('the last segment is returned from the loop')
  }

  /**
   * Whether the log ends in this scanned segment although others follow: its end was cut off, or got lost at the border
   * of two batches. Below the recovery point and below its start it does not end, and where a compaction was, offsets
   * may be missing.
   */
  #endsBefore(segment: Segment, nextBase: number): boolean {
    const { recoveryPoint, logStartOffset } = this.#spec
    if (segment.nextOffset >= nextBase || segment.nextOffset < recoveryPoint || nextBase <= logStartOffset) return false
    return this.#hasBeenCut || !(this.#hasHoles || this.#spec.config.isCompacted)
  }

  /** A damaged end below the recovery point cannot be appended to: a fresh segment starts behind it. */
  #endWith(segment: Segment, sealed: SealedSegment[]): Segment {
    const { recoveryPoint } = this.#spec
    const isLost = segment.nextOffset < recoveryPoint
    if (segment.log.sizeBytes() === segment.sizeBytes) {
      if (!isLost) return segment
      const reason = `the log ends at offset=${segment.nextOffset}, below the recovery point ${recoveryPoint}`
      this.#report(segment.log.path, segment.sizeBytes, reason, 'quarantined')
    }
    const nextBase = Math.max(segment.nextOffset, recoveryPoint)
    this.#seal(segment, sealed, nextBase)
    return this.#createSegment(nextBase)
  }

  #seal(segment: Segment, sealed: SealedSegment[], nextOffset: number): void {
    segment.seal()
    storageCall(`fdatasync of ${segment.log.path}`, () => segment.log.sync())
    const { baseOffset, maxTimestamp } = segment
    const sizeBytes = segment.log.sizeBytes()
    sealed.push({
      baseOffset,
      nextOffset,
      sizeBytes,
      maxTimestamp: maxTimestamp >= 0 ? maxTimestamp : mtimeOf(segment, this.#fs),
    })
    segment.close()
  }

  #openSegment(base: number): Segment {
    const { config, directory } = this.#spec
    const segment = Segment.open(this.#fs, directory, base, config, this.#env.clock.wallMs(), this.#jitterMs())
    this.#opened.push(segment)
    return segment
  }

  #jitterMs(): number {
    const { segmentJitterMs, segmentMs } = this.#spec.config
    return Math.floor(this.#env.random.next() * Math.min(segmentJitterMs, segmentMs))
  }

  #missingIndex(base: number): string | undefined {
    for (const suffix of ['.index', '.timeindex'] as const) {
      const path = segmentPath(this.#spec.directory, base, suffix)
      if (this.#fs.stat(path) === undefined) return `${path} is missing`
    }
    return undefined
  }

  #trustSealed(segment: Segment, nextBase: number): SealedSegment {
    const { baseOffset, sizeBytes } = segment
    try {
      const { timestamp } = segment.timeIndex.lastEntry
      if (nextBase > this.#producers.replayFrom) this.#producers.replay(baseOffset, 0, sizeBytes)
      const maxTimestamp = timestamp >= 0 ? timestamp : mtimeOf(segment, this.#fs)
      return { baseOffset, nextOffset: nextBase, sizeBytes, maxTimestamp }
    } finally {
      segment.close()
    }
  }

  /** The active segment after a clean stop: only what lies behind its last index entry is walked. False: a fault. */
  #trustActive(segment: Segment): boolean {
    const lastTime = segment.timeIndex.lastEntry
    let maxTimestamp = lastTime.timestamp
    let offsetOfMaxTimestamp = lastTime.offset
    let nextOffset = segment.baseOffset
    let firstTimestamp = -1
    const first = new BatchScan(segment.log, 0, segment.sizeBytes, false)
    if (first.next()) firstTimestamp = first.batch.maxTimestamp
    const scan = new BatchScan(segment.log, segment.offsetIndex.lastPosition, segment.sizeBytes, false)
    while (scan.next()) {
      nextOffset = scan.batch.lastOffset + 1
      if (scan.batch.maxTimestamp > maxTimestamp) {
        maxTimestamp = scan.batch.maxTimestamp
        offsetOfMaxTimestamp = scan.batch.lastOffset
      }
    }
    // After a clean stop the recovery point is the log's end; 0: there is no checkpoint.
    const { recoveryPoint } = this.#spec
    if (scan.fault !== undefined || (recoveryPoint > 0 && nextOffset !== recoveryPoint)) return false
    // An index that leads to the end of the file, or beyond, is not of this file.
    if (segment.sizeBytes > 0 && nextOffset === segment.baseOffset) return false
    segment.loadTrusted(nextOffset, firstTimestamp, maxTimestamp, offsetOfMaxTimestamp)
    const { replayFrom } = this.#producers
    if (replayFrom < nextOffset) {
      this.#producers.replay(segment.baseOffset, segment.offsetIndex.lookup(replayFrom), segment.sizeBytes)
    }
    return true
  }

  /**
   * Checks every batch and rebuilds the indexes; cuts the segment where the log ends. Then writes what lies above the
   * recovery point once more: it was read from the page cache, which after a failed fsync shows bytes that the disk
   * does not have and that no later fsync would write. Whoever saw that failure may be gone.
   */
  #scan(segment: Segment, nextBase: number | undefined): void {
    this.#unsyncedFrom = -1
    this.#scanBatches(segment, nextBase)
    if (this.#unsyncedFrom >= 0) segment.writeAgain(this.#unsyncedFrom, this.#spec.onProgress)
  }

  #scanBatches(segment: Segment, nextBase: number | undefined): void {
    const fileBytes = segment.log.sizeBytes()
    const offsetEnd = Math.min(nextBase ?? Infinity, segment.baseOffset + OFFSET_SPAN_MAX)
    segment.resetDerived()
    this.#hasBeenCut = false
    for (let start = 0; start >= 0;) {
      const scan = new BatchScan(segment.log, start, fileBytes)
      let fault: string | undefined
      for (let count = 0; scan.next(); count++) {
        const batch = scan.batch
        fault = this.#offsetFault(segment, scan, offsetEnd, nextBase, start > 0 && count === 0)
        if (fault !== undefined) break
        this.#producers.note(batch)
        if (this.#unsyncedFrom < 0 && batch.lastOffset >= this.#spec.recoveryPoint) this.#unsyncedFrom = scan.position
        segment.noteBatch(batch)
        if ((count & 0xff) === 0) this.#spec.onProgress()
      }
      fault ??= scan.fault
      if (fault === undefined) return
      if (segment.nextOffset >= this.#spec.recoveryPoint) {
        this.#cutTail(segment, scan.position, fileBytes, fault)
        return
      }
      this.#report(segment.log.path, scan.position, fault, 'quarantined')
      start = findBatchBehind(segment.log, scan.position, fileBytes, segment.nextOffset, offsetEnd)
      if (start >= 0) segment.sizeBytes = start
    }
  }

  /** Why the batch of the scan cannot follow what the segment has: its CRC is right, but does not cover the offset. */
  #offsetFault(
    segment: Segment,
    scan: BatchScan,
    offsetEnd: number,
    nextBase: number | undefined,
    isBehindDamage: boolean,
  ): string | undefined {
    const { baseOffset, lastOffset, recordCount, lastOffsetDelta } = scan.batch
    const expected = segment.nextOffset
    if (recordCount <= lastOffsetDelta) this.#hasHoles = true
    if (baseOffset === expected && lastOffset < offsetEnd) return undefined
    const fault = `base offset ${baseOffset} does not go on from ${expected}`
    if (baseOffset < expected || lastOffset >= offsetEnd) return fault
    if (isBehindDamage) return undefined // Offsets are missing there in any log.
    const verdict = judgeOffsetJump(segment.log, scan.nextPosition, segment.log.sizeBytes(), expected, lastOffset)
    if (verdict === 'damaged') return fault
    const isCompacted = this.#hasHoles || this.#spec.config.isCompacted
    if (verdict === 'unknown' && nextBase !== lastOffset + 1 && !isCompacted) return fault
    this.#hasHoles = true
    return undefined
  }

  /** Ends the log at `position`. Whole batches behind the fault are copied aside first. */
  #cutTail(segment: Segment, position: number, fileBytes: number, fault: string): void {
    const { path } = segment.log
    this.#hasBeenCut = true
    if (findNextBatch(segment.log, position, fileBytes, segment.baseOffset) >= 0) {
      copyTailAside(this.#fs, this.#spec.directory, path, position, fileBytes)
      this.#report(path, position, fault, 'kept-aside')
    } else {
      this.#report(path, position, fault, 'truncated')
    }
    segment.truncateLog(position)
  }

  /** Segments behind the end of the log: un-synced by definition, but kept. */
  #keepAside(bases: readonly number[]): void {
    const { directory } = this.#spec
    for (const base of bases) {
      const path = segmentPath(directory, base, '.log')
      this.#report(path, 0, 'an earlier segment ends before this one begins', 'kept-aside')
      moveSegmentAside(this.#fs, directory, base)
    }
    this.#fs.syncDirectory(directory)
  }

  #report(file: string, position: number, reason: string, action: DamageReport['action']): void {
    this.#damage.push({ file, position, reason, action })
  }
}

function mtimeOf(segment: Segment, fs: Fs): number {
  return fs.stat(segment.log.path)?.mtimeMs ?? -1
}
