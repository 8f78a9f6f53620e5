/**
 * Arena: the shared memory in which one client thread builds its batches. @hot
 *
 *  byte         size  field      meaning
 *  -----------  ----  ---------  --------------------------------------------------
 *     0            4  version    ARENA_VERSION; checked on attach
 *     4            4  slabCount  slabs that follow
 *   128 + 16384 i     slab i     bytes of batches; a batch takes a run of whole slabs
 *
 * The client thread owns the arena and its book-keeping, which lives on its heap. A batch's bytes pass to a shard when
 * the frame that names them is published on the ring, and come back with the reply frame: the rings order both hands.
 * So a dead shard's rings are thrown away while the bytes of unanswered batches stay with the client, who sends them
 * again to the shard's next incarnation.
 *
 * Why runs of slabs and not one ring of bytes: eight partitions have eight batches open at once and they close in any
 * order. In a byte ring the oldest open batch holds up all space behind it; here each run is freed alone, and the last
 * one freed is the next one used, while it is still in the cache.
 */
import { assert } from '../base/assert.ts'

export const ARENA_VERSION = 1
export const SLAB_BYTES = 16_384

const HEADER_BYTES = 128
const VERSION_I32 = 0
const SLAB_COUNT_I32 = 1

export const NO_ROOM = -1

/** State of a slab; a run's state is that of its first slab. */
const FREE = 0
const IN_USE = 1
const RECYCLED = 2
/** Recycled runs of other lengths are joined once there are this many slabs of them: joining costs a pass over them. */
const RETURNED_SLABS_MIN = 64

export function createArena(sizeBytes: number): SharedArrayBuffer {
  const slabCount = slabCountOf(sizeBytes)
  assert(slabCount >= 4, 'arena has at least four slabs')
  const buffer = new SharedArrayBuffer(HEADER_BYTES + slabCount * SLAB_BYTES)
  const words = new Int32Array(buffer, 0, 2)
  words[VERSION_I32] = ARENA_VERSION
  words[SLAB_COUNT_I32] = slabCount
  return buffer
}

/** Whether the arena is what createArena(sizeBytes) makes. */
export function isArenaOf(buffer: SharedArrayBuffer, sizeBytes: number): boolean {
  return buffer.byteLength === HEADER_BYTES + slabCountOf(sizeBytes) * SLAB_BYTES
}

function slabCountOf(sizeBytes: number): number {
  return Math.floor(sizeBytes / SLAB_BYTES)
}

/** Both ends: the bytes, with the layout checked. */
export function arenaBytes(buffer: SharedArrayBuffer): Uint8Array {
  const words = new Int32Array(buffer, 0, 2)
  assert(words[VERSION_I32] === ARENA_VERSION, 'arena layout version matches')
  assert(buffer.byteLength === HEADER_BYTES + words[SLAB_COUNT_I32]! * SLAB_BYTES, 'arena has its full length')
  return new Uint8Array(buffer)
}

/** Which slabs are in use: the client thread's own book. */
export class ArenaBook {
  readonly slabCount: number
  freeSlabs: number
  /** FREE, IN_USE, or kept in a stack of recycled runs. */
  readonly #taken: Uint8Array
  /** Freed runs by their length in slabs, last freed first. */
  readonly #recycled = new Map<number, number[]>()
  #recycledSlabs = 0
  #searchFrom = 0
  /** No run has reached this slab yet: from here on the memory is not resident. */
  #touchedEnd = 0

  constructor(buffer: SharedArrayBuffer) {
    this.slabCount = new Int32Array(buffer, 0, 2)[SLAB_COUNT_I32]!
    this.freeSlabs = this.slabCount
    this.#taken = new Uint8Array(this.slabCount)
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
      if (this.#recycledSlabs >= Math.max(RETURNED_SLABS_MIN, count)) this.#returnRecycled()
      first = this.#findTouchedRun(count)
      if (first < 0 && this.#recycledSlabs > 0) {
        this.#returnRecycled()
        first = this.#findTouchedRun(count)
      }
      if (first < 0) first = this.#scan(0, this.slabCount, count)
      if (first < 0) return NO_ROOM
      this.#touchedEnd = Math.max(this.#touchedEnd, first + count)
    }
    this.freeSlabs -= count
    return HEADER_BYTES + first * SLAB_BYTES
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
    const first = (position - HEADER_BYTES) / SLAB_BYTES
    assert(Number.isInteger(first) && first >= 0 && first + count <= this.slabCount, 'freed run is inside the arena')
    assert(this.#taken[first] === IN_USE, 'freed run is in use')
    this.#taken[first] = RECYCLED
    this.#recycledSlabs += count
    this.freeSlabs += count
    assert(this.freeSlabs <= this.slabCount, 'no more slabs are free than exist')
    const stack = this.#recycled.get(count)
    if (stack === undefined) this.#recycled.set(count, [first])
    else stack.push(first)
  }

  /**
   * What was in use before is resident, and maybe in the cache: it comes before slabs that nobody has touched. Else the
   * search goes round the whole arena, and ten minutes of small batches make all of it resident.
   */
  #findTouchedRun(count: number): number {
    const found = this.#scan(this.#searchFrom, this.#touchedEnd, count)
    return found >= 0 ? found : this.#scan(0, this.#touchedEnd, count)
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
