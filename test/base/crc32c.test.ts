/** CRC-32C: every implementation against a bitwise one, the vectors of RFC 3720 B.4, and another library. */
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { crc32c, crc32cImplementation, crc32cJs, createCrc32cWasm, type Crc32c } from '../../src/base/crc32c.ts'
import { native } from '../../src/base/native.ts'
import { mulberry32, testSeed } from '../random.ts'

const seed = testSeed()
console.log(`CRC-32C: SEED=${seed}`)

function bitwise(bytes: Uint8Array, start: number, end: number, initial: number): number {
  let state = ~initial
  for (let position = start; position < end; position++) {
    state ^= bytes[position]!
    for (let bit = 0; bit < 8; bit++) state = (state & 1) === 1 ? (state >>> 1) ^ 0x82f63b78 : state >>> 1
  }
  return ~state >>> 0
}

const wasm = createCrc32cWasm()
if (wasm === undefined) throw new Error('this Node has no WebAssembly')

const implementations: [string, Crc32c][] = [
  ['chosen', crc32c],
  ['js', crc32cJs],
  ['wasm', wasm],
]
if (native !== undefined) implementations.push(['native', native.crc32c])
else console.warn('LEFT OUT: CRC-32C of the addon, which is not loaded')

const rfc3720 = [
  { name: '32 zeros', bytes: new Uint8Array(32), crc: 0x8a9136aa },
  { name: '32 bytes of 0xff', bytes: new Uint8Array(32).fill(0xff), crc: 0x62a8ab43 },
  { name: '0x00 to 0x1f', bytes: Uint8Array.from({ length: 32 }, (_, index) => index), crc: 0x46dd794e },
  { name: '0x1f to 0x00', bytes: Uint8Array.from({ length: 32 }, (_, index) => 31 - index), crc: 0x113fdb5c },
  {
    name: 'an iSCSI read command',
    bytes: Uint8Array.from(
      Buffer.from(
        '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '02000000' + '00000000',
        'hex',
      ),
    ),
    crc: 0xd9963a56,
  },
  { name: 'the check value', bytes: Uint8Array.from(Buffer.from('123456789')), crc: 0xe3069283 },
]

describe.each(implementations)('%s', (_name, implementation) => {
  it.each(rfc3720)('gives the published value of $name', ({ bytes, crc }) => {
    expect(implementation(bytes, 0, bytes.length, 0)).toBe(crc)
  })

  it('equals the bitwise CRC at random lengths, alignments and seeds', () => {
    const next = mulberry32(seed)
    const bytes = new Uint8Array(70_000).map(() => next() * 256)
    // Around the sizes at which an implementation changes its way: words, streams of 256 and 4096, WASM chunks.
    const edges = [0, 8, 16, 64, 256, 768, 1024, 4096, 12_288, 13_056, 24_576, 32_768, 65_536]
    for (let round = 0; round < 2_000; round++) {
      const edge = round < 300 ? edges[Math.floor(next() * edges.length)]! + Math.floor(next() * 35) - 17 : next() * 200
      const length = Math.max(0, Math.floor(edge))
      const start = Math.floor(next() * Math.min(64, bytes.length - length))
      const initial = next() < 0.3 ? 0 : Math.floor(next() * 2 ** 32)
      const expected = bitwise(bytes, start, start + length, initial)
      expect(
        implementation(bytes, start, start + length, initial),
        `SEED=${seed} start=${start} length=${length}`,
      ).toBe(expected)
    }
  })

  it('continues from the CRC of the bytes before', () => {
    const next = mulberry32(seed)
    const bytes = new Uint8Array(5_000).map(() => next() * 256)
    const whole = implementation(bytes, 3, 4_990, 0)
    for (let round = 0; round < 200; round++) {
      const middle = 3 + Math.floor(next() * 4_987)
      expect(implementation(bytes, middle, 4_990, implementation(bytes, 3, middle, 0))).toBe(whole)
    }
  })

  it('reads shared memory, views at an offset, and Buffers alike', () => {
    const next = mulberry32(seed)
    const shared = new Uint8Array(new SharedArrayBuffer(9_000)).map(() => next() * 256)
    const inShared = new Uint8Array(new SharedArrayBuffer(9_100), 77, 9_000)
    inShared.set(shared)
    const expected = bitwise(shared, 10, 8_999, 0)
    expect(implementation(inShared, 10, 8_999, 0)).toBe(expected)
    expect(implementation(Buffer.from(shared), 10, 8_999, 0)).toBe(expected)
  })
})

it('is what fast-crc32c computes', () => {
  const other = createRequire(import.meta.url)('fast-crc32c') as { calculate(bytes: Uint8Array, seed?: number): number }
  const next = mulberry32(seed)
  for (const length of [0, 1, 9, 63, 64, 65, 1_000, 100_000]) {
    const bytes = Buffer.alloc(length).map(() => next() * 256)
    expect(crc32c(bytes, 0, length)).toBe(other.calculate(Buffer.from(bytes)) >>> 0)
  }
})

it('takes a seed of 0 when none is given', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
})

it('refuses a range outside the bytes', () => {
  const bytes = new Uint8Array(100)
  for (const [start, end] of [
    [-1, 10],
    [0, 101],
    [60, 50],
    [Number.NaN, 10],
  ] as const) {
    expect(() => crc32c(bytes, start, end)).toThrow(AssertionFailed)
  }
})

it('says which implementation is live', () => {
  expect(crc32cImplementation()).toBe(native !== undefined ? 'native' : 'wasm')
})
