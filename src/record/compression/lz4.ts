/**
 * LZ4 frames. The blocks inside are in lz4-block.ts.
 *
 *   u32 magic 0x184d2204, FLG, BD, [u64 content size], [u32 dictionary id], header checksum (second byte of xxHash32),
 *   blocks of u32 size (high bit: stored as it is) + data + [u32 xxHash32 of the data],
 *   u32 0, [u32 xxHash32 of the content]                                                    (all little-endian)
 *
 * Written as Kafka's Java client writes it, which is also all that it can read: independent blocks of 64 KiB, no block
 * or content checksum (the batch has its CRC). Read: all of format version 1 except dictionaries, every checksum and
 * size that is there being checked; also joined frames and skippable ones. No checksum is trusted before its bytes are
 * known to be there.
 */
import { CorruptRecordError } from '../../base/errors.ts'
import { viewOf } from './copy.ts'
import { DOES_NOT_FIT, decodeLz4Block, encodeLz4Block } from './lz4-block.ts'
import { Output, borrowScratch } from './output.ts'
import { xxhash32 } from './xxhash.ts'

const MAGIC = 0x184d2204
const SKIPPABLE_MAGIC = 0x184d2a50 // To 0x184d2a5f.
const VERSION = 0x40
const BLOCKS_INDEPENDENT = 0x20
const HAS_BLOCK_CHECKSUMS = 0x10
const HAS_CONTENT_SIZE = 0x08
const HAS_CONTENT_CHECKSUM = 0x04
const HAS_DICTIONARY_ID = 0x01
const BLOCK_SIZE_64_KIB = 4 << 4
const BLOCK_BYTES = 1 << 16
const STORED = 0x8000_0000
const HEADER_BYTES = 7
/** A block's densest content: one match whose length takes 255 for every byte. */
const EXPANSION_MAX = 255

export function compressLz4(input: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(input.length / BLOCK_BYTES)
  const scratch = borrowScratch(HEADER_BYTES + blockCount * 4 + input.length + 4)
  const output = scratch.bytes
  const inputView = viewOf(input)
  writeUint32(output, 0, MAGIC)
  output[4] = VERSION | BLOCKS_INDEPENDENT
  output[5] = BLOCK_SIZE_64_KIB
  output[6] = headerChecksum(output, 4, 6)
  let position = HEADER_BYTES
  for (let start = 0; start < input.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, input.length)
    const length = end - start
    // A block that does not shrink is stored: room for one byte less than that is all the encoder gets.
    const next = encodeLz4Block(input, inputView, start, end, scratch, position + 4, position + 4 + length - 1)
    if (next === DOES_NOT_FIT) {
      writeUint32(output, position, (length | STORED) >>> 0)
      output.set(input.subarray(start, end), position + 4)
      position += 4 + length
    } else {
      writeUint32(output, position, next - position - 4)
      position = next
    }
  }
  writeUint32(output, position, 0)
  return output.slice(0, position + 4)
}

export function decompressLz4(input: Uint8Array, outputBytesMax: number): Uint8Array {
  const output = new Output('lz4', outputBytesMax)
  const inputView = viewOf(input)
  let position = 0
  let frameCount = 0
  while (position < input.length || frameCount === 0) {
    const magic = readUint32(input, position)
    if (magic >= SKIPPABLE_MAGIC && magic <= SKIPPABLE_MAGIC + 15) {
      const length = readUint32(input, position + 4)
      if (length > input.length - position - 8) throw damaged('skippable frame runs past the end', position)
      position += 8 + length
    } else if (magic === MAGIC) {
      position = decodeFrame(input, inputView, position + 4, output)
    } else throw damaged('no LZ4 frame begins here', position)
    frameCount += 1
  }
  return output.finish()
}

/** Decodes the frame whose FLG byte is at `start` and returns the position after it. */
function decodeFrame(input: Uint8Array, inputView: DataView, start: number, output: Output): number {
  if (input.length - start < 3) throw damaged('frame header is cut off', start)
  const flags = input[start]!
  const descriptor = input[start + 1]!
  if ((flags & 0xc0) !== VERSION) throw damaged(`frame version=${flags >>> 6} is not read`, start)
  if ((flags & 0x02) !== 0 || (descriptor & 0x8f) !== 0) throw damaged('reserved bits of the header are set', start)
  if ((flags & HAS_DICTIONARY_ID) !== 0) throw damaged('frame needs a dictionary', start)
  const blockSizeId = descriptor >>> 4
  if (blockSizeId < 4) throw damaged(`block size id=${blockSizeId} is unknown`, start)
  const blockBytesMax = 1 << (8 + 2 * blockSizeId)

  const frameStart = output.position
  let position = start + 2
  let contentSize = -1
  if ((flags & HAS_CONTENT_SIZE) !== 0) {
    contentSize = readUint32(input, position) + readUint32(input, position + 4) * 2 ** 32
    position += 8
  }
  if (position >= input.length) throw damaged('frame header is cut off', position)
  const checksum = input[position]!
  if (checksum !== headerChecksum(input, start, position)) throw damaged('header checksum differs', position)
  position += 1
  if (contentSize > output.limitBytes - frameStart) output.refuse(frameStart + contentSize)

  for (;;) {
    const sizeField = readUint32(input, position)
    position += 4
    if (sizeField === 0) break
    const length = sizeField & ~STORED
    if (length > blockBytesMax) throw damaged(`block size=${length} is over ${blockBytesMax}`, position)
    if (length > input.length - position) throw damaged('block runs past the end', position)
    if ((flags & HAS_BLOCK_CHECKSUMS) !== 0) {
      if (readUint32(input, position + length) !== xxhash32(input, position, position + length)) {
        throw damaged('block checksum differs', position)
      }
    }
    if (sizeField >= STORED) {
      output.reserve(length)
      output.bytes.set(input.subarray(position, position + length), output.position)
      output.position += length
    } else {
      const historyStart = (flags & BLOCKS_INDEPENDENT) !== 0 ? output.position : frameStart
      decodeBlock(input, inputView, position, length, output, historyStart, blockBytesMax)
    }
    position += length + ((flags & HAS_BLOCK_CHECKSUMS) !== 0 ? 4 : 0)
  }

  const produced = output.position - frameStart
  if (contentSize >= 0 && produced !== contentSize) {
    throw damaged(`content size=${contentSize} is declared, ${produced} bytes came`, position)
  }
  if ((flags & HAS_CONTENT_CHECKSUM) !== 0) {
    if (readUint32(input, position) !== xxhash32(output.bytes, frameStart, output.position)) {
      throw damaged('content checksum differs', position)
    }
    position += 4
  }
  return position
}

function decodeBlock(
  input: Uint8Array,
  inputView: DataView,
  start: number,
  length: number,
  output: Output,
  historyStart: number,
  blockBytesMax: number,
): void {
  const roomBytes = Math.min(blockBytesMax, length * EXPANSION_MAX)
  const stop = output.reserveUpTo(roomBytes)
  const next = decodeLz4Block(input, inputView, start, start + length, output, stop, historyStart)
  if (next === DOES_NOT_FIT) {
    if (stop < output.position + roomBytes) output.refuse(output.limitBytes + 1)
    throw damaged(`block decodes to more than ${roomBytes} bytes`, start)
  }
  output.position = next
}

function headerChecksum(bytes: Uint8Array, start: number, end: number): number {
  return (xxhash32(bytes, start, end) >>> 8) & 0xff
}

function readUint32(bytes: Uint8Array, position: number): number {
  if (bytes.length - position < 4) throw damaged('a field is cut off', position)
  const high = (bytes[position + 3]! << 24) | (bytes[position + 2]! << 16)
  return (high | (bytes[position + 1]! << 8) | bytes[position]!) >>> 0
}

function writeUint32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value
  bytes[position + 1] = value >>> 8
  bytes[position + 2] = value >>> 16
  bytes[position + 3] = value >>> 24
}

function damaged(what: string, position: number): CorruptRecordError {
  return new CorruptRecordError(`lz4 data is damaged: ${what}, at byte=${position}`)
}
