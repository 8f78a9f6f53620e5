/** dumpLog and dumpIndex: everything that is in a segment's files is handed out, and damage with its place. */
import { expect, it } from 'vitest'
import { dumpIndex, type DumpedBatch, type DumpedRecord, dumpLog } from '../../src/segment/dump.ts'
import { segmentPath } from '../../src/segment/segment.ts'
import { BASE_OFFSET, DIRECTORY, flipBit, makeSegment, truncate } from './segment-files.ts'

const LOG = segmentPath(DIRECTORY, BASE_OFFSET, '.log')
const INDEX = segmentPath(DIRECTORY, BASE_OFFSET, '.index')

it('hands out every batch with all fields of its header', () => {
  const made = makeSegment(10)
  const batches = [...dumpLog(made.fs, LOG, false)] as DumpedBatch[]
  expect(batches.map(({ position }) => position)).toEqual(made.positions.slice(0, -1))
  expect(batches.map(({ compression }) => compression).slice(0, 5)).toEqual(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
  expect(batches[1]).toEqual({
    type: 'batch',
    position: made.positions[1],
    sizeBytes: made.positions[2]! - made.positions[1]!,
    baseOffset: BASE_OFFSET + 1,
    lastOffset: BASE_OFFSET + 2,
    recordCount: 2,
    partitionLeaderEpoch: 0,
    magic: 2,
    crc: expect.any(Number) as number,
    compression: 'gzip',
    timestampType: 'CreateTime',
    isTransactional: false,
    isControl: false,
    hasDeleteHorizon: false,
    baseTimestamp: 1_000_100,
    maxTimestamp: 1_000_101,
    producerId: 7,
    producerEpoch: 0,
    baseSequence: 0,
  })
})

it('hands out every record of every codec behind its batch', () => {
  const made = makeSegment(10)
  // Values are views that hold until the next one: copied here.
  const lines = [...dumpLog(made.fs, LOG, true)].map((line) => structuredClone(line))
  const records = lines.filter((line): line is DumpedRecord => line.type === 'record')
  expect(records.map(({ offset }) => offset)).toEqual(
    Array.from({ length: made.recordCount }, (_, index) => BASE_OFFSET + index),
  )
  expect(records[2]).toMatchObject({ timestamp: 1_000_101, controlType: -1, headers: [['trace', new Uint8Array([1])]] })
  expect(new TextDecoder().decode(records[2]!.key)).toBe('key 1')
  expect(records[2]!.value).toEqual(new Uint8Array(50).fill(1))
})

it('marks a damaged batch and goes on behind it', () => {
  const made = makeSegment(10)
  flipBit(made.fs, LOG, made.positions[4]! + 65)
  const lines = [...dumpLog(made.fs, LOG, false)]
  expect(lines.filter(({ type }) => type === 'batch')).toHaveLength(9)
  expect(lines[4]).toMatchObject({ type: 'fault', position: made.positions[4], nextPosition: made.positions[5] })
})

it('marks a torn end, with nothing behind it', () => {
  const made = makeSegment(3)
  truncate(made.fs, LOG, made.positions[3]! - 5)
  const last = [...dumpLog(made.fs, LOG, false)].at(-1)
  expect(last).toMatchObject({ type: 'fault', position: made.positions[2] })
  expect(last).not.toHaveProperty('nextPosition')
})

it('hands out index entries, and marks the first that cannot be one', () => {
  const made = makeSegment(30)
  const entries = [...dumpIndex(made.fs, INDEX, '.index', BASE_OFFSET)]
  expect(entries.length).toBeGreaterThan(10)
  expect(entries[0]).toMatchObject({ type: 'entry', entry: 0, fields: { position: expect.any(Number) as number } })
  flipBit(made.fs, INDEX, 5 * 8, 0x80) // A negative offset.
  const damaged = [...dumpIndex(made.fs, INDEX, '.index', BASE_OFFSET)]
  expect(damaged).toHaveLength(6)
  expect(damaged[5]).toMatchObject({ type: 'fault', position: 40 })
})
