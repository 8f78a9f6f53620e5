/** Output: growth, the limit, and the slack that copies in words need at the end of memory. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { RecordTooLargeError } from '../../../src/base/errors.ts'
import { COPY_SLACK_BYTES } from '../../../src/record/compression/copy.ts'
import { borrowScratch, Output } from '../../../src/record/compression/output.ts'
import { sample } from './samples.ts'

describe('Output', () => {
  it('keeps what is there when it grows', () => {
    const output = new Output('test', 10 << 20)
    const expected: number[] = []
    for (let step = 1; step <= 1 << 20; step *= 4) {
      output.reserve(step)
      output.bytes.fill(step % 251, output.position, output.position + step)
      output.position += step
      expected.push(step)
    }
    const result = output.finish()
    let position = 0
    for (const step of expected) {
      expect(result.subarray(position, position + step).every((byte) => byte === step % 251)).toBe(true)
      position += step
    }
    expect(result.length).toBe(position)
  })

  it('reserves all or throws, and up to the limit on demand', () => {
    const output = new Output('test', 1000)
    output.reserve(600)
    output.position = 600
    expect(() => output.reserve(401)).toThrow(RecordTooLargeError)
    expect(() => output.reserve(401)).toThrow('decompressed test data has sizeBytes=1001, over outputBytesMax=1000')
    expect(output.reserveUpTo(399)).toBe(999)
    expect(output.reserveUpTo(500)).toBe(1000)
  })

  it('takes memory for what is reserved, not for the limit', () => {
    const output = new Output('test', 2 ** 31 - 1)
    const before = output.bytes.length
    output.reserve(before)
    expect(output.bytes.length).toBeLessThan(before * 2 + COPY_SLACK_BYTES + 1)
    expect(output.view.byteLength).toBe(output.bytes.length)
  })

  it('gives back large memory', () => {
    const large = borrowScratch(20 << 20)
    expect(large.bytes.length).toBe((20 << 20) + COPY_SLACK_BYTES)
    expect(borrowScratch(0).bytes.length).toBeLessThan(8 << 20)
  })
})

describe('at the end of the memory kept', () => {
  // Each in a fresh copy of the modules, whose kept memory still has its first size.
  beforeEach(() => vi.resetModules())

  it.each(['snappy', 'lz4', 'zstd'] as const)('%s has room to spill', async (name) => {
    for (let less = 0; less < 6; less++) {
      vi.resetModules()
      const { compress, decompress } = await import('../../../src/record/compression/codec.ts')
      const { borrowScratch: freshScratch } = await import('../../../src/record/compression/output.ts')
      const size = freshScratch(0).bytes.length - less
      expect(size).toBeGreaterThan(200_000)
      const bytes = sample('periods', size, size)
      const packed = compress(name, bytes, 0, size)
      vi.resetModules()
      const again = await import('../../../src/record/compression/codec.ts')
      expect(Buffer.compare(again.decompress(name, packed, 0, packed.length, size), bytes)).toBe(0)
      expect(decompress(name, packed, 0, packed.length, size).length).toBe(size)
    }
  })
})
