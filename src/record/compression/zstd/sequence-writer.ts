/**
 * From literals and matches to the content of a compressed zstd block (RFC 8878, sections 3.1.1.3 and 4). @hot
 *
 * Gathers one block's sequences, then writes its two sections: literals, Huffman coded where that pays, and sequences,
 * each of the three code tables either the predefined one, a single code, or one made for the block, whichever is
 * smallest. The three last offsets carry over from block to block as in the decoder; a block that ends up stored never
 * happened, so theirs are put back.
 */
import { COPY_SLACK_BYTES, copyLiterals } from '../copy.ts'
import { BackwardBits } from './backward-bits.ts'
import { BLOCK_BYTES_MAX } from './frame.ts'
import { FseEncodeTable, highBit, scaleCounts, writeDistribution } from './fse.ts'
import { HuffmanEncodeTable } from './huffman-encoder.ts'
import {
  CODE_COUNT_MAX,
  LITERAL_LENGTH_BASES,
  LITERAL_LENGTH_BITS,
  LITERAL_LENGTH_CODE_OF,
  MATCH_BYTES_MIN,
  MATCH_LENGTH_BASES,
  MATCH_LENGTH_BITS,
  MATCH_LENGTH_CODE_OF,
  SEQUENCE_KINDS,
} from './sequences.ts'

const SEQUENCES_MAX = BLOCK_BYTES_MAX / 4 // A match has at least 4 bytes here.
const BODY_BYTES_MAX = 4 * BLOCK_BYTES_MAX // More than any block can take; one over its own size is not used.
const HUFFMAN_LITERALS_MIN = 32
const FOUR_STREAMS_LITERALS_MIN = 256
const OWN_TABLE_SEQUENCES_MIN = 32

const LITERALS_RAW = 0
const LITERALS_RLE = 1
const LITERALS_COMPRESSED = 2
const MODE_PREDEFINED = 0
const MODE_RLE = 1
const MODE_DISTRIBUTION = 2

export class SequenceWriter {
  /** The offsets of the last match and of the one before it: the cheapest to write again. */
  repeat1 = 1
  repeat2 = 4
  #repeat3 = 8
  readonly #repeatsBefore = Int32Array.of(1, 4, 8)

  #count = 0
  readonly #literalLengths = new Uint32Array(SEQUENCES_MAX)
  readonly #matchLengths = new Uint32Array(SEQUENCES_MAX)
  readonly #offsets = new Uint32Array(SEQUENCES_MAX)
  /** Codes of the three kinds, by kind. */
  readonly #codes = [
    new Uint8Array(SEQUENCES_MAX),
    new Uint8Array(SEQUENCES_MAX),
    new Uint8Array(SEQUENCES_MAX),
  ] as const
  #literalsLength = 0
  readonly #literals = new Uint8Array(BLOCK_BYTES_MAX + COPY_SLACK_BYTES)
  readonly #literalsView = new DataView(this.#literals.buffer)

  readonly #bits = new BackwardBits(new Uint8Array(BODY_BYTES_MAX))
  readonly #huffman = new HuffmanEncodeTable()
  readonly #symbolCounts = new Int32Array(256)
  readonly #codeCounts = new Int32Array(CODE_COUNT_MAX)
  readonly #shares = new Int16Array(CODE_COUNT_MAX)
  readonly #predefined = [predefinedTable(0), predefinedTable(1), predefinedTable(2)] as const
  readonly #own = SEQUENCE_KINDS.map(() => new FseEncodeTable())
  /** Of the table written last. */
  #mode = MODE_PREDEFINED
  /** The tables of the block being written. */
  readonly #current: [FseEncodeTable, FseEncodeTable, FseEncodeTable] = [...this.#predefined]

  beginFrame(): void {
    this.repeat1 = 1
    this.repeat2 = 4
    this.#repeat3 = 8
    this.#rememberRepeats()
  }

  /** Literals `input[from .. to)`, then a match of `length` bytes (4 at least) `distance` back. */
  add(input: Uint8Array, view: DataView, from: number, to: number, distance: number, length: number): void {
    const literals = to - from
    copyLiterals(this.#literals, this.#literalsView, this.#literalsLength, input, view, from, literals)
    this.#literalsLength += literals
    const index = this.#count++
    this.#literalLengths[index] = literals
    this.#matchLengths[index] = length - MATCH_BYTES_MIN
    this.#offsets[index] = this.#offsetOf(distance, literals)
  }

  addLastLiterals(input: Uint8Array, view: DataView, from: number, to: number): void {
    copyLiterals(this.#literals, this.#literalsView, this.#literalsLength, input, view, from, to - from)
    this.#literalsLength += to - from
  }

  /** The block's content, valid until the next call; or undefined if it is not smaller than `size`. */
  finishBlock(size: number): Uint8Array | undefined {
    let position = this.#writeLiterals()
    if (position < size) position = this.#writeSequences(position)
    this.#count = 0
    this.#literalsLength = 0
    if (position >= size) {
      this.repeat1 = this.#repeatsBefore[0]!
      this.repeat2 = this.#repeatsBefore[1]!
      this.#repeat3 = this.#repeatsBefore[2]!
      return undefined
    }
    this.#rememberRepeats()
    return this.#bits.bytes.subarray(0, position)
  }

  #rememberRepeats(): void {
    this.#repeatsBefore[0] = this.repeat1
    this.#repeatsBefore[1] = this.repeat2
    this.#repeatsBefore[2] = this.#repeat3
  }

  /** The value that stands for `distance`: 1 to 3 for a repeated one. Without literals, 1 means the second last. */
  #offsetOf(distance: number, literals: number): number {
    const { repeat1, repeat2 } = this
    if (literals !== 0 && distance === repeat1) return 1
    const shift = literals === 0 ? 1 : 0
    let value = distance + 3
    if (distance === repeat2) value = 2 - shift
    else {
      if (distance === this.#repeat3) value = 3 - shift
      else if (literals === 0 && distance === repeat1 - 1) value = 3
      this.#repeat3 = repeat2
    }
    this.repeat2 = repeat1
    this.repeat1 = distance
    return value
  }

  /** Writes the literals section at the start of the body, returns the position after it. */
  #writeLiterals(): number {
    const bytes = this.#bits.bytes
    const literals = this.#literals
    const size = this.#literalsLength
    const rawHeaderBytes = size < 32 ? 1 : size < 4096 ? 2 : 3
    if (size >= HUFFMAN_LITERALS_MIN) {
      const counts = this.#symbolCounts.fill(0)
      for (let index = 0; index < size; index++) counts[literals[index]!]! += 1
      if (counts[literals[0]!] === size) {
        this.#writeLiteralsHeader(LITERALS_RLE, size, rawHeaderBytes)
        bytes[rawHeaderBytes] = literals[0]!
        return rawHeaderBytes + 1
      }
      const expectedBytes = this.#huffman.build(counts) >> 3
      const end = expectedBytes < size - (size >> 6) ? this.#writeHuffman(size) : -1
      if (end >= 0 && end < size + rawHeaderBytes) return end
    }
    this.#writeLiteralsHeader(LITERALS_RAW, size, rawHeaderBytes)
    bytes.set(literals.subarray(0, size), rawHeaderBytes)
    return rawHeaderBytes + size
  }

  #writeLiteralsHeader(type: number, size: number, headerBytes: number): void {
    const format = headerBytes === 1 ? 0 : headerBytes === 2 ? 1 : 3
    const header = type | (format << 2) | (size << (headerBytes === 1 ? 3 : 4))
    for (let index = 0; index < headerBytes; index++) this.#bits.bytes[index] = header >>> (8 * index)
  }

  /** Returns the position after the section, or -1 where the tree cannot be written. */
  #writeHuffman(size: number): number {
    const bits = this.#bits
    const { bytes } = bits
    const literals = this.#literals
    const format = size < FOUR_STREAMS_LITERALS_MIN ? 0 : size < 1024 ? 1 : size < 16384 ? 2 : 3
    const headerBytes = format < 2 ? 3 : format + 2
    let position = this.#huffman.writeTree(bits, headerBytes)
    if (position < 0) return -1
    if (format === 0) position = this.#huffman.writeStream(bits, position, literals, 0, size)
    else {
      const jumps = position
      const part = (size + 3) >> 2
      position += 6
      for (let stream = 0; stream < 4; stream++) {
        const start = position
        const to = Math.min((stream + 1) * part, size)
        position = this.#huffman.writeStream(bits, position, literals, stream * part, to)
        if (stream === 3) break
        bytes[jumps + 2 * stream] = position - start
        bytes[jumps + 2 * stream + 1] = (position - start) >>> 8
      }
    }
    const compressedSize = position - headerBytes
    if (compressedSize >= size) return -1
    const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18
    // Up to 40 bits: type, format, size, compressed size.
    let header = LITERALS_COMPRESSED + format * 4 + size * 16 + compressedSize * 2 ** (4 + sizeBits)
    for (let index = 0; index < headerBytes; index++) {
      bytes[index] = header % 256
      header = Math.floor(header / 256)
    }
    return position
  }

  #writeSequences(position: number): number {
    const { bytes } = this.#bits
    const count = this.#count
    if (count < 128) bytes[position++] = count
    else if (count < 0x7f00) {
      bytes[position++] = (count >>> 8) + 128
      bytes[position++] = count
    } else {
      bytes[position++] = 255
      bytes[position++] = count - 0x7f00
      bytes[position++] = (count - 0x7f00) >>> 8
    }
    if (count === 0) return position
    const [literalCodes, offsetCodes, matchCodes] = this.#codes
    for (let index = 0; index < count; index++) {
      const literals = this.#literalLengths[index]!
      const match = this.#matchLengths[index]!
      literalCodes[index] = literals < 64 ? LITERAL_LENGTH_CODE_OF[literals]! : highBit(literals) + 19
      offsetCodes[index] = highBit(this.#offsets[index]!)
      matchCodes[index] = match < 128 ? MATCH_LENGTH_CODE_OF[match]! : highBit(match) + 36
    }
    const modesAt = position++
    let modes = 0
    for (let kind = 0; kind < 3; kind++) {
      const end = this.#writeTable(kind, position)
      modes |= this.#mode << (6 - 2 * kind)
      position = end
    }
    bytes[modesAt] = modes
    return this.#writeStream(position)
  }

  /** Chooses the table of one kind (sets #mode and #current), writes it and returns the position after it. */
  #writeTable(kind: number, position: number): number {
    const { logMax, predefined, predefinedLog } = SEQUENCE_KINDS[kind]!
    const codes = this.#codes[kind]!
    const own = this.#own[kind]!
    const count = this.#count
    const counts = this.#codeCounts.fill(0)
    let codeCount = 0
    for (let index = 0; index < count; index++) counts[codes[index]!]! += 1
    for (let code = 0; code < CODE_COUNT_MAX; code++) if (counts[code]! > 0) codeCount = code + 1

    if (count > 2 && counts[codes[0]!] === count) {
      this.#mode = MODE_RLE
      this.#current[kind] = own.buildSingle(codes[0]!)
      this.#bits.bytes[position] = codes[0]!
      return position + 1
    }
    this.#mode = MODE_PREDEFINED
    this.#current[kind] = this.#predefined[kind]!
    if (count < OWN_TABLE_SEQUENCES_MIN) return position
    const accuracyLog = Math.min(logMax, Math.max(6, highBit(count) - 1))
    scaleCounts(counts, codeCount, count, accuracyLog, this.#shares)
    const end = writeDistribution(this.#bits.bytes, position, this.#shares, codeCount, accuracyLog)
    const ownBits = 8 * (end - position) + codedBits(counts, this.#shares, codeCount, accuracyLog)
    if (ownBits >= codedBits(counts, predefined, codeCount, predefinedLog)) return position
    this.#mode = MODE_DISTRIBUTION
    this.#current[kind] = own.build(this.#shares, codeCount, accuracyLog)
    return end
  }

  /** The sequences from the last to the first: the decoder reads backwards. */
  #writeStream(position: number): number {
    const bits = this.#bits
    const [literalCodes, offsetCodes, matchCodes] = this.#codes
    const [literalTable, offsetTable, matchTable] = this.#current
    const last = this.#count - 1
    bits.begin(position)
    let literalState = literalTable.begin(literalCodes[last]!)
    let offsetState = offsetTable.begin(offsetCodes[last]!)
    let matchState = matchTable.begin(matchCodes[last]!)
    for (let index = last; index >= 0; index--) {
      const literalCode = literalCodes[index]!
      const offsetCode = offsetCodes[index]!
      const matchCode = matchCodes[index]!
      if (index !== last) {
        offsetState = bits.step(offsetTable, offsetState, offsetCode)
        matchState = bits.step(matchTable, matchState, matchCode)
        literalState = bits.step(literalTable, literalState, literalCode)
      }
      bits.add(this.#literalLengths[index]! - LITERAL_LENGTH_BASES[literalCode]!, LITERAL_LENGTH_BITS[literalCode]!)
      bits.add(
        this.#matchLengths[index]! + MATCH_BYTES_MIN - MATCH_LENGTH_BASES[matchCode]!,
        MATCH_LENGTH_BITS[matchCode]!,
      )
      bits.add(this.#offsets[index]! - (1 << offsetCode), offsetCode)
    }
    bits.add(matchState & ((1 << matchTable.accuracyLog) - 1), matchTable.accuracyLog)
    bits.add(offsetState & ((1 << offsetTable.accuracyLog) - 1), offsetTable.accuracyLog)
    bits.add(literalState & ((1 << literalTable.accuracyLog) - 1), literalTable.accuracyLog)
    return bits.end()
  }
}

function predefinedTable(kind: 0 | 1 | 2): FseEncodeTable {
  const { predefined, predefinedLog } = SEQUENCE_KINDS[kind]
  return new FseEncodeTable().build(predefined, predefined.length, predefinedLog)
}

/** Bits that `counts` take under a distribution; Infinity if it lacks one of the codes. */
function codedBits(counts: Int32Array, shares: Int16Array, codeCount: number, accuracyLog: number): number {
  let bits = 0
  for (let code = 0; code < codeCount; code++) {
    if (counts[code] === 0) continue
    const share = code < shares.length ? Math.abs(shares[code]!) : 0
    bits += share === 0 ? Infinity : counts[code]! * (accuracyLog - Math.log2(share))
  }
  return bits
}
