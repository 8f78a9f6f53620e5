/**
 * Two threads, one ring: frames per second with every byte written and checked, on built output.
 *
 *   writer thread --frames--> ring --> reader thread
 *                 <-doorbell-      -doorbell->
 *
 * The reader times itself from its first frame to its last, so starting the threads is left out.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { createDoorbell } from '../../src/ring/doorbell.ts'
import { createRing } from '../../src/ring/spsc.ts'
import { parameter, runTimed, type TimedRun } from '../harness.ts'

const ENTRY = new URL('./ring-thread.mjs', import.meta.url)
const frameCountMax = parameter('FRAMES', 1000, 5_000_000)
const bytesMax = 2e9 // Of payload in one run.

async function pass(capacityBytes: number, length: number): Promise<TimedRun> {
  const shared = { ring: createRing(capacityBytes), writerBell: createDoorbell(), readerBell: createDoorbell() }
  const frameCount = Math.min(frameCountMax, Math.ceil(bytesMax / Math.max(length, 1)))
  const data = { ...shared, frameCount, length }
  const writer = new Worker(ENTRY, { workerData: { ...data, role: 'writer' } })
  const reader = new Worker(ENTRY, { workerData: { ...data, role: 'reader' } })
  const [[said]] = await Promise.all([once(reader, 'message'), once(writer, 'exit'), once(reader, 'exit')])
  return { ...said, operations: frameCount, bytes: frameCount * length }
}

for (const [capacityBytes, length] of [
  [1 << 20, 100],
  [1 << 16, 100],
  [1 << 20, 0],
  [1 << 20, 16_000],
] as const) {
  const name = `two threads: ring of ${capacityBytes >>> 10} KiB, ${length}-byte payloads`
  await runTimed(name, () => pass(capacityBytes, length))
}
