/**
 * Decompression of damaged and hostile data.
 *
 * Properties: the result is at most outputBytesMax bytes, or a CorruptRecordError or RecordTooLargeError; it depends on
 * nothing outside the range given; and no memory is taken beyond the limit and what the codec keeps. `SEED=...`
 * replays, FUZZ_SCALE multiplies the rounds.
 */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { CorruptRecordError, RecordTooLargeError } from '../../src/base/errors.ts'
import { compress, decompress, type CompressionName } from '../../src/record/compression/codec.ts'
import { compressZstdInTypeScript, decompressZstdInTypeScript } from '../../src/record/compression/zstd.ts'
import { mulberry32, testSeed } from '../random.ts'
import { sample, SAMPLE_KINDS, vectors } from '../record/compression/samples.ts'

const seed = testSeed()
console.log(`fuzz of decompression: SEED=${seed}`)
const FUZZ_SCALE = Number(process.env['FUZZ_SCALE'] ?? 1)
const LIMIT = 1 << 17

type Decoder = (source: Uint8Array, start: number, end: number, outputBytesMax: number) => Uint8Array

const decoderOf =
  (name: CompressionName): Decoder =>
  (source, start, end, outputBytesMax) =>
    decompress(name, source, start, end, outputBytesMax)

const decoders: readonly [name: string, codec: Exclude<CompressionName, 'none'>, decode: Decoder][] = [
  ['gzip', 'gzip', decoderOf('gzip')],
  ['snappy', 'snappy', decoderOf('snappy')],
  ['lz4', 'lz4', decoderOf('lz4')],
  ['zstd', 'zstd', decoderOf('zstd')],
  [
    'zstd in TypeScript',
    'zstd',
    (source, start, end, outputBytesMax) => decompressZstdInTypeScript(source.slice(start, end), outputBytesMax),
  ],
]

/** What came of it, in a form to compare: output and errors alike. Throws on anything that may not happen. */
function outcome(decode: Decoder, source: Uint8Array, start: number, end: number, limit: number): string {
  try {
    const output = decode(source, start, end, limit)
    if (output.length > limit) throw new Error(`output of ${output.length} bytes is over the limit of ${limit}`)
    return Buffer.from(output).toString('latin1')
  } catch (error) {
    if (error instanceof CorruptRecordError || error instanceof RecordTooLargeError) return error.message
    throw error
  }
}

/** Decodes `bytes` inside three different surroundings; the result must be the same. */
function check(decode: Decoder, bytes: Uint8Array, limit: number, context: () => string): void {
  try {
    const surrounded = [0x00, 0xff].map((filler) => {
      const memory = filler === 0 ? new ArrayBuffer(bytes.length + 64) : new SharedArrayBuffer(bytes.length + 64)
      const source = new Uint8Array(memory).fill(filler)
      source.set(bytes, 32)
      return outcome(decode, source, 32, 32 + bytes.length, limit)
    })
    const alone = outcome(decode, bytes, 0, bytes.length, limit)
    if (surrounded.some((other) => other !== alone)) throw new Error('the result depends on the surroundings')
  } catch (cause) {
    throw new Error(`SEED=${seed} ${context()} input=${Buffer.from(bytes).toString('base64').slice(0, 2000)}`, {
      cause,
    })
  }
}

/** Small data of our own and of other implementations, so that every part of a format is there to be damaged. */
function originals(codec: Exclude<CompressionName, 'none'>): Uint8Array[] {
  const ours = SAMPLE_KINDS.flatMap((kind) =>
    [1, 40, 700, 6000].map((size) => compress(codec, sample(kind, size, seed + size), 0, size)),
  )
  if (codec === 'zstd') ours.push(...SAMPLE_KINDS.map((kind) => compressZstdInTypeScript(sample(kind, 3000, seed))))
  const foreign = vectors(codec).map((vector) => new Uint8Array(Buffer.from(vector.base64, 'base64')))
  return [...ours, ...foreign.filter((bytes) => bytes.length < 3000)]
}

describe.each(decoders)('%s', (_name, codec, decode) => {
  const samples = originals(codec)

  it('every cut of valid data is refused or decodes to something bounded', () => {
    for (const bytes of samples) {
      const step = Math.max(1, Math.floor(bytes.length / (70 * FUZZ_SCALE)))
      for (let length = 0; length < bytes.length; length += step) {
        check(decode, bytes.slice(0, length), LIMIT, () => `cut at ${length}`)
      }
    }
  })

  it('flipped bits and foreign bytes are refused or decode to something bounded', () => {
    const random = mulberry32(seed)
    const below = (limit: number): number => Math.floor(random() * limit)
    for (let round = 0; round < 1000 * FUZZ_SCALE; round++) {
      const bytes = samples[below(samples.length)]!.slice()
      // Headers are where the decisions are: half of the damage goes to the first 40 bytes.
      for (let count = 1 + below(3); count > 0; count--) {
        const position = below(random() < 0.5 ? Math.min(40, bytes.length) : bytes.length)
        if (random() < 0.5) bytes[position]! ^= 1 << below(8)
        else bytes[position] = [0, 0xff, 0x7f, 0x80, below(256)][below(5)]!
      }
      check(decode, bytes, below(2) === 0 ? LIMIT : below(2000), () => `round ${round}`)
    }
  })

  it('noise behind a valid beginning is refused or decodes to something bounded', () => {
    const random = mulberry32(seed + 1)
    const below = (limit: number): number => Math.floor(random() * limit)
    for (let round = 0; round < 1000 * FUZZ_SCALE; round++) {
      const original = samples[below(samples.length)]!
      const bytes = sample(random() < 0.5 ? 'random' : 'skewed', below(400), seed + round)
      bytes.set(original.subarray(0, below(Math.min(original.length, bytes.length) + 1)))
      check(decode, bytes, LIMIT, () => `round ${round}`)
    }
  })

  it('parts of valid data put together wrongly are refused or decode to something bounded', () => {
    const random = mulberry32(seed + 2)
    const below = (limit: number): number => Math.floor(random() * limit)
    for (let round = 0; round < 400 * FUZZ_SCALE; round++) {
      const [one, other] = [samples[below(samples.length)]!, samples[below(samples.length)]!]
      const head = one.subarray(0, below(one.length + 1))
      const tail = other.subarray(below(other.length + 1))
      check(decode, new Uint8Array(Buffer.concat([head, tail])), LIMIT, () => `round ${round}`)
    }
  })
})

describe('bombs', () => {
  const MIB = 1 << 20
  const repeated = (part: Uint8Array, size: number): Uint8Array => {
    const bytes = new Uint8Array(Math.floor(size / part.length) * part.length)
    for (let at = 0; at < bytes.length; at += part.length) bytes.set(part, at)
    return bytes
  }
  const u32 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
  const zeros = (size: number): Uint8Array => new Uint8Array(size)
  const lz4Block = Uint8Array.of(0x1f, 0, 1, 0, ...new Array<number>(16_400).fill(255), 0, 0x50, 0, 0, 0, 0, 0)
  const lz4Frame = Buffer.concat([
    Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73),
    repeated(new Uint8Array([...u32(lz4Block.length), ...lz4Block]), MIB),
    Uint8Array.from(u32(0)),
  ])
  const snappyBlock = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 8, 0, 0, ...new Array<number>(3 * 1000).fill(0xfe))
  const zstdRle = Uint8Array.of(2, 0, 0x10, 0) // 128 KiB out of four bytes.
  const zstdUnsized = (blocks: Uint8Array): Uint8Array =>
    Buffer.concat([Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x80), blocks, Uint8Array.of(1, 0, 0)])

  const bombs: [
    name: string,
    codec: CompressionName,
    bytes: Uint8Array,
    error: typeof CorruptRecordError | typeof RecordTooLargeError,
  ][] = [
    ['gzip, one member', 'gzip', gzipSync(zeros(256 * MIB)), RecordTooLargeError],
    ['gzip, many members', 'gzip', repeated(gzipSync(zeros(MIB)), MIB), RecordTooLargeError],
    ['snappy, honest', 'snappy', compress('snappy', zeros(64 * MIB), 0, 64 * MIB), RecordTooLargeError],
    ['snappy, a declared 2 GiB', 'snappy', snappyBlock, CorruptRecordError],
    ['lz4', 'lz4', lz4Frame, RecordTooLargeError],
    ['zstd, one frame', 'zstd', compressZstdInTypeScript(zeros(256 * MIB)), RecordTooLargeError],
    ['zstd, repeated blocks', 'zstd', zstdUnsized(repeated(zstdRle, MIB)), RecordTooLargeError],
  ]

  it.each(bombs)('%s: refused without the memory that it asks for', (_name, codec, bytes, error) => {
    expect(bytes.length).toBeLessThan(4 * MIB)
    const before = process.memoryUsage().arrayBuffers
    for (const [, decodedCodec, decode] of decoders) {
      if (decodedCodec !== codec) continue
      for (const limit of [0, 1000, 4 * MIB]) expect(() => decode(bytes, 0, bytes.length, limit)).toThrow(error)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MIB)
  })

  it('zstd, compressed blocks whose size nothing tells, are stopped at the limit', () => {
    const frame = compressZstdInTypeScript(zeros(MIB)) // Eight blocks of 128 KiB, the size in front.
    const blocks = frame.subarray(9).slice()
    let position = 0
    for (let last = false; !last;) {
      const header = blocks[position]! | (blocks[position + 1]! << 8) | (blocks[position + 2]! << 16)
      last = (header & 1) === 1
      blocks[position]! &= 0xfe
      position += 3 + (header >>> 3)
    }
    const bomb = zstdUnsized(repeated(blocks, MIB))
    for (const [, codec, decode] of decoders) {
      if (codec === 'zstd') expect(() => decode(bomb, 0, bomb.length, 4 * MIB)).toThrow(RecordTooLargeError)
    }
  })
})

describe.runIf(FUZZ_SCALE > 1)('after 2 GiB', () => {
  it.each<[name: string, encode: (bytes: Uint8Array) => Uint8Array]>([
    ['snappy', (bytes) => compress('snappy', bytes, 0, bytes.length)],
    ['lz4', (bytes) => compress('lz4', bytes, 0, bytes.length)],
    ['zstd in TypeScript', compressZstdInTypeScript],
  ])('%s still finds matches: its positions have begun anew', (_name, encode) => {
    const bytes = sample('json', 3000, seed)
    const expected = encode(bytes)
    const zeros = new Uint8Array(1 << 25)
    for (let count = 0; count < 66; count++) encode(zeros)
    expect(Buffer.compare(encode(bytes), expected)).toBe(0)
  })
})
