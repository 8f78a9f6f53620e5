/** murmur2 against values printed by org.apache.kafka.common.utils.Utils of kafka-clients 4.3.1. */
import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { murmur2, partitionForKey } from '../../src/client/murmur2.ts'

const TEXTS: readonly [key: string, hash: number, partitionOfSeven: number][] = [
  ['', 275646681, 2],
  ['a', -1563381124, 5],
  ['ab', 316155434, 0],
  ['abc', 479470107, 4],
  ['abcd', -1323649548, 5],
  ['21', -973932308, 3],
  ['foobar', -790332482, 0],
  ['a-little-bit-long-string', -985981536, 1],
  ['a-little-bit-longer-string', -1486304829, 0],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971, 3],
  ['žluťoučký kůň', 874861404, 4],
]

/** Length of 0, 1, 2, ... -> hash: bytes over 127 in every place of a word and of the tail. */
const COUNTING: readonly [lengthBytes: number, hash: number][] = [
  [3, 51419311],
  [5, -1916494074],
  [16, -1038035159],
  [127, 963361774],
  [128, 1741722413],
  [129, 1996260412],
  [255, 1542706800],
  [256, -1948347274],
]

describe('murmur2', () => {
  it.each(TEXTS)('hashes %j as the Java client does', (key, hash) => {
    const bytes = Buffer.from(key)
    expect(murmur2(bytes, 0, bytes.length)).toBe(hash)
  })

  it.each(COUNTING)('hashes the bytes 0 to %i as the Java client does', (lengthBytes, hash) => {
    const bytes = Uint8Array.from({ length: lengthBytes }, (_, index) => index)
    expect(murmur2(bytes, 0, lengthBytes)).toBe(hash)
  })

  it('takes bytes as unsigned where Java masks them', () => {
    expect(murmur2(new Uint8Array(7).fill(0xff), 0, 7)).toBe(-71293549)
  })

  it('sees only the range it is given, in shared memory too', () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(32)).fill(0x5a)
    bytes.set(Buffer.from('foobar'), 13)
    expect(murmur2(bytes, 13, 19)).toBe(-790332482)
  })

  it('refuses a range outside its bytes', () => {
    expect(() => murmur2(new Uint8Array(4), 0, 5)).toThrow(AssertionFailed)
    expect(() => murmur2(new Uint8Array(4), 3, 2)).toThrow(AssertionFailed)
    expect(() => murmur2(new Uint8Array(4), -1, 2)).toThrow(AssertionFailed)
  })
})

describe('partitionForKey', () => {
  it.each(TEXTS)('puts %j where the Java client puts it', (key, _hash, partitionOfSeven) => {
    const bytes = Buffer.from(key)
    expect(partitionForKey(bytes, 0, bytes.length, 7)).toBe(partitionOfSeven)
  })

  it('needs a partition to choose', () => {
    expect(() => partitionForKey(new Uint8Array(1), 0, 1, 0)).toThrow(AssertionFailed)
  })
})
