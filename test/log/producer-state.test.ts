/** Kafka's table of what becomes of a batch with a producer id, and what the state looks like from a snapshot. */
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/base/errors.ts'
import { ACCEPT, DUPLICATE, ProducerState } from '../../src/log/producer-state.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { buildBatch, T0, type TestBatch } from '../record/batches.ts'

const OUT_OF_ORDER = ERROR_CODES.OUT_OF_ORDER_SEQUENCE_NUMBER.kafkaCode
const INVALID_EPOCH = ERROR_CODES.INVALID_PRODUCER_EPOCH.kafkaCode
const ID = 42

function batch(baseSequence: number, parts: TestBatch = {}): RecordBatchView {
  const bytes = buildBatch({ count: 1, producerId: ID, producerEpoch: 3, ...parts, baseSequence })
  return new RecordBatchView(bytes).at(0)
}

/** State after these batches of `count` records, sequences one after another, from offset 100 on. */
function after(count: number, batches: number, firstSequence = 0): ProducerState {
  const state = new ProducerState()
  for (let i = 0; i < batches; i++) {
    const sequence = (firstSequence + i * count) & 0x7fff_ffff
    state.update(batch(sequence, { count, baseOffset: 100 + i * count, firstTimestamp: T0 + i * 1000 }))
  }
  return state
}

describe('a batch of a producer', () => {
  it('that nobody has heard of is taken with any first sequence', () => {
    for (const sequence of [0, 7, 0x7fff_ffff]) expect(new ProducerState().check(batch(sequence))).toBe(ACCEPT)
  })

  it('without an id is taken and not remembered', () => {
    const state = new ProducerState()
    const anonymous = batch(-1, { producerId: -1, producerEpoch: -1 })
    state.update(anonymous)
    expect(state.check(anonymous)).toBe(ACCEPT)
    expect(state.size).toBe(0)
    expect(state.greatestProducerId()).toBe(-1)
  })

  it.each<[string, number, number, number]>([
    ['the next in sequence', 3, 20, ACCEPT],
    ['a gap of one', 3, 21, OUT_OF_ORDER],
    ['the last but one record again', 3, 19, OUT_OF_ORDER],
    ['far behind', 3, 1000, OUT_OF_ORDER],
    ['an older epoch, in sequence', 2, 20, INVALID_EPOCH],
    ['an older epoch, from 0', 2, 0, INVALID_EPOCH],
    ['a newer epoch from 0', 4, 0, ACCEPT],
    ['a newer epoch in the old sequence', 4, 20, OUT_OF_ORDER],
    ['a newer epoch from 1', 4, 1, OUT_OF_ORDER],
  ])('that is %s gets its answer', (_what, producerEpoch, sequence, verdict) => {
    expect(after(4, 5).check(batch(sequence, { producerEpoch }))).toBe(verdict)
  })

  it('that repeats one of the last five is answered with the offset of the first time; an older one is a gap', () => {
    const state = after(4, 7)
    for (let i = 0; i < 7; i++) {
      const verdict = state.check(batch(i * 4, { count: 4 }))
      if (i < 2) {
        expect(verdict, `batch ${i}`).toBe(OUT_OF_ORDER)
        continue
      }
      expect(verdict, `batch ${i}`).toBe(DUPLICATE)
      expect(state.duplicateBaseOffset).toBe(100 + i * 4)
      expect(state.duplicateTimestamp).toBe(T0 + i * 1000 + 3)
    }
  })

  it('that repeats only a part of one, or two at once, is no duplicate', () => {
    const state = after(4, 5)
    expect(state.check(batch(16, { count: 3 }))).toBe(OUT_OF_ORDER)
    expect(state.check(batch(17, { count: 3 }))).toBe(OUT_OF_ORDER)
    expect(state.check(batch(12, { count: 8 }))).toBe(OUT_OF_ORDER)
  })

  it('whose sequence wraps goes on at 0 behind 2^31 - 1', () => {
    const state = after(4, 1, 0x7fff_fffd) // 2^31 - 3, - 2, - 1, and 0.
    expect(state.check(batch(1))).toBe(ACCEPT)
    expect(state.check(batch(0))).toBe(OUT_OF_ORDER)
    expect(state.check(batch(0x7fff_fffd, { count: 4 }))).toBe(DUPLICATE)
    const exact = after(3, 1, 0x7fff_fffd) // Ends with 2^31 - 1.
    expect(exact.check(batch(0))).toBe(ACCEPT)
    expect(exact.check(batch(0x7fff_ffff))).toBe(OUT_OF_ORDER)
  })

  it('of a new epoch makes the batches of the old one unknown', () => {
    const state = after(4, 3)
    state.update(batch(0, { producerEpoch: 4, baseOffset: 112 }))
    expect(state.check(batch(8, { count: 4 }))).toBe(INVALID_EPOCH)
    expect(state.check(batch(1, { producerEpoch: 4 }))).toBe(ACCEPT)
    expect(state.check(batch(0, { producerEpoch: 4 }))).toBe(DUPLICATE)
  })

  it('does not depend on what other producers do', () => {
    const state = after(4, 5)
    state.update(batch(0, { producerId: 7, producerEpoch: 0, baseOffset: 120 }))
    expect(state.check(batch(20))).toBe(ACCEPT)
    expect(state.check(batch(1, { producerId: 7, producerEpoch: 0 }))).toBe(ACCEPT)
    expect(state.greatestProducerId()).toBe(42)
  })
})

describe('a transaction', () => {
  const marker = (epoch: number, isCommit = true): RecordBatchView => {
    const key = Uint8Array.of(0, 0, 0, isCommit ? 1 : 0)
    const value = Uint8Array.of(0, 0, 0, 0, 0, 9)
    return batch(-1, {
      records: [{ timestamp: T0 + 50, key, value, headers: [] }],
      flags: 0x30,
      producerEpoch: epoch,
      baseOffset: 200,
    })
  }

  it('is open from its first batch to its marker', () => {
    const state = new ProducerState()
    state.update(batch(0, { flags: 0x10, baseOffset: 100 }))
    state.update(batch(1, { flags: 0x10, baseOffset: 101 }))
    expect(state.entries()[0]).toMatchObject({ currentTransactionFirstOffset: 100, coordinatorEpoch: -1 })
    state.update(marker(3))
    expect(state.entries()[0]).toMatchObject({
      currentTransactionFirstOffset: -1,
      coordinatorEpoch: 9,
      lastSequence: 1,
      timestamp: T0 + 50,
    })
    expect(state.check(batch(2))).toBe(ACCEPT)
    expect(state.check(batch(1))).toBe(DUPLICATE)
  })

  it('whose marker raises the epoch lets the next batch begin at 0 only', () => {
    const state = new ProducerState()
    state.update(batch(0, { flags: 0x10, baseOffset: 100 }))
    state.update(marker(4, false))
    expect(state.check(batch(0, { producerEpoch: 4 }))).toBe(ACCEPT)
    expect(state.check(batch(1, { producerEpoch: 4 }))).toBe(OUT_OF_ORDER)
    expect(state.check(batch(1, { producerEpoch: 3 }))).toBe(INVALID_EPOCH)
  })

  it('of which only the marker is left still tells the epoch', () => {
    const state = new ProducerState()
    state.update(marker(5))
    expect(state.check(batch(0, { producerEpoch: 4 }))).toBe(INVALID_EPOCH)
    expect(state.check(batch(0, { producerEpoch: 5 }))).toBe(ACCEPT)
  })
})

describe('the state', () => {
  it('that comes back from a snapshot knows the last batch of each producer and goes on from there', () => {
    const state = after(4, 6)
    state.update(batch(0x7fff_fffe, { producerId: 7, count: 4, baseOffset: 124 }))
    const again = new ProducerState()
    again.load(state.entries())
    expect(again.entries()).toEqual(state.entries())
    expect(again.check(batch(20, { count: 4 }))).toBe(DUPLICATE)
    expect(again.duplicateBaseOffset).toBe(120)
    expect(again.check(batch(16, { count: 4 }))).toBe(OUT_OF_ORDER)
    expect(again.check(batch(24))).toBe(ACCEPT)
    expect(again.check(batch(2, { producerId: 7 }))).toBe(ACCEPT)
    expect(again.check(batch(0x7fff_fffe, { producerId: 7, count: 4 }))).toBe(DUPLICATE)
  })

  it('forgets producers that were silent for long, whatever their timestamps, but none with an open transaction', () => {
    const state = after(4, 1)
    state.update(batch(0, { producerId: 7, flags: 0x10, firstTimestamp: T0 }))
    state.nowMs = 500
    state.update(batch(4, { firstTimestamp: 0 }))
    state.nowMs = 500 + 999
    state.expire(1000)
    expect(state.size).toBe(2)
    state.nowMs = 500 + 1000
    state.expire(1000)
    expect(state.entries().map(({ producerId }) => producerId)).toEqual([7])
    state.clear()
    expect(state.size).toBe(0)
  })
})
