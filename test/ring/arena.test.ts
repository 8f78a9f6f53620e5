import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { ArenaBook, arenaBytes, createArena, NO_ROOM, SLAB_BYTES } from '../../src/ring/arena.ts'
import { mulberry32, testSeed } from '../random.ts'

describe('an arena', () => {
  it('is whole slabs behind a header, at least four', () => {
    const buffer = createArena(10 * SLAB_BYTES + 5)
    expect(buffer.byteLength).toBe(128 + 10 * SLAB_BYTES)
    expect(arenaBytes(buffer)).toHaveLength(buffer.byteLength)
    expect(new ArenaBook(buffer).slabCount).toBe(10)
    expect(() => createArena(4 * SLAB_BYTES - 1)).toThrow(AssertionFailed)
  })

  it('of another layout, or cut, is refused', () => {
    const buffer = createArena(4 * SLAB_BYTES)
    const cut = new SharedArrayBuffer(128)
    new Int32Array(cut).set(new Int32Array(buffer, 0, 2))
    expect(() => arenaBytes(cut)).toThrow(AssertionFailed)
    new Int32Array(buffer)[0] = 9
    expect(() => arenaBytes(buffer)).toThrow(AssertionFailed)
  })
})

describe('the book of an arena', () => {
  it('gives runs that do not overlap until none is left, and takes them back', () => {
    const book = new ArenaBook(createArena(8 * SLAB_BYTES))
    const sizes = [1, SLAB_BYTES, SLAB_BYTES + 1, 3 * SLAB_BYTES]
    const positions = sizes.map((size) => book.allocate(size))
    expect(positions).toEqual([0, 1, 2, 4].map((slab) => 128 + slab * SLAB_BYTES))
    expect(book.freeSlabs).toBe(1)
    expect(book.allocate(SLAB_BYTES + 1)).toBe(NO_ROOM)
    expect(book.allocate(1)).toBe(128 + 7 * SLAB_BYTES)
    expect(book.allocate(1)).toBe(NO_ROOM)
    book.free(positions[1]!, sizes[1]!)
    expect(book.allocate(5)).toBe(positions[1])
  })

  it('gives the run that was freed last: it is still in the cache', () => {
    const book = new ArenaBook(createArena(16 * SLAB_BYTES))
    const [a, b, c] = [1, 1, 1].map((size) => book.allocate(size)) as [number, number, number]
    book.free(a, 1)
    book.free(c, 1)
    book.free(b, 1)
    expect([book.allocate(1), book.allocate(1), book.allocate(1)]).toEqual([b, c, a])
  })

  it('joins freed neighbours when a longer run is wanted', () => {
    const book = new ArenaBook(createArena(4 * SLAB_BYTES))
    const singles = [1, 1, 1, 1].map((size) => book.allocate(size))
    for (const position of singles) book.free(position, 1)
    expect(book.allocate(4 * SLAB_BYTES)).toBe(128)
    book.free(128, 4 * SLAB_BYTES)
    expect(book.allocate(2 * SLAB_BYTES)).toBe(128)
    expect(book.allocate(2 * SLAB_BYTES)).toBe(128 + 2 * SLAB_BYTES)
  })

  it('has no room for more than is free, or more than the longest run', () => {
    const book = new ArenaBook(createArena(4 * SLAB_BYTES))
    expect(book.allocate(5 * SLAB_BYTES)).toBe(NO_ROOM)
    const positions = [1, 1, 1, 1].map((size) => book.allocate(size))
    book.free(positions[0]!, 1)
    book.free(positions[2]!, 1)
    expect(book.freeSlabs).toBe(2)
    expect(book.allocate(2 * SLAB_BYTES)).toBe(NO_ROOM)
    expect(book.allocate(1), 'and the two are still there').toBeGreaterThan(0)
    expect(book.allocate(1)).toBeGreaterThan(0)
  })

  it('notices a run that was never given', () => {
    const book = new ArenaBook(createArena(4 * SLAB_BYTES))
    const position = book.allocate(1)
    for (const wrong of [0, 127, 129, 128 + 4 * SLAB_BYTES, 128 + SLAB_BYTES]) {
      expect(() => book.free(wrong, 1), `${wrong}`).toThrow(AssertionFailed)
    }
    const other = book.allocate(2 * SLAB_BYTES)
    book.free(position, 1)
    expect(() => book.free(position, 1), 'a second time').toThrow(AssertionFailed)
    expect(book.allocate(1)).toBe(position)
    book.free(position, 1)
    book.free(other, 2 * SLAB_BYTES)
  })

  it('gives away what a run that was cut short does not need', () => {
    const book = new ArenaBook(createArena(4 * SLAB_BYTES))
    const position = book.allocate(4 * SLAB_BYTES)
    book.shrink(position, 4 * SLAB_BYTES, SLAB_BYTES + 1)
    expect(book.allocate(2 * SLAB_BYTES)).toBe(position + 2 * SLAB_BYTES)
    expect(book.allocate(1)).toBe(NO_ROOM)
    book.shrink(position, SLAB_BYTES + 1, SLAB_BYTES + 1)
    expect(book.allocate(1), 'nothing more').toBe(NO_ROOM)
    book.free(position, SLAB_BYTES + 1)
    expect(book.allocate(2 * SLAB_BYTES)).toBe(position)
    expect(() => book.shrink(position, SLAB_BYTES, 0)).toThrow(AssertionFailed)
  })

  it('stays in the memory that it has touched, however long batches of changing lengths come and go', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const book = new ArenaBook(createArena(2048 * SLAB_BYTES))
    const unanswered: { position: number; keptBytes: number }[] = []
    let touchedBytes = 0
    for (let batch = 0; batch < 20_000; batch++) {
      const position = book.allocate(16 * SLAB_BYTES)
      touchedBytes = Math.max(touchedBytes, position + 16 * SLAB_BYTES)
      const keptBytes = Math.ceil(random() * 6 * SLAB_BYTES)
      book.shrink(position, 16 * SLAB_BYTES, keptBytes)
      unanswered.push({ position, keptBytes })
      while (unanswered.length > 40 * random()) {
        const [answered] = unanswered.splice(Math.floor(random() * unanswered.length), 1)
        book.free(answered!.position, answered!.keptBytes)
      }
    }
    // At most 40 of 6 slabs, and one that is open: more than twice that would be touched for nothing.
    expect(touchedBytes, `seed ${seed}`).toBeLessThan(2 * 256 * SLAB_BYTES)
  })

  it('never gives a slab twice, whatever is asked, and has all of them in the end', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const book = new ArenaBook(createArena(64 * SLAB_BYTES))
    const held: { position: number; sizeBytes: number }[] = []
    const owners = new Uint8Array(64)
    const slabs = ({ position, sizeBytes }: { position: number; sizeBytes: number }): [number, number] => {
      const first = (position - 128) / SLAB_BYTES
      return [first, first + Math.ceil(sizeBytes / SLAB_BYTES)]
    }
    for (let i = 0; i < 20_000; i++) {
      if (random() < 0.55) {
        const sizeBytes = 1 + Math.floor(random() * (random() < 0.1 ? 20 : 4) * SLAB_BYTES)
        const position = book.allocate(sizeBytes)
        if (position === NO_ROOM) continue
        const run = { position, sizeBytes }
        const [first, end] = slabs(run)
        expect(first >= 0 && end <= 64, `SEED=${seed} i=${i}`).toBe(true)
        expect(
          owners.subarray(first, end).every((owned) => owned === 0),
          `SEED=${seed} i=${i}`,
        ).toBe(true)
        owners.fill(1, first, end)
        held.push(run)
      } else if (held.length > 0) {
        const [run] = held.splice(Math.floor(random() * held.length), 1)
        owners.fill(0, ...slabs(run!))
        book.free(run!.position, run!.sizeBytes)
      }
      const shrunk = held[Math.floor(random() * held.length)]
      if (shrunk !== undefined && random() < 0.3) {
        const keptBytes = 1 + Math.floor(random() * shrunk.sizeBytes)
        owners.fill(0, ...slabs(shrunk))
        book.shrink(shrunk.position, shrunk.sizeBytes, keptBytes)
        shrunk.sizeBytes = keptBytes
        owners.fill(1, ...slabs(shrunk))
      }
      expect(book.freeSlabs).toBe(owners.filter((owned) => owned === 0).length)
    }
    for (const { position, sizeBytes } of held) book.free(position, sizeBytes)
    expect(book.freeSlabs).toBe(64)
    expect(book.allocate(64 * SLAB_BYTES)).toBe(128)
  })
})
