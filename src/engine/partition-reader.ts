/**
 * LocalPartitionReader: reads a partition's segments from the consumer's own thread. @hot
 *
 * No shard is asked: the watermark words say how far the log may be read, everything else is in the files. Batches below
 * the high watermark are whole and follow each other, so the reader never looks at bytes that are still being written:
 * it stops when the next offset reaches the high watermark, before it reads the header there.
 *
 * A segment ends where its file ends; the next one is named by the next offset (or, after compaction, the next greater
 * name in the directory). Files that retention deleted stay readable while they are open here.
 *
 * Invariant: logStartOffset <= nextOffset <= highWatermark, else OffsetOutOfRangeError.
 */
import type { File, Fs } from '../base/env/env.ts'
import { CorruptRecordError, errnoOf, OffsetOutOfRangeError, UnknownTopicOrPartitionError } from '../base/errors.ts'
import type { FetchedBatches, PartitionEnds, PartitionReader } from '../protocol/transport.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import { batchFault, declaredBatchSize, RecordBatchView } from '../record/batch-view.ts'
import { SlotState, type Watermarks } from '../ring/watermarks.ts'
import { findNextBatch } from '../segment/batch-scan.ts'
import { lookupInFile } from '../segment/offset-index.ts'
import { parseSegmentFileName } from '../segment/names.ts'
import { segmentPath } from '../segment/segment.ts'
import { SegmentWindow } from './segment-window.ts'

/** Where a partition is, as the transport knows it at the moment: the words change with the shard's incarnation. */
export interface PartitionPlace {
  readonly directory: string
  readonly slot: number
  watermarks(): Watermarks
}

/** Damage in the middle of a log: what is behind it can still be read from `resumeOffset` on. */
export class DamagedLogError extends CorruptRecordError {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly resumeOffset: number

  constructor(
    topic: string,
    partition: number,
    offset: number,
    resumeOffset: number,
    file: string,
    position: number,
    fault: string,
  ) {
    super(
      `${topic}-${partition} is damaged at offset=${offset} (${file}, byte ${position}): ${fault}. ` +
        `Reading can go on at offset=${resumeOffset}`,
    )
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.resumeOffset = resumeOffset
  }
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
  #generation = -1
  #watermarks: Watermarks | undefined

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
    if (state === SlotState.OPENING || state === SlotState.FREE) return undefined
    const highWatermark = watermarks.highWatermark(slot)
    const logStartOffset = watermarks.logStartOffset(slot)
    if (this.nextOffset < logStartOffset || this.nextOffset > highWatermark) {
      throw new OffsetOutOfRangeError(`${this.topic}-${this.partition}`, this.nextOffset, logStartOffset, highWatermark)
    }
    if (this.nextOffset === highWatermark) return undefined
    return this.#read(highWatermark, maxBytes)
  }

  #read(highWatermark: number, maxBytes: number): FetchedBatches | undefined {
    while (this.nextOffset < highWatermark) {
      if (this.#file === undefined && !this.#openSegment()) return undefined
      const positions: number[] = []
      this.#collect(positions, highWatermark, maxBytes)
      if (positions.length > 0) {
        return { bytes: this.#window!.bytes, positions, highWatermark }
      }
      // The file has ended, or only batches below nextOffset were left in it.
      if (this.#position >= this.#fileBytes && !this.#nextSegment()) return undefined
    }
    return undefined
  }

  /** Gathers batches of the open segment that lie in one window; none if the file has ended. */
  #collect(positions: number[], highWatermark: number, maxBytes: number): void {
    const window = this.#window!
    let collectedBytes = 0
    while (this.nextOffset < highWatermark && collectedBytes < maxBytes) {
      const sizeBytes = this.#sizeAt(this.#position, positions.length > 0)
      if (sizeBytes === 0) break
      const start = this.#position - window.start
      const fault = batchFault(this.#batch, start, start + sizeBytes)
      if (fault !== undefined) {
        if (positions.length > 0) break
        if (this.#startOver()) continue
        throw this.#damage(fault)
      }
      const { lastOffset, baseOffset } = this.#batch
      if (!this.#isAligned && lastOffset < this.nextOffset) {
        this.#position += sizeBytes // Before the wanted offset: an index entry lies at or below it.
        continue
      }
      if (this.#isAligned && baseOffset < this.nextOffset) {
        if (positions.length > 0) break
        throw this.#damage(`base offset ${baseOffset} does not go on from ${this.nextOffset}`)
      }
      this.#isAligned = true
      positions.push(start)
      collectedBytes += sizeBytes
      this.nextOffset = lastOffset + 1
      this.#position += sizeBytes
    }
    if (positions.length > 0) positions.push(this.#position - window.start)
  }

  /** The index pointed at no batch: it is derived and may be damaged, so the segment is read from its start, once. */
  #startOver(): boolean {
    if (this.#isAligned || this.#startPosition === 0) return false
    this.#startPosition = 0
    this.#position = 0
    return true
  }

  /**
   * Size of the batch at `position`, whole and at hand; 0 if the segment ends there, or if the window would have to move
   * although batches in it were collected already.
   */
  #sizeAt(position: number, hasCollected: boolean): number {
    if (position + BATCH_HEADER_BYTES > this.#fileBytes) {
      this.#fileBytes = this.#file!.sizeBytes()
      if (position + BATCH_HEADER_BYTES > this.#fileBytes) return 0
    }
    if (!this.#has(position, BATCH_HEADER_BYTES, hasCollected)) return 0
    const sizeBytes = declaredBatchSize(this.#batch.view, position - this.#window!.start)
    if (sizeBytes < BATCH_HEADER_BYTES) {
      if (hasCollected) return 0
      if (this.#startOver()) return this.#sizeAt(0, false)
      throw this.#damage(`batch size ${sizeBytes} is below the header's ${BATCH_HEADER_BYTES}`)
    }
    if (position + sizeBytes > this.#fileBytes) {
      this.#fileBytes = this.#file!.sizeBytes()
      if (position + sizeBytes > this.#fileBytes) {
        if (hasCollected) return 0
        if (this.#startOver()) return this.#sizeAt(0, false)
        throw this.#damage(`batch size ${sizeBytes} exceeds the ${this.#fileBytes - position} bytes that are left`)
      }
    }
    return this.#has(position, sizeBytes, hasCollected) ? sizeBytes : 0
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
    const next = findNextBatch(file, this.#position + 1, this.#fileBytes, this.nextOffset)
    let resumeOffset = this.#baseAfter(this.nextOffset) ?? this.ends().highWatermark
    if (next >= 0) {
      const header = new Uint8Array(BATCH_HEADER_BYTES)
      file.read(header, 0, BATCH_HEADER_BYTES, next)
      resumeOffset = new RecordBatchView(header).at(0).baseOffset
    }
    const offset = this.nextOffset
    return new DamagedLogError(this.topic, this.partition, offset, resumeOffset, file.path, this.#position, fault)
  }

  /** Opens the segment that holds nextOffset; false if it is not there at the moment. */
  #openSegment(): boolean {
    const base = this.#baseAtOrBelow(this.nextOffset)
    if (base === undefined) return false
    if (!this.#open(base)) return false
    const { directory } = this.#place
    this.#startPosition = lookupInFile(this.#fs, segmentPath(directory, base, '.index'), base, this.nextOffset)
    this.#position = this.#startPosition
    this.#isAligned = false
    return true
  }

  #nextSegment(): boolean {
    const { directory } = this.#place
    let base: number | undefined = this.nextOffset
    if (this.#fs.stat(segmentPath(directory, base, '.log')) === undefined) base = this.#baseAfter(this.nextOffset)
    this.#closeSegment()
    if (base === undefined || !this.#open(base)) return false
    this.#isAligned = true
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
    this.#window = new SegmentWindow(this.#file)
    this.#fileBytes = this.#file.sizeBytes()
    this.#position = 0
    return true
  }

  #bases(): number[] {
    const bases: number[] = []
    for (const name of this.#fs.list(this.#place.directory)) {
      const parsed = parseSegmentFileName(name)
      if (parsed?.suffix === '.log' && parsed.transient === '') bases.push(parsed.baseOffset)
    }
    return bases
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
