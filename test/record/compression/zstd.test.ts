/** zstd by both implementations: frames as others write them, and each thing that a frame may claim and not keep. */
import { describe, expect, it } from 'vitest'
import { CorruptRecordError, RecordTooLargeError } from '../../../src/base/errors.ts'
import {
  compressZstd,
  compressZstdInTypeScript,
  decompressZstd,
  decompressZstdInTypeScript,
  zstdImplementation,
} from '../../../src/record/compression/zstd.ts'
import { outlineZstd } from '../../../src/record/compression/zstd/frame.ts'
import { SequenceWriter } from '../../../src/record/compression/zstd/sequence-writer.ts'
import { mulberry32, testSeed } from '../../random.ts'
import { expectDecoded, sample, SAMPLE_KINDS, vectors } from './samples.ts'

const seed = testSeed()
console.log(`zstd by ${zstdImplementation}: SEED=${seed}`)

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]
const SINGLE_SEGMENT = 0x20
const RAW = 0
const RLE = 1
const COMPRESSED = 2

/** A block: `size` is what its header says, the length of the content unless given. */
const block = (type: number, content: readonly number[], { last = true, size = content.length } = {}): number[] => {
  const header = (last ? 1 : 0) | (type << 1) | (size << 3)
  return [header & 0xff, (header >> 8) & 0xff, header >> 16, ...content]
}
/** A frame whose content size takes one byte. */
const frame = (contentSize: number, ...blocks: number[][]): number[] => [
  ...MAGIC,
  SINGLE_SEGMENT,
  contentSize,
  ...blocks.flat(),
]
/** A frame with a window of 1 KiB (or as given) that does not tell its content size. */
const streamed = (blocks: readonly number[], window = 0): number[] => [...MAGIC, 0, window, ...blocks]

const implementations = [
  ['as chosen', decompressZstd],
  ['in TypeScript', decompressZstdInTypeScript],
] as const

describe.each(implementations)('decompression %s', (_implementation, decompress) => {
  const decode = (bytes: readonly number[], outputBytesMax = 1 << 20): string =>
    Buffer.from(decompress(Uint8Array.from(bytes), outputBytesMax)).toString()

  it.each(vectors('zstd'))('reads $name ($by)', (vector) => {
    const bytes = new Uint8Array(Buffer.from(vector.base64, 'base64'))
    expectDecoded(vector, decompress(bytes, vector.decodedBytes))
    if (vector.decodedBytes > 0) expect(() => decompress(bytes, vector.decodedBytes - 1)).toThrow(RecordTooLargeError)
  })

  it('reads what either encoder writes', () => {
    for (const kind of SAMPLE_KINDS) {
      for (const size of [0, 1, 100, 5000, 131_073, 400_000]) {
        const bytes = sample(kind, size, seed)
        for (const packed of [compressZstd(bytes), compressZstdInTypeScript(bytes)]) {
          expect(Buffer.compare(decompress(packed, size), bytes), `${kind} ${size}`).toBe(0)
        }
      }
    }
  })

  it('reads stored and repeated bytes, in several blocks, with and without a size', () => {
    const blocks = [...block(RAW, [0x61, 0x62], { last: false }), ...block(RLE, [0x63], { size: 4 })]
    expect(decode(frame(6, blocks))).toBe('abcccc')
    expect(decode(streamed(blocks))).toBe('abcccc')
    expect(decode(frame(0, block(RAW, [])))).toBe('')
  })

  it('reads a compressed block made by hand: four literals, and a match of the offset before', () => {
    // Literals 'abcd'; one sequence, all tables of a single code: length 4, offset code 2 (4 + 3 bits), length 6.
    const body = [0x20, 0x61, 0x62, 0x63, 0x64, 1, 0x54, 4, 2, 3, 0b111]
    expect(decode(streamed(block(COMPRESSED, body)))).toBe('abcdabcdab')
  })

  it('reads joined and skippable frames', () => {
    const one = frame(1, block(RAW, [0x61]))
    const skippable = [0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]
    expect(decode([...one, ...skippable, ...one, ...one])).toBe('aaa')
    expect(decode(skippable)).toBe('')
    expect(() => decode([...one, ...one], 1)).toThrow(RecordTooLargeError)
  })

  it('reads a dictionary id of 0, which means none', () => {
    expect(decode([...MAGIC, SINGLE_SEGMENT | 1, 0, 1, ...block(RAW, [0x61])])).toBe('a')
  })

  it('checks the checksum', () => {
    const content = [...MAGIC, SINGLE_SEGMENT | 4, 1, ...block(RAW, [0x61])]
    // The low half of the xxHash64 of 'a', which is 0xd24ec4f1a98c6e5b.
    for (const wrong of [0x5a, 0xdb]) {
      expect(() => decode([...content, wrong, 0x6e, 0x8c, 0xa9])).toThrow(CorruptRecordError)
    }
    expect(decode([...content, 0x5b, 0x6e, 0x8c, 0xa9])).toBe('a')
    expect(() => decode([...content, 0x5b, 0x6e, 0x8c])).toThrow(CorruptRecordError)
  })

  const body = (...bytes: number[]): number[] => streamed(block(COMPRESSED, bytes))
  const ABCD = [0x20, 0x61, 0x62, 0x63, 0x64]
  it.each<[what: string, why: RegExp, bytes: number[]]>([
    ['another magic number', /no zstd frame/, [0x28, 0xb5, 0x2f, 0xfc, ...frame(0, block(RAW, [])).slice(4)]],
    ['an older format', /no zstd frame/, [0x27, 0xb5, 0x2f, 0xfd, ...frame(0, block(RAW, [])).slice(4)]],
    ['a header that is cut off', /header is cut off/, [...MAGIC, SINGLE_SEGMENT]],
    ['a reserved header bit', /reserved bit/, [...MAGIC, SINGLE_SEGMENT | 8, 0, ...block(RAW, [])]],
    ['a dictionary', /dictionary/, [...MAGIC, SINGLE_SEGMENT | 1, 7, 1, ...block(RAW, [0x61])]],
    ['a window over 128 MiB', /window=150994944 is over/, streamed(block(RAW, [1]), 0x89)],
    ['a reserved block type', /type is reserved/, frame(1, block(3, [0x61]))],
    ['a block longer than the data', /past the end/, frame(9, block(RAW, [1, 2], { size: 9 }))],
    ['a block larger than the window', /size=1025 is over 1024/, streamed(block(RLE, [1], { size: 1025 }))],
    ['a block larger than 128 KiB', /is over 131072/, streamed(block(RLE, [1], { size: 131_073 }), 0x80)],
    ['a missing last block', /header is cut off/, frame(1, block(RAW, [0x61], { last: false }))],
    ['less content than declared', /content size=3/, frame(3, block(RAW, [0x61, 0x62]))],
    ['more content than declared', /content size=2/, frame(2, block(RAW, [1, 2], { last: false }), block(RAW, [3]))],
    ['bytes after the last frame', /cut off/, [...frame(1, block(RAW, [0x61])), 1, 2]],
    ['a skippable frame past the end', /past the end/, [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1]],
    ['an empty compressed block', /block is empty/, body()],
    ['literals that are cut off', /literals/, body(0x20, 1, 2)],
    ['literals larger than a block', /size=4095 is over/, body(0xf5, 0xff, 1, 0)],
    ['literals that repeat a tree that never was', /Huffman tree/, body(0x93, 0x40, 0, 1, 0)],
    ['a Huffman tree that is cut off', /weights run past/, body(0x92, 0x40, 0, 0xff, 0)],
    ['no sequence count', /sequence count/, body(0x08, 1)],
    ['bytes after no sequences', /without sequences/, body(0x08, 1, 0, 0)],
    ['a sequence count that is cut off', /sequence count/, body(0x08, 1, 255, 1)],
    ['reserved mode bits', /reserved bits/, body(...ABCD, 1, 0x55, 4, 2, 3, 0b111)],
    ['tables that repeat what never was', /repeat a table/, body(...ABCD, 1, 0xfc, 0b111)],
    ['an unknown literal length code', /code=36/, body(...ABCD, 1, 0x54, 36, 2, 3, 0b111)],
    ['an unknown offset code', /code=32/, body(...ABCD, 1, 0x54, 4, 32, 3, 0b111)],
    ['an unknown match length code', /code=53/, body(...ABCD, 1, 0x54, 4, 2, 53, 0b111)],
    ['a stream without an end mark', /end mark/, body(...ABCD, 1, 0x54, 4, 2, 3, 0)],
    ['a stream that is too short', /stream is cut off/, body(...ABCD, 1, 0x54, 4, 2, 3, 0b11)],
    ['a stream that is too long', /end where it should/, body(...ABCD, 1, 0x54, 4, 2, 3, 0b1111)],
    ['more literals than there are', /too many literals/, body(0x18, 1, 2, 3, 1, 0x54, 4, 2, 3, 0b111)],
    ['a match from before the frame', /before its frame/, body(...ABCD, 1, 0x54, 4, 3, 3, 0b1000)],
    ['a match over no distance', /before its frame/, body(...ABCD, 1, 0x54, 0, 1, 3, 0b11)],
    ['a distribution too exact', /accuracy log=10/, body(...ABCD, 1, 0x94, 0x05, 0, 0, 2, 3, 7)],
    ['more content than the window', /more than 1024/, body(...ABCD, 1, 0x54, 4, 0, 47, 1, 0xff, 0xff)],
  ])('refuses %s', (_what, why, bytes) => {
    expect(() => decode(bytes)).toThrow(CorruptRecordError)
    // node:zlib has its own words; what the outline says is the same for both.
    expect(() => decompressZstdInTypeScript(Uint8Array.from(bytes), 1 << 20)).toThrow(why)
  })

  it('refuses a declared or certain size over the limit before it makes any of it', () => {
    const declared = [...MAGIC, 0xc0 | SINGLE_SEGMENT, 0, 0, 0, 0, 1, 0, 0, 0]
    const blocks = Array.from({ length: 1 << 15 }, () => block(RLE, [1], { last: false, size: 1 << 17 })).flat()
    expect(() => decode([...declared, ...blocks, ...block(RAW, [])], 1000)).toThrow(
      'sizeBytes=4294967296, over outputBytesMax=1000',
    )
    expect(() => decode(streamed([...blocks, ...block(RAW, [])], 0x80), 1000)).toThrow(
      `sizeBytes=${2 ** 32}, over outputBytesMax=1000`,
    )
  })

  it('refuses output over the limit where nothing tells the size', () => {
    const packed = compressZstdInTypeScript(sample('text', 100_000, seed))
    const unsized = Uint8Array.from([...MAGIC, 0, 0x50, ...packed.subarray(9)]) // A window of 1 MiB instead.
    expect(decompress(unsized, 100_000).length).toBe(100_000)
    expect(() => decompress(unsized, 99_999)).toThrow(RecordTooLargeError)
  })
})

describe('the decoder in TypeScript', () => {
  const decode = (...body: number[]): number[] => [
    ...decompressZstdInTypeScript(Uint8Array.from(streamed(block(COMPRESSED, body))), 1000),
  ]

  it('reads a Huffman stream made by hand, and wants its end where it should be', () => {
    // Symbols 0 and 1 with a bit each; the stream is 0, 1, 0, 1 below its end mark.
    expect(decode(0x42, 0xc0, 0, 0x80, 0x10, 0b10101, 0)).toEqual([0, 1, 0, 1])
    for (const stream of [0b110101, 0b1101, 0b1]) {
      expect(() => decode(0x42, 0xc0, 0, 0x80, 0x10, stream, 0)).toThrow('does not end where it should')
    }
  })

  it('stops at Huffman weights that take no bits and so would never end', () => {
    // A distribution that gives all 32 states to weight 0.
    expect(() => decode(0x42, 0x80, 0x01, 4, 0xf0, 0x03, 0x00, 0x04, 0xff, 0)).toThrow('too many weights')
  })

  it('refuses trees that are none', () => {
    expect(() => decode(0x42, 0xc0, 0, 0x80, 0x00, 0b10101, 0)).toThrow('tree is empty')
    expect(() => decode(0x42, 0xc0, 0, 0x80, 0xc0, 0b10101, 0)).toThrow('weight is too large')
    expect(() => decode(0x42, 0x00, 1, 0x82, 0xb3, 0x10, 0b10101, 0)).toThrow('make no tree')
    expect(() => decode(0x42, 0x80, 0, 0x00, 0b10101, 0)).toThrow('distribution is missing')
  })
})

describe('the encoder in TypeScript', () => {
  it('writes any sequences so that they come out the same, repeated offsets among them', () => {
    const random = mulberry32(seed)
    const below = (limit: number): number => Math.floor(random() * limit)
    const writer = new SequenceWriter()
    for (let round = 0; round < 200; round++) {
      writer.beginFrame()
      const expected: number[] = []
      const blocks: number[] = []
      const blockCount = 1 + below(4)
      let recent = [1, 4, 8]
      for (let index = 0; index < blockCount; index++) {
        const start = expected.length
        for (let sequence = below(150); sequence >= 0; sequence--) {
          const literals = sample('skewed', expected.length === 0 ? 9 : below(3) * below(3), round + sequence)
          expected.push(...literals)
          const near = recent[below(3)]! - below(2) // A repeated offset, or one less.
          const distance = below(4) > 0 && near > 0 && near <= expected.length ? near : 1 + below(expected.length)
          const length = 4 + below(below(2) === 0 ? 8 : 200)
          writer.add(literals, new DataView(literals.buffer), 0, literals.length, distance, length)
          for (let count = 0; count < length; count++) expected.push(expected[expected.length - distance]!)
          recent = [distance, ...recent].slice(0, 3)
        }
        const tail = sample('skewed', below(5), round)
        writer.addLastLiterals(tail, new DataView(tail.buffer), 0, tail.length)
        expected.push(...tail)
        const last = index === blockCount - 1
        // Now and then a block is stored instead, as if it had not paid.
        const content = writer.finishBlock(below(4) === 0 ? 1 : 1 << 17)
        if (content === undefined) blocks.push(...block(RAW, expected.slice(start), { last }))
        else blocks.push(...block(COMPRESSED, [...content], { last }))
      }
      const bytes = Uint8Array.from(streamed(blocks, 0x80))
      for (const decompress of [decompressZstd, decompressZstdInTypeScript]) {
        const decoded = decompress(bytes, expected.length)
        expect(Buffer.compare(decoded, Uint8Array.from(expected)), `SEED=${seed} round=${round}`).toBe(0)
      }
    }
  })

  it('writes the content size in each of its widths, and no checksum', () => {
    for (const [size, header] of [
      [0, [0x20, 0]],
      [255, [0x20, 255]],
      [256, [0x60, 0, 0]],
      [65_791, [0x60, 0xff, 0xff]],
      [65_792, [0xa0, 0, 1, 1, 0]],
      [1 << 20, [0xa0, 0, 0, 16, 0]],
      [(1 << 20) + 1, [0x80, 0x50, 1, 0, 16, 0]],
    ] as const) {
      const packed = compressZstdInTypeScript(new Uint8Array(size))
      expect([...packed.subarray(0, 4 + header.length)]).toEqual([...MAGIC, ...header])
      expect(outlineZstd(packed)).toEqual({ frameCount: 1, sizeMin: size, sizeMax: size })
    }
  })

  it('reaches back no further than its window', () => {
    // The size by a fixed noise: through noise the encoder's steps grow, and may pass over a repetition.
    reachBack(1, (saved) => {
      expect(saved).toBeGreaterThan(4000)
      expect(saved).toBeLessThan(6000)
    })
    reachBack(seed, (saved) => expect(saved).toBeLessThan(6000))
  })

  function reachBack(noiseSeed: number, judge: (saved: number) => void): void {
    const noise = sample('random', 3 << 20, noiseSeed)
    noise.copyWithin((1 << 20) + 5000, 0, 5000) // Just out of reach.
    noise.copyWithin((3 << 20) - 5000, (2 << 20) - 4000, (2 << 20) + 1000) // Just within.
    const packed = compressZstdInTypeScript(noise)
    judge(noise.length - packed.length)
    expect(Buffer.compare(decompressZstdInTypeScript(packed, noise.length), noise), `SEED=${noiseSeed}`).toBe(0)
  }

  it('writes blocks at the edges of the format: every table a single code, and more than 32,512 sequences', () => {
    for (const [count, literals] of [
      [1, 0],
      [2, 1],
      [3, 1],
      [127, 1],
      [128, 1],
      [200, 40],
      [0x7eff, 0],
      [0x7f00, 0],
      [0x7fe0, 0],
    ] as const) {
      const writer = new SequenceWriter()
      const input = new Uint8Array(64).fill(0x61)
      const view = new DataView(input.buffer)
      writer.beginFrame()
      for (let sequence = 0; sequence < count; sequence++) {
        const first = sequence === 0
        writer.add(input, view, 0, first ? 40 : literals, first || literals > 0 ? 1 : 1 + (sequence & 1), 4)
      }
      const size = 44 + (count - 1) * (literals + 4)
      const content = writer.finishBlock(size)
      // A window of 1 MiB, no content size.
      const bytes = Uint8Array.from([...MAGIC, 0, 0x50, ...block(COMPRESSED, [...content!])])
      for (const decompress of [decompressZstd, decompressZstdInTypeScript]) {
        const decoded = decompress(bytes, size)
        expect(decoded.length).toBe(size)
        expect(decoded.every((byte) => byte === 0x61)).toBe(true)
      }
    }
  })

  it('comes near the density of deflate', () => {
    for (const [kind, ratio] of [
      ['text', 2],
      ['json', 3],
      ['skewed', 1.3],
      ['structs', 2.4],
    ] as const) {
      const packed = compressZstdInTypeScript(sample(kind, 100_000, 1))
      expect(100_000 / packed.length, kind).toBeGreaterThan(ratio)
    }
  })

  it('finds nothing of an earlier call again', () => {
    const bytes = sample('json', 3000, seed)
    const first = compressZstdInTypeScript(bytes)
    for (let call = 0; call < 100; call++) expect(Buffer.compare(compressZstdInTypeScript(bytes), first)).toBe(0)
  })
})
