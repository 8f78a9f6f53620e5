import { describe, expect, it } from 'vitest'
import { CorruptRecordError, VltavaError } from '../../src/base/errors.ts'
import { ConsumerBatch, type ConsumerSerdes } from '../../src/client/record-batch.ts'
import { resolveSerde } from '../../src/client/serdes.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { CODEC_IDS, type CompressionName } from '../../src/record/compression/codec.ts'
import { buildBatch, T0, type TestBatch, type TestRecord } from '../record/batches.ts'

const BYTES = { key: resolveSerde('bytes'), value: resolveSerde('bytes') } as ConsumerSerdes<Uint8Array, Uint8Array>
const TEXT = { key: resolveSerde('string'), value: resolveSerde('string') } as ConsumerSerdes<string, string>
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const RECORDS: TestRecord[] = [
  { timestamp: T0, key: utf8('k0'), value: utf8('v0'), headers: [['h', utf8('x')], ['', null]] },
  { timestamp: T0 - 9, key: null, value: new Uint8Array(0), headers: [] },
  { timestamp: T0 + 5, key: new Uint8Array(0), value: null, headers: [] },
  { timestamp: T0 + 1, key: utf8('k3'), value: utf8('v3'), headers: [] },
] // prettier-ignore

/** The batch, in memory that `spoil` overwrites as a reader's window does when it moves on. */
function consumed<K, V>(
  batch: TestBatch,
  serdes: ConsumerSerdes<K, V>,
  firstOffset = 0,
): { batch: ConsumerBatch<K, V>; spoil: () => void } {
  const bytes = buildBatch({ baseOffset: 100, ...batch })
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 30))
  shared.set(bytes, 17)
  const made = new ConsumerBatch('t', 3, new RecordBatchView(shared).at(17), firstOffset, 200, serdes)
  return { batch: made, spoil: () => void shared.fill(0xff) }
}

const plain = (batch: ConsumerBatch<Uint8Array, Uint8Array>): unknown[] =>
  batch.records().map(({ key, value, headers, timestamp, offset }) => ({ key, value, headers, timestamp, offset }))
const expected = RECORDS.map((record, i) => ({ ...record, offset: 100 + i }))

describe('a consumed batch', () => {
  it('says what it is', () => {
    const { batch } = consumed({ records: RECORDS, compression: 'none' }, BYTES)
    expect(batch).toMatchObject({
      topic: 't',
      partition: 3,
      baseOffset: 100,
      lastOffset: 103,
      recordCount: 4,
      compression: 'none',
      maxTimestamp: T0 + 5,
      baseTimestamp: T0,
      isLogAppendTime: false,
      highWatermark: 200,
    })
    expect(batch.sizeBytes).toBe(buildBatch({ records: RECORDS }).length)
  })

  it.each(Object.keys(CODEC_IDS) as CompressionName[])(
    'gives its records in three ways, compressed by %s',
    (compression) => {
      const records = [...RECORDS, { timestamp: T0, key: null, value: new Uint8Array(500), headers: [] }]
      const all = [...expected, { ...records[4]!, offset: 104 }]
      const { batch } = consumed({ records, compression }, BYTES)
      expect(batch.compression).toBe(compression)
      expect(plain(batch)).toEqual(all)
      expect([...batch].map(({ offset }) => offset)).toEqual([100, 101, 102, 103, 104])
      const visited: number[] = []
      batch.forEach(({ offset, topic, partition }) => {
        expect([topic, partition]).toEqual(['t', 3])
        visited.push(offset)
      })
      expect(visited).toEqual([100, 101, 102, 103, 104])
    },
  )

  it('passes over records before the offset that was asked for', () => {
    for (let first = 98; first < 106; first++) {
      const { batch } = consumed({ records: RECORDS }, BYTES, first)
      expect([...batch].map(({ offset }) => offset)).toEqual([100, 101, 102, 103].filter((offset) => offset >= first))
    }
  })

  it('of a log with LogAppendTime has one time for all', () => {
    const bytes = buildBatch({ records: RECORDS })
    const view = new RecordBatchView(bytes).at(0)
    view.stampLogAppendTime(T0 + 77)
    const batch = new ConsumerBatch('t', 0, view, 0, 10, BYTES)
    expect(batch.records().map(({ timestamp }) => timestamp)).toEqual(new Array(4).fill(T0 + 77))
    expect(batch.isLogAppendTime).toBe(true)
  })

  it('decodes keys and values with the serdes, and leaves null alone', () => {
    const { batch } = consumed({ records: RECORDS }, TEXT)
    expect(batch.records().map(({ key, value }) => [key, value])).toEqual([
      ['k0', 'v0'],
      [null, ''],
      ['', null],
      ['k3', 'v3'],
    ])
  })
})

describe('memory', () => {
  it('of records that were taken is their own: they stay as they are when the reader moves on', () => {
    for (const compression of ['none', 'lz4'] as const) {
      const { batch, spoil } = consumed({ records: RECORDS, compression }, BYTES)
      const [first] = batch
      const kept = batch.records()
      batch.expire()
      spoil()
      expect(first!.value).toEqual(utf8('v0'))
      expect(kept.map(({ value }) => value)).toEqual(RECORDS.map(({ value }) => value))
      expect(kept[0]!.headers).toEqual(RECORDS[0]!.headers)
      expect(plain(batch), 'the batch has them as well').toEqual(expected)
    }
  })

  it('of a batch that nobody looked at is gone with the next one: a typed error, not other bytes', () => {
    for (const read of [
      (batch: ConsumerBatch) => batch.records(),
      (batch: ConsumerBatch) => [...batch],
      (batch: ConsumerBatch) => batch.cursor(),
      (batch: ConsumerBatch) => batch.forEach(() => undefined),
    ]) {
      const { batch, spoil } = consumed({ records: RECORDS }, BYTES)
      batch.expire()
      spoil()
      expect(() => read(batch)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message:
            'the batch t-3 offset=100 was not read while it was current; take its records() before you ask for the next batch',
        }),
      )
    }
  })

  it('is not copied by the lazy cursor, nor is anything decoded', () => {
    const { batch } = consumed({ records: RECORDS }, BYTES)
    const cursor = batch.cursor()
    expect(cursor.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
    const seen: unknown[] = []
    while (cursor.next()) {
      const { keyPosition, keyLength, valuePosition, valueLength, offsetDelta, timestampDelta } = cursor
      seen.push([
        batch.baseOffset + offsetDelta,
        batch.baseTimestamp + timestampDelta,
        keyLength < 0 ? null : Buffer.from(cursor.bytes.slice(keyPosition, keyPosition + keyLength)).toString(),
        valueLength < 0 ? null : Buffer.from(cursor.bytes.slice(valuePosition, valuePosition + valueLength)).toString(),
      ])
    }
    expect(seen).toEqual([
      [100, T0, 'k0', 'v0'],
      [101, T0 - 9, null, ''],
      [102, T0 + 5, '', null],
      [103, T0 + 1, 'k3', 'v3'],
    ])
  })

  it('of a compressed batch is decompressed once, for the cursor too, which then outlives the reader', () => {
    const { batch, spoil } = consumed({ count: 50, compression: 'gzip' }, BYTES)
    const cursor = batch.cursor()
    batch.expire()
    spoil()
    let count = 0
    while (cursor.next()) count += 1
    expect(count).toBe(50)
    expect(batch.cursor().bytes).toBe(cursor.bytes)
  })
})

describe('bytes that cannot be right', () => {
  it('are a typed error when they are looked at, under a right CRC too', () => {
    const bytes = buildBatch({ records: RECORDS })
    bytes[61] = 0xff
    const view = new RecordBatchView(bytes).at(0)
    view.stampLogAppendTime(T0)
    const batch = new ConsumerBatch('t', 0, view, 0, 10, BYTES)
    expect(() => batch.records()).toThrow(CorruptRecordError)
  })

  it('of an unknown codec are refused by name', () => {
    const bytes = buildBatch({ records: RECORDS })
    bytes[22] = 6
    expect(() => new ConsumerBatch('t', 0, new RecordBatchView(bytes).at(0), 0, 10, BYTES)).toThrow(VltavaError)
  })
})
