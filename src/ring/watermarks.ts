/**
 * Watermark table: one shard's shared words, read by every thread, written by the shard's thread alone.
 *
 *  byte        size  field             meaning
 *  ----------  ----  ----------------  ------------------------------------------------------------------
 *     0           4  version           WATERMARKS_VERSION; checked on attach
 *     4           4  slotCount         slots that follow
 *     8           4  epoch             of the shard's incarnation; set by the creator
 *   128           4  heartbeat         duty cycles modulo 2^32; the supervisor compares
 *   132           4  activity          RUNNING, IN_SYSTEM_CALL while a file operation may block, or ENDED
 *   136           4  isReady           1 once every partition of the start-up order is open
 *   256 + 128 i       slot i:
 *     0           8  highWatermark     first offset that readers may not see; everything below is stable
 *     8           8  committedOffset   first offset that fdatasync has not confirmed
 *    16           8  logStartOffset    first offset that readers may see
 *    24           8  sizeBytes         of all segments
 *    32           4  state             a SlotState
 *    36           4  failure           Kafka error code while the state is OFFLINE
 *    40           4  generation        raised when the log was truncated or reopened: readers drop what they hold
 *    48   4 x     8  recoveredEnd      where the log ended when generation g began, at 48 + 8 (g mod 4)
 *
 * Native endian: shared memory lives as long as its owner and is thrown away with it.
 *
 * Invariants: logStartOffset <= highWatermark; committedOffset <= highWatermark; within one generation neither
 * committedOffset nor highWatermark ever goes back. Offsets are written before the state that announces them, and
 * recoveredEnd before its generation.
 *
 * BigInt appears here only: 64-bit Atomics know nothing else. Readers look once per poll, never per record.
 */
import { assert } from '../base/assert.ts'

export const WATERMARKS_VERSION = 2
export const SLOT_COUNT_MAX = 16_384

const HEADER_BYTES = 256
const SLOT_BYTES = 128
const VERSION_I32 = 0
const SLOT_COUNT_I32 = 1
const EPOCH_I32 = 2
const HEARTBEAT_I32 = 32
const ACTIVITY_I32 = 33
const READY_I32 = 34
const HIGH_WATERMARK_I64 = 0
const COMMITTED_I64 = 1
const LOG_START_I64 = 2
const SIZE_I64 = 3
const RECOVERED_END_I64 = 6
const RECOVERED_ENDS = 4
const STATE_I32 = 8
const FAILURE_I32 = 9
const GENERATION_I32 = 10

export const SlotState = { FREE: 0, OPENING: 1, ONLINE: 2, OFFLINE: 3, DELETED: 4 } as const
export type SlotState = (typeof SlotState)[keyof typeof SlotState]

/** ENDED: the incarnation is over; the dispatcher says so when its thread can write no more. */
export const Activity = { RUNNING: 0, IN_SYSTEM_CALL: 1, ENDED: 2 } as const

export function createWatermarks(epoch: number, slotCount: number): SharedArrayBuffer {
  assert(Number.isInteger(slotCount) && slotCount > 0 && slotCount <= SLOT_COUNT_MAX, 'slot count is in range')
  const buffer = new SharedArrayBuffer(HEADER_BYTES + slotCount * SLOT_BYTES)
  const words = new Int32Array(buffer)
  words[VERSION_I32] = WATERMARKS_VERSION
  words[SLOT_COUNT_I32] = slotCount
  words[EPOCH_I32] = epoch
  return buffer
}

/** A view of the table: setters are for the owning shard's thread only. */
export class Watermarks {
  readonly epoch: number
  readonly slotCount: number
  readonly #words: Int32Array
  readonly #longs: BigInt64Array

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer)
    this.#longs = new BigInt64Array(buffer)
    assert(this.#words[VERSION_I32] === WATERMARKS_VERSION, 'watermark layout version matches')
    this.slotCount = this.#words[SLOT_COUNT_I32]!
    assert(buffer.byteLength === HEADER_BYTES + this.slotCount * SLOT_BYTES, 'watermark table has its full length')
    this.epoch = this.#words[EPOCH_I32]!
  }

  highWatermark(slot: number): number {
    return Number(Atomics.load(this.#longs, long(slot, HIGH_WATERMARK_I64)))
  }
  committedOffset(slot: number): number {
    return Number(Atomics.load(this.#longs, long(slot, COMMITTED_I64)))
  }
  logStartOffset(slot: number): number {
    return Number(Atomics.load(this.#longs, long(slot, LOG_START_I64)))
  }
  sizeBytes(slot: number): number {
    return Number(Atomics.load(this.#longs, long(slot, SIZE_I64)))
  }
  state(slot: number): SlotState {
    return Atomics.load(this.#words, word(slot, STATE_I32)) as SlotState
  }
  /** Its files are nobody's, or those of another incarnation. */
  isGone(slot: number): boolean {
    return this.state(slot) === SlotState.DELETED || this.activity() === Activity.ENDED
  }
  /** Kafka error code of an OFFLINE slot, else 0. */
  failure(slot: number): number {
    return Atomics.load(this.#words, word(slot, FAILURE_I32))
  }
  generation(slot: number): number {
    return Atomics.load(this.#words, word(slot, GENERATION_I32))
  }
  /**
   * Whether what generation `generation` held below `endOffset` is still in the log. False as well if the log was
   * opened so often since that nobody knows any more.
   */
  isKept(slot: number, generation: number, endOffset: number): boolean {
    for (;;) {
      const now = this.generation(slot)
      const openings = (now - generation) | 0
      if (openings === 0) return true
      if (openings < 0 || openings >= RECOVERED_ENDS) return false // The next word is being written over.
      for (let i = 1; i <= openings; i++) {
        if (Number(Atomics.load(this.#longs, recoveredEndOf(slot, (generation + i) | 0))) < endOffset) return false
      }
      if (this.generation(slot) === now) return true
    }
  }
  heartbeat(): number {
    return Atomics.load(this.#words, HEARTBEAT_I32)
  }
  activity(): number {
    return Atomics.load(this.#words, ACTIVITY_I32)
  }
  get isReady(): boolean {
    return Atomics.load(this.#words, READY_I32) === 1
  }

  setHighWatermark(slot: number, offset: number): void {
    Atomics.store(this.#longs, long(slot, HIGH_WATERMARK_I64), BigInt(offset))
  }
  setCommittedOffset(slot: number, offset: number): void {
    Atomics.store(this.#longs, long(slot, COMMITTED_I64), BigInt(offset))
  }
  setLogStartOffset(slot: number, offset: number): void {
    Atomics.store(this.#longs, long(slot, LOG_START_I64), BigInt(offset))
  }
  setSizeBytes(slot: number, sizeBytes: number): void {
    Atomics.store(this.#longs, long(slot, SIZE_I64), BigInt(sizeBytes))
  }
  /** For the creator of the table, before the shard starts: the offsets that the last incarnation left. */
  inherit(before: Watermarks): void {
    for (let slot = 0; slot < Math.min(this.slotCount, before.slotCount); slot++) {
      this.setLogStartOffset(slot, before.logStartOffset(slot))
      this.setCommittedOffset(slot, before.committedOffset(slot))
      this.setHighWatermark(slot, before.highWatermark(slot))
      Atomics.store(this.#words, word(slot, GENERATION_I32), before.generation(slot))
      for (let i = 0; i < RECOVERED_ENDS; i++) {
        const at = long(slot, RECOVERED_END_I64 + i)
        Atomics.store(this.#longs, at, Atomics.load(before.#longs, at))
      }
    }
  }

  setState(slot: number, state: SlotState, failure = 0): void {
    Atomics.store(this.#words, word(slot, FAILURE_I32), failure)
    Atomics.store(this.#words, word(slot, STATE_I32), state)
  }
  /** The log was opened, and ended at `recoveredEnd`: what lay behind that is gone, whoever had been told of it. */
  beginGeneration(slot: number, recoveredEnd: number): void {
    const generation = (this.generation(slot) + 1) | 0
    Atomics.store(this.#longs, recoveredEndOf(slot, generation), BigInt(recoveredEnd))
    Atomics.store(this.#words, word(slot, GENERATION_I32), generation)
  }
  beat(): void {
    Atomics.store(this.#words, HEARTBEAT_I32, (this.heartbeat() + 1) | 0)
  }
  setActivity(activity: number): void {
    Atomics.store(this.#words, ACTIVITY_I32, activity)
  }
  setReady(): void {
    Atomics.store(this.#words, READY_I32, 1)
  }
}

function long(slot: number, field: number): number {
  return (HEADER_BYTES + slot * SLOT_BYTES) / 8 + field
}

function recoveredEndOf(slot: number, generation: number): number {
  return long(slot, RECOVERED_END_I64 + (generation & (RECOVERED_ENDS - 1)))
}

function word(slot: number, field: number): number {
  return (HEADER_BYTES + slot * SLOT_BYTES) / 4 + field
}
