/**
 * Records that were damaged under a CRC that is right, as a broken or hostile client would send them. Properties: the
 * decoders throw VltavaErrors only, read nothing outside their range, end; and what they decode encodes to the same
 * bytes again.
 */
import { describe, expect, it } from 'vitest'
import { VltavaError } from '../../src/base/errors.ts'
import { BATCH_HEADER_BYTES } from '../../src/record/batch-layout.ts'
import { batchFault, RecordBatchView } from '../../src/record/batch-view.ts'
import { CODEC_IDS, type CompressionName } from '../../src/record/compression/codec.ts'
import { readTransactionMarker } from '../../src/record/control-record.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { mulberry32, testSeed } from '../random.ts'
import { buildBatch, readRecords, type TestRecord } from '../record/batches.ts'
import { type Draw, FUZZ_SCALE, mutate } from './mutations.ts'

const seed = testSeed()

function drawing(salt: number): Draw {
  const random = mulberry32(seed + salt)
  return (limit) => Math.floor(random() * limit)
}

function bytesOrNull(draw: Draw, limit: number): Uint8Array | null {
  const length = draw(limit + 1) - 1
  return length < 0 ? null : Uint8Array.from({ length }, () => draw(4))
}

function someRecords(draw: Draw): TestRecord[] {
  return Array.from({ length: 1 + draw(6) }, () => ({
    timestamp: 1_700_000_000_000 + draw(200) - 100,
    key: bytesOrNull(draw, 8),
    value: bytesOrNull(draw, 70),
    headers: Array.from({ length: draw(3) }, (): [string, Uint8Array | null] => [
      'h'.repeat(draw(5)),
      bytesOrNull(draw, 5),
    ]),
  }))
}

/** A batch with these bytes behind its header, and a CRC to match. */
function withBody(batch: Uint8Array, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + body.length)
  bytes.set(batch.subarray(0, BATCH_HEADER_BYTES))
  bytes.set(body, BATCH_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setInt32(8, bytes.length - 12)
  view.setUint32(17, new RecordBatchView(bytes).at(0).computeCrc())
  return bytes
}

describe(`damaged records (SEED=${seed})`, () => {
  it.each(Object.keys(CODEC_IDS) as CompressionName[])(
    'compressed by %s are decoded or refused with a VltavaError',
    (compression) => {
      const draw = drawing(CODEC_IDS[compression])
      let refused = 0
      let decoded = 0
      for (let i = 0; i < 1500 * FUZZ_SCALE; i++) {
        const good = buildBatch({ records: someRecords(draw), compression })
        const bytes = withBody(good, mutate(good.subarray(BATCH_HEADER_BYTES), draw))
        const context = `SEED=${seed} i=${i} ${Buffer.from(bytes).toString('hex')}`
        expect(batchFault(new RecordBatchView(bytes), 0, bytes.length), context).toBeUndefined()
        readTransactionMarker(new RecordBatchView(bytes).at(0))
        try {
          readRecords(bytes)
          decoded += 1
        } catch (error) {
          if (!(error instanceof VltavaError)) throw new Error(`${context}: ${String(error)}`, { cause: error })
          refused += 1
        }
      }
      expect(refused).toBeGreaterThan(100)
      expect(decoded).toBeGreaterThan(10)
    },
  )

  it('are read inside their range only', () => {
    const draw = drawing(77)
    for (let i = 0; i < 3000 * FUZZ_SCALE; i++) {
      const body = mutate(buildBatch({ records: someRecords(draw) }).subarray(BATCH_HEADER_BYTES), draw)
      // Poison on both sides: a read of it would give other records than the same body by itself.
      const around = new Uint8Array(body.length + 64).fill(draw(256))
      around.set(body, 32)
      const outcome = (bytes: Uint8Array, start: number): string => {
        const cursor = new RecordCursor(bytes, start, start + body.length, 3)
        const seen: string[] = []
        try {
          while (cursor.next()) {
            const { offsetDelta, timestampDelta, keyLength, valueLength } = cursor
            const place = [cursor.keyPosition - start, cursor.valuePosition - start, cursor.recordEnd - start]
            seen.push(JSON.stringify([offsetDelta, timestampDelta, keyLength, valueLength, place, cursor.headers()]))
          }
        } catch (error) {
          if (!(error instanceof VltavaError)) throw error
          seen.push(error.code)
        }
        return seen.join('\n')
      }
      expect(outcome(around, 32), `SEED=${seed} i=${i}`).toBe(outcome(body, 0))
    }
  })

  it('that were not damaged encode to the same bytes again', () => {
    const draw = drawing(99)
    for (let i = 0; i < 1000 * FUZZ_SCALE; i++) {
      const bytes = buildBatch({ records: someRecords(draw) })
      expect(buildBatch({ records: readRecords(bytes) }), `SEED=${seed} i=${i}`).toEqual(bytes)
    }
  })
})
