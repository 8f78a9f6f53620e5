/** The ring's own cost: both ends on one thread, no cache line changes hands. */
import { createRing, RingReader, RingWriter } from '../../src/ring/spsc.ts'
import { parameter, run } from '../harness.ts'

const frameCount = parameter('BURST', 64, 8192) // Fits the ring: nobody polls meanwhile.
const ring = createRing(1 << 20)
const [writer, reader] = [new RingWriter(ring), new RingReader(ring)]
let sum = 0
const onFrame = (_type: number, position: number, length: number): void => {
  sum += reader.bytes[position]! + length
}

await run('same thread: claim + publish + poll, 64-byte payloads', frameCount, () => {
  sum = 0
  for (let i = 0; i < frameCount; i++) {
    writer.bytes[writer.claim(1, 64)] = i
    writer.publish()
  }
  reader.poll(onFrame, frameCount)
  return sum
})

await run('same thread: claim + abort, 64-byte payloads', frameCount, () => {
  sum = 0
  for (let i = 0; i < frameCount; i++) {
    sum += writer.claim(1, 64) & 7
    writer.abort()
  }
  return sum
})
