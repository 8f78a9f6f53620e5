/**
 * gzip by node:zlib: one member on write, as Kafka writes; several are read, as Java's GZIPInputStream does.
 *
 * node:zlib checks the CRC-32 and length of every member, and stops at maxOutputLength. Bytes behind the last member
 * that do not start another are ignored, in Java as here.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { CorruptRecordError, VltavaError, errnoOf } from '../../base/errors.ts'
import { chunkBytes, owned, unshared } from './node-zlib.ts'
import { tooLarge } from './output.ts'

/** `level` is -1 (zlib's default) to 9. */
export function compressGzip(input: Uint8Array, level = -1): Uint8Array {
  if (!Number.isInteger(level) || level < -1 || level > 9) {
    throw new VltavaError('INVALID_ARGUMENT', `gzip level=${level} is outside -1 .. 9`)
  }
  return owned(gzipSync(unshared(input), { level, chunkSize: chunkBytes(input.length) }))
}

export function decompressGzip(input: Uint8Array, outputBytesMax: number): Uint8Array {
  let output: Buffer
  try {
    const chunkSize = chunkBytes(Math.min(input.length * 4, outputBytesMax))
    // node:zlib takes no limit of zero.
    output = gunzipSync(unshared(input), { maxOutputLength: Math.max(outputBytesMax, 1), chunkSize })
  } catch (cause) {
    const code = errnoOf(cause)
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('gzip', outputBytesMax + 1, outputBytesMax)
    // The data is at fault; anything else (no memory, a bad argument) is not ours to rename.
    if (code !== 'Z_DATA_ERROR' && code !== 'Z_BUF_ERROR' && code !== 'Z_NEED_DICT') throw cause
    throw new CorruptRecordError(`gzip data of lengthBytes=${input.length} is damaged: ${code}`, { cause })
  }
  if (output.length > outputBytesMax) throw tooLarge('gzip', output.length, outputBytesMax)
  return owned(output)
}
