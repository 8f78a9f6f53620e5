/** Kafka's rules for the front of a log: (a) time, (b) size, (c) start; and trimming. */
import { describe, expect, it } from 'vitest'
import { OffsetOutOfRangeError } from '../../src/base/errors.ts'
import type { SimEnv } from '../../src/base/env/sim-env.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import * as retention from '../../src/log/retention.ts'
import { parseTopicConfigs, type TopicConfigs } from '../../src/log/topic-config.ts'
import { append, fileNames, fill, logName, openLog, simDisk, SMALL } from './sim-log.ts'

/** Five sealed segments of three records, 10 offsets apart in nothing, and an active one: bases 0, 3, 6, 9, 12, 15. */
function sixSegments(
  configs: TopicConfigs,
  timestamps = [100, 200, 300, 400, 500, 600],
): { env: SimEnv; log: PartitionLog; now: number } {
  const env = simDisk()
  const log = openLog(env, { configs: { 'internal.segment.bytes': '100000', ...configs } })
  const now = env.clock.wallMs()
  timestamps.forEach((ago, i) => {
    if (i > 0) log.roll()
    append(log, { count: 3, firstTimestamp: now - ago, valueBytes: 100 })
    log.write()
  })
  return { env, log, now }
}

const applyRetention = (log: PartitionLog): retention.Doomed[] => retention.applyRetention(log, () => undefined)
const trimLog = (log: PartitionLog, offset: number): retention.Doomed[] =>
  retention.trimLog(log, offset, () => undefined)

const bases = (log: PartitionLog): number[] => [
  ...log.sealed.map(({ baseOffset }) => baseOffset),
  log.active.baseOffset,
]

describe('by time', () => {
  it.each<[string, number[], string, number[]]>([
    ['nothing while the oldest is not over', [100, 90, 80, 70, 60, 50], '100', [0, 3, 6, 9, 12, 15]],
    ['the oldest when it is over by one', [103, 90, 80, 70, 60, 50], '100', [3, 6, 9, 12, 15]],
    ['the oldest few', [400, 300, 200, 70, 60, 50], '100', [9, 12, 15]],
    ['none behind one that is young: only from the front', [400, 50, 300, 200, 200, 200], '100', [3, 6, 9, 12, 15]],
    ['all of them, the active one too, which is rolled first', [900, 800, 700, 600, 500, 400], '100', [18]],
    ['nothing without a limit', [900, 800, 700, 600, 500, 400], '-1', [0, 3, 6, 9, 12, 15]],
    ['everything with a limit of 0', [900, 800, 700, 600, 500, 400], '0', [18]],
  ])('it deletes %s', (_what, ago, retentionMs, left) => {
    // Three records a segment, a millisecond apart: the greatest is 2 ms younger.
    const { log } = sixSegments({ 'retention.ms': retentionMs }, ago)
    applyRetention(log)
    expect(bases(log)).toEqual(left)
    expect(log.logStartOffset).toBe(left[0])
    expect(log.logEndOffset).toBe(18)
  })

  it('an empty active segment stays as it is', () => {
    const { log } = sixSegments({ 'retention.ms': '100' }, [900, 800, 700, 600, 500, 400])
    applyRetention(log)
    expect(applyRetention(log)).toEqual([])
    expect(bases(log)).toEqual([18])
  })

  it('a segment without timestamps counts from the time at which it was sealed', () => {
    const env = simDisk()
    const log = openLog(env, {
      configs: { 'retention.ms': '1000', 'message.timestamp.before.max.ms': '9007199254740991' },
    })
    append(log, { records: [{ timestamp: -1, key: null, value: null, headers: [] }] })
    log.write()
    log.roll()
    env.clock.elapse(1000)
    applyRetention(log)
    expect(bases(log)).toEqual([0, 1])
    env.clock.elapse(1)
    applyRetention(log)
    expect(bases(log)).toEqual([1])
  })

  it('records that wait for their write keep the active segment', () => {
    const { log, now } = sixSegments({ 'retention.ms': '100' }, [900, 800, 700, 600, 500, 400])
    append(log, { firstTimestamp: now })
    applyRetention(log)
    expect(bases(log)).toEqual([15])
    log.write()
    expect(log.highWatermark).toBe(19)
  })
})

describe('by size', () => {
  const segmentBytes = (log: PartitionLog): number => log.sealed[0]!.sizeBytes

  it.each([
    [6, 0, [0, 3, 6, 9, 12, 15]],
    [6, -1, [0, 3, 6, 9, 12, 15]],
    [5, 1, [0, 3, 6, 9, 12, 15]],
    [5, 0, [3, 6, 9, 12, 15]],
    [5, -1, [3, 6, 9, 12, 15]],
    [1, 0, [15]],
    [0, 0, [15]],
  ])('it deletes while the rest still holds %d segments and %d bytes', (segments, bytes, left) => {
    const { log } = sixSegments({ 'retention.ms': '-1' })
    log.config = parseTopicConfigs('t', {
      'retention.ms': '-1',
      'retention.bytes': String(segments * segmentBytes(log) + bytes),
    })
    applyRetention(log)
    expect(bases(log)).toEqual(left)
  })
})

describe('a compacted log', () => {
  it('loses nothing by time and size, but what lies below its start', () => {
    const configs = { 'cleanup.policy': 'compact', 'retention.ms': '0', 'retention.bytes': '0' }
    const { log } = sixSegments(configs)
    expect(applyRetention(log)).toEqual([])
    log.logStartOffset = 7
    applyRetention(log)
    expect(bases(log)).toEqual([6, 9, 12, 15])
    expect(log.logStartOffset).toBe(7)
  })

  it('that is to be deleted too loses both ways', () => {
    const { log } = sixSegments({ 'cleanup.policy': 'compact,delete', 'retention.ms': '450' })
    applyRetention(log)
    expect(bases(log), 'the first segment is the youngest').toEqual([0, 3, 6, 9, 12, 15])
    log.config = parseTopicConfigs('t', { 'cleanup.policy': 'compact,delete', 'retention.ms': '50' })
    applyRetention(log)
    expect(bases(log)).toEqual([18])
  })
})

describe('a trim', () => {
  it.each([
    [0, [0, 3, 6, 9, 12, 15]],
    [2, [0, 3, 6, 9, 12, 15]],
    [3, [3, 6, 9, 12, 15]],
    [4, [3, 6, 9, 12, 15]],
    [17, [15]],
    [18, [15]],
    [-1, [15]],
  ])('to %d moves the start there and deletes what lies wholly below', (offset, left) => {
    const { log } = sixSegments({})
    trimLog(log, offset)
    expect(log.logStartOffset).toBe(offset === -1 ? 18 : offset)
    expect(bases(log)).toEqual(left)
  })

  it('below the present start changes nothing, above the end is refused', () => {
    const { log } = sixSegments({})
    trimLog(log, 8)
    expect(trimLog(log, 2)).toEqual([])
    expect(log.logStartOffset).toBe(8)
    for (const offset of [19, -2, 1.5, Number.NaN]) expect(() => trimLog(log, offset)).toThrow(OffsetOutOfRangeError)
    append(log)
    expect(() => trimLog(log, 19), 'not written yet').toThrow(OffsetOutOfRangeError)
  })
})

describe('a deleted segment', () => {
  it('is renamed at once, with its indexes and its snapshot, and is to be unlinked after file.delete.delay.ms', () => {
    const { env, log } = sixSegments({ 'file.delete.delay.ms': '777' })
    expect(fileNames(env, '.snapshot')).toEqual([6, 9, 12, 15].map((base) => logName(base, '.snapshot')))
    const doomed = trimLog(log, 10)
    expect(doomed).toHaveLength(1)
    expect(doomed[0]!.dueMs).toBe(env.clock.monotonicMs() + 777)
    const expected = [0, 3, 6].flatMap((base) =>
      ['.log', '.index', '.timeindex', ...(base === 6 ? ['.snapshot'] : [])].map((suffix) => logName(base, suffix)),
    )
    expect(doomed[0]!.paths).toEqual(expected.map((name) => `/data/t-0/${name}.deleted`))
    expect(fileNames(env, '.log')).toEqual([9, 12, 15].map((base) => logName(base)))
    log.release()
    const again = openLog(env, { recoveryPoint: 18, logStartOffset: 10 })
    expect(bases(again)).toEqual([9, 12, 15])
    expect(fileNames(env, '.deleted'), 'finished at the next opening').toEqual([])
  })

  it('goes after readers were told of the new start', () => {
    const { env, log } = sixSegments({})
    const told: [start: number, logs: number][] = []
    retention.trimLog(log, 7, () => told.push([log.logStartOffset, fileNames(env, '.log').length]))
    expect(told).toEqual([[7, 6]])
    expect(fileNames(env, '.log')).toHaveLength(4)
  })

  it('that was not synced yet is not synced any more', () => {
    const { log } = sixSegments({})
    trimLog(log, 12)
    expect(log.takeSyncRound()!.segments.map(({ baseOffset }) => baseOffset)).toEqual([12, 15])
  })

  it('that cannot be renamed fails the log', () => {
    const { env, log } = sixSegments({})
    env.fs.faults.failAt(1, 'EIO', ({ kind }) => kind === 'rename')
    expect(() => trimLog(log, 12)).toThrow(expect.objectContaining({ errno: 'EIO' }))
    expect(log.failure).toBeDefined()
  })

  it('leaves a log that opens, wherever the power goes: it starts at or before the new start and has its end', () => {
    for (let seed = 0; seed < 120; seed++) {
      const env = simDisk(seed)
      const log = openLog(env, { configs: SMALL })
      fill(log, 40)
      log.syncNow()
      env.fs.faults.failAt(1 + (seed % 14), 'halt')
      try {
        trimLog(log, 30)
      } catch (error) {
        expect(env.fs.halted, String(error)).toBe(true)
      }
      env.fs.faults.clear()
      env.fs.crash(env.random)
      const again = openLog(env, { recoveryPoint: 40, logStartOffset: 0 })
      expect(again.highWatermark, `seed ${seed}`).toBe(40)
      expect(again.logStartOffset, `seed ${seed}`).toBeLessThanOrEqual(30)
      trimLog(again, 30)
      expect(again.logStartOffset, `seed ${seed}`).toBe(30)
    }
  })
})
