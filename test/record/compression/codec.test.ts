/** Every codec alike: round trips, ranges, shared memory, bounds, names. */
import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../../src/base/assert.ts'
import { CorruptRecordError, RecordTooLargeError, VltavaError } from '../../../src/base/errors.ts'
import {
  CODEC_IDS,
  codecName,
  compress,
  compressionAvailable,
  decompress,
  type CompressionName,
} from '../../../src/record/compression/codec.ts'
import { testSeed } from '../../random.ts'
import { EMBEDDED_START, embedded, sample, SAMPLE_KINDS } from './samples.ts'

const seed = testSeed()
console.log(`codecs: SEED=${seed}`)

const ALL: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const CODECS = ALL.slice(1)
/** Empty, tiny, around each block size, and several blocks. */
const SIZES = [
  0, 1, 2, 3, 5, 12, 13, 15, 16, 17, 31, 32, 255, 256, 1023, 1024, 4096, 32_768, 32_769, 65_535, 65_537, 131_073,
]
const MIB = 1 << 20

function pack(name: CompressionName, bytes: Uint8Array): Uint8Array {
  return compress(name, bytes, 0, bytes.length)
}

function unpack(name: CompressionName, bytes: Uint8Array, outputBytesMax: number): Uint8Array {
  return decompress(name, bytes, 0, bytes.length, outputBytesMax)
}

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length)
  expect(Buffer.compare(actual, expected)).toBe(0)
}

describe('names', () => {
  it('are those of the attribute bits', () => {
    expect(ALL.map((name) => CODEC_IDS[name])).toEqual([0, 1, 2, 3, 4])
    expect(ALL.map((name) => codecName(CODEC_IDS[name]))).toEqual(ALL)
    expect(ALL.every(compressionAvailable)).toBe(true)
  })

  it('an unknown one is UNSUPPORTED_COMPRESSION_TYPE', () => {
    const unknown = 'brotli' as CompressionName
    const calls = [
      ...[5, 6, 7, -1, 1.5].map((id) => () => codecName(id)),
      () => compress(unknown, new Uint8Array(1), 0, 1),
      () => decompress(unknown, new Uint8Array(1), 0, 1, 1),
    ]
    for (const call of calls) {
      expect(call).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_COMPRESSION_TYPE', kafkaCode: 76 }))
    }
    expect(compressionAvailable(unknown)).toBe(false)
  })
})

describe.each(ALL)('%s', (name) => {
  it.each(SAMPLE_KINDS)('gives back %s data of every size, at exactly the limit', (kind) => {
    for (const size of SIZES) {
      const bytes = sample(kind, size, seed + size)
      expectSame(unpack(name, pack(name, bytes), size), bytes)
    }
  })

  it('gives back a mebibyte of each kind', () => {
    for (const kind of SAMPLE_KINDS) {
      const bytes = sample(kind, MIB, seed)
      expectSame(unpack(name, pack(name, bytes), MIB), bytes)
    }
  })

  it('reads and writes a range inside shared memory, and nothing around it', () => {
    const bytes = sample('json', 5000, seed)
    const packed = pack(name, bytes)
    const end = EMBEDDED_START + bytes.length
    const packedEnd = EMBEDDED_START + packed.length
    for (const [source, packedSource] of [
      [embedded(bytes), embedded(packed)],
      [embedded(bytes, new SharedArrayBuffer(5040)), embedded(packed, new SharedArrayBuffer(packed.length + 40))],
      [Buffer.from(embedded(bytes)), Buffer.from(embedded(packed))],
    ] as const) {
      expectSame(compress(name, source, EMBEDDED_START, end), packed)
      expectSame(decompress(name, packedSource, EMBEDDED_START, packedEnd, bytes.length), bytes)
      expectSame(source.subarray(EMBEDDED_START, end), bytes)
      expectSame(packedSource.subarray(EMBEDDED_START, packedEnd), packed)
    }
  })

  it('hands out arrays that own their memory whole', () => {
    for (const size of [0, 1, 1000, 100_000]) {
      const bytes = sample('text', size, seed)
      const packed = pack(name, bytes)
      for (const result of [packed, unpack(name, packed, size + 100)]) {
        expect(result.constructor).toBe(Uint8Array)
        expect(result.buffer).not.toBe(bytes.buffer)
        expect(result.buffer.byteLength).toBe(result.length)
      }
    }
  })

  it('keeps earlier results when it works on', () => {
    const first = pack(name, sample('json', 3000, seed))
    const copy = first.slice()
    const decoded = unpack(name, first, 3000)
    pack(name, sample('random', 100_000, seed))
    unpack(name, pack(name, sample('skewed', 100_000, seed)), 100_000)
    expectSame(first, copy)
    expectSame(decoded, sample('json', 3000, seed))
  })

  it('refuses one byte over the limit, and says which limit', () => {
    for (const kind of SAMPLE_KINDS) {
      for (const size of [1, 100, 70_000, 300_000]) {
        const packed = pack(name, sample(kind, size, seed))
        for (const limit of [0, size >> 1, size - 1]) {
          expect(() => unpack(name, packed, limit)).toThrow(RecordTooLargeError)
          expect(() => unpack(name, packed, limit)).toThrow(`outputBytesMax=${limit}`)
        }
      }
    }
  })

  it('gives back nothing at a limit of nothing', () => {
    expectSame(unpack(name, pack(name, new Uint8Array(0)), 0), new Uint8Array(0))
  })

  it('takes a range outside its source for our own mistake', () => {
    const bytes = new Uint8Array(10)
    for (const [start, end] of [
      [-1, 5],
      [6, 5],
      [0, 11],
      [0.5, 3],
      [NaN, 3],
    ] as const) {
      expect(() => compress(name, bytes, start, end)).toThrow(AssertionFailed)
      expect(() => decompress(name, bytes, start, end, 100)).toThrow(AssertionFailed)
    }
    for (const limit of [-1, 1.5, 2 ** 31, NaN]) {
      expect(() => decompress(name, bytes, 0, 10, limit)).toThrow(AssertionFailed)
    }
  })
})

describe.each(CODECS)('%s', (name) => {
  it('refuses nothing at all, and data of the other codecs', () => {
    const bytes = sample('json', 2000, seed)
    expect(() => unpack(name, new Uint8Array(0), 100)).toThrow(CorruptRecordError)
    for (const other of ALL) {
      if (other !== name) expect(() => unpack(name, pack(other, bytes), 2000), other).toThrow(VltavaError)
    }
  })

  it('makes repetitive data much smaller, and random data hardly larger', () => {
    const repetitive = sample('json', 100_000, seed)
    expect(pack(name, repetitive).length).toBeLessThan(repetitive.length / 2)
    for (const size of [1, 100, 100_000]) {
      expect(pack(name, sample('random', size, seed)).length).toBeLessThan(size * 1.005 + 64)
    }
  })
})

describe('level', () => {
  it('counts for gzip', () => {
    const bytes = sample('text', 50_000, seed)
    const sizes = [1, 9].map((level) => compress('gzip', bytes, 0, bytes.length, level).length)
    expect(sizes[1]).toBeLessThan(sizes[0]!)
  })

  it('is taken by all, whatever they make of it', () => {
    const bytes = sample('text', 5000, seed)
    for (const name of ALL) expectSame(unpack(name, compress(name, bytes, 0, 5000, 5), 5000), bytes)
    expectSame(unpack('zstd', compress('zstd', bytes, 0, 5000, -7), 5000), bytes)
  })

  it('out of range is INVALID_ARGUMENT', () => {
    for (const [name, level] of [
      ['gzip', 10],
      ['gzip', -2],
      ['gzip', 1.5],
      ['zstd', 23],
      ['zstd', -131_073],
      ['zstd', NaN],
    ] as const) {
      expect(() => compress(name, new Uint8Array(1), 0, 1, level)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    }
  })
})
