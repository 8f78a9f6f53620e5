/**
 * Directories that releases of ours have written (test/fixtures/abi): every one opens with today's code, closed or
 * killed, with the records that it held then.
 */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Log, open } from '../workers/built.ts'
import { temporaryDirectory } from '../workers/harness.ts'

const FIXTURES = 'test/fixtures/abi'
const releases = readdirSync(FIXTURES).filter((name) => /^v\d+\.\d+$/.test(name))
const directories = releases.flatMap((release) => ['clean', 'killed'].map((kind) => ({ release, kind })))

function copyOf(release: string, kind: string): string {
  const dir = join(temporaryDirectory(), 'data')
  cpSync(join(FIXTURES, release, kind), dir, { recursive: true })
  rmSync(join(dir, 'expected.jsonl'))
  return dir
}

const base64 = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('base64')

/** Every record, a line each, by topic as in `order`, partition and offset. */
async function contents(log: Log, order: readonly string[]): Promise<string[]> {
  const lines: string[] = []
  for (const topic of order) {
    const consumer = log.consumer()
    await consumer.subscribe([topic])
    const records: { partition: number; offset: number }[] = []
    for await (const batch of consumer.batches({ until: 'end' })) {
      for (const { partition, offset, timestamp, key, value, headers } of batch) {
        const plain = headers.map(([name, bytes]) => [name, base64(bytes)])
        const record = { topic, partition, offset, timestamp, key: base64(key), value: base64(value), headers: plain }
        records.push(record)
      }
    }
    await consumer.close()
    records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    lines.push(...records.map((record) => JSON.stringify(record)))
  }
  return lines
}

it('there is a directory of the release that this is', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(releases).toContain(`v${version.split('.').slice(0, 2).join('.')}`)
})

describe.each(directories)('$release, $kind', ({ release, kind }) => {
  it('opens without damage, with the records that it held, and its logs stay as they are', async () => {
    const dir = copyOf(release, kind)
    const text = readFileSync(join(FIXTURES, release, kind, 'expected.jsonl'), 'utf8')
    const expected = text.trim().split('\n')
    const topics = [...new Set(expected.map((line) => (JSON.parse(line) as { topic: string }).topic))]
    const logs = (): string[] =>
      readdirSync(dir, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.log'))
        .sort()
        .map((name) => `${name} ${readFileSync(join(dir, name)).toString('hex')}`)
    const before = logs()
    const log = await open({ dir, shards: 1 })
    expect(await log.admin.damage()).toEqual([])
    expect(await contents(log, topics)).toEqual(expected)
    expect((await log.admin.offset('trimmed', 0, 'start')).offset).toBe(33)
    expect((await log.admin.describeTopics(['rolled']))[0]!.configs).toMatchObject({ 'index.interval.bytes': '512' })
    await log.close()
    expect(logs()).toEqual(before)
  })

  it('is gone on with: what is appended lies behind what was there', async () => {
    const dir = copyOf(release, kind)
    const log = await open({ dir, shards: 1 })
    const end = (await log.admin.offset('rolled', 0, 'end')).offset
    const producer = log.producer<string, string>({ value: 'string' })
    const { offset } = await producer.send({ topic: 'rolled', partition: 0, value: 'today' })
    expect(offset).toBe(end)
    await log.close()
  })
})
