/**
 * CRC-32C (Castagnoli), the checksum of Kafka's record batches. @hot
 *
 * Three implementations, the best that this machine has: the addon's (the processor's CRC instruction), WebAssembly
 * (slicing by sixteen, with a copy into its private memory), JavaScript (slicing by eight). A short range always goes
 * to JavaScript: it ends before a call into the addon or a copy has begun. Numbers: bench/base/crc32c.bench.ts.
 *
 * Each thread has its own tables and its own WebAssembly memory; the bytes may lie in shared memory.
 */
import { assert } from './assert.ts'
import { CRC32C_WASM_BASE64 } from './crc32c-wasm.ts'
import { native } from './native.ts'

/** CRC of bytes[start .. end), continued from `seed`: the CRC of what lies before, 0 for nothing. 0 .. 2^32 - 1. */
export type Crc32c = (bytes: Uint8Array, start: number, end: number, seed: number) => number

export type Crc32cImplementation = 'native' | 'wasm' | 'js'

/** Below so many bytes JavaScript is quicker: a call into the addon costs 80 ns, a copy in 80 ns (measured). */
const NATIVE_BYTES_MIN = 96
const WASM_BYTES_MIN = 192

const POLYNOMIAL = 0x82f63b78 // Reflected.
const TABLES = makeTables()

/** The input region of the module's memory: see scripts/make-crc32c-wasm.mjs. 32 KiB of it, to stay in the L1 cache. */
const WASM_INPUT_POSITION = 16_384
const WASM_INPUT_BYTES = 32_768

/** The little of WebAssembly's interface that is used here: Node's type declarations have none of it. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly crc: (state: number, position: number, end: number) => number
    }
  }
}

const webAssembly = (globalThis as { WebAssembly?: WebAssemblyInterface }).WebAssembly

const wasm = native === undefined ? createCrc32cWasm() : undefined

/**
 * CRC-32C of bytes[start .. end). `seed` is the CRC of the bytes before these, so
 * crc32c(b, middle, end, crc32c(b, start, middle)) === crc32c(b, start, end). Returns 0 .. 2^32 - 1.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  assert(start >= 0 && start <= end && end <= bytes.length, 'CRC range lies inside the bytes')
  if (native !== undefined) {
    if (end - start >= NATIVE_BYTES_MIN) return native.crc32c(bytes, start, end, seed)
  } else if (wasm !== undefined && end - start >= WASM_BYTES_MIN) {
    return wasm(bytes, start, end, seed)
  }
  return crc32cJs(bytes, start, end, seed)
}

/** What long ranges go to. */
export function crc32cImplementation(): Crc32cImplementation {
  if (native !== undefined) return 'native'
  return wasm !== undefined ? 'wasm' : 'js'
}

/** The fallback of last resort, and the quickest for a few bytes: eight tables, eight bytes a round. */
export function crc32cJs(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const tables = TABLES
  let state = ~seed
  let position = start
  for (const last = end - 8; position <= last; position += 8) {
    state =
      tables[1792 + ((state ^ bytes[position]!) & 0xff)]! ^
      tables[1536 + (((state >>> 8) ^ bytes[position + 1]!) & 0xff)]! ^
      tables[1280 + (((state >>> 16) ^ bytes[position + 2]!) & 0xff)]! ^
      tables[1024 + ((state >>> 24) ^ bytes[position + 3]!)]! ^
      tables[768 + bytes[position + 4]!]! ^
      tables[512 + bytes[position + 5]!]! ^
      tables[256 + bytes[position + 6]!]! ^
      tables[bytes[position + 7]!]!
  }
  for (; position < end; position++) state = (state >>> 8) ^ tables[(state ^ bytes[position]!) & 0xff]!
  return ~state >>> 0
}

/** The WebAssembly implementation, with 64 KiB of its own; undefined where WebAssembly is switched off. */
export function createCrc32cWasm(): Crc32c | undefined {
  if (webAssembly === undefined) return undefined
  const module = new webAssembly.Module(Buffer.from(CRC32C_WASM_BASE64, 'base64'))
  const { memory, crc } = new webAssembly.Instance(module).exports
  const input = new Uint8Array(memory.buffer)
  return (bytes, start, end, seed) => {
    let state = ~seed
    for (let position = start; position < end; position += WASM_INPUT_BYTES) {
      const chunkEnd = Math.min(position + WASM_INPUT_BYTES, end)
      input.set(bytes.subarray(position, chunkEnd), WASM_INPUT_POSITION)
      state = crc(state, WASM_INPUT_POSITION, WASM_INPUT_POSITION + chunkEnd - position)
    }
    return ~state >>> 0
  }
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[byte] = crc
  }
  for (let index = 256; index < tables.length; index++) {
    const previous = tables[index - 256]!
    tables[index] = (previous >>> 8) ^ tables[previous & 0xff]!
  }
  return tables
}
