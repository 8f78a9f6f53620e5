/**
 * The compression codecs of Kafka's record batches: one entry point, one file per codec.
 *
 * A codec sees the bytes after the 61-byte batch header as one blob. Input comes from disks and clients: whatever it
 * holds, decompress() returns at most outputBytesMax bytes or throws CorruptRecordError or RecordTooLargeError, in time
 * proportional to input plus output, and reads nothing outside [start, end). Input may be shared memory, even changing
 * while it is read: every byte is read once and every distance checked against our own output.
 *
 * Results own their ArrayBuffer whole, so that a pool thread can transfer them. All is synchronous: batches are small,
 * and big ones go to the pool. State kept between calls (hash tables, scratch) is per thread.
 */
import { assert } from '../../base/assert.ts'
import { VltavaError } from '../../base/errors.ts'
import { compressGzip, decompressGzip } from './gzip.ts'
import { compressLz4, decompressLz4 } from './lz4.ts'
import { tooLarge } from './output.ts'
import { compressSnappy, decompressSnappy } from './snappy.ts'
import { compressZstd, decompressZstd } from './zstd.ts'

export type CompressionName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Bits 0 to 2 of a batch's attributes. */
export const CODEC_IDS: Readonly<Record<CompressionName, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

const NAMES: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Name of a codec id as found in batch attributes. Throws UNSUPPORTED_COMPRESSION_TYPE for 5, 6, 7 and the rest. */
export function codecName(id: number): CompressionName {
  const name = NAMES[id]
  if (name === undefined) {
    throw new VltavaError('UNSUPPORTED_COMPRESSION_TYPE', `compression codec id=${id} is unknown, known are 0 to 4`)
  }
  return name
}

/** Whether this process can write and read the codec. Always true today: no codec needs an installed package. */
export function compressionAvailable(name: CompressionName): boolean {
  return Object.hasOwn(CODEC_IDS, name)
}

/**
 * Compresses `source[start .. end)`. `level` is Kafka's compression.<codec>.level: gzip -1 to 9, zstd up to 22, both
 * with the codec's own default; snappy has none, and lz4 has one fast level whatever is asked (as zstd has where
 * node:zlib lacks it: see zstd.ts). A level out of range throws INVALID_ARGUMENT.
 */
export function compress(
  name: CompressionName,
  source: Uint8Array,
  start: number,
  end: number,
  level?: number,
): Uint8Array {
  const input = inputOf(source, start, end)
  switch (name) {
    case 'none':
      return input.slice()
    case 'gzip':
      return compressGzip(input, level)
    case 'snappy':
      return compressSnappy(input)
    case 'lz4':
      return compressLz4(input)
    case 'zstd':
      return compressZstd(input, level)
    default:
      throw unknownName(name)
  }
}

/**
 * Decompresses `source[start .. end)` to at most `outputBytesMax` bytes (0 to 2^31 - 1). Throws RecordTooLargeError
 * when there is more, before the excess is made, and CorruptRecordError when the bytes are not that codec's.
 */
export function decompress(
  name: CompressionName,
  source: Uint8Array,
  start: number,
  end: number,
  outputBytesMax: number,
): Uint8Array {
  assert(outputBytesMax >= 0 && outputBytesMax === (outputBytesMax | 0), 'outputBytesMax is an int32, not negative')
  const input = inputOf(source, start, end)
  switch (name) {
    case 'none':
      if (input.length > outputBytesMax) throw tooLarge('none', input.length, outputBytesMax)
      return input.slice()
    case 'gzip':
      return decompressGzip(input, outputBytesMax)
    case 'snappy':
      return decompressSnappy(input, outputBytesMax)
    case 'lz4':
      return decompressLz4(input, outputBytesMax)
    case 'zstd':
      return decompressZstd(input, outputBytesMax)
    default:
      throw unknownName(name)
  }
}

/** A plain Uint8Array of exactly the input: codecs see one class (a Buffer is another) and cannot read beside it. */
function inputOf(source: Uint8Array, start: number, end: number): Uint8Array {
  assert(Number.isInteger(start) && Number.isInteger(end), 'input range is of integers')
  assert(start >= 0 && start <= end && end <= source.length, 'input range lies within its source')
  return new Uint8Array(source.buffer, source.byteOffset + start, end - start)
}

function unknownName(name: never): VltavaError {
  return new VltavaError('UNSUPPORTED_COMPRESSION_TYPE', `compression=${String(name)} is unknown`)
}
