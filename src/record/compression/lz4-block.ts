/**
 * LZ4 blocks: sequences of literals and matches. @hot
 *
 *   token (high four bits: literal count, low four: match length - 4; 15 means that bytes follow, added up to the
 *   first below 255), literals, u16 LE distance, ...; the last sequence has literals only
 *
 * Rules of the format that the encoder keeps for the sake of fast foreign decoders: the last 5 bytes are literals, and
 * no match begins in the last 12.
 */
import { CorruptRecordError } from '../../base/errors.ts'
import { copyLiterals, copyMatch, matchEnd } from './copy.ts'
import type { Output, Scratch } from './output.ts'

/** The result would run past the end of the space given. */
export const DOES_NOT_FIT = -1

const MATCH_BYTES_MIN = 4
const LAST_LITERALS = 5
const LAST_MATCH_START = 12

const HASH_BITS = 13
const HASH_SHIFT = 32 - HASH_BITS
const HASH_MULTIPLIER = 0x9e3779b1 | 0

/** Position + `tableBase` of the last occurrence of a hash; older values are of other blocks and below tableBase. */
const table = new Int32Array(1 << HASH_BITS)
let tableBase = 1

/**
 * Decodes `input[position .. end)` to the output's bytes from its position to `stop`, which are reserved; matches reach
 * back to `historyStart`. Returns the position after the last byte, or DOES_NOT_FIT. Throws CorruptRecordError.
 */
export function decodeLz4Block(
  input: Uint8Array,
  inputView: DataView,
  position: number,
  end: number,
  output: Output,
  stop: number,
  historyStart: number,
): number {
  const { bytes, view } = output
  let at = output.position
  for (;;) {
    if (position >= end) throw damaged('a sequence is missing at the end of a block', position)
    const token = input[position++]!
    let literals = token >>> 4
    if (literals === 15) {
      let byte: number
      do {
        if (position >= end) throw damaged('literal count is cut off', position)
        byte = input[position++]!
        literals += byte
      } while (byte === 255)
    }
    if (literals > end - position) throw damaged('literals run past the block', position)
    if (literals > stop - at) return DOES_NOT_FIT
    copyLiterals(bytes, view, at, input, inputView, position, literals)
    position += literals
    at += literals
    if (position === end) return at

    if (end - position < 2) throw damaged('match is cut off', position)
    const distance = input[position]! | (input[position + 1]! << 8)
    position += 2
    let length = (token & 15) + MATCH_BYTES_MIN
    if (length === 15 + MATCH_BYTES_MIN) {
      let byte: number
      do {
        if (position >= end) throw damaged('match length is cut off', position)
        byte = input[position++]!
        length += byte
      } while (byte === 255)
    }
    if (distance === 0 || distance > at - historyStart) throw damaged('match reaches before its history', position)
    if (length > stop - at) return DOES_NOT_FIT
    copyMatch(bytes, view, at, distance, length)
    at += length
  }
}

/**
 * Encodes `input[start .. end)`, at most 64 KiB, to the scratch's bytes from `position` to `stop`. Returns the position
 * after the last byte, or DOES_NOT_FIT.
 */
export function encodeLz4Block(
  input: Uint8Array,
  inputView: DataView,
  start: number,
  end: number,
  output: Scratch,
  position: number,
  stop: number,
): number {
  if (tableBase > 0x7f00_0000) {
    table.fill(0)
    tableBase = 1
  }
  const base = tableBase - start
  tableBase += end - start

  const searchEnd = end - LAST_MATCH_START
  const matchLimit = end - LAST_LITERALS
  let literalsStart = start
  let at = start
  let skip = 64 // Sixty-fourths of a byte to step; grows while nothing matches.
  while (at < searchEnd) {
    const word = inputView.getInt32(at, true)
    const slot = Math.imul(word, HASH_MULTIPLIER) >>> HASH_SHIFT
    let candidate = table[slot]! - base
    table[slot] = at + base
    if (candidate < start || inputView.getInt32(candidate, true) !== word) {
      at += skip++ >>> 6
      continue
    }
    const stopOfMatch = matchEnd(input, inputView, candidate + MATCH_BYTES_MIN, at + MATCH_BYTES_MIN, matchLimit)
    while (at > literalsStart && candidate > start && input[at - 1] === input[candidate - 1]) {
      at -= 1
      candidate -= 1
    }
    position = writeSequence(
      output,
      position,
      stop,
      input,
      inputView,
      literalsStart,
      at,
      at - candidate,
      stopOfMatch - at,
    )
    if (position === DOES_NOT_FIT) return DOES_NOT_FIT
    literalsStart = stopOfMatch
    at = stopOfMatch
    skip = 64
    if (at < searchEnd)
      table[Math.imul(inputView.getInt32(at - 2, true), HASH_MULTIPLIER) >>> HASH_SHIFT] = at - 2 + base
  }
  return writeSequence(output, position, stop, input, inputView, literalsStart, end, 0, 0)
}

/** Literals `input[from .. to)`, then a match unless `length` is 0. */
function writeSequence(
  output: Scratch,
  position: number,
  stop: number,
  input: Uint8Array,
  inputView: DataView,
  from: number,
  to: number,
  distance: number,
  length: number,
): number {
  const { bytes } = output
  const literals = to - from
  const extra = length - MATCH_BYTES_MIN
  const size = 1 + extraBytes(literals) + literals + (length === 0 ? 0 : 2 + extraBytes(extra))
  if (size > stop - position) return DOES_NOT_FIT
  bytes[position++] = (Math.min(literals, 15) << 4) | (length === 0 ? 0 : Math.min(extra, 15))
  if (literals >= 15) position = writeExtra(bytes, position, literals - 15)
  copyLiterals(bytes, output.view, position, input, inputView, from, literals)
  position += literals
  if (length === 0) return position
  bytes[position++] = distance
  bytes[position++] = distance >>> 8
  return extra >= 15 ? writeExtra(bytes, position, extra - 15) : position
}

/** How many bytes follow the token for a count. */
function extraBytes(count: number): number {
  return count < 15 ? 0 : Math.floor((count - 15) / 255) + 1
}

function writeExtra(output: Uint8Array, position: number, count: number): number {
  for (; count >= 255; count -= 255) output[position++] = 255
  output[position++] = count
  return position
}

function damaged(what: string, position: number): CorruptRecordError {
  return new CorruptRecordError(`lz4 data is damaged: ${what}, at byte=${position}`)
}
