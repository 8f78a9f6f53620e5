/**
 * OffsetsLoader: reads a partition of `__consumer_offsets` from its start to its end, record by record, in slices, so
 * that a long log does not keep its thread from answering.
 *
 * Offsets that were committed in a transaction (a Kafka broker may have written the directory) count when their COMMIT
 * marker comes, and never if it is an ABORT; those still open at the end are kept back, and `hasOpenTransactions` says
 * that the log has them. What cannot be read as a record of this topic is passed over and counted.
 */
import { DamagedLogError } from '../../base/errors.ts'
import { RecordBatchView } from '../../record/batch-view.ts'
import { BATCH_HEADER_BYTES } from '../../record/batch-layout.ts'
import { codecName, decompress } from '../../record/compression/codec.ts'
import { RecordCursor } from '../../record/record-cursor.ts'
import type { FetchedBatches, PartitionReader } from '../../protocol/transport.ts'
import { WireFormatError } from '../../protocol/wire/wire-error.ts'

const FETCH_BYTES = 1 << 20
const DECOMPRESSED_BYTES_MAX = 64 << 20
/** Types of a control record's key. */
const COMMIT = 1

type OnRecord = (key: Uint8Array, value: Uint8Array | null) => void

interface LoadedRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

export class OffsetsLoader {
  /** Bytes of batches that were read. */
  sizeBytes = 0
  /** Records that are none of this topic, and stretches of damage that were passed over. */
  faultCount = 0
  readonly #reader: PartitionReader
  readonly #endOffset: number
  readonly #onRecord: OnRecord
  readonly #open = new Map<number, LoadedRecord[]>()

  /** Reads from the reader's place up to `endOffset`, which is at or below the high watermark. */
  constructor(reader: PartitionReader, endOffset: number, onRecord: OnRecord) {
    this.#reader = reader
    this.#endOffset = endOffset
    this.#onRecord = onRecord
  }

  get hasOpenTransactions(): boolean {
    return this.#open.size > 0
  }

  get isDone(): boolean {
    return this.#reader.nextOffset >= this.#endOffset
  }

  /** Reads what is at hand, about a MiB; false if the reader has to be waited for. Throws what the reader throws. */
  step(): boolean {
    let fetched: FetchedBatches | undefined
    try {
      fetched = this.#reader.poll(FETCH_BYTES)
    } catch (error) {
      if (!(error instanceof DamagedLogError)) throw error
      // Recovery has reported it. Groups of which records are behind it had better live on.
      this.faultCount += 1
      this.#reader.seek(Math.min(error.resumeOffset, this.#endOffset))
      return true
    }
    if (fetched === undefined) return false
    const { bytes, positions } = fetched
    const batch = new RecordBatchView(bytes)
    for (let i = 0; i < positions.length - 1; i++) this.#read(batch.at(positions[i]!))
    return true
  }

  #read(batch: RecordBatchView): void {
    this.sizeBytes += batch.sizeBytes
    const compression = codecName(batch.codecId)
    const start = batch.position + BATCH_HEADER_BYTES
    const plain =
      compression === 'none'
        ? batch.bytes.slice(start, batch.end)
        : decompress(compression, batch.bytes, start, batch.end, DECOMPRESSED_BYTES_MAX)
    const cursor = new RecordCursor(plain, 0, plain.length, batch.recordCount)
    const { producerId } = batch
    while (cursor.next()) {
      const { keyPosition, keyLength, valuePosition, valueLength } = cursor
      if (keyLength < 0) {
        this.faultCount += 1
        continue
      }
      const key = plain.subarray(keyPosition, keyPosition + keyLength)
      const value = valueLength < 0 ? null : plain.subarray(valuePosition, valuePosition + valueLength)
      if (batch.isControl) this.#endTransaction(producerId, key)
      else if (batch.isTransactional) this.#openOf(producerId).push({ key, value })
      else this.#take(key, value)
    }
  }

  #openOf(producerId: number): LoadedRecord[] {
    let records = this.#open.get(producerId)
    if (records === undefined) {
      records = []
      this.#open.set(producerId, records)
    }
    return records
  }

  /** The key of a control record: version and type, 16 bits each. */
  #endTransaction(producerId: number, key: Uint8Array): void {
    const records = this.#open.get(producerId) ?? []
    this.#open.delete(producerId)
    if (key.length < 4 || ((key[2]! << 8) | key[3]!) !== COMMIT) return
    for (const record of records) this.#take(record.key, record.value)
  }

  #take(key: Uint8Array, value: Uint8Array | null): void {
    try {
      this.#onRecord(key, value)
    } catch (error) {
      if (!(error instanceof WireFormatError)) throw error
      this.faultCount += 1
    }
  }
}
