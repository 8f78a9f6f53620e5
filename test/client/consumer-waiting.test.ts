/** What a consumer's loop waits for, with readers that the test moves. */
import { expect, it } from 'vitest'
import { Consumer } from '../../src/client/consumer.ts'
import type { FetchedBatches, PartitionEnds, PartitionReader } from '../../src/protocol/transport.ts'
import { buildBatch, simpleRecords } from '../record/batches.ts'
import { FakeTransport } from './fake-transport.ts'

/** Has an end, and nothing at hand until the test says so: then it stands there. */
class StillReader implements PartitionReader {
  readonly topic = 't'
  readonly partition: number
  nextOffset: number
  highWatermark: number
  isAtHand = false

  constructor(partition: number, nextOffset: number, highWatermark: number) {
    this.partition = partition
    this.nextOffset = nextOffset
    this.highWatermark = highWatermark
  }

  seek(offset: number): void {
    this.nextOffset = offset
  }

  poll(): FetchedBatches | undefined {
    if (this.isAtHand) this.nextOffset = this.highWatermark
    return undefined
  }

  ends(): PartitionEnds {
    return { logStartOffset: 0, highWatermark: this.highWatermark, committedOffset: this.highWatermark }
  }

  hasNews(): boolean {
    return this.isAtHand && this.nextOffset < this.highWatermark
  }

  close(): void {
    // Nothing is open.
  }
}

it('a loop to the end sleeps while one partition is being reopened, although another that it has read gets more', async () => {
  const done = new StillReader(0, 5, 5)
  const reopening = new StillReader(1, 0, 5)
  let looks = 0
  class Readers extends FakeTransport {
    override reader(...[, partition]: unknown[]): PartitionReader {
      return partition === 0 ? done : reopening
    }

    override wait(isReady: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void> {
      if (looks++ > 100) throw new Error('the loop spins')
      return super.wait(isReady, timeoutMs, signal)
    }
  }
  const transport = new Readers().addTopic('t', 2)
  const consumer = new Consumer(transport, {})
  await consumer.assign([
    { topic: 't', partition: 0, offset: 5 },
    { topic: 't', partition: 1, offset: 0 },
  ])
  let hasEnded = false
  const reading = (async () => {
    for await (const batch of consumer.batches({ until: 'end' })) expect(batch).toBe('none')
    hasEnded = true
  })()
  done.isAtHand = true
  done.highWatermark = 8
  await transport.advance()
  await transport.advance()
  expect([hasEnded, looks]).toEqual([false, 1])
  reopening.isAtHand = true
  await transport.advance()
  await reading
  expect(done.nextOffset, 'is not read on').toBe(5)
})

/** Holds batches, one behind the other. */
class BatchReader extends StillReader {
  readonly batches: { readonly bytes: Uint8Array; readonly end: number }[] = []

  override poll(): FetchedBatches | undefined {
    const next = this.batches.find(({ end }) => end > this.nextOffset)
    if (next === undefined) return undefined
    this.nextOffset = next.end
    return { bytes: next.bytes, positions: [0, next.bytes.length], highWatermark: this.highWatermark }
  }

  override hasNews(): boolean {
    return this.nextOffset < this.highWatermark
  }

  add(baseOffset: number, count: number): void {
    const bytes = buildBatch({ baseOffset, records: simpleRecords(count) })
    this.batches.push({ bytes, end: baseOffset + count })
    this.highWatermark = baseOffset + count
  }
}

function transportOf(reader: PartitionReader): FakeTransport {
  class Readers extends FakeTransport {
    override reader(): PartitionReader {
      return reader
    }
  }
  return new Readers().addTopic('t', 1)
}

it('a loop that waits goes on at once after resume(), seek() and close() from outside', async () => {
  const reader = new BatchReader(0, 0, 0)
  const consumer = new Consumer(transportOf(reader), {})
  await consumer.assign([{ topic: 't', partition: 0, offset: 0 }])
  consumer.pause()
  reader.add(0, 3)
  const seen: number[] = []
  const reading = (async () => {
    for await (const batch of consumer.batches()) seen.push(batch.baseOffset)
  })()
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
  await settle()
  expect(seen).toEqual([])
  consumer.resume()
  await settle()
  expect(seen).toEqual([0])
  await consumer.seek('t', 0, 0)
  await settle()
  expect(seen).toEqual([0, 0])
  await consumer.close()
  await reading
})

it('a loop to the end ends where the offsets before its end hold no records', async () => {
  const reader = new BatchReader(0, 0, 0)
  reader.add(0, 3)
  reader.highWatermark = 6 // As a cleaned log ends: 3 to 5 are not there any more.
  const consumer = new Consumer(transportOf(reader), {})
  await consumer.assign([{ topic: 't', partition: 0, offset: 0 }])
  const seen: number[] = []
  for await (const batch of consumer.batches({ until: 'end' })) {
    seen.push(batch.baseOffset)
    reader.add(6, 2)
  }
  expect(seen).toEqual([0])
  expect(consumer.position('t', 0)).toBe(6)
})
