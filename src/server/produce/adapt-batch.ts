/**
 * The two things that a topic's settings can ask of a batch beyond its header. Both look at every record, so they are
 * done for the topics that ask for them alone, on the net thread, before the batch goes to its shard.
 *
 * - cleanup.policy=compact: a record without a key could never be compacted, and is refused with its place (KIP-467).
 * - compression.type other than producer: a batch of another codec is compressed anew. Offsets, timestamps and the
 *   producer's fields stay as they are.
 */
import { crc32c } from '../../base/crc32c.ts'
import { VltavaError } from '../../base/errors.ts'
import type { TopicInfo } from '../../protocol/transport.ts'
import {
  ATTRIBUTES,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH,
  CODEC_MASK,
  CRC,
  LENGTH_PREFIX_BYTES,
  RECORD_COUNT,
} from '../../record/batch-layout.ts'
import { CODEC_IDS, codecName, compress, type CompressionName, decompress } from '../../record/compression/codec.ts'
import { RecordCursor } from '../../record/record-cursor.ts'
import { CORRUPT_MESSAGE, INVALID_RECORD } from '../error-codes.ts'

/** What a batch may unpack to: above it is taken for an attack. */
const RECORDS_BYTES_MAX = 256 << 20

export interface RecordError {
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string | null
}

export interface AdaptedBatch {
  /** NONE or why it is refused. */
  readonly errorCode: number
  readonly message: string | null
  readonly recordErrors: readonly RecordError[]
  /** The batch in other bytes; undefined if it stays as it is. */
  readonly bytes: Uint8Array | undefined
}

const AS_IT_IS: AdaptedBatch = { errorCode: 0, message: null, recordErrors: [], bytes: undefined }

/** Whether the topic asks for anything that adaptBatch does, of a batch with these attributes. */
export function mustAdapt({ isCompacted, compressionType }: TopicInfo, attributes: number): boolean {
  return isCompacted || isOtherCodec(compressionType, attributes)
}

function isOtherCodec(compressionType: string, attributes: number): boolean {
  return compressionType !== 'producer' && CODEC_IDS[compressionType as CompressionName] !== (attributes & CODEC_MASK)
}

/** `batch` is one whole batch whose header was checked. */
export function adaptBatch(batch: Uint8Array, info: TopicInfo): AdaptedBatch {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  const attributes = view.getInt16(ATTRIBUTES)
  // Who unpacks what is damaged gets nonsense; also, the CRC of what is made here will be right.
  if (crc32c(batch, ATTRIBUTES, batch.length) !== view.getUint32(CRC)) {
    return refused(CORRUPT_MESSAGE, 'the batch does not have its CRC')
  }
  try {
    const codec = codecName(attributes & CODEC_MASK)
    const records = decompress(codec, batch, BATCH_HEADER_BYTES, batch.length, RECORDS_BYTES_MAX)
    if (info.isCompacted) {
      const recordErrors = keylessRecords(records, view.getInt32(RECORD_COUNT))
      if (recordErrors.length > 0) {
        return { ...refused(INVALID_RECORD, `records of ${info.topic}, which is compacted, have keys`), recordErrors }
      }
    }
    if (!isOtherCodec(info.compressionType, attributes)) return AS_IT_IS
    // The topic's setting was checked when it was made: it is a codec, or 'none'.
    return { ...AS_IT_IS, bytes: recompressed(batch, attributes, records, info.compressionType as CompressionName) }
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return refused(error.code === 'CORRUPT_MESSAGE' ? INVALID_RECORD : error.kafkaCode, error.message)
  }
}

/** Throws CorruptRecordError for bytes that are no records. */
function keylessRecords(records: Uint8Array, count: number): RecordError[] {
  const errors: RecordError[] = []
  const cursor = new RecordCursor(records, 0, records.length, count)
  for (let i = 0; cursor.next(); i++) {
    if (cursor.keyLength >= 0) continue
    errors.push({ batchIndex: i, batchIndexErrorMessage: 'Compacted topic cannot accept message without key.' })
  }
  return errors
}

function recompressed(batch: Uint8Array, attributes: number, records: Uint8Array, codec: CompressionName): Uint8Array {
  const compressed = compress(codec, records, 0, records.length)
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + compressed.length)
  bytes.set(batch.subarray(0, BATCH_HEADER_BYTES))
  bytes.set(compressed, BATCH_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setInt32(BATCH_LENGTH, bytes.length - LENGTH_PREFIX_BYTES)
  view.setInt16(ATTRIBUTES, (attributes & ~CODEC_MASK) | CODEC_IDS[codec])
  view.setUint32(CRC, crc32c(bytes, ATTRIBUTES, bytes.length))
  return bytes
}

function refused(errorCode: number, message: string): AdaptedBatch {
  return { ...AS_IT_IS, errorCode, message }
}
