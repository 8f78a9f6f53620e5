import { expect, it } from 'vitest'
import { isUuid, ONE_UUID, randomUuid, uuidFromBytes, uuidToBytes, ZERO_UUID } from '../../src/base/uuid.ts'
import { seededRandom } from '../log/memory-fs.ts'

it('is 22 characters of URL-safe base64', () => {
  const bytes = Uint8Array.from([0xfb, 0xff, 0xbf, ...new Array<number>(12).fill(0), 0x01])
  expect(uuidFromBytes(bytes)).toBe('-_-_AAAAAAAAAAAAAAAAAQ')
  expect(uuidToBytes('-_-_AAAAAAAAAAAAAAAAAQ')).toEqual(bytes)
  expect(uuidFromBytes(new Uint8Array(16))).toBe(ZERO_UUID)
  expect(uuidFromBytes(Uint8Array.from([...new Array<number>(15).fill(0), 1]))).toBe(ONE_UUID)
  expect(uuidFromBytes(Uint8Array.from([9, 9, ...bytes, 9]), 2)).toBe('-_-_AAAAAAAAAAAAAAAAAQ')
  expect(() => uuidFromBytes(bytes, 1)).toThrow('inside the bytes')
})

it('has one form only', () => {
  for (const text of [
    '',
    'AAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAAA==',
    'AAAAAAAAAAAAAAAAAAAAAB', // The last four bits are not part of the 16 bytes.
    'AAAAAAAAAAAAAAAAAAAA+/', // Base64, but not for URLs.
    'AAAAAAAAAAA AAAAAAAAAA',
    'AAAAAAAAAA\nAAAAAAAAAAA',
    'ÄAAAAAAAAAAAAAAAAAAAAA',
  ]) {
    expect(isUuid(text), JSON.stringify(text)).toBe(false)
  }
})

it('is random of version 4 and never begins with a dash', () => {
  const { seed, next, below } = seededRandom()
  const random = {
    next,
    fill: (bytes: Uint8Array) => {
      // Half of them would begin with a dash.
      for (let i = 0; i < bytes.length; i++) bytes[i] = i === 0 && below(2) === 0 ? 0xf8 | below(4) : below(256)
    },
  }
  const seen = new Set<string>()
  for (let i = 0; i < 2000; i++) {
    const text = randomUuid(random)
    expect(text, `SEED=${seed}`).not.toMatch(/^-/)
    const bytes = uuidToBytes(text)!
    expect([bytes[6]! >>> 4, bytes[8]! >>> 6], `SEED=${seed}`).toEqual([4, 2])
    seen.add(text)
  }
  expect(seen.size).toBe(2000)
})

it('is not one of the reserved ids even from a source of zeros, and gives up on a source of dashes', () => {
  const id = randomUuid({ next: () => 0, fill: (bytes) => bytes.fill(0) })
  expect([ZERO_UUID, ONE_UUID]).not.toContain(id)
  expect(() => randomUuid({ next: () => 0, fill: (bytes) => bytes.fill(0xf8) })).toThrow('again and again')
})
