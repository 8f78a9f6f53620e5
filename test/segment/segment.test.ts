import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { createSimEnv, type SimEnv } from '../../src/base/env/sim-env.ts'
import { Segment, segmentPath } from '../../src/segment/segment.ts'

const CONFIG = { indexIntervalBytes: 100, segmentIndexBytes: 80 }

function create(config = CONFIG, baseOffset = 1000): { env: SimEnv; segment: Segment } {
  const env = createSimEnv(1)
  env.fs.makeDirectory('/d')
  return { env, segment: Segment.create(env.fs, '/d', baseOffset, config, 5, 7) }
}

function add(segment: Segment, lastOffset: number, sizeBytes: number, maxTimestamp: number): void {
  segment.write([new Uint8Array(sizeBytes)], sizeBytes)
  segment.note(lastOffset, sizeBytes, maxTimestamp)
}

function entries(segment: Segment): { offsets: unknown[]; times: unknown[] } {
  const count = segment.offsetIndex.entryCount
  const timeCount = segment.timeIndex.entryCount
  return {
    offsets: Array.from({ length: count }, (_, i) => Object.values(segment.offsetIndex.entryAt(i))),
    times: Array.from({ length: timeCount }, (_, i) => Object.values(segment.timeIndex.entryAt(i))),
  }
}

describe('a new segment', () => {
  it('is three files named by its base offset, and empty', () => {
    const { env, segment } = create()
    expect(env.fs.list('/d')).toEqual(['.index', '.log', '.timeindex'].map((suffix) => `00000000000000001000${suffix}`))
    expect(segment).toMatchObject({
      baseOffset: 1000,
      nextOffset: 1000,
      sizeBytes: 0,
      maxTimestamp: -1,
      firstTimestamp: -1,
    })
    expect(segmentPath('/d', 1000, '.snapshot')).toBe('/d/00000000000000001000.snapshot')
  })

  it('takes the place of index files that a crash left behind, but not of a log', () => {
    const { env } = create()
    for (const suffix of ['.index', '.timeindex'] as const) {
      env.fs.open(segmentPath('/d', 7, suffix), 'create').write(new Uint8Array(24).fill(1), 0, 24, 0)
    }
    const segment = Segment.create(env.fs, '/d', 7, CONFIG, 0, 0)
    expect([segment.offsetIndex.entryCount, segment.timeIndex.entryCount]).toEqual([0, 0])
    expect(() => Segment.create(env.fs, '/d', 7, CONFIG, 0, 0)).toThrow(expect.objectContaining({ errno: 'EEXIST' }))
  })

  it('is there after a power cut', () => {
    const { env } = create()
    env.fs.syncDirectory('/')
    env.fs.crash(env.random, { directories: 'none' })
    expect(env.fs.list('/d')).toHaveLength(3)
  })
})

describe('index entries', () => {
  it('are made when more than index.interval.bytes follow the last one, before the batch is counted', () => {
    const { segment } = create()
    // size before: 0, 100, 101: the rule is strictly greater, and the first batch never has an entry.
    add(segment, 1009, 100, 50)
    add(segment, 1019, 1, 40)
    expect(entries(segment)).toEqual({ offsets: [], times: [] })
    add(segment, 1029, 100, 45)
    expect(entries(segment)).toEqual({ offsets: [[1029, 101]], times: [[50, 1009]] })
    add(segment, 1039, 1, 60)
    expect(entries(segment).offsets).toHaveLength(1)
    add(segment, 1049, 10, 55)
    const offsets = [[1029, 101], [1049, 202]] // prettier-ignore
    expect(entries(segment)).toEqual({ offsets, times: [[50, 1009], [60, 1039]] }) // prettier-ignore
  })

  it('of a segment whose timestamps go back are of offsets only', () => {
    const { segment } = create()
    for (let i = 0; i < 5; i++) add(segment, 1000 + i, 150, 100 - i)
    const offsets = [[1001, 150], [1002, 300], [1003, 450], [1004, 600]] // prettier-ignore
    expect(entries(segment)).toEqual({ offsets, times: [[100, 1000]] })
  })

  it('are no more than fit, after which the segment is full', () => {
    const { segment } = create({ indexIntervalBytes: 0, segmentIndexBytes: 40 })
    // Five entries of .index; three of .timeindex, of which one is kept for closing.
    for (let i = 0; i < 2; i++) add(segment, 1000 + i, 10, 10 + i)
    expect(segment.isFull).toBe(false)
    add(segment, 1002, 10, 12)
    expect(segment.timeIndex.entryCount).toBe(2)
    expect(segment.isFull).toBe(true)
    add(segment, 1003, 10, 13)
    segment.seal()
    expect(entries(segment).times).toEqual([[11, 1001], [12, 1002], [13, 1003]]) // prettier-ignore
  })
})

describe('a sealed segment', () => {
  it('has the greatest timestamp in its last time entry, and nothing behind the entries in its files', () => {
    const { env, segment } = create()
    add(segment, 1000, 150, 7)
    add(segment, 1001, 150, 9)
    add(segment, 1002, 10, 8)
    segment.seal()
    expect(entries(segment).times).toEqual([[9, 1001]])
    add(segment, 1003, 10, 20)
    segment.seal()
    expect(entries(segment).times).toEqual([[9, 1001], [20, 1003]]) // prettier-ignore
    segment.close()
    expect(env.fs.stat('/d/00000000000000001000.timeindex')!.sizeBytes).toBe(24)
    expect(env.fs.stat('/d/00000000000000001000.index')!.sizeBytes).toBe(16)
  })

  it('without any timestamp has no time entry', () => {
    const { segment } = create()
    add(segment, 1000, 150, -1)
    segment.seal()
    expect(entries(segment).times).toEqual([])
  })
})

describe('a write', () => {
  it('that the disk takes in parts is finished, whatever the parts are', () => {
    for (let most = 1; most < 30; most++) {
      const { env, segment } = create()
      env.fs.faults.failAt(1, 'short', ({ kind, path }) => kind === 'write' && path.endsWith('.log'), { times: most })
      const sources = [1, 2, 3].map((n) => new Uint8Array(7 * n).fill(n))
      segment.write(sources, 42)
      const bytes = new Uint8Array(42)
      segment.log.read(bytes, 0, 42, 0)
      expect(bytes).toEqual(new Uint8Array(Buffer.concat(sources)))
    }
  })

  it('on a full disk is a StorageError that names the file', () => {
    const { env, segment } = create()
    env.fs.capacityBytes = 4096
    expect(() => segment.write([new Uint8Array(10_000)], 10_000)).toThrow(
      expect.objectContaining({ code: 'KAFKA_STORAGE_ERROR', errno: 'ENOSPC' }),
    )
  })

  it('of offsets that go back is a bug', () => {
    const { segment } = create()
    add(segment, 1005, 10, 1)
    expect(() => segment.note(1003, 10, 1)).toThrow(AssertionFailed)
  })
})

describe('a segment that is opened again', () => {
  it('goes on with its index rule where it was', () => {
    const sizes = [60, 60, 60, 30, 200, 10, 90]
    const whole = create()
    sizes.forEach((size, i) => add(whole.segment, 1000 + i, size, i))
    for (let cut = 1; cut < sizes.length; cut++) {
      const { env, segment } = create()
      sizes.slice(0, cut).forEach((size, i) => add(segment, 1000 + i, size, i))
      segment.close()
      const again = Segment.open(env.fs, '/d', 1000, CONFIG, 0, 0)
      again.loadTrusted(1000 + cut, 0, cut - 1, 1000 + cut - 1)
      sizes.slice(cut).forEach((size, i) => add(again, 1000 + cut + i, size, cut + i))
      expect(entries(again).offsets, `cut after ${cut}`).toEqual(entries(whole.segment).offsets)
    }
  })

  it('may be noted anew from nothing, as recovery does', () => {
    const { segment } = create()
    for (let i = 0; i < 6; i++) add(segment, 1000 + i, 150, i)
    const before = entries(segment)
    segment.resetDerived()
    expect(entries(segment)).toEqual({ offsets: [], times: [] })
    for (let i = 0; i < 6; i++) segment.note(1000 + i, 150, i)
    expect(entries(segment)).toEqual(before)
  })

  it('is cut durably', () => {
    const { env, segment } = create()
    add(segment, 1000, 100, 1)
    segment.log.sync()
    env.fs.syncDirectory('/')
    segment.truncateLog(40)
    env.fs.crash(env.random, { files: 'none' })
    expect(env.fs.stat('/d/00000000000000001000.log')!.sizeBytes).toBe(40)
  })
})

describe('closing', () => {
  it('waits with the file until the flusher is done with it', () => {
    const { segment } = create()
    add(segment, 1000, 10, 1)
    segment.syncStarted()
    segment.syncStarted()
    segment.close()
    expect(segment.log.sizeBytes()).toBe(10)
    segment.syncEnded()
    expect(segment.log.sizeBytes()).toBe(10)
    segment.syncEnded()
    expect(() => segment.log.sizeBytes()).toThrow(AssertionFailed)
    segment.close()
    expect(() => segment.syncEnded()).toThrow(AssertionFailed)
    expect(() => segment.syncStarted()).toThrow(AssertionFailed)
  })
})
