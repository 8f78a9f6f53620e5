/**
 * Around node:zlib's synchronous calls: whose memory goes in and comes out, and how large its chunks are.
 */

const CHUNK_BYTES_MIN = 1 << 10
const CHUNK_BYTES_MAX = 1 << 17

/** zlib's output buffer: one that holds the whole result saves joining chunks. */
export function chunkBytes(expectedBytes: number): number {
  return Math.min(Math.max(expectedBytes, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX)
}

/** Node may return a part of a larger buffer, which must be neither transferred nor kept alive for a few bytes. */
export function owned(buffer: Buffer): Uint8Array {
  if (buffer.byteLength === buffer.buffer.byteLength) return new Uint8Array(buffer.buffer)
  return new Uint8Array(buffer)
}

/**
 * Input for a library in C. Shared memory is copied: another thread may write there at any time, and such a library
 * does not promise to read a byte only once.
 */
export function unshared(input: Uint8Array): Uint8Array {
  return input.buffer instanceof SharedArrayBuffer ? new Uint8Array(input) : input
}
