/**
 * Zigzag varints of the record format (protobuf's encoding). @hot
 *
 * int32 values take 1 to 5 bytes, int64 values 1 to 10. Writers return the position after the value. Readers keep the
 * position in a cursor object, so that one call gives value and new position without an allocation; they throw
 * CorruptRecordError on a value that is too long or runs past the end, before any byte outside [position, end) is read.
 */
import { CorruptRecordError } from './errors.ts'

export function sizeOfVarint(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** `value` is an int32. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) {
    bytes[position] = zigzag
    return position + 1
  }
  if (zigzag < 0x4000) {
    bytes[position] = (zigzag & 0x7f) | 0x80
    bytes[position + 1] = zigzag >>> 7
    return position + 2
  }
  while (zigzag >= 0x80) {
    bytes[position++] = (zigzag & 0x7f) | 0x80
    zigzag >>>= 7
  }
  bytes[position++] = zigzag
  return position
}

/** `value` is a safe integer. */
export function sizeOfVarlong(value: number): number {
  if (value === (value | 0)) return sizeOfVarint(value)
  let rest = Math.floor((value >= 0 ? value : -(value + 1)) / 0x40)
  let size = 1
  while (rest > 0) {
    rest = Math.floor(rest / 0x80)
    size += 1
  }
  return size
}

/**
 * `value` is a safe integer. Its zigzag form, 2n or 2n + 1, may need 54 bits, more than a number has: so the first
 * seven bits are made from six of n and the sign, and only n itself is divided.
 */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  if (value === (value | 0)) return writeVarint(bytes, position, value)
  const sign = value >= 0 ? 0 : 1
  const n = sign === 0 ? value : -(value + 1)
  let group = (n % 0x40) * 2 + sign
  let rest = Math.floor(n / 0x40)
  while (rest > 0) {
    bytes[position++] = group | 0x80
    group = rest % 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[position++] = group
  return position
}

/** Reads varints from `bytes[position .. end)`. One per decoder; moved with at(). */
export class VarintCursor {
  bytes: Uint8Array
  position: number
  end: number

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  readVarint(): number {
    const bytes = this.bytes
    let position = this.position
    if (position >= this.end) throw pastEnd(position)
    let byte = bytes[position++]!
    if (byte < 0x80) {
      this.position = position
      return (byte >>> 1) ^ -(byte & 1)
    }
    let zigzag = byte & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      if (position >= this.end) throw pastEnd(position)
      byte = bytes[position++]!
      zigzag |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break
        this.position = position
        return (zigzag >>> 1) ^ -(zigzag & 1)
      }
    }
    throw new CorruptRecordError(`varint at byte ${this.position} is longer than 32 bits`)
  }

  /** Reads an int64; one outside the safe integers is refused, for no field of a record may hold it. */
  readVarlong(): number {
    const bytes = this.bytes
    let position = this.position
    let low = 0 // Bits 0 to 27.
    let high = 0 // Bits 28 to 69, as a number.
    let scale = 1
    for (let count = 0; count < 10; count++) {
      if (position >= this.end) throw pastEnd(position)
      const byte = bytes[position++]!
      if (count < 4) low |= (byte & 0x7f) << (count * 7)
      else {
        high += (byte & 0x7f) * scale
        scale *= 0x80
      }
      if (byte < 0x80) {
        // zigzag = high * 2^28 + low; value = (zigzag >>> 1) ^ -(zigzag & 1)
        const half = high * 0x800_0000 + (low >>> 1)
        const value = (low & 1) === 0 ? half : -half - 1
        if (!Number.isSafeInteger(value)) break
        this.position = position
        return value
      }
    }
    throw new CorruptRecordError(`varlong at byte ${this.position} is outside the safe integers`)
  }
}

function pastEnd(position: number): CorruptRecordError {
  return new CorruptRecordError(`varint runs past the end of its record at byte ${position}`)
}
