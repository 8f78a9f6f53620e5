/** Data to compress and vectors to decompress, shared by the tests of the codecs. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { mulberry32 } from '../../random.ts'

/** Something another implementation compressed; `by` names it. */
export interface Vector {
  readonly name: string
  readonly by: string
  readonly decodedBytes: number
  readonly decodedSha256: string
  readonly base64: string
}

const FIXTURES = new URL('../../fixtures/compression/', import.meta.url)

export function vectors(codec: string): readonly Vector[] {
  const list = JSON.parse(readFileSync(new URL(`${codec}.json`, FIXTURES), 'utf8')) as Vector[]
  expect(list.length).toBeGreaterThan(5)
  return list
}

export function expectDecoded(vector: Vector, decoded: Uint8Array): void {
  expect(decoded.length).toBe(vector.decodedBytes)
  expect(createHash('sha256').update(decoded).digest('hex')).toBe(vector.decodedSha256)
}

/** What decides how a codec goes about data. */
export type SampleKind =
  'constant' | 'text' | 'json' | 'structs' | 'skewed' | 'periods' | 'random' | 'islands' | 'nibbles'

export const SAMPLE_KINDS: readonly SampleKind[] = [
  'constant',
  'text',
  'json',
  'structs',
  'skewed',
  'periods',
  'random',
  'islands',
  'nibbles',
]

/** `size` bytes of a kind, the same for the same seed. */
export function sample(kind: SampleKind, size: number, seed: number): Uint8Array {
  const random = mulberry32(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const bytes = new Uint8Array(size)
  const words = Array.from({ length: 200 }, () => Buffer.from(below(1e9).toString(36)))
  let at = 0
  const put = (part: Uint8Array): void => {
    bytes.set(part.subarray(0, size - at), at)
    at = Math.min(size, at + part.length)
  }
  switch (kind) {
    case 'constant':
      return bytes.fill(below(256))
    case 'random':
      return bytes.map(() => below(256))
    case 'nibbles': // Few symbols, all as likely: nothing but Huffman coding helps.
      return bytes.map(() => below(16))
    case 'skewed':
      return bytes.map(() => Math.min(255, Math.floor(-20 * Math.log(1 - random()))))
    case 'text':
      while (at < size) put(Buffer.concat([words[below(200)]!, Buffer.from(' ,.\n'[below(4)]!)]))
      return bytes
    case 'json':
      while (at < size) {
        put(Buffer.from(`{"id":${below(1e6)},"user":"${words[below(50)]!.toString()}","ok":${below(2) === 0}}\n`))
      }
      return bytes
    case 'structs':
      for (let row = 0; at < size; row++) put(Uint8Array.of(row, row >> 8, 0, 0, below(3), 0, below(256), 0))
      return bytes
    case 'periods': // Matches at every distance from 1 up, of every length.
      while (at < size) {
        const period = Uint8Array.from({ length: 1 + below(40) }, () => below(256))
        for (let turns = below(30); turns >= 0; turns--) put(period)
      }
      return bytes
    case 'islands': // Repeated parts far apart in noise.
      while (at < size) {
        put(Uint8Array.from({ length: below(500) }, () => below(256)))
        put(Buffer.concat(words.slice(below(4), 100 + below(100))))
      }
      return bytes
  }
}

/** The same bytes inside larger memory, with other bytes on both sides. */
export function embedded(bytes: Uint8Array, buffer: ArrayBufferLike = new ArrayBuffer(bytes.length + 40)): Uint8Array {
  const source = new Uint8Array(buffer, 8, bytes.length + 24).fill(0xa5)
  source.set(bytes, 12)
  return source
}

export const EMBEDDED_START = 12
