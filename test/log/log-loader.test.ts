/**
 * Opening a partition: after a clean stop, after a kill, with damage below and above the recovery point. SMALL makes
 * segments of 1,000 bytes; fill() writes batches of one record, so an offset is a batch.
 */
import { describe, expect, it } from 'vitest'
import type { SimEnv } from '../../src/base/env/sim-env.ts'
import { DUPLICATE } from '../../src/log/producer-state.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { buildBatch, T0 } from '../record/batches.ts'
import {
  allOffsets,
  append,
  batchOffsets,
  bytesOf,
  damage,
  fileNames,
  files,
  fill,
  kill,
  logName,
  openLog,
  PARTITION,
  putFile,
  simDisk,
} from './sim-log.ts'

/** Bytes of a batch of fill(): five of them make a segment, the sixth rolls it. */
const BATCH_BYTES = buildBatch({ count: 1, valueBytes: 100 }).length
const PER_SEGMENT = Math.floor(1000 / BATCH_BYTES)
const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i)

/** A log of `count` batches that was killed; its files as the page cache has them. */
function killed(count: number, seed = 1): SimEnv {
  const env = simDisk(seed)
  const log = openLog(env)
  fill(log, count)
  kill(env, log)
  return env
}

describe('a directory', () => {
  it('that is missing is made, with the metadata of its topic and a first segment', () => {
    const env = simDisk()
    const log = openLog(env)
    expect(env.fs.list(PARTITION)).toEqual([
      logName(0, '.index'),
      logName(0),
      logName(0, '.timeindex'),
      'leader-epoch-checkpoint',
      'partition.metadata',
    ])
    expect(Buffer.from(bytesOf(env, 'leader-epoch-checkpoint')).toString()).toBe('0\n1\n0 0\n')
    expect([log.logStartOffset, log.logEndOffset, log.committedOffset]).toEqual([0, 0, 0])
  })

  it('of which only the start offset is known begins there', () => {
    const log = openLog(simDisk(), { logStartOffset: 500 })
    expect([log.logStartOffset, log.logEndOffset, log.active.baseOffset]).toEqual([500, 500, 500])
  })

  it("keeps the topic id that it has, and files that are not the log's", () => {
    const env = simDisk()
    openLog(env).closeClean()
    putFile(env, 'notes.txt', Buffer.from('mine'))
    const before = files(env)
    openLog(env, { wasClean: true, topicId: 'BBBBBBBBBBBBBBBBBBBBBQ' }).closeClean()
    expect(files(env)).toEqual(before)
  })
})

describe('a log that was closed', () => {
  it('opens as it was, and closing it again changes no byte', () => {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 23)
    append(log, { count: 5, producerId: 5, producerEpoch: 0, baseSequence: 0 })
    log.closeClean()
    const before = files(env)
    const again = openLog(env, { wasClean: true, recoveryPoint: 28 })
    expect([again.logStartOffset, again.logEndOffset, again.committedOffset, again.damage]).toEqual([0, 28, 28, []])
    expect(again.sealed).toEqual(log.sealed)
    again.closeClean()
    expect(files(env)).toEqual(before)
  })

  it('goes on exactly as if it had never been closed: the same batches give the same files', () => {
    for (const cut of [1, 3, PER_SEGMENT, PER_SEGMENT + 1, 17]) {
      const whole = simDisk()
      const log = openLog(whole)
      fill(log, 30)
      log.closeClean()
      const parts = simDisk()
      const first = openLog(parts)
      fill(first, cut)
      first.closeClean()
      const second = openLog(parts, { wasClean: true, recoveryPoint: cut })
      fill(second, 30 - cut)
      second.closeClean()
      const comparable = (all: Record<string, string>): Record<string, string> =>
        Object.fromEntries(Object.entries(all).filter(([name]) => name.endsWith('.log') || name.endsWith('.index')))
      expect(comparable(files(parts)), `cut after ${cut}`).toEqual(comparable(files(whole)))
    }
  })

  it('and of which an index is missing, cut or corrupt gets the same index again, and says so', () => {
    for (const [base, suffix] of [
      [0, '.index'],
      [0, '.timeindex'],
      [20, '.index'],
      [20, '.timeindex'],
    ] as const) {
      for (const how of ['missing', 'corrupt'] as const) {
        const env = simDisk()
        const log = openLog(env)
        fill(log, 23)
        log.closeClean()
        const before = files(env)
        const name = logName(base, suffix)
        if (how === 'missing') env.fs.unlink(`${PARTITION}/${name}`)
        else damage(env, name, (bytes) => bytes.slice().fill(0xff, 0, 4))
        const again = openLog(env, { wasClean: true, recoveryPoint: 23 })
        expect(
          again.damage.map(({ action }) => action),
          `${name} ${how}`,
        ).toEqual(['rebuilt'])
        again.closeClean()
        expect(files(env), `${name} ${how}`).toEqual(before)
      }
    }
  })

  it('and whose newest snapshot is damaged finds its producers in the log', () => {
    const env = simDisk()
    const log = openLog(env)
    for (let i = 0; i < 20; i++) {
      append(log, { count: 1, valueBytes: 100, producerId: 5, producerEpoch: 0, baseSequence: i })
      log.write()
    }
    log.closeClean()
    damage(env, logName(20, '.snapshot'), (bytes) => bytes.fill(9))
    const again = openLog(env, { wasClean: true, recoveryPoint: 20 })
    expect(again.damage.map(({ file }) => file)).toEqual([`${PARTITION}/${logName(20, '.snapshot')}`])
    // Five batches, although a snapshot holds one: the rest was replayed.
    for (let i = 15; i < 20; i++) {
      expect(append(again, { count: 1, valueBytes: 100, producerId: 5, producerEpoch: 0, baseSequence: i })).toBe(
        DUPLICATE,
      )
    }
  })
})

describe('a log that was killed', () => {
  it('has everything that was written, with the files that a clean stop would have left', () => {
    for (const count of [0, 1, PER_SEGMENT, PER_SEGMENT + 1, 33]) {
      const clean = simDisk()
      const log = openLog(clean)
      fill(log, count)
      log.closeClean()
      const env = killed(count)
      const again = openLog(env)
      expect([again.logEndOffset, again.damage], `${count} batches`).toEqual([count, []])
      again.closeClean()
      expect(files(env), `${count} batches`).toEqual(files(clean))
    }
  })

  it('opens a second time without another byte changed', () => {
    const env = killed(17)
    damage(env, logName(15), (bytes) => bytes.slice(0, bytes.length - 3))
    openLog(env).release()
    const before = files(env)
    const again = openLog(env)
    expect(again.damage).toEqual([])
    again.release()
    expect(files(env)).toEqual(before)
  })

  it('counts as committed what the recovery point says, and what recovery has synced', () => {
    const log = openLog(killed(17), { recoveryPoint: 12 })
    // Segments 10 .. 14 were scanned and synced when they were sealed again.
    expect([log.committedOffset, log.highWatermark]).toEqual([15, 17])
    log.syncNow()
    expect(log.committedOffset).toBe(17)
    const rolled = simDisk()
    const first = openLog(rolled)
    fill(first, 5)
    first.roll()
    kill(rolled, first)
    const again = openLog(rolled, { recoveryPoint: 2 })
    expect([again.committedOffset, again.highWatermark], 'nothing is left to sync').toEqual([5, 5])
  })

  it('reads only what lies above the recovery point', () => {
    const env = killed(17)
    const read = new Set<string>()
    const watched = { ...env, fs: env.fs }
    const original = env.fs.open.bind(env.fs)
    env.fs.open = (path, mode) => {
      const file = original(path, mode)
      const readFile = file.read.bind(file)
      file.read = (...args) => {
        if (path.endsWith('.log')) read.add(path.slice(-logName(0).length))
        return readFile(...args)
      }
      return file
    }
    openLog(watched, { recoveryPoint: 15 })
    // Snapshots at 10 and 15 know the producers; the window of five is replayed from the last segment but one.
    expect([...read].sort()).toEqual([logName(10), logName(15)])
  })

  it('has the window of five batches of a producer, though a snapshot has one', () => {
    const env = simDisk()
    const log = openLog(env)
    const produced = { count: 1, valueBytes: 100, producerEpoch: 0 }
    for (let i = 0; i < 21; i++) {
      append(log, { ...produced, producerId: 5, baseSequence: i })
      log.write()
    }
    kill(env, log)
    expect(fileNames(env, '.log')).toHaveLength(5)
    const again = openLog(env, { recoveryPoint: 21 })
    for (const baseSequence of [16, 17, 18, 19, 20]) {
      expect(append(again, { ...produced, producerId: 5, baseSequence }), `sequence ${baseSequence}`).toBe(DUPLICATE)
      expect(again.appendedOffset).toBe(baseSequence)
    }
  })

  it('opens with the empty checkpoints that Kafka creates: everything is scanned', () => {
    const log = openLog(killed(17), { recoveryPoint: 0 })
    expect([log.logEndOffset, log.damage]).toEqual([17, []])
  })
})

describe('a torn tail', () => {
  it('is cut off at every byte of the last batch, and the log goes on', () => {
    for (let left = 1; left < BATCH_BYTES; left++) {
      const env = killed(8)
      damage(env, logName(5), (bytes) => bytes.slice(0, 2 * BATCH_BYTES + left))
      const log = openLog(env, { recoveryPoint: 7 })
      expect(log.logEndOffset, `${left} bytes`).toBe(7)
      expect(log.damage, `${left} bytes`).toMatchObject([{ action: 'truncated', position: 2 * BATCH_BYTES }])
      fill(log, 1)
      expect(allOffsets(env), `${left} bytes`).toEqual(upTo(8))
      log.release()
    }
  })

  it.each([
    ['zeros', new Uint8Array(300)],
    ['garbage', new Uint8Array(300).fill(0xa5)],
    ['less than a header', new Uint8Array(20)],
  ])('of %s is cut off and not kept: there is no batch in it', (_what, tail) => {
    const env = killed(8)
    damage(env, logName(5), (bytes) => Buffer.concat([bytes, tail]))
    const log = openLog(env, { recoveryPoint: 0 })
    expect(log.logEndOffset).toBe(8)
    expect(log.damage.map(({ action }) => action)).toEqual(['truncated'])
    expect(fileNames(env, '.kept-aside')).toEqual([])
  })

  it('with one flipped bit anywhere in the last batch is cut there, or nothing has changed but the epoch', () => {
    for (let bit = 0; bit < BATCH_BYTES * 8; bit += 5) {
      const env = killed(8)
      damage(env, logName(5), (bytes) => {
        bytes[2 * BATCH_BYTES + (bit >> 3)]! ^= 1 << (bit & 7)
        return bytes
      })
      const log = openLog(env, { recoveryPoint: 7 })
      const byte = bit >> 3
      const isEpoch = byte >= 12 && byte < 16
      expect(log.logEndOffset, `bit ${bit}`).toBe(isEpoch ? 8 : 7)
      expect(log.damage.length, `bit ${bit}`).toBe(isEpoch ? 0 : 1)
      log.release()
    }
  })

  it('leaves no trace of its batches in the producer state: a retry is taken', () => {
    const env = simDisk()
    const log = openLog(env)
    const produce = (sequence: number): number =>
      append(log, { count: 1, valueBytes: 100, producerId: 5, producerEpoch: 0, baseSequence: sequence })
    for (let i = 0; i < 17; i++) {
      produce(i)
      log.write()
    }
    kill(env, log)
    // Everything behind offset 7 is lost, though the snapshots at 10 and 15 tell of it.
    damage(env, logName(5), (bytes) => bytes.slice(0, 2 * BATCH_BYTES + 5))
    const again = openLog(env, { recoveryPoint: 6 })
    expect(again.logEndOffset).toBe(7)
    expect(fileNames(env, '.snapshot'), 'snapshots above the end are gone').toEqual([logName(5, '.snapshot')])
    const retry = { count: 1, valueBytes: 100, producerId: 5, producerEpoch: 0 }
    expect(append(again, { ...retry, baseSequence: 6 })).toBe(DUPLICATE)
    expect(append(again, { ...retry, baseSequence: 7 }), 'the lost one').toBe(0)
  })
})

describe('a snapshot of producers', () => {
  const produced = { count: 1, valueBytes: 100, producerId: 5, producerEpoch: 0 }

  it('that a clean stop left above the end, after a later stop cut the log, is gone', () => {
    const env = simDisk()
    const log = openLog(env)
    for (let baseSequence = 0; baseSequence < 17; baseSequence++) append(log, { ...produced, baseSequence })
    log.closeClean()
    expect(fileNames(env, '.snapshot')).toContain(logName(17, '.snapshot'))
    const again = openLog(env, { wasClean: true, recoveryPoint: 17 })
    kill(env, again)
    damage(env, logName(15), (bytes) => bytes.slice(0, bytes.length - 3))
    const cut = openLog(env, { recoveryPoint: 15 })
    expect(cut.logEndOffset).toBe(16)
    expect(fileNames(env, '.snapshot')).not.toContain(logName(17, '.snapshot'))
    expect(append(cut, { ...produced, baseSequence: 16 }), 'the lost one').toBe(0)
  })

  it('above the end of a clean log is not believed', () => {
    const env = simDisk()
    const log = openLog(env)
    for (let baseSequence = 0; baseSequence < 17; baseSequence++) append(log, { ...produced, baseSequence })
    log.closeClean()
    putFile(env, logName(99, '.snapshot'), bytesOf(env, logName(5, '.snapshot')))
    const again = openLog(env, { wasClean: true, recoveryPoint: 17 })
    expect(append(again, { ...produced, baseSequence: 16 })).toBe(DUPLICATE)
    expect(append(again, { ...produced, baseSequence: 17 })).toBe(0)
  })
})

describe('damage above the recovery point', () => {
  it('ends the log; whole batches behind it are kept aside, byte for byte', () => {
    const env = killed(10)
    const original = bytesOf(env, logName(5))
    damage(env, logName(5), (bytes) => bytes.fill(0xff, BATCH_BYTES + 70, BATCH_BYTES + 75))
    const log = openLog(env, { recoveryPoint: 4 })
    expect(log.logEndOffset).toBe(6)
    expect(log.damage).toMatchObject([{ action: 'kept-aside', position: BATCH_BYTES }])
    const [aside] = fileNames(env, '.kept-aside')
    const kept = bytesOf(env, aside!)
    expect(kept).toHaveLength(original.length - BATCH_BYTES)
    expect(Buffer.from(kept.subarray(BATCH_BYTES))).toEqual(Buffer.from(original.subarray(2 * BATCH_BYTES)))
    fill(log, 2)
    expect(allOffsets(env)).toEqual(upTo(8))
  })

  it('keeps later segments aside whole, and a second time under another name', () => {
    const env = killed(17)
    const later = [10, 15].map((base) => Buffer.from(bytesOf(env, logName(base))).toString('hex'))
    damage(env, logName(5), (bytes) => bytes.slice(0, 2 * BATCH_BYTES + 30))
    const log = openLog(env, { recoveryPoint: 5 })
    expect(log.logEndOffset).toBe(7)
    expect(log.damage.map(({ action }) => action)).toEqual(['truncated', 'kept-aside', 'kept-aside'])
    const kept = (): string[] => fileNames(env, '.kept-aside')
    expect(kept()).toEqual([logName(10, '.log.kept-aside'), logName(15, '.log.kept-aside')])
    expect(kept().map((name) => Buffer.from(bytesOf(env, name)).toString('hex'))).toEqual(later)
    expect(fileNames(env, '.index')).toEqual([logName(0, '.index'), logName(5, '.index')])
    fill(log, 10)
    kill(env, log)
    damage(env, logName(5), (bytes) => bytes.slice(0, 2 * BATCH_BYTES + 30))
    openLog(env, { recoveryPoint: 5 })
    expect(kept()).toEqual([
      logName(10, '.log.2.kept-aside'),
      logName(10, '.log.kept-aside'),
      logName(15, '.log.2.kept-aside'),
      logName(15, '.log.kept-aside'),
    ])
  })

  it('that took the end of a segment at the border of two batches is seen by the gap to the next segment', () => {
    const env = killed(17)
    damage(env, logName(5), (bytes) => bytes.slice(0, 2 * BATCH_BYTES))
    const log = openLog(env, { recoveryPoint: 5 })
    expect(log.logEndOffset).toBe(7)
    expect(log.damage.map(({ action }) => action)).toEqual(['kept-aside', 'kept-aside'])
  })

  it('is not what a compacted log has: offsets may be missing between its batches and its segments', () => {
    for (const options of [{ configs: { 'cleanup.policy': 'compact' } }, { isAdopted: true }]) {
      const env = killed(17)
      damage(env, logName(5), (bytes) => bytes.slice(0, 2 * BATCH_BYTES))
      damage(env, logName(10), (bytes) =>
        Buffer.concat([bytes.subarray(0, BATCH_BYTES), bytes.subarray(3 * BATCH_BYTES)]),
      )
      const log = openLog(env, options)
      expect([log.logEndOffset, log.damage]).toEqual([17, []])
      expect(allOffsets(env)).toEqual([0, 1, 2, 3, 4, 5, 6, 10, 13, 14, 15, 16])
    }
  })

  it('of garbage behind a whole segment does not end the log', () => {
    const env = killed(17)
    damage(env, logName(5), (bytes) => Buffer.concat([bytes, new Uint8Array(100)]))
    const log = openLog(env)
    expect([log.logEndOffset, log.damage.map(({ action }) => action)]).toEqual([17, ['truncated']])
    expect(allOffsets(env)).toEqual(upTo(17))
  })

  it('in a low bit of a base offset is found by the batch behind it, and ends the log before the wrong one', () => {
    const env = killed(17)
    damage(env, logName(5), (bytes) => {
      bytes[BATCH_BYTES + 7]! ^= 1 // Offset 6 says 7, inside its segment.
      return bytes
    })
    expect(openLog(env, { recoveryPoint: 5 }).logEndOffset).toBe(6)
    expect(batchOffsets(env, logName(5))).toEqual([5])
  })

  it('in a base offset, which no CRC covers, is found by what comes next', () => {
    for (const [victim, offsets] of [
      [1, 6],
      [4, 9],
    ] as const) {
      const env = killed(17)
      damage(env, logName(5), (bytes) => {
        bytes[victim * BATCH_BYTES + 6]! ^= 1 // + 256
        return bytes
      })
      const log = openLog(env, { recoveryPoint: 5 })
      expect(log.logEndOffset, `batch ${victim}`).toBe(offsets)
    }
  })
})

describe('damage below the recovery point', () => {
  it('is left where it is and told; the rest stays readable and the log goes on', () => {
    const env = killed(17)
    const change = (bytes: Uint8Array): Uint8Array => bytes.fill(0xff, BATCH_BYTES + 70, BATCH_BYTES + 75)
    damage(env, logName(15), change)
    const before = Buffer.from(bytesOf(env, logName(15))).toString('hex')
    const log = openLog(env, { recoveryPoint: 17 })
    expect(log.damage).toMatchObject([
      { action: 'quarantined', position: BATCH_BYTES, file: `${PARTITION}/${logName(15)}` },
    ])
    expect(log.logEndOffset).toBe(17)
    expect(Buffer.from(bytesOf(env, logName(15))).toString('hex'), 'not a byte of it was changed').toBe(before)
    fill(log, 2)
    expect(batchOffsets(env, logName(17))).toEqual([17, 18])
  })

  it('in the middle of the last segment leaves the batches behind it in their segment', () => {
    const env = killed(19)
    damage(env, logName(15), (bytes) => bytes.fill(0xff, BATCH_BYTES + 20, BATCH_BYTES + 75))
    const log = openLog(env, { recoveryPoint: 19 })
    expect(log.damage.map(({ action }) => action)).toEqual(['quarantined'])
    expect([log.active.baseOffset, log.logEndOffset]).toEqual([15, 19])
    fill(log, 1)
    const offsets = new RecordBatchView(bytesOf(env, logName(15)))
    expect(offsets.at(4 * BATCH_BYTES).baseOffset).toBe(19)
  })

  it('and below a torn tail are each treated as what they are', () => {
    const env = killed(19)
    damage(env, logName(15), (bytes) => {
      bytes.fill(0xff, 70, 75)
      return bytes.slice(0, bytes.length - 9)
    })
    const log = openLog(env, { recoveryPoint: 17 })
    expect(log.damage.map(({ action }) => action)).toEqual(['quarantined', 'truncated'])
    expect(log.logEndOffset).toBe(18)
  })

  it('that took the end of the log lets it go on at the recovery point: no offset is given out twice', () => {
    for (const left of [2 * BATCH_BYTES + 30, 2 * BATCH_BYTES, 30, 0]) {
      const env = killed(19)
      damage(env, logName(15), (bytes) => bytes.slice(0, left))
      const log = openLog(env, { recoveryPoint: 19 })
      expect(
        log.damage.map(({ action }) => action),
        `${left} bytes`,
      ).toEqual(['quarantined'])
      expect([log.logEndOffset, log.active.baseOffset], `${left} bytes`).toEqual([19, 19])
      fill(log, 1)
      expect(batchOffsets(env, logName(19))).toEqual([19])
      kill(env, log)
      const again = openLog(env, { recoveryPoint: 19 })
      expect(again.logEndOffset, `${left} bytes`).toBe(20)
      // It may be told again, being still there; nothing else is.
      expect(
        again.damage.filter(({ action }) => action !== 'quarantined'),
        `${left} bytes`,
      ).toEqual([])
    }
  })

  it('that took all segments is told, and the log goes on at the recovery point', () => {
    const env = simDisk()
    const log = openLog(env, { recoveryPoint: 40 })
    expect([log.logStartOffset, log.logEndOffset]).toEqual([40, 40])
    expect(log.damage).toMatchObject([{ action: 'quarantined' }])
  })

  it('in a sealed segment is not looked for: its batches are not read', () => {
    const env = killed(19)
    damage(env, logName(0), (bytes) => bytes.fill(0xff, 70, 75))
    expect(openLog(env, { recoveryPoint: 19 }).damage).toEqual([])
  })

  it('of a clean log whose last header is broken is quarantined too', () => {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 8)
    log.closeClean()
    damage(env, logName(5), (bytes) => bytes.fill(0xff, 2 * BATCH_BYTES + 16, 2 * BATCH_BYTES + 17))
    const again = openLog(env, { wasClean: true, recoveryPoint: 8 })
    expect(again.damage.map(({ action }) => action)).toEqual(['quarantined'])
    expect([again.logEndOffset, again.active.baseOffset]).toEqual([8, 8])
  })

  it('is found by the recovery point when a clean log has another end', () => {
    const env = simDisk()
    const log = openLog(env)
    fill(log, 8)
    log.closeClean()
    damage(env, logName(5), (bytes) => {
      bytes[2 * BATCH_BYTES + 7]! ^= 0x40 // The last batch claims offset 71.
      return bytes
    })
    const again = openLog(env, { wasClean: true, recoveryPoint: 8 })
    expect([again.logEndOffset, again.damage.map(({ action }) => action)]).toEqual([8, ['quarantined']])
  })
})

describe('the start of a log', () => {
  it('may lie inside a segment, and survives', () => {
    const log = openLog(killed(17), { logStartOffset: 7 })
    expect([log.logStartOffset, log.logEndOffset]).toEqual([7, 17])
    expect(log.epochs.latestEpoch()).toBe(0)
  })

  it('beyond everything that survived is where the log goes on, empty', () => {
    const env = killed(7)
    const log = openLog(env, { logStartOffset: 12 })
    expect([log.logStartOffset, log.logEndOffset, log.active.baseOffset]).toEqual([12, 12, 12])
    expect(log.damage).toMatchObject([{ action: 'rebuilt' }])
    fill(log, 1)
    kill(env, log)
    const again = openLog(env, { logStartOffset: 12 })
    expect([again.logStartOffset, again.logEndOffset, again.damage]).toEqual([12, 13, []])
  })

  it('is the first segment where the checkpoint lags behind', () => {
    const env = killed(17)
    for (const suffix of ['.log', '.index', '.timeindex']) env.fs.unlink(`${PARTITION}/${logName(0, suffix)}`)
    expect(openLog(env, { recoveryPoint: 17 }).logStartOffset).toBe(5)
  })
})

describe('left-overs', () => {
  it('of indexes without a log are deleted', () => {
    const env = killed(7)
    putFile(env, logName(3, '.index'), new Uint8Array(8).fill(1))
    putFile(env, logName(900, '.txnindex'), new Uint8Array(34))
    openLog(env)
    expect(fileNames(env, 'index')).toEqual(
      [0, 5].flatMap((base) => [logName(base, '.index'), logName(base, '.timeindex')]).sort(),
    )
  })

  it('of a deletion and a compaction are finished before anything is read', () => {
    const env = killed(17)
    putFile(env, logName(5, '.log.swap'), buildBatch({ count: 1, baseOffset: 7, firstTimestamp: T0 }))
    putFile(env, logName(0, '.log.deleted'), new Uint8Array(3))
    const log = openLog(env, { isAdopted: true })
    expect(allOffsets(env)).toEqual([0, 1, 2, 3, 4, 7, 10, 11, 12, 13, 14, 15, 16])
    expect(log.logEndOffset).toBe(17)
  })
})

describe('any crash', () => {
  it('at any call of an opening leaves a directory that opens to the same records', () => {
    let calls = 0
    for (let k = 1; k < 400; k++) {
      const env = killed(12, k)
      damage(env, logName(10), (bytes) => bytes.slice(0, bytes.length - 7))
      damage(env, logName(5), (bytes) => bytes.fill(0xff, 70, 75))
      env.fs.syncDirectory(PARTITION)
      env.fs.faults.failAt(k, 'halt')
      try {
        openLog(env, { recoveryPoint: 8 }).release()
      } catch (error) {
        expect(env.fs.halted, String(error)).toBe(true)
      }
      const isDone = !env.fs.halted
      env.fs.faults.clear()
      env.fs.killProcess()
      const log = openLog(env, { recoveryPoint: 8 })
      expect(log.logEndOffset, `call ${k}`).toBe(11)
      expect([...batchOffsets(env, logName(0)), ...batchOffsets(env, logName(10))]).toEqual([0, 1, 2, 3, 4, 10])
      calls = k
      if (isDone) break
    }
    expect(calls).toBeGreaterThan(30)
    expect(calls).toBeLessThan(399)
  })

  it('of the power, over and over, loses nothing committed and no middle', () => {
    for (let seed = 0; seed < 40; seed++) {
      const env = simDisk(seed)
      let committed = 0
      for (let round = 0; round < 4; round++) {
        const log = openLog(env, { recoveryPoint: committed })
        const where = `seed ${seed} round ${round}`
        expect(log.logEndOffset, where).toBeGreaterThanOrEqual(committed)
        expect(allOffsets(env), where).toEqual(upTo(log.logEndOffset))
        expect(
          log.damage.filter(({ action }) => action === 'quarantined'),
          where,
        ).toEqual([])
        fill(log, env.random.below(12))
        if (env.random.chance(0.7)) log.syncNow()
        committed = log.committedOffset
        fill(log, env.random.below(12))
        env.fs.crash(env.random)
      }
    }
  })
})
