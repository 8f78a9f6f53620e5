/**
 * RecordChecker: checks every record that a bench reads back: its bytes, that it comes exactly once, that each
 * producer's records are in order within a partition, that offsets go on without a gap. @hot
 */
import { assert } from '../../base/assert.ts'
import type { RecordCursor } from '../../record/record-cursor.ts'
import { SequenceLedger } from './sequence-ledger.ts'
import { KEY_BYTES, producerAt, sequenceAt, ValueChecker } from './values.ts'

/** Producers beyond this in a value's field are damage, not a reason for more memory. */
export const PRODUCERS_MAX = 64

export class RecordChecker {
  /** Records that were right. */
  verified = 0
  faultCount = 0
  firstFault: string | undefined
  readonly #values: ValueChecker
  readonly #partitions: number
  readonly #ledgers: SequenceLedger[]
  /** Last sequence seen, by partition and producer. */
  readonly #lastSequences: Float64Array
  readonly #nextOffsets: Float64Array

  constructor(recordSize: number, partitions: number) {
    this.#values = new ValueChecker(recordSize)
    this.#partitions = partitions
    this.#ledgers = Array.from({ length: PRODUCERS_MAX }, () => new SequenceLedger())
    this.#lastSequences = new Float64Array(partitions * PRODUCERS_MAX).fill(-1)
    this.#nextOffsets = new Float64Array(partitions)
  }

  /** Reading of `partition` begins at `offset`; 0 unless told. */
  beginAt(partition: number, offset: number): void {
    this.#nextOffsets[partition] = offset
  }

  /** The record that `cursor` stands at; `view` is over the cursor's bytes. */
  check(partition: number, offset: number, cursor: RecordCursor, view: DataView): void {
    assert(partition < this.#partitions, 'partition is one of the topic')
    const expectedOffset = this.#nextOffsets[partition]!
    this.#nextOffsets[partition] = offset + 1
    const position = cursor.valuePosition
    if (!this.#values.isWhole(view, position, cursor.valueLength) || !isKeyOf(cursor, view)) {
      this.#fault(partition, offset, 'has other bytes than were appended')
      return
    }
    const sequence = sequenceAt(view, position)
    const producer = producerAt(view, position)
    if (producer >= PRODUCERS_MAX) {
      this.#fault(partition, offset, `names producer ${producer}`)
      return
    }
    const lane = partition * PRODUCERS_MAX + producer
    if (offset !== expectedOffset) {
      this.#fault(partition, offset, `comes where offset=${expectedOffset} should`)
    } else if (!this.#ledgers[producer]!.add(sequence)) {
      this.#fault(partition, offset, `repeats sequence=${sequence} of producer ${producer}`)
    } else if (sequence <= this.#lastSequences[lane]!) {
      this.#fault(partition, offset, `has sequence=${sequence} behind sequence=${this.#lastSequences[lane]}`)
    } else {
      this.verified += 1
      this.#lastSequences[lane] = sequence
    }
  }

  /** At the end: every producer's records 0 .. counts[producer] - 1 must have come. */
  expectAll(counts: readonly number[]): void {
    counts.forEach((count, producer) => {
      const ledger = this.#ledgers[producer]!
      if (ledger.isComplete(count)) return
      this.#note(`of producer ${producer} ${ledger.count} records came back, and ${count} were appended`)
    })
  }

  /** As expectAll, for a topic that was filled earlier: what came must be 0 .. greatest, without a gap. */
  expectNoGaps(): void {
    this.expectAll(this.#ledgers.map(({ end }) => end))
  }

  #fault(partition: number, offset: number, what: string): void {
    this.#note(`the record at partition=${partition} offset=${offset} ${what}`)
  }

  #note(fault: string): void {
    this.faultCount += 1
    this.firstFault ??= fault
  }
}

/** No key, or the first bytes of the value. */
function isKeyOf(cursor: RecordCursor, view: DataView): boolean {
  if (cursor.keyLength < 0) return true
  if (cursor.keyLength !== KEY_BYTES) return false
  const { keyPosition, valuePosition } = cursor
  return (
    view.getInt32(keyPosition) === view.getInt32(valuePosition) &&
    view.getInt32(keyPosition + 4) === view.getInt32(valuePosition + 4)
  )
}
