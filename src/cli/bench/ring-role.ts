/**
 * The two ends of a ring between two threads: what threads can say to each other at most. @hot
 *
 * Writer and reader spin, and publish and poll as the engine does; every frame carries a value that the reader checks.
 */
import { assert } from '../../base/assert.ts'
import { FULL, RingReader, RingWriter } from '../../ring/spsc.ts'
import type { SharedClock } from './shared-clock.ts'
import { sequenceAt, ValueChecker, ValueMaker } from './values.ts'

export interface RingPlan {
  readonly ring: SharedArrayBuffer
  readonly records: number
  readonly recordSize: number
}

export interface RingOutcome {
  readonly verified: number
  /** SharedClock: when the last frame was read. */
  readonly endMs: number
}

const FRAME_TYPE = 1
const FRAMES_PER_POLL = 256
/** A writer that stops for so long has died. */
const SILENCE_MS = 10_000

/** Returns SharedClock's time of the first frame. */
export function writeFrames(clock: SharedClock, plan: RingPlan): number {
  const writer = new RingWriter(plan.ring)
  const maker = new ValueMaker(plan.recordSize, 0)
  const startMs = clock.now()
  for (let sequence = 0; sequence < plan.records; sequence++) {
    let position = writer.claim(FRAME_TYPE, plan.recordSize)
    for (let spins = 0; position === FULL; spins++) {
      assert((spins & 0xf_ffff) !== 0xf_ffff || clock.now() - startMs < SILENCE_MS, 'the reader of the ring reads')
      position = writer.claim(FRAME_TYPE, plan.recordSize)
    }
    writer.bytes.set(maker.make(sequence, 0), position)
    writer.publish()
  }
  return startMs
}

export function readFrames(clock: SharedClock, plan: RingPlan): RingOutcome {
  const reader = new RingReader(plan.ring)
  const checker = new ValueChecker(plan.recordSize)
  const { view } = reader
  let next = 0
  let verified = 0
  const onFrame = (_type: number, position: number, length: number): void => {
    if (sequenceAt(view, position) === next && checker.isWhole(view, position, length)) verified += 1
    next += 1
  }
  const startMs = clock.now()
  for (let polls = 0; next < plan.records; polls++) {
    reader.poll(onFrame, FRAMES_PER_POLL)
    assert((polls & 0xf_ffff) !== 0xf_ffff || clock.now() - startMs < SILENCE_MS, 'the writer of the ring writes')
  }
  return { verified, endMs: clock.now() }
}
