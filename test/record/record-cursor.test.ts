import { describe, expect, it } from 'vitest'
import { CorruptRecordError } from '../../src/base/errors.ts'
import { writeVarint, writeVarlong } from '../../src/base/varint.ts'
import { BATCH_HEADER_BYTES } from '../../src/record/batch-layout.ts'
import { decodeHeaders, RecordCursor } from '../../src/record/record-cursor.ts'
import { buildBatch, T0, type TestRecord } from './batches.ts'

const RECORDS: TestRecord[] = [
  { timestamp: T0, key: Uint8Array.of(1, 2), value: Uint8Array.of(3), headers: [['a', Uint8Array.of(9)], ['', null]] },
  { timestamp: T0 - 5, key: null, value: new Uint8Array(0), headers: [] },
  { timestamp: T0 + 70, key: new Uint8Array(0), value: null, headers: [['b', new Uint8Array(70)]] },
] // prettier-ignore

const BODY = buildBatch({ records: RECORDS }).slice(BATCH_HEADER_BYTES)

/** Walks everything that a cursor gives; what it throws goes through. */
function walk(bytes: Uint8Array, start: number, end: number, count: number): unknown[] {
  const cursor = new RecordCursor(bytes, start, end, count)
  const records: unknown[] = []
  while (cursor.next()) {
    for (const [position, length] of [
      [cursor.keyPosition, cursor.keyLength],
      [cursor.valuePosition, cursor.valueLength],
    ] as const) {
      if (length > 0 && (position < start || position + length > end)) throw new Error('a field lies outside')
    }
    records.push([cursor.offsetDelta, cursor.timestampDelta, cursor.keyLength, cursor.valueLength, cursor.headers()])
  }
  return records
}

/** `bytes` in which every read outside [start, end) is noted. */
function guarded(bytes: Uint8Array, start: number, end: number): { bytes: Uint8Array; outside: number[] } {
  const outside: number[] = []
  const proxy = new Proxy(bytes, {
    get(target, name) {
      if (typeof name === 'string' && /^\d+$/.test(name)) {
        const index = Number(name)
        if (index < start || index >= end) outside.push(index)
      }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { bytes: proxy, outside }
}

/** One record with these raw fields; `length` overrides the length that is right. */
function rawRecord(fields: {
  length?: number
  keyLength?: number
  valueLength?: number
  headerCount?: number
  rest?: number[]
}): Uint8Array {
  const body = new Uint8Array(64)
  let position = 1
  position = writeVarlong(body, position, 0)
  position = writeVarint(body, position, 0)
  position = writeVarint(body, position, fields.keyLength ?? -1)
  position = writeVarint(body, position, fields.valueLength ?? -1)
  position = writeVarint(body, position, fields.headerCount ?? 0)
  for (const byte of fields.rest ?? []) body[position++] = byte
  const bytes = new Uint8Array(80)
  const start = writeVarint(bytes, 0, fields.length ?? position)
  bytes.set(body.subarray(0, position), start)
  return bytes.slice(0, start + position)
}

describe('a cursor', () => {
  it('gives the fields of each record, in place', () => {
    expect(walk(BODY, 0, BODY.length, 3)).toEqual([
      [0, 0, 2, 1, RECORDS[0]!.headers],
      [1, -5, -1, 0, []],
      [2, 70, 0, -1, RECORDS[2]!.headers],
    ])
  })

  it('ends where its records end, and complains of bytes behind them or of records that are missing', () => {
    expect(() => walk(BODY, 0, BODY.length, 2)).toThrow(/bytes after its last record/)
    expect(() => walk(BODY, 0, BODY.length, 4)).toThrow(CorruptRecordError)
    expect(walk(BODY, 0, 0, 0)).toEqual([])
    expect(() => walk(BODY, 0, 1, 0)).toThrow(/1 bytes after/)
  })

  it('goes on where it left off after headers were decoded', () => {
    const cursor = new RecordCursor(BODY, 0, BODY.length, 3)
    cursor.next()
    expect(cursor.headers()).toEqual(RECORDS[0]!.headers)
    expect(cursor.headers()).toEqual(RECORDS[0]!.headers)
    cursor.next()
    expect(cursor.offsetDelta).toBe(1)
  })
})

describe('records that were damaged', () => {
  it('and cut at any byte give a CorruptRecordError, and no byte outside is read', () => {
    for (let length = 0; length < BODY.length; length++) {
      const { bytes, outside } = guarded(BODY, 0, length)
      expect(() => walk(bytes, 0, length, 3), `${length} bytes`).toThrow(CorruptRecordError)
      expect(outside, `${length} bytes`).toEqual([])
    }
  })

  it('by any one flipped bit give records or a CorruptRecordError, and no byte outside is read', () => {
    let thrown = 0
    const larger = new Uint8Array(BODY.length + 40).fill(0x01)
    larger.set(BODY, 20)
    for (let bit = 0; bit < BODY.length * 8; bit++) {
      const flipped = larger.slice()
      flipped[20 + (bit >> 3)]! ^= 1 << (bit & 7)
      const { bytes, outside } = guarded(flipped, 20, 20 + BODY.length)
      try {
        walk(bytes, 20, 20 + BODY.length, 3)
      } catch (error) {
        expect(error, `bit ${bit}`).toBeInstanceOf(CorruptRecordError)
        thrown += 1
      }
      expect(outside, `bit ${bit}`).toEqual([])
    }
    expect(thrown).toBeGreaterThan(100)
  })

  it.each<[string, Uint8Array]>([
    ['a negative record length', rawRecord({ length: -1 })],
    ['a record length of 0', rawRecord({ length: 0 })],
    ['a record length beyond the batch', rawRecord({ length: 2 ** 31 - 1 })],
    ['a key length below -1', rawRecord({ keyLength: -2 })],
    ['a key longer than its record', rawRecord({ keyLength: 2 ** 31 - 1 })],
    ['a value length below -1', rawRecord({ valueLength: -(2 ** 31) })],
    ['a value longer than its record', rawRecord({ valueLength: 1 })],
    ['a negative header count', rawRecord({ headerCount: -1 })],
    ['more headers than bytes', rawRecord({ headerCount: 2 ** 31 - 1 })],
    ['bytes behind the last field', rawRecord({ rest: [1, 2, 3] })],
  ])('%s is a CorruptRecordError', (_what, bytes) => {
    expect(() => walk(bytes, 0, bytes.length, 1)).toThrow(CorruptRecordError)
  })

  it.each<[string, number[]]>([
    ['a negative name length', [0x01, 0x00]],
    ['a name longer than the record', [0x7e, 0x00]],
    ['a value length below -1', [0x00, 0x03]],
    ['a value longer than the record', [0x00, 0x08]],
    ['a name that is cut', [0x06, 0x61]],
  ])('%s of a header is a CorruptRecordError when headers are asked for', (_what, rest) => {
    const bytes = rawRecord({ headerCount: 1, rest })
    expect(() => walk(bytes, 0, bytes.length, 1)).toThrow(CorruptRecordError)
  })

  it('bytes behind the last header are a CorruptRecordError', () => {
    const bytes = rawRecord({ headerCount: 1, rest: [0x00, 0x01, 0x00] })
    expect(() => walk(bytes, 0, bytes.length, 1)).toThrow(/after its last header/)
  })
})

describe('header names', () => {
  it('are decoded from shared memory too, and broken UTF-8 does not throw', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(6))
    shared.set([0x04, 0x61, 0xff, 0x01])
    expect(decodeHeaders(shared, 0, 4, 1)).toEqual([['a\u{fffd}', null]])
  })
})
