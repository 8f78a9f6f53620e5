import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { BatchBuilder, batchSizeBoundForOne, encodeHeaders, NO_HEADERS } from '../../src/record/batch-builder.ts'
import { BATCH_HEADER_BYTES } from '../../src/record/batch-layout.ts'
import { batchFault, RecordBatchView } from '../../src/record/batch-view.ts'
import { CODEC_IDS, type CompressionName } from '../../src/record/compression/codec.ts'
import { mulberry32, testSeed } from '../random.ts'
import { buildBatch, readRecords, restamp, T0, type TestRecord } from './batches.ts'

const CODECS = Object.keys(CODEC_IDS) as CompressionName[]

/** Lengths on both sides of each step of the varint, and null. */
const LENGTHS = [-1, 0, 1, 63, 64, 65, 8191, 8192, 8193]

function bytesOf(length: number, fill = 7): Uint8Array | null {
  return length < 0 ? null : new Uint8Array(length).fill(fill)
}

function record(parts: Partial<TestRecord> = {}): TestRecord {
  return { timestamp: T0, key: null, value: null, headers: [], ...parts }
}

function open(sizeBytes: number, start = 0): { builder: BatchBuilder; memory: Uint8Array; view: DataView } {
  const memory = new Uint8Array(start + sizeBytes + 32).fill(0xee)
  const view = new DataView(memory.buffer)
  const builder = new BatchBuilder()
  builder.open(memory, view, start, start + sizeBytes)
  return { builder, memory, view }
}

describe('a batch that was built is read back the same', () => {
  it('for every pair of key and value lengths around the varint steps, null and empty told apart', () => {
    const records = LENGTHS.flatMap((key) =>
      LENGTHS.map((value) => record({ key: bytesOf(key, 1), value: bytesOf(value, 2) })),
    )
    expect(readRecords(buildBatch({ records }))).toEqual(records)
  })

  it('with headers: empty names, the same name twice, null and empty values, names beyond ASCII, many of them', () => {
    const headers: [string, Uint8Array | null][] = [
      ['', null],
      ['', new Uint8Array(0)],
      ['twice', Uint8Array.of(1)],
      ['twice', Uint8Array.of(2)],
      ['Příliš žluťoučký kůň 🐴', Uint8Array.of(0)],
      ['n'.repeat(64), new Uint8Array(8192).fill(3)],
    ]
    const many: [string, Uint8Array | null][] = Array.from({ length: 65 }, (_, i) => [`h${i}`, bytesOf((i % 3) - 1)])
    const records = [record({ headers }), record({ headers: [] }), record({ headers: many })]
    expect(readRecords(buildBatch({ records }))).toEqual(records)
  })

  it('with timestamps out of order, equal, far apart, and of 0', () => {
    const times = [T0, T0 - 1, T0 + 63, T0 + 64, T0 - 64, T0 - 65, T0, 0, 1, T0 + 2 ** 33, T0 - 2 ** 33]
    const records = times.map((timestamp) => record({ timestamp }))
    const bytes = buildBatch({ records })
    expect(readRecords(bytes)).toEqual(records)
    const batch = new RecordBatchView(bytes).at(0)
    expect(batch.baseTimestamp).toBe(T0)
    expect(batch.maxTimestamp).toBe(T0 + 2 ** 33)
  })

  it('with the largest and the smallest timestamp that a number holds in one batch', () => {
    const records = [0, Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER - 1].map((timestamp) =>
      record({ timestamp }),
    )
    expect(readRecords(buildBatch({ records }))).toEqual(records)
    const falling = [Number.MAX_SAFE_INTEGER, 0, 1, 2].map((timestamp) => record({ timestamp }))
    expect(readRecords(buildBatch({ records: falling }))).toEqual(falling)
  })

  it.each(CODECS)('compressed by %s', (compression) => {
    const records = Array.from({ length: 200 }, (_, i) =>
      record({
        timestamp: T0 + i,
        key: bytesOf((i % 5) - 1),
        value: bytesOf(300, i),
        headers: [['h', bytesOf((i % 3) - 1)]],
      }),
    )
    const bytes = buildBatch({ records, compression })
    const batch = new RecordBatchView(bytes).at(0)
    expect(batch.codecId).toBe(CODEC_IDS[compression])
    expect(batchFault(batch, 0, bytes.length)).toBeUndefined()
    expect(readRecords(bytes)).toEqual(records)
  })

  it('and says codec none where compression would not have made it smaller', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const value = Uint8Array.from({ length: 500 }, () => Math.floor(random() * 256))
    for (const compression of CODECS) {
      const bytes = buildBatch({ records: [record({ value })], compression })
      expect(new RecordBatchView(bytes).at(0).codecId, `SEED=${seed} ${compression}`).toBe(0)
      expect(readRecords(bytes)).toEqual([record({ value })])
    }
  })

  it('at some ten thousand random records', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const pick = (n: number): number => Math.floor(random() * n)
    for (let batch = 0; batch < 10; batch++) {
      const records = Array.from({ length: 1 + pick(2500) }, () =>
        record({
          timestamp: T0 + pick(200) - 100 + (random() < 0.01 ? pick(2 ** 40) : 0),
          key: bytesOf(pick(20) - 1, pick(256)),
          value: bytesOf(pick(70) - 1, pick(256)),
          headers: random() < 0.9 ? [] : [[String(pick(1000)), bytesOf(pick(4) - 1)]],
        }),
      )
      expect(readRecords(buildBatch({ records })), `SEED=${seed}`).toEqual(records)
    }
  })
})

describe('the header of a batch', () => {
  it('says what the batch holds, with offsets and epoch left to the log', () => {
    const bytes = buildBatch({
      count: 3,
      producerId: 2 ** 40,
      producerEpoch: 0x7fff,
      baseSequence: 0x7fff_ffff,
      flags: 0x10,
    })
    const batch = new RecordBatchView(bytes).at(0)
    expect(batch).toMatchObject({
      sizeBytes: bytes.length,
      baseOffset: 0,
      lastOffset: 2,
      partitionLeaderEpoch: 0,
      attributes: 0x10,
      isTransactional: true,
      isControl: false,
      isLogAppendTime: false,
      lastOffsetDelta: 2,
      baseTimestamp: T0,
      maxTimestamp: T0 + 2,
      producerId: 2 ** 40,
      producerEpoch: 0x7fff,
      baseSequence: 0x7fff_ffff,
      recordCount: 3,
    })
    expect(batch.computeCrc()).toBe(batch.crc)
  })

  it('without a producer has -1 in its fields', () => {
    const batch = new RecordBatchView(buildBatch({ count: 1 })).at(0)
    expect([batch.producerId, batch.producerEpoch, batch.baseSequence]).toEqual([-1, -1, -1])
  })

  it('takes another producer epoch and sequence, and the CRC that goes with them', () => {
    const bytes = buildBatch({ count: 2, producerId: 5, producerEpoch: 0, baseSequence: 9 })
    const before = readRecords(bytes)
    restamp(bytes, 1, 0)
    const batch = new RecordBatchView(bytes).at(0)
    expect(batchFault(batch, 0, bytes.length)).toBeUndefined()
    expect([batch.producerEpoch, batch.baseSequence, batch.producerId]).toEqual([1, 0, 5])
    expect(readRecords(bytes)).toEqual(before)
  })
})

describe('a record that does not fit', () => {
  it('is refused and leaves no trace; one that fits to the byte is taken', () => {
    for (const [key, value] of [
      [-1, 0],
      [0, 1],
      [5, 63],
      [5, 64],
      [64, 8192],
    ] as const) {
      const headers = encodeHeaders([['name', bytesOf(3)]])
      const whole = open(10_000)
      expect(whole.builder.append(T0, bytesOf(4), bytesOf(4), NO_HEADERS)).toBe(true)
      expect(whole.builder.append(T0 + 100, bytesOf(key), bytesOf(value), headers)).toBe(true)
      const exact = whole.builder.sizeBytes

      const fits = open(exact)
      expect(fits.builder.append(T0, bytesOf(4), bytesOf(4), NO_HEADERS)).toBe(true)
      expect(fits.builder.append(T0 + 100, bytesOf(key), bytesOf(value), headers)).toBe(true)
      expect(fits.builder.sizeBytes).toBe(exact)

      const short = open(exact - 1)
      expect(short.builder.append(T0, bytesOf(4), bytesOf(4), NO_HEADERS)).toBe(true)
      const before = short.memory.slice()
      const { sizeBytes, recordCount } = short.builder
      expect(short.builder.append(T0 + 100, bytesOf(key), bytesOf(value), headers)).toBe(false)
      expect(short.memory).toEqual(before)
      expect([short.builder.sizeBytes, short.builder.recordCount]).toEqual([sizeBytes, recordCount])
      const size = short.builder.close('none', undefined, 0)
      expect(new RecordBatchView(short.memory.slice(0, size)).at(0).maxTimestamp).toBe(T0)
    }
  })

  it('as the first of its batch leaves a batch to which another can be added', () => {
    const { builder, memory } = open(BATCH_HEADER_BYTES + 20)
    expect(builder.append(T0 + 5, null, bytesOf(100), NO_HEADERS)).toBe(false)
    expect(builder.append(T0, null, bytesOf(5), NO_HEADERS)).toBe(true)
    const size = builder.close('none', undefined, 0)
    expect(readRecords(memory.slice(0, size))).toEqual([record({ value: bytesOf(5) })])
  })
})

describe('the size bound for one record', () => {
  it('is never below what the record takes', () => {
    for (const key of LENGTHS) {
      for (const value of LENGTHS) {
        const headers = encodeHeaders([['name', bytesOf(70)]])
        const { builder } = open(40_000)
        expect(builder.append(Number.MAX_SAFE_INTEGER, bytesOf(key), bytesOf(value), headers)).toBe(true)
        expect(batchSizeBoundForOne(key, value, headers.bytes.length)).toBeGreaterThanOrEqual(builder.sizeBytes)
      }
    }
  })
})

describe('a builder', () => {
  it('writes nothing outside its memory', () => {
    const { builder, memory } = open(200, 16)
    while (builder.append(T0, bytesOf(3), bytesOf(10), NO_HEADERS)) continue
    const size = builder.close('gzip', undefined, 0)
    expect(size).toBeLessThanOrEqual(200)
    expect(memory.subarray(0, 16).every((byte) => byte === 0xee)).toBe(true)
    expect(memory.subarray(216).every((byte) => byte === 0xee)).toBe(true)
  })

  it('builds one batch after another, in other memory each time', () => {
    const builder = new BatchBuilder()
    for (const count of [3, 1, 2]) {
      const memory = new Uint8Array(500)
      builder.open(memory, new DataView(memory.buffer), 0, 500)
      for (let i = 0; i < count; i++) builder.append(T0 + i, null, bytesOf(i), NO_HEADERS)
      const size = builder.close('none', undefined, 0)
      expect(readRecords(memory.slice(0, size)).map(({ value }) => value!.length)).toEqual(
        Array.from({ length: count }, (_, i) => i),
      )
      expect(builder.isOpen).toBe(false)
    }
  })

  it('is not opened twice, closed empty, or appended to while closed', () => {
    const { builder, memory, view } = open(500)
    expect(() => builder.open(memory, view, 0, 500)).toThrow(AssertionFailed)
    expect(() => builder.close('none', undefined, 0)).toThrow(AssertionFailed)
    builder.abandon()
    expect(() => builder.append(T0, null, null, NO_HEADERS)).toThrow(AssertionFailed)
    expect(() => builder.open(memory, view, 0, BATCH_HEADER_BYTES)).toThrow(AssertionFailed)
  })
})
