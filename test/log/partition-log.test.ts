import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { ERROR_CODES } from '../../src/base/errors.ts'
import { ACCEPT, DUPLICATE } from '../../src/log/producer-state.ts'
import { parseTopicConfigs } from '../../src/log/topic-config.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { buildBatch, T0 } from '../record/batches.ts'
import { allOffsets, append, bytesOf, fileNames, fill, logName, openLog, putFile, simDisk, SMALL } from './sim-log.ts'

const code = (name: keyof typeof ERROR_CODES): number => ERROR_CODES[name].kafkaCode
/** A batch of one record with a value of 100 bytes. */
const BATCH_BYTES = buildBatch({ count: 1, valueBytes: 100 }).length

describe('an accepted batch', () => {
  it('has its offsets in place, is visible once it is written, and lies in the file as it was given', () => {
    const env = simDisk()
    const log = openLog(env)
    const batch = new RecordBatchView(buildBatch({ count: 3, baseOffset: 77, leaderEpoch: 9 })).at(0)
    expect(log.append(batch, env.clock.wallMs())).toBe(ACCEPT)
    expect([log.appendedOffset, log.appendedTimestamp, log.logEndOffset, log.highWatermark]).toEqual([0, -1, 3, 0])
    expect(append(log, { count: 2 })).toBe(ACCEPT)
    expect([log.appendedOffset, log.logEndOffset]).toEqual([3, 5])
    log.write()
    expect([log.highWatermark, log.committedOffset, log.pendingBytes]).toEqual([5, 0, 0])
    const bytes = bytesOf(env, logName(0))
    const first = new RecordBatchView(bytes).at(0)
    expect([first.baseOffset, first.partitionLeaderEpoch]).toEqual([0, 0])
    expect(Buffer.from(bytes.subarray(21, first.end))).toEqual(Buffer.from(batch.bytes.subarray(21)))
    expect(log.sizeBytes).toBe(bytes.length)
  })

  it('of many costs one system call for all, up to what one call takes', () => {
    const writes: string[] = []
    const env = simDisk(1, { onOperation: ({ kind, path }) => void (kind === 'write' && writes.push(path)) })
    const log = openLog(env, { configs: {} })
    for (let i = 0; i < 1000; i++) append(log)
    const before = writes.length
    log.write()
    expect(writes.length - before).toBe(1)
    for (let i = 0; i < 1500; i++) append(log)
    log.write()
    expect(log.highWatermark).toBe(2500)
    expect(allOffsets(env)).toEqual(Array.from({ length: 2500 }, (_, i) => i))
  })

  it("of a log with LogAppendTime gets the log's time, and a CRC that is right", () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'message.timestamp.type': 'LogAppendTime' } })
    expect(append(log, { count: 2, firstTimestamp: 5, producerId: 1, producerEpoch: 0, baseSequence: 0 })).toBe(ACCEPT)
    const stampedMs = env.clock.wallMs()
    expect(log.appendedTimestamp).toBe(stampedMs)
    log.write()
    const batch = new RecordBatchView(bytesOf(env, logName(0))).at(0)
    expect([batch.isLogAppendTime, batch.maxTimestamp, batch.crc]).toEqual([true, stampedMs, batch.computeCrc()])
    env.clock.elapse(1000)
    expect(append(log, { count: 2, firstTimestamp: 5, producerId: 1, producerEpoch: 0, baseSequence: 0 })).toBe(
      DUPLICATE,
    )
    expect(log.appendedTimestamp, 'that of the first time').toBe(stampedMs)
    expect(log.active.maxTimestamp).toBe(stampedMs)
  })
})

describe('a batch is refused', () => {
  it.each<[string, string, Record<string, string>, Parameters<typeof append>[1], number]>([
    [
      'above max.message.bytes',
      'to the byte',
      { 'max.message.bytes': String(BATCH_BYTES - 1) },
      { valueBytes: 100 },
      code('MESSAGE_TOO_LARGE'),
    ],
    ['at max.message.bytes', 'it is not', { 'max.message.bytes': String(BATCH_BYTES) }, { valueBytes: 100 }, ACCEPT],
    [
      'above segment.bytes',
      'to the byte',
      { 'internal.segment.bytes': String(BATCH_BYTES - 1) },
      { valueBytes: 100 },
      code('RECORD_LIST_TOO_LARGE'),
    ],
    ['at segment.bytes', 'it is not', { 'internal.segment.bytes': String(BATCH_BYTES) }, { valueBytes: 100 }, ACCEPT],
  ])('%s: %s', (_where, _how, configs, batch, verdict) => {
    expect(append(openLog(simDisk(), { configs }), batch)).toBe(verdict)
  })

  it('with a timestamp further ahead than message.timestamp.after.max.ms, or further back than before.max.ms', () => {
    const env = simDisk()
    const configs = { 'message.timestamp.after.max.ms': '1000', 'message.timestamp.before.max.ms': '500' }
    const log = openLog(env, { configs })
    const now = env.clock.wallMs()
    expect(append(log, { firstTimestamp: now + 1000 })).toBe(ACCEPT)
    expect(append(log, { firstTimestamp: now + 1001 })).toBe(code('INVALID_TIMESTAMP'))
    expect(append(log, { firstTimestamp: now - 500 })).toBe(ACCEPT)
    expect(append(log, { firstTimestamp: now - 501 })).toBe(code('INVALID_TIMESTAMP'))
    expect(log.logEndOffset).toBe(2)
  })

  it("without records, or with offsets that are not its records'", () => {
    const log = openLog(simDisk())
    const broken = (set: (view: DataView) => void): number => {
      const bytes = buildBatch({ count: 3 })
      set(new DataView(bytes.buffer))
      return log.append(new RecordBatchView(bytes).at(0), 0)
    }
    expect(broken((view) => view.setInt32(57, 0))).toBe(code('INVALID_RECORD'))
    expect(broken((view) => view.setInt32(57, 2))).toBe(code('INVALID_RECORD'))
    expect(broken((view) => view.setInt32(23, 5))).toBe(code('INVALID_RECORD'))
  })

  it('and leaves no trace: not in the offsets, the producer state or the file', () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'message.timestamp.after.max.ms': '0' } })
    const late = { firstTimestamp: env.clock.wallMs() + 1, producerId: 5, producerEpoch: 0, baseSequence: 0 }
    expect(append(log, late)).toBe(code('INVALID_TIMESTAMP'))
    expect([log.logEndOffset, log.pendingBytes, log.producers.size]).toEqual([0, 0, 0])
  })

  it('out of sequence, and answered with its offset if it is a repetition', () => {
    const env = simDisk()
    const log = openLog(env)
    const produced = { count: 2, producerId: 5, producerEpoch: 0 }
    append(log)
    expect(append(log, { ...produced, baseSequence: 0 })).toBe(ACCEPT)
    expect(append(log, { ...produced, baseSequence: 0 }), 'before it is written').toBe(DUPLICATE)
    expect(log.appendedOffset).toBe(1)
    log.write()
    expect(append(log, { ...produced, baseSequence: 0 })).toBe(DUPLICATE)
    expect(append(log, { ...produced, baseSequence: 3 })).toBe(code('OUT_OF_ORDER_SEQUENCE_NUMBER'))
    expect(append(log, { ...produced, baseSequence: 2 })).toBe(ACCEPT)
    expect(log.logEndOffset).toBe(5)
  })
})

/** Kafka's rules, each at its boundary: what the last batch does. */
describe('a segment is rolled', () => {
  it('by size: when it would grow over segment.bytes, not when it would fill it', () => {
    for (const [segmentBytes, segments] of [
      [3 * BATCH_BYTES, 1],
      [3 * BATCH_BYTES - 1, 2],
    ] as const) {
      const env = simDisk()
      const log = openLog(env, { configs: { 'internal.segment.bytes': String(segmentBytes) } })
      fill(log, 3)
      expect(fileNames(env, '.log'), `segment.bytes=${segmentBytes}`).toHaveLength(segments)
      expect(log.active.baseOffset).toBe(segments === 1 ? 0 : 2)
    }
  })

  it('by size of what waits for its write as well', () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'internal.segment.bytes': String(3 * BATCH_BYTES - 1) } })
    for (let i = 0; i < 3; i++) append(log, { valueBytes: 100 })
    expect(log.highWatermark).toBe(2)
    log.write()
    expect(fileNames(env, '.log')).toEqual([logName(0), logName(2)])
  })

  it('by the time of its records: more than segment.ms between its first batch and the one that comes', () => {
    const configs = { 'segment.ms': '1000' }
    for (const [ahead, segments] of [
      [1000, 1],
      [1001, 2],
    ] as const) {
      const env = simDisk()
      const log = openLog(env, { configs })
      env.clock.elapse(10_000_000)
      append(log, { count: 1, firstTimestamp: T0 })
      log.write()
      append(log, { count: 1, firstTimestamp: T0 + 500 })
      append(log, { count: 1, firstTimestamp: T0 + ahead })
      log.write()
      expect(fileNames(env, '.log'), `${ahead} ms ahead`).toHaveLength(segments)
    }
  })

  it('by the time of the first batch that waits, when nothing is written yet', () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'segment.ms': '1000' } })
    append(log, { count: 1, firstTimestamp: T0 })
    append(log, { count: 1, firstTimestamp: T0 + 1001 })
    log.write()
    expect(fileNames(env, '.log')).toEqual([logName(0), logName(1)])
  })

  it('with jitter, earlier, by an amount that is drawn for each segment', () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 20; seed++) {
      const env = simDisk(seed)
      const log = openLog(env, { configs: { 'segment.ms': '1000', 'segment.jitter.ms': '400' } })
      expect(log.active.jitterMs).toBeGreaterThanOrEqual(0)
      expect(log.active.jitterMs).toBeLessThan(400)
      let ahead = 0
      while (log.active.baseOffset === 0) {
        append(log, { count: 1, firstTimestamp: T0 + ahead })
        log.write()
        ahead += 10
      }
      lengths.add(ahead)
    }
    expect(lengths.size).toBeGreaterThan(5)
    expect(Math.min(...lengths)).toBeGreaterThan(600)
  })

  it('when an index is full', () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'index.interval.bytes': '0', 'segment.index.bytes': '40' } })
    fill(log, 12, 10)
    // Entries from the second batch on, time entries for two, then the third fills nothing more: rolled at the fourth.
    expect(fileNames(env, '.log').map((name) => Number(name.slice(0, 20)))).toEqual([0, 3, 6, 9])
  })

  it('when a relative offset would leave the int32', () => {
    const env = simDisk()
    openLog(env).release()
    putFile(env, logName(0), buildBatch({ count: 1, baseOffset: 0x7fff_fffd }))
    const log = openLog(env, { configs: { 'cleanup.policy': 'compact' } })
    expect(log.logEndOffset).toBe(0x7fff_fffe)
    expect(append(log, { count: 2 })).toBe(ACCEPT)
    log.write()
    expect(fileNames(env, '.log')).toEqual([logName(0)])
    expect(append(log, { count: 1 })).toBe(ACCEPT)
    log.write()
    expect(fileNames(env, '.log')).toEqual([logName(0), logName(0x8000_0000)])
  })

  it('never while it is empty, whatever comes', () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'segment.ms': '1', 'internal.segment.bytes': String(BATCH_BYTES) } })
    env.clock.elapse(1_000_000)
    fill(log, 1)
    log.roll()
    log.roll()
    expect(fileNames(env, '.log')).toEqual([logName(0), logName(1)])
  })

  it('with a snapshot of the producers at its end, trimmed indexes and a closing time entry', () => {
    const env = simDisk()
    const log = openLog(env)
    append(log, { count: 3, producerId: 5, producerEpoch: 0, baseSequence: 0 })
    log.write()
    log.roll()
    expect(fileNames(env, '.snapshot')).toEqual([logName(3, '.snapshot')])
    expect(bytesOf(env, logName(0, '.timeindex'))).toHaveLength(12)
    expect(log.sealed).toEqual([
      { baseOffset: 0, nextOffset: 3, sizeBytes: bytesOf(env, logName(0)).length, maxTimestamp: T0 + 2 },
    ])
  })
})

describe('a sync round', () => {
  it('covers what was written before it began, and moves the committed offset when it ends', () => {
    const log = openLog(simDisk())
    fill(log, 2)
    const round = log.takeSyncRound()!
    expect(round.offset).toBe(2)
    expect(log.takeSyncRound(), 'one at a time').toBeUndefined()
    fill(log, 1)
    expect(log.committedOffset).toBe(0)
    log.syncEnded('')
    expect(log.committedOffset).toBe(2)
    expect(log.takeSyncRound()!.offset).toBe(3)
    log.syncEnded('')
    expect(log.takeSyncRound(), 'nothing is left').toBeUndefined()
  })

  it('takes in rolled segments, which are closed once they are synced', () => {
    const log = openLog(simDisk())
    fill(log, 30)
    expect(log.sealed.length).toBeGreaterThan(2)
    const round = log.takeSyncRound()!
    expect(round.segments).toHaveLength(log.sealed.length + 1)
    const [oldest] = round.segments
    log.syncEnded('')
    expect(log.committedOffset).toBe(30)
    expect(() => oldest!.log.sizeBytes()).toThrow(AssertionFailed)
    expect(log.active.log.sizeBytes()).toBeGreaterThan(0)
  })

  it('survives a power cut, and what is not in one need not', () => {
    for (let seed = 0; seed < 30; seed++) {
      const env = simDisk(seed)
      const log = openLog(env)
      fill(log, 25)
      log.syncNow()
      fill(log, 8)
      env.fs.crash(env.random)
      const again = openLog(env, { recoveryPoint: 25 })
      expect(again.highWatermark, `seed ${seed}`).toBeGreaterThanOrEqual(25)
      expect(again.highWatermark, `seed ${seed}`).toBeLessThanOrEqual(33)
      expect(allOffsets(env), `seed ${seed}`).toEqual(Array.from({ length: again.highWatermark }, (_, i) => i))
      expect(again.damage.every(({ action }) => action === 'truncated' || action === 'kept-aside')).toBe(true)
    }
  })

  it('that fails stops the log for good, with what the disk said', () => {
    const log = openLog(simDisk())
    fill(log, 2)
    log.takeSyncRound()
    log.syncEnded('EIO')
    expect(log.failure).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', errno: 'EIO' })
    expect(log.committedOffset).toBe(0)
    expect(() => append(log)).toThrow(AssertionFailed)
    expect([log.takeSyncRound(), log.wantsSync()]).toEqual([undefined, false])
  })

  it('is wanted by flush.messages and flush.ms, and by a rolled segment', () => {
    const env = simDisk()
    const log = openLog(env, { configs: { 'flush.messages': '3', 'flush.ms': '1000' } })
    fill(log, 2)
    expect(log.wantsSync()).toBe(false)
    fill(log, 1)
    expect(log.wantsSync()).toBe(true)
    log.syncNow()
    expect(log.wantsSync()).toBe(false)
    env.clock.elapse(5000)
    expect(log.wantsSync(), 'nothing to sync').toBe(false)
    fill(log, 1)
    expect(log.wantsSync()).toBe(true)
    const rolled = openLog(simDisk())
    fill(rolled, 1)
    expect(rolled.wantsSync()).toBe(false)
    rolled.roll()
    expect(rolled.wantsSync()).toBe(true)
  })
})

describe('a log whose write fails', () => {
  it.each(['EIO', 'ENOSPC', 'EROFS'] as const)('with %s is failed for good and can be opened anew', (errno) => {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 2)
    append(log)
    env.fs.faults.failAt(1, errno, ({ kind, path }) => kind === 'write' && path.endsWith('.log'))
    expect(() => log.write()).toThrow(expect.objectContaining({ errno }))
    expect(log.failure?.errno).toBe(errno)
    expect(() => log.write()).toThrow(AssertionFailed)
    kill()
    const again = openLog(env)
    expect(again.highWatermark).toBe(2)
    fill(again, 1)
    expect(again.highWatermark).toBe(3)

    function kill(): void {
      log.release()
      env.fs.killProcess()
    }
  })

  it('in the middle of a roll, at any call, is failed, and the next opening loses nothing that was written', () => {
    for (let k = 1; k < 40; k++) {
      const env = simDisk()
      const log = openLog(env)
      fill(log, 4)
      env.fs.faults.failAt(k, 'EIO')
      let failed = false
      try {
        log.roll()
      } catch (error) {
        expect(error).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', errno: 'EIO' })
        expect(log.failure).toBe(error)
        failed = true
      }
      env.fs.faults.clear()
      log.release()
      env.fs.killProcess()
      const again = openLog(env)
      expect(again.highWatermark, `call ${k}`).toBe(4)
      fill(again, 10)
      expect(allOffsets(env), `call ${k}`).toEqual(Array.from({ length: 14 }, (_, i) => i))
      if (!failed) {
        expect(k).toBeGreaterThan(10)
        return
      }
    }
    throw new Error('the roll took more calls than the test tries')
  })
})

describe('a clean close', () => {
  it('leaves everything synced, trimmed, and a snapshot at the end', () => {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 7)
    append(log, { count: 2, producerId: 5, producerEpoch: 0, baseSequence: 0 })
    log.closeClean()
    expect(log.committedOffset).toBe(9)
    expect(fileNames(env, '.snapshot')).toContain(logName(9, '.snapshot'))
    env.fs.crash(env.random, { files: 'none', directories: 'none' })
    const again = openLog(env, { wasClean: true, recoveryPoint: 9 })
    expect([again.highWatermark, again.damage.length, again.producers.size]).toEqual([9, 0, 1])
  })

  it('that meets a failing disk says so and closes its files all the same', () => {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 2)
    env.fs.faults.failAt(1, 'EIO', ({ kind }) => kind === 'sync')
    expect(() => log.closeClean()).toThrow(expect.objectContaining({ errno: 'EIO' }))
    expect(() => log.active.log.sizeBytes()).toThrow(AssertionFailed)
  })
})

describe('settings', () => {
  it('that change hold from the next batch on', () => {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 2)
    log.config = parseTopicConfigs('t', { ...SMALL, 'max.message.bytes': '100' })
    expect(append(log, { valueBytes: 100 })).toBe(code('MESSAGE_TOO_LARGE'))
    expect(append(log, { valueBytes: 5 })).toBe(ACCEPT)
  })
})
