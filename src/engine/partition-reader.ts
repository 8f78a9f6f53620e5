/**
 * LocalPartitionReader: reads a partition's segments from the consumer's own thread. @hot
 *
 * No shard is asked: the watermark words say how far the log may be read, everything else is in the files. Batches
 * below the high watermark are whole and follow each other, so the reader never looks at bytes that are still being
 * written: it stops when the next offset reaches the high watermark, before it reads the header there.
 *
 * A segment ends where its file ends; the next one is named by the next offset (or, after compaction, the next greater
 * name in the directory). Files that retention deleted stay readable while they are open here.
 *
 * Invariant: logStartOffset <= nextOffset <= highWatermark, else OffsetOutOfRangeError.
 */
import type { File, Fs } from '../base/env/env.ts'
import { readFully, storageCall } from '../base/file-io.ts'
import {
  DamagedLogError,
  errnoOf,
  OffsetOutOfRangeError,
  StorageError,
  UnknownTopicOrPartitionError,
} from '../base/errors.ts'
import type { FetchedBatches, PartitionEnds, PartitionReader } from '../protocol/transport.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import { batchFault, declaredBatchSize, RecordBatchView } from '../record/batch-view.ts'
import { Activity, SlotState, type Watermarks } from '../ring/watermarks.ts'
import { BATCH_BYTES_MAX, findBatchBehind, judgeOffsetJump } from '../segment/batch-scan.ts'
import { lookupInFile } from '../segment/offset-index.ts'
import { parseSegmentFileName } from '../segment/names.ts'
import { segmentPath } from '../segment/segment.ts'
import { SegmentWindow } from './segment-window.ts'

/** Instead of a batch size. */
const NOT_AT_HAND = 0
const DAMAGED = -1
/** Instead of an offset: behind damage, and where an index entry leads, no offset is due. */
const UNKNOWN = -1

/** Where a partition is, as the transport knows it at the moment: the words change with the shard's incarnation. */
export interface PartitionPlace {
  readonly directory: string
  readonly slot: number
  watermarks(): Watermarks
}

export class LocalPartitionReader implements PartitionReader {
  readonly topic: string
  readonly partition: number
  nextOffset: number
  readonly #fs: Fs
  readonly #place: PartitionPlace
  #file: File | undefined
  #window: SegmentWindow | undefined
  #batch = new RecordBatchView(new Uint8Array(0))
  #position = 0
  /** Bytes of the file when it was last looked at. */
  #fileBytes = 0
  /** Where the index said to begin in the open segment, and whether a batch at or behind nextOffset was reached. */
  #startPosition = 0
  #isAligned = false
  /** Base offset of the open segment, and of the batch that must come next in it. */
  #base = 0
  #expected = UNKNOWN
  #sizeFault = ''
  #generation = -1
  #watermarks: Watermarks | undefined
  /** Words of an incarnation that is over, which the files do not fit any more. */
  #outdated: Watermarks | undefined

  constructor(fs: Fs, topic: string, partition: number, place: PartitionPlace, offset: number) {
    this.#fs = fs
    this.topic = topic
    this.partition = partition
    this.#place = place
    this.nextOffset = offset
  }

  ends(): PartitionEnds {
    const watermarks = this.#place.watermarks()
    const { slot } = this.#place
    return {
      logStartOffset: watermarks.logStartOffset(slot),
      committedOffset: watermarks.committedOffset(slot),
      highWatermark: watermarks.highWatermark(slot),
    }
  }

  hasNews(): boolean {
    const watermarks = this.#place.watermarks()
    const { slot } = this.#place
    const state = watermarks.state(slot)
    if (state === SlotState.DELETED) return true
    if (state === SlotState.OPENING || state === SlotState.FREE || watermarks === this.#outdated) return false
    return this.nextOffset !== watermarks.highWatermark(slot) || this.nextOffset < watermarks.logStartOffset(slot)
  }

  seek(offset: number): void {
    this.nextOffset = offset
    this.#closeSegment()
  }

  close(): void {
    this.#closeSegment()
  }

  poll(maxBytes: number): FetchedBatches | undefined {
    const watermarks = this.#place.watermarks()
    const { slot } = this.#place
    const generation = watermarks.generation(slot)
    if (watermarks !== this.#watermarks || generation !== this.#generation) {
      // The log was opened anew: files may have been cut behind the watermark.
      this.#closeSegment()
      this.#watermarks = watermarks
      this.#generation = generation
    }
    const state = watermarks.state(slot)
    if (state === SlotState.DELETED) {
      const message = `${this.topic}-${this.partition} was deleted`
      throw new UnknownTopicOrPartitionError(this.topic, this.partition, message)
    }
    if (state === SlotState.OPENING || state === SlotState.FREE || watermarks === this.#outdated) return undefined
    const highWatermark = watermarks.highWatermark(slot)
    const logStartOffset = watermarks.logStartOffset(slot)
    if (this.nextOffset < logStartOffset || this.nextOffset > highWatermark) {
      throw new OffsetOutOfRangeError(`${this.topic}-${this.partition}`, this.nextOffset, logStartOffset, highWatermark)
    }
    if (this.nextOffset === highWatermark) return undefined
    const { nextOffset } = this
    try {
      return storageCall(`reading ${this.#place.directory}`, () => this.#read(highWatermark, maxBytes))
    } catch (error) {
      // Batches that were gathered before a failing disk are not handed out, and come again.
      if (error instanceof StorageError) this.seek(nextOffset)
      throw error
    }
  }

  #read(highWatermark: number, maxBytes: number): FetchedBatches | undefined {
    while (this.nextOffset < highWatermark) {
      if (this.#file === undefined && !this.#openSegment()) return this.#nothingThere(highWatermark)
      const positions: number[] = []
      this.#collect(positions, highWatermark, maxBytes)
      if (positions.length > 0) {
        return { bytes: this.#window!.bytes, positions, highWatermark }
      }
      // The file has ended, or only batches below nextOffset were left in it.
      if (this.#position >= this.#fileBytes && !this.#nextSegment()) return this.#nothingThere(highWatermark)
    }
    return undefined
  }

  /** Gathers batches of the open segment that lie in one window; none if the file has ended. */
  #collect(positions: number[], highWatermark: number, maxBytes: number): void {
    const window = this.#window!
    let collectedBytes = 0
    while (this.nextOffset < highWatermark && collectedBytes < maxBytes) {
      const hasCollected = positions.length > 0
      const sizeBytes = this.#sizeAt(this.#position, hasCollected)
      if (sizeBytes === NOT_AT_HAND) break
      const fault = sizeBytes === DAMAGED ? this.#sizeFault : this.#faultAt(this.#position, sizeBytes, highWatermark)
      if (fault !== undefined) {
        if (hasCollected) break
        this.#passDamage(fault)
        continue
      }
      const { lastOffset } = this.#batch
      const start = this.#position - window.start
      this.#position += sizeBytes
      this.#expected = lastOffset + 1
      if (lastOffset < this.nextOffset) continue // Before the wanted offset: an index entry lies at or below it.
      this.#isAligned = true
      positions.push(start)
      collectedBytes += sizeBytes
      this.nextOffset = lastOffset + 1
    }
    if (positions.length > 0) positions.push(this.#position - window.start)
  }

  /** What is wrong with the batch of `sizeBytes` at `position`, which is at hand; moves #batch there. */
  #faultAt(position: number, sizeBytes: number, highWatermark: number): string | undefined {
    const start = position - this.#window!.start
    const fault = batchFault(this.#batch, start, start + sizeBytes)
    if (fault !== undefined) return fault
    const { baseOffset, lastOffset } = this.#batch
    const expected = this.#expected
    if (baseOffset === expected && lastOffset < highWatermark) return undefined
    if (!this.#isAligned && this.#startPosition > 0 && baseOffset > this.nextOffset) return 'the index points too far'
    const jump = `base offset ${baseOffset} does not go on from ${expected}`
    if (lastOffset >= highWatermark) return `last offset ${lastOffset} is not below ${highWatermark}`
    if (expected === UNKNOWN) return undefined
    if (baseOffset < expected) return jump
    // The CRC does not cover the offset. Compaction leaves holes; what follows tells whether this is one.
    const verdict = judgeOffsetJump(this.#file!, position + sizeBytes, this.#fileBytes, expected, lastOffset)
    if (verdict === 'unknown') return (this.#baseAfter(this.#base) ?? highWatermark) <= lastOffset ? jump : undefined
    return verdict === 'damaged' ? jump : undefined
  }

  /**
   * Damage at #position. If the index led here it may itself be damaged, being derived: the segment is read from its
   * start, once. Damage that ends before the wanted offset is passed over. Everything else is thrown.
   */
  #passDamage(fault: string): void {
    if (this.#startOver()) return
    if (!this.#isAligned) {
      const offsetMin = Math.max(this.#expected, this.#base)
      const next = findBatchBehind(this.#file!, this.#position, this.#fileBytes, offsetMin)
      if (next >= 0 && this.#baseOffsetAt(next) <= this.nextOffset) {
        this.#position = next
        this.#expected = UNKNOWN
        return
      }
    }
    throw this.#damage(fault)
  }

  #startOver(): boolean {
    if (this.#isAligned || this.#startPosition === 0) return false
    this.#startPosition = 0
    this.#position = 0
    this.#expected = this.#base
    return true
  }

  /**
   * Size of the batch at `position`, whole and at hand. NOT_AT_HAND if the segment ends there, or if the window would
   * have to move although batches in it were collected already; DAMAGED if no batch can be there, why is in #sizeFault.
   */
  #sizeAt(position: number, hasCollected: boolean): number {
    if (position + BATCH_HEADER_BYTES > this.#fileBytes) this.#fileBytes = this.#file!.sizeBytes()
    const left = this.#fileBytes - position
    if (left < BATCH_HEADER_BYTES) {
      if (left <= 0) {
        // An index that leads to the end, or beyond, has led too far.
        if (hasCollected || !this.#startOver()) return NOT_AT_HAND
        return this.#sizeAt(0, false)
      }
      this.#sizeFault = `only ${left} bytes where a batch header needs ${BATCH_HEADER_BYTES}`
      return DAMAGED
    }
    if (!this.#has(position, BATCH_HEADER_BYTES, hasCollected)) return NOT_AT_HAND
    const sizeBytes = declaredBatchSize(this.#batch.view, position - this.#window!.start)
    if (sizeBytes < BATCH_HEADER_BYTES) {
      this.#sizeFault = `batch size ${sizeBytes} is below the header's ${BATCH_HEADER_BYTES}`
      return DAMAGED
    }
    if (sizeBytes > BATCH_BYTES_MAX) {
      this.#sizeFault = `batch size ${sizeBytes} is over ${BATCH_BYTES_MAX}`
      return DAMAGED
    }
    if (sizeBytes > left) this.#fileBytes = this.#file!.sizeBytes()
    if (position + sizeBytes > this.#fileBytes) {
      this.#sizeFault = `batch size ${sizeBytes} exceeds the ${this.#fileBytes - position} bytes that are left`
      return DAMAGED
    }
    return this.#has(position, sizeBytes, hasCollected) ? sizeBytes : NOT_AT_HAND
  }

  #has(position: number, length: number, hasCollected: boolean): boolean {
    const window = this.#window!
    if (position >= window.start && position + length <= window.end) return true
    if (hasCollected) return false
    if (!window.ensure(position, length, this.#fileBytes)) throw this.#damage('the file became shorter')
    if (this.#batch.bytes !== window.bytes) this.#batch = new RecordBatchView(window.bytes)
    return true
  }

  #damage(fault: string): DamagedLogError {
    const file = this.#file!
    const next = findBatchBehind(file, this.#position, this.#fileBytes, this.nextOffset)
    const resumeOffset = next >= 0 ? this.#baseOffsetAt(next) : this.#baseAfter(this.#base)
    return this.#damagedLog(resumeOffset, file.path, this.#position, fault)
  }

  #damagedLog(resumeOffset: number | undefined, file: string, position: number, fault: string): DamagedLogError {
    const resume = Math.max(this.nextOffset, resumeOffset ?? this.ends().highWatermark)
    return new DamagedLogError(this.topic, this.partition, this.nextOffset, resume, file, position, fault)
  }

  #baseOffsetAt(position: number): number {
    const header = new Uint8Array(BATCH_HEADER_BYTES)
    readFully(this.#file!, header, 0, BATCH_HEADER_BYTES, position)
    return new RecordBatchView(header).at(0).baseOffset
  }

  /**
   * No file has the next offset, although it lies between the log's ends. Retention, a deletion or a reopening may just
   * have been quicker: then the next poll sees it in the shared words. Else records are lost, and waiting brings
   * nothing.
   */
  #nothingThere(highWatermark: number): undefined {
    this.#closeSegment()
    if (this.#isOvertaken()) return undefined
    const fault = `no segment has offset=${this.nextOffset}, the log's end is ${highWatermark}`
    throw this.#damagedLog(this.#baseAfter(this.nextOffset), this.#place.directory, 0, fault)
  }

  /** Whether the shared words, looked at after the files, tell why a file is not there. */
  #isOvertaken(): boolean {
    const watermarks = this.#place.watermarks()
    const { slot } = this.#place
    if (watermarks !== this.#watermarks || watermarks.generation(slot) !== this.#generation) return true
    if (watermarks.state(slot) === SlotState.DELETED || watermarks.logStartOffset(slot) > this.nextOffset) return true
    if (watermarks.activity() !== Activity.ENDED) return false
    // The next incarnation owns the files now, and this thread has not heard of it yet.
    this.#outdated = watermarks
    return true
  }

  /** Opens the segment that holds nextOffset; false if it is not there at the moment. */
  #openSegment(): boolean {
    const base = this.#baseAtOrBelow(this.nextOffset)
    if (base === undefined || !this.#open(base)) return false
    const { directory } = this.#place
    this.#startPosition = lookupInFile(this.#fs, segmentPath(directory, base, '.index'), base, this.nextOffset)
    this.#position = this.#startPosition
    this.#expected = this.#startPosition === 0 ? base : UNKNOWN
    this.#isAligned = false
    return true
  }

  #nextSegment(): boolean {
    const { directory } = this.#place
    let base: number | undefined = this.nextOffset
    const isNext = base > this.#base && this.#fs.stat(segmentPath(directory, base, '.log')) !== undefined
    if (!isNext) base = this.#baseAfter(this.#base)
    this.#closeSegment()
    if (base === undefined || !this.#open(base)) return false
    if (base > this.nextOffset && this.#isOvertaken()) {
      this.#closeSegment()
      return false
    }
    // Offsets that lie between two segments were compacted away.
    this.nextOffset = Math.max(this.nextOffset, base)
    this.#isAligned = base === this.nextOffset
    this.#expected = base
    this.#startPosition = 0
    return true
  }

  /** False if retention was quicker. */
  #open(base: number): boolean {
    const path = segmentPath(this.#place.directory, base, '.log')
    try {
      this.#file = this.#fs.open(path, 'read')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    }
    this.#base = base
    this.#window = new SegmentWindow(this.#file)
    this.#fileBytes = this.#file.sizeBytes()
    this.#position = 0
    return true
  }

  #bases(): number[] {
    const bases: number[] = []
    for (const name of this.#names()) {
      const parsed = parseSegmentFileName(name)
      if (parsed?.suffix === '.log' && parsed.transient === '') bases.push(parsed.baseOffset)
    }
    return bases
  }

  #names(): string[] {
    try {
      return this.#fs.list(this.#place.directory)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [] // The topic is being deleted.
      throw error
    }
  }

  #baseAtOrBelow(offset: number): number | undefined {
    const below = this.#bases().filter((base) => base <= offset)
    return below.length === 0 ? undefined : Math.max(...below)
  }

  #baseAfter(offset: number): number | undefined {
    const above = this.#bases().filter((base) => base > offset)
    return above.length === 0 ? undefined : Math.min(...above)
  }

  #closeSegment(): void {
    this.#window?.close()
    this.#window = undefined
    this.#file = undefined
    this.#batch = new RecordBatchView(new Uint8Array(0))
  }
}
