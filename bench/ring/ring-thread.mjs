/** One end of threads.bench.ts: writes, or reads and checks, `frameCount` frames of `length` bytes, word by word. */
import { parentPort, workerData } from 'node:worker_threads'
import { Doorbell } from '../../dist/ring/doorbell.js'
import { FULL, RingReader, RingWriter } from '../../dist/ring/spsc.js'

const SPIN_COUNT = 1000
const SLEEP_MS = 100
const FRAMES_PER_POLL = 1000

const { role, ring, frameCount, length } = workerData
const writerBell = new Doorbell(workerData.writerBell)
const readerBell = new Doorbell(workerData.readerBell)
const words = new Uint32Array(ring) // Payloads begin at multiples of 8.
const wordCount = length >>> 2

if (length % 4 !== 0) throw new Error('the bench checks whole words')
if (role === 'writer') write()
else parentPort.postMessage(read())

function write() {
  const writer = new RingWriter(ring)
  const hasRoom = () => writer.freeBytes() >= 2 * (length + 16)
  for (let sequence = 0; sequence < frameCount; sequence++) {
    let position = writer.claim(1, length)
    for (let tries = 1; position === FULL; tries++) {
      if (tries % SPIN_COUNT === 0) writerBell.sleep(hasRoom, SLEEP_MS)
      position = writer.claim(1, length)
    }
    const first = position >>> 2
    for (let word = 0; word < wordCount; word++) words[first + word] = sequence + word
    writer.publish()
    readerBell.ring()
  }
}

function read() {
  const reader = new RingReader(ring)
  const hasInput = () => reader.hasFrames()
  let sequence = 0
  let checksum = 0
  const onFrame = (_type, position, frameLength) => {
    const first = position >>> 2
    let differing = frameLength ^ length
    for (let word = 0; word < wordCount; word++) differing |= words[first + word] ^ (sequence + word)
    if (differing !== 0) throw new Error(`frame ${sequence} is not the one that was written`)
    checksum = (checksum + sequence + frameLength) >>> 0
    sequence += 1
  }
  readerBell.sleep(hasInput, 10_000) // The first frame.
  const startedMs = performance.now()
  for (let tries = 1; sequence < frameCount; tries++) {
    if (reader.poll(onFrame, FRAMES_PER_POLL) > 0) {
      writerBell.ring()
      tries = 0
    } else if (tries >= SPIN_COUNT) readerBell.sleep(hasInput, SLEEP_MS)
  }
  return { seconds: (performance.now() - startedMs) / 1000, checksum }
}
