/**
 * ArenaPool: arenas of client threads that left, for those that come. Owned by the dispatcher's thread.
 *
 * Why not leave them to the garbage collector: shared memory is freed when the last thread that holds it collects, and
 * the dispatcher and the shards allocate so little that they hardly ever do. A program whose threads come and go would
 * grow by an arena with each of them.
 */
import { createArena, isArenaOf } from '../ring/arena.ts'

/** Beyond that the oldest are left to the garbage collector: threads with arenas of ever other sizes. */
const ARENAS_MAX = 64

export class ArenaPool {
  readonly #arenas: SharedArrayBuffer[] = []

  /** An arena of `sizeBytes`, in whole slabs. What a former owner wrote may still be in it. */
  take(sizeBytes: number): SharedArrayBuffer {
    // Last in, first out: its pages are there, and perhaps in the cache.
    const index = this.#arenas.findLastIndex((arena) => isArenaOf(arena, sizeBytes))
    return index < 0 ? createArena(sizeBytes) : this.#arenas.splice(index, 1)[0]!
  }

  /** Nobody writes or reads it any more: neither the client nor a shard. */
  giveBack(arena: SharedArrayBuffer): void {
    this.#arenas.push(arena)
    if (this.#arenas.length > ARENAS_MAX) this.#arenas.shift()
  }
}
