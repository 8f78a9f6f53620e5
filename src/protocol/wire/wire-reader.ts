/**
 * WireReader: the primitive types of Kafka's protocol, read from one frame. @hot
 *
 * Every read is checked against the end of the frame, every count against what is left of it, before anything is
 * allocated: a frame that lies costs no more than its own size. Byte fields are views of the frame, not copies.
 */
import { assert } from '../../base/assert.ts'
import { getInt64 } from '../../base/int64.ts'
import { uuidFromBytes, UUID_BYTES } from '../../base/uuid.ts'
import { STRING_BYTES_MAX, WireFormatError } from './wire-error.ts'

/** Elements of all arrays of a message together. Kafka 4.4 draws the same line for each array. */
const ELEMENTS_MAX = 1_000_000
const LENGTH_VARINT_BYTES_MAX = 5

export class WireReader {
  readonly bytes: Uint8Array
  readonly view: DataView
  position: number
  readonly end: number
  readonly #text: Buffer
  #elementsLeft = ELEMENTS_MAX

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    assert(position >= 0 && position <= end && end <= bytes.length, 'a frame lies inside its bytes')
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.position = position
    this.end = end
  }

  get remainingBytes(): number {
    return this.end - this.position
  }

  /** Moves over `length` bytes and returns where they begin. */
  take(length: number): number {
    const { position } = this
    if (length > this.end - position) {
      throw new WireFormatError(`needs length=${length} at byte ${position}, and ${this.end - position} are left`)
    }
    this.position = position + length
    return position
  }

  int8(): number {
    return this.view.getInt8(this.take(1))
  }

  int16(): number {
    return this.view.getInt16(this.take(2))
  }

  uint16(): number {
    return this.view.getUint16(this.take(2))
  }

  int32(): number {
    return this.view.getInt32(this.take(4))
  }

  uint32(): number {
    return this.view.getUint32(this.take(4))
  }

  /** Beyond 2^53 the low bits are lost: no such value means anything here but "very large". */
  int64(): number {
    return getInt64(this.view, this.take(8))
  }

  float64(): number {
    return this.view.getFloat64(this.take(8))
  }

  boolean(): boolean {
    return this.view.getUint8(this.take(1)) !== 0
  }

  /** Kafka's text form. */
  uuid(): string {
    return uuidFromBytes(this.bytes, this.take(UUID_BYTES))
  }

  unsignedVarint(): number {
    const first = this.view.getUint8(this.take(1))
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let i = 1; i < LENGTH_VARINT_BYTES_MAX; i++) {
      const byte = this.view.getUint8(this.take(1))
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break
        return value
      }
    }
    throw new WireFormatError(`has a varint beyond 32 bits before byte ${this.position}`)
  }

  /** Below 0 for null. */
  stringLength(isFlexible: boolean): number {
    if (!isFlexible) return this.int16()
    const length = this.unsignedVarint() - 1
    if (length > STRING_BYTES_MAX) {
      throw new WireFormatError(`has a string of length=${length} at byte ${this.position}, over ${STRING_BYTES_MAX}`)
    }
    return length
  }

  /** Below 0 for null. */
  bytesLength(isFlexible: boolean): number {
    return isFlexible ? this.unsignedVarint() - 1 : this.int32()
  }

  /** `length` bytes of UTF-8. */
  text(length: number): string {
    const start = this.take(length)
    return this.#text.toString('utf8', start, start + length)
  }

  /** A view of the frame. */
  subarray(length: number): Uint8Array {
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }

  /** The count of an array whose elements take `elementBytesMin` or more each; -1 for null. */
  arrayLength(isFlexible: boolean, elementBytesMin: number): number {
    const count = this.bytesLength(isFlexible)
    if (count < 0) return -1
    if (count * elementBytesMin > this.end - this.position || count > this.#elementsLeft) {
      throw new WireFormatError(`has an array of count=${count} at byte ${this.position}, more than a message holds`)
    }
    this.#elementsLeft -= count
    return count
  }
}
