/**
 * The logs of a fake cluster: what a Kafka broker keeps of a partition, as far as clients can tell. Batches are checked
 * as a broker checks them, sequence numbers and the memory of five batches included, so that a test sees what landed,
 * in which order, and how often.
 */
import { batchFault, RecordBatchView } from '../../../src/record/batch-view.ts'
import { readRecords } from '../../record/batches.ts'

export const REMEMBERED_BATCHES = 5
const SEQUENCES = 2 ** 31

interface RememberedBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
}

interface ProducerState {
  epoch: number
  batches: RememberedBatch[]
}

interface StoredBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly bytes: Uint8Array
}

export interface AppendOutcome {
  readonly errorCode: number
  readonly baseOffset: number
}

export class FakePartition {
  leader: number
  epoch = 0
  start = 0
  readonly batches: StoredBatch[] = []
  maxMessageBytes = 1_048_588
  /** As a fetch answer tells them. */
  abortedTransactions: { producerId: number; firstOffset: number }[] = []
  /** Told at each append. */
  readonly watchers = new Set<() => void>()
  readonly #producers = new Map<number, ProducerState>()

  constructor(leader: number) {
    this.leader = leader
  }

  get end(): number {
    return (this.batches.at(-1)?.lastOffset ?? this.start - 1) + 1
  }

  /** Another leader, under the next epoch. */
  elect(leader: number): void {
    this.leader = leader
    this.epoch += 1
    this.wake()
  }

  wake(): void {
    for (const watcher of [...this.watchers]) watcher()
  }

  /** What comes at or behind `offset` is lost, and what was known of its producers with it. */
  truncate(offset: number): void {
    while ((this.batches.at(-1)?.lastOffset ?? -1) >= offset) this.batches.pop()
    for (const state of this.#producers.values()) {
      state.batches = state.batches.filter(({ baseOffset }) => baseOffset < offset)
    }
  }

  /** As a leader does it; `bytes` are copied. */
  append(bytes: Uint8Array): AppendOutcome {
    const copy = bytes.slice()
    const view = new RecordBatchView(copy)
    const fault = batchFault(view, 0, copy.length)
    if (fault !== undefined) return { errorCode: 2, baseOffset: -1 }
    if (copy.length > this.maxMessageBytes) return { errorCode: 10, baseOffset: -1 }
    const { producerId, producerEpoch, baseSequence, recordCount } = view
    if (producerId >= 0) {
      const lastSequence = (baseSequence + recordCount - 1) % SEQUENCES
      const known = this.#producers.get(producerId)
      const repeated = known?.batches.find(
        (each) =>
          known.epoch === producerEpoch && each.firstSequence === baseSequence && each.lastSequence === lastSequence,
      )
      if (repeated !== undefined) return { errorCode: 0, baseOffset: repeated.baseOffset }
      if (known !== undefined && producerEpoch < known.epoch) return { errorCode: 47, baseOffset: -1 }
      const isNewEpoch = known === undefined || producerEpoch > known.epoch
      const last = known?.batches.at(-1)
      const isForgotten = !isNewEpoch && last === undefined // Then any sequence is as good as the other.
      const expected = isNewEpoch || last === undefined ? 0 : (last.lastSequence + 1) % SEQUENCES
      if (known !== undefined && !isForgotten && baseSequence !== expected) return { errorCode: 45, baseOffset: -1 }
      const state = isNewEpoch ? { epoch: producerEpoch, batches: [] } : known
      state.batches = [
        ...state.batches.slice(1 - REMEMBERED_BATCHES),
        { firstSequence: baseSequence, lastSequence, baseOffset: this.end },
      ]
      this.#producers.set(producerId, state)
    }
    const baseOffset = this.end
    view.baseOffset = baseOffset
    view.partitionLeaderEpoch = this.epoch
    this.batches.push({ baseOffset, lastOffset: view.lastOffset, bytes: copy })
    this.wake()
    return { errorCode: 0, baseOffset }
  }

  /** Puts a batch there as it is, for logs that no producer of ours writes. Its base offset becomes the log's end. */
  appendRaw(bytes: Uint8Array): void {
    const view = new RecordBatchView(bytes).at(0)
    view.baseOffset = this.end
    view.partitionLeaderEpoch = this.epoch
    this.batches.push({ baseOffset: view.baseOffset, lastOffset: view.lastOffset, bytes })
    this.wake()
  }

  /** Whole batches from the one with `offset` on; the last may be cut off at `maxBytes`, the first is not. */
  read(offset: number, maxBytes: number): Uint8Array {
    const found = this.batches.filter(({ lastOffset }) => lastOffset >= offset).map(({ bytes }) => bytes)
    const all = Buffer.concat(found)
    const kept = Math.max(found[0]?.length ?? 0, Math.min(all.length, maxBytes))
    return new Uint8Array(all.subarray(0, kept))
  }

  /** The text of every record, in the log's order. */
  values(): string[] {
    return this.batches.flatMap(({ bytes }) =>
      readRecords(bytes).map(({ value }) => (value === null ? '-' : Buffer.from(value).toString())),
    )
  }
}
