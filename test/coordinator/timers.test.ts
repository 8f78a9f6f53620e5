/** Timers and the lane: order, and that nothing is left behind. */
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../src/base/random.ts'
import { GroupLane } from '../../src/coordinator/group-lane.ts'
import { Timer, Timers } from '../../src/coordinator/timers.ts'
import { testSeed } from '../random.ts'

describe('timers', () => {
  it('fire in the order of their deadlines, whatever was set, moved and cleared', () => {
    const seed = testSeed()
    const random = new SeededRandom(seed)
    const timers = new Timers()
    const fired: number[] = []
    const expected = new Map<number, number>()
    const all = Array.from({ length: 50 }, (_, index) => new Timer(() => fired.push(index)))
    let nowMs = 0
    for (let step = 0; step < 3000; step++) {
      const index = random.below(all.length)
      if (random.chance(0.6)) {
        const deadlineMs = nowMs + random.below(100)
        timers.set(all[index]!, deadlineMs)
        expected.set(index, deadlineMs)
      } else if (random.chance(0.5)) {
        timers.clear(all[index]!)
        expected.delete(index)
      } else {
        nowMs += random.below(10)
        fired.length = 0
        timers.fireDue(nowMs)
        const due = [...expected].filter(([, deadlineMs]) => deadlineMs <= nowMs)
        for (const [dueIndex] of due) expected.delete(dueIndex)
        expect([...fired].sort(), `SEED=${seed} step=${step}`).toEqual(due.map(([dueIndex]) => dueIndex).sort())
      }
      expect(timers.size).toBe(expected.size)
      expect(timers.nextDeadlineMs).toBe(Math.min(Infinity, ...expected.values()))
    }
  })

  it('that are set for now while they fire wait for the next call', () => {
    const timers = new Timers()
    let count = 0
    const timer: Timer = new Timer(() => {
      count += 1
      timers.set(timer, 5)
    })
    timers.set(timer, 5)
    expect(timers.fireDue(5)).toBe(true)
    expect(count).toBe(1)
  })
})

describe('a lane', () => {
  const run = (lane: GroupLane, order: string[], kind: 'plain' | 'commit' | 'alone', name: string): void =>
    lane.request(
      kind,
      () => order.push(name),
      () => order.push(`not ${name}`),
    )

  it('holds everything while an append is under way, and goes on in order', () => {
    const lane = new GroupLane(10)
    const order: string[] = []
    lane.beginWrite()
    run(lane, order, 'plain', 'a')
    run(lane, order, 'commit', 'b')
    expect(order).toEqual([])
    lane.complete(() => {
      lane.endWrite()
      order.push('written')
    })
    expect(order).toEqual(['written', 'a', 'b'])
    expect(lane.isIdle).toBe(true)
  })

  it('lets commits overlap, and makes what deletes wait for them', () => {
    const lane = new GroupLane(10)
    const order: string[] = []
    lane.beginCommit()
    run(lane, order, 'commit', 'a')
    run(lane, order, 'alone', 'b')
    run(lane, order, 'plain', 'c')
    expect(order).toEqual(['a'])
    lane.endCommit()
    lane.drain()
    expect(order).toEqual(['a', 'b', 'c'])
  })

  it('refuses what is too much, and at the end what still waits', () => {
    const lane = new GroupLane(1)
    const order: string[] = []
    lane.beginWrite()
    run(lane, order, 'plain', 'a')
    run(lane, order, 'plain', 'b')
    lane.close()
    run(lane, order, 'plain', 'c')
    expect(order).toEqual(['not b', 'not a', 'not c'])
  })
})
