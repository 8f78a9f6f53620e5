/**
 * Walks the records of one batch, in place. @hot
 *
 * next() moves to a record and decodes its fields as positions and lengths into `bytes`; no view is made. Every length
 * is checked against the record's own end before it is used, so a hostile batch throws CorruptRecordError and no byte
 * outside [start, end) is read. The caller gives records already decompressed.
 */
import { CorruptRecordError } from '../base/errors.ts'
import { VarintCursor } from '../base/varint.ts'
import type { RecordHeader } from './batch-builder.ts'

/** Before a record that may be plain there are at least so many bytes: its varints up to the key, at two bytes each. */
const PLAIN_BYTES = 9
/** Attributes and five one-byte varints. */
const PLAIN_BODY_BYTES = 6

export class RecordCursor {
  readonly bytes: Uint8Array
  /** Of the current record. */
  offsetDelta = 0
  timestampDelta = 0
  keyPosition = 0
  /** -1: null. */
  keyLength = -1
  valuePosition = 0
  /** -1: null. */
  valueLength = -1
  headerCount = 0
  headersPosition = 0
  /** Where the current record ends and the next begins. */
  recordEnd: number
  #remaining: number
  readonly #end: number
  readonly #varints: VarintCursor

  /** Records of a batch: `recordCount` of them, encoded in bytes[start .. end). */
  constructor(bytes: Uint8Array, start: number, end: number, recordCount: number) {
    this.bytes = bytes
    this.recordEnd = start
    this.#end = end
    this.#remaining = recordCount
    this.#varints = new VarintCursor(bytes, start, end)
  }

  /** Moves to the next record; false after the last, when the batch's bytes must be used up exactly. */
  next(): boolean {
    // The plain record (varints of one or two bytes, no headers) is decoded here, in local variables: three times as
    // quick. Whatever does not look like one is decoded again from its start by #nextCarefully, which has the errors.
    const bytes = this.bytes
    const batchEnd = this.#end
    let position = this.recordEnd
    if (this.#remaining === 0 || position + PLAIN_BYTES > batchEnd) return this.#nextCarefully()
    let low = bytes[position]!
    let high: number
    if (low < 0x80) position += 1
    else {
      high = bytes[position + 1]!
      if (high >= 0x80) return this.#nextCarefully()
      low = (low & 0x7f) | (high << 7)
      position += 2
    }
    const recordEnd = position + (low >>> 1)
    if ((low & 1) !== 0 || recordEnd > batchEnd || recordEnd < position + PLAIN_BODY_BYTES) return this.#nextCarefully()

    position += 1 // Attributes: unused, 0.
    low = bytes[position]!
    if (low < 0x80) position += 1
    else {
      high = bytes[position + 1]!
      if (high >= 0x80) return this.#nextCarefully()
      low = (low & 0x7f) | (high << 7)
      position += 2
    }
    const timestampDelta = (low >>> 1) ^ -(low & 1)

    low = bytes[position]!
    if (low < 0x80) position += 1
    else {
      high = bytes[position + 1]!
      if (high >= 0x80) return this.#nextCarefully()
      low = (low & 0x7f) | (high << 7)
      position += 2
    }
    const offsetDelta = (low >>> 1) ^ -(low & 1)

    low = bytes[position]!
    if (low < 0x80) position += 1
    else {
      high = bytes[position + 1]!
      if (high >= 0x80) return this.#nextCarefully()
      low = (low & 0x7f) | (high << 7)
      position += 2
    }
    const keyLength = (low >>> 1) ^ -(low & 1)
    const keyPosition = position
    if (keyLength > 0) position += keyLength
    if (keyLength < -1 || position >= recordEnd) return this.#nextCarefully()

    low = bytes[position]!
    if (low < 0x80) position += 1
    else {
      high = bytes[position + 1]!
      if (high >= 0x80) return this.#nextCarefully()
      low = (low & 0x7f) | (high << 7)
      position += 2
    }
    const valueLength = (low >>> 1) ^ -(low & 1)
    const valuePosition = position
    if (valueLength > 0) position += valueLength
    if (valueLength < -1 || position + 1 !== recordEnd || bytes[position] !== 0) return this.#nextCarefully()

    this.timestampDelta = timestampDelta
    this.offsetDelta = offsetDelta
    this.keyPosition = keyPosition
    this.keyLength = keyLength
    this.valuePosition = valuePosition
    this.valueLength = valueLength
    this.headerCount = 0
    this.headersPosition = recordEnd
    this.recordEnd = recordEnd
    this.#remaining -= 1
    return true
  }

  #nextCarefully(): boolean {
    if (this.#remaining === 0) {
      if (this.recordEnd !== this.#end) {
        throw new CorruptRecordError(`batch has ${this.#end - this.recordEnd} bytes after its last record`)
      }
      return false
    }
    const varints = this.#varints
    varints.position = this.recordEnd
    varints.end = this.#end
    const length = varints.readVarint()
    const start = varints.position
    if (length < 0 || length > this.#end - start) {
      throw new CorruptRecordError(`record length ${length} does not fit the ${this.#end - start} bytes of its batch`)
    }
    const recordEnd = start + length
    varints.end = recordEnd
    varints.position = start + 1 // Attributes: unused, 0.
    this.timestampDelta = varints.readVarlong()
    this.offsetDelta = varints.readVarint()
    this.keyLength = varints.readVarint()
    this.keyPosition = varints.position
    varints.position = this.#skip(varints.position, this.keyLength, recordEnd, 'key')
    this.valueLength = varints.readVarint()
    this.valuePosition = varints.position
    varints.position = this.#skip(varints.position, this.valueLength, recordEnd, 'value')
    this.headerCount = varints.readVarint()
    this.headersPosition = varints.position
    if (
      this.headerCount === 0 ? varints.position !== recordEnd : this.headerCount > (recordEnd - varints.position) / 2
    ) {
      throw new CorruptRecordError(`record with headerCount=${this.headerCount} does not end where its length says`)
    }
    if (this.headerCount < 0) throw new CorruptRecordError(`headerCount=${this.headerCount} is negative`)
    this.recordEnd = recordEnd
    this.#remaining -= 1
    return true
  }

  #skip(position: number, length: number, recordEnd: number, what: string): number {
    if (length < -1 || length > recordEnd - position) {
      throw new CorruptRecordError(`${what} length ${length} does not fit the ${recordEnd - position} bytes left`)
    }
    return length > 0 ? position + length : position
  }

  /** Decodes the headers of the current record; values are views of `bytes`. */
  headers(): RecordHeader[] {
    return decodeHeaders(this.bytes, this.headersPosition, this.recordEnd, this.headerCount)
  }
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

export function decodeHeaders(bytes: Uint8Array, position: number, end: number, count: number): RecordHeader[] {
  const varints = new VarintCursor(bytes, position, end)
  const headers: RecordHeader[] = []
  for (let i = 0; i < count; i++) {
    const keyLength = varints.readVarint()
    if (keyLength < 0 || keyLength > end - varints.position) {
      throw new CorruptRecordError(`header key length ${keyLength} does not fit its record`)
    }
    // TextDecoder refuses shared memory, so the name is copied first; header names are short.
    const key = utf8.decode(bytes.slice(varints.position, varints.position + keyLength))
    varints.position += keyLength
    const valueLength = varints.readVarint()
    if (valueLength < -1 || valueLength > end - varints.position) {
      throw new CorruptRecordError(`header value length ${valueLength} does not fit its record`)
    }
    if (valueLength < 0) headers.push([key, null])
    else {
      headers.push([key, bytes.subarray(varints.position, varints.position + valueLength)])
      varints.position += valueLength
    }
  }
  if (varints.position !== end) throw new CorruptRecordError('record has bytes after its last header')
  return headers
}
