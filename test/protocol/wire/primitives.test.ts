import { describe, expect, it } from 'vitest'
import { ZERO_UUID } from '../../../src/base/uuid.ts'
import { WireFormatError } from '../../../src/protocol/wire/wire-error.ts'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'
import { AssertionFailed } from '../../../src/base/assert.ts'

function written(write: (writer: WireWriter) => void): string {
  const writer = new WireWriter(1) // Every write has to grow it.
  write(writer)
  return Buffer.from(writer.finish()).toString('hex')
}

function reading(hex: string): WireReader {
  return new WireReader(Buffer.from(hex, 'hex'))
}

type NumberKind = 'int8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'float64' | 'unsignedVarint'

const EDGES: [kind: NumberKind, value: number, hex: string][] = [
  ['int8', 0, '00'],
  ['int8', 127, '7f'],
  ['int8', -1, 'ff'],
  ['int8', -128, '80'],
  ['int16', 32767, '7fff'],
  ['int16', -32768, '8000'],
  ['uint16', 65535, 'ffff'],
  ['int32', 2 ** 31 - 1, '7fffffff'],
  ['int32', -(2 ** 31), '80000000'],
  ['uint32', 2 ** 32 - 1, 'ffffffff'],
  ['int64', 1, '0000000000000001'],
  ['int64', -1, 'ffffffffffffffff'],
  ['int64', 2 ** 32, '0000000100000000'],
  ['int64', -(2 ** 32) - 1, 'fffffffeffffffff'],
  ['int64', Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
  ['int64', Number.MIN_SAFE_INTEGER, 'ffe0000000000001'],
  ['float64', 0.1, '3fb999999999999a'],
  ['float64', -0, '8000000000000000'],
  ['float64', Infinity, '7ff0000000000000'],
  ['float64', NaN, '7ff8000000000000'],
  ['unsignedVarint', 0, '00'],
  ['unsignedVarint', 127, '7f'],
  ['unsignedVarint', 128, '8001'],
  ['unsignedVarint', 16383, 'ff7f'],
  ['unsignedVarint', 16384, '808001'],
  ['unsignedVarint', 2 ** 21, '80808001'],
  ['unsignedVarint', 2 ** 28 - 1, 'ffffff7f'],
  ['unsignedVarint', 2 ** 28, '8080808001'],
  ['unsignedVarint', 2 ** 32 - 1, 'ffffffff0f'],
]

describe('numbers', () => {
  it.each(EDGES)('%s %d is %s, both ways', (kind, value, hex) => {
    expect(written((writer) => writer[kind](value))).toBe(hex)
    const reader = reading(hex)
    expect(reader[kind]()).toBe(value)
    expect(reader.remainingBytes).toBe(0)
  })

  it('an int64 beyond the safe integers is read to the nearest number', () => {
    expect(reading('7fffffffffffffff').int64()).toBe(2 ** 63)
    expect(reading('8000000000000000').int64()).toBe(-(2 ** 63))
  })

  it('and is not written: an answer that repeats it would change it', () => {
    for (const value of [2 ** 53, -(2 ** 53), 2 ** 63, 0.5, NaN]) {
      expect(() => new WireWriter().int64(value)).toThrow(WireFormatError)
    }
  })

  const OUTSIDE: [kind: NumberKind, value: number][] = [
    ['int8', 128],
    ['int8', -129],
    ['int16', 32768],
    ['uint16', -1],
    ['uint16', 65536],
    ['int32', 2 ** 31],
    ['int32', 1.5],
    ['int32', NaN],
    ['uint32', 2 ** 32],
    ['uint32', -1],
    ['unsignedVarint', 2 ** 32],
    ['unsignedVarint', -1],
  ]
  it.each(OUTSIDE)('%s does not write %d as something else', (kind, value) => {
    expect(() => new WireWriter()[kind](value)).toThrow(AssertionFailed)
  })

  it('a varint of more than 32 bits, or that does not end, is refused', () => {
    for (const hex of ['ffffffff10', 'ffffffffff', '8080808080', '808080808001', '80', '']) {
      expect(() => reading(hex).unsignedVarint(), hex).toThrow(WireFormatError)
    }
  })

  it('any byte but 0 is true', () => {
    expect(['00', '01', 'ff'].map((hex) => reading(hex).boolean())).toEqual([false, true, true])
    expect(written((writer) => [true, false].forEach((value) => writer.boolean(value)))).toBe('0100')
  })
})

describe('strings and bytes', () => {
  const TEXTS: [text: string, hex: string][] = [
    ['', ''],
    ['a', '61'],
    ['vltava ř', '766c7461766120c599'],
    ['😀', 'f09f9880'],
    ['a\0b', '610062'],
  ]
  it.each(TEXTS)('%j is UTF-8 behind its length', (text, hex) => {
    const bytes = hex.length / 2
    const int16Length = bytes.toString(16).padStart(4, '0')
    const compactLength = (bytes + 1).toString(16).padStart(2, '0')
    expect(written((writer) => writer.string(text, false))).toBe(int16Length + hex)
    expect(written((writer) => writer.string(text, true))).toBe(compactLength + hex)
    const [old, compact] = [reading(int16Length + hex), reading(compactLength + hex)]
    expect(old.text(old.stringLength(false))).toBe(text)
    expect(compact.text(compact.stringLength(true))).toBe(text)
  })

  it('null is a length of -1, or a compact length of 0', () => {
    expect(written((writer) => writer.string(null, false))).toBe('ffff')
    expect(written((writer) => writer.string(null, true))).toBe('00')
    expect(written((writer) => writer.bytes(null, false))).toBe('ffffffff')
    expect(written((writer) => writer.bytes(null, true))).toBe('00')
    expect(reading('ffff').stringLength(false)).toBe(-1)
    expect(reading('00').stringLength(true)).toBe(-1)
    expect(reading('ffffffff').bytesLength(false)).toBe(-1)
    expect(reading('00').bytesLength(true)).toBe(-1)
  })

  it('a string has at most 32767 bytes, in flexible versions too', () => {
    const longest = 'x'.repeat(32767)
    for (const isFlexible of [false, true]) {
      const writer = new WireWriter()
      writer.string(longest, isFlexible)
      const reader = new WireReader(writer.finish())
      expect(reader.text(reader.stringLength(isFlexible))).toBe(longest)
      expect(() => new WireWriter().string(longest + 'x', isFlexible)).toThrow(WireFormatError)
      expect(() => new WireWriter().string('ř'.repeat(16384), isFlexible)).toThrow(WireFormatError)
    }
    const tooLong = new WireWriter()
    tooLong.bytes(new Uint8Array(32768), true)
    expect(() => new WireReader(tooLong.finish()).stringLength(true)).toThrow(WireFormatError)
  })

  it('bytes are a view of the frame, not a copy', () => {
    const frame = Buffer.from('0401020305', 'hex')
    const reader = new WireReader(frame)
    const view = reader.subarray(reader.bytesLength(true))
    expect([...view]).toEqual([1, 2, 3])
    frame[1] = 9
    expect(view[0]).toBe(9)
  })

  it('text is read from shared memory, and from the middle of a buffer', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(8))
    shared.set(Buffer.from('xx\0\x03abcx'))
    const reader = new WireReader(shared.subarray(1), 1, 6)
    expect(reader.text(reader.stringLength(false))).toBe('abc')
    expect(reader.remainingBytes).toBe(0)
  })
})

describe('UUIDs', () => {
  it('are 16 bytes, and 22 characters', () => {
    const hex = '00112233445566778899aabbccddeeff'
    const text = Buffer.from(hex, 'hex').toString('base64url')
    expect(reading(hex).uuid()).toBe(text)
    expect(written((writer) => writer.uuid(text))).toBe(hex)
    expect(written((writer) => writer.uuid(ZERO_UUID))).toBe('00'.repeat(16))
  })

  it('of any other form are not written', () => {
    for (const text of ['', 'A', 'A'.repeat(23), 'A'.repeat(21) + '+', 'A'.repeat(21) + 'B']) {
      expect(() => new WireWriter().uuid(text), text).toThrow(WireFormatError)
    }
  })
})

describe('the end of a frame', () => {
  const READS: [name: string, bytes: number, read: (reader: WireReader) => unknown][] = [
    ['int8', 1, (reader) => reader.int8()],
    ['int16', 2, (reader) => reader.int16()],
    ['uint16', 2, (reader) => reader.uint16()],
    ['int32', 4, (reader) => reader.int32()],
    ['uint32', 4, (reader) => reader.uint32()],
    ['int64', 8, (reader) => reader.int64()],
    ['float64', 8, (reader) => reader.float64()],
    ['boolean', 1, (reader) => reader.boolean()],
    ['uuid', 16, (reader) => reader.uuid()],
    ['text', 3, (reader) => reader.text(3)],
    ['subarray', 3, (reader) => reader.subarray(3)],
  ]
  it.each(READS)('%s takes %d bytes and never one behind it', (_name, size, read) => {
    const bytes = new Uint8Array(64)
    const fits = new WireReader(bytes, 5, 5 + size)
    read(fits)
    expect(fits.position).toBe(5 + size)
    for (let left = 0; left < size; left++) {
      expect(() => read(new WireReader(bytes, 5, 5 + left))).toThrow(WireFormatError)
    }
  })
})

describe('counts', () => {
  it('are refused if the frame is too short for them', () => {
    expect(reading('00000003aabbcc').arrayLength(false, 1)).toBe(3)
    expect(() => reading('00000003aabb').arrayLength(false, 1)).toThrow(WireFormatError)
    expect(() => reading('00000003aabbcc').arrayLength(false, 2)).toThrow(WireFormatError)
    expect(() => reading('7fffffff').arrayLength(false, 1)).toThrow(WireFormatError)
    expect(() => reading('ffffffff0f').arrayLength(true, 1)).toThrow(WireFormatError)
    expect(reading('ffffffff').arrayLength(false, 1)).toBe(-1)
    expect(reading('80000000').arrayLength(false, 1)).toBe(-1)
  })

  it('of all arrays of a message together are at most a million', () => {
    const bytes = new Uint8Array(3_000_000)
    const counts = new DataView(bytes.buffer)
    counts.setInt32(0, 600_000)
    counts.setInt32(4, 400_000)
    counts.setInt32(8, 1)
    const reader = new WireReader(bytes)
    expect([reader.arrayLength(false, 1), reader.arrayLength(false, 1)]).toEqual([600_000, 400_000])
    expect(() => reader.arrayLength(false, 1)).toThrow(WireFormatError)
  })
})

describe('external bytes', () => {
  it('stand where they were written, between pieces of memory', () => {
    const writer = new WireWriter()
    const [first, second, third] = [{ sizeBytes: 7 }, { sizeBytes: 5 }, { sizeBytes: 1 }]
    writer.external(first)
    writer.int16(1)
    writer.external(second)
    writer.external(third)
    writer.int8(2)
    expect(writer.pieces()).toEqual([first, new Uint8Array([0, 1]), second, third, new Uint8Array([2])])
    expect(writer.sizeBytes).toBe(7 + 2 + 5 + 1 + 1)
    expect(writer.position).toBe(3)
    expect(() => writer.finish()).toThrow(AssertionFailed)
  })

  it('are not needed: pieces is then one, or none', () => {
    const writer = new WireWriter()
    expect(writer.pieces()).toEqual([])
    writer.int8(1)
    expect(writer.pieces()).toEqual([new Uint8Array([1])])
  })

  it('do not move a length that is patched later', () => {
    const writer = new WireWriter(1)
    const at = writer.claim(4)
    writer.external({ sizeBytes: 100 })
    for (let i = 0; i < 100; i++) writer.int8(i)
    writer.patchInt32(at, writer.sizeBytes - 4)
    const [length] = writer.pieces() as Uint8Array[]
    expect([...length!]).toEqual([0, 0, 0, 200])
  })
})
