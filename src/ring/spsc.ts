/**
 * Single-producer single-consumer ring. Layout: see layout.ts. @hot
 *
 * Threads: RingWriter lives on exactly one thread, RingReader on exactly one other. Neither blocks: full and empty
 * are return values, not exceptions, for both happen thousands of times a second. When either thread dies the ring is
 * thrown away; until then the survivor still reads every published frame, or still gets FULL, and never waits.
 *
 * Why the cached head: reading the other side's word costs a cache-line transfer, so the writer looks again only
 * when it seems out of room, and the reader once per poll (Agrona's head-cache position).
 *
 * Order: header and payload are plain stores, made visible by the Atomics.store of the tail; payload is read plainly,
 * and its space given back by the Atomics.store of the head. test/ring/model repeats these steps one by one and tries
 * every interleaving of them; a test compares its steps with the ones made here.
 */
import { assert } from '../base/assert.ts'
import {
  alignFrame,
  CAPACITY_I32,
  DATA_POSITION,
  FRAME_HEADER_BYTES,
  HEAD_I32,
  isRingCapacity,
  PADDING,
  payloadBytesMaxOf,
  RING_VERSION,
  TAIL_I32,
  VERSION_I32,
} from './layout.ts'

/** What claim() returns when the reader has to release space first. */
export const FULL = -1

/** Called by poll for one frame: its payload is `length` bytes at `position` of the reader's `bytes` and `view`. */
export type FrameHandler = (type: number, position: number, length: number) => void

/**
 * A ring with `capacityBytes` of data, a power of two from 64 to 2^30. Tests begin it at `startPosition` (a multiple of
 * 8 below 2^32) to bring the wrap of the position words near.
 */
export function createRing(capacityBytes: number, startPosition = 0): SharedArrayBuffer {
  assert(isRingCapacity(capacityBytes), 'ring capacity is a power of two from 64 bytes to 1 GiB')
  assert(startPosition >>> 0 === startPosition && startPosition % 8 === 0, 'start position is a u32 multiple of 8')
  const ring = new SharedArrayBuffer(DATA_POSITION + capacityBytes) // Fixed length: growable buffers read 10x slower.
  const control = new Int32Array(ring, 0, DATA_POSITION / 4)
  control[VERSION_I32] = RING_VERSION
  control[CAPACITY_I32] = capacityBytes
  control[TAIL_I32] = startPosition
  control[HEAD_I32] = startPosition
  return ring
}

/** What both ends hold: views of one ring. */
abstract class RingEnd {
  /** The whole shared buffer: positions from claim() and poll() index it. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The longest payload that a frame of this ring carries, in bytes. */
  readonly payloadBytesMax: number
  protected readonly control: Int32Array
  protected readonly capacity: number

  constructor(ring: SharedArrayBuffer) {
    assert(!ring.growable && ring.byteLength >= DATA_POSITION, 'buffer has the fixed length of a ring')
    this.bytes = new Uint8Array(ring)
    this.view = new DataView(ring)
    this.control = new Int32Array(ring, 0, DATA_POSITION / 4)
    const [version, capacity] = [this.control[VERSION_I32]!, this.control[CAPACITY_I32]!]
    assert(version === RING_VERSION, 'ring layout version matches')
    assert(isRingCapacity(capacity), 'ring capacity is a power of two from 64 bytes to 1 GiB')
    assert(ring.byteLength === DATA_POSITION + capacity, 'ring capacity matches the length of its buffer')
    this.capacity = capacity
    this.payloadBytesMax = payloadBytesMaxOf(capacity)
    const [tail, head] = [Atomics.load(this.control, TAIL_I32), Atomics.load(this.control, HEAD_I32)]
    assert((tail & 7) === 0 && (head & 7) === 0, 'tail and head are multiples of 8')
    assert((tail - head) >>> 0 <= capacity, 'published bytes fit the ring')
  }
}

/** The producer's end. Owned by one thread. */
export class RingWriter extends RingEnd {
  #tail = Atomics.load(this.control, TAIL_I32) >>> 0 // Ours alone; the shared word is a copy of it.
  #headSeen = Atomics.load(this.control, HEAD_I32) >>> 0
  #claimed = 0 // Bytes the open claim will publish, padding included; 0 when none is open.

  /**
   * Opens a frame of `type` (u32) and returns where in `bytes` to write its `length` payload bytes, a multiple of 8; or
   * FULL, which changes nothing. Follow with publish() or abort(). `length` is at most payloadBytesMax.
   */
  claim(type: number, length: number): number {
    assert(this.#claimed === 0, 'one claim is open at a time')
    assert(length >>> 0 === length && length <= this.payloadBytesMax, 'frame fits half the ring')
    assert(type >>> 0 === type, 'frame type is a u32')
    const capacity = this.capacity
    const frameBytes = alignFrame(FRAME_HEADER_BYTES + length)

    const index = this.#tail & (capacity - 1)
    const bytesToEnd = capacity - index
    const paddingBytes = frameBytes <= bytesToEnd ? 0 : bytesToEnd
    const needed = paddingBytes + frameBytes

    if (needed > capacity - ((this.#tail - this.#headSeen) >>> 0)) {
      this.#loadHead()
      if (needed > capacity - ((this.#tail - this.#headSeen) >>> 0)) return FULL
    }
    if (paddingBytes !== 0) this.view.setUint32(DATA_POSITION + index, PADDING, true)

    const frame = DATA_POSITION + (paddingBytes === 0 ? index : 0)
    this.view.setUint32(frame, length, true)
    this.view.setUint32(frame + 4, type, true)
    this.#claimed = needed
    return frame + FRAME_HEADER_BYTES
  }

  /** Makes the claim visible to the reader. Ring the doorbell after the last one of a burst. */
  publish(): void {
    assert(this.#claimed !== 0, 'a claim is open')
    this.#tail = (this.#tail + this.#claimed) >>> 0
    this.#claimed = 0
    Atomics.store(this.control, TAIL_I32, this.#tail | 0)
  }

  /** Gives the open claim up: the reader never sees it, and the next claim takes its place. */
  abort(): void {
    assert(this.#claimed !== 0, 'a claim is open')
    this.#claimed = 0
  }

  /**
   * Bytes that are neither published and unread nor claimed. A lower bound, as the reader may have released more since;
   * and not all in one piece: a frame takes its header, its alignment and perhaps padding out of it.
   */
  freeBytes(): number {
    this.#loadHead()
    return this.capacity - this.#claimed - ((this.#tail - this.#headSeen) >>> 0)
  }

  #loadHead(): void {
    this.#headSeen = Atomics.load(this.control, HEAD_I32) >>> 0
    assert((this.#tail - this.#headSeen) >>> 0 <= this.capacity, 'head is at most one ring behind the tail')
  }
}

/** The consumer's end. Owned by one thread. */
export class RingReader extends RingEnd {
  #head = Atomics.load(this.control, HEAD_I32) >>> 0 // Ours alone; ahead of the shared word during a poll.
  #isPolling = false

  /** Whether the next poll has a frame to hand out. A `false` can be late: the writer may have published since. */
  hasFrames(): boolean {
    return Atomics.load(this.control, TAIL_I32) >>> 0 !== this.#head
  }

  /**
   * Hands up to `frameCountMax` frames to `handler`, then frees their space. Returns how many. The payload belongs to
   * the handler until poll returns, and may be changed in place; poll is not called from inside a handler.
   *
   * A throw of the handler passes through, and its frame counts as consumed, as do the ones before it: the caller has
   * been told of it once, and a frame that always throws would otherwise be handed out again for ever and block the
   * ones behind it.
   */
  poll(handler: FrameHandler, frameCountMax: number): number {
    assert(!this.#isPolling, 'poll is not called from inside its handler')
    const { capacity, view } = this
    const before = this.#head
    let unread = (Atomics.load(this.control, TAIL_I32) - before) >>> 0 // Bounds the loop: every turn takes 8 or more.
    assert(unread <= capacity, 'published bytes fit the ring')
    let frameCount = 0
    this.#isPolling = true
    try {
      while (unread > 0 && frameCount < frameCountMax) {
        const index = this.#head & (capacity - 1)
        const frame = DATA_POSITION + index
        const length = view.getUint32(frame, true)
        const isPadding = length === PADDING
        assert(isPadding || length <= this.payloadBytesMax, 'frame fits half the ring')
        const frameBytes = isPadding ? capacity - index : alignFrame(FRAME_HEADER_BYTES + length)
        assert(frameBytes <= unread, 'frame ends inside the published bytes')
        assert(frameBytes <= capacity - index, 'frame is not split across the end')
        this.#head = (this.#head + frameBytes) >>> 0 // Before the handler: a frame that throws is consumed.
        unread -= frameBytes
        if (isPadding) continue
        frameCount += 1
        handler(view.getUint32(frame + 4, true), frame + FRAME_HEADER_BYTES, length)
      }
    } finally {
      this.#isPolling = false
      if (this.#head !== before) Atomics.store(this.control, HEAD_I32, this.#head | 0)
    }
    return frameCount
  }
}
