/** What the checker of every bench lets pass, and what it does not: one wrong thing at a time. */
import { beforeEach, describe, expect, it } from 'vitest'
import { RecordChecker } from '../../../src/cli/bench/record-checker.ts'
import { ValueMaker } from '../../../src/cli/bench/values.ts'
import { BatchBuilder, NO_HEADERS } from '../../../src/record/batch-builder.ts'
import { BATCH_HEADER_BYTES } from '../../../src/record/batch-layout.ts'
import { RecordCursor } from '../../../src/record/record-cursor.ts'

const RECORD_SIZE = 47 // No multiple of four: the last bytes are compared one by one.

describe('RecordChecker', () => {
  let checker: RecordChecker
  const offsets = [0, 0]

  beforeEach(() => {
    checker = new RecordChecker(RECORD_SIZE, 2)
    offsets.fill(0)
  })

  /** Checks one record of `producer`, its value or key changed by `spoil`. */
  function read(
    {
      partition = 0,
      sequence = 0,
      producer = 0,
      offset: givenOffset = -1,
      hasKey = false,
    }: {
      partition?: number
      sequence?: number
      producer?: number
      offset?: number
      hasKey?: boolean
    } = {},
    spoil: (value: Uint8Array, key: Uint8Array) => Uint8Array = (value) => value,
  ): void {
    const offset = givenOffset >= 0 ? givenOffset : offsets[partition]!
    const maker = new ValueMaker(RECORD_SIZE, producer)
    const value = maker.make(sequence, 5).slice()
    const key = maker.key(sequence).slice()
    const bytes = new Uint8Array(1000)
    const view = new DataView(bytes.buffer)
    const builder = new BatchBuilder()
    builder.open(bytes, view, 0, bytes.length)
    const spoilt = spoil(value, key)
    builder.append(1, hasKey ? key : null, spoilt, NO_HEADERS)
    const size = builder.close('none', undefined, 0)
    const cursor = new RecordCursor(bytes, BATCH_HEADER_BYTES, size, 1)
    cursor.next()
    checker.check(partition, offset, cursor, view)
    offsets[partition] = offset + 1
  }

  it('counts records that are right, with and without keys, of several producers and partitions', () => {
    read({ sequence: 0 })
    read({ sequence: 1, partition: 1, hasKey: true })
    read({ sequence: 0, producer: 1, partition: 1 })
    read({ sequence: 2 })
    checker.expectAll([3, 1])
    expect([checker.verified, checker.faultCount, checker.firstFault]).toEqual([4, 0, undefined])
  })

  it('finds every changed byte of a value but those of its time, which nobody can know', () => {
    for (let index = 0; index < RECORD_SIZE; index++) {
      checker = new RecordChecker(RECORD_SIZE, 2)
      offsets.fill(0)
      read({ sequence: 0 }, (value) => value.with(index, value[index]! ^ 0x40))
      checker.expectAll([1])
      expect(checker.faultCount > 0, `byte ${index}`).toBe(index < 8 || index >= 16)
    }
  })

  it.each<[string, () => void, RegExp]>([
    ['a shorter value', () => read({}, (value) => value.subarray(1)), /offset=0 has other bytes/],
    ['a longer value', () => read({}, (value) => new Uint8Array([...value, 0])), /offset=0 has other bytes/],
    [
      'another key',
      () =>
        read({ hasKey: true }, (value, key) => {
          key[7]! ^= 1
          return value
        }),
      /offset=0 has other bytes/,
    ],
    ['a gap between offsets', () => read({ offset: 1 }), /offset=1 comes where offset=0 should/],
    ['a producer that cannot be', () => read({ producer: 999 }), /names producer 999/],
    [
      'a repeated record',
      () => {
        read({ sequence: 0 })
        read({ sequence: 0, partition: 1 })
      },
      /partition=1 offset=0 repeats sequence=0/,
    ],
    [
      'records out of order',
      () => {
        read({ sequence: 1 })
        read({ sequence: 0 })
      },
      /offset=1 has sequence=0 behind sequence=1/,
    ],
  ])('finds %s', (_name, records, fault) => {
    records()
    expect(checker.firstFault).toMatch(fault)
  })

  it('finds a record that is missing, at the end or in between', () => {
    read({ sequence: 0 })
    read({ sequence: 2 })
    checker.expectNoGaps()
    expect(checker.firstFault).toMatch(/of producer 0 2 records came back, and 3 were appended/)
    checker = new RecordChecker(RECORD_SIZE, 2)
    checker.expectAll([1])
    expect(checker.firstFault).toMatch(/of producer 0 0 records came back, and 1 were appended/)
  })
})
