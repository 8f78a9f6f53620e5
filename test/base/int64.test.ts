import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { getInt64, isSafeInt64, setInt64 } from '../../src/base/int64.ts'
import { mulberry32, testSeed } from '../random.ts'

const view = new DataView(new ArrayBuffer(16))

const BOUNDARIES = [0, 31, 32, 52, 53].flatMap((bit) => [2 ** bit - 1, 2 ** bit, 2 ** bit + 1])
const SAFE = BOUNDARIES.flatMap((value) => [value, -value]).filter(Number.isSafeInteger)

describe('an int64 field', () => {
  it.each(SAFE)('holds %d as a BigInt64 does, at any alignment', (value) => {
    for (const position of [0, 1, 7, 8]) {
      setInt64(view, position, value)
      expect(view.getBigInt64(position)).toBe(BigInt(value))
      view.setBigInt64(position, BigInt(value))
      expect(getInt64(view, position)).toBe(value + 0)
      expect(isSafeInt64(view, position)).toBe(true)
    }
  })

  it.each([2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n) - 1n])(
    'of %d is told to be no safe integer',
    (value) => {
      view.setBigInt64(3, value)
      expect(isSafeInt64(view, 3)).toBe(false)
    },
  )

  it.each([2 ** 53, -(2 ** 53), 1.5, Number.NaN, Number.POSITIVE_INFINITY])('never takes %d', (value) => {
    expect(() => setInt64(view, 0, value)).toThrow(AssertionFailed)
  })

  it('agrees with BigInt on random values', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    for (let i = 0; i < 2000; i++) {
      const magnitude = Math.floor(random() * 2 ** Math.floor(random() * 54))
      const value = random() < 0.5 ? magnitude : 0 - magnitude
      setInt64(view, 0, value)
      expect(view.getBigInt64(0), `SEED=${seed}`).toBe(BigInt(value))
      expect(BigInt(getInt64(view, 0)), `SEED=${seed}`).toBe(BigInt(value))
    }
  })
})
