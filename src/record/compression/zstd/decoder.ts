/**
 * zstd decoder in TypeScript, for Node versions whose node:zlib has none. @hot
 *
 * RFC 8878 without dictionaries. A block is first copied between two runs of padding: bit readers may then load whole
 * words at any position, and shared memory is read once. What a block refers back to (window, tables, offsets) lives
 * in the frame's own output and in this object, which one thread owns and which starts afresh with every frame.
 */
import { CorruptRecordError } from '../../../base/errors.ts'
import { COPY_SLACK_BYTES, copyLiterals, copyMatch } from '../copy.ts'
import type { Output } from '../output.ts'
import { xxhash64Low } from '../xxhash.ts'
import { FseDecodeTable, readDistribution } from './fse.ts'
import {
  BLOCK_BYTES_MAX,
  BLOCK_COMPRESSED,
  BLOCK_RAW,
  damagedZstd,
  readBlockHeader,
  readFrameHeader,
  readUint32,
  skipSkippable,
} from './frame.ts'
import { HuffmanDecodeTable, streamBits } from './huffman.ts'
import {
  CODE_COUNT_MAX,
  LITERAL_LENGTH_BASES,
  LITERAL_LENGTH_BITS,
  MATCH_LENGTH_BASES,
  MATCH_LENGTH_BITS,
  SEQUENCE_KINDS,
} from './sequences.ts'

const PADDING_BYTES = 8
const LITERALS_RAW = 0
const LITERALS_RLE = 1
const LITERALS_COMPRESSED = 2
const MODE_PREDEFINED = 0
const MODE_RLE = 1
const MODE_DISTRIBUTION = 2

export class ZstdDecoder {
  readonly #block = new Uint8Array(PADDING_BYTES + BLOCK_BYTES_MAX + PADDING_BYTES)
  readonly #view = new DataView(this.#block.buffer)
  readonly #literals = new Uint8Array(BLOCK_BYTES_MAX + COPY_SLACK_BYTES)
  readonly #literalsView = new DataView(this.#literals.buffer)
  #literalsLength = 0
  readonly #huffman = new HuffmanDecodeTable()
  #hasHuffman = false
  readonly #shares = new Int16Array(CODE_COUNT_MAX)
  // Tables of literal lengths, offsets and match lengths: RFC's, the block's, and the ones in force.
  readonly #predefined = SEQUENCE_KINDS.map(({ predefined, predefinedLog }) =>
    new FseDecodeTable().build(predefined, predefined.length, predefinedLog),
  )
  readonly #own = SEQUENCE_KINDS.map(() => new FseDecodeTable())
  readonly #current: (FseDecodeTable | undefined)[] = [undefined, undefined, undefined]
  readonly #repeats = Int32Array.of(1, 4, 8)

  /** Appends the content of all frames in `input` to `output`. Throws CorruptRecordError, RecordTooLargeError. */
  decode(input: Uint8Array, output: Output): void {
    let position = 0
    do {
      const next = skipSkippable(input, position)
      position = next === position ? this.#decodeFrame(input, position, output) : next
    } while (position < input.length)
  }

  #decodeFrame(input: Uint8Array, start: number, output: Output): number {
    const frame = readFrameHeader(input, start)
    const frameStart = output.position
    this.#hasHuffman = false
    this.#current.fill(undefined)
    this.#repeats.set([1, 4, 8])
    let position = frame.blocksStart
    for (let last = false; !last;) {
      const header = readBlockHeader(input, position, frame.blockBytesMax)
      last = (header & 1) === 1
      const type = (header >>> 1) & 3
      const size = header >>> 3
      position += 3
      if (type === BLOCK_COMPRESSED) {
        this.#block.set(input.subarray(position, position + size), PADDING_BYTES)
        this.#decodeBlock(PADDING_BYTES + size, output, frameStart, frame.blockBytesMax)
        position += size
      } else {
        output.reserve(size)
        if (type === BLOCK_RAW) output.bytes.set(input.subarray(position, position + size), output.position)
        else output.bytes.fill(input[position]!, output.position, output.position + size)
        output.position += size
        position += type === BLOCK_RAW ? size : 1
      }
    }
    const produced = output.position - frameStart
    if (frame.contentSize >= 0 && frame.contentSize !== produced) {
      throw damagedZstd(`content size=${frame.contentSize} is declared, ${produced} bytes came`, position)
    }
    if (!frame.hasChecksum) return position
    if (readUint32(input, position) !== xxhash64Low(output.bytes, frameStart, output.position)) {
      throw damagedZstd('content checksum differs', position)
    }
    return position + 4
  }

  #decodeBlock(end: number, output: Output, frameStart: number, blockBytesMax: number): void {
    const sequencesStart = this.#readLiterals(PADDING_BYTES, end, blockBytesMax)
    const block = this.#block
    let position = sequencesStart
    if (position >= end) throw cutOff('sequence count')
    let count = block[position++]!
    if (count === 0) {
      if (position !== end) throw damagedZstd('bytes follow a block without sequences', position)
      output.reserve(this.#literalsLength)
      output.bytes.set(this.#literals.subarray(0, this.#literalsLength), output.position)
      output.position += this.#literalsLength
      return
    }
    if (count >= 128) {
      if (end - position < 2) throw cutOff('sequence count')
      if (count < 255) count = ((count - 128) << 8) + block[position++]!
      else {
        count = block[position]! + (block[position + 1]! << 8) + 0x7f00
        position += 2
      }
    }
    if (position >= end) throw cutOff('sequence modes')
    const modes = block[position++]!
    if ((modes & 3) !== 0) throw damagedZstd('reserved bits of the sequence modes are set', position)
    for (let kind = 0; kind < 3; kind++) position = this.#readTable(kind, (modes >>> (6 - 2 * kind)) & 3, position, end)
    // A block's room: never more than the limit, and then it is the limit that stops it.
    const start = output.position
    const stop = output.reserveUpTo(blockBytesMax)
    const next = this.#decodeSequences(position, end, count, output, stop, frameStart)
    if (next < 0) {
      if (stop < start + blockBytesMax) output.refuse(output.limitBytes + 1)
      throw damagedZstd(`block decodes to more than ${blockBytesMax} bytes`, position)
    }
    output.position = next
  }

  /** Fills #literals from the section at `position`, returns the position after it. */
  #readLiterals(position: number, end: number, blockBytesMax: number): number {
    const block = this.#block
    if (position >= end) throw cutOff('literals header')
    const header = this.#view.getUint32(position, true)
    const type = header & 3
    const format = (header >>> 2) & 3
    if (type === LITERALS_RAW || type === LITERALS_RLE) {
      const headerBytes = format === 1 ? 2 : format === 3 ? 3 : 1
      const size = (header & ((1 << (headerBytes * 8)) - 1)) >>> (headerBytes === 1 ? 3 : 4)
      position += headerBytes
      const contentBytes = type === LITERALS_RAW ? size : 1
      if (contentBytes > end - position) throw cutOff('literals')
      if (size > blockBytesMax) throw damagedZstd(`literals size=${size} is over ${blockBytesMax}`, position)
      if (type === LITERALS_RAW) this.#literals.set(block.subarray(position, position + size))
      else this.#literals.fill(block[position]!, 0, size)
      this.#literalsLength = size
      return position + contentBytes
    }

    const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18
    const headerBytes = format < 2 ? 3 : format + 2
    if (headerBytes > end - position) throw cutOff('literals header')
    const mask = (1 << sizeBits) - 1
    const size = (header >>> 4) & mask
    const compressedAt = 4 + sizeBits
    const high = this.#view.getUint32(position + 1, true) // Of bits 8 to 39: the largest header has 40.
    const compressedSize = (high >>> (compressedAt - 8)) & mask
    position += headerBytes
    if (compressedSize > end - position) throw cutOff('literals')
    if (size > blockBytesMax) throw damagedZstd(`literals size=${size} is over ${blockBytesMax}`, position)
    const next = position + compressedSize
    if (type === LITERALS_COMPRESSED) {
      position = this.#huffman.read(block, position, next)
      this.#hasHuffman = true
    } else if (!this.#hasHuffman) throw damagedZstd('literals repeat a Huffman tree, and there is none', position)
    this.#decodeLiterals(position, next, size, format === 0 ? 1 : 4)
    this.#literalsLength = size
    return next
  }

  #decodeLiterals(position: number, end: number, size: number, streamCount: number): void {
    const literals = this.#literals
    if (streamCount === 1) {
      this.#huffman.decodeStream(this.#block, this.#view, position, end, literals, 0, size)
      return
    }
    if (end - position < 6) throw cutOff('literals jump table')
    const part = (size + 3) >> 2
    if (3 * part > size) throw damagedZstd(`literals size=${size} is too small for four streams`, position)
    let from = position + 6
    for (let stream = 0; stream < 4; stream++) {
      const to = stream === 3 ? end : from + this.#view.getUint16(position + 2 * stream, true)
      if (to > end) throw damagedZstd('literals stream runs past the end', position)
      const stop = stream === 3 ? size : (stream + 1) * part
      this.#huffman.decodeStream(this.#block, this.#view, from, to, literals, stream * part, stop)
      from = to
    }
  }

  /** Makes the table of one kind current, returns the position after its description. */
  #readTable(kind: number, mode: number, position: number, end: number): number {
    const own = this.#own[kind]!
    const { codeCount, logMax } = SEQUENCE_KINDS[kind]!
    if (mode === MODE_PREDEFINED) this.#current[kind] = this.#predefined[kind]!
    else if (mode === MODE_RLE) {
      if (position >= end) throw cutOff('sequence table')
      const code = this.#block[position++]!
      if (code >= codeCount) throw damagedZstd(`sequence code=${code} is unknown`, position)
      this.#current[kind] = own.buildSingle(code)
    } else if (mode === MODE_DISTRIBUTION) {
      const shares = this.#shares
      const read = readDistribution(this.#block, position, end, logMax, codeCount, shares)
      this.#current[kind] = own.build(shares, read.symbolCount, read.accuracyLog)
      position = read.end
    } else if (this.#current[kind] === undefined) {
      throw damagedZstd('sequences repeat a table, and there is none', position)
    }
    return position
  }

  /**
   * Executes the sequences of the stream `#block[position .. end)` from the output's position on. Returns the position
   * after the last byte, or -1 if that is past `stop`.
   */
  #decodeSequences(
    position: number,
    end: number,
    count: number,
    output: Output,
    stop: number,
    frameStart: number,
  ): number {
    const { bytes, view: bytesView } = output
    let at = output.position
    const view = this.#view
    const literals = this.#literals
    const literalsView = this.#literalsView
    const literalsLength = this.#literalsLength
    const literalTable = this.#current[0]!
    const offsetTable = this.#current[1]!
    const matchTable = this.#current[2]!
    const literalEntries = literalTable.entries
    const offsetEntries = offsetTable.entries
    const matchEntries = matchTable.entries
    const repeats = this.#repeats
    let [repeat1, repeat2, repeat3] = [repeats[0]!, repeats[1]!, repeats[2]!]
    let literalsAt = 0

    const floor = position * 8
    let bits = streamBits(this.#block, position, end)
    bits -= literalTable.accuracyLog
    let literalState = readBits(view, bits, literalTable.accuracyLog, floor)
    bits -= offsetTable.accuracyLog
    let offsetState = readBits(view, bits, offsetTable.accuracyLog, floor)
    bits -= matchTable.accuracyLog
    let matchState = readBits(view, bits, matchTable.accuracyLog, floor)

    for (let left = count; left > 0; left--) {
      const literalEntry = literalEntries[literalState]!
      const offsetEntry = offsetEntries[offsetState]!
      const matchEntry = matchEntries[matchState]!
      const offsetCode = offsetEntry & 0xff
      let offset: number
      if (offsetCode > 24) {
        bits -= offsetCode - 16
        offset = 2 ** offsetCode + readBits(view, bits, offsetCode - 16, floor) * 65536
        bits -= 16
        offset += readBits(view, bits, 16, floor)
      } else {
        bits -= offsetCode
        offset = (1 << offsetCode) + readBits(view, bits, offsetCode, floor)
      }
      const matchCode = matchEntry & 0xff
      const matchBits = MATCH_LENGTH_BITS[matchCode]!
      bits -= matchBits
      const matchLength = MATCH_LENGTH_BASES[matchCode]! + readBits(view, bits, matchBits, floor)
      const literalCode = literalEntry & 0xff
      const literalBits = LITERAL_LENGTH_BITS[literalCode]!
      bits -= literalBits
      const literalLength = LITERAL_LENGTH_BASES[literalCode]! + readBits(view, bits, literalBits, floor)

      let distance: number
      const choice = offset > 3 ? 4 : literalLength === 0 ? offset : offset - 1
      if (choice === 0) distance = repeat1
      else {
        distance = choice === 4 ? offset - 3 : choice === 1 ? repeat2 : choice === 2 ? repeat3 : repeat1 - 1
        if (choice !== 1) repeat3 = repeat2
        repeat2 = repeat1
        repeat1 = distance
      }

      if (left > 1) {
        const literalStep = (literalEntry >>> 8) & 0xff
        bits -= literalStep
        literalState = (literalEntry >>> 16) + readBits(view, bits, literalStep, floor)
        const matchStep = (matchEntry >>> 8) & 0xff
        bits -= matchStep
        matchState = (matchEntry >>> 16) + readBits(view, bits, matchStep, floor)
        const offsetStep = (offsetEntry >>> 8) & 0xff
        bits -= offsetStep
        offsetState = (offsetEntry >>> 16) + readBits(view, bits, offsetStep, floor)
      }

      if (literalLength > literalsLength - literalsAt) throw damagedZstd('sequences take too many literals', position)
      if (literalLength + matchLength > stop - at) return -1
      copyLiterals(bytes, bytesView, at, literals, literalsView, literalsAt, literalLength)
      at += literalLength
      literalsAt += literalLength
      if (distance < 1 || distance > at - frameStart) throw damagedZstd('match reaches before its frame', position)
      copyMatch(bytes, bytesView, at, distance, matchLength)
      at += matchLength
    }
    if (bits !== floor) throw damagedZstd('sequence stream does not end where it should', position)
    const rest = literalsLength - literalsAt
    if (rest > stop - at) return -1
    copyLiterals(bytes, bytesView, at, literals, literalsView, literalsAt, rest)
    repeats[0] = repeat1
    repeats[1] = repeat2
    repeats[2] = repeat3
    return at + rest
  }
}

/** The `count` bits (0 to 24) at `position`, a bit position in the block. */
function readBits(view: DataView, position: number, count: number, floor: number): number {
  if (position < floor) throw cutOff('sequence stream')
  return (view.getUint32(position >>> 3, true) >>> (position & 7)) & ((1 << count) - 1)
}

function cutOff(what: string): CorruptRecordError {
  return new CorruptRecordError(`zstd data is damaged: ${what} is cut off`)
}
