import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/base/crc32c.ts'
import { CorruptRecordError } from '../../src/base/errors.ts'
import {
  decodeProducerSnapshot,
  encodeProducerSnapshot,
  type ProducerSnapshotEntry,
} from '../../src/log/producer-snapshot.ts'
import { damaged, seededRandom } from './memory-fs.ts'

const ENTRY: ProducerSnapshotEntry = {
  producerId: 0x0102_0304_0506,
  producerEpoch: 0x0708,
  lastSequence: 0x090a_0b0c,
  lastOffset: 0x0d_0e0f_1011,
  offsetDelta: 0x1213_1415,
  timestamp: 1_700_000_000_123,
  coordinatorEpoch: 0x1617_1819,
  currentTransactionFirstOffset: -1,
}

/** With the count and CRC made right again, so that only what is behind them can be refused. */
function sealed(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, crc32c(bytes, 6, bytes.length))
  return bytes
}

describe('a producer snapshot', () => {
  it('is a header of 10 bytes and 46 bytes for each producer', () => {
    const bytes = encodeProducerSnapshot([ENTRY])
    expect(Buffer.from(bytes.subarray(0, 2)).toString('hex')).toBe('0001')
    expect(Buffer.from(bytes.subarray(2, 6)).readUInt32BE()).toBe(crc32c(bytes, 6, 56))
    expect(Buffer.from(bytes.subarray(6)).toString('hex')).toBe(
      [
        '00000001',
        '0000010203040506',
        '0708',
        '090a0b0c',
        '0000000d0e0f1011',
        '12131415',
        1_700_000_000_123n.toString(16).padStart(16, '0'),
        '16171819',
        'ffffffffffffffff',
      ].join(''),
    )
    expect(decodeProducerSnapshot(bytes)).toEqual([ENTRY])
  })

  it('may be of no producer', () => {
    const bytes = encodeProducerSnapshot([])
    expect(bytes).toHaveLength(10)
    expect(decodeProducerSnapshot(bytes)).toEqual([])
  })

  it('is read from the middle of a larger buffer', () => {
    const bytes = encodeProducerSnapshot([ENTRY, ENTRY])
    const larger = new Uint8Array(bytes.length + 20).fill(0xee)
    larger.set(bytes, 7)
    expect(decodeProducerSnapshot(larger.subarray(7, 7 + bytes.length))).toEqual([ENTRY, ENTRY])
  })

  it('is refused with every cut, every flipped bit and every byte too many', () => {
    const bytes = encodeProducerSnapshot([ENTRY, { ...ENTRY, producerId: 1 }, { ...ENTRY, producerId: 2 }])
    for (const { what, bytes: bad } of damaged(bytes)) {
      expect(() => decodeProducerSnapshot(bad), what).toThrow(CorruptRecordError)
    }
    expect(() => decodeProducerSnapshot(sealed(Uint8Array.from([...bytes, 0])))).toThrow('producerCount=3')
  })

  it('is refused for its version, its count and its integers even when the CRC is right', () => {
    const edits: [what: string, edit: (view: DataView) => void][] = [
      ['version=0', (view) => view.setInt16(0, 0)],
      ['version=2', (view) => view.setInt16(0, 2)],
      ['producerCount=0', (view) => view.setInt32(6, 0)],
      ['producerCount=2', (view) => view.setInt32(6, 2)],
      ['producerCount=-1', (view) => view.setInt32(6, -1)],
      ['producerCount=2147483647', (view) => view.setInt32(6, 0x7fff_ffff)], // Not 98 GB of entries.
      ['at byte 10', (view) => view.setBigInt64(10, 2n ** 53n)],
      ['at byte 24', (view) => view.setBigInt64(24, 2n ** 62n)],
      ['at byte 36', (view) => view.setBigInt64(36, -(2n ** 60n))],
      ['at byte 48', (view) => view.setBigInt64(48, 2n ** 60n)],
    ]
    for (const [what, edit] of edits) {
      const bytes = encodeProducerSnapshot([ENTRY])
      edit(new DataView(bytes.buffer))
      expect(() => decodeProducerSnapshot(sealed(bytes)), what).toThrow(CorruptRecordError)
      expect(() => decodeProducerSnapshot(sealed(bytes)), what).toThrow(what)
    }
  })

  it('gives back what went in, for random producers', () => {
    const { seed, next, below } = seededRandom()
    const orNone = (limit: number): number => Math.floor(next() * limit) - 1
    for (let round = 0; round < 100; round++) {
      const entries = Array.from({ length: below(40) }, () => ({
        producerId: Math.floor(next() * 2 ** 53),
        producerEpoch: below(2 ** 15),
        lastSequence: orNone(2 ** 31),
        lastOffset: orNone(2 ** 53),
        offsetDelta: below(2 ** 31),
        timestamp: orNone(2 ** 53),
        coordinatorEpoch: orNone(2 ** 31),
        currentTransactionFirstOffset: orNone(2 ** 53),
      }))
      const bytes = encodeProducerSnapshot(entries)
      expect(decodeProducerSnapshot(bytes), `SEED=${seed} round=${round}`).toEqual(entries)
    }
  })
})
