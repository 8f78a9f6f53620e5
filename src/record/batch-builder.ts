/**
 * Builds one record batch in place, in memory that somebody else owns (a producer's slab, a heap buffer). @hot
 *
 * Life: open() -> append()... -> close() -> the memory is handed on; then open() again on other memory. Records are
 * encoded straight into their final bytes: no copy and no allocation per record. append() returns false when the record
 * does not fit; nothing was written then.
 *
 * Invariants: start + 61 <= position <= limit while open; recordCount = lastOffsetDelta + 1.
 *
 * Offsets and leader epoch stay 0 until the log assigns them: they are outside the CRC for that reason.
 */
import { assert } from '../base/assert.ts'
import { crc32c } from '../base/crc32c.ts'
import { setInt64 } from '../base/int64.ts'
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../base/varint.ts'
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_SEQUENCE,
  BASE_TIMESTAMP,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH,
  CRC,
  CURRENT_MAGIC,
  LAST_OFFSET_DELTA,
  LENGTH_PREFIX_BYTES,
  MAGIC,
  MAX_TIMESTAMP,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  PARTITION_LEADER_EPOCH,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  RECORD_COUNT,
} from './batch-layout.ts'
import { CODEC_IDS, compress, type CompressionName } from './compression/codec.ts'

/** A header of a record: its name, and its value or null. */
export type RecordHeader = readonly [key: string, value: Uint8Array | null]

/** Header names and their UTF-8 bytes are encoded once per record, before its size is known. */
export interface EncodedHeaders {
  readonly count: number
  readonly bytes: Uint8Array
}

export const NO_HEADERS: EncodedHeaders = { count: 0, bytes: new Uint8Array(0) }

/** batchSizeBoundForOne counts varints at their longest; a record may take this much less. */
export const RECORD_BOUND_SLACK = 30

/** Bytes of a batch that holds one such record, at most. */
export function batchSizeBoundForOne(keyLength: number, valueLength: number, headerBytes: number): number {
  // Five varints of at most 5 bytes, a varlong of at most 10, the attributes byte.
  return BATCH_HEADER_BYTES + 36 + Math.max(keyLength, 0) + Math.max(valueLength, 0) + headerBytes
}

export class BatchBuilder {
  recordCount = 0
  #bytes: Uint8Array = EMPTY
  #view: DataView = EMPTY_VIEW
  #start = 0
  #limit = 0
  #position = 0
  #baseTimestamp = 0
  #maxTimestamp = 0
  #isOpen = false

  /** Starts a batch at `start`; at most `limit - start` bytes, which must hold more than the header. */
  open(bytes: Uint8Array, view: DataView, start: number, limit: number): void {
    assert(!this.#isOpen, 'one batch is open at a time')
    assert(limit - start > BATCH_HEADER_BYTES && limit <= bytes.length, 'batch memory holds a header')
    this.#bytes = bytes
    this.#view = view
    this.#start = start
    this.#limit = limit
    this.#position = start + BATCH_HEADER_BYTES
    this.recordCount = 0
    this.#baseTimestamp = 0
    this.#maxTimestamp = 0
    this.#isOpen = true
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get start(): number {
    return this.#start
  }

  /** Bytes so far, header included. */
  get sizeBytes(): number {
    return this.#position - this.#start
  }

  /** Adds a record; false, and nothing written, if it does not fit. `timestampMs` is a safe integer. */
  append(timestampMs: number, key: Uint8Array | null, value: Uint8Array | null, headers: EncodedHeaders): boolean {
    assert(this.#isOpen, 'batch is open')
    const offsetDelta = this.recordCount
    const timestampDelta = offsetDelta === 0 ? 0 : timestampMs - this.#baseTimestamp
    const keyLength = key === null ? -1 : key.length
    const valueLength = value === null ? -1 : value.length
    const bodyBytes =
      1 +
      (isOneByte(timestampDelta) ? 1 : sizeOfVarlong(timestampDelta)) +
      sizeOfVarint(offsetDelta) +
      (keyLength < 0 ? 1 : sizeOfVarint(keyLength) + keyLength) +
      (valueLength < 0 ? 1 : sizeOfVarint(valueLength) + valueLength) +
      (headers.count === 0 ? 1 : sizeOfVarint(headers.count) + headers.bytes.length)
    let position = this.#position
    if (position + sizeOfVarint(bodyBytes) + bodyBytes > this.#limit) return false

    const bytes = this.#bytes
    position = writeVarint(bytes, position, bodyBytes)
    bytes[position] = 0 // Attributes.
    position += 1
    if (isOneByte(timestampDelta)) {
      bytes[position] = (timestampDelta << 1) ^ (timestampDelta >> 31)
      position += 1
    } else {
      position = writeVarlong(bytes, position, timestampDelta)
    }
    position = writeVarint(bytes, position, offsetDelta)
    position = key === null ? writeNull(bytes, position) : writeBytes(bytes, position, key, keyLength)
    position = value === null ? writeNull(bytes, position) : writeBytes(bytes, position, value, valueLength)
    if (headers.count === 0) {
      bytes[position] = 0
      position += 1
    } else {
      position = writeVarint(bytes, position, headers.count)
      bytes.set(headers.bytes, position)
      position += headers.bytes.length
    }
    this.#position = position
    this.recordCount = offsetDelta + 1
    if (offsetDelta === 0) {
      this.#baseTimestamp = timestampMs
      this.#maxTimestamp = timestampMs
    } else if (timestampMs > this.#maxTimestamp) {
      this.#maxTimestamp = timestampMs
    }
    return true
  }

  /**
   * Ends the batch: compresses, writes the header and the CRC. Returns its size in bytes.
   * A compressed form that is no smaller than the plain one is not used; such a batch says codec none.
   */
  close(
    compression: CompressionName,
    compressionLevel: number | undefined,
    flags: number,
    producerId: number = NO_PRODUCER_ID,
    producerEpoch: number = NO_PRODUCER_EPOCH,
    baseSequence: number = NO_SEQUENCE,
  ): number {
    assert(this.#isOpen && this.recordCount > 0, 'batch is open and has records')
    const start = this.#start
    const view = this.#view
    let attributes = flags
    if (compression !== 'none') attributes |= this.#compressRecords(compression, compressionLevel)
    const end = this.#position
    setInt64(view, start + BASE_OFFSET, 0)
    view.setInt32(start + BATCH_LENGTH, end - start - LENGTH_PREFIX_BYTES)
    view.setInt32(start + PARTITION_LEADER_EPOCH, 0)
    view.setUint8(start + MAGIC, CURRENT_MAGIC)
    view.setInt16(start + ATTRIBUTES, attributes)
    view.setInt32(start + LAST_OFFSET_DELTA, this.recordCount - 1)
    setInt64(view, start + BASE_TIMESTAMP, this.#baseTimestamp)
    setInt64(view, start + MAX_TIMESTAMP, this.#maxTimestamp)
    setInt64(view, start + PRODUCER_ID, producerId)
    view.setInt16(start + PRODUCER_EPOCH, producerEpoch)
    view.setInt32(start + BASE_SEQUENCE, baseSequence)
    view.setInt32(start + RECORD_COUNT, this.recordCount)
    view.setUint32(start + CRC, crc32c(this.#bytes, start + ATTRIBUTES, end))
    this.#isOpen = false
    return end - start
  }

  /** Gives an open batch up. */
  abandon(): void {
    this.#isOpen = false
  }

  #compressRecords(compression: CompressionName, level: number | undefined): number {
    const from = this.#start + BATCH_HEADER_BYTES
    const compressed = compress(compression, this.#bytes, from, this.#position, level)
    if (compressed.length >= this.#position - from) return 0
    this.#bytes.set(compressed, from)
    this.#position = from + compressed.length
    return CODEC_IDS[compression]
  }
}

/** Most timestamps of a batch lie within 64 ms of its first. */
function isOneByte(value: number): boolean {
  return value >= -64 && value < 64
}

function writeNull(bytes: Uint8Array, position: number): number {
  bytes[position] = 1 // The varint of -1.
  return position + 1
}

function writeBytes(bytes: Uint8Array, position: number, source: Uint8Array, length: number): number {
  const start = writeVarint(bytes, position, length)
  if (length > 0) bytes.set(source, start)
  return start + length
}

const EMPTY = new Uint8Array(0)
const EMPTY_VIEW = new DataView(new ArrayBuffer(0))
const utf8 = new TextEncoder()

export function encodeHeaders(headers: readonly RecordHeader[]): EncodedHeaders {
  if (headers.length === 0) return NO_HEADERS
  const names = headers.map(([key]) => utf8.encode(key))
  let sizeBytes = 0
  for (let i = 0; i < headers.length; i++) {
    const nameLength = names[i]!.length
    const valueLength = headers[i]![1] === null ? -1 : headers[i]![1]!.length
    sizeBytes += sizeOfVarint(nameLength) + nameLength + sizeOfVarint(valueLength) + Math.max(valueLength, 0)
  }
  const bytes = new Uint8Array(sizeBytes)
  let position = 0
  for (let i = 0; i < headers.length; i++) {
    const name = names[i]!
    const value = headers[i]![1]
    position = writeVarint(bytes, position, name.length)
    bytes.set(name, position)
    position = writeVarint(bytes, position + name.length, value === null ? -1 : value.length)
    if (value !== null) bytes.set(value, position)
    position += value === null ? 0 : value.length
  }
  return { count: headers.length, bytes }
}

/** Gives a closed batch another producer epoch and sequence, and the CRC that goes with them. */
export function restampProducer(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  lengthBytes: number,
  producerEpoch: number,
  baseSequence: number,
): void {
  view.setInt16(start + PRODUCER_EPOCH, producerEpoch)
  view.setInt32(start + BASE_SEQUENCE, baseSequence)
  view.setUint32(start + CRC, crc32c(bytes, start + ATTRIBUTES, start + lengthBytes))
}
