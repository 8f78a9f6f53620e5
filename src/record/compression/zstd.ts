/**
 * zstd: by node:zlib where it has it (Node 22.15 and later), else by the TypeScript codec of zstd/.
 *
 * Why not a package: those with a compiled library either load it asynchronously, which a synchronous codec in a
 * worker or a required ES module cannot wait for, or set no bound to their output. Both ways read and write the same
 * format. Only node:zlib knows levels; the TypeScript encoder has one.
 *
 * The outline (zstd/frame.ts) is read first either way: it refuses incomplete data, and data known to be too large
 * before any of it is made.
 */
import * as zlib from 'node:zlib'
import { CorruptRecordError, VltavaError, errnoOf } from '../../base/errors.ts'
import { chunkBytes, owned, unshared } from './node-zlib.ts'
import { Output, tooLarge } from './output.ts'
import { ZstdDecoder } from './zstd/decoder.ts'
import { ZstdEncoder } from './zstd/encoder.ts'
import { outlineZstd } from './zstd/frame.ts'

/** node:zlib of any version that we run on; the types are those of the oldest. */
interface AnyZlib {
  gzipSync: typeof zlib.gzipSync
  zstdCompressSync?: (input: Uint8Array, options: object) => Buffer
  zstdDecompressSync?: (input: Uint8Array, options: object) => Buffer
}

const ZSTD_C_COMPRESSION_LEVEL = 100
const LEVEL_MIN = -(1 << 17)
const LEVEL_MAX = 22

const { zstdCompressSync, zstdDecompressSync }: AnyZlib = zlib

/** What carries zstd in this process, for features(). */
export const zstdImplementation =
  zstdCompressSync !== undefined && zstdDecompressSync !== undefined ? 'node:zlib' : 'typescript'

let encoder: ZstdEncoder | undefined
let decoder: ZstdDecoder | undefined

/** `level` is 22 at most, and down to -131072; 3 if not given. */
export function compressZstd(input: Uint8Array, level = 3): Uint8Array {
  if (!Number.isInteger(level) || level < LEVEL_MIN || level > LEVEL_MAX) {
    throw new VltavaError('INVALID_ARGUMENT', `zstd level=${level} is outside ${LEVEL_MIN} .. ${LEVEL_MAX}`)
  }
  if (zstdCompressSync === undefined) return compressZstdInTypeScript(input)
  return owned(
    zstdCompressSync(unshared(input), {
      params: { [ZSTD_C_COMPRESSION_LEVEL]: level },
      pledgedSrcSize: input.length,
      chunkSize: chunkBytes(input.length),
    }),
  )
}

export function decompressZstd(input: Uint8Array, outputBytesMax: number): Uint8Array {
  if (zstdDecompressSync === undefined) return decompressZstdInTypeScript(input, outputBytesMax)
  input = unshared(input) // First of all: the outline is of what is then decoded.
  const { frameCount, sizeMin, sizeMax } = outlineZstd(input)
  // node:zlib stops after the first frame, without an error.
  if (frameCount > 1) return decompressZstdInTypeScript(input, outputBytesMax)
  if (sizeMin > outputBytesMax) throw tooLarge('zstd', sizeMin, outputBytesMax)
  let output: Buffer
  try {
    output = zstdDecompressSync(input, {
      maxOutputLength: Math.max(outputBytesMax, 1), // node:zlib takes no limit of zero.
      chunkSize: chunkBytes(Math.min(sizeMax, outputBytesMax)),
    })
  } catch (cause) {
    const code = errnoOf(cause)
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('zstd', outputBytesMax + 1, outputBytesMax)
    if (!code.startsWith('ZSTD_error')) throw cause
    throw new CorruptRecordError(`zstd data of lengthBytes=${input.length} is damaged: ${code}`, { cause })
  }
  if (output.length > outputBytesMax) throw tooLarge('zstd', output.length, outputBytesMax)
  if (output.length < sizeMin || output.length > sizeMax) {
    throw new CorruptRecordError(`zstd data declares ${sizeMin} to ${sizeMax} bytes, ${output.length} came`)
  }
  return owned(output)
}

/** The encoder without node:zlib: tests and benchmarks run it on every Node version. */
export function compressZstdInTypeScript(input: Uint8Array): Uint8Array {
  encoder ??= new ZstdEncoder()
  return encoder.encode(input)
}

/** The decoder without node:zlib. */
export function decompressZstdInTypeScript(input: Uint8Array, outputBytesMax: number): Uint8Array {
  const { sizeMin } = outlineZstd(input)
  if (sizeMin > outputBytesMax) throw tooLarge('zstd', sizeMin, outputBytesMax)
  decoder ??= new ZstdDecoder()
  const output = new Output('zstd', outputBytesMax)
  decoder.decode(input, output)
  return output.finish()
}
