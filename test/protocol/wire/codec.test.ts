import { describe, expect, it } from 'vitest'
import { ZERO_UUID } from '../../../src/base/uuid.ts'
import { compileStruct } from '../../../src/protocol/wire/codec.ts'
import * as schema from '../../../src/protocol/wire/schema.ts'
import {
  array,
  bytes,
  type Fields,
  int16,
  int32,
  int8,
  records,
  string,
  struct,
} from '../../../src/protocol/wire/schema.ts'
import { WireFormatError } from '../../../src/protocol/wire/wire-error.ts'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'
import { mulberry32, testSeed } from '../../random.ts'

const FLEXIBLE = true

function encode(fields: Fields, value: unknown, version = 0, isFlexible = false): string {
  const writer = new WireWriter()
  compileStruct(fields, version, isFlexible).write(writer, value)
  return Buffer.from(writer.finish()).toString('hex')
}

function decode(fields: Fields, hex: string, version = 0, isFlexible = false): Record<string, unknown> {
  const reader = new WireReader(Buffer.from(hex, 'hex'))
  const value = compileStruct(fields, version, isFlexible).read(reader)
  expect(reader.remainingBytes).toBe(0)
  return value
}

describe('a struct', () => {
  it('is its fields in order, and an empty tag section in flexible versions', () => {
    const fields = { one: int8(), two: string(), three: array(int16()) }
    const value = { one: 1, two: 'ab', three: [3, -1] }
    expect(encode(fields, value)).toBe('01' + '00026162' + '000000020003ffff')
    expect(encode(fields, value, 0, FLEXIBLE)).toBe('01' + '036162' + '030003ffff' + '00')
    expect(decode(fields, encode(fields, value))).toEqual(value)
    expect(decode(fields, encode(fields, value, 0, FLEXIBLE), 0, FLEXIBLE)).toEqual(value)
  })

  it('writes the default of what is left out', () => {
    const fields = {
      number: int32({ default: -1 }),
      text: string(),
      list: array(string()),
      inner: struct({ epoch: int8({ default: -1 }), name: string() }),
      nothing: string({ nullableSince: 0, default: null }),
      maybe: string({ nullableSince: 0 }),
      data: bytes(),
      batches: records({ nullableSince: 0 }),
      flag: schema.boolean({ default: true }),
      id: schema.uuid(),
    }
    expect(decode(fields, encode(fields, {}))).toEqual({
      number: -1,
      text: '',
      list: [],
      inner: { epoch: -1, name: '' },
      nothing: null,
      maybe: '',
      data: Buffer.alloc(0),
      batches: null,
      flag: true,
      id: ZERO_UUID,
    })
  })

  it('that may be null has a byte before it', () => {
    const fields = { cursor: struct({ topic: int8() }, { nullableSince: 1, default: null }) }
    expect(encode(fields, { cursor: { topic: 5 } }, 0)).toBe('05')
    expect(encode(fields, { cursor: { topic: 5 } }, 1)).toBe('0105')
    expect(encode(fields, { cursor: null }, 1)).toBe('ff')
    expect(encode(fields, {}, 1)).toBe('ff')
    expect(decode(fields, 'ff', 1)).toEqual({ cursor: null })
    expect(decode(fields, '0105', 1)).toEqual({ cursor: { topic: 5 } })
    expect(decode(fields, '05', 0)).toEqual({ cursor: { topic: 5 } })
  })
})

describe('null', () => {
  const fields = {
    text: string({ nullableSince: 1 }),
    data: bytes({ nullableSince: 1 }),
    list: array(int8(), { nullableSince: 1 }),
  }

  it('goes both ways from the version on that knows it', () => {
    const value = { text: null, data: null, list: null }
    expect(encode(fields, value, 1)).toBe('ffff' + 'ffffffff' + 'ffffffff')
    expect(decode(fields, encode(fields, value, 1), 1)).toEqual(value)
    expect(encode(fields, value, 1, FLEXIBLE)).toBe('00000000')
    expect(decode(fields, '00000000', 1, FLEXIBLE)).toEqual(value)
  })

  it.each(['text', 'data', 'list'])('is an error before it: %s', (name) => {
    expect(() => encode(fields, { [name]: null }, 0)).toThrow(WireFormatError)
    expect(() => encode(fields, { [name]: null }, 0, FLEXIBLE)).toThrow(WireFormatError)
    expect(() => decode({ [name]: fields[name as 'text'] }, 'ffffffff', 0)).toThrow(WireFormatError)
    expect(() => decode({ [name]: fields[name as 'text'] }, '0000', 0, FLEXIBLE)).toThrow(WireFormatError)
  })

  it('is never an element of an array', () => {
    expect(() => decode({ list: array(string()) }, '00000001ffff')).toThrow(WireFormatError)
  })
})

describe('a field that the version lacks', () => {
  const fields = {
    always: int8(),
    younger: int16({ since: 2, default: -1 }),
    older: string({ until: 1 }),
    polite: int32({ since: 2, ignorable: true }),
    inner: struct({ leader: int32({ default: -1 }) }, { since: 2 }),
    list: array(int8(), { since: 2 }),
  }

  it('has its default after decoding', () => {
    const expected = { always: 7, younger: -1, older: '', polite: 0, inner: { leader: -1 }, list: [] }
    expect(decode(fields, '07' + '0000', 0)).toEqual(expected)
    expect(decode(fields, '07' + '000161', 1)).toEqual({ ...expected, older: 'a' })
    expect(decode(fields, '07' + '0009' + '0000000a' + '0000000b' + '0000000101', 2)).toEqual({
      always: 7,
      younger: 9,
      older: '',
      polite: 10,
      inner: { leader: 11 },
      list: [1],
    })
  })

  it('may be set to its default, and to anything if it is ignorable', () => {
    const value = { always: 7, younger: -1, polite: 99, inner: { leader: -1 }, list: [] }
    expect(encode(fields, value, 0)).toBe('070000')
    expect(encode(fields, { always: 7, older: '' }, 2)).toBe('07ffff00000000ffffffff00000000')
  })

  it.each([
    ['younger', 5, 1],
    ['older', 'x', 2],
    ['inner', { leader: 1 }, 1],
    ['list', [1], 0],
  ])('is otherwise an error that names it: %s', (name, value, version) => {
    expect(() => encode(fields, { [name]: value }, version)).toThrow(WireFormatError)
    expect(() => encode(fields, { [name]: value }, version)).toThrow(name)
  })
})

describe('tagged fields', () => {
  const fields = {
    plain: int8(),
    third: array(int8(), { since: 1, tag: 3 }),
    first: int32({ since: 1, tag: 0, default: -1 }),
    second: struct({ epoch: int8({ default: -1 }) }, { since: 1, tag: 1 }),
    maybe: string({ since: 1, tag: 4, nullableSince: 0, default: null }),
  }
  const defaults = { third: [], first: -1, second: { epoch: -1 }, maybe: null }

  it('are left out when they are their default', () => {
    expect(encode(fields, { plain: 7 }, 1, FLEXIBLE)).toBe('0700')
    expect(encode(fields, { plain: 7, ...defaults }, 1, FLEXIBLE)).toBe('0700')
    expect(decode(fields, '0700', 1, FLEXIBLE)).toEqual({ plain: 7, ...defaults })
  })

  it('ascend by tag, each behind its size', () => {
    const value = { plain: 7, third: [9], first: 0, second: { epoch: 2 }, maybe: '' }
    const hex = '07' + '04' + '000400000000' + '01020200' + '03020209' + '040101'
    expect(encode(fields, value, 1, FLEXIBLE)).toBe(hex)
    expect(decode(fields, hex, 1, FLEXIBLE)).toEqual(value)
  })

  it('that are not known are skipped, between known ones too', () => {
    const hex = '07' + '03' + '000400000005' + '0203aabbcc' + '7f00'
    expect(decode(fields, hex, 1, FLEXIBLE)).toEqual({ plain: 7, ...defaults, first: 5 })
  })

  it('that a later version made longer are read as far as they are known', () => {
    expect(decode(fields, '07' + '01' + '000600000005' + 'ffff', 1, FLEXIBLE)['first']).toBe(5)
  })

  it('are refused out of order, twice, or larger than they say', () => {
    expect(() => decode(fields, '07' + '02' + '0100' + '000400000005', 1, FLEXIBLE)).toThrow(WireFormatError)
    expect(() => decode(fields, '07' + '02' + '000400000005' + '000400000005', 1, FLEXIBLE)).toThrow(WireFormatError)
    expect(() => decode(fields, '07' + '01' + '000300000005', 1, FLEXIBLE)).toThrow(WireFormatError)
    expect(() => decode(fields, '07' + '01' + '0506aabb', 1, FLEXIBLE)).toThrow(WireFormatError)
  })

  it('of a hostile count are refused', () => {
    expect(() => decode(fields, '07' + 'ffffffff0f', 1, FLEXIBLE)).toThrow('tagged fields')
  })

  it('are plain fields before tagSince', () => {
    const moved = { name: string({ nullableSince: 0, default: null, tag: 0, tagSince: 1 }) }
    expect(encode(moved, { name: 'a' }, 0)).toBe('000161')
    expect(encode(moved, { name: 'a' }, 1, FLEXIBLE)).toBe('0100020261')
  })
})

describe('counts that lie', () => {
  it.each([
    ['an array of numbers', { list: array(int32()) }],
    ['an array of structs', { list: array({ name: string(), list: array(int8()) }) }],
    ['a string', { text: string() }],
    ['bytes', { data: bytes() }],
    ['records', { data: records() }],
  ])('%s: a few bytes claim gigabytes, and are refused at once', (_name, fields) => {
    const startedBytes = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
    for (const hex of ['7fffffff00000000', '7fff000000000000', '40000000' + '00'.repeat(1000)]) {
      expect(() => decode(fields, hex)).toThrow(WireFormatError)
    }
    expect(() => decode(fields, 'ffffffff0f00', 0, FLEXIBLE)).toThrow(WireFormatError)
    expect(() => decode(fields, 'ffffffff07' + '00'.repeat(1000), 0, FLEXIBLE)).toThrow(WireFormatError)
    const usedBytes = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - startedBytes
    expect(usedBytes).toBeLessThan(50e6)
  })

  it('an array of structs without a single byte each is still bounded', () => {
    expect(() => decode({ list: array({}) }, '00000005')).toThrow(WireFormatError)
  })
})

describe('records', () => {
  const fields = { before: int8(), data: records({ nullableSince: 0 }), after: int8() }

  it('may be elsewhere: their length is written, not their bytes', () => {
    for (const [isFlexible, length] of [
      [false, [0, 0, 1, 0]],
      [true, [0x81, 2]],
    ] as const) {
      const writer = new WireWriter()
      const external = { sizeBytes: 256 }
      compileStruct(fields, 0, isFlexible).write(writer, { before: 1, data: external, after: 2 })
      const tags = isFlexible ? [0] : []
      expect(writer.pieces()).toEqual([new Uint8Array([1, ...length]), external, new Uint8Array([2, ...tags])])
    }
  })

  it('are a view of the frame when decoded', () => {
    const frame = Buffer.from('01' + '00000002' + 'aabb' + '02', 'hex')
    const { data } = compileStruct(fields, 0, false).read(new WireReader(frame)) as { data: Uint8Array }
    expect(data.buffer).toBe(frame.buffer)
    expect([...data]).toEqual([0xaa, 0xbb])
  })
})

/** One of everything, nested. */
const ZOO = {
  int8: int8(),
  int16: int16(),
  uint16: schema.uint16(),
  int32: int32(),
  uint32: schema.uint32(),
  int64: schema.int64(),
  float64: schema.float64(),
  boolean: schema.boolean(),
  uuid: schema.uuid(),
  string: string(),
  bytes: bytes({ nullableSince: 0 }),
  records: records({ nullableSince: 0 }),
  strings: array(string(), { nullableSince: 0 }),
  structs: array({ name: string({ nullableSince: 0 }), parts: array({ index: int32(), data: bytes() }) }),
  cursor: struct({ topic: string(), partition: int32() }, { nullableSince: 0, default: null }),
}
const TAGGED = {
  ...ZOO,
  tagged: array({ id: schema.uuid(), name: string() }, { tag: 0 }),
  taggedStruct: struct({ epoch: int32({ default: -1 }) }, { tag: 2 }),
}
const ANIMALS = {
  int8: -1,
  int16: 300,
  uint16: 65535,
  int32: -70000,
  uint32: 4e9,
  int64: 2 ** 40 + 1,
  float64: 0.25,
  boolean: true,
  uuid: 'abcdefghijklmnopqrstuA',
  string: 'řeka',
  bytes: Buffer.from([1, 2, 3]),
  records: Buffer.from([4, 5]),
  strings: ['a', '', 'bc'],
  structs: [
    { name: null, parts: [{ index: 1, data: Buffer.alloc(0) }] },
    { name: 'x', parts: [] },
  ],
  cursor: { topic: 't', partition: 3 },
}
const TAGGED_ANIMALS = { ...ANIMALS, tagged: [{ id: ZERO_UUID, name: 'n' }], taggedStruct: { epoch: 4 } }
const KINDS: [name: string, fields: Fields, value: unknown, isFlexible: boolean][] = [
  ['an old version', ZOO, ANIMALS, false],
  ['a flexible version', TAGGED, TAGGED_ANIMALS, true],
]

describe.each(KINDS)('every type together, in %s,', (_name, fields, value, isFlexible) => {
  const frame = Buffer.from(encode(fields, value, 0, isFlexible), 'hex')
  const codec = compileStruct(fields, 0, isFlexible)
  const seed = testSeed()

  /** Returns whether the bytes were a message; fails for any error but the one that may be. */
  function isMessage(given: Uint8Array): boolean {
    try {
      codec.read(new WireReader(given))
      return true
    } catch (error) {
      if (error instanceof WireFormatError) return false
      throw new Error(`SEED=${seed} bytes=${Buffer.from(given).toString('hex')}`, { cause: error })
    }
  }

  it('comes back as it was', () => {
    expect(decode(fields, frame.toString('hex'), 0, isFlexible)).toEqual(value)
  })

  it('cut at any byte is a WireFormatError', () => {
    for (let length = 0; length < frame.length; length++) {
      expect(isMessage(frame.subarray(0, length)), `length=${length}`).toBe(false)
    }
    expect(isMessage(frame)).toBe(true)
  })

  it(`with bytes changed at random is a message or a WireFormatError (SEED=${seed})`, () => {
    const random = mulberry32(seed)
    const draw = (limit: number): number => Math.floor(random() * limit)
    let refused = 0
    for (let i = 0; i < 20_000; i++) {
      const mutant = Buffer.from(frame)
      for (let changes = 1 + draw(3); changes > 0; changes--) mutant[draw(mutant.length)] = draw(256)
      if (!isMessage(mutant)) refused += 1
    }
    expect(refused).toBeGreaterThan(100)
  })

  it(`random bytes are a message or a WireFormatError (SEED=${seed})`, () => {
    const random = mulberry32(seed + 1)
    for (let i = 0; i < 20_000; i++) {
      const length = Math.floor(random() * 200)
      isMessage(Uint8Array.from({ length }, () => Math.floor(random() * 256)))
    }
  })
})
