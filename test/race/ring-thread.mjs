/**
 * A thread of the race tests, on built output: one end of a ring, its own doorbell and the other side's.
 *
 * workerData: role, ring, ownBell, otherBell, frameCount, sequenceFirst, seed, lengthMax, frameCountMax (per poll),
 * spinCount (fruitless tries before sleeping), sleep ('blocking' or 'event loop'), and for a thread that is to be
 * terminated `hangsAt`: the sequence number in the middle of which it says so and spins for ever.
 *
 * Sleeps are far longer than a wake-up takes, so a lost one does not pass unseen: it ends the thread with an error.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Doorbell } from '../../dist/ring/doorbell.js'
import { FULL, RingReader, RingWriter } from '../../dist/ring/spsc.js'
import { checkFrame, fillPayload, lengthOf, typeOf } from './frames.mjs'

const SLEEP_MS = 20_000

const { role, seed, lengthMax, hangsAt, spinCount, sleep } = workerData
const { sequenceFirst, frameCount } = workerData
const sequenceEnd = sequenceFirst + frameCount
const ownBell = new Doorbell(workerData.ownBell)
const otherBell = new Doorbell(workerData.otherBell)
let sleepCount = 0
let byteCount = 0

// A pending asynchronous sleep does not keep a thread alive; this does.
const keepAlive = setInterval(() => {}, 1 << 30)
await (role === 'writer' ? write() : read())
clearInterval(keepAlive)
parentPort.postMessage({ report: { frameCount, byteCount, sleepCount } })

async function write() {
  const writer = new RingWriter(workerData.ring)
  for (let sequence = sequenceFirst; sequence < sequenceEnd; sequence++) {
    const length = lengthOf(sequence, seed, lengthMax)
    let position = FULL
    const tryClaim = () => {
      if (position === FULL) position = writer.claim(typeOf(sequence), length)
      return position !== FULL
    }
    for (let tries = 0; !tryClaim(); tries++) if (tries >= spinCount) await sleepUntil(tryClaim)
    if (sequence === hangsAt) {
      fillPayload(writer.bytes, position, length >>> 1, sequence)
      hang()
    }
    fillPayload(writer.bytes, position, length, sequence)
    writer.publish()
    otherBell.ring()
    byteCount += length
  }
}

async function read() {
  const reader = new RingReader(workerData.ring)
  const hasInput = () => reader.hasFrames()
  let sequence = sequenceFirst
  const onFrame = (type, position, length) => {
    checkFrame(reader.bytes, type, position, length, sequence, seed, lengthMax)
    if (sequence === hangsAt) hang()
    byteCount += length
    sequence += 1
  }
  for (let tries = 0; sequence < sequenceEnd; tries++) {
    if (reader.poll(onFrame, workerData.frameCountMax) > 0) {
      otherBell.ring()
      tries = 0
    } else if (tries >= spinCount) await sleepUntil(hasInput)
  }
}

async function sleepUntil(hasInput) {
  sleepCount += 1
  const startedMs = performance.now()
  if (sleep === 'blocking') ownBell.sleep(hasInput, SLEEP_MS)
  else await ownBell.sleepAsync(hasInput, SLEEP_MS)
  if (performance.now() - startedMs >= SLEEP_MS && hasInput()) throw new Error(`SEED=${seed} ${role} lost a wake-up`)
}

/** Not to be left alive: the test terminates the thread. */
function hang() {
  parentPort.postMessage({ hangs: true })
  for (;;);
}
