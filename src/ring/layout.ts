/**
 * The two layouts in shared memory that carry frames and wake-ups between threads. Native-endian and private: both may
 * change with each release, both ends check the version word, and the memory is thrown away when its owner dies.
 *
 * Ring: a SharedArrayBuffer with one producer thread and one consumer thread.
 *
 *  byte  i32  field     written by  meaning
 *  ----  ---  --------  ----------  ----------------------------------------------------------
 *     0    0  version   creator     RING_VERSION; checked by both ends on attach
 *     4    1  capacity  creator     bytes in the data region; a power of two
 *   128   32  tail      producer    bytes published, modulo 2^32 (Atomics.store releases the frame)
 *   256   64  head      consumer    bytes released, modulo 2^32 (Atomics.store frees the space)
 *   384   96  data[]    producer    frames, 8-byte aligned, never split across the end
 *
 *  frame: u32 length (payload bytes, or PADDING: skip to the end of the data region),
 *         u32 type (see workers/messages.ts), payload, zero to seven bytes up to the next multiple of 8
 *
 * Invariant: 0 <= (tail - head) mod 2^32 <= capacity. Empty when equal, full when the difference is capacity.
 * Head and tail are multiples of 8, and so is the byte of every payload.
 *
 * Doorbell: one per consumer thread, shared by the writers of all its rings.
 *
 *     0    0  version   creator     DOORBELL_VERSION; checked on attach
 *   128   32  sleeping  owner       1 while the owner waits, or is about to
 *   256   64  rung      writers     wake-ups modulo 2^32, by Atomics.add only; the word waited on
 *
 * Each mutable word sits on its own 128-byte line pair: no accidental sharing of a cache line.
 */
export const RING_VERSION = 1

export const VERSION_I32 = 0
export const CAPACITY_I32 = 1
export const TAIL_I32 = 32
export const HEAD_I32 = 64
export const DATA_POSITION = 384

export const FRAME_HEADER_BYTES = 8
export const PADDING = 0xffffffff

export const RING_CAPACITY_MIN = 64
export const RING_CAPACITY_MAX = 2 ** 30

export const DOORBELL_VERSION = 1

export const DOORBELL_VERSION_I32 = 0
export const SLEEPING_I32 = 32
export const RUNG_I32 = 64
export const DOORBELL_BYTES = 384

/** Rounds up to the next multiple of 8. `bytes` is below 2^31 - 7, or the result wraps. */
export function alignFrame(bytes: number): number {
  return (bytes + 7) & ~7
}

/** Whether `capacity` is one that createRing accepts: a power of two from 64 bytes to 1 GiB. */
export function isRingCapacity(capacity: number): boolean {
  const isInRange = Number.isInteger(capacity) && capacity >= RING_CAPACITY_MIN && capacity <= RING_CAPACITY_MAX
  return isInRange && (capacity & (capacity - 1)) === 0
}

/**
 * The longest payload a ring takes: its frame fits half the data region. Were it longer, an empty ring could be
 * without room for it (padding up to the end plus the frame), and its writer would be told FULL for ever.
 */
export function payloadBytesMaxOf(capacity: number): number {
  return (capacity >>> 1) - FRAME_HEADER_BYTES
}
