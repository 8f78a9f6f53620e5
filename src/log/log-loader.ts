/**
 * Opens a partition's directory: Kafka's load order, recovery after an unclean stop, and what is done about damage.
 *
 * 1. Left-overs of interrupted deletions and compactions are finished or undone (.deleted, .cleaned, .swap).
 * 2. Segments that end at or below the recovery point were synced: they are trusted, their headers are not read.
 * 3. After an unclean stop every other segment is scanned byte for byte; its indexes are rebuilt.
 *      A fault at or above the recovery point is an incomplete tail: the log ends there. If whole batches follow it, or
 *      later segments do, those bytes are moved aside (*.kept-aside), not deleted.
 *      A fault below the recovery point is damage of data that was durable: it is reported and left where it is
 *      (quarantined); the batches behind it stay readable.
 * 4. Producer state: a snapshot plus a replay of batch headers.
 *
 * Opening a directory twice changes no byte the second time.
 */
import { AssertionFailed } from '../base/assert.ts'
import type { Env, Fs } from '../base/env/env.ts'
import { storageCall } from '../base/file-io.ts'
import { BatchScan, findNextBatch } from '../segment/batch-scan.ts'
import { parseSegmentFileName } from '../segment/names.ts'
import { Segment, segmentPath } from '../segment/segment.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { readPartitionMetadata, writePartitionMetadata } from './partition-metadata.ts'
import { type DamageReport, PartitionLog, type SealedSegment } from './partition-log.ts'
import { ProducerState } from './producer-state.ts'
import { loadProducerSnapshot } from './snapshot-files.ts'
import { finishInterrupted } from './swap-files.ts'
import type { LogConfig } from './topic-config.ts'

export interface PartitionLogSpec {
  readonly topic: string
  readonly partition: number
  readonly directory: string
  readonly topicId: string
  readonly config: LogConfig
  /** The whole data directory was closed cleanly. */
  readonly wasClean: boolean
  /** Everything below is durable, by the checkpoint; 0 if there is none. */
  readonly recoveryPoint: number
  readonly logStartOffset: number
  /** Called now and then during long scans, so that a supervisor sees life. */
  readonly onProgress: () => void
}

/** Throws StorageError, or VltavaError DIRECTORY_* if the directory is not what it should be. */
export function openPartitionLog(env: Env, spec: PartitionLogSpec): PartitionLog {
  return new Loader(env, spec).open()
}

class Loader {
  readonly #env: Env
  readonly #fs: Fs
  readonly #spec: PartitionLogSpec
  readonly #damage: DamageReport[] = []
  readonly #producers = new ProducerState()
  /** Replay takes batches from here on; what is below is in the snapshot. */
  #replayFrom = 0

  constructor(env: Env, spec: PartitionLogSpec) {
    this.#env = env
    this.#fs = env.fs
    this.#spec = spec
  }

  open(): PartitionLog {
    const { directory } = this.#spec
    this.#prepareDirectory()
    finishInterrupted(this.#fs, directory)
    const bases = this.#segmentBases()
    const epochs = LeaderEpochs.load(this.#fs, directory)
    const firstBase = bases[0] ?? this.#spec.logStartOffset
    const sealed: SealedSegment[] = []
    let active: Segment
    if (bases.length === 0) active = this.#createSegment(this.#spec.logStartOffset)
    else active = this.#openSegments(bases, sealed)
    const logEndOffset = active.nextOffset
    let logStartOffset = Math.max(this.#spec.logStartOffset, sealed[0]?.baseOffset ?? firstBase)
    if (logStartOffset > logEndOffset) {
      // The start was moved beyond everything that survived: the log goes on, empty, where its start is.
      this.#report(directory, 0, `logStartOffset=${logStartOffset} is beyond logEndOffset=${logEndOffset}`, 'rebuilt')
      active.seal()
      active.close()
      sealed.length = 0
      active = this.#createSegment(logStartOffset)
    } else if (active.baseOffset > logStartOffset && sealed.length === 0) {
      logStartOffset = active.baseOffset
    }
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
      producers: this.#producers,
      epochs,
      damage: this.#damage,
    })
  }

  /**
   * After an unclean stop only what the checkpoint says is known to be durable: recovery read the page cache. The shard
   * orders a sync of the rest at once, without holding the opening up for it.
   */
  #committedOffset(active: Segment): number {
    return this.#spec.wasClean ? active.nextOffset : Math.min(this.#spec.recoveryPoint, active.nextOffset)
  }

  #prepareDirectory(): void {
    const { directory, topicId } = this.#spec
    storageCall(`preparing ${directory}`, () => {
      if (this.#fs.stat(directory) === undefined) {
        this.#fs.makeDirectory(directory)
        this.#fs.syncDirectory(directory.slice(0, directory.lastIndexOf('/')))
      }
      if (readPartitionMetadata(this.#fs, directory) === undefined) {
        writePartitionMetadata(this.#fs, directory, topicId)
      }
    })
  }

  /** Ascending base offsets; index files without a log are deleted, they are derived. */
  #segmentBases(): number[] {
    const bases = new Set<number>()
    const { directory } = this.#spec
    const names = this.#fs.list(directory).map((name) => ({ name, parsed: parseSegmentFileName(name) }))
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
    return Segment.create(this.#fs, directory, baseOffset, config, this.#env.clock.wallMs(), this.#jitterMs())
  }

  /** Fills `sealed` and returns the segment that goes on. */
  #openSegments(bases: readonly number[], sealed: SealedSegment[]): Segment {
    const trustedEnd = this.#spec.wasClean ? Number.POSITIVE_INFINITY : this.#spec.recoveryPoint
    this.#loadSnapshot(bases)
    for (let i = 0; i < bases.length; i++) {
      const base = bases[i]!
      const nextBase = bases[i + 1]
      this.#spec.onProgress()
      if (nextBase !== undefined && nextBase <= trustedEnd && this.#isIndexed(base)) {
        sealed.push(this.#trustSealed(base, nextBase))
        continue
      }
      const segment = this.#openSegment(base)
      const isTrusted = this.#spec.wasClean && nextBase === undefined
      const isWhole = isTrusted ? this.#trustActive(segment) : this.#scan(segment, nextBase)
      if (nextBase === undefined) return this.#endWith(segment, sealed)
      if (!isWhole) {
        this.#keepAside(bases.slice(i + 1))
        return segment
      }
      segment.seal()
      this.#syncWhole(segment)
      sealed.push(sealedOf(segment, this.#env.clock.wallMs()))
      segment.close()
    }
    throw new AssertionFailed('the last segment is returned from the loop')
  }

  /** A damaged end below the recovery point cannot be appended to: a fresh segment starts behind it. */
  #endWith(segment: Segment, sealed: SealedSegment[]): Segment {
    const fileBytes = segment.log.sizeBytes()
    if (fileBytes === segment.sizeBytes) return segment
    const nextBase = Math.max(segment.nextOffset, this.#spec.recoveryPoint)
    segment.seal()
    this.#syncWhole(segment)
    sealed.push({ ...sealedOf(segment, this.#env.clock.wallMs()), nextOffset: nextBase, sizeBytes: fileBytes })
    segment.close()
    return this.#createSegment(nextBase)
  }

  #openSegment(base: number): Segment {
    const { config, directory } = this.#spec
    return Segment.open(this.#fs, directory, base, config, this.#env.clock.wallMs(), this.#jitterMs())
  }

  #jitterMs(): number {
    const { segmentJitterMs, segmentMs } = this.#spec.config
    return Math.floor(this.#env.random.next() * Math.min(segmentJitterMs, segmentMs))
  }

  #isIndexed(base: number): boolean {
    const { directory } = this.#spec
    return (
      this.#fs.stat(segmentPath(directory, base, '.index')) !== undefined &&
      this.#fs.stat(segmentPath(directory, base, '.timeindex')) !== undefined
    )
  }

  #trustSealed(base: number, nextBase: number): SealedSegment {
    const segment = this.#openSegment(base)
    try {
      const last = segment.timeIndex.lastEntry
      if (base >= this.#replayFrom || nextBase > this.#replayFrom) this.#replayHeaders(segment)
      const mtimeMs = this.#fs.stat(segment.log.path)!.mtimeMs
      const maxTimestamp = last.timestamp >= 0 ? last.timestamp : mtimeMs
      return { baseOffset: base, nextOffset: nextBase, sizeBytes: segment.sizeBytes, maxTimestamp }
    } finally {
      segment.close()
    }
  }

  #replayHeaders(segment: Segment): void {
    const scan = new BatchScan(segment.log, 0, segment.sizeBytes, false)
    for (let count = 0; scan.next(); count++) {
      if (scan.batch.baseOffset >= this.#replayFrom) this.#producers.update(scan.batch)
      if ((count & 0xfff) === 0) this.#spec.onProgress()
    }
    if (scan.fault !== undefined) {
      this.#report(segment.log.path, scan.position, scan.fault, 'quarantined')
    }
  }

  /** The active segment after a clean stop: only what lies behind its last index entry is walked. */
  #trustActive(segment: Segment): boolean {
    const fault = segment.offsetIndex.sanityCheck() ?? segment.timeIndex.sanityCheck()
    if (fault !== undefined || !this.#isIndexed(segment.baseOffset)) return this.#scan(segment, undefined)
    const start = segment.offsetIndex.lastPosition
    const lastTime = segment.timeIndex.lastEntry
    let maxTimestamp = lastTime.timestamp
    let offsetOfMaxTimestamp = lastTime.offset
    let nextOffset = segment.baseOffset
    let firstTimestamp = -1
    const first = new BatchScan(segment.log, 0, segment.sizeBytes, false)
    if (first.next()) firstTimestamp = first.batch.maxTimestamp
    const scan = new BatchScan(segment.log, start, segment.sizeBytes, false)
    while (scan.next()) {
      nextOffset = scan.batch.lastOffset + 1
      if (scan.batch.maxTimestamp > maxTimestamp) {
        maxTimestamp = scan.batch.maxTimestamp
        offsetOfMaxTimestamp = scan.batch.lastOffset
      }
      if (scan.batch.baseOffset >= this.#replayFrom) this.#producers.update(scan.batch)
    }
    if (scan.fault !== undefined) return this.#scan(segment, undefined)
    segment.loadTrusted(nextOffset, firstTimestamp, maxTimestamp, offsetOfMaxTimestamp)
    return true
  }

  /** Checks every batch and rebuilds the indexes. False if the log ends in this segment although others follow. */
  #scan(segment: Segment, nextBase: number | undefined): boolean {
    const fileBytes = segment.log.sizeBytes()
    segment.resetDerived()
    let start = 0
    for (;;) {
      const scan = new BatchScan(segment.log, start, fileBytes)
      let expected = segment.nextOffset
      let fault: string | undefined
      for (let count = 0; scan.next(); count++) {
        const batch = scan.batch
        if (batch.baseOffset < expected || (nextBase !== undefined && batch.lastOffset >= nextBase)) {
          fault = `base offset ${batch.baseOffset} does not go on from ${expected}`
          break
        }
        if (batch.baseOffset >= this.#replayFrom) this.#producers.update(batch)
        segment.noteBatch(batch)
        expected = segment.nextOffset
        if ((count & 0xff) === 0) this.#spec.onProgress()
      }
      fault ??= scan.fault
      if (fault === undefined) return true
      if (expected >= this.#spec.recoveryPoint) {
        this.#cutTail(segment, scan.position, fileBytes, fault)
        return false
      }
      const next = findNextBatch(segment.log, scan.position + 1, fileBytes, expected)
      this.#report(segment.log.path, scan.position, fault, 'quarantined')
      if (next < 0) return true
      segment.sizeBytes = next
      start = next
    }
  }

  /** Ends the log at `position`. Whole batches behind the fault are copied aside first. */
  #cutTail(segment: Segment, position: number, fileBytes: number, fault: string): void {
    const path = segment.log.path
    if (findNextBatch(segment.log, position, fileBytes, 0) >= 0) {
      const aside = `${path}.${position}.kept-aside`
      storageCall(`keeping the damaged tail of ${path} in ${aside}`, () => {
        copyTail(this.#fs, path, position, fileBytes, aside)
        this.#fs.syncDirectory(this.#spec.directory)
      })
      this.#report(path, position, fault, 'kept-aside')
    } else if (position < fileBytes) {
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
      this.#fs.rename(path, `${path}.kept-aside`)
      for (const suffix of ['.index', '.timeindex', '.txnindex', '.snapshot'] as const) {
        const derived = segmentPath(directory, base, suffix)
        if (this.#fs.stat(derived) !== undefined) this.#fs.unlink(derived)
      }
    }
    this.#fs.syncDirectory(directory)
  }

  #loadSnapshot(bases: readonly number[]): void {
    // After an unclean stop, one segment further back than needed: see snapshot-files.ts.
    const newest = this.#spec.wasClean ? Number.MAX_SAFE_INTEGER : (bases[bases.length - 2] ?? -1)
    const report = (file: string, reason: string): void => this.#report(file, 0, reason, 'rebuilt')
    const snapshot = loadProducerSnapshot(this.#fs, this.#spec.directory, newest, report)
    if (snapshot === undefined) return
    this.#producers.load(snapshot.entries)
    this.#replayFrom = snapshot.offset
  }

  #syncWhole(segment: Segment): void {
    storageCall(`fdatasync of ${segment.log.path}`, () => segment.log.sync())
    segment.syncedBytes = segment.sizeBytes
  }

  #report(file: string, position: number, reason: string, action: DamageReport['action']): void {
    this.#damage.push({ file, position, reason, action })
  }
}

function sealedOf(segment: Segment, nowMs: number): SealedSegment {
  return {
    baseOffset: segment.baseOffset,
    nextOffset: segment.nextOffset,
    sizeBytes: segment.sizeBytes,
    maxTimestamp: segment.maxTimestamp >= 0 ? segment.maxTimestamp : nowMs,
  }
}

function copyTail(fs: Fs, from: string, position: number, end: number, to: string): void {
  const source = fs.open(from, 'read')
  try {
    const target = fs.open(to, 'replace')
    try {
      const piece = new Uint8Array(Math.min(1 << 20, end - position))
      for (let done = 0; position + done < end;) {
        const count = source.read(piece, 0, Math.min(piece.length, end - position - done), position + done)
        if (count === 0) break
        for (let written = 0; written < count;) {
          written += target.write(piece, written, count - written, done + written)
        }
        done += count
      }
      target.sync()
    } finally {
      target.close()
    }
  } finally {
    source.close()
  }
}
