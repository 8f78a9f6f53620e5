/**
 * WireWriter: the primitive types of Kafka's protocol, written into memory that grows. @hot
 *
 * Bytes that lie somewhere else (a stretch of a segment file that is to be sent from there) are not copied in:
 * external() notes where they belong, and pieces() gives everything in order.
 */
import { assert } from '../../base/assert.ts'
import { setInt64 } from '../../base/int64.ts'
import { UUID_BYTES, uuidToBytes } from '../../base/uuid.ts'
import { STRING_BYTES_MAX, WireFormatError } from './wire-error.ts'

/** Bytes of a message that are elsewhere. */
export interface ExternalBytes {
  readonly sizeBytes: number
}

export type WirePiece<E extends ExternalBytes = ExternalBytes> = Uint8Array | E

const INITIAL_BYTES = 512

export class WireWriter {
  #bytes: Uint8Array
  #view: DataView
  #text: Buffer
  /** Bytes in memory so far; external ones are not counted. */
  position = 0
  readonly #external: { readonly position: number; readonly bytes: ExternalBytes }[] = []
  #externalBytes = 0

  constructor(initialBytes = INITIAL_BYTES) {
    this.#bytes = new Uint8Array(initialBytes)
    this.#view = new DataView(this.#bytes.buffer)
    this.#text = Buffer.from(this.#bytes.buffer)
  }

  /** Of everything written, external bytes included. */
  get sizeBytes(): number {
    return this.position + this.#externalBytes
  }

  /** Moves over `length` bytes and returns where they begin. */
  claim(length: number): number {
    const start = this.position
    if (start + length > this.#bytes.length) this.#grow(start + length)
    this.position = start + length
    return start
  }

  #grow(neededBytes: number): void {
    const before = this.#bytes
    this.#bytes = new Uint8Array(Math.max(neededBytes, before.length * 2))
    this.#bytes.set(before)
    this.#view = new DataView(this.#bytes.buffer)
    this.#text = Buffer.from(this.#bytes.buffer)
  }

  int8(value: number): void {
    assert(value === (value << 24) >> 24, 'an int8 has 8 bits')
    const at = this.claim(1)
    this.#view.setInt8(at, value)
  }

  int16(value: number): void {
    assert(value === (value << 16) >> 16, 'an int16 has 16 bits')
    const at = this.claim(2)
    this.#view.setInt16(at, value)
  }

  uint16(value: number): void {
    assert(value === (value & 0xffff), 'a uint16 has 16 bits')
    const at = this.claim(2)
    this.#view.setUint16(at, value)
  }

  int32(value: number): void {
    assert(value === (value | 0), 'an int32 has 32 bits')
    const at = this.claim(4)
    this.#view.setInt32(at, value)
  }

  uint32(value: number): void {
    assert(value === value >>> 0, 'a uint32 has 32 bits')
    const at = this.claim(4)
    this.#view.setUint32(at, value)
  }

  /** A client may have sent what is only approximately known here, and answers repeat some fields: no assertion. */
  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new WireFormatError(`int64=${value} is not a safe integer`)
    const at = this.claim(8)
    setInt64(this.#view, at, value)
  }

  float64(value: number): void {
    const at = this.claim(8)
    this.#view.setFloat64(at, value)
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  uuid(text: string): void {
    const bytes = uuidToBytes(text)
    if (bytes === undefined) throw new WireFormatError(`uuid=${text} is not 22 characters of URL-safe base64`)
    const at = this.claim(UUID_BYTES)
    this.#bytes.set(bytes, at)
  }

  unsignedVarint(value: number): void {
    assert(value >= 0 && value <= 0xffff_ffff, 'an unsigned varint has 32 bits')
    let rest = value
    while (rest >= 0x80) {
      this.#byte((rest & 0x7f) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.#byte(rest)
  }

  #byte(value: number): void {
    const at = this.claim(1)
    this.#bytes[at] = value
  }

  /** null by a length of -1. */
  string(value: string | null, isFlexible: boolean): void {
    const length = value === null ? -1 : Buffer.byteLength(value)
    if (length > STRING_BYTES_MAX) throw new WireFormatError(`a string has length=${length}, over ${STRING_BYTES_MAX}`)
    if (isFlexible) this.unsignedVarint(length + 1)
    else this.int16(length)
    if (value === null) return
    const at = this.claim(length)
    this.#text.write(value, at, length, 'utf8')
  }

  bytes(value: Uint8Array | null, isFlexible: boolean): void {
    this.length(value === null ? -1 : value.length, isFlexible)
    if (value !== null) this.raw(value)
  }

  /** Of bytes or an array; -1 for null. */
  length(length: number, isFlexible: boolean): void {
    if (isFlexible) this.unsignedVarint(length + 1)
    else this.int32(length)
  }

  raw(value: Uint8Array): void {
    const at = this.claim(value.length)
    this.#bytes.set(value, at)
  }

  /** Bytes that are elsewhere belong here. */
  external(bytes: ExternalBytes): void {
    this.#external.push({ position: this.position, bytes })
    this.#externalBytes += bytes.sizeBytes
  }

  /** Sets four bytes that were claimed before. */
  patchInt32(at: number, value: number): void {
    this.#view.setInt32(at, value)
  }

  /** Everything in order. Views of this writer's memory: it is not written to afterwards. */
  pieces(): WirePiece[] {
    const pieces: WirePiece[] = []
    let from = 0
    for (const { position, bytes } of this.#external) {
      if (position > from) pieces.push(this.#bytes.subarray(from, position))
      pieces.push(bytes)
      from = position
    }
    if (this.position > from) pieces.push(this.#bytes.subarray(from, this.position))
    return pieces
  }

  /** As one array, where nothing is external. */
  finish(): Uint8Array {
    assert(this.#external.length === 0, 'a message in one piece has no external bytes')
    return this.#bytes.subarray(0, this.position)
  }
}
