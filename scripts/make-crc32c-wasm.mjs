/**
 * Writes src/base/crc32c-wasm.ts: the WebAssembly module of the CRC-32C fallback, as base64.
 *
 *   node scripts/make-crc32c-wasm.mjs [--check]      --check: write nothing, exit 1 if the file is not the current one
 *
 * Assembled here by hand, so that no compiler is needed and every byte has a source line. The module has one page of
 * memory of its own (64 KiB) and no imports:
 *
 *   byte      content
 *   --------  ---------------------------------------------------------------------------------
 *       0     16 tables of 256 u32, slicing by sixteen; made by the start function
 *   16384     input, up to 49,152 bytes, copied in by the caller
 *
 *   exports: memory; crc(state, position, end) -> state, where state is the CRC inverted
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const TARGET = fileURLToPath(new URL('../src/base/crc32c-wasm.ts', import.meta.url))
const POLYNOMIAL = 0x82f63b78
const TABLE_BYTES = 1024

// ---- encoding -------------------------------------------------------------------------------------------------------

function unsigned(value) {
  const bytes = []
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0))
    value >>>= 7
  } while (value !== 0)
  return bytes
}

function signed(value) {
  const bytes = []
  for (;;) {
    const byte = value & 0x7f
    value >>= 7
    const isLast = (value === 0 && (byte & 0x40) === 0) || (value === -1 && (byte & 0x40) !== 0)
    bytes.push(isLast ? byte : byte | 0x80)
    if (isLast) return bytes
  }
}

const text = (value) => [...unsigned(value.length), ...Buffer.from(value)]
const list = (entries) => [...unsigned(entries.length), ...entries.flat()]
const section = (id, content) => [id, ...unsigned(content.length), ...content]

// ---- instructions ---------------------------------------------------------------------------------------------------

const I32 = 0x7f
const get = (local) => [0x20, ...unsigned(local)]
const set = (local) => [0x21, ...unsigned(local)]
const constant = (value) => [0x41, ...signed(value | 0)]
const load32 = (offset) => [0x28, 2, ...unsigned(offset)] // Alignment is a hint; the table loads are aligned.
const load32Unaligned = (offset) => [0x28, 0, ...unsigned(offset)]
const load8 = (offset) => [0x2d, 0, ...unsigned(offset)]
const store32 = (offset) => [0x36, 2, ...unsigned(offset)]
const EQZ = [0x45]
const LESS_U = [0x49]
const GREATER_U = [0x4b]
const ADD = [0x6a]
const SUB = [0x6b]
const AND = [0x71]
const XOR = [0x73]
const SHIFT_LEFT = [0x74]
const SHIFT_RIGHT_U = [0x76]
const SELECT = [0x1b]
const END = [0x0b]
const branchIf = (depth) => [0x0d, ...unsigned(depth)]
const branch = (depth) => [0x0c, ...unsigned(depth)]

/** Runs `body` while `condition` holds. */
const whileLoop = (condition, body) => [
  ...[0x02, 0x40, 0x03, 0x40],
  ...[...condition, ...EQZ, ...branchIf(1)],
  ...[...body, ...branch(0)],
  ...[...END, ...END],
]

const func = (localCount, body) => {
  const content = [...(localCount === 0 ? [0] : [1, ...unsigned(localCount), I32]), ...body.flat(), ...END]
  return [...unsigned(content.length), ...content]
}

// ---- the two functions ----------------------------------------------------------------------------------------------

/** Locals: 0 = byte address in a table, 1 = crc, 2 = bit. */
const makeTables = func(3, [
  whileLoop(
    [...get(0), ...constant(TABLE_BYTES), ...LESS_U],
    [
      ...[...get(0), ...constant(2), ...SHIFT_RIGHT_U, ...set(1)],
      ...[...constant(8), ...set(2)],
      ...whileLoop(get(2), [
        // crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
        ...[...get(1), ...constant(1), ...SHIFT_RIGHT_U, ...constant(POLYNOMIAL), ...XOR],
        ...[...get(1), ...constant(1), ...SHIFT_RIGHT_U],
        ...[...get(1), ...constant(1), ...AND, ...SELECT, ...set(1)],
        ...[...get(2), ...constant(1), ...SUB, ...set(2)],
      ]),
      ...[...get(0), ...get(1), ...store32(0)],
      ...[...get(0), ...constant(4), ...ADD, ...set(0)],
    ],
  ),
  // Each further table: one more zero byte than the table before it. Local 0 goes on through all of them.
  whileLoop(
    [...get(0), ...constant(16 * TABLE_BYTES), ...LESS_U],
    [
      ...[...get(0), ...constant(TABLE_BYTES), ...SUB, ...load32(0), ...set(1)],
      ...get(0),
      ...[...get(1), ...constant(8), ...SHIFT_RIGHT_U],
      ...[...get(1), ...constant(255), ...AND, ...constant(2), ...SHIFT_LEFT, ...load32(0)],
      ...[...XOR, ...store32(0)],
      ...[...get(0), ...constant(4), ...ADD, ...set(0)],
    ],
  ),
])

/** The look-up of byte `place` (0 is the lowest) of local `word` in table `table`. */
function lookUp(word, place, table) {
  const shifted = place === 0 ? get(word) : [...get(word), ...constant(8 * place), ...SHIFT_RIGHT_U]
  const byte = place === 3 ? shifted : [...shifted, ...constant(255), ...AND]
  return [...byte, ...constant(2), ...SHIFT_LEFT, ...load32(table * TABLE_BYTES)]
}

/** Parameters: 0 = state, 1 = position, 2 = end. Locals: 3..6 = four words of input. */
const crc = func(4, [
  whileLoop(
    [...get(2), ...get(1), ...SUB, ...constant(15), ...GREATER_U],
    [
      ...[...get(1), ...load32Unaligned(0), ...get(0), ...XOR, ...set(3)],
      ...[1, 2, 3].flatMap((word) => [...get(1), ...load32Unaligned(4 * word), ...set(3 + word)]),
      ...Array.from({ length: 16 }, (_, byte) => [
        ...lookUp(3 + (byte >> 2), byte & 3, 15 - byte),
        ...(byte === 0 ? [] : XOR),
      ]).flat(),
      ...set(0),
      ...[...get(1), ...constant(16), ...ADD, ...set(1)],
    ],
  ),
  whileLoop(
    [...get(1), ...get(2), ...LESS_U],
    [
      ...[...get(0), ...get(1), ...load8(0), ...XOR, ...constant(255), ...AND, ...constant(2), ...SHIFT_LEFT],
      ...[...load32(0), ...get(0), ...constant(8), ...SHIFT_RIGHT_U, ...XOR, ...set(0)],
      ...[...get(1), ...constant(1), ...ADD, ...set(1)],
    ],
  ),
  get(0),
])

const MODULE = [
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(
    1,
    list([
      [0x60, 0, 0],
      [0x60, 3, I32, I32, I32, 1, I32],
    ]),
  ), // types
  ...section(3, list([[0], [1]])), // functions
  ...section(5, list([[1, 1, 1]])), // memory: one page, never more
  ...section(
    7,
    list([
      [...text('memory'), 2, 0],
      [...text('crc'), 0, 1],
    ]),
  ), // exports
  ...section(8, [0]), // start
  ...section(10, list([makeTables, crc])), // code
]

// ---- the file -------------------------------------------------------------------------------------------------------

const base64 = Buffer.from(MODULE).toString('base64')
const pieces = base64.match(/.{1,112}/g).map((piece) => `  '${piece}'`)
const content = `/**
 * The WebAssembly module of crc32c.ts: ${MODULE.length} bytes. Not to be edited: scripts/make-crc32c-wasm.mjs makes it.
 */
export const CRC32C_WASM_BASE64 =
${pieces.join(' +\n')}
`

if (process.argv.includes('--check')) {
  if (readFileSync(TARGET, 'utf8') !== content) {
    console.error('src/base/crc32c-wasm.ts is not what scripts/make-crc32c-wasm.mjs makes')
    process.exitCode = 1
  }
} else {
  writeFileSync(TARGET, content)
}
