/** ListOffsets by timestamp, against a model that knows every record. */
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../src/base/random.ts'
import { lookupByTimestamp, lookupMaxTimestamp } from '../../src/engine/offset-lookup.ts'
import { DamagedLogError } from '../../src/base/errors.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import type { CompressionName } from '../../src/record/compression/codec.ts'
import { buildBatch, T0 } from '../record/batches.ts'
import { testSeed } from '../random.ts'
import { append, damage, fill, kill, logName, openLog, PARTITION, simDisk, SMALL } from '../log/sim-log.ts'
import type { SimEnv } from '../../src/base/env/sim-env.ts'

interface Known {
  readonly offset: number
  readonly timestamp: number
}

/** Appends a batch of records with these timestamps. */
function add(
  log: PartitionLog,
  model: Known[],
  timestamps: readonly number[],
  compression: CompressionName = 'none',
): void {
  const records = timestamps.map((timestamp) => ({ timestamp, key: null, value: new Uint8Array(40), headers: [] }))
  const base = log.logEndOffset
  if (append(log, { records, compression }) !== 0) throw new Error('refused')
  log.write()
  timestamps.forEach((timestamp, i) => model.push({ offset: base + i, timestamp }))
}

function find(env: SimEnv, log: PartitionLog, timestamp: number): Known {
  return lookupByTimestamp(env.fs, PARTITION, timestamp, log.logStartOffset, log.highWatermark)
}

function expected(model: Known[], timestamp: number, logStartOffset = 0): Known {
  return (
    model.find((known) => known.offset >= logStartOffset && known.timestamp >= timestamp) ?? {
      offset: -1,
      timestamp: -1,
    }
  )
}

function newest(model: Known[], logStartOffset = 0): Known {
  let best: Known = { offset: -1, timestamp: -1 }
  for (const known of model) if (known.offset >= logStartOffset && known.timestamp > best.timestamp) best = known
  return best
}

describe('the first record at or after a time', () => {
  it('is found in order, between, before and after all records', () => {
    const env = simDisk()
    const log = openLog(env)
    const model: Known[] = []
    for (let i = 0; i < 40; i++) add(log, model, [T0 + 10 * i, T0 + 10 * i + 3])
    expect(log.sealed.length).toBeGreaterThan(3)
    for (let at = -5; at < 420; at++) expect(find(env, log, T0 + at), `${at}`).toEqual(expected(model, T0 + at))
    expect(find(env, log, 0).offset).toBe(0)
    expect(find(env, log, -1).offset).toBe(0)
    expect(find(env, log, T0 + 500)).toEqual({ offset: -1, timestamp: -1 })
  })

  it('of an empty log is none', () => {
    const env = simDisk()
    const log = openLog(env)
    expect(find(env, log, 0)).toEqual({ offset: -1, timestamp: -1 })
    expect(lookupMaxTimestamp(env.fs, PARTITION, 0, 0)).toEqual({ offset: -1, timestamp: -1 })
  })

  it('of no time at all is refused', () => {
    const env = simDisk()
    const log = openLog(env)
    expect(() => find(env, log, new Date('no date').getTime())).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it('agrees with the model on random times, out of order, in every codec, with a start inside a batch', () => {
    const seed = testSeed()
    for (let round = 0; round < 25; round++) {
      const random = new SeededRandom(seed + round)
      const env = simDisk(round)
      const log = openLog(env, { configs: { ...SMALL, 'index.interval.bytes': String(random.pick([0, 100, 400])) } })
      const model: Known[] = []
      // Time goes forwards on the whole, back in places, and here and there a record is far ahead.
      let time = T0
      for (let i = 0; i < 60; i++) {
        time += random.below(20) - 5
        const timestamps = Array.from({ length: 1 + random.below(6) }, () =>
          random.chance(0.03) ? time + 300 : time + random.below(30) - 15,
        )
        add(log, model, timestamps, random.pick(['none', 'gzip', 'snappy', 'lz4', 'zstd']))
      }
      if (random.chance(0.3)) {
        kill(env, log)
        log.active = openLog(env).active
      }
      for (const start of [0, 1, random.below(log.highWatermark), log.highWatermark - 1]) {
        log.logStartOffset = start
        const where = `SEED=${seed} round ${round} start ${start}`
        expect(lookupMaxTimestamp(env.fs, PARTITION, start, log.highWatermark), where).toEqual(newest(model, start))
        for (let i = 0; i < 40; i++) {
          const timestamp = T0 - 20 + random.below(time - T0 + 340)
          expect(find(env, log, timestamp), `${where} timestamp ${timestamp}`).toEqual(
            expected(model, timestamp, start),
          )
        }
      }
    }
  })

  it('does not see what lies at or above the high watermark', () => {
    const env = simDisk()
    const log = openLog(env)
    const model: Known[] = []
    for (let i = 0; i < 8; i++) add(log, model, [T0 + i])
    expect(lookupByTimestamp(env.fs, PARTITION, T0 + 4, 0, 4)).toEqual({ offset: -1, timestamp: -1 })
    expect(lookupByTimestamp(env.fs, PARTITION, T0 + 3, 0, 4).offset).toBe(3)
    expect(lookupMaxTimestamp(env.fs, PARTITION, 0, 4)).toEqual({ offset: 3, timestamp: T0 + 3 })
  })

  it('in a log with LogAppendTime has the time of its batch', () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'message.timestamp.type': 'LogAppendTime' } })
    const stamps: number[] = []
    for (let i = 0; i < 5; i++) {
      env.clock.elapse(100)
      append(log, { count: 3, firstTimestamp: 5 })
      log.write()
      stamps.push(env.clock.wallMs())
    }
    expect(find(env, log, stamps[1]! + 1)).toEqual({ offset: 6, timestamp: stamps[2] })
    expect(find(env, log, stamps[2]!)).toEqual({ offset: 6, timestamp: stamps[2] })
    expect(lookupMaxTimestamp(env.fs, PARTITION, 0, 15)).toEqual({ offset: 12, timestamp: stamps[4] })
    expect(lookupMaxTimestamp(env.fs, PARTITION, 13, 15), 'the start lies inside its batch').toEqual({
      offset: 13,
      timestamp: stamps[4],
    })
  })

  it('passes over a segment that retention takes away at that moment', () => {
    const env = simDisk()
    const log = openLog(env)
    const model: Known[] = []
    for (let i = 0; i < 30; i++) add(log, model, [T0 + i])
    const original = env.fs.open.bind(env.fs)
    env.fs.open = (path, mode) => {
      if (path.endsWith(logName(0))) env.fs.unlink(path)
      return original(path, mode)
    }
    const base = log.sealed[1]!.baseOffset
    expect(find(env, log, T0)).toEqual({ offset: base, timestamp: T0 + base })
  })
})

describe('with damage', () => {
  const batchBytes = buildBatch({ count: 1, valueBytes: 100 }).length

  /** Fifteen batches of one record, five to a segment, a millisecond apart from T0 on. */
  function log15(): { env: SimEnv; log: PartitionLog } {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 15)
    log.closeClean()
    return { env, log }
  }

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['missing entries', () => new Uint8Array(0)],
    ['entries that lead between batches', (bytes) => bytes.map((byte, i) => (i % 8 === 7 ? byte + 3 : byte))],
    ['entries that lead beyond the end', (bytes) => bytes.map((byte, i) => (i % 8 === 4 ? 0x10 : byte))],
    ['entries that lead to later batches', (bytes) => bytes.map((byte, i) => (i % 8 === 3 ? 1 : byte))],
  ])('of the index by %s every answer is still right', (_what, change) => {
    const { env, log } = log15()
    for (const base of [0, 5, 10]) damage(env, logName(base, '.index'), change)
    for (let i = 0; i < 15; i++) expect(find(env, log, T0 + i)).toEqual({ offset: i, timestamp: T0 + i })
    expect(find(env, log, T0 + 15).offset).toBe(-1)
  })

  it('of a batch that had to be looked at the answer is the damage, not "none" and not a later record', () => {
    const { env, log } = log15()
    damage(env, logName(5), (bytes) => bytes.fill(0xff, 2 * batchBytes + 70, 2 * batchBytes + 75))
    for (const at of [7, 8]) {
      let caught: unknown
      try {
        find(env, log, T0 + at)
      } catch (error) {
        caught = error
      }
      expect(caught, `${at}`).toBeInstanceOf(DamagedLogError)
      expect(caught).toMatchObject({ topic: 't', partition: 0, offset: 7, resumeOffset: 8 })
    }
    expect(find(env, log, T0 + 6).offset, 'found before it').toBe(6)
    expect(find(env, log, T0 + 12).offset, 'another segment').toBe(12)
    expect(() => lookupMaxTimestamp(env.fs, PARTITION, 0, 15)).toThrow(DamagedLogError)
  })

  it("of a base offset, which no CRC covers, no record gets another one's offset", () => {
    const { env, log } = log15()
    damage(env, logName(5), (bytes) => {
      bytes[2 * batchBytes + 6]! ^= 1
      return bytes
    })
    damage(env, logName(5, '.index'), () => new Uint8Array(0))
    expect(() => find(env, log, T0 + 7)).toThrow(DamagedLogError)
    damage(env, logName(10), (bytes) => {
      bytes[4 * batchBytes + 6]! ^= 1
      return bytes
    })
    expect(() => find(env, log, T0 + 14), 'the last of the log').toThrow(DamagedLogError)
  })

  it("below the log's start nothing is damaged for anybody", () => {
    const { env, log } = log15()
    damage(env, logName(5), (bytes) => bytes.fill(0xff, batchBytes + 70, batchBytes + 75))
    log.logStartOffset = 7
    expect(find(env, log, T0)).toEqual({ offset: 7, timestamp: T0 + 7 })
    expect(lookupMaxTimestamp(env.fs, PARTITION, 7, 15).offset).toBe(14)
    log.logStartOffset = 6
    expect(() => find(env, log, T0)).toThrow(DamagedLogError)
  })

  it('of the end of a segment is told with the next segment as the place to go on', () => {
    const { env, log } = log15()
    damage(env, logName(5), (bytes) => bytes.slice(0, 4 * batchBytes + 9))
    expect(() => find(env, log, T0 + 9)).toThrow(expect.objectContaining({ offset: 9, resumeOffset: 10 }))
  })
})
