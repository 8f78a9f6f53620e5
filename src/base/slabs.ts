/**
 * SlabBook: which runs of 16 KiB slabs of a piece of memory are in use. Owned by one thread; the memory is elsewhere. @hot
 *
 * Why runs of slabs and not one ring of bytes: eight partitions have eight batches open at once and they close in any
 * order. In a byte ring the oldest open batch holds up all space behind it; here each run is freed alone, and the last
 * one freed is the next one used, while it is still in the cache.
 */
import { assert } from './assert.ts'

export const SLAB_BYTES = 16_384
export const NO_ROOM = -1

/** State of a slab; a run's state is that of its first slab. */
const FREE = 0
const IN_USE = 1
const RECYCLED = 2
/** Recycled runs of other lengths are joined once there are this many slabs of them: joining costs a pass over them. */
const RETURNED_SLABS_MIN = 64

export class SlabBook {
  readonly slabCount: number
  freeSlabs: number
  /** FREE, IN_USE, or kept in a stack of recycled runs. */
  readonly #taken: Uint8Array
  /** Freed runs by their length in slabs, last freed first. */
  readonly #recycled = new Map<number, number[]>()
  #recycledSlabs = 0
  #searchFrom = 0
  readonly #firstByte: number

  /** `firstByte`: position of the first slab in the memory. */
  constructor(slabCount: number, firstByte = 0) {
    this.slabCount = slabCount
    this.freeSlabs = slabCount
    this.#taken = new Uint8Array(slabCount)
    this.#firstByte = firstByte
  }

  /** Byte position of a free run of at least `sizeBytes`, or NO_ROOM. */
  allocate(sizeBytes: number): number {
    const count = slabsFor(sizeBytes)
    if (count > this.freeSlabs) return NO_ROOM
    const stack = this.#recycled.get(count)
    let first: number
    if (stack !== undefined && stack.length > 0) {
      first = stack.pop()!
      this.#taken[first] = IN_USE
      this.#recycledSlabs -= count
    } else {
      // What was in use before is resident, and maybe in the cache, so it comes before slabs that nobody has touched.
      if (this.#recycledSlabs >= Math.max(RETURNED_SLABS_MIN, count)) this.#returnRecycled()
      first = this.#findRun(count)
      if (first < 0) {
        this.#returnRecycled()
        first = this.#findRun(count)
        if (first < 0) return NO_ROOM
      }
    }
    this.freeSlabs -= count
    return this.#firstByte + first * SLAB_BYTES
  }

  /** Frees the slabs of a run of `sizeBytes` that its first `keptBytes`, at least 1, do not reach. */
  shrink(position: number, sizeBytes: number, keptBytes: number): void {
    const keptSlabs = slabsFor(keptBytes)
    assert(keptSlabs > 0 && keptBytes <= sizeBytes, 'a run keeps a part of itself')
    if (keptSlabs === slabsFor(sizeBytes)) return
    this.free(position + keptSlabs * SLAB_BYTES, sizeBytes - keptSlabs * SLAB_BYTES)
  }

  /** `position` and `sizeBytes` as they were allocated, or what shrink() left of it. */
  free(position: number, sizeBytes: number): void {
    const count = slabsFor(sizeBytes)
    const first = (position - this.#firstByte) / SLAB_BYTES
    assert(Number.isInteger(first) && first >= 0 && first + count <= this.slabCount, 'freed run is inside the memory')
    assert(this.#taken[first] === IN_USE, 'freed run is in use')
    this.#taken[first] = RECYCLED
    this.#recycledSlabs += count
    this.freeSlabs += count
    assert(this.freeSlabs <= this.slabCount, 'no more slabs are free than exist')
    const stack = this.#recycled.get(count)
    if (stack === undefined) this.#recycled.set(count, [first])
    else stack.push(first)
  }

  #findRun(count: number): number {
    const found = this.#scan(this.#searchFrom, this.slabCount, count)
    return found >= 0 ? found : this.#scan(0, this.slabCount, count)
  }

  #scan(from: number, to: number, count: number): number {
    const taken = this.#taken
    let run = 0
    for (let slab = from; slab < to; slab++) {
      run = taken[slab] === FREE ? run + 1 : 0
      if (run === count) {
        const first = slab - count + 1
        taken.fill(IN_USE, first, first + count)
        this.#searchFrom = slab + 1
        return first
      }
    }
    return -1
  }

  /** Gives the recycled runs back to the map, so that neighbours join. */
  #returnRecycled(): void {
    for (const [count, stack] of this.#recycled) {
      for (const first of stack) this.#taken.fill(FREE, first, first + count)
      stack.length = 0
    }
    this.#recycledSlabs = 0
    this.#searchFrom = 0
  }
}

function slabsFor(sizeBytes: number): number {
  return Math.ceil(sizeBytes / SLAB_BYTES)
}
