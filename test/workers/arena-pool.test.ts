/** Arenas that are used again. */
import { expect, it } from 'vitest'
import { SLAB_BYTES } from '../../src/ring/arena.ts'
import { ArenaPool } from '../../src/workers/arena-pool.ts'

const SIZE = 4 * SLAB_BYTES

it('an arena that came back is given out again, to one that wants its size', () => {
  const pool = new ArenaPool()
  const first = pool.take(SIZE)
  const second = pool.take(SIZE)
  expect(second).not.toBe(first)
  pool.giveBack(first)
  pool.giveBack(second)
  expect(pool.take(2 * SIZE)).not.toBe(first)
  expect(pool.take(SIZE)).toBe(second)
  expect(pool.take(SIZE + SLAB_BYTES - 1)).toBe(first) // As many whole slabs.
  const third = pool.take(SIZE)
  expect([first, second]).not.toContain(third)
})

it('arenas of ever other sizes are not kept for ever', () => {
  const pool = new ArenaPool()
  const oldest = pool.take(SIZE)
  pool.giveBack(oldest)
  for (let slabs = 5; slabs < 5 + 64; slabs++) pool.giveBack(pool.take(slabs * SLAB_BYTES))
  expect(pool.take(SIZE)).not.toBe(oldest)
})
