/**
 * What zstd's sequences are coded with (RFC 8878, section 3.1.1.3.2.1.1): a code stands for a range of values, its
 * baseline and some bits on top. Offsets need no table: code n is 2^n and n bits.
 */
// prettier-ignore
export const LITERAL_LENGTH_BITS = Uint8Array.of(
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
)
// prettier-ignore
export const MATCH_LENGTH_BITS = Uint8Array.of(
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
)
export const MATCH_BYTES_MIN = 3
export const LITERAL_LENGTH_BASES = basesOf(LITERAL_LENGTH_BITS, 0)
export const MATCH_LENGTH_BASES = basesOf(MATCH_LENGTH_BITS, MATCH_BYTES_MIN)

// prettier-ignore
const LITERAL_LENGTH_SHARES = Int16Array.of(
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
)
// prettier-ignore
const MATCH_LENGTH_SHARES = Int16Array.of(
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
)
// prettier-ignore
const OFFSET_SHARES = Int16Array.of(
  1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
)
/** What the three tables of a block differ in; the order is the one that they have there. */
export const SEQUENCE_KINDS = [
  { codeCount: 36, logMax: 9, predefined: LITERAL_LENGTH_SHARES, predefinedLog: 6 },
  { codeCount: 32, logMax: 8, predefined: OFFSET_SHARES, predefinedLog: 5 },
  { codeCount: 53, logMax: 9, predefined: MATCH_LENGTH_SHARES, predefinedLog: 6 },
] as const
export const CODE_COUNT_MAX = 53

/** Each code's range follows on the one before. */
function basesOf(bits: Uint8Array, first: number): Int32Array {
  const bases = new Int32Array(bits.length)
  let base = first
  for (let code = 0; code < bits.length; code++) {
    bases[code] = base
    base += 1 << bits[code]!
  }
  return bases
}

/** Code of each literal length (match length - MATCH_BYTES_MIN) below the table's size; above, the high bit tells. */
export const LITERAL_LENGTH_CODE_OF = codesOf(LITERAL_LENGTH_BASES, 64, 0)
export const MATCH_LENGTH_CODE_OF = codesOf(MATCH_LENGTH_BASES, 128, MATCH_BYTES_MIN)

function codesOf(bases: Int32Array, size: number, first: number): Uint8Array {
  const codes = new Uint8Array(size)
  for (let value = 0, code = 0; value < size; value++) {
    while (code + 1 < bases.length && bases[code + 1]! - first <= value) code += 1
    codes[value] = code
  }
  return codes
}
