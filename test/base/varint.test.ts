/** Zigzag varints, against an encoder over BigInt that is written down here. */
import { describe, expect, it } from 'vitest'
import { CorruptRecordError } from '../../src/base/errors.ts'
import { sizeOfVarint, sizeOfVarlong, VarintCursor, writeVarint, writeVarlong } from '../../src/base/varint.ts'
import { mulberry32, testSeed } from '../random.ts'

/** Protobuf's zigzag encoding of an integer of any size. */
function reference(value: bigint): number[] {
  let zigzag = value >= 0n ? value * 2n : -value * 2n - 1n
  const bytes: number[] = []
  while (zigzag >= 0x80n) {
    bytes.push(Number(zigzag & 0x7fn) | 0x80)
    zigzag >>= 7n
  }
  bytes.push(Number(zigzag))
  return bytes
}

const around = (center: number): number[] => [-2, -1, 0, 1, 2].map((d) => center + d)
const INT32 = [0, 6, 7, 13, 14, 20, 21, 27, 28, 30, 31]
  .flatMap((bit) => [...around(2 ** bit), ...around(-(2 ** bit))])
  .filter((value) => value === (value | 0))
const INT64 = [
  ...INT32,
  ...[31, 32, 34, 41, 48, 51, 52, 53].flatMap((bit) => [...around(2 ** bit), ...around(-(2 ** bit))]),
].filter(Number.isSafeInteger)

function written(write: typeof writeVarint, value: number): number[] {
  const bytes = new Uint8Array(24).fill(0xee)
  const end = write(bytes, 3, value)
  expect([...bytes.subarray(0, 3), ...bytes.subarray(end)].every((byte) => byte === 0xee)).toBe(true)
  return [...bytes.subarray(3, end)]
}

describe('a varint', () => {
  it.each([...new Set(INT32)])('of %d is written, measured and read as the reference does', (value) => {
    const expected = reference(BigInt(value))
    expect(written(writeVarint, value)).toEqual(expected)
    expect(sizeOfVarint(value)).toBe(expected.length)
    const cursor = new VarintCursor(Uint8Array.from([0xff, ...expected, 0xff]), 1, 1 + expected.length)
    expect(cursor.readVarint()).toBe(value)
    expect(cursor.position).toBe(1 + expected.length)
  })

  it('longer than 32 bits is refused, at once or by its sixth byte', () => {
    for (const bytes of [[0xff, 0xff, 0xff, 0xff, 0x10], [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], reference(2n ** 31n)]) {
      expect(() => new VarintCursor(Uint8Array.from(bytes)).readVarint()).toThrow(CorruptRecordError)
    }
  })

  it('in more bytes than it needs is read all the same', () => {
    const cursor = new VarintCursor(Uint8Array.from([0x84, 0x80, 0x80, 0x00]))
    expect(cursor.readVarint()).toBe(2)
    expect(cursor.position).toBe(4)
  })
})

describe('a varlong', () => {
  it.each([...new Set(INT64)])('of %d is written, measured and read as the reference does', (value) => {
    const expected = reference(BigInt(value))
    expect(written(writeVarlong, value)).toEqual(expected)
    expect(sizeOfVarlong(value)).toBe(expected.length)
    const cursor = new VarintCursor(Uint8Array.from([0xff, ...expected, 0xff]), 1, 1 + expected.length)
    expect(cursor.readVarlong()).toBe(value)
    expect(cursor.position).toBe(1 + expected.length)
  })

  it.each([2n ** 53n, -(2n ** 53n), 2n ** 62n, -(2n ** 63n), 2n ** 63n - 1n])(
    'of %d, beyond the safe integers, is refused and the cursor stays',
    (value) => {
      const cursor = new VarintCursor(Uint8Array.from(reference(value)))
      expect(() => cursor.readVarlong()).toThrow(CorruptRecordError)
      expect(cursor.position).toBe(0)
    },
  )

  it('of eleven bytes is refused', () => {
    const bytes = Uint8Array.from([...Array.from({ length: 10 }, () => 0x80), 0])
    expect(() => new VarintCursor(bytes).readVarlong()).toThrow(CorruptRecordError)
  })

  it('of random size agrees with the reference', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    for (let i = 0; i < 3000; i++) {
      const magnitude = Math.floor(random() * 2 ** Math.floor(random() * 54))
      const value = random() < 0.5 ? magnitude : 0 - magnitude
      const expected = reference(BigInt(value))
      expect(written(writeVarlong, value), `SEED=${seed} value=${value}`).toEqual(expected)
      expect(new VarintCursor(Uint8Array.from(expected)).readVarlong() + 0, `SEED=${seed}`).toBe(value + 0)
    }
  })
})

describe('a cursor', () => {
  it('reads no byte behind its end', () => {
    for (const read of ['readVarint', 'readVarlong'] as const) {
      for (const value of [1, 64, 8192, 2 ** 30]) {
        const bytes = reference(BigInt(value))
        for (let end = 0; end < bytes.length; end++) {
          const seen: number[] = []
          const guarded = new Proxy(Uint8Array.from(bytes), {
            get(target, name) {
              if (typeof name === 'string' && /^\d+$/.test(name)) seen.push(Number(name))
              const value: unknown = Reflect.get(target, name, target)
              return value
            },
          })
          const cursor = new VarintCursor(guarded, 0, end)
          expect(() => cursor[read]()).toThrow(CorruptRecordError)
          expect(cursor.position).toBe(0)
          expect(seen.every((index) => index < end)).toBe(true)
        }
      }
    }
  })
})
