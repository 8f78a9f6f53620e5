/** A partition on a simulated disk with the shared words that readers look at, without threads. */
import type { SimEnv } from '../../src/base/env/sim-env.ts'
import { LocalPartitionReader } from '../../src/engine/partition-reader.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import type { FetchedBatches } from '../../src/protocol/transport.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { createWatermarks, SlotState, Watermarks } from '../../src/ring/watermarks.ts'
import { PARTITION } from '../log/sim-log.ts'

export class SimPartition {
  readonly env: SimEnv
  readonly watermarks = new Watermarks(createWatermarks(1, 1))

  constructor(env: SimEnv, log: PartitionLog) {
    this.env = env
    this.publish(log)
    this.watermarks.setState(0, SlotState.ONLINE)
  }

  /** As a shard does after a write. */
  publish(log: PartitionLog): void {
    this.watermarks.setLogStartOffset(0, log.logStartOffset)
    this.watermarks.setCommittedOffset(0, log.committedOffset)
    this.watermarks.setHighWatermark(0, log.highWatermark)
  }

  reader(offset: number): LocalPartitionReader {
    const place = { directory: PARTITION, slot: 0, watermarks: (): Watermarks => this.watermarks }
    return new LocalPartitionReader(this.env.fs, 't', 0, place, offset)
  }
}

/** Base offsets of the batches of a fetch; each must be whole. */
export function offsetsOf(fetched: FetchedBatches | undefined): number[] {
  if (fetched === undefined) return []
  const { bytes, positions } = fetched
  const view = new RecordBatchView(bytes)
  return positions.slice(0, -1).map((position, i) => {
    const batch = view.at(position)
    if (batch.end !== positions[i + 1] || batch.computeCrc() !== batch.crc) throw new Error('not a whole batch')
    return batch.baseOffset
  })
}

/** Everything that a reader gives until nothing more is at hand. */
export function readAll(reader: LocalPartitionReader, maxBytes = 1 << 20): number[] {
  const offsets: number[] = []
  for (let i = 0; i < 10_000; i++) {
    const fetched = reader.poll(maxBytes)
    if (fetched === undefined) return offsets
    offsets.push(...offsetsOf(fetched))
  }
  throw new Error('the reader does not come to an end')
}
