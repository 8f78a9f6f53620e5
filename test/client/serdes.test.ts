/** Serdes: what goes in comes out, what cannot is a SERIALIZATION error, and nobody else's memory is touched. */
import { Packr, pack } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { VltavaError } from '../../src/base/errors.ts'
import { checkMsgpack } from '../../src/client/msgpack-check.ts'
import { resolveSerde, serdes, serializationError, type Serde, type SizedSerde } from '../../src/client/serdes.ts'
import { mulberry32, testSeed } from '../random.ts'

const seed = testSeed()
console.log(`serdes: SEED=${seed}`)

const FUZZ_SCALE = Number(process.env['FUZZ_SCALE'] ?? 1)
const TEXTS = [
  '',
  'a',
  'twelve chars',
  'thirteen chars',
  'ž',
  'elevenčhar',
  '💧'.repeat(5),
  'x'.repeat(300),
  '\0\x7f\x80',
]

const inShared = (bytes: Uint8Array): Uint8Array => {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 7), 3, bytes.length)
  shared.set(bytes)
  return shared
}

/** The error that `body` throws, which must be a typed one. */
function failure(body: () => unknown): VltavaError {
  try {
    body()
  } catch (error) {
    if (error instanceof VltavaError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Writes in place, between two fences, into shared and into plain memory and into a Buffer. */
function writeInPlace<T>(serde: SizedSerde<T>, value: T): void {
  const expected = serde.serialize(value)
  const size = serde.sizeOf(value)
  expect(size).toBe(expected.length)
  const targets = [
    new Uint8Array(new SharedArrayBuffer(size + 20), 5, size + 10),
    new Uint8Array(size + 10),
    Buffer.alloc(size + 10),
  ]
  for (const target of targets) {
    target.fill(0xee)
    for (let turn = 0; turn < 2; turn++) expect(serde.serializeInto(value, target, 4)).toBe(4 + size)
    expect([...target.subarray(4, 4 + size)]).toEqual([...expected])
    expect([...target.subarray(0, 4), ...target.subarray(4 + size)]).toEqual(new Array(10).fill(0xee))
  }
}

describe('bytes', () => {
  it('is the identity', () => {
    const value = Uint8Array.of(1, 2, 3)
    expect(serdes.bytes.serialize(value)).toBe(value)
    expect(serdes.bytes.deserialize(value)).toBe(value)
    writeInPlace(serdes.bytes, value)
  })

  it('refuses what is no Uint8Array, in words that do not show the value', () => {
    const notBytes: unknown = 'secret'
    for (const method of [serdes.bytes.serialize, serdes.bytes.sizeOf]) {
      const error = failure(() => method(notBytes as Uint8Array))
      expect(error.code).toBe('SERIALIZATION')
      expect(error.message).toBe(
        'serde=bytes cannot serialize a string, it takes a Uint8Array; ' +
          "for others name a serde, such as { key: 'string', value: 'json' }",
      )
    }
  })
})

describe('string', () => {
  it('carries text of one to four bytes a character, short and long', () => {
    for (const text of TEXTS) {
      const bytes = serdes.string.serialize(text)
      expect(Buffer.compare(bytes, Buffer.from(text))).toBe(0)
      expect(serdes.string.deserialize(bytes)).toBe(text)
      expect(serdes.string.deserialize(inShared(bytes))).toBe(text)
      writeInPlace(serdes.string, text)
    }
  })

  it('agrees with itself in place on random text', () => {
    const random = mulberry32(seed)
    for (let round = 0; round < 300; round++) {
      const codes = Array.from({ length: Math.floor(random() * 30) }, () => Math.floor(random() ** 4 * 0x10000))
      writeInPlace(serdes.string, String.fromCharCode(...codes)) // Lone surrogates among them.
    }
  })

  it('reads malformed UTF-8 with replacement characters, as the StringDeserializer of Kafka does', () => {
    expect(serdes.string.deserialize(Uint8Array.of(0x61, 0xff, 0x62))).toBe('a\ufffdb')
    expect(serdes.string.deserialize(Uint8Array.of(0xe2, 0x82))).toBe('\ufffd')
  })

  it('keeps a byte order mark', () => {
    expect(serdes.string.deserialize(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa')
  })

  it('refuses what is no string', () => {
    const notText: unknown = 7
    for (const method of [serdes.string.serialize, serdes.string.sizeOf]) {
      const error = failure(() => method(notText as string))
      expect([error.code, error.message]).toEqual([
        'SERIALIZATION',
        'serde=string cannot serialize a number, it takes a string',
      ])
    }
  })

  it('does not write into a target without room', () => {
    expect(() => serdes.string.serializeInto('abc', new Uint8Array(4), 2)).toThrow(AssertionFailed)
  })
})

describe('json', () => {
  it('carries what JSON can express', () => {
    for (const value of [null, true, 1.5, 'ž', [1, { a: [] }], { deep: { er: 'x' } }]) {
      const bytes = serdes.json.serialize(value)
      expect(Buffer.compare(bytes, Buffer.from(JSON.stringify(value)))).toBe(0)
      expect(serdes.json.deserialize(inShared(bytes))).toEqual(value)
    }
  })

  it('refuses what JSON cannot express, and says which kind of thing it was', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    const cases: [value: unknown, what: string][] = [
      [undefined, 'serialize undefined'],
      [() => 1, 'a function'],
      [1n, 'a bigint'],
      [cyclic, 'an array of 1'],
    ]
    for (const [value, what] of cases) {
      const error = failure(() => serdes.json.serialize(value))
      expect(error.code).toBe('SERIALIZATION')
      expect(error.message).toContain(what)
    }
    expect(failure(() => serdes.json.serialize(1n)).cause).toBeInstanceOf(TypeError)
  })

  it('refuses bytes that are no JSON without repeating them in the message', () => {
    for (const text of ['', '{', 'secret', '1 2', '"\ud800']) {
      const error = failure(() => serdes.json.deserialize(Buffer.from(text)))
      expect(error.code).toBe('SERIALIZATION')
      expect(error.cause).toBeInstanceOf(SyntaxError)
      expect(error.message).toBe(`serde=json cannot deserialize ${Buffer.byteLength(text)} bytes: SyntaxError`)
    }
  })

  it('does not let a record set a prototype', () => {
    const value = serdes.json.deserialize(Buffer.from('{"__proto__":{"admin":true}}'))
    expect(value).not.toHaveProperty('admin')
  })
})

describe('msgpack', () => {
  const VALUES: readonly unknown[] = [
    null,
    undefined,
    true,
    0,
    -33,
    65536,
    2 ** 40,
    -(2 ** 53) + 1,
    1.5,
    2n ** 63n,
    -(2n ** 63n),
    '',
    'ž'.repeat(40),
    'x'.repeat(70_000),
    new Date(1_700_000_000_123),
    new Date(-5),
    Uint8Array.of(1, 2, 255),
    [],
    Array.from({ length: 70_000 }, (_, index) => index),
    { id: 1, nested: { list: [1, 'a', null], bytes: Uint8Array.of(9) } },
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`field ${index}`, index])),
  ]

  it('carries plain data, bytes and dates', () => {
    for (const value of VALUES) {
      const bytes = serdes.msgpack.serialize(value)
      for (const lent of [bytes, inShared(bytes), Buffer.from(bytes)]) {
        expect(serdes.msgpack.deserialize(lent)).toEqual(value)
      }
    }
  })

  it('writes records that any other reader understands alone', () => {
    const rows = [
      { id: 1, name: 'a' },
      { id: 2, name: 'b' },
    ]
    const [first, second] = rows.map((row) => serdes.msgpack.serialize(row))
    const reader = new Packr({ useRecords: false, mapsAsObjects: true })
    expect(reader.unpack(second!)).toEqual(rows[1])
    expect(reader.unpack(first!)).toEqual(rows[0])
  })

  it('reads integers of other languages as numbers where a number is exact', () => {
    expect(serdes.msgpack.deserialize(Uint8Array.of(0xd3, 0, 0, 1, 0, 0, 0, 0, 5))).toBe(2 ** 40 + 5)
    expect(serdes.msgpack.deserialize(Uint8Array.of(0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0))).toBe(0xff00000000000000n)
  })

  it('keeps results apart from the memory they were read from', () => {
    const lent = inShared(serdes.msgpack.serialize({ bytes: Uint8Array.of(1, 2, 3), text: 'a'.repeat(50) }))
    const value = serdes.msgpack.deserialize(lent)
    lent.fill(0xc0)
    expect(value).toEqual({ bytes: Uint8Array.of(1, 2, 3), text: 'a'.repeat(50) })
    expect(Object.keys(lent).filter((key) => !/^\d+$/.test(key))).toEqual([])
  })

  it('keeps results of serialize apart from each other', () => {
    const all = Array.from({ length: 2000 }, (_, index) =>
      serdes.msgpack.serialize({ index, text: 'y'.repeat(index % 99) }),
    )
    for (const [index, bytes] of all.entries()) {
      expect(serdes.msgpack.deserialize(bytes)).toEqual({ index, text: 'y'.repeat(index % 99) })
    }
  })

  it('refuses what it would write wrongly, nested or not', () => {
    const view = new Float64Array([1.5])
    const wrong: unknown[] = [view, [view], { a: { b: view } }, new Map([['k', view]]), [new Set([view])]]
    for (const value of [...wrong, () => 1, Symbol('s'), [Symbol('s')], 2n ** 70n, new DataView(new ArrayBuffer(2))]) {
      expect(failure(() => serdes.msgpack.serialize(value)).code).toBe('SERIALIZATION')
    }
    const error = failure(() => serdes.msgpack.serialize({ view }))
    expect(error.message).toContain('Float64Array has no MessagePack form')
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    expect(failure(() => serdes.msgpack.serialize(cyclic)).cause).toBeInstanceOf(RangeError)
  })

  it('compiles no function from a record, nor rebuilds objects of other kinds', () => {
    const withStructures = new Packr().pack({ constructor: 1, b: 2 })
    const moreTypes = new Packr({ moreTypes: true, useRecords: false })
    const foreign = [
      withStructures,
      moreTypes.pack(/a+$/),
      moreTypes.pack(new Error('x')),
      moreTypes.pack(new Set([1])),
    ]
    for (const bytes of foreign) {
      const error = failure(() => serdes.msgpack.deserialize(bytes))
      expect(error.code).toBe('SERIALIZATION')
      expect(error.message).toContain('not plain data')
    }
  })

  it('does not let a record set a prototype', () => {
    const bytes = pack(new Map([['__proto__', { admin: true }]]))
    expect(serdes.msgpack.deserialize(bytes)).not.toHaveProperty('admin')
  })

  it('survives a depth bomb and goes on working', () => {
    const bomb = new Uint8Array(200_001).fill(0x91)
    bomb[200_000] = 0xc0
    expect(failure(() => serdes.msgpack.deserialize(bomb)).code).toBe('SERIALIZATION')
    expect(serdes.msgpack.deserialize(serdes.msgpack.serialize({ a: 1 }))).toEqual({ a: 1 })
  })

  it('refuses every cut of a value, and bytes after one', () => {
    const bytes = serdes.msgpack.serialize({ a: [1, 'two', 3.5, new Date(5), Uint8Array.of(1)], b: 'x'.repeat(40) })
    for (let length = 0; length < bytes.length; length++) {
      expect(failure(() => serdes.msgpack.deserialize(bytes.subarray(0, length))).code).toBe('SERIALIZATION')
    }
    expect(failure(() => serdes.msgpack.deserialize(new Uint8Array([...bytes, 0]))).message).toContain('after its end')
    expect(checkMsgpack(bytes)).toBe(true)
  })

  it('answers declared lengths that are not there before it makes room for them', () => {
    for (const header of [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xc6, 0xff, 0xff, 0xff, 0xff],
      [0xdb, 0x7f, 0xff, 0xff, 0xff],
    ]) {
      expect(failure(() => serdes.msgpack.deserialize(Uint8Array.from(header))).code).toBe('SERIALIZATION')
    }
  })

  it('gives a value or a SERIALIZATION error for damaged bytes', () => {
    const random = mulberry32(seed)
    const originals = VALUES.filter((value) => !Array.isArray(value)).map((value) => serdes.msgpack.serialize(value))
    for (let round = 0; round < 3000 * FUZZ_SCALE; round++) {
      const original = originals[Math.floor(random() * originals.length)]!
      const bytes = round % 2 === 0 ? original.slice(0, 300) : new Uint8Array(1 + Math.floor(random() * 40))
      if (round % 2 === 1) for (let index = 0; index < bytes.length; index++) bytes[index] = random() * 256
      else for (let flips = 0; flips < 3; flips++) bytes[Math.floor(random() * bytes.length)]! ^= 1 << (random() * 8)
      try {
        serdes.msgpack.deserialize(bytes)
      } catch (error) {
        if (!(error instanceof VltavaError)) throw new Error(`SEED=${seed} round=${round}`, { cause: error })
        expect(error.code).toBe('SERIALIZATION')
      }
    }
  })
})

describe('resolveSerde', () => {
  it('knows the built-ins by name', () => {
    for (const name of ['bytes', 'string', 'json', 'msgpack'] as const) {
      expect(resolveSerde(name)).toBe(serdes[name])
      expect(resolveSerde(name).name).toBe(name)
    }
  })

  it("hands on a program's own serde", () => {
    const own: Serde<number> = {
      name: 'byte',
      serialize: (value) => Uint8Array.of(value),
      deserialize: (bytes) => bytes[0]!,
    }
    expect(resolveSerde(own)).toBe(own)
  })

  it('refuses unknown names, and objects that are no serde', () => {
    const wrong: unknown[] = ['yaml', 'toString', {}, { serialize: () => 1 }, null, undefined]
    for (const value of wrong) {
      expect(failure(() => resolveSerde(value as 'json')).code).toBe('INVALID_ARGUMENT')
    }
    expect(failure(() => resolveSerde('yaml' as 'json')).message).toBe(
      'serde=yaml is unknown, use bytes, string, json, msgpack',
    )
  })
})

it('serializationError names the place and keeps the cause', () => {
  const cause = new RangeError('secret')
  const error = serializationError('deserialize', 'avro', 'the value of topic=clicks partition=3 offset=17', cause)
  expect(error.code).toBe('SERIALIZATION')
  expect(error.cause).toBe(cause)
  expect(error.message).toBe(
    'serde=avro cannot deserialize the value of topic=clicks partition=3 offset=17: RangeError',
  )
})
