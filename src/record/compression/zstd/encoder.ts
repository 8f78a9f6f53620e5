/**
 * zstd encoder in TypeScript, for Node versions whose node:zlib has none. @hot
 *
 * One level, between the library's 1 and 3: the last place with the same five bytes is tried, and the last offset
 * first. Frames carry their content size and no checksum (the batch has its CRC). A block that does not shrink is
 * stored.
 *
 * One thread owns it. The hash table keeps positions of earlier calls, all below `#tableBase`, so it is not cleared in
 * between. Matches reach back WINDOW_BYTES, which every decoder grants.
 */
import { matchEnd, viewOf } from '../copy.ts'
import { borrowScratch } from '../output.ts'
import { BLOCK_BYTES_MAX, BLOCK_COMPRESSED, BLOCK_RAW, ZSTD_MAGIC } from './frame.ts'
import { SequenceWriter } from './sequence-writer.ts'

const WINDOW_LOG = 20
const WINDOW_BYTES = 1 << WINDOW_LOG
const HASH_BITS = 15
const HASH_SHIFT = 32 - HASH_BITS
const TAIL_BYTES = 8 // A block's end that is not searched for matches.
const FRAME_HEADER_BYTES_MAX = 10
const BLOCK_HEADER_BYTES = 3

export class ZstdEncoder {
  /** Position + tableBase of the last occurrence of a hash. */
  readonly #table = new Int32Array(1 << HASH_BITS)
  #tableBase = 1
  readonly #sequences = new SequenceWriter()

  /** One frame with all of `input`. */
  encode(input: Uint8Array): Uint8Array {
    if (this.#tableBase > 0x7fff_ffff - input.length) {
      this.#table.fill(0)
      this.#tableBase = 1
    }
    const blockCount = Math.max(1, Math.ceil(input.length / BLOCK_BYTES_MAX))
    const { bytes: output } = borrowScratch(FRAME_HEADER_BYTES_MAX + blockCount * BLOCK_HEADER_BYTES + input.length)
    const inputView = viewOf(input)
    let position = writeFrameHeader(output, input.length)
    this.#sequences.beginFrame()
    for (let block = 0; block < blockCount; block++) {
      const start = block * BLOCK_BYTES_MAX
      const end = Math.min(start + BLOCK_BYTES_MAX, input.length)
      this.#findSequences(input, inputView, start, end)
      const last = block === blockCount - 1 ? 1 : 0
      const body = this.#sequences.finishBlock(end - start)
      const type = body === undefined ? BLOCK_RAW : BLOCK_COMPRESSED
      const content = body ?? input.subarray(start, end)
      const header = last | (type << 1) | (content.length << 3)
      output[position++] = header
      output[position++] = header >>> 8
      output[position++] = header >>> 16
      output.set(content, position)
      position += content.length
    }
    this.#tableBase += input.length
    return output.slice(0, position)
  }

  #findSequences(input: Uint8Array, view: DataView, start: number, end: number): void {
    const table = this.#table
    const base = this.#tableBase
    const sequences = this.#sequences
    const searchEnd = end - TAIL_BYTES
    let literals = start // First byte not yet in a sequence.
    let at = start
    let skip = 64 // Sixty-fourths of a byte to step; grows while nothing matches.
    while (at < searchEnd) {
      // The offset of the last match, one byte further on: the commonest match of all in structured data.
      const repeat = at + 1 - sequences.repeat1
      let from = -1
      let matchStart = at
      if (repeat >= 0 && view.getInt32(repeat, true) === view.getInt32(at + 1, true)) {
        from = repeat
        matchStart = at + 1
      } else {
        const word = view.getInt32(at, true)
        const slot = hash(word, input[at + 4]!)
        const candidate = table[slot]! - base
        table[slot] = at + base
        if (candidate >= 0 && at - candidate <= WINDOW_BYTES && view.getInt32(candidate, true) === word)
          from = candidate
      }
      if (from < 0) {
        at += skip++ >>> 6
        continue
      }
      let stop = matchEnd(input, view, from + 4, matchStart + 4, end)
      while (matchStart > literals && from > 0 && input[from - 1] === input[matchStart - 1]) {
        matchStart -= 1
        from -= 1
      }
      sequences.add(input, view, literals, matchStart, matchStart - from, stop - matchStart)
      if (stop < searchEnd) {
        table[hash(view.getInt32(matchStart + 2, true), input[matchStart + 6]!)] = matchStart + 2 + base
        table[hash(view.getInt32(stop - 2, true), input[stop + 2]!)] = stop - 2 + base
        // Right behind a match, the offset before it often fits again.
        for (;;) {
          const again = stop - sequences.repeat2
          if (stop >= searchEnd || again < 0 || view.getInt32(again, true) !== view.getInt32(stop, true)) break
          const nextStop = matchEnd(input, view, again + 4, stop + 4, end)
          sequences.add(input, view, stop, stop, stop - again, nextStop - stop)
          stop = nextStop
        }
      }
      literals = stop
      at = stop
      skip = 64
    }
    sequences.addLastLiterals(input, view, literals, end)
  }
}

function writeFrameHeader(output: Uint8Array, size: number): number {
  writeUint(output, 0, ZSTD_MAGIC, 4)
  // Up to a window's size the content is its own window (single segment).
  const singleSegment = size <= WINDOW_BYTES
  const sizeFlag = !singleSegment || size >= 65536 + 256 ? 2 : size >= 256 ? 1 : 0
  output[4] = (sizeFlag << 6) | (singleSegment ? 0x20 : 0)
  let position = 5
  if (!singleSegment) output[position++] = (WINDOW_LOG - 10) << 3
  writeUint(output, position, sizeFlag === 1 ? size - 256 : size, 1 << sizeFlag)
  return position + (1 << sizeFlag)
}

function writeUint(bytes: Uint8Array, position: number, value: number, size: number): void {
  for (let index = 0; index < size; index++) bytes[position + index] = value >>> (8 * index)
}

function hash(word: number, fifth: number): number {
  return (Math.imul(word, 0x9e3779b1) + Math.imul(fifth, 0x85ebca6b)) >>> HASH_SHIFT
}
