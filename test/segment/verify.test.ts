/** verifySegment: a good segment has no fault, each kind of damage is found where it is, and nothing is written. */
import { describe, expect, it } from 'vitest'
import { getInt64, setInt64 } from '../../src/base/int64.ts'
import { readSmallFile } from '../../src/base/file-io.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { segmentPath } from '../../src/segment/segment.ts'
import { type SegmentReport, type SegmentTask, verifySegment } from '../../src/segment/verify.ts'
import { mulberry32, testSeed } from '../random.ts'
import {
  BASE_OFFSET,
  contents,
  DIRECTORY,
  flipBit,
  makeBatch,
  makeSegment,
  type MadeSegment,
  overwrite,
  truncate,
} from './segment-files.ts'

const LOG = segmentPath(DIRECTORY, BASE_OFFSET, '.log')
const INDEX = segmentPath(DIRECTORY, BASE_OFFSET, '.index')
const TIME_INDEX = segmentPath(DIRECTORY, BASE_OFFSET, '.timeindex')

function verify({ fs }: Pick<MadeSegment, 'fs'>, task: Partial<SegmentTask> = {}): SegmentReport {
  return verifySegment(fs, {
    directory: DIRECTORY,
    baseOffset: BASE_OFFSET,
    nextBaseOffset: undefined,
    withRecords: true,
    mayHaveHoles: false,
    isLive: false,
    ...task,
  })
}

/** Applies `change` to a batch's bytes in place and makes its CRC right again. */
function alterBatch(made: MadeSegment, number: number, change: (batch: RecordBatchView) => void): void {
  const start = made.positions[number]!
  const bytes = readSmallFile(made.fs, LOG)!.slice(start, made.positions[number + 1])
  const batch = new RecordBatchView(bytes).at(0)
  change(batch)
  batch.view.setUint32(17, batch.computeCrc())
  overwrite(made.fs, LOG, start, [...bytes])
}

describe('a good segment', () => {
  it('has no fault, and every batch, record and index entry is counted', () => {
    const made = makeSegment(60)
    const report = verify(made)
    expect(report.faults).toEqual([])
    expect(report).toMatchObject({ batchCount: 60, recordCount: made.recordCount, firstOffset: BASE_OFFSET })
    expect(report.nextOffset).toBe(BASE_OFFSET + made.recordCount)
    expect(report.sizeBytes).toBe(made.positions.at(-1))
    expect(report.indexEntryCount).toBeGreaterThan(40)
  })

  it('is as it was afterwards, byte for byte', () => {
    const made = makeSegment(30)
    const before = contents(made.fs)
    verify(made)
    flipBit(made.fs, LOG, made.positions[3]! + 70)
    const damaged = contents(made.fs)
    verify(made)
    expect(contents(made.fs)).toEqual(damaged)
    expect(damaged).not.toEqual(before)
  })

  it('may be empty, and may lack its indexes', () => {
    expect(verify(makeSegment(0)).faults).toEqual([])
    const made = makeSegment(10)
    made.fs.unlink(INDEX)
    made.fs.unlink(TIME_INDEX)
    expect(verify(made)).toMatchObject({ faults: [], indexEntryCount: 0 })
  })
})

describe('damage of the log', () => {
  it('any flipped bit that the CRC covers is a fault at its batch, and the other batches are still read', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    for (let round = 0; round < 25; round++) {
      const made = makeSegment(20)
      const number = Math.floor(random() * 20)
      const start = made.positions[number]! + 21
      const position = start + Math.floor(random() * (made.positions[number + 1]! - start))
      flipBit(made.fs, LOG, position, 1 << Math.floor(random() * 8))
      const report = verify(made)
      expect(
        report.faults.map((fault) => [fault.file, fault.position]),
        `SEED=${seed} byte ${position}`,
      ).toEqual([[LOG, made.positions[number]]])
      expect(report.batchCount).toBe(19)
    }
  })

  it('two damaged batches are two faults', () => {
    const made = makeSegment(20)
    for (const number of [3, 11]) flipBit(made.fs, LOG, made.positions[number]! + 62)
    expect(verify(made).faults.map(({ position }) => position)).toEqual([made.positions[3], made.positions[11]])
  })

  it('a base offset that was changed is found although no CRC covers it', () => {
    for (const offset of [BASE_OFFSET, BASE_OFFSET + 500]) {
      const made = makeSegment(20)
      const bytes = new Uint8Array(8)
      setInt64(new DataView(bytes.buffer), 0, offset)
      overwrite(made.fs, LOG, made.positions[7]!, [...bytes])
      const { faults } = verify(made)
      expect(faults.map(({ position }) => position)).toEqual([made.positions[7]])
      expect(faults[0]!.what).toContain(`base offset ${offset}`)
    }
  })

  it('a torn end is a fault where the last whole batch ends', () => {
    const made = makeSegment(20)
    made.fs.unlink(INDEX)
    made.fs.unlink(TIME_INDEX)
    truncate(made.fs, LOG, made.positions[20]! - 1)
    const report = verify(made)
    expect(report.faults.map(({ position }) => position)).toEqual([made.positions[19]])
    expect(report.batchCount).toBe(19)
  })

  it('missing offsets are a fault, unless the partition is compacted', () => {
    const made = makeSegment(20, BASE_OFFSET, 5)
    expect(verify(made).faults.map(({ position, what }) => [position, what])).toEqual([
      [made.positions[5], expect.stringContaining('does not go on from the batch before it') as string],
    ])
    expect(verify(made, { mayHaveHoles: true }).faults).toEqual([])
  })

  it('a batch that reaches into the next segment is a fault', () => {
    const made = makeSegment(20)
    const { nextOffset } = verify(made)
    expect(verify(made, { nextBaseOffset: nextOffset }).faults).toEqual([])
    const { faults } = verify(made, { nextBaseOffset: nextOffset - 1 })
    expect(faults.map(({ position }) => position)).toEqual([made.positions[19]])
  })

  it('a wrong record in a batch with a right CRC is found by decoding, and only then', () => {
    const changes: [number, (batch: RecordBatchView) => void, string][] = [
      [0, (batch) => (batch.bytes[64] = 200), 'length'], // Length of the first key.
      [0, (batch) => (batch.bytes[64] = 2), 'record offset delta 1'], // Zigzag 1, of a batch with one offset.
      [5, (batch) => batch.view.setInt32(23, 1), 'record count 1'], // lastOffsetDelta.
      [5, (batch) => setInt64(batch.view, 35, 1), 'later than the batch'], // maxTimestamp.
      [2, (batch) => batch.bytes.fill(0xff, 61, 80), 'snappy'],
      [5, (batch) => batch.view.setInt16(21, batch.attributes | 6), 'codec'],
    ]
    for (const [number, change, what] of changes) {
      const made = makeSegment(6)
      made.fs.unlink(INDEX)
      made.fs.unlink(TIME_INDEX)
      alterBatch(made, number, change)
      const { faults } = verify(made)
      expect(faults).toEqual([
        { file: LOG, position: made.positions[number], offset: expect.any(Number) as number, what: faults[0]?.what },
      ])
      expect(faults[0]!.what).toContain(what)
      expect(verify(made, { withRecords: false }).faults).toEqual([])
    }
  })

  it('garbage from end to end gives a bounded list of faults', () => {
    const made = makeSegment(20)
    made.fs.unlink(INDEX)
    made.fs.unlink(TIME_INDEX)
    overwrite(made.fs, LOG, 0, Array<number>(made.positions[20]!).fill(0xa5))
    expect(verify(made)).toMatchObject({ faultCount: 1, batchCount: 0 })
  })
})

describe('damage of an index', () => {
  const entryBytes = { [INDEX]: 8, [TIME_INDEX]: 12 }

  // Last byte of the field, and its lowest bit to flip: an offset that another batch nearby has would still be true.
  it.each([
    ['.index position', INDEX, 7, 0],
    ['.index offset', INDEX, 3, 4],
    ['.timeindex offset', TIME_INDEX, 11, 3],
    ['.timeindex timestamp', TIME_INDEX, 7, 0],
  ])('a changed %s is a fault at its entry', (_name, path, lastByte, lowestBit) => {
    const made = makeSegment(60)
    const size = entryBytes[path]!
    const entryCount = readSmallFile(made.fs, path)!.length / size
    for (let entry = 0; entry < entryCount; entry++) {
      for (let bit = lowestBit; bit < 8; bit++) {
        flipBit(made.fs, path, entry * size + lastByte, 1 << bit)
        const { faults } = verify(made, { withRecords: false })
        flipBit(made.fs, path, entry * size + lastByte, 1 << bit)
        // An entry that no longer comes after its neighbour is told at whichever of the two does not fit.
        const nearby = faults.filter(({ position }) => Math.abs(position - entry * size) <= size)
        expect(nearby.length, `entry ${entry} bit ${bit}`).toBeGreaterThan(0)
        expect(new Set(faults.map(({ file }) => file))).toEqual(new Set([path]))
      }
    }
  })

  it('a time index entry that a batch before it contradicts is a fault', () => {
    const made = makeSegment(20)
    // Batch 9 is a second early: its own time is right, but earlier batches have later ones.
    const log = new RecordBatchView(readSmallFile(made.fs, LOG)!).at(made.positions[9]!)
    const entry = new DataView(new ArrayBuffer(12))
    setInt64(entry, 0, log.maxTimestamp)
    entry.setInt32(8, log.lastOffset - BASE_OFFSET)
    overwrite(made.fs, TIME_INDEX, 0, [...new Uint8Array(entry.buffer)])
    truncate(made.fs, TIME_INDEX, 12)
    expect(verify(made).faults).toMatchObject([
      { file: TIME_INDEX, what: expect.stringContaining('is below') as string },
    ])
  })

  it('a cut entry and entries beyond a shortened log are faults', () => {
    const made = makeSegment(60)
    const size = readSmallFile(made.fs, INDEX)!.length
    truncate(made.fs, INDEX, size - 3)
    expect(verify(made).faults).toMatchObject([{ file: INDEX, what: expect.stringContaining('multiple') as string }])

    const shorter = makeSegment(60)
    truncate(shorter.fs, LOG, shorter.positions[30]!)
    const files = new Set(verify(shorter).faults.map(({ file }) => file))
    expect(files).toEqual(new Set([INDEX, TIME_INDEX]))
  })

  it('an entry as Kafka before 4.3 writes it, of several batches appended together, is good', () => {
    const made = makeSegment(60)
    const view = new DataView(readSmallFile(made.fs, INDEX)!.slice().buffer)
    const log = new RecordBatchView(readSmallFile(made.fs, LOG)!)
    const batchAfter = (entry: number): number =>
      made.positions[made.positions.indexOf(view.getInt32(entry * 8 + 4)) + 1]!
    // An entry that is not followed by the next batch's: it can say the last offset of both.
    let entry = 0
    while (batchAfter(entry) === view.getInt32(entry * 8 + 12)) entry += 1
    const offset = log.at(batchAfter(entry)).lastOffset - BASE_OFFSET
    overwrite(made.fs, INDEX, entry * 8, [offset >>> 24, offset >>> 16, offset >>> 8, offset])
    expect(verify(made).faults).toEqual([])
    overwrite(made.fs, INDEX, entry * 8, [0, 0, (offset - 1) >>> 8, offset - 1])
    expect(verify(made).faultCount).toBe(1)
  })

  it('entries of a damaged stretch of the log are not blamed for it', () => {
    const made = makeSegment(60)
    flipBit(made.fs, LOG, made.positions[20]! + 70)
    expect(verify(made).faults.map(({ file }) => file)).toEqual([LOG])
  })
})

describe('a log that is being written', () => {
  it('ends at a half written batch without a fault', () => {
    for (const kept of [1, 30, 61, 90]) {
      const made = makeSegment(20)
      made.fs.unlink(INDEX)
      made.fs.unlink(TIME_INDEX)
      truncate(made.fs, LOG, made.positions[19]! + kept)
      expect(verify(made, { isLive: true })).toMatchObject({ faults: [], batchCount: 19 })
      expect(verify(made, { isLive: true, nextBaseOffset: 10_000 }).faultCount).toBe(1)
    }
  })

  it('still has its faults before the end', () => {
    const made = makeSegment(20)
    flipBit(made.fs, LOG, made.positions[4]! + 70)
    expect(verify(made, { isLive: true }).faultCount).toBe(1)
  })

  it('may have been deleted meanwhile', () => {
    const made = makeSegment(5)
    made.fs.unlink(LOG)
    expect(verify(made, { isLive: true })).toMatchObject({ isGone: true, faultCount: 0 })
    expect(verify(made)).toMatchObject({ isGone: false, faultCount: 1 })
  })
})

it('the helpers of this test make batches that decode to what they say', () => {
  const batch = new RecordBatchView(makeBatch(5, 3, 1000, 'none')).at(0)
  expect([batch.baseOffset, batch.recordCount, getInt64(batch.view, 35)]).toEqual([5, 3, 1002])
})
