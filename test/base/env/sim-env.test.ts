import { expect, it } from 'vitest'
import { createSimEnv } from '../../../src/base/env/sim-env.ts'

it('lets both clocks advance together, and the wall clock jump alone', () => {
  const { clock } = createSimEnv(1, { startWallMs: 1000 })
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([1000, 0])
  clock.advance(2.5)
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([1002, 2.5]) // Whole milliseconds, as of Date.now().
  clock.jumpWall(-2000)
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([-998, 2.5])
  expect(() => clock.advance(-1)).toThrow('forwards')
})

it('runs timers at the moment when they are due, the earliest first, and not when cancelled', () => {
  const { clock, timers } = createSimEnv(1)
  const calls: string[] = []
  const note = (name: string) => (): void => void calls.push(`${name} at ${clock.monotonicMs()}`)
  timers.after(20, note('second'))
  timers.after(10, note('first'))
  timers.after(20, note('third'))
  const cancelled = timers.after(5, note('never'))
  cancelled.cancel()
  timers.after(10, () => timers.after(2, note('set by another')))
  expect(clock.nextTimerMs()).toBe(10)
  clock.advance(20)
  expect(calls).toEqual(['first at 10', 'set by another at 12', 'second at 20', 'third at 20'])
  expect(clock.monotonicMs()).toBe(20)
  expect(clock.nextTimerMs()).toBeUndefined()
})

it('runs no timer while the process is busy, and then all that came due', () => {
  const { clock, timers } = createSimEnv(1)
  const calls: number[] = []
  timers.after(0, () => calls.push(0))
  clock.advance(0)
  expect(calls).toEqual([]) // No timer is due in the moment in which it is set.
  timers.after(10, () => calls.push(10))
  timers.after(5, () => calls.push(5))
  timers.after(11, () => calls.push(11))
  clock.elapse(10)
  clock.jumpWall(1_000_000)
  expect(calls).toEqual([])
  clock.advance(0)
  expect(calls).toEqual([0, 5, 10])
  clock.clearTimers()
  clock.advance(100)
  expect(calls).toHaveLength(3)
})

it('ends even when a timer sets itself again without delay', () => {
  const { clock, timers } = createSimEnv(1)
  let count = 0
  const again = (): void => {
    count++
    timers.after(0, again)
  }
  again()
  clock.advance(50)
  expect(count).toBe(51)
})

it('draws everything from the seed', () => {
  const [one, same, other] = [createSimEnv(1), createSimEnv(1), createSimEnv(2)]
  const first = one.random.next()
  expect(same.random.next()).toBe(first)
  expect(other.random.next()).not.toBe(first)
})

it('gives the disk numbers of its own: its faults do not shift what the engine draws', () => {
  const [calm, faulty] = [createSimEnv(1), createSimEnv(1)]
  faulty.fs.faults.failAt(1, 'short')
  faulty.fs.open('f', 'create').write(new Uint8Array(100), 0, 100, 0)
  expect(faulty.fs.faults.fired).toBe(1)
  expect(faulty.random.next()).toBe(calm.random.next())
})

it('counts the failpoints reached, and lets a test act at each', () => {
  const env = createSimEnv(1)
  env.failpoint('append')
  const reached: string[] = []
  env.onFailpoint = (name) => {
    reached.push(name)
    if (name === 'roll') throw new Error('stop here')
  }
  env.failpoint('append')
  expect(() => env.failpoint('roll')).toThrow('stop here')
  expect(reached).toEqual(['append', 'roll'])
  expect([...env.failpointCounts]).toEqual([
    ['append', 2],
    ['roll', 1],
  ])
})
