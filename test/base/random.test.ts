import { expect, it } from 'vitest'
import { randomBelow, SeededRandom } from '../../src/base/random.ts'

function draw(random: SeededRandom, count: number): number[] {
  return Array.from({ length: count }, () => random.uint32())
}

it('draws the same numbers for the same seed in every release, so that old seeds replay', () => {
  expect(draw(new SeededRandom(1), 4)).toEqual([2170530095, 3813810367, 40734043, 2365109388])
  expect(draw(new SeededRandom(2 ** 53 - 1), 2)).toEqual([3806329230, 399750093])
})

it('draws unrelated numbers for neighbouring seeds, also where only the high bits differ', () => {
  const firsts = new Set<number>()
  for (let seed = 0; seed < 1000; seed++) firsts.add(new SeededRandom(seed).uint32())
  for (let seed = 1; seed <= 1000; seed++) firsts.add(new SeededRandom(seed * 2 ** 32).uint32())
  expect(firsts.size).toBeGreaterThan(1990)
})

it('spreads next() evenly over [0, 1)', () => {
  const random = new SeededRandom(3)
  const buckets = new Array<number>(16).fill(0)
  for (let count = 0; count < 16_000; count++) {
    const number = random.next()
    expect(number >= 0 && number < 1).toBe(true)
    buckets[Math.floor(number * 16)]!++
  }
  for (const bucket of buckets) expect(Math.abs(bucket - 1000)).toBeLessThan(150)
})

it('gives every whole number below the limit, and none other', () => {
  const random = new SeededRandom(4)
  const seen = new Set<number>()
  for (let count = 0; count < 200; count++) seen.add(randomBelow(random, 5))
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4])
  expect(random.below(1)).toBe(0)
  expect(() => random.below(0)).toThrow('positive')
})

it('fills arrays of any length, every byte of them', () => {
  const random = new SeededRandom(5)
  for (let length = 0; length < 9; length++) {
    const seen = new Uint8Array(length)
    for (let round = 0; round < 32; round++) {
      const bytes = new Uint8Array(length)
      random.fill(bytes)
      for (let index = 0; index < length; index++) seen[index]! |= bytes[index]!
    }
    expect([...seen]).toEqual(new Array(length).fill(255))
  }
})

it('clones into the same numbers, and forks into others that do not shift its own', () => {
  const random = new SeededRandom(6)
  random.next()
  const clone = random.clone()
  expect(draw(clone, 3)).toEqual(draw(random, 3))

  const one = random.clone().fork()
  const other = random.fork()
  expect(draw(one, 3)).toEqual(draw(other, 3))
  draw(other, 100)
  const before = random.clone()
  expect(draw(random, 3)).toEqual(draw(before, 3))
  expect(draw(random, 3)).not.toEqual(draw(other, 3))
})

it('picks from a list, and knows chances', () => {
  const random = new SeededRandom(7)
  const picked = new Set(Array.from({ length: 50 }, () => random.pick(['a', 'b', 'c'])))
  expect([...picked].sort()).toEqual(['a', 'b', 'c'])
  expect(random.chance(0)).toBe(false)
  expect(random.chance(1)).toBe(true)
})

it('refuses seeds that are no non-negative safe integers', () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53]) expect(() => new SeededRandom(seed)).toThrow('seed')
})
