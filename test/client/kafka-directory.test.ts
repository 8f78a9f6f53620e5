/**
 * Directories that Apache Kafka wrote (test/fixtures/kafka): a copy of each opens here with exactly the records that
 * Kafka's own consumer read (expected.jsonl; our consumer reads uncommitted, as it did), and no byte of a log changes.
 */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Log, open } from '../workers/built.ts'
import { temporaryDirectory } from '../workers/harness.ts'

const FIXTURES = 'test/fixtures/kafka'

interface PlainRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

type Expected = PlainRecord & { readonly topic: string; readonly committed: boolean }

function expectedOf(fixture: string): Expected[] {
  const lines = readFileSync(join(FIXTURES, fixture, 'expected.jsonl'), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => JSON.parse(line) as Expected)
}

function copyOf(fixture: string): string {
  const dir = join(temporaryDirectory(), 'data')
  cpSync(join(FIXTURES, fixture), dir, { recursive: true })
  rmSync(join(dir, 'expected.jsonl'))
  return dir
}

/** Files below `dir` by path, as hex. */
function files(dir: string, wanted: (path: string) => boolean): Record<string, string> {
  const paths = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(wanted)
  return Object.fromEntries(paths.sort().map((path) => [path.slice(dir.length), readFileSync(path).toString('hex')]))
}

const base64 = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('base64')

async function readTopic(log: Log, topic: string): Promise<PlainRecord[]> {
  const consumer = log.consumer()
  await consumer.subscribe([topic])
  const records: PlainRecord[] = []
  for await (const batch of consumer.batches({ until: 'end' })) {
    for (const { partition, offset, timestamp, key, value, headers } of batch) {
      const plainHeaders = headers.map(([name, bytes]) => [name, base64(bytes)] as const)
      records.push({ partition, offset, timestamp, key: base64(key), value: base64(value), headers: plainHeaders })
    }
  }
  await consumer.close()
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}

describe.each(['v4.3.1', 'v4.3.1-killed'])('the directory of Kafka %s', (fixture) => {
  it('gives exactly the records that Kafka gave, and leaves every log as it was', async () => {
    const dir = copyOf(fixture)
    const expected = expectedOf(fixture)
    const logs = files(dir, (path) => path.endsWith('.log'))
    const log = await open({ dir, shards: 2 })
    expect(await log.admin.damage()).toEqual([])
    expect(await log.admin.listTopics()).toEqual([...new Set([...expected.map(({ topic }) => topic), 'empty'])].sort())
    for (const topic of await log.admin.listTopics()) {
      const wanted = expected
        .filter((record) => record.topic === topic)
        .map(({ partition, offset, timestamp, key, value, headers }) => ({
          partition,
          offset,
          timestamp,
          key,
          value,
          headers,
        }))
      expect(await readTopic(log, topic), topic).toEqual(wanted)
    }
    await log.close()
    expect(files(dir, (path) => path.endsWith('.log'))).toEqual(logs)
  })

  it('ends and starts where Kafka said', async () => {
    const dir = copyOf(fixture)
    const ends = readFileSync(join(dir, 'replication-offset-checkpoint'), 'utf8').trim().split('\n').slice(2)
    const starts = new Map(
      readFileSync(join(dir, 'log-start-offset-checkpoint'), 'utf8').trim().split('\n').slice(2).map((line) => {
        const [topic, partition, offset] = line.split(' ')
        return [`${topic}-${partition}`, Number(offset)]
      }),
    ) // prettier-ignore
    const log = await open({ dir, shards: 2 })
    for (const line of ends) {
      const [topic, partition, offset] = line.split(' ') as [string, string, string]
      const { partitions } = (await log.admin.describeTopics([topic]))[0]!
      // Kafka notes its high watermarks every five seconds: one that was killed may have been further.
      if (fixture.endsWith('killed'))
        expect(partitions[Number(partition)]!.highWatermark).toBeGreaterThanOrEqual(Number(offset))
      else expect(partitions[Number(partition)]!.highWatermark, line).toBe(Number(offset))
      expect(partitions[Number(partition)]!.logStartOffset, line).toBe(starts.get(`${topic}-${partition}`) ?? 0)
    }
    await log.close()
  })

  it('opens a second and a third time without another byte changed', async () => {
    const dir = copyOf(fixture)
    await (await open({ dir, shards: 1 })).close()
    const before = files(dir, () => true)
    await (await open({ dir, shards: 2 })).close()
    expect(files(dir, () => true)).toEqual(before)
  })

  it('takes records behind those that it had, and keeps both', async () => {
    const dir = copyOf(fixture)
    const log = await open({ dir, shards: 1 })
    const producer = log.producer<string, string>({ key: 'string', value: 'string' })
    const { offset } = await producer.send({ topic: 'txn', partition: 0, key: 'k', value: 'ours' })
    expect(offset).toBe(24)
    await producer.close()
    await log.close()
    const again = await open({ dir, shards: 1 })
    const records = await readTopic(again, 'txn')
    const expected = expectedOf(fixture).filter(({ topic }) => topic === 'txn')
    expect(records).toHaveLength(expected.length + 1)
    expect(records.find((record) => record.partition === 0 && record.offset === 24)?.value).toBe(btoa('ours'))
    await again.close()
  })
})

it("a producer of ours never gets an id that Kafka's log has seen", async () => {
  const dir = copyOf('v4.3.1')
  const log = await open({ dir, shards: 1 })
  const producer = log.producer<string, string>({ value: 'string' })
  for (const topic of ['txn', 'rolled', 'codecs']) {
    await producer.send({ topic, partition: 0, value: 'x' }) // An id with another's sequence would be refused.
  }
  await producer.close()
  await log.close()
  const ids = new Set<number>()
  const file = readFileSync(join(dir, 'txn-0', '00000000000000000015.log'))
  for (let position = 0; position < file.length; position += 12 + file.readInt32BE(position + 8)) {
    ids.add(Number(file.readBigInt64BE(position + 43)))
  }
  const ours = Math.max(...ids)
  expect([...ids].filter((id) => id === ours)).toHaveLength(1)
  expect(ours).toBeGreaterThan(Math.max(...[...ids].filter((id) => id !== ours)))
})
