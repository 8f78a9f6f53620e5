/**
 * Reading a partition's files up to the high watermark, on a simulated disk (where nothing is mapped: the reads go
 * through the buffer) and in a real directory (where they are mapped, if the addon is there).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { realEnv } from '../../src/base/env/real-env.ts'
import { DamagedLogError, OffsetOutOfRangeError, UnknownTopicOrPartitionError } from '../../src/base/errors.ts'
import { LocalPartitionReader } from '../../src/engine/partition-reader.ts'
import { openPartitionLog } from '../../src/log/log-loader.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { trimLog } from '../../src/log/retention.ts'
import { parseTopicConfigs } from '../../src/log/topic-config.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { createWatermarks, SlotState, Watermarks } from '../../src/ring/watermarks.ts'
import { buildBatch } from '../record/batches.ts'
import { mulberry32, testSeed } from '../random.ts'
import {
  append,
  bytesOf,
  damage,
  fill,
  kill,
  logName,
  openLog,
  PARTITION,
  putFile,
  simDisk,
  SMALL,
  TOPIC_ID,
} from '../log/sim-log.ts'
import { offsetsOf, readAll, SimPartition } from './sim-partition.ts'

const BATCH_BYTES = buildBatch({ count: 1, valueBytes: 100 }).length
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** A log of `count` batches of one record each, five to a segment. */
function partition(count: number, configs = SMALL): { at: SimPartition; log: PartitionLog } {
  const env = simDisk()
  const log = openLog(env, { configs })
  fill(log, count)
  // Index files follow their image in runs: a sealed segment has all of them on the disk.
  return { at: new SimPartition(env, log), log }
}

/** What reading gives until it ends, damage included; after each damage it goes on where that says. */
function readThrough(reader: LocalPartitionReader): { offsets: number[]; damage: [offset: number, resume: number][] } {
  const offsets: number[] = []
  const damaged: [number, number][] = []
  for (let i = 0; i < 1000; i++) {
    try {
      const fetched = reader.poll(1 << 20)
      if (fetched === undefined) return { offsets, damage: damaged }
      offsets.push(...offsetsOf(fetched))
    } catch (error) {
      if (!(error instanceof DamagedLogError)) throw error
      damaged.push([error.offset, error.resumeOffset])
      reader.seek(error.resumeOffset)
    }
  }
  throw new Error('reading does not come to an end')
}

describe('a reader', () => {
  it('gives every batch from any offset on, over all segments, to the high watermark', () => {
    const { at } = partition(33)
    for (let offset = 0; offset <= 33; offset++)
      expect(readAll(at.reader(offset)), `${offset}`).toEqual(range(offset, 33))
  })

  it('gives what fits the bytes that were asked for, but one batch at least', () => {
    const { at } = partition(33)
    for (const maxBytes of [1, BATCH_BYTES, BATCH_BYTES + 1, 3 * BATCH_BYTES]) {
      const reader = at.reader(0)
      expect(offsetsOf(reader.poll(maxBytes))).toHaveLength(Math.ceil(maxBytes / BATCH_BYTES))
      expect(readAll(at.reader(0), maxBytes)).toEqual(range(0, 33))
    }
  })

  it('starts with the batch that holds the offset, which may begin before it', () => {
    const env = simDisk()
    const log = openLog(env)
    for (let i = 0; i < 6; i++) {
      append(log, { count: 10, valueBytes: 20 })
      log.write()
    }
    const at = new SimPartition(env, log)
    expect(readAll(at.reader(25))).toEqual([20, 30, 40, 50])
    expect(readAll(at.reader(59))).toEqual([50])
    expect(readAll(at.reader(60))).toEqual([])
  })

  it('stops at the high watermark although more is in the file', () => {
    const { at, log } = partition(12)
    at.watermarks.setHighWatermark(0, 7)
    const reader = at.reader(0)
    expect(readAll(reader)).toEqual(range(0, 7))
    expect(reader.poll(1000)).toBeUndefined()
    at.publish(log)
    expect(readAll(reader)).toEqual(range(7, 12))
    fill(log, 9)
    at.publish(log)
    expect(readAll(reader)).toEqual(range(12, 21))
    expect(reader.ends()).toEqual({ logStartOffset: 0, committedOffset: 0, highWatermark: 21 })
  })

  it('goes elsewhere by seek, also while it is in the middle', () => {
    const { at } = partition(33)
    const reader = at.reader(0)
    reader.poll(1)
    reader.seek(20)
    expect(readAll(reader, 1)).toEqual(range(20, 33))
    reader.seek(3)
    expect(readAll(reader)).toEqual(range(3, 33))
    reader.close()
    reader.close()
  })

  it('outside the log is refused with both ends', () => {
    const { at, log } = partition(33)
    trimLog(log, 12, () => undefined)
    at.publish(log)
    for (const offset of [0, 11, 34]) {
      expect(() => at.reader(offset).poll(1)).toThrow(OffsetOutOfRangeError)
    }
    expect(() => at.reader(34).poll(1)).toThrow('t-0 offset=34 is outside logStartOffset=12 .. logEndOffset=33')
    expect(readAll(at.reader(12))).toEqual(range(12, 33))
  })

  it('of a deleted partition says so, and one that is being opened gives nothing yet', () => {
    const { at } = partition(3)
    const reader = at.reader(0)
    at.watermarks.setState(0, SlotState.OPENING)
    expect(reader.poll(1)).toBeUndefined()
    at.watermarks.setState(0, SlotState.OFFLINE, 56)
    expect(offsetsOf(reader.poll(1)), 'offline: what is written is readable').toEqual([0])
    at.watermarks.setState(0, SlotState.DELETED)
    expect(() => reader.poll(1)).toThrow(UnknownTopicOrPartitionError)
  })

  it('whose files go while it looks for them gives nothing, and the next look tells why', () => {
    const { at } = partition(12)
    const reader = at.reader(0)
    const { fs } = at.env
    for (const name of fs.list(PARTITION)) fs.unlink(`${PARTITION}/${name}`)
    fs.removeDirectory(PARTITION)
    const original = fs.list.bind(fs)
    fs.list = (path) => {
      at.watermarks.setState(0, SlotState.DELETED)
      return original(path)
    }
    expect(reader.poll(1)).toBeUndefined()
    expect(() => reader.poll(1)).toThrow(UnknownTopicOrPartitionError)
  })

  it('goes on in a file that retention has renamed while it was open', () => {
    const { at, log } = partition(33)
    const reader = at.reader(0)
    expect(offsetsOf(reader.poll(1))).toEqual([0])
    trimLog(log, 9, () => undefined)
    for (const name of at.env.fs.list(PARTITION))
      if (name.endsWith('.deleted')) at.env.fs.unlink(`${PARTITION}/${name}`)
    expect(offsetsOf(reader.poll(1)), 'the words say nothing new yet').toEqual([1])
    at.publish(log)
    expect(() => reader.poll(1)).toThrow(OffsetOutOfRangeError)
    reader.seek(9)
    expect(readAll(reader)).toEqual(range(9, 33))
  })

  it('opens its file anew when the log was', () => {
    const { at, log } = partition(8)
    const reader = at.reader(0)
    expect(readAll(reader)).toEqual(range(0, 8))
    kill(at.env, log)
    damage(at.env, logName(5), (bytes) => bytes.slice(0, bytes.length - 5))
    const again = openLog(at.env)
    at.watermarks.beginGeneration(0, at.watermarks.highWatermark(0))
    fill(again, 3)
    at.publish(again)
    reader.seek(7)
    expect(readAll(reader)).toEqual([7, 8, 9])
  })

  it('passes over offsets that a compaction took, inside segments and between them', () => {
    const { at, log } = partition(17)
    damage(at.env, logName(5), (bytes) =>
      Buffer.concat([bytes.subarray(0, BATCH_BYTES), bytes.subarray(3 * BATCH_BYTES)]),
    )
    damage(at.env, logName(10), (bytes) => bytes.slice(0, 2 * BATCH_BYTES))
    for (const base of [5, 10]) damage(at.env, logName(base, '.index'), () => new Uint8Array(0))
    const left = [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 15, 16]
    for (let offset = 0; offset <= 17; offset++) {
      expect(readAll(at.reader(offset)), `from ${offset}`).toEqual(left.filter((base) => base >= offset))
    }
    expect(log.highWatermark).toBe(17)
  })

  it('comes to its end when the last offsets of the log were compacted away', () => {
    const { at } = partition(17)
    damage(at.env, logName(15), () => new Uint8Array(0))
    at.watermarks.setHighWatermark(0, 15)
    expect(readAll(at.reader(12))).toEqual([12, 13, 14])
  })
})

it('offsets that a compaction took before an active segment without batches end reading at the high watermark', () => {
  const { at, log } = partition(15)
  log.roll()
  at.publish(log)
  damage(at.env, logName(10), (bytes) => bytes.slice(0, 3 * BATCH_BYTES))
  const reader = at.reader(8)
  expect(readAll(reader)).toEqual(range(8, 13))
  expect(reader.nextOffset).toBe(15)
  expect(reader.hasNews()).toBe(false)
})

describe('an index that is wrong', () => {
  const entry = (relativeOffset: number, position: number): Uint8Array => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setInt32(0, relativeOffset)
    new DataView(bytes.buffer).setInt32(4, position)
    return bytes
  }

  it.each<[string, Uint8Array]>([
    ['empty', new Uint8Array(0)],
    ['of zeros', new Uint8Array(64)],
    ['of garbage', new Uint8Array(64).fill(0x77)],
    ['leading between two batches', entry(1, BATCH_BYTES + 13)],
    ['leading to the end', entry(1, 5 * BATCH_BYTES)],
    ['leading far beyond the end', entry(1, 0x7000_0000)],
    ['leading just before the end', entry(1, 5 * BATCH_BYTES - 20)],
    ['leading to a later batch', entry(1, 4 * BATCH_BYTES)],
    ['leading back', entry(3, 0)],
  ])('%s costs time only', (_what, bytes) => {
    const { at } = partition(17)
    for (const base of [5, 10]) damage(at.env, logName(base, '.index'), () => bytes)
    for (let offset = 0; offset < 17; offset++) {
      expect(readAll(at.reader(offset)), `from ${offset}`).toEqual(range(offset, 17))
    }
  })
})

describe('damage', () => {
  const flip =
    (victim: number, byte: number) =>
    (bytes: Uint8Array): Uint8Array => {
      bytes[victim * BATCH_BYTES + byte]! ^= 0xff
      return bytes
    }

  it.each([
    ['in the records', 80],
    ['in the CRC', 18],
    ['in the length', 9],
    ['in the magic', 16],
    ['in the base offset, downwards or far upwards', 0],
    ['in the low byte of the base offset', 7],
  ])('%s of one batch is told once, and the rest can be read, from wherever one comes', (_what, byte) => {
    for (let victim = 0; victim < 5; victim++) {
      const { at } = partition(17)
      damage(at.env, logName(5), flip(victim, byte))
      const lost = 5 + victim
      for (let offset = 0; offset < 17; offset++) {
        const { offsets, damage: told } = readThrough(at.reader(offset))
        const where = `batch ${lost} from ${offset}`
        expect(offsets, where).toEqual(range(offset, 17).filter((each) => each !== lost))
        expect(told, where).toEqual(offset <= lost ? [[lost, lost + 1]] : [])
      }
    }
  })

  it('of several batches in a row is passed in one step', () => {
    const { at } = partition(17)
    for (const victim of [1, 2, 3]) damage(at.env, logName(5), flip(victim, 80))
    expect(readThrough(at.reader(0))).toEqual({
      offsets: range(0, 17).filter((offset) => offset < 6 || offset > 8),
      damage: [[6, 9]],
    })
    expect(readThrough(at.reader(7))).toEqual({ offsets: range(9, 17), damage: [[7, 9]] })
  })

  it("of a segment's end, at any byte, is told; reading goes on in the next segment", () => {
    for (let left = 3 * BATCH_BYTES + 1; left < 4 * BATCH_BYTES; left += 7) {
      const { at } = partition(17)
      damage(at.env, logName(5), (bytes) => bytes.slice(0, left))
      const { offsets, damage: told } = readThrough(at.reader(0))
      expect(offsets, `${left} bytes`).toEqual(range(0, 17).filter((offset) => offset < 8 || offset > 9))
      expect(told, `${left} bytes`).toEqual([[8, 10]])
    }
  })

  it("of the log's end is told, never waited for", () => {
    for (const left of [0, 1, 40, BATCH_BYTES, BATCH_BYTES + 30]) {
      const { at } = partition(17)
      damage(at.env, logName(15), (bytes) => bytes.slice(0, left))
      const lost = 15 + Math.floor(left / BATCH_BYTES)
      expect(readThrough(at.reader(12)), `${left} bytes`).toEqual({ offsets: range(12, lost), damage: [[lost, 17]] })
    }
  })

  it('of a whole segment, gone, is told', () => {
    const { at } = partition(17)
    at.env.fs.unlink(`${PARTITION}/${logName(0)}`)
    expect(readThrough(at.reader(0))).toEqual({ offsets: range(5, 17), damage: [[0, 5]] })
  })

  it('says where it is, in fields and in words', () => {
    const { at } = partition(17)
    damage(at.env, logName(5), flip(2, 80))
    const reader = at.reader(5)
    reader.poll(1 << 20)
    let caught: unknown
    try {
      reader.poll(1 << 20)
    } catch (error) {
      caught = error
    }
    expect(caught).toMatchObject({
      code: 'CORRUPT_MESSAGE',
      topic: 't',
      partition: 0,
      offset: 7,
      resumeOffset: 8,
      message: expect.stringMatching(
        /^t-0 is damaged at offset=7 \(\/data\/t-0\/0{19}5\.log, byte 340\): CRC is .* can go on at offset=8$/,
      ) as unknown,
    })
  })

  it('of a batch whose records hold a whole batch does not give that for one of the log', () => {
    const env = simDisk()
    const log = openLog(env, { configs: {} })
    fill(log, 2)
    const inner = buildBatch({ count: 1, baseOffset: 3 })
    append(log, { records: [{ timestamp: 1, key: null, value: inner, headers: [] }] })
    log.write()
    fill(log, 2)
    const at = new SimPartition(env, log)
    const view = new RecordBatchView(bytesOf(env, logName(0)))
    const position = view.at(view.at(BATCH_BYTES).end).position
    damage(env, logName(0), (bytes) => {
      bytes[position + 62]! ^= 1
      return bytes
    })
    expect(readThrough(at.reader(0))).toEqual({ offsets: [0, 1, 3, 4], damage: [[2, 3]] })
  })

  it('at random places: what is read is right, and reading ends', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    for (let round = 0; round < 60; round++) {
      const { at } = partition(23)
      for (let faults = 1 + Math.floor(random() * 3); faults > 0; faults--) {
        const name = logName(5 * Math.floor(random() * 5))
        damage(at.env, name, (bytes) => {
          if (bytes.length === 0) return bytes
          const position = Math.floor(random() * bytes.length)
          if (random() < 0.2) return bytes.slice(0, position)
          return bytes.fill(Math.floor(random() * 256), position, position + 1 + Math.floor(random() * 200))
        })
      }
      const from = Math.floor(random() * 23)
      const { offsets } = readThrough(at.reader(from))
      const where = `SEED=${seed} round ${round} from ${from}`
      expect(
        [...new Set(offsets)].sort((a, b) => a - b),
        where,
      ).toEqual(offsets)
      expect(
        offsets.every((offset) => offset >= from && offset < 23),
        where,
      ).toBe(true)
    }
  })
})

describe('in a real directory', () => {
  const directories: string[] = []
  afterEach(() => {
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
  })

  it('with segments larger than a window every batch is read once, while the log grows', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vltava-reader-'))
    directories.push(directory)
    const log = openPartitionLog(realEnv, {
      topic: 't',
      partition: 0,
      directory: join(directory, 't-0'),
      topicId: TOPIC_ID,
      config: parseTopicConfigs('t', { 'internal.segment.bytes': String(5 << 20) }),
      wasClean: false,
      recoveryPoint: 0,
      logStartOffset: 0,
      onProgress: () => undefined,
    })
    const watermarks = new Watermarks(createWatermarks(1, 1))
    watermarks.setState(0, SlotState.ONLINE)
    const place = { directory: join(directory, 't-0'), slot: 0, watermarks: (): Watermarks => watermarks }
    const reader = new LocalPartitionReader(realEnv.fs, 't', 0, place, 0)
    const read: number[] = []
    for (let i = 0; i < 110; i++) {
      append(log, { count: 2, valueBytes: i % 10 === 0 ? 450_000 : 30_000 })
      log.write()
      watermarks.setHighWatermark(0, log.highWatermark)
      if (i % 3 === 0) read.push(...readAll(reader))
    }
    read.push(...readAll(reader))
    expect(log.sealed.length).toBeGreaterThan(1)
    expect(read).toEqual(Array.from({ length: 110 }, (_, i) => 2 * i))
    for (const offset of [0, 1, 37, 119, 219]) {
      const other = new LocalPartitionReader(realEnv.fs, 't', 0, place, offset)
      expect(readAll(other)[0]).toBe(offset - (offset % 2))
      other.close()
    }
    reader.close()
    log.release()
  })
})

it('a stray file in the directory does not mislead a reader', () => {
  const { at } = partition(12)
  putFile(at.env, 'x.log', new Uint8Array(100))
  putFile(at.env, logName(7, '.log.deleted'), new Uint8Array(100))
  putFile(at.env, logName(8, '.log.kept-aside'), new Uint8Array(100))
  expect(readAll(at.reader(0))).toEqual(range(0, 12))
})
