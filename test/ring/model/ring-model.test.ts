/**
 * Every schedule of one producer, one consumer and up to two deaths around a ring in which two frames fit.
 */
import { describe, expect, it } from 'vitest'
import { type Exploration, explore } from './explore.ts'
import type { Flaw } from './ring-model.ts'
import { frameBytesOf, type RingScript, RingSystem } from './ring-system.ts'

const TWO_POW_32 = 0x1_0000_0000
const CAPACITY = 64

// From a multiple of 64 the third frame does not fit before the end: it needs padding. The first two fill 40 bytes.
const SCRIPT: RingScript = {
  capacity: CAPACITY,
  startPosition: TWO_POW_32 - CAPACITY, // The position words wrap in the middle of the script.
  lengths: [16, 8, 24, 4],
  frameCountMax: 2,
  deathCountMax: 1,
}

function exploreRing(script: Partial<RingScript>, isMemoised = true): Exploration {
  return explore(() => new RingSystem({ ...SCRIPT, ...script }), isMemoised)
}

function startPositions(): number[] {
  return Array.from({ length: CAPACITY / 8 }, (_, index) => TWO_POW_32 - CAPACITY + index * 8)
}

describe('the ring keeps its rules in every schedule', () => {
  it('for every alignment of the wrap, every poll size, and a death of either side at any step', () => {
    let [stateCount, scheduleCount, longestSchedule] = [0, 0n, 0]
    for (const startPosition of startPositions()) {
      for (const frameCountMax of [1, 2, 4]) {
        const found = exploreRing({ startPosition, frameCountMax })
        expect(found.violation, `startPosition=${startPosition} frameCountMax=${frameCountMax}`).toBeUndefined()
        stateCount += found.stateCount
        scheduleCount += found.scheduleCount
        longestSchedule = Math.max(longestSchedule, found.longestSchedule)
      }
    }
    console.log(`ring model: states=${stateCount} schedules=${scheduleCount} longest=${longestSchedule} steps`)
    expect(stateCount).toBeGreaterThan(10_000)
  })

  it('when the new incarnation dies as well', () => {
    expect(exploreRing({ deathCountMax: 2 }).violation).toBeUndefined()
  })

  it('when frames are empty, as long as allowed, and of lengths that are no multiple of 8', () => {
    for (const lengths of [
      [0, 0, 0, 0, 0, 0],
      [24, 24, 24, 24],
      [4, 20, 0, 12, 24],
    ]) {
      expect(exploreRing({ lengths }).violation, `lengths=${lengths.join()}`).toBeUndefined()
    }
  })

  it('when the handler throws, and the frames behind the one that threw are read later', () => {
    for (const throwsAt of [0, 1, 2, 3]) {
      expect(exploreRing({ throwsAt, frameCountMax: 4 }).violation, `throwsAt=${throwsAt}`).toBeUndefined()
    }
  })

  it('when the writer gives a half-written claim up before each message', () => {
    for (const abortsBefore of [0, 1, 2, 3]) {
      expect(exploreRing({ abortsBefore }).violation, `abortsBefore=${abortsBefore}`).toBeUndefined()
    }
  })
})

describe('the exploration itself', () => {
  it('uses a script that wraps, needs padding and fills the ring', () => {
    const [first, second, third] = SCRIPT.lengths.map(frameBytesOf)
    expect(first! + second!).toBeLessThanOrEqual(CAPACITY)
    expect(first! + second! + third!).toBeGreaterThan(CAPACITY)
    expect(CAPACITY - first! - second!).toBeLessThan(third!)
  })

  it('merges only states with the same future: it counts the schedules that a search without memory walks', () => {
    const small = { lengths: [0, 0], deathCountMax: 1, frameCountMax: 1 }
    for (const script of [
      small,
      { ...small, lengths: [4], abortsBefore: 0 },
      { ...small, lengths: [4], throwsAt: 0 },
    ]) {
      const memoised = exploreRing(script)
      const walked = exploreRing(script, false)
      expect(walked.violation).toBeUndefined()
      expect(walked.scheduleCount).toBe(memoised.scheduleCount)
      expect(walked.stateCount).toBeGreaterThan(memoised.stateCount)
    }
  })
})

describe('the exploration finds a ring with', () => {
  const flaws: [Flaw, Partial<RingScript>, RegExp][] = [
    ['tail stored before the payload is written', {}, /released|payload/],
    ['tail stored before the header is written', {}, /released|length/],
    ['head stored before the handler has read', {}, /not yet released|payload/],
    ['padding not counted as needed room', {}, /released|fit the ring/],
    ['padding not published', {}, /published/],
    ['positions subtracted without the wrap', { startPosition: TWO_POW_32 - 24 }, /released|fit the ring/],
    ['one frame too many seen as free', { lengths: [24, 16, 0, 0] }, /released|fit the ring/],
    ['reader trusts a frame beyond the tail', {}, /not yet released|fit the ring|length/],
    // After 40 bytes come 24 of padding and a frame of 48: more than the whole ring, so FULL for ever.
    ['frames longer than half the ring', { lengths: [32, 40] }, /writer never waits for ever/],
  ]

  it.each(flaws)('%s', (flaw, script, rule) => {
    const { violation } = exploreRing({ ...script, deathCountMax: 0, flaw })
    expect(violation?.rule).toMatch(rule)
    expect(violation?.schedule.length).toBeGreaterThan(0)
  })

  it.each(flaws.slice(0, -1))('%s, and nothing in the same script without it', (_flaw, script) => {
    expect(exploreRing({ ...script, deathCountMax: 0 }).violation).toBeUndefined()
  })
})
