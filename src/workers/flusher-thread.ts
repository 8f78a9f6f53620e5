/**
 * Thread entry of a flusher: loops the duty cycle and sleeps at its doorbell. The dispatcher ends it with its shard.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { realEnv } from '../base/env/real-env.ts'
import { Doorbell } from '../ring/doorbell.ts'
import { Flusher } from './flusher.ts'
import { type FlusherStart, LOADED } from './messages.ts'

const SLEEP_MS = 1000

assert(parentPort !== null, 'flusher-thread runs as a worker')
parentPort.postMessage(LOADED)
const start = workerData as FlusherStart
const bell = new Doorbell(start.flusherDoorbell)
const flusher = new Flusher(realEnv, start)
for (;;) {
  if (!flusher.step()) bell.sleep(() => flusher.hasWork(), SLEEP_MS)
}
