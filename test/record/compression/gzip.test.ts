/** gzip: what others wrote, and node:zlib's errors in our words. */
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { CorruptRecordError, RecordTooLargeError } from '../../../src/base/errors.ts'
import { compressGzip, decompressGzip } from '../../../src/record/compression/gzip.ts'
import { expectDecoded, vectors } from './samples.ts'

const text = new Uint8Array(Buffer.from('the river flows, the river flows, the river flows'))

describe('gzip', () => {
  it.each(vectors('gzip'))('reads $name ($by)', (vector) => {
    const bytes = new Uint8Array(Buffer.from(vector.base64, 'base64'))
    expectDecoded(vector, decompressGzip(bytes, vector.decodedBytes))
  })

  it('writes one plain member', () => {
    const packed = compressGzip(text)
    expect([...packed.subarray(0, 4)]).toEqual([0x1f, 0x8b, 8, 0]) // Deflate, no name, no extra field.
    expect(gunzipSync(packed).equals(text)).toBe(true)
    expect(gunzipSync(Buffer.concat([packed, packed])).length).toBe(2 * text.length)
  })

  it('counts several members together against the limit', () => {
    const packed = compressGzip(text)
    const two = new Uint8Array([...packed, ...packed])
    expect(decompressGzip(two, 2 * text.length).length).toBe(2 * text.length)
    expect(() => decompressGzip(two, 2 * text.length - 1)).toThrow(RecordTooLargeError)
  })

  it('checks length and CRC at the end', () => {
    for (const fromEnd of [1, 4, 5, 8]) {
      const packed = compressGzip(text)
      packed[packed.length - fromEnd]! ^= 1
      expect(() => decompressGzip(packed, 100)).toThrow(CorruptRecordError)
    }
  })

  it('keeps the cause', () => {
    const error: unknown = (() => {
      try {
        return decompressGzip(text, 100)
      } catch (thrown) {
        return thrown
      }
    })()
    expect(error).toBeInstanceOf(CorruptRecordError)
    expect(error).toHaveProperty('cause.code', 'Z_DATA_ERROR')
  })
})
