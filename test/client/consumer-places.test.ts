/**
 * Where a consumer stands, from dist: seeks of every kind inside and outside of its loop, what is left of a batch after
 * one, and damage in the middle of a log. (Loops, waiting and deletion are in consumer.test.ts.)
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Log } from '../workers/built.ts'
import { codeOf, openLog, type OpenedLog } from '../workers/harness.ts'

const T0 = 1_700_000_000_000
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** Batches of five records each; the value of a record is its offset, its timestamp T0 plus that. */
async function filled(batches: number, partitions = 1): Promise<OpenedLog> {
  const opened = await openLog()
  await opened.log.admin.createTopics([{ topic: 'events', partitions, configs: { 'retention.ms': -1 } }])
  await fill(opened.log, 0, batches, partitions)
  return opened
}

async function fill(log: Log, from: number, to: number, partitions = 1): Promise<void> {
  const producer = log.producer({ value: 'string', linger: 1000, acks: 1 })
  for (let batch = from; batch < to; batch++) {
    for (let partition = 0; partition < partitions; partition++) {
      for (let i = 0; i < 5; i++) {
        const offset = batch * 5 + i
        expect(producer.append('events', `${offset}`, null, { partition, timestamp: T0 + offset })).toBe(true)
      }
    }
    await producer.flush()
  }
  await producer.close()
}

async function consumerOf(log: Log, offset: number | 'start' | 'end' = 'start', from?: 'earliest' | 'latest') {
  const consumer = log.consumer({ value: 'string', ...(from === undefined ? {} : { from }) })
  await consumer.assign([{ topic: 'events', partition: 0, offset }])
  return consumer
}

type TextConsumer = Awaited<ReturnType<typeof consumerOf>>

/** Reads to the end; the body may return 'break'. Offsets of the records of the batches that it saw. */
async function toEnd(consumer: TextConsumer, body: (index: number) => unknown = () => undefined): Promise<number[]> {
  const offsets: number[] = []
  let index = 0
  for await (const batch of consumer.batches({ until: 'end' })) {
    for (const { offset, value } of batch) {
      expect(value).toBe(String(offset))
      offsets.push(offset)
    }
    if ((await body(index++)) === 'break') break
  }
  return offsets
}

describe('a consumer', () => {
  it('reads from any offset to the end, and from the end what comes', async () => {
    const { log } = await filled(6)
    for (const offset of [0, 1, 4, 5, 17, 29, 30]) {
      expect(await toEnd(await consumerOf(log, offset)), `${offset}`).toEqual(range(offset, 30))
    }
    const latest = await consumerOf(log, 'end')
    expect(await toEnd(latest)).toEqual([])
    await fill(log, 6, 8)
    expect(await toEnd(latest)).toEqual(range(30, 40))
  })

  it('tells where it is and how much is left, also inside a fetch', async () => {
    const { log } = await filled(6)
    const consumer = await consumerOf(log, 2)
    expect([consumer.position('events', 0), consumer.lag('events', 0)]).toEqual([2, 28])
    const places: number[][] = []
    await toEnd(consumer, () => void places.push([consumer.position('events', 0), consumer.lag('events', 0)]))
    expect(places).toEqual([5, 10, 15, 20, 25, 30].map((position) => [position, 30 - position]))
  })

  it('that is left by break, again and again, goes on behind the batch that it had', async () => {
    const { log } = await filled(6)
    const consumer = await consumerOf(log)
    const all: number[] = []
    for (let part = 0; part < 6; part++) all.push(...(await toEnd(consumer, () => 'break')))
    expect(all).toEqual(range(0, 30))
    expect(await toEnd(consumer)).toEqual([])
  })

  it('whose assignment is replaced inside a loop until the end comes to the end of the new one', async () => {
    const { log } = await filled(6, 2)
    const consumer = await consumerOf(log)
    const seen: number[][] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      seen.push([batch.partition, batch.baseOffset])
      if (seen.length === 1) await consumer.assign([{ topic: 'events', partition: 1, offset: 20 }])
    }
    expect(seen).toEqual([[0, 0], [1, 20], [1, 25]]) // prettier-ignore
  })

  it('walks records in place by the lazy cursor', async () => {
    const { log } = await filled(6)
    const consumer = await consumerOf(log)
    let sum = 0
    for await (const batch of consumer.batches({ until: 'end' })) {
      const cursor = batch.cursor()
      while (cursor.next()) sum += batch.baseOffset + cursor.offsetDelta
    }
    expect(sum).toBe(435)
  })
})

describe('a seek', () => {
  it('between loops goes to an offset, the start, the end, or a time', async () => {
    const { log } = await filled(6)
    const consumer = await consumerOf(log)
    await consumer.seek('events', 0, 12)
    expect(await toEnd(consumer, () => 'break')).toEqual([12, 13, 14])
    await consumer.seek('events', 0, 'start')
    expect(await toEnd(consumer, () => 'break')).toEqual(range(0, 5))
    await consumer.seek('events', 0, 'end')
    expect(await toEnd(consumer)).toEqual([])
    await consumer.seek('events', 0, new Date(T0 + 23))
    expect(await toEnd(consumer)).toEqual(range(23, 30))
    await consumer.seek('events', 0, { timestamp: T0 + 29 })
    expect(await toEnd(consumer)).toEqual([29])
    await consumer.seek('events', 0, { timestamp: T0 + 1000 })
    expect(consumer.position('events', 0), 'later than all: the end').toBe(30)
  })

  it.each([
    [0, [...range(0, 5), ...range(0, 30)]],
    [7, [...range(0, 5), ...range(7, 30)]],
    [20, [...range(0, 5), ...range(20, 30)]],
    [5, range(0, 30)],
    // Exactly where the fetch ends that the loop is in the middle of.
    [30, range(0, 5)],
  ])('inside a loop to %d takes effect with the next batch', async (to, expected) => {
    const { log } = await filled(6)
    const consumer = await consumerOf(log)
    const seen = await toEnd(consumer, async (index) => {
      if (index > 0) return
      await consumer.seek('events', 0, to)
      expect(consumer.position('events', 0)).toBe(to)
    })
    expect(seen).toEqual(expected)
  })

  it('inside a loop ends the life of a batch that was not read: a typed error', async () => {
    const { log } = await filled(6)
    const consumer = await consumerOf(log)
    for await (const batch of consumer.batches({ until: 'end' })) {
      await consumer.seek('events', 0, 20)
      expect(await codeOf(() => batch.records())).toBe('INVALID_ARGUMENT')
      break
    }
    for await (const batch of consumer.batches({ until: 'end' })) {
      const kept = batch.records()
      await consumer.seek('events', 0, 0)
      expect(
        kept.map(({ value }) => value),
        'records that were taken stay',
      ).toEqual(range(20, 25).map(String))
      break
    }
  })

  it('and then a break keeps the place that was sought', async () => {
    const { log } = await filled(6)
    const consumer = await consumerOf(log)
    await toEnd(consumer, async () => {
      await consumer.seek('events', 0, 17)
      return 'break'
    })
    expect(consumer.position('events', 0)).toBe(17)
    expect(await toEnd(consumer)).toEqual(range(17, 30))
  })

  it('to nonsense, or in a partition that is not assigned, is refused', async () => {
    const { log } = await filled(1)
    const consumer = await consumerOf(log)
    for (const to of [-1, 1.5, Number.NaN, new Date('nonsense')]) {
      expect(await codeOf(() => consumer.seek('events', 0, to))).toBe('INVALID_ARGUMENT')
    }
    expect(await codeOf(() => consumer.seek('events', 1, 0))).toBe('INVALID_ARGUMENT')
  })
})

describe('an offset that is not in the log', () => {
  it('is the start with from earliest, the end with from latest, else an error', async () => {
    const { log } = await filled(6)
    await log.admin.trim('events', 0, 12)
    expect(await codeOf(async () => toEnd(await consumerOf(log, 3)))).toBe('OFFSET_OUT_OF_RANGE')
    expect(await toEnd(await consumerOf(log, 3, 'earliest'))).toEqual(range(12, 30))
    const latest = await consumerOf(log, 3, 'latest')
    expect(await toEnd(latest)).toEqual([])
    expect(latest.position('events', 0)).toBe(30)
  })
})

describe('damage in the middle of the log', () => {
  it('is a DamagedLogError that says where reading goes on, and there it does, also from behind', async () => {
    const { log, dir } = await filled(6)
    const file = join(dir, 'events-0', '00000000000000000000.log')
    const bytes = readFileSync(file)
    let position = 0
    for (let batch = 0; batch < 2; batch++) position += 12 + bytes.readInt32BE(position + 8)
    bytes[position + 70]! ^= 1
    writeFileSync(file, bytes)
    const consumer = await consumerOf(log)
    const seen: number[] = []
    let caught: unknown
    try {
      for await (const batch of consumer.batches({ until: 'end' })) for (const { offset } of batch) seen.push(offset)
    } catch (error) {
      caught = error
    }
    expect(seen).toEqual(range(0, 10))
    expect(caught).toMatchObject({ code: 'CORRUPT_MESSAGE', topic: 'events', offset: 10, resumeOffset: 15 })
    await consumer.seek('events', 0, (caught as { resumeOffset: number }).resumeOffset)
    expect(await toEnd(consumer)).toEqual(range(15, 30))
    expect(await toEnd(await consumerOf(log, 17))).toEqual(range(17, 30))
    const lookup = codeOf(() => log.admin.offset('events', 0, { timestamp: T0 + 12 }))
    expect(await lookup, 'a time inside it is not "none"').toBe('CORRUPT_MESSAGE')
  })
})
