/**
 * ConsumerBatch and ConsumerRecord: what a consumer hands out. @hot
 *
 * A batch is decoded lazily. Its bytes lie in a mapped segment or in the reader's buffer, which move on when the next
 * batch is asked for. Two ways to read it:
 *
 *   for (const record of batch)   records to keep: the first look copies the batch's records once (or decompresses
 * them),
 *                                 and every record stays valid for as long as the program holds it
 *   batch.cursor()                no copy and no object per record: positions into the bytes, valid until the next
 * batch
 *
 * A batch that nobody looked at while it was current cannot be read later: that throws INVALID_ARGUMENT.
 */
import { VltavaError } from '../base/errors.ts'
import { BATCH_HEADER_BYTES } from '../record/batch-layout.ts'
import type { RecordHeader } from '../record/batch-builder.ts'
import { type RecordBatchView } from '../record/batch-view.ts'
import { codecName, type CompressionName, decompress } from '../record/compression/codec.ts'
import { decodeHeaders, RecordCursor } from '../record/record-cursor.ts'
import type { Serde } from './serdes.ts'

/** Decompressed records of one batch may take this much; a batch that claims more is refused. */
const DECOMPRESSED_BYTES_MAX = 256 << 20

export interface ConsumerSerdes<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** Who commits offsets for a batch's group. */
export interface BatchCommitter {
  commit(
    offsets: readonly { topic: string; partition: number; offset: number; metadata?: string }[],
    options?: { signal?: AbortSignal },
  ): Promise<void>
}

const NO_GROUP: BatchCommitter = {
  commit: () => Promise.reject(new VltavaError('INVALID_ARGUMENT', 'the consumer of this batch has no group')),
}

export class ConsumerBatch<K = Uint8Array, V = Uint8Array> implements Iterable<ConsumerRecord<K, V>> {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: number
  readonly lastOffset: number
  /** Records in the batch, of which those before the offset that was asked for are passed over. */
  readonly recordCount: number
  readonly compression: CompressionName
  /** Bytes of the batch on disk. */
  readonly sizeBytes: number
  /** The offset that was asked for: records before it are not handed out. */
  readonly firstOffset: number
  /** Greatest timestamp of its records. */
  readonly maxTimestamp: number
  /** First offset after the log's end when the batch was read: what is behind is the consumer's lag. */
  readonly highWatermark: number
  readonly #serdes: ConsumerSerdes<K, V>
  readonly #committer: BatchCommitter
  readonly #baseTimestamp: number
  readonly #isLogAppendTime: boolean
  /** The records' bytes: borrowed until expire(), or our own copy. */
  #bytes: Uint8Array | undefined
  #start: number
  #end: number
  #isOwned = false

  /** `batch` is at the batch to be handed out; records before `firstOffset` are not. */
  constructor(
    topic: string,
    partition: number,
    batch: RecordBatchView,
    firstOffset: number,
    highWatermark: number,
    serdes: ConsumerSerdes<K, V>,
    committer: BatchCommitter = NO_GROUP,
  ) {
    this.#committer = committer
    this.topic = topic
    this.partition = partition
    this.baseOffset = batch.baseOffset
    this.lastOffset = batch.lastOffset
    this.recordCount = batch.recordCount
    this.compression = codecName(batch.codecId)
    this.sizeBytes = batch.sizeBytes
    this.maxTimestamp = batch.maxTimestamp
    this.highWatermark = highWatermark
    this.firstOffset = firstOffset
    this.#serdes = serdes
    this.#baseTimestamp = batch.baseTimestamp
    this.#isLogAppendTime = batch.isLogAppendTime
    this.#bytes = batch.bytes
    this.#start = batch.position + BATCH_HEADER_BYTES
    this.#end = batch.end
  }

  /** Called by the consumer when it moves on: borrowed bytes are given back. */
  expire(): void {
    if (!this.#isOwned) this.#bytes = undefined
  }

  /**
   * Walks the records without copying them: `cursor.next()`, then offsetDelta (from baseOffset), timestampDelta (from
   * baseTimestamp), keyPosition, keyLength, valuePosition, valueLength in `cursor.bytes`. Valid until the next batch.
   * A batch that begins before the offset asked for is walked from its first record.
   */
  cursor(): RecordCursor {
    if (this.compression !== 'none') this.#own()
    return new RecordCursor(this.#borrowed(), this.#start, this.#end, this.recordCount)
  }

  /**
   * Commits this batch and what is before it in its partition for the consumer's group: see Consumer.commit(). Needs no
   * look at the records, and may be called after the batch has expired.
   */
  commit(options: { readonly metadata?: string; readonly signal?: AbortSignal } = {}): Promise<void> {
    const { metadata, signal } = options
    const { topic, partition } = this
    const commit = { topic, partition, offset: this.lastOffset + 1, ...(metadata === undefined ? {} : { metadata }) }
    return this.#committer.commit([commit], signal === undefined ? {} : { signal })
  }

  /** Reference of the records' timestampDelta. */
  get baseTimestamp(): number {
    return this.#baseTimestamp
  }

  /** True: the log set the time, and every record has maxTimestamp instead of its own. */
  get isLogAppendTime(): boolean {
    return this.#isLogAppendTime
  }

  *[Symbol.iterator](): Iterator<ConsumerRecord<K, V>> {
    const cursor = this.#recordsCursor()
    while (cursor.next()) {
      if (this.baseOffset + cursor.offsetDelta >= this.firstOffset) yield this.#record(cursor)
    }
  }

  /** Calls `visit` with each record: quicker than for...of, which costs an iterator step a record. */
  forEach(visit: (record: ConsumerRecord<K, V>) => void): void {
    const cursor = this.#recordsCursor()
    while (cursor.next()) {
      if (this.baseOffset + cursor.offsetDelta >= this.firstOffset) visit(this.#record(cursor))
    }
  }

  /** All records, as an array. */
  records(): ConsumerRecord<K, V>[] {
    const records: ConsumerRecord<K, V>[] = []
    this.forEach((record) => records.push(record))
    return records
  }

  #recordsCursor(): RecordCursor {
    this.#own()
    return new RecordCursor(this.#borrowed(), this.#start, this.#end, this.recordCount)
  }

  #record(cursor: RecordCursor): ConsumerRecord<K, V> {
    const timestamp = this.#isLogAppendTime ? this.maxTimestamp : this.#baseTimestamp + cursor.timestampDelta
    return new ConsumerRecord(this, this.#serdes, cursor, this.baseOffset + cursor.offsetDelta, timestamp)
  }

  #borrowed(): Uint8Array {
    if (this.#bytes !== undefined) return this.#bytes
    throw new VltavaError(
      'INVALID_ARGUMENT',
      `the batch ${this.topic}-${this.partition} offset=${this.baseOffset} was not read while it was current; ` +
        'take its records() before you ask for the next batch',
    )
  }

  /** Makes the records' bytes our own: decompressed, or copied. */
  #own(): void {
    if (this.#isOwned) return
    const bytes = this.#borrowed()
    this.#bytes =
      this.compression === 'none'
        ? bytes.slice(this.#start, this.#end)
        : decompress(this.compression, bytes, this.#start, this.#end, DECOMPRESSED_BYTES_MAX)
    this.#start = 0
    this.#end = this.#bytes.length
    this.#isOwned = true
  }
}

/** One record. Key and value are decoded when they are asked for, each time anew. */
export class ConsumerRecord<K = Uint8Array, V = Uint8Array> {
  readonly offset: number
  /** Milliseconds since the epoch, of the producer or (message.timestamp.type=LogAppendTime) of the log. */
  readonly timestamp: number
  readonly #batch: ConsumerBatch<K, V>
  readonly #serdes: ConsumerSerdes<K, V>
  readonly #bytes: Uint8Array
  readonly #keyPosition: number
  readonly #keyLength: number
  readonly #valuePosition: number
  readonly #valueLength: number
  readonly #headerCount: number
  readonly #headersPosition: number
  readonly #end: number

  constructor(
    batch: ConsumerBatch<K, V>,
    serdes: ConsumerSerdes<K, V>,
    cursor: RecordCursor,
    offset: number,
    timestamp: number,
  ) {
    this.offset = offset
    this.timestamp = timestamp
    this.#batch = batch
    this.#serdes = serdes
    this.#bytes = cursor.bytes
    this.#keyPosition = cursor.keyPosition
    this.#keyLength = cursor.keyLength
    this.#valuePosition = cursor.valuePosition
    this.#valueLength = cursor.valueLength
    this.#headerCount = cursor.headerCount
    this.#headersPosition = cursor.headersPosition
    this.#end = cursor.recordEnd
  }

  get topic(): string {
    return this.#batch.topic
  }

  get partition(): number {
    return this.#batch.partition
  }

  /** null: the record has none. Throws VltavaError SERIALIZATION. */
  get key(): K | null {
    if (this.#keyLength < 0) return null
    const end = this.#keyPosition + this.#keyLength
    return this.#serdes.key.deserialize(this.#bytes.subarray(this.#keyPosition, end))
  }

  /** null: a tombstone. Throws VltavaError SERIALIZATION. */
  get value(): V | null {
    if (this.#valueLength < 0) return null
    const end = this.#valuePosition + this.#valueLength
    return this.#serdes.value.deserialize(this.#bytes.subarray(this.#valuePosition, end))
  }

  get headers(): RecordHeader[] {
    return decodeHeaders(this.#bytes, this.#headersPosition, this.#end, this.#headerCount)
  }
}
