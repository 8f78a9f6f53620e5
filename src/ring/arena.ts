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
 */
import { assert } from '../base/assert.ts'
import { SLAB_BYTES, SlabBook } from '../base/slabs.ts'

export { NO_ROOM, SLAB_BYTES } from '../base/slabs.ts'

export const ARENA_VERSION = 1

const HEADER_BYTES = 128
const VERSION_I32 = 0
const SLAB_COUNT_I32 = 1

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
export class ArenaBook extends SlabBook {
  constructor(buffer: SharedArrayBuffer) {
    super(new Int32Array(buffer, 0, 2)[SLAB_COUNT_I32]!, HEADER_BYTES)
  }
}
