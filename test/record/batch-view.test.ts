/**
 * What is taken for a batch: the header by its fields, the rest by its CRC. The CRC covers all but base offset, length,
 * leader epoch, magic and itself.
 */
import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { BATCH_HEADER_BYTES } from '../../src/record/batch-layout.ts'
import { batchFault, declaredBatchSize, headerFault, RecordBatchView } from '../../src/record/batch-view.ts'
import { buildBatch, readRecords, T0 } from './batches.ts'

const BYTES = buildBatch({
  count: 4,
  baseOffset: 1000,
  leaderEpoch: 3,
  producerId: 9,
  producerEpoch: 1,
  baseSequence: 5,
})

/** BYTES with the field at `position` set; the CRC made right again where it covers the field. */
function withField(set: (view: DataView) => void, isCrcRight = true): Uint8Array {
  const bytes = BYTES.slice()
  const view = new DataView(bytes.buffer)
  set(view)
  if (isCrcRight) view.setUint32(17, new RecordBatchView(bytes).at(0).computeCrc())
  return bytes
}

function faultOf(bytes: Uint8Array, end = bytes.length): string | undefined {
  return batchFault(new RecordBatchView(bytes), 0, end)
}

describe('a whole batch', () => {
  it('has no fault, wherever it lies, and may be followed by anything', () => {
    expect(faultOf(BYTES)).toBeUndefined()
    const larger = new Uint8Array(BYTES.length + 100).fill(0xff)
    larger.set(BYTES, 50)
    const view = new RecordBatchView(larger)
    expect(batchFault(view, 50, larger.length)).toBeUndefined()
    expect(view.position).toBe(50)
    expect(view.end).toBe(50 + BYTES.length)
  })

  it('tells its size from its length field alone', () => {
    expect(declaredBatchSize(new DataView(BYTES.buffer), 0)).toBe(BYTES.length)
  })
})

describe('a batch that was cut', () => {
  it('has a fault, at every byte, also when the bytes are there but do not belong to it', () => {
    for (let length = 0; length < BYTES.length; length++) {
      expect(faultOf(BYTES.slice(0, length)), `${length} bytes`).toMatch(/bytes/)
      expect(faultOf(BYTES, length), `${length} bytes`).toMatch(/bytes/)
    }
  })
})

describe('a batch with one flipped bit', () => {
  it('has a fault, or the same records: only offset and leader epoch are open to doubt', () => {
    const records = readRecords(BYTES)
    const passed = new Set<number>()
    for (let bit = 0; bit < BYTES.length * 8; bit++) {
      const bytes = BYTES.slice()
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      if (faultOf(bytes) !== undefined) continue
      passed.add(bit >> 3)
      expect(readRecords(bytes), `bit ${bit}`).toEqual(records)
    }
    const doubtful = [...passed].sort((a, b) => a - b)
    expect(doubtful.every((byte) => byte < 8 || (byte >= 12 && byte < 16))).toBe(true)
  })
})

describe('a field that no batch of ours or Kafka has', () => {
  it.each<[string, RegExp, (view: DataView) => void]>([
    ['a magic of 1', /magic 1 is not 2/, (view) => view.setUint8(16, 1)],
    ['a size below the header', /batch size 60 is below/, (view) => view.setInt32(8, 48)],
    ['a negative size', /batch size -5 is below/, (view) => view.setInt32(8, -17)],
    ['a size beyond the bytes', /exceeds/, (view) => view.setInt32(8, 0x7fff_ffff)],
    ['a negative base offset', /base offset -1 is negative/, (view) => view.setBigInt64(0, -1n)],
    ['a base offset of 2^53', /base offset is beyond 2\^53/, (view) => view.setBigInt64(0, 2n ** 53n)],
    ['a last offset of 2^53', /last offset/, (view) => view.setBigInt64(0, 2n ** 53n - 2n)],
    ['a negative last offset delta', /last offset delta -1/, (view) => view.setInt32(23, -1)],
    ['a negative record count', /record count -1/, (view) => view.setInt32(57, -1)],
    ['more records than offsets', /record count 5 exceeds the 4/, (view) => view.setInt32(57, 5)],
    ['a base timestamp of 2^53', /base timestamp/, (view) => view.setBigInt64(27, 2n ** 53n)],
    ['a max timestamp of 2^63 - 1', /max timestamp/, (view) => view.setBigInt64(35, 2n ** 63n - 1n)],
    ['a producer id of -2^53', /producer id/, (view) => view.setBigInt64(43, -(2n ** 53n))],
  ])('%s is a fault although the CRC is right', (_what, fault, set) => {
    const isCrcReachable = !/size|magic/.test(fault.source) && !/exceeds/.test(fault.source)
    expect(faultOf(withField(set, isCrcReachable))).toMatch(fault)
  })

  it('does not stop compaction holes and gaps: fewer records than offsets are fine, none too', () => {
    expect(faultOf(withField((view) => view.setInt32(57, 2)))).toBeUndefined()
    expect(faultOf(withField((view) => view.setInt32(57, 0)))).toBeUndefined()
  })

  it('of a timestamp of -1 is one: Kafka writes that for none', () => {
    expect(faultOf(withField((view) => view.setBigInt64(27, -1n)))).toBeUndefined()
  })
})

describe('the check of a header alone', () => {
  it('needs 61 bytes at hand, and finds everything but a wrong CRC', () => {
    const header = BYTES.slice(0, BATCH_HEADER_BYTES)
    expect(headerFault(new RecordBatchView(header), 0, BYTES.length)).toBeUndefined()
    expect(headerFault(new RecordBatchView(header), 0, BYTES.length - 1)).toMatch(/exceeds/)
    const wrong = withField((view) => view.setUint32(17, 0), false)
    expect(headerFault(new RecordBatchView(wrong), 0, wrong.length)).toBeUndefined()
    expect(faultOf(wrong)).toMatch(/CRC is [0-9a-f]{8}, the header says 00000000/)
  })
})

describe('a view', () => {
  it('is never set where no header fits or where no batch is', () => {
    const view = new RecordBatchView(BYTES)
    expect(() => view.at(-1)).toThrow(AssertionFailed)
    expect(() => view.at(BYTES.length - 60)).toThrow(AssertionFailed)
    expect(() => new RecordBatchView(new Uint8Array(100)).at(0)).toThrow(AssertionFailed)
  })

  it('assigns offset and leader epoch without touching the CRC', () => {
    const bytes = BYTES.slice()
    const view = new RecordBatchView(bytes).at(0)
    view.baseOffset = 2 ** 45
    view.partitionLeaderEpoch = 77
    expect(view.lastOffset).toBe(2 ** 45 + 3)
    expect(faultOf(bytes)).toBeUndefined()
    expect(readRecords(bytes)).toEqual(readRecords(BYTES))
  })

  it('stamps the time of the log: one time for all records, and a right CRC', () => {
    const bytes = BYTES.slice()
    const view = new RecordBatchView(bytes).at(0)
    view.stampLogAppendTime(T0 + 99)
    expect(view.isLogAppendTime).toBe(true)
    expect(view.maxTimestamp).toBe(T0 + 99)
    expect(faultOf(bytes)).toBeUndefined()
  })
})
