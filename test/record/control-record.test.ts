import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { readTransactionMarker } from '../../src/record/control-record.ts'
import { buildBatch, T0 } from './batches.ts'

const CONTROL_FLAGS = 0x30

function marker(key: number[] | null, value: number[] | null, flags = CONTROL_FLAGS): RecordBatchView {
  const toBytes = (bytes: number[] | null): Uint8Array | null => (bytes === null ? null : Uint8Array.from(bytes))
  const records = [{ timestamp: T0, key: toBytes(key), value: toBytes(value), headers: [] }]
  return new RecordBatchView(buildBatch({ records, flags, producerId: 1, producerEpoch: 0 })).at(0)
}

describe('a transaction marker', () => {
  it('says commit or abort, and the epoch of the coordinator', () => {
    expect(readTransactionMarker(marker([0, 0, 0, 1], [0, 0, 0, 0, 0, 7]))).toEqual({
      isCommit: true,
      coordinatorEpoch: 7,
    })
    expect(readTransactionMarker(marker([0, 0, 0, 0], [0, 0, 0, 0, 1, 0]))).toEqual({
      isCommit: false,
      coordinatorEpoch: 256,
    })
  })

  it('of a later version may be longer', () => {
    expect(readTransactionMarker(marker([0, 1, 0, 1, 9], [0, 1, 0, 0, 0, 7, 9, 9]))?.isCommit).toBe(true)
  })

  it.each<[string, RecordBatchView]>([
    ['a batch of data', marker([0, 0, 0, 1], [0, 0, 0, 0, 0, 7], 0x10)],
    ['another kind of control record', marker([0, 0, 0, 2], [0, 0, 0, 0, 0, 7])],
    ['no key', marker(null, [0, 0, 0, 0, 0, 7])],
    ['a key that is too short', marker([0, 0, 1], [0, 0, 0, 0, 0, 7])],
    ['no value', marker([0, 0, 0, 1], null)],
    ['a value that is too short', marker([0, 0, 0, 1], [0, 0, 0, 0, 0])],
  ])('is not read out of %s', (_what, batch) => {
    expect(readTransactionMarker(batch)).toBeUndefined()
  })

  it('with damaged bytes is none, at every flipped bit, and never an error', () => {
    const good = marker([0, 0, 0, 1], [0, 0, 0, 0, 0, 7]).bytes
    for (let bit = 61 * 8; bit < good.length * 8; bit++) {
      const bytes = good.slice()
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => readTransactionMarker(new RecordBatchView(bytes).at(0))).not.toThrow()
    }
  })

  it('is read from a log that Kafka wrote', () => {
    const bytes = Uint8Array.from(readFileSync('test/fixtures/kafka/v4.3.1/txn-0/00000000000000000003.log'))
    const batch = new RecordBatchView(bytes)
    const markers: boolean[] = []
    for (let position = 0; position < bytes.length; position += batch.sizeBytes) {
      const found = readTransactionMarker(batch.at(position))
      if (batch.isControl) expect(found).toBeDefined()
      if (found !== undefined) markers.push(found.isCommit)
    }
    expect(markers).toContain(true)
    expect(markers).toContain(false)
  })
})
