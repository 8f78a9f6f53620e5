/** xxHash against values of the reference library (python xxhash 4.1.0, libxxhash 0.8.4). */
import { expect, it } from 'vitest'
import { xxhash32, xxhash64Low } from '../../../src/record/compression/xxhash.ts'
import { embedded, EMBEDDED_START } from './samples.ts'

/** Byte n is n * 7 + 3. */
const counting = Uint8Array.from({ length: 1000 }, (_, index) => index * 7 + 3)

const VALUES: readonly [lengthBytes: number, hash32: number, hash64Low: number][] = [
  [0, 0x02cc5d05, 0x51d8e999],
  [1, 0x21ae663a, 0xbc1f4bb6],
  [3, 0xcd3d2242, 0x52e564c9],
  [4, 0x725479f2, 0x66ee9fda],
  [5, 0xa666ab62, 0xdb7051fe],
  [7, 0xf3a90eb0, 0x59ce60d8],
  [8, 0x29b5025a, 0xc6f90092],
  [11, 0x847b77ad, 0x57cf1a1f],
  [12, 0xd9460fc1, 0x33af5133],
  [15, 0x82d3c84d, 0x43cc8e32],
  [16, 0x8845547d, 0x2b787be2],
  [17, 0x450e5f84, 0xf1b97a7a],
  [31, 0x1f73d3c7, 0xcc4a6119],
  [32, 0xe988ccb7, 0xf790fd97],
  [33, 0x94f536d5, 0xba588784],
  [36, 0x9ea6aa57, 0xcc5e3f7f],
  [39, 0x6df49366, 0x606e4b37],
  [40, 0x6be094bd, 0x253d76b6],
  [47, 0x6dbbffba, 0xc5ad205e],
  [63, 0x0bedc2f7, 0x31c7493c],
  [64, 0xecd2ac44, 0xf6eeb01f],
  [100, 0x73091a4d, 0x170fe531],
  [255, 0x8362bf14, 0x9989206f],
  [1000, 0xc85a5152, 0x33f1a3fb],
]

it.each(VALUES)('over %i bytes agrees with the reference', (lengthBytes, hash32, hash64Low) => {
  expect(xxhash32(counting, 0, lengthBytes)).toBe(hash32)
  expect(xxhash64Low(counting, 0, lengthBytes)).toBe(hash64Low)
})

it('sees only the range it is given', () => {
  const source = embedded(counting)
  const last = VALUES.at(-1)!
  expect(xxhash32(source, EMBEDDED_START, EMBEDDED_START + 1000)).toBe(last[1])
  expect(xxhash64Low(source, EMBEDDED_START, EMBEDDED_START + 1000)).toBe(last[2])
})
