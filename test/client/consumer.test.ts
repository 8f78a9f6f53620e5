/**
 * The consumer against a real log: where it begins, in what order it goes on, and that no way of leaving, moving or
 * waiting loses a record or hands one out twice.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Log, open } from '../workers/built.ts'
import { codeOf, openLog } from '../workers/harness.ts'
import type { CompressionName, ConsumerBatch, ConsumerOptions, StartPosition } from '../../src/index.ts'

const T0 = 1_700_000_000_000

type TextConsumer = ReturnType<typeof consuming>

let log: Log
let dir: string
let topicCount = 0

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'vltava-test-'))
  log = await open({ dir, shards: 1 })
})

afterAll(async () => {
  await log.close()
  rmSync(dir, { recursive: true })
})

/** A new topic of two partitions; record i of a partition is at offset i, has value `i` and timestamp T0 + 10 i. */
async function topicWith(counts: readonly number[], perBatch = 3, configs: Record<string, string | number> = {}) {
  const topic = `t${topicCount++}`
  await log.admin.createTopics([{ topic, partitions: 2, configs }])
  for (const [partition, count] of counts.entries()) await fill(topic, count, { partition, perBatch })
  return topic
}

interface FillOptions {
  readonly partition?: number
  readonly perBatch?: number
  readonly from?: number
  readonly compression?: CompressionName
}

async function fill(topic: string, count: number, options: FillOptions = {}): Promise<void> {
  const { partition = 0, perBatch = 3, from = 0, compression = 'none' } = options
  const producer = log.producer<string, string>({ acks: 1, linger: 1000, value: 'string', compression })
  for (let i = from; i < from + count; i++) {
    expect(producer.append(topic, `${i}`, null, { partition, timestamp: T0 + 10 * i })).toBe(true)
    if ((i - from) % perBatch === perBatch - 1) await producer.flush()
  }
  await producer.close()
}

function consuming(options: ConsumerOptions<string, string> = {}) {
  return log.consumer<string, string>({ key: 'string', value: 'string', ...options })
}

/** Values up to the end, of all partitions in the order of reading. */
async function rest(consumer: TextConsumer): Promise<string[]> {
  const values: string[] = []
  for await (const batch of consumer.batches({ until: 'end' })) values.push(...valuesOf(batch))
  return values
}

const valuesOf = (batch: ConsumerBatch<unknown, string>): string[] => batch.records().map(({ value }) => value ?? '-')
const range = (from: number, end: number): string[] => Array.from({ length: end - from }, (_, i) => `${from + i}`)

/** The next `count` values; the loop is left by break. */
async function take(consumer: TextConsumer, count: number, signal?: AbortSignal): Promise<string[]> {
  const values: string[] = []
  for await (const batch of consumer.batches(signal === undefined ? {} : { signal })) {
    values.push(...valuesOf(batch))
    if (values.length >= count) break
  }
  return values
}

describe('reading begins', () => {
  it.each<[string, StartPosition | undefined, number]>([
    ['at the start when nothing is said', undefined, 0],
    ["at 'start'", 'start', 0],
    ["at 'end'", 'end', 10],
    ['at an offset, also in the middle of a batch', 4, 4],
    ['at the offset behind the last record', 10, 10],
    ['at a Date: the first record at that time', new Date(T0 + 70), 7],
    ['at { timestamp } between two records: the later one', { timestamp: T0 + 31 }, 4],
    ['at a time before all records: the start', { timestamp: 0 }, 0],
    ['at a time after all records: the end', { timestamp: T0 + 1e6 }, 10],
  ])('%s', async (_name, offset, first) => {
    const t = await topicWith([10])
    const consumer = consuming()
    const where = { topic: t, partition: 0 }
    await consumer.assign([offset === undefined ? where : { ...where, offset }])
    expect(consumer.position(t, 0)).toBe(first)
    expect(consumer.lag(t, 0)).toBe(10 - first)
    expect(await rest(consumer)).toEqual(range(first, 10))
    expect(consumer.position(t, 0)).toBe(10)
    expect(consumer.lag(t, 0)).toBe(0)
    if (offset === undefined) return
    await consumer.seek(t, 0, 1)
    await consumer.seek(t, 0, offset)
    expect(await rest(consumer)).toEqual(range(first, 10))
  })

  it("at the end with from: 'latest', and an assignment's own offset counts more", async () => {
    const t = await topicWith([4, 4])
    const consumer = consuming({ from: 'latest' })
    await consumer.assign([{ topic: t, partition: 0 }, { topic: t, partition: 1, offset: 2 }]) // prettier-ignore
    expect(await rest(consumer)).toEqual(['2', '3'])
  })

  it('in all partitions of a topic without a partition, each batch with its place', async () => {
    const t = await topicWith([7, 5])
    const consumer = consuming()
    await consumer.subscribe([t])
    expect(consumer.assignment()).toEqual([
      { topic: t, partition: 0 },
      { topic: t, partition: 1 },
    ])
    const seen: string[][] = [[], []]
    for await (const batch of consumer.batches({ until: 'end' })) {
      for (const record of batch) {
        expect(record.topic).toBe(t)
        expect(`${record.offset}`).toBe(record.value)
        expect(record.timestamp).toBe(T0 + 10 * record.offset)
        seen[record.partition]!.push(record.value ?? '-')
      }
    }
    expect(seen).toEqual([range(0, 7), range(0, 5)])
  })

  it('nowhere with a wrong assignment, which leaves the one before as it was', async () => {
    const t = await topicWith([4, 4])
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 1, offset: 3 }])
    const wrong = {
      INVALID_ARGUMENT: [{ topic: t, partition: 0 }, { topic: t }],
      UNKNOWN_TOPIC_OR_PARTITION: [{ topic: t, partition: 0 }, { topic: 'u' }],
    } // prettier-ignore
    for (const [code, assignments] of Object.entries(wrong)) {
      expect(await codeOf(() => consumer.assign(assignments))).toBe(code)
      expect(consumer.assignment()).toEqual([{ topic: t, partition: 1 }])
      expect(consumer.position(t, 1)).toBe(3)
    }
    for (const offset of [-1, 0.5, Number.NaN, 2 ** 53, null as never, new Date(Number.NaN), 'begin' as never]) {
      const code = await codeOf(() => consumer.assign([{ topic: t, partition: 0, offset }]))
      expect(code, String(offset)).toBe('INVALID_ARGUMENT')
      expect(await codeOf(() => consumer.seek(t, 1, offset)), String(offset)).toBe('INVALID_ARGUMENT')
    }
    expect(await rest(consumer)).toEqual(['3'])
  })
})

describe('a loop over batches', () => {
  it('that is left in the middle of a fetch goes on with the next batch, nothing lost and nothing twice', async () => {
    const t = await topicWith([20, 20], 2)
    const consumer = consuming()
    await consumer.subscribe([t])
    const seen: string[][] = [[], []]
    for (let loops = 0; loops < 20; loops++) {
      for await (const batch of consumer.batches()) {
        seen[batch.partition]!.push(...valuesOf(batch))
        expect(consumer.position(t, batch.partition)).toBe(batch.lastOffset + 1)
        break
      }
    }
    expect(seen).toEqual([range(0, 20), range(0, 20)])
    expect(await rest(consumer)).toEqual([])
  })

  it('that is left by an exception goes on with the next batch', async () => {
    const t = await topicWith([6], 2)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const reading = async (): Promise<void> => {
      for await (const batch of consumer.batches()) throw new Error(`at ${batch.baseOffset}`)
    }
    await expect(reading()).rejects.toThrow('at 0')
    await expect(reading()).rejects.toThrow('at 2')
    expect(await rest(consumer)).toEqual(['4', '5'])
  })

  it('follows a seek of its body with the next batch', async () => {
    const t = await topicWith([12], 2)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const seen: string[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      seen.push(...valuesOf(batch))
      if (seen.length === 2) await consumer.seek(t, 0, 7)
      if (seen.length === 5) await consumer.seek(t, 0, 'end')
      if (seen.length === 5) expect(consumer.position(t, 0)).toBe(12)
    }
    expect(seen).toEqual(['0', '1', '7', '8', '9'])
  })

  it('gives nothing of a partition that its body paused, and all of it after resume', async () => {
    const t = await topicWith([12, 12], 2)
    const consumer = consuming()
    await consumer.subscribe([t])
    const paused = [{ topic: t, partition: 0 }]
    const seen: string[][] = [[], []]
    for await (const batch of consumer.batches({ until: 'end' })) {
      seen[batch.partition]!.push(...valuesOf(batch))
      if (batch.partition === 0 && seen[0]!.length === 4) consumer.pause(paused)
    }
    expect(seen).toEqual([range(0, 4), range(0, 12)])
    expect(consumer.paused()).toEqual(paused)
    expect(consumer.lag(t, 0)).toBe(8)
    consumer.resume()
    expect(consumer.paused()).toEqual([])
    expect(await rest(consumer)).toEqual(range(4, 12))
  })

  it('takes resume() and assign() from outside while it waits', async () => {
    const t = await topicWith([4, 3])
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    consumer.pause()
    const resumed = take(consumer, 4)
    await Promise.resolve()
    consumer.resume()
    expect(await resumed).toEqual(range(0, 4))
    const assigned = take(consumer, 3)
    await consumer.assign([{ topic: t, partition: 1 }])
    expect(await assigned).toEqual(range(0, 3))
  })

  it('gives nothing of a partition that its body gave up or replaced', async () => {
    const t = await topicWith([12, 12], 2)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const seen: string[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      seen.push(`${batch.partition}:${valuesOf(batch).join()}`)
      if (seen.length === 1) await consumer.assign([{ topic: t, partition: 1, offset: 6 }])
      if (seen.length === 3) consumer.unassign()
    }
    expect(seen).toEqual(['0:0,1', '1:6,7', '1:8,9'])
    expect(consumer.assignment()).toEqual([])
    expect(await codeOf(() => consumer.position(t, 1))).toBe('INVALID_ARGUMENT')
  })

  it("with until: 'end' stops at the end that was there when it began, whatever is sent meanwhile", async () => {
    const t = await topicWith([6, 0], 2)
    const consumer = consuming()
    await consumer.subscribe([t])
    const seen: string[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      seen.push(...valuesOf(batch))
      if (seen.length === 2) await fill(t, 4, { from: 6 })
    }
    expect(seen).toEqual(range(0, 6))
    expect(await rest(consumer)).toEqual(range(6, 10))
    expect(await rest(consumer)).toEqual([])
  })

  it('ends when its signal aborts, while it waits or in its body, and another goes on', async () => {
    const t = await topicWith([6], 2)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const inBody = new AbortController()
    const seen: string[] = []
    for await (const batch of consumer.batches({ signal: inBody.signal })) {
      seen.push(...valuesOf(batch))
      inBody.abort()
    }
    expect(seen).toEqual(['0', '1'])
    expect(await take(consumer, 1, inBody.signal)).toEqual([])
    expect(await rest(consumer)).toEqual(range(2, 6))
    const waiting = new AbortController()
    const nothing = take(consumer, 1, waiting.signal)
    await Promise.resolve()
    waiting.abort()
    expect(await nothing).toEqual([])
  })

  it('is one at a time; a second is refused and does not disturb the first', async () => {
    const t = await topicWith([6], 2)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const seen: string[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      seen.push(...valuesOf(batch))
      expect(await codeOf(() => rest(consumer))).toBe('INVALID_ARGUMENT')
    }
    expect(seen).toEqual(range(0, 6))
  })

  it('ends when the consumer closes, in its body or while it waits', async () => {
    const t = await topicWith([6], 2)
    for (const isWaiting of [false, true]) {
      const consumer = consuming()
      await consumer.assign([{ topic: t, partition: 0, offset: isWaiting ? 'end' : 'start' }])
      const seen: string[] = []
      const reading = (async () => {
        for await (const batch of consumer.batches()) {
          seen.push(...valuesOf(batch))
          await consumer.close()
        }
      })()
      await Promise.resolve()
      if (isWaiting) await consumer.close()
      await reading
      await consumer.close()
      expect(seen).toEqual(isWaiting ? [] : ['0', '1'])
      expect(await codeOf(() => rest(consumer))).toBe('CONSUMER_CLOSED')
      expect(await codeOf(() => consumer.assign([]))).toBe('CONSUMER_CLOSED')
    }
  })

  it('ends with LOG_CLOSED when the log closes while it waits', async () => {
    const { log: own } = await openLog()
    await own.admin.createTopics([{ topic: 't' }])
    const consumer = own.consumer<string, string>({ value: 'string' })
    await consumer.subscribe(['t'])
    const reading = codeOf(() => take(consumer, 1))
    await own.close()
    expect(await reading).toBe('LOG_CLOSED')
  })

  it('wakes for data that comes while it waits, in every partition, again and again', async () => {
    const t = await topicWith([0, 0])
    const consumer = consuming()
    await consumer.subscribe([t])
    for (let i = 0; i < 20; i++) {
      const next = take(consumer, 1)
      await Promise.resolve()
      await fill(t, 1, { partition: i % 2, from: i })
      expect(await next).toEqual([`${i}`])
    }
  })

  it('takes turns between partitions', async () => {
    const t = await topicWith([40, 40], 2)
    const consumer = consuming({ fetchBytes: 1 })
    await consumer.subscribe([t])
    const turns: number[] = []
    for await (const batch of consumer.batches({ until: 'end' })) turns.push(batch.partition)
    expect(turns).toEqual(Array.from({ length: 40 }, (_, i) => i % 2))
  })
})

describe('a loop over records', () => {
  it('that is left in the middle of a batch goes on with the next record', async () => {
    const t = await topicWith([10], 5)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const seen: string[] = []
    while (seen.length < 10) {
      for await (const record of consumer) {
        seen.push(record.value ?? '-')
        expect(consumer.position(t, 0)).toBe(record.offset + 1)
        if (seen.length % 3 === 0 || seen.length === 10) break
      }
    }
    expect(seen).toEqual(range(0, 10))
    expect(await rest(consumer)).toEqual([])
  })

  it('that is left after a seek in the middle of a batch goes on where the seek said', async () => {
    const t = await topicWith([10], 5)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    for await (const record of consumer) {
      if (record.offset !== 2) continue
      await consumer.seek(t, 0, 8)
      break
    }
    expect(await rest(consumer)).toEqual(['8', '9'])
  })
})

it('two consumers read the same records, each at its own place', async () => {
  const t = await topicWith([30], 2)
  const [first, second] = [consuming(), consuming({ fetchBytes: 100 })]
  for (const consumer of [first, second]) await consumer.assign([{ topic: t, partition: 0 }])
  const seen: string[][] = [[], []]
  for (let i = 0; i < 15; i++) {
    seen[0]!.push(...(await take(first, 2)))
    seen[1]!.push(...(await take(second, 2)))
  }
  expect(seen).toEqual([range(0, 30), range(0, 30)])
})

describe('an offset that the log does not have', () => {
  it('is an error that names the ends, below and above, and reading can go on after a seek', async () => {
    const t = await topicWith([10], 2)
    await log.admin.trim(t, 0, 4)
    for (const offset of [0, 3, 11, 1000]) {
      const consumer = consuming()
      await consumer.assign([{ topic: t, partition: 0, offset }])
      await expect(take(consumer, 1)).rejects.toMatchObject({
        code: 'OFFSET_OUT_OF_RANGE',
        logStartOffset: 4,
        logEndOffset: 10,
      })
      expect(await codeOf(() => rest(consumer))).toBe('OFFSET_OUT_OF_RANGE')
      await consumer.seek(t, 0, 8)
      expect(await rest(consumer)).toEqual(['8', '9'])
    }
  })

  it.each([
    ['earliest', range(4, 10)],
    ['latest', []],
  ] as const)('is no error with from: %s', async (from, values) => {
    const t = await topicWith([10], 2)
    await log.admin.trim(t, 0, 4)
    for (const offset of [0, 1000]) {
      const consumer = consuming({ from })
      await consumer.assign([{ topic: t, partition: 0, offset }])
      expect(await rest(consumer)).toEqual(values)
      expect(consumer.position(t, 0)).toBe(10)
    }
  })

  it('may come while the consumer waits or reads: the log was trimmed', async () => {
    const t = await topicWith([10], 2)
    const consumer = consuming({ fetchBytes: 1 })
    await consumer.assign([{ topic: t, partition: 0 }])
    expect(await take(consumer, 2)).toEqual(['0', '1'])
    await log.admin.trim(t, 0, 7)
    expect(await codeOf(() => rest(consumer))).toBe('OFFSET_OUT_OF_RANGE')
    await consumer.seek(t, 0, 'start')
    expect(await rest(consumer)).toEqual(range(7, 10))
  })
})

describe('a topic that is deleted', () => {
  it('ends the loop that waits for it with a typed error, and frees the others after unassign', async () => {
    const t = await topicWith([2], 2)
    const other = await topicWith([])
    const consumer = consuming()
    await consumer.subscribe([t, other])
    expect(await take(consumer, 2)).toEqual(['0', '1'])
    const waiting = codeOf(() => take(consumer, 1))
    await log.admin.deleteTopics([t])
    expect(await waiting).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await codeOf(() => take(consumer, 1))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    await consumer.subscribe([other])
    expect(await rest(consumer)).toEqual([])
  })

  it('keeps the batch that is being read whole, also the records that were taken', async () => {
    const t = await topicWith([6], 3)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const seen: string[] = []
    const reading = async (): Promise<void> => {
      for await (const batch of consumer.batches()) {
        await log.admin.deleteTopics([t])
        expect(readdirSync(dir).filter((name) => name === `${t}-0`)).toEqual([])
        seen.push(...valuesOf(batch))
        break
      }
    }
    await reading()
    expect(seen).toEqual(range(0, 3))
    expect(await codeOf(() => take(consumer, 1))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('is not confused with a new one of its name', async () => {
    const t = await topicWith([4], 2)
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    expect(await take(consumer, 2)).toEqual(['0', '1'])
    await log.admin.deleteTopics([t])
    await log.admin.createTopics([{ topic: t }])
    await fill(t, 4, { from: 100 })
    expect(await codeOf(() => take(consumer, 1))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    await consumer.assign([{ topic: t }])
    expect(await rest(consumer)).toEqual(range(100, 104))
  })
})

describe('what was read', () => {
  it('stays as it is after the loop moved on and the segments were deleted; what was not looked at throws', async () => {
    const t = await topicWith([200], 20, { 'internal.segment.bytes': 1024 })
    const consumer = consuming()
    await consumer.assign([{ topic: t, partition: 0 }])
    const kept: ConsumerBatch<string, string>[] = []
    const records: { value: string | null; offset: number }[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      kept.push(batch)
      if (kept.length % 2 === 0) records.push(...batch)
    }
    const segments = (): string[] => readdirSync(join(dir, `${t}-0`)).filter((name) => name.endsWith('.log'))
    const before = segments().length
    await log.admin.trim(t, 0, -1)
    expect(segments().length).toBeLessThan(before)
    await consumer.close()
    expect(records.length).toBe(100)
    for (const { value, offset } of records) expect(value).toBe(`${offset}`)
    for (const [i, batch] of kept.entries()) {
      if (i % 2 === 1) expect(valuesOf(batch)).toEqual(range(batch.baseOffset, batch.lastOffset + 1))
      else expect(await codeOf(() => batch.records())).toBe('INVALID_ARGUMENT')
      if (i % 2 === 0) expect(await codeOf(() => batch.cursor())).toBe('INVALID_ARGUMENT')
    }
  })

  it.each(['none', 'gzip', 'lz4'] as const)(
    'is the same by cursor() and by records(), with codec %s',
    async (codec) => {
      const t = await topicWith([])
      await fill(t, 300, { perBatch: 100, compression: codec })
      const consumer = consuming()
      await consumer.assign([{ topic: t, partition: 0 }])
      const byCursor: unknown[] = []
      const byRecords: unknown[] = []
      for await (const batch of consumer.batches({ until: 'end' })) {
        expect(batch.compression).toBe(codec)
        const cursor = batch.cursor()
        while (cursor.next()) {
          const { bytes, valuePosition: start, valueLength, keyLength, offsetDelta, timestampDelta } = cursor
          const value = Buffer.from(bytes.slice(start, start + valueLength)).toString()
          const timestamp = batch.baseTimestamp + timestampDelta
          byCursor.push({ offset: batch.baseOffset + offsetDelta, timestamp, hasKey: keyLength >= 0, value })
        }
        batch.forEach(({ offset, timestamp, key, value }) => {
          byRecords.push({ offset, timestamp, hasKey: key !== null, value })
        })
      }
      expect(byRecords.length).toBe(300)
      expect(byCursor).toEqual(byRecords)
    },
  )

  it('has headers, null and empty keys, tombstones and empty values as they were sent', async () => {
    const t = await topicWith([])
    const producer = log.producer({ acks: 1 })
    const empty = new Uint8Array(0)
    const one = Uint8Array.of(1)
    const sent = [
      { key: null, value: one, headers: [] },
      { key: empty, value: empty, headers: [['', null]] },
      { key: one, value: null, headers: [['a', one], ['a', empty], ['ä', null]] },
      { key: null, value: null, headers: [] },
    ] as const // prettier-ignore
    await producer.sendAll(sent.map((record) => ({ topic: t, partition: 0, ...record })))
    const consumer = log.consumer()
    await consumer.assign([{ topic: t, partition: 0 }])
    const read: unknown[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      for (const { key, value, headers } of batch) read.push({ key, value, headers })
    }
    expect(read).toEqual(sent)
  })

  it('that the serde cannot decode is a SERIALIZATION error of that record alone', async () => {
    const t = await topicWith([2])
    const producer = log.producer<string, string>({ acks: 1, value: 'string' })
    await producer.send({ topic: t, partition: 0, value: '{' })
    const consumer = log.consumer<unknown, unknown>({ value: 'json' })
    await consumer.assign([{ topic: t, partition: 0 }])
    const read: string[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      for (const record of batch) read.push(await codeOf(() => record.value))
    }
    expect(read).toEqual(['none', 'none', 'SERIALIZATION'])
  })
})
