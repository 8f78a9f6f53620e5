/**
 * FetchedChunk: the records of one partition from one answer, and how far they are handed out. @hot
 *
 * Headers are looked at when the answer comes (where does the next fetch begin?), CRCs when batches are handed out. An
 * answer may end in the middle of a batch: that part is asked for again.
 *
 * With read_committed the answer names the aborted transactions in it. Their batches are passed over: from a
 * transaction's first offset to the control batch that ends it.
 */
import { batchFault, declaredBatchSize, headerFault, RecordBatchView } from '../../record/batch-view.ts'
import { BATCH_HEADER_BYTES } from '../../record/batch-layout.ts'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface ChunkPlace {
  readonly position: number
  readonly abortedCount: number
  readonly activeProducers: ReadonlySet<number>
}

const NOBODY: ReadonlySet<number> = new Set()

export class FetchedChunk {
  readonly bytes: Uint8Array
  readonly highWatermark: number
  /** First offset behind the whole batches; -1 if there is none. */
  readonly endOffset: number
  /** Of the last whole batch. */
  readonly leaderEpoch: number
  /** What is wrong behind the whole batches, but that the answer ends there. */
  readonly fault: string | undefined
  readonly #view: RecordBatchView
  /** End of the last whole batch. */
  readonly #end: number
  readonly #aborted: readonly AbortedTransaction[]
  #position = 0
  #abortedCount = 0
  #activeProducers = new Set<number>()

  /** `aborted`: empty unless read_committed. */
  constructor(bytes: Uint8Array, highWatermark: number, aborted: readonly AbortedTransaction[]) {
    this.bytes = bytes
    this.highWatermark = highWatermark
    this.#aborted = [...aborted].sort((one, other) => one.firstOffset - other.firstOffset)
    this.#view = new RecordBatchView(bytes)
    let end = 0
    let endOffset = -1
    let leaderEpoch = -1
    let fault: string | undefined
    while (end + BATCH_HEADER_BYTES <= bytes.length) {
      const sizeBytes = declaredBatchSize(this.#view.view, end)
      if (sizeBytes >= BATCH_HEADER_BYTES && end + sizeBytes > bytes.length) break
      fault = headerFault(this.#view, end, bytes.length)
      if (fault === undefined && this.#view.baseOffset < endOffset) {
        fault = `base offset ${this.#view.baseOffset} does not go on from ${endOffset}`
      }
      if (fault !== undefined) break
      endOffset = this.#view.lastOffset + 1
      leaderEpoch = this.#view.partitionLeaderEpoch
      end += sizeBytes
    }
    this.#end = end
    this.endOffset = endOffset
    this.leaderEpoch = leaderEpoch
    this.fault = fault
  }

  /** Whole batches that were not handed out. */
  get leftBytes(): number {
    return this.#end - this.#position
  }

  get position(): number {
    return this.#position
  }

  /** The batch that is next, whole; undefined behind the last. Look at it before move(). */
  peek(): RecordBatchView | undefined {
    return this.#position < this.#end ? this.#view.at(this.#position) : undefined
  }

  /** What is wrong with the batch that is next. */
  faultOfNext(): string | undefined {
    return batchFault(this.#view, this.#position, this.#end)
  }

  /** Whether the batch that is next belongs to an aborted transaction. */
  isNextAborted(): boolean {
    if (this.#aborted.length === 0) return false
    const batch = this.#view.at(this.#position)
    while (this.#abortedCount < this.#aborted.length) {
      const { producerId, firstOffset } = this.#aborted[this.#abortedCount]!
      if (firstOffset > batch.lastOffset) break
      this.#activeProducers.add(producerId)
      this.#abortedCount += 1
    }
    if (!batch.isTransactional) return false
    if (!batch.isControl) return this.#activeProducers.has(batch.producerId)
    this.#activeProducers.delete(batch.producerId)
    return false
  }

  move(): void {
    this.#position += this.#view.at(this.#position).sizeBytes
  }

  place(): ChunkPlace {
    const activeProducers = this.#aborted.length === 0 ? NOBODY : new Set(this.#activeProducers)
    return { position: this.#position, abortedCount: this.#abortedCount, activeProducers }
  }

  /** To a place where it was before. */
  goBack({ position, abortedCount, activeProducers }: ChunkPlace): void {
    this.#position = position
    this.#abortedCount = abortedCount
    this.#activeProducers = new Set(activeProducers)
  }
}
