import { describe, expect, it } from 'vitest'
import {
  alignFrame,
  CAPACITY_I32,
  DATA_POSITION,
  DOORBELL_BYTES,
  DOORBELL_VERSION_I32,
  FRAME_HEADER_BYTES,
  HEAD_I32,
  isRingCapacity,
  payloadBytesMaxOf,
  RUNG_I32,
  SLEEPING_I32,
  TAIL_I32,
  VERSION_I32,
} from '../../src/ring/layout.ts'

const LINE_PAIR_BYTES = 128

/** Whether no two of these places can share a line pair, wherever the buffer begins. */
function areApart(positions: readonly number[]): boolean {
  const sorted = [...positions].sort((a, b) => a - b)
  return sorted.every((position, index) => index === 0 || position - sorted[index - 1]! >= LINE_PAIR_BYTES)
}

describe('ring layout', () => {
  it('gives each mutable word, and the data, a line pair of its own', () => {
    expect(areApart([TAIL_I32 * 4, HEAD_I32 * 4, DATA_POSITION])).toBe(true)
    expect(new Set([VERSION_I32, CAPACITY_I32, TAIL_I32, HEAD_I32]).size).toBe(4)
  })

  it('begins payloads at a multiple of 8', () => {
    expect(DATA_POSITION % 8).toBe(0)
    expect(FRAME_HEADER_BYTES % 8).toBe(0)
    expect([0, 1, 7, 8, 9, 15, 16].map(alignFrame)).toEqual([0, 8, 8, 8, 16, 16, 16])
  })

  it('allows capacities that are powers of two from 64 bytes to 1 GiB', () => {
    expect([64, 128, 2 ** 16, 2 ** 30].every(isRingCapacity)).toBe(true)
    expect([0, 32, 65, 96, 2 ** 31, 2 ** 32, -64, 64.5, NaN, Infinity].some(isRingCapacity)).toBe(false)
  })

  it('limits a frame to half the ring, so that an empty ring has room for it at every alignment', () => {
    for (const capacity of [64, 128, 1024]) {
      const frameBytes = alignFrame(FRAME_HEADER_BYTES + payloadBytesMaxOf(capacity))
      for (let index = 0; index < capacity; index += 8) {
        const bytesToEnd = capacity - index
        const needed = frameBytes <= bytesToEnd ? frameBytes : bytesToEnd + frameBytes
        expect(needed).toBeLessThanOrEqual(capacity)
      }
    }
  })
})

describe('doorbell layout', () => {
  it('gives each mutable word a line pair of its own', () => {
    expect([DOORBELL_VERSION_I32, SLEEPING_I32, RUNG_I32]).toEqual([0, 32, 64])
    expect(areApart([SLEEPING_I32 * 4, RUNG_I32 * 4, DOORBELL_BYTES])).toBe(true)
  })
})
