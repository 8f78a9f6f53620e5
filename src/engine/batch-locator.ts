/**
 * BatchLocator: where the batches from an offset on lie in the files, without reading more of them than their headers:
 * for answers that the kernel sends from the page cache. One per thread. @hot
 *
 * It walks headers as partition-reader.ts does and keeps its rules: what is below the high watermark is whole; the
 * bytes at the high watermark are not looked at; a segment ends where its file ends and the next one is named by the
 * next offset, or is the next greater name. Unlike the reader it leaves the CRC to whom the batches are for, as Kafka
 * does.
 *
 * A consumer that goes on where its last answer ended finds its place by the cursor that was left there; anybody else
 * by the index. Cursors are of one generation: when the log was opened anew they are dropped, and files with them.
 */
import type { Clock, Fs, Timers } from '../base/env/env.ts'
import { CorruptRecordError, errnoOf, StorageError } from '../base/errors.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import { declaredBatchSize, headerFault } from '../record/batch-view.ts'
import type { Watermarks } from '../ring/watermarks.ts'
import { BATCH_BYTES_MAX, findBatchBehind } from '../segment/batch-scan.ts'
import { parseSegmentFileName } from '../segment/names.ts'
import { lookupInFile } from '../segment/offset-index.ts'
import { segmentPath } from '../segment/segment.ts'
import { type OpenSegment, OpenSegments } from './open-segments.ts'
import type { PartitionPlace } from './partition-reader.ts'

const CURSORS_MAX = 64
const PARTITIONS_MAX = 4_096
/** Instead of an offset: behind damage, and where an index entry leads, no offset is due. */
const UNKNOWN = -1

/** Whole batches in one file. The file stays open until release(). */
export interface LocatedBatches {
  readonly segment: OpenSegment
  readonly position: number
  readonly sizeBytes: number
  /** The first offset behind them. */
  readonly nextOffset: number
  /** Bit c: some batch has codec c. */
  readonly codecs: number
}

interface Cursor {
  readonly base: number
  readonly position: number
}

interface Partition {
  readonly directory: string
  readonly slot: number
  readonly watermarks: Watermarks
  readonly generation: number
  /** By the next offset, oldest first. */
  readonly cursors: Map<number, Cursor>
}

/** A walk along one segment. */
interface Walk {
  segment: OpenSegment
  position: number
  expected: number
  /** A batch at or behind the wanted offset was reached, or the walk began at the segment's start. */
  isAligned: boolean
}

export class BatchLocator {
  readonly #fs: Fs
  readonly #segments: OpenSegments
  readonly #partitions = new Map<string, Partition>()

  constructor(fs: Fs, clock: Clock, timers: Timers) {
    this.#fs = fs
    this.#segments = new OpenSegments(fs, clock, timers)
  }

  get openFileCount(): number {
    return this.#segments.openCount
  }

  /**
   * Batches from the one that holds `offset` on, up to `maxBytes` of them, all in one file; the first whatever its
   * size if `wantsOne`. Undefined if there are none below `highWatermark`, or they do not fit, or the log was just
   * cut. `offset` is not below the log's start. Throws CorruptRecordError, StorageError, or the system's errors.
   */
  locate(
    place: PartitionPlace,
    offset: number,
    highWatermark: number,
    maxBytes: number,
    wantsOne: boolean,
  ): LocatedBatches | undefined {
    if (offset >= highWatermark) return undefined
    const partition = this.#partitionAt(place)
    const walk = this.#begin(partition, offset)
    if (walk === undefined) return this.#nothingThere(partition, place, offset)
    try {
      return this.#walk(partition, place, walk, offset, highWatermark, maxBytes, wantsOne)
    } finally {
      this.#segments.release(walk.segment)
    }
  }

  release(located: LocatedBatches): void {
    this.#segments.release(located.segment)
  }

  close(): void {
    this.#partitions.clear()
    this.#segments.close()
  }

  #partitionAt({ directory, slot, watermarks: present }: PartitionPlace): Partition {
    const watermarks = present()
    const generation = watermarks.generation(slot)
    const known = this.#partitions.get(directory)
    if (known !== undefined) {
      if (known.watermarks === watermarks && known.generation === generation && known.slot === slot) return known
      this.#segments.forget(directory)
      this.#partitions.delete(directory)
    }
    const partition = { directory, slot, watermarks, generation, cursors: new Map<number, Cursor>() }
    this.#partitions.set(directory, partition)
    if (this.#partitions.size > PARTITIONS_MAX) this.#partitions.delete(this.#partitions.keys().next().value!)
    return partition
  }

  /** At the segment that holds `offset`, held; undefined if no file has it. */
  #begin({ directory, cursors }: Partition, offset: number): Walk | undefined {
    const cursor = cursors.get(offset)
    if (cursor !== undefined) {
      const segment = this.#segments.hold(directory, cursor.base)
      if (segment !== undefined) return { segment, position: cursor.position, expected: offset, isAligned: true }
    }
    const base = this.#bases(directory).findLast((each) => each <= offset)
    const segment = base === undefined ? undefined : this.#segments.hold(directory, base)
    if (base === undefined || segment === undefined) return undefined
    const position = lookupInFile(this.#fs, segmentPath(directory, base, '.index'), base, offset)
    return { segment, position, expected: position === 0 ? base : UNKNOWN, isAligned: position === 0 }
  }

  #walk(
    partition: Partition,
    place: PartitionPlace,
    walk: Walk,
    offset: number,
    highWatermark: number,
    maxBytes: number,
    wantsOne: boolean,
  ): LocatedBatches | undefined {
    let nextOffset = offset
    let start = -1
    let sizeBytes = 0
    let codecs = 0
    while (nextOffset < highWatermark) {
      if (!walk.segment.has(walk.position, BATCH_HEADER_BYTES)) {
        const isAtEnd = walk.position >= walk.segment.fileBytes
        if (start >= 0) break
        // An index that leads to the end of the file has led too far.
        if (isAtEnd && this.#startOver(walk)) continue
        if (isAtEnd) {
          if (!this.#nextSegment(partition, walk, nextOffset)) return this.#nothingThere(partition, place, offset)
          nextOffset = Math.max(nextOffset, walk.segment.base)
          continue
        }
      }
      const fault = this.#faultAt(walk, highWatermark)
      if (fault !== undefined) {
        if (start >= 0) break
        this.#passDamage(walk, nextOffset, fault)
        continue
      }
      const { batch } = walk.segment
      const { lastOffset, sizeBytes: batchBytes } = batch
      if (lastOffset >= nextOffset) {
        if (sizeBytes + batchBytes > maxBytes && (sizeBytes > 0 || !wantsOne)) break
        if (start < 0) start = walk.position
        sizeBytes += batchBytes
        codecs |= 1 << batch.codecId
        nextOffset = lastOffset + 1
        walk.isAligned = true
      }
      walk.position += batchBytes
      walk.expected = lastOffset + 1
    }
    if (start < 0) return undefined
    this.#leaveCursor(partition, nextOffset, { base: walk.segment.base, position: walk.position })
    this.#segments.share(walk.segment)
    return { segment: walk.segment, position: start, sizeBytes, nextOffset, codecs }
  }

  /** Replaced if it is there: the oldest goes first. */
  #leaveCursor({ cursors }: Partition, nextOffset: number, cursor: Cursor): void {
    cursors.delete(nextOffset)
    cursors.set(nextOffset, cursor)
    if (cursors.size > CURSORS_MAX) cursors.delete(cursors.keys().next().value!)
  }

  /** What is wrong with the header at the walk's position; moves the segment's view there. */
  #faultAt({ segment, position, expected }: Walk, highWatermark: number): string | undefined {
    const { batch, window, fileBytes } = segment
    const left = fileBytes - position
    if (left < BATCH_HEADER_BYTES) return `only ${left} bytes where a batch header needs ${BATCH_HEADER_BYTES}`
    const start = position - window.start
    const sizeBytes = declaredBatchSize(batch.view, start)
    if (sizeBytes > BATCH_BYTES_MAX) return `batch size ${sizeBytes} is over ${BATCH_BYTES_MAX}`
    if (sizeBytes > left) {
      segment.fileBytes = segment.file.sizeBytes()
      if (sizeBytes > segment.fileBytes - position) return `batch size ${sizeBytes} exceeds what is left of the file`
    }
    const fault = headerFault(batch, start, start + segment.fileBytes - position)
    if (fault !== undefined) return fault
    const { baseOffset, lastOffset } = batch
    if (expected !== UNKNOWN && baseOffset < expected) return `base offset ${baseOffset} is below ${expected}`
    return lastOffset < highWatermark ? undefined : `last offset ${lastOffset} is not below ${highWatermark}`
  }

  /** An index may be damaged, being derived: then the segment is walked from its start, once. */
  #startOver(walk: Walk): boolean {
    if (walk.isAligned || walk.position === 0) return false
    walk.position = 0
    walk.expected = walk.segment.base
    walk.isAligned = true
    return true
  }

  /** Damage that ends before the wanted offset is passed over; everything else is thrown. */
  #passDamage(walk: Walk, offset: number, fault: string): void {
    if (this.#startOver(walk)) return
    const { segment, position } = walk
    const offsetMin = Math.max(walk.expected, segment.base)
    const next = findBatchBehind(segment.file, position, segment.fileBytes, offsetMin)
    if (next > position && segment.has(next, BATCH_HEADER_BYTES)) {
      const { baseOffset } = segment.batch.at(next - segment.window.start)
      if (baseOffset <= offset) {
        walk.position = next
        walk.expected = UNKNOWN
        return
      }
    }
    throw new CorruptRecordError(`${segment.path} is damaged at byte ${position}: ${fault}`)
  }

  /** Moves the walk to the segment behind; false if there is none at the moment. */
  #nextSegment({ directory }: Partition, walk: Walk, nextOffset: number): boolean {
    const { base } = walk.segment
    let segment = nextOffset > base ? this.#segments.hold(directory, nextOffset) : undefined
    if (segment === undefined) {
      const next = this.#bases(directory).find((each) => each > base)
      segment = next === undefined ? undefined : this.#segments.hold(directory, next)
    }
    if (segment === undefined) return false
    this.#segments.release(walk.segment)
    walk.segment = segment
    walk.position = 0
    walk.expected = segment.base
    walk.isAligned = true
    return true
  }

  /** Ascending. */
  #bases(directory: string): number[] {
    let names: string[]
    try {
      names = this.#fs.list(directory)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [] // The topic is being deleted.
      throw error
    }
    return names.flatMap((name) => {
      const parsed = parseSegmentFileName(name)
      return parsed?.suffix === '.log' && parsed.transient === '' ? [parsed.baseOffset] : []
    })
  }

  /** Retention, a deletion or a reopening may just have been quicker: the shared words tell. Else records are lost. */
  #nothingThere(partition: Partition, place: PartitionPlace, offset: number): undefined {
    const watermarks = place.watermarks()
    const { slot, directory } = partition
    const isSame = watermarks === partition.watermarks && watermarks.generation(slot) === partition.generation
    if (!isSame || watermarks.logStartOffset(slot) > offset || watermarks.isGone(slot)) return undefined
    throw new StorageError(`${directory}: no segment has offset=${offset}`, 'ENOENT')
  }
}
