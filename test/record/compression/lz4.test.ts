/** LZ4: frames as others write them, and each thing that a frame may claim and not keep. */
import { describe, expect, it } from 'vitest'
import { CorruptRecordError, RecordTooLargeError } from '../../../src/base/errors.ts'
import { compressLz4, decompressLz4 } from '../../../src/record/compression/lz4.ts'
import { xxhash32 } from '../../../src/record/compression/xxhash.ts'
import { expectDecoded, sample, vectors } from './samples.ts'

const MAGIC = [0x04, 0x22, 0x4d, 0x18]
const INDEPENDENT = 0x60
const LINKED = 0x40

const u32 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
const checksum = (bytes: readonly number[]): number => xxhash32(Uint8Array.from(bytes), 0, bytes.length)
const header = (flags: number, descriptor = 0x40, extra: readonly number[] = []): number[] => {
  const fields = [flags, descriptor, ...extra]
  return [...MAGIC, ...fields, (checksum(fields) >>> 8) & 0xff]
}
const block = (...bytes: number[]): number[] => [...u32(bytes.length), ...bytes]
const stored = (...bytes: number[]): number[] => [...u32((bytes.length | 0x8000_0000) >>> 0), ...bytes]
const END = u32(0)

const decode = (bytes: readonly number[], outputBytesMax = 1 << 20): string =>
  Buffer.from(decompressLz4(Uint8Array.from(bytes), outputBytesMax)).toString()

/** 'abc', then six bytes from three back, then 'xyzuv'. */
const ABC = [0x32, 0x61, 0x62, 0x63, 3, 0, 0x50, 0x78, 0x79, 0x7a, 0x75, 0x76]

describe('lz4', () => {
  it.each(vectors('lz4'))('reads $name ($by)', (vector) => {
    const bytes = new Uint8Array(Buffer.from(vector.base64, 'base64'))
    expectDecoded(vector, decompressLz4(bytes, vector.decodedBytes))
  })

  it('writes what the Java client can read: independent blocks of 64 KiB and no checksums but the header', () => {
    const bytes = sample('islands', 150_000, 1)
    const packed = compressLz4(bytes)
    expect([...packed.subarray(0, 7)]).toEqual([...MAGIC, 0x60, 0x40, 0x82])
    const view = new DataView(packed.buffer)
    let decodedBytes = 0
    let position = 7
    for (let size = view.getUint32(position, true); size !== 0; size = view.getUint32(position, true)) {
      const length = size & 0x7fff_ffff
      const alone = [...header(INDEPENDENT), ...packed.subarray(position, position + 4 + length), ...END]
      decodedBytes += decompressLz4(Uint8Array.from(alone), 65_536).length
      position += 4 + length
    }
    expect([position + 4, decodedBytes]).toEqual([packed.length, 150_000])
  })

  it('keeps the last five bytes literal, and twelve free of matches', () => {
    for (const size of [12, 13, 14, 20, 100]) {
      const packed = compressLz4(new Uint8Array(size))
      if (size < 13)
        expect(packed.length).toBe(7 + 4 + size + 4) // Stored.
      else expect([...packed.subarray(-9, -4)]).toEqual([0, 0, 0, 0, 0])
      const lastToken = packed[packed.length - 10]
      if (size > 13) expect(lastToken).toBe(0x50)
    }
  })

  it('executes literals, matches and their long counts', () => {
    expect(decode([...header(INDEPENDENT), ...block(...ABC), ...END])).toBe('abcabcabcxyzuv')
    const long = [0x1f, 0x61, 1, 0, 255, 255, 0, 0x50, 0x78, 0x79, 0x7a, 0x75, 0x76]
    expect(decode([...header(INDEPENDENT), ...block(...long), ...END])).toBe('a'.repeat(1 + 19 + 510) + 'xyzuv')
    const literals = [0xf0, 5, ...Buffer.from('twenty bytes exactly')]
    expect(decode([...header(INDEPENDENT), ...block(...literals), ...END])).toBe('twenty bytes exactly')
  })

  it('lets matches reach into earlier blocks of a linked frame, and only there', () => {
    const second = [0x02, 3, 0, 0x50, 0x78, 0x79, 0x7a, 0x75, 0x76]
    const blocks = [...stored(0x61, 0x62, 0x63), ...block(...second), ...END]
    expect(decode([...header(LINKED), ...blocks])).toBe('abcabcabcxyzuv')
    expect(() => decode([...header(INDEPENDENT), ...blocks])).toThrow('before its history')
    const twoFrames = [...header(LINKED), ...stored(0x61, 0x62, 0x63), ...END, ...header(LINKED), ...block(...second)]
    expect(() => decode([...twoFrames, ...END])).toThrow('before its history')
  })

  it('checks every checksum and size that is there', () => {
    const flags = INDEPENDENT | 0x10 | 0x08 | 0x04
    const content = [...Buffer.from('abcabcabcxyzuv')]
    const frame = [
      ...header(flags, 0x40, [...u32(content.length), ...u32(0)]),
      ...block(...ABC),
      ...u32(checksum(ABC)),
      ...END,
      ...u32(checksum(content)),
    ]
    expect(decode(frame)).toBe('abcabcabcxyzuv')
    for (let index = 4; index < frame.length; index++) {
      const damaged = [...frame]
      damaged[index]! ^= 1
      expect(() => decode(damaged), `byte ${index}`).toThrow(CorruptRecordError)
    }
    const wrongSize = [...header(INDEPENDENT | 8, 0x40, [...u32(15), ...u32(0)]), ...block(...ABC), ...END]
    expect(() => decode(wrongSize)).toThrow('content size=15 is declared, 14 bytes came')
  })

  it.each([
    ['another magic number', [...MAGIC.slice(0, 3), 0x19, ...header(INDEPENDENT).slice(4), ...END]],
    ['the legacy format', [0x02, 0x21, 0x4c, 0x18, ...block(...ABC)]],
    ['another version', [...header(0xa0), ...END]],
    ['reserved flags', [...header(INDEPENDENT | 2), ...END]],
    ['reserved descriptor bits', [...header(INDEPENDENT, 0x41), ...END]],
    ['a block size id of 3', [...header(INDEPENDENT, 0x30), ...END]],
    ['a dictionary', [...header(INDEPENDENT | 1, 0x40, u32(7)), ...END]],
    ['a wrong header checksum', [...MAGIC, 0x60, 0x40, 0x83, ...END]],
    ['a missing end mark', [...header(INDEPENDENT), ...block(...ABC)]],
    ['a block larger than its maximum', [...header(INDEPENDENT), ...u32(65_537), ...new Array<number>(65_537).fill(0)]],
    ['a block that runs past the end', [...header(INDEPENDENT), ...u32(100), 0x10]],
    ['a block that ends in a match', [...header(INDEPENDENT), ...block(...ABC.slice(0, 6)), ...END]],
    ['a distance of 0', [...header(INDEPENDENT), ...block(0x10, 0x61, 0, 0, 0), ...END]],
    ['a distance of 2 after one byte', [...header(INDEPENDENT), ...block(0x10, 0x61, 2, 0, 0), ...END]],
    ['half a distance', [...header(INDEPENDENT), ...block(0x10, 0x61, 1), ...END]],
    ['a literal count that does not end', [...header(INDEPENDENT), ...block(0xf0, 255, 255), ...END]],
    ['a match length that does not end', [...header(INDEPENDENT), ...block(0x1f, 0x61, 1, 0, 255), ...END]],
    ['literals past the block', [...header(INDEPENDENT), ...block(0x50, 1, 2), ...END]],
    [
      'a block of 64 KiB that decodes to more',
      [...header(INDEPENDENT), ...block(0x1f, 0x61, 1, 0, ...new Array<number>(300).fill(255), 0, 0x10, 0x61), ...END],
    ],
    ['bytes after the last frame', [...header(INDEPENDENT), ...END, 1, 2, 3]],
    ['a skippable frame past the end', [0x50, 0x2a, 0x4d, 0x18, ...u32(4), 1, 2, 3]],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decode(bytes)).toThrow(CorruptRecordError)
  })

  it('skips skippable frames, alone too', () => {
    expect(decode([0x5f, 0x2a, 0x4d, 0x18, ...u32(3), 1, 2, 3])).toBe('')
  })

  it('refuses a declared content size over the limit before any block', () => {
    const frame = [...header(INDEPENDENT | 8, 0x70, [0, 0, 0, 0, 1, 0, 0, 0]), ...END]
    expect(() => decode(frame, 1000)).toThrow(RecordTooLargeError)
    expect(() => decode(frame, 1000)).toThrow('sizeBytes=4294967296, over outputBytesMax=1000')
  })
})
