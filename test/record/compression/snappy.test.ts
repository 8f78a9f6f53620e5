/** Snappy: raw and framed, as others write it; blocks made by hand where an encoder would not go. */
import { describe, expect, it } from 'vitest'
import { CorruptRecordError, RecordTooLargeError } from '../../../src/base/errors.ts'
import { compressSnappy, decompressSnappy } from '../../../src/record/compression/snappy.ts'
import { expectDecoded, sample, vectors } from './samples.ts'

const HEADER = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]

const decode = (...bytes: number[]): string => Buffer.from(decompressSnappy(Uint8Array.from(bytes), 1000)).toString()

describe('snappy', () => {
  it.each(vectors('snappy'))('reads $name ($by)', (vector) => {
    const bytes = new Uint8Array(Buffer.from(vector.base64, 'base64'))
    expectDecoded(vector, decompressSnappy(bytes, vector.decodedBytes))
  })

  it('writes the framing of Java, a block for each 32 KiB', () => {
    const packed = compressSnappy(sample('random', 70_000, 1))
    const view = new DataView(packed.buffer)
    expect([...packed.subarray(0, 16)]).toEqual(HEADER)
    const decodedLengths: number[] = []
    let position = 16
    while (position < packed.length) {
      const length = view.getInt32(position)
      const block = packed.subarray(position + 4, position + 4 + length)
      expect(block.length).toBe(length)
      decodedLengths.push(decompressSnappy(new Uint8Array(block), 1 << 15).length) // Each block stands alone.
      position += 4 + length
    }
    expect(position).toBe(packed.length)
    expect(decodedLengths).toEqual([32_768, 32_768, 70_000 - 65_536])
  })

  it('writes a header alone for nothing', () => {
    expect([...compressSnappy(new Uint8Array(0))]).toEqual(HEADER)
  })

  it('finds nothing of an earlier block again', () => {
    // Would a block refer to one before it, its bytes could not be decoded alone, as above; here, over many calls.
    const bytes = sample('text', 3000, 1)
    const first = compressSnappy(bytes)
    for (let call = 0; call < 100; call++) expect(Buffer.compare(compressSnappy(bytes), first)).toBe(0)
  })

  it('executes every kind of element', () => {
    expect(decode(5, 4 << 2, ...Buffer.from('abcde'))).toBe('abcde')
    expect(decode(5, 60 << 2, 4, ...Buffer.from('abcde'))).toBe('abcde')
    expect(decode(5, 61 << 2, 4, 0, ...Buffer.from('abcde'))).toBe('abcde')
    expect(decode(5, 62 << 2, 4, 0, 0, ...Buffer.from('abcde'))).toBe('abcde')
    expect(decode(5, 63 << 2, 4, 0, 0, 0, ...Buffer.from('abcde'))).toBe('abcde')
    expect(decode(7, 2 << 2, ...Buffer.from('abc'), 1 | (0 << 2), 3)).toBe('abcabca')
    expect(decode(5, 2 << 2, ...Buffer.from('abc'), 2 | (1 << 2), 3, 0)).toBe('abcab')
    expect(decode(5, 2 << 2, ...Buffer.from('abc'), 3 | (1 << 2), 1, 0, 0, 0)).toBe('abccc')
  })

  it.each([
    ['an empty block whose length is missing', []],
    ['a length of more than 32 bits', [0xff, 0xff, 0xff, 0xff, 0xff, 1]],
    ['a length that does not end', [0x80, 0x80]],
    ['fewer bytes than declared', [6, 4 << 2, 1, 2, 3, 4, 5]],
    ['more bytes than declared', [4, 4 << 2, 1, 2, 3, 4, 5]],
    ['a copy past the declared length', [4, 2 << 2, 1, 2, 3, 2 | (3 << 2), 1, 0]],
    ['a copy from before the start', [4, 0, 1, 2 | (2 << 2), 2, 0]],
    ['a copy over no distance', [4, 0, 1, 2 | (2 << 2), 0, 0]],
    ['a distance of 32 bits that would be negative', [4, 0, 1, 3 | (2 << 2), 0xff, 0xff, 0xff, 0xff]],
    ['a copy that is cut off', [4, 0, 1, 2 | (2 << 2), 1]],
    ['a literal length that is cut off', [4, 61 << 2, 3]],
    ['a literal of 4 GiB', [4, 63 << 2, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]],
    ['a length that the block cannot reach', [0xff, 0xff, 0xff, 0x7f, 0, 1]],
    ['a stream header that is cut off', HEADER.slice(0, 15)],
    ['a stream of version 0', [...HEADER.slice(0, 11), 0, ...HEADER.slice(12)]],
    ['a stream for version 2 only', [...HEADER.slice(0, 15), 2]],
    ['a stream block longer than the stream', [...HEADER, 0, 0, 0, 3, 1, 0]],
    ['a stream block of negative length', [...HEADER, 0xff, 0xff, 0xff, 0xff, 1, 0]],
    ['a stream block length that is cut off', [...HEADER, 0, 0, 0]],
    ['an empty stream block', [...HEADER, 0, 0, 0, 0]],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decompressSnappy(Uint8Array.from(bytes), 2 ** 31 - 1)).toThrow(CorruptRecordError)
  })

  it('refuses a declared length over the limit with both numbers', () => {
    const block = [0x80, 0x08, ...new Array<number>(64).fill(0)]
    expect(() => decompressSnappy(Uint8Array.from(block), 1000)).toThrow(RecordTooLargeError)
    expect(() => decompressSnappy(Uint8Array.from(block), 1000)).toThrow('sizeBytes=1024, over outputBytesMax=1000')
  })

  it('counts all blocks of a stream together against the limit', () => {
    const packed = compressSnappy(new Uint8Array(100_000))
    expect(() => decompressSnappy(packed, 99_999)).toThrow(RecordTooLargeError)
  })
})
