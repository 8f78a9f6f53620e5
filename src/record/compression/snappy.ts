/**
 * Snappy, raw and in xerial's stream framing. @hot
 *
 * Kafka's Java client writes the framing, librdkafka the raw format; both are read, the framing is written:
 *
 *   82 'SNAPPY' 00, int32 version = 1, int32 compatible = 1, then per 32 KiB of input: int32 length, raw block
 *
 * (all big-endian; the header may come again between blocks, where streams were joined). A raw block is the varint of
 * its decoded length, then elements. The low two bits of an element's first byte tell its kind: 0 literals, 1 to 3 a
 * copy with a distance of 11, 16 or 32 bits.
 *
 * An element yields at most 64 bytes for 3, so a declared length that the input cannot reach is refused before any
 * memory is taken.
 */
import { CorruptRecordError } from '../../base/errors.ts'
import { copyLiterals, copyMatch, matchEnd, viewOf } from './copy.ts'
import { Output, type Scratch, borrowScratch } from './output.ts'

const STREAM_HEADER = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]
const STREAM_MAGIC_BYTES = 8
const STREAM_VERSION = 1
const BLOCK_BYTES = 1 << 15

const HASH_BITS = 13
const HASH_SHIFT = 32 - HASH_BITS
const TAIL_BYTES = 15 // A block's end that is not searched for matches.

/** Position + `tableBase` of the last occurrence of a hash; older values are of other blocks and below tableBase. */
const table = new Int32Array(1 << HASH_BITS)
let tableBase = 1

export function compressSnappy(input: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(input.length / BLOCK_BYTES)
  const sizeMax = STREAM_HEADER.length + blockCount * (4 + 32) + input.length + Math.ceil(input.length / 6)
  const scratch = borrowScratch(sizeMax)
  const output = scratch.bytes
  const inputView = viewOf(input)
  output.set(STREAM_HEADER)
  let position = STREAM_HEADER.length
  for (let start = 0; start < input.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, input.length)
    const next = encodeBlock(input, inputView, start, end, scratch, position + 4)
    writeInt32(output, position, next - position - 4)
    position = next
  }
  return output.slice(0, position)
}

export function decompressSnappy(input: Uint8Array, outputBytesMax: number): Uint8Array {
  const output = new Output('snappy', outputBytesMax)
  const inputView = viewOf(input)
  if (!hasStreamMagic(input, 0)) {
    decodeBlock(input, inputView, 0, input.length, output)
    return output.finish()
  }
  let position = readStreamHeader(input, 0)
  while (position < input.length) {
    if (hasStreamMagic(input, position)) {
      position = readStreamHeader(input, position)
      continue
    }
    if (input.length - position < 4) throw damaged('block length is cut off', position)
    const length = readInt32(input, position)
    position += 4
    if (length < 0 || length > input.length - position) throw damaged('block runs past the end', position)
    decodeBlock(input, inputView, position, position + length, output)
    position += length
  }
  return output.finish()
}

function hasStreamMagic(input: Uint8Array, position: number): boolean {
  if (input.length - position < STREAM_MAGIC_BYTES) return false
  for (let index = 0; index < STREAM_MAGIC_BYTES; index++) {
    if (input[position + index] !== STREAM_HEADER[index]) return false
  }
  return true
}

function readStreamHeader(input: Uint8Array, position: number): number {
  if (input.length - position < STREAM_HEADER.length) throw damaged('stream header is cut off', position)
  const version = readInt32(input, position + 8)
  const compatible = readInt32(input, position + 12)
  if (version < STREAM_VERSION || compatible > STREAM_VERSION) {
    throw damaged(`stream version=${version} compatible=${compatible} is not read`, position)
  }
  return position + STREAM_HEADER.length
}

function decodeBlock(input: Uint8Array, inputView: DataView, start: number, end: number, output: Output): void {
  let position = start
  let length = 0
  for (let shift = 0; ; shift += 7) {
    if (position >= end || shift > 28) throw damaged('decoded length is cut off', start)
    const byte = input[position++]!
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (length > (end - position) * 22) throw damaged(`decoded length=${length} cannot come of the block`, start)
  output.reserve(length)
  output.position = decodeElements(input, inputView, position, end, output, output.position + length)
}

/** Fills the output's bytes from its position to `stop`, exactly, and returns `stop`. */
function decodeElements(
  input: Uint8Array,
  inputView: DataView,
  position: number,
  end: number,
  output: Output,
  stop: number,
): number {
  const { bytes, view } = output
  const start = output.position
  let at = start
  while (position < end) {
    const tag = input[position++]!
    const kind = tag & 3
    let length = (tag >>> 2) + 1
    if (kind === 0) {
      if (length > 60) {
        const lengthBytes = length - 60
        if (lengthBytes > end - position) throw damaged('literal length is cut off', position)
        length = 1
        for (let index = 0; index < lengthBytes; index++) length += input[position++]! * 2 ** (index * 8)
      }
      if (length > end - position) throw damaged('literals run past the end', position)
      if (length > stop - at) throw damaged('more literals than the decoded length', position)
      copyLiterals(bytes, view, at, input, inputView, position, length)
      position += length
    } else {
      const distanceBytes = kind === 3 ? 4 : kind
      if (distanceBytes > end - position) throw damaged('copy is cut off', position)
      let distance = input[position]!
      if (kind === 1) {
        length = 4 + ((tag >>> 2) & 7)
        distance |= (tag >>> 5) << 8
      } else {
        distance |= input[position + 1]! << 8
        if (kind === 3) distance = (distance | (input[position + 2]! << 16) | (input[position + 3]! << 24)) >>> 0
      }
      position += distanceBytes
      if (distance === 0 || distance > at - start) throw damaged('copy reaches before the block', position)
      if (length > stop - at) throw damaged('copy exceeds the decoded length', position)
      copyMatch(bytes, view, at, distance, length)
    }
    at += length
  }
  if (at !== stop) throw damaged(`${stop - at} bytes are missing at the end of a block`, end)
  return stop
}

/** Encodes `input[start .. end)`, at most BLOCK_BYTES, at `position` of the scratch; returns the position after it. */
function encodeBlock(
  input: Uint8Array,
  inputView: DataView,
  start: number,
  end: number,
  scratch: Scratch,
  position: number,
): number {
  const output = scratch.bytes
  position = writeLength(output, position, end - start)
  if (tableBase > 0x7fff_ffff - 2 * BLOCK_BYTES) {
    table.fill(0)
    tableBase = 1
  }
  const base = tableBase - start
  tableBase += end - start

  const searchEnd = end - TAIL_BYTES
  let literals = start // First byte not yet encoded.
  let at = start + 1
  let skip = 32 // Thirty-seconds of a byte to step; grows while nothing matches, so noise is passed over quickly.
  while (at < searchEnd) {
    const word = inputView.getInt32(at, true)
    const slot = Math.imul(word, 0x1e35a7bd) >>> HASH_SHIFT
    const candidate = table[slot]! - base
    table[slot] = at + base
    if (candidate < start || inputView.getInt32(candidate, true) !== word) {
      at += skip++ >>> 5
      continue
    }
    const stop = matchEnd(input, inputView, candidate + 4, at + 4, end)
    if (literals < at) position = writeLiterals(scratch, position, input, inputView, literals, at - literals)
    position = writeCopy(output, position, at - candidate, stop - at)
    literals = stop
    at = stop
    skip = 32
    if (at < searchEnd) table[Math.imul(inputView.getInt32(at - 1, true), 0x1e35a7bd) >>> HASH_SHIFT] = at - 1 + base
  }
  return literals < end ? writeLiterals(scratch, position, input, inputView, literals, end - literals) : position
}

/** A block is at most 32 KiB, so lengths take two bytes at most. */
function writeLiterals(
  scratch: Scratch,
  position: number,
  input: Uint8Array,
  inputView: DataView,
  from: number,
  length: number,
): number {
  const output = scratch.bytes
  const field = length - 1
  if (field < 60) output[position++] = field << 2
  else if (field < 256) {
    output[position++] = 60 << 2
    output[position++] = field
  } else {
    output[position++] = 61 << 2
    output[position++] = field & 0xff
    output[position++] = field >>> 8
  }
  copyLiterals(output, scratch.view, position, input, inputView, from, length)
  return position + length
}

function writeCopy(output: Uint8Array, position: number, distance: number, length: number): number {
  // A copy holds 64 bytes; what is left after it must be 4 at least, to fit the short form.
  while (length >= 68) {
    position = writeLongCopy(output, position, distance, 64)
    length -= 64
  }
  if (length > 64) {
    position = writeLongCopy(output, position, distance, 60)
    length -= 60
  }
  if (length >= 12 || distance >= 2048) return writeLongCopy(output, position, distance, length)
  output[position++] = 1 | ((length - 4) << 2) | ((distance >>> 8) << 5)
  output[position++] = distance & 0xff
  return position
}

function writeLongCopy(output: Uint8Array, position: number, distance: number, length: number): number {
  output[position++] = 2 | ((length - 1) << 2)
  output[position++] = distance & 0xff
  output[position++] = distance >>> 8
  return position
}

function writeLength(output: Uint8Array, position: number, length: number): number {
  for (; length >= 0x80; length >>>= 7) output[position++] = (length & 0x7f) | 0x80
  output[position++] = length
  return position
}

function readInt32(bytes: Uint8Array, position: number): number {
  return (bytes[position]! << 24) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!
}

function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24
  bytes[position + 1] = value >>> 16
  bytes[position + 2] = value >>> 8
  bytes[position + 3] = value
}

function damaged(what: string, position: number): CorruptRecordError {
  return new CorruptRecordError(`snappy data is damaged: ${what}, at byte=${position}`)
}
