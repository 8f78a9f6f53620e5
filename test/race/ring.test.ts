/**
 * Real threads on built output: a ring and two doorbells, every byte of every frame checked, positions about to wrap.
 *
 * `FRAMES=1e9 npm run test:race -- test/race/ring.test.ts` is the long run; `SEED=...` replays lengths and contents
 * (not the timing of the threads).
 */
import { describe, expect, it } from 'vitest'
import { createDoorbell } from '../../src/ring/doorbell.ts'
import { createRing, FULL, RingReader, RingWriter } from '../../src/ring/spsc.ts'
import { mulberry32, testSeed } from '../random.ts'
import { checkFrame, fillPayload, lengthOf, typeOf } from './frames.mjs'
import { RingThread, type RingThreadData } from './ring-threads.ts'

const FRAME_COUNT = Number(process.env['FRAMES'] ?? 1_000_000)
const SECONDS_PER_FRAME = 50e-6 // What a test may take at most: every frame a hand-over between two sleeping threads.
const LENGTH_MAX = 200
const START_POSITION = 0x1_0000_0000 - 4096
const SEED = testSeed()
const random = mulberry32(SEED)
console.log(`race: SEED=${SEED} FRAMES=${FRAME_COUNT}`)

function timeoutMsFor(frameCount: number): number {
  return 60_000 + frameCount * SECONDS_PER_FRAME * 1000
}

type Common = Omit<RingThreadData, 'role' | 'ownBell' | 'otherBell'>

function common(changes: Partial<Common>): Common {
  return {
    ring: createRing(1024, START_POSITION),
    sequenceFirst: 0,
    frameCount: FRAME_COUNT,
    seed: SEED,
    lengthMax: LENGTH_MAX,
    frameCountMax: 64,
    spinCount: 100,
    sleep: 'blocking',
    ...changes,
  }
}

function startBoth(writerData: Partial<Common>, readerData: Partial<Common> = writerData) {
  const [writerBell, readerBell] = [createDoorbell(), createDoorbell()]
  const ring = writerData.ring ?? createRing(1024, START_POSITION)
  const [w, r] = [common({ ...writerData, ring }), common({ ...readerData, ring })]
  const writer = new RingThread({ ...w, role: 'writer', ownBell: writerBell, otherBell: readerBell })
  const reader = new RingThread({ ...r, role: 'reader', ownBell: readerBell, otherBell: writerBell })
  return { ring, writer, reader }
}

/** Runs both sides to their end; either side's error ends the test. Returns how often they slept. */
async function runBoth(writerData: Partial<Common>, readerData: Partial<Common> = writerData): Promise<number> {
  const { writer, reader } = startBoth(writerData, readerData)
  try {
    const [written, read] = await Promise.all([writer.report(), reader.report()])
    expect(read.frameCount).toBe(writerData.frameCount ?? FRAME_COUNT)
    expect(read.byteCount).toBe(written.byteCount)
    return written.sleepCount + read.sleepCount
  } finally {
    await Promise.all([writer.worker.terminate(), reader.worker.terminate()])
  }
}

describe('every byte arrives, in order,', () => {
  it(
    'through a ring of 64 KiB',
    async () => {
      await runBoth({ ring: createRing(65_536, START_POSITION), frameCountMax: 1000 })
    },
    timeoutMsFor(FRAME_COUNT),
  )

  it(
    'through a ring of 1 KiB',
    async () => {
      await runBoth({})
    },
    timeoutMsFor(FRAME_COUNT),
  )

  const handOverCount = Math.ceil(FRAME_COUNT / 10)
  it.each([
    ['one frame per poll', 'blocking', 'blocking', { frameCountMax: 1 }],
    ['threads that block', 'blocking', 'blocking', {}],
    ['a reader on an event loop', 'blocking', 'event loop', {}],
    ['a writer on an event loop', 'event loop', 'blocking', {}],
    ['both on event loops', 'event loop', 'event loop', {}],
  ] as const)(
    'when both sides sleep as soon as the ring is full or empty: %s',
    async (_name, writerSleep, readerSleep, changes) => {
      const data = { frameCount: handOverCount, spinCount: 0, ...changes }
      const sleepCount = await runBoth({ ...data, sleep: writerSleep }, { ...data, sleep: readerSleep })
      expect(sleepCount).toBeGreaterThan(0)
    },
    timeoutMsFor(handOverCount),
  )
})

/** Fills the ring from this thread, from `sequence` on; returns the next sequence number. */
function fill(writer: RingWriter, first: number): number {
  for (let sequence = first; ; sequence++) {
    const length = lengthOf(sequence, SEED, LENGTH_MAX)
    const position = writer.claim(typeOf(sequence), length)
    if (position === FULL) return sequence
    fillPayload(writer.bytes, position, length, sequence)
    writer.publish()
  }
}

/** Reads everything there is on this thread, checking it; returns the next sequence number. */
function drain(ring: SharedArrayBuffer, first: number): number {
  const reader = new RingReader(ring)
  let sequence = first
  const onFrame = (type: number, position: number, length: number): void => {
    checkFrame(reader.bytes, type, position, length, sequence, SEED, LENGTH_MAX)
    sequence += 1
  }
  while (reader.poll(onFrame, 1000) > 0);
  return sequence
}

describe('a thread that dies', () => {
  it('in the middle of a poll leaves the writer with FULL and its unreleased frames whole; a new ring works', async () => {
    const ring = createRing(1024, START_POSITION)
    const writer = new RingWriter(ring)
    const end = fill(writer, 0)
    const bells = { ownBell: createDoorbell(), otherBell: createDoorbell() }
    // One frame per poll: the frames before the one in hand have been released.
    const dying = { ...common({ ring, frameCountMax: 1, hangsAt: 3 }), ...bells }
    const reader = new RingThread({ ...dying, role: 'reader' })
    await reader.hangs()
    const freeWhileHanging = writer.freeBytes()
    await reader.kill()

    expect(writer.freeBytes()).toBe(freeWhileHanging)
    const refilled = fill(writer, end)
    expect(writer.claim(0, LENGTH_MAX)).toBe(FULL)
    expect(drain(ring, 3)).toBe(refilled)

    await runBoth({ sequenceFirst: refilled, frameCount: 10_000 })
  })

  it('in the middle of a claim leaves its published frames readable and the torn one unseen; a new ring works', async () => {
    const dying = common({ frameCount: Infinity, hangsAt: 5 })
    const bells = { ownBell: createDoorbell(), otherBell: createDoorbell() }
    const writer = new RingThread({ ...dying, ...bells, role: 'writer' })
    await writer.hangs()
    await writer.kill()
    expect(drain(dying.ring, 0)).toBe(5)

    await runBoth({ sequenceFirst: 5, frameCount: 10_000 })
  })

  it('anywhere leaves a ring that the other side reads to its last published frame', async () => {
    for (let turn = 0; turn < 10; turn++) {
      const { ring, writer, reader } = startBoth({ frameCount: Infinity, sleep: 'blocking' })
      const isWriterFirst = random() < 0.5
      const [first, second] = isWriterFirst ? [writer, reader] : [reader, writer]
      await Promise.all([first, second].map(({ worker }) => new Promise((resolve) => worker.once('online', resolve))))
      // Not a wait for something: the point is to strike at no particular place.
      await new Promise((resolve) => setTimeout(resolve, random() * 20))
      await first.kill()
      await second.kill()
      expectWhole(ring)
    }
  })
})

/** The unreleased frames of a ring whose threads are gone: each whole, sequence numbers without a gap. */
function expectWhole(ring: SharedArrayBuffer): void {
  const reader = new RingReader(ring)
  let next = -1
  const onFrame = (type: number, position: number, length: number): void => {
    checkFrame(reader.bytes, type, position, length, next === -1 ? type : next, SEED, LENGTH_MAX)
    next = type + 1
  }
  while (reader.poll(onFrame, 1000) > 0);
  expect(reader.hasFrames()).toBe(false)
}
