/**
 * Outline of zstd data: which frames, how large. Read before anything is decoded.
 *
 *   frame: u32 magic 0xfd2fb528, descriptor, [window], [u32 dictionary id], [u64 content size], blocks, [u32 checksum]
 *   block: 24 bits (1 last, 2 type, 21 size), content        (little-endian; RFC 8878, section 3.1)
 *
 * Walking the block headers costs nothing against decoding, and tells that the data is complete and how much it can
 * become, whoever decodes it then. A compressed block's size is bounded by its type: 128 KiB at most.
 */
import { CorruptRecordError } from '../../../base/errors.ts'

export const ZSTD_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50 // To 0x184d2a5f.
/** More than this no decoder grants unasked: neither libzstd nor the Java client's. */
const WINDOW_BYTES_MAX = 2 ** 27
export const BLOCK_BYTES_MAX = 1 << 17
export const BLOCK_RAW = 0
export const BLOCK_RLE = 1
export const BLOCK_COMPRESSED = 2

export interface ZstdFrame {
  /** Where the first block header is. */
  readonly blocksStart: number
  /** -1 where the header does not tell. */
  readonly contentSize: number
  readonly blockBytesMax: number
  readonly hasChecksum: boolean
}

/** Size that the data declares or has for certain, and the most that it can become. */
export interface ZstdOutline {
  /** Skippable frames count too. */
  readonly frameCount: number
  readonly sizeMin: number
  readonly sizeMax: number
}

/** Walks all of `input`. Throws CorruptRecordError unless it is one or more complete frames. */
export function outlineZstd(input: Uint8Array): ZstdOutline {
  let sizeMin = 0
  let sizeMax = 0
  let frameCount = 0
  let position = 0
  do {
    frameCount += 1
    const contentStart = skipSkippable(input, position)
    if (contentStart !== position) {
      position = contentStart
      continue
    }
    const frame = readFrameHeader(input, position)
    let least = 0
    let most = 0
    position = frame.blocksStart
    for (let last = false; !last;) {
      const header = readBlockHeader(input, position, frame.blockBytesMax)
      last = (header & 1) === 1
      const type = (header >>> 1) & 3
      const size = header >>> 3
      if (type !== BLOCK_COMPRESSED) least += size
      most += type === BLOCK_COMPRESSED ? frame.blockBytesMax : size
      position += 3 + (type === BLOCK_RLE ? 1 : size)
    }
    if (frame.hasChecksum) position += 4
    if (position > input.length) throw damagedZstd('checksum is cut off', position)
    const { contentSize } = frame
    if (contentSize >= 0 && (contentSize < least || contentSize > most)) {
      throw damagedZstd(`content size=${contentSize} is declared, blocks hold ${least} to ${most} bytes`, position)
    }
    sizeMin += contentSize >= 0 ? contentSize : least
    sizeMax += contentSize >= 0 ? contentSize : most
  } while (position < input.length)
  return { frameCount, sizeMin, sizeMax }
}

/** Position after the skippable frame at `position`, or `position` itself where there is none. */
export function skipSkippable(input: Uint8Array, position: number): number {
  const magic = readUint32(input, position)
  if (magic < SKIPPABLE_MAGIC || magic > SKIPPABLE_MAGIC + 15) return position
  const length = readUint32(input, position + 4)
  if (length > input.length - position - 8) throw damagedZstd('skippable frame runs past the end', position)
  return position + 8 + length
}

export function readFrameHeader(input: Uint8Array, start: number): ZstdFrame {
  if (readUint32(input, start) !== ZSTD_MAGIC) throw damagedZstd('no zstd frame begins here', start)
  let position = start + 4
  const descriptor = byteAt(input, position++)
  if ((descriptor & 0x08) !== 0) throw damagedZstd('reserved bit of the header is set', position)
  const singleSegment = (descriptor & 0x20) !== 0
  let windowSize = 0
  if (!singleSegment) {
    const window = byteAt(input, position++)
    const base = 2 ** (10 + (window >>> 3))
    windowSize = base + (base / 8) * (window & 7)
    if (windowSize > WINDOW_BYTES_MAX) throw damagedZstd(`window=${windowSize} is over ${WINDOW_BYTES_MAX}`, position)
  }
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3]!
  for (let index = 0; index < dictionaryIdBytes; index++) {
    if (byteAt(input, position++) !== 0) throw damagedZstd('frame needs a dictionary', position)
  }
  let contentSize = -1
  const sizeFlag = descriptor >>> 6
  if (sizeFlag !== 0 || singleSegment) {
    const sizeBytes = 1 << sizeFlag
    contentSize = sizeFlag === 1 ? 256 : 0
    for (let index = 0; index < sizeBytes; index++) contentSize += byteAt(input, position++) * 2 ** (8 * index)
  }
  if (singleSegment) windowSize = contentSize
  return {
    blocksStart: position,
    contentSize,
    blockBytesMax: Math.min(windowSize, BLOCK_BYTES_MAX),
    hasChecksum: (descriptor & 0x04) !== 0,
  }
}

/** The 24 bits of a block header; its content is known to lie within `input`. */
export function readBlockHeader(input: Uint8Array, position: number, blockBytesMax: number): number {
  if (input.length - position < 3) throw damagedZstd('block header is cut off', position)
  const header = input[position]! | (input[position + 1]! << 8) | (input[position + 2]! << 16)
  const type = (header >>> 1) & 3
  const size = header >>> 3
  if (type > BLOCK_COMPRESSED) throw damagedZstd('block type is reserved', position)
  if (size > blockBytesMax) throw damagedZstd(`block size=${size} is over ${blockBytesMax}`, position)
  if (type === BLOCK_COMPRESSED && size === 0) throw damagedZstd('compressed block is empty', position)
  const contentBytes = type === BLOCK_RLE ? 1 : size
  if (contentBytes > input.length - position - 3) throw damagedZstd('block runs past the end', position)
  return header
}

export function readUint32(bytes: Uint8Array, position: number): number {
  if (bytes.length - position < 4) throw damagedZstd('a field is cut off', position)
  const high = (bytes[position + 3]! << 24) | (bytes[position + 2]! << 16)
  return (high | (bytes[position + 1]! << 8) | bytes[position]!) >>> 0
}

function byteAt(input: Uint8Array, position: number): number {
  if (position >= input.length) throw damagedZstd('frame header is cut off', position)
  return input[position]!
}

export function damagedZstd(what: string, position: number): CorruptRecordError {
  return new CorruptRecordError(`zstd data is damaged: ${what}, at byte=${position}`)
}
