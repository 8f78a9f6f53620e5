/**
 * Batches that were damaged at random. Properties: batchFault and headerFault give a text or nothing, and never throw;
 * what passes is unchanged under its CRC; a scan over damaged files ends, throws nothing, and gives valid batches only;
 * a search behind damage finds the next good batch.
 */
import { describe, expect, it } from 'vitest'
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import { batchFault, headerFault, RecordBatchView } from '../../src/record/batch-view.ts'
import { BatchScan, findBatchBehind, findNextBatch } from '../../src/segment/batch-scan.ts'
import { buildBatch, simpleRecords } from '../record/batches.ts'
import { mulberry32, testSeed } from '../random.ts'
import { type Draw, FUZZ_SCALE, mutate } from './mutations.ts'

const seed = testSeed()

function drawing(salt: number): Draw {
  const random = mulberry32(seed + salt)
  return (limit) => Math.floor(random() * limit)
}

function someBatch(draw: Draw, baseOffset = draw(1000)): Uint8Array {
  const records = simpleRecords(1 + draw(5), 1_700_000_000_000 + draw(1000), draw(40))
  return buildBatch({ records, baseOffset, producerId: draw(3) - 1, producerEpoch: 0, baseSequence: draw(100) })
}

describe(`damaged batches (SEED=${seed})`, () => {
  it('are refused with a reason, or are what they were under their CRC', () => {
    const draw = drawing(1)
    let refused = 0
    for (let i = 0; i < 4000 * FUZZ_SCALE; i++) {
      const good = someBatch(draw)
      const bytes = mutate(good, draw)
      const view = new RecordBatchView(bytes)
      const context = `SEED=${seed} i=${i} ${Buffer.from(bytes).toString('hex')}`
      expect(() => headerFault(view, 0, bytes.length), context).not.toThrow()
      const fault = batchFault(view, 0, bytes.length)
      if (fault !== undefined) {
        refused += 1
        continue
      }
      const covered = (of: Uint8Array): string => Buffer.from(of.subarray(21, view.sizeBytes)).toString('hex')
      expect(covered(bytes), context).toBe(covered(good))
    }
    expect(refused).toBeGreaterThan(1000)
  })

  it('in a file let a scan end with valid batches, and a search find what is good behind them', () => {
    const draw = drawing(2)
    for (let i = 0; i < 300 * FUZZ_SCALE; i++) {
      const env = createSimEnv(1)
      const batches: Uint8Array[] = []
      for (let offset = 0, count = 2 + draw(6); count > 0; count--) {
        const batch = someBatch(draw, offset)
        offset = new RecordBatchView(batch).at(0).lastOffset + 1
        batches.push(batch)
      }
      const victim = draw(batches.length)
      const parts = batches.map((batch, index) => (index === victim ? mutate(batch, draw) : batch))
      const bytes = Buffer.concat(parts)
      const file = env.fs.open('/x', 'create')
      file.write(bytes, 0, bytes.length, 0)
      const context = `SEED=${seed} i=${i}`

      const scan = new BatchScan(file, 0, bytes.length)
      let count = 0
      while (scan.next()) {
        expect(batchFault(scan.batch, scan.batch.position, scan.batch.end), context).toBeUndefined()
        count += 1
      }
      expect(count, context).toBeGreaterThanOrEqual(scan.fault === undefined ? 1 : victim)
      // A disk damages bytes, it neither removes nor moves any: only then is it certain what must be found.
      if (scan.fault === undefined || parts[victim]!.length !== batches[victim]!.length) continue
      const behind = Buffer.concat(parts.slice(0, victim + 1)).length
      const firstOffset = victim + 1 < batches.length ? new RecordBatchView(batches[victim + 1]!).at(0).baseOffset : -1
      const expected = firstOffset < 0 ? -1 : behind
      const offsetMin = Math.max(0, firstOffset)
      expect(findNextBatch(file, scan.position + 1, bytes.length, offsetMin), context).toBe(expected)
      expect(findBatchBehind(file, scan.position, bytes.length, offsetMin), context).toBe(expected)
    }
  })
})
