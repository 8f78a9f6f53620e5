/** `vltava bench` as a program: what it prints, what it leaves behind, and that it fails when a record is wrong. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type * as Vltava from '../../src/index.ts'

const PROGRAM = 'dist/cli/main.js'
const RECORDS = 1000

/** Fixed by the contract, in this order; `part`, `mode` and what follows `features` are additions. */
const KEYS = [
  'bench',
  'records',
  'record_size',
  'partitions',
  'acks',
  'durability',
  'threads',
  'seconds',
  'records_per_second',
  'megabytes_per_second',
  'latency_ms',
  'cpu_seconds',
  'peak_rss_bytes',
  'verified',
  'features',
]
const ADDED_KEYS = ['part', 'mode', 'share_of_limit', 'limit', 'rss', 'fault', 'settings']

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vltava-test-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function bench(...args: string[]): Promise<Outcome> {
  // The program's own directories go below the test's, so that what it leaves behind is seen.
  const env = { ...process.env, TMPDIR: directory }
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, 'bench', ...args], { env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

async function results(...args: string[]): Promise<Record<string, unknown>[]> {
  const { status, stdout, stderr } = await bench(...args, '--json', '--records', String(RECORDS))
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return parseLines(stdout)
}

function parseLines(text: string): Record<string, unknown>[] {
  const lines = text.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('every result', () => {
  it.each([
    ['produce', [], 1],
    ['produce', ['--acks', '0'], 1],
    ['produce', ['--acks', '1', '--threads', '2', '--compression', 'lz4'], 1],
    ['produce', ['--rate', '20k', '--partitions', '3'], 1],
    ['consume', [], 2],
    ['consume', ['--threads', '2', '--record-size', '16', '--batch-bytes', '2048'], 2],
    ['end-to-end', ['--acks', '1'], 1],
    ['end-to-end', ['--rate', '20k', '--threads', '2'], 1],
    ['limit', [], 10],
  ])('of %s %j has the keys of the contract, and every record verified', async (name, args, count) => {
    const objects = await results(name, ...args)
    expect(objects).toHaveLength(count)
    for (const object of objects) {
      const keys = Object.keys(object)
      expect(keys.filter((key) => !ADDED_KEYS.includes(key))).toEqual(KEYS)
      expect(object['bench']).toBe(name)
      expect(object['records']).toBeGreaterThan(0)
      expect(object['verified']).toBe(object['records'])
      if (name !== 'limit') expect(object['records']).toBe(RECORDS)
      expect(object['records_per_second']).toBeGreaterThan(0)
      expect(object['durability']).toBe({ 0: 'none', 1: 'stable', all: 'committed' }[String(object['acks'])])
      expect(Object.keys(object['latency_ms'] as object)).toEqual(['p50', 'p99', 'p999', 'max'])
    }
    expect(readdirSync(directory), 'what is left in the temporary directory').toEqual([])
  })

  it('has latencies where there is an acknowledgement or a consumer to wait for', async () => {
    for (const args of [['produce'], ['produce', '--acks', '1', '--rate', '20k'], ['end-to-end', '--rate', '20k']]) {
      const [object] = await results(...args)
      const { p50, p99, max } = object!['latency_ms'] as Record<string, number>
      expect(p50, args.join(' ')).toBeGreaterThan(0)
      expect(p99).toBeGreaterThanOrEqual(p50!)
      expect(max).toBeGreaterThanOrEqual(p99!)
    }
  })
})

it('without --json prints a table', async () => {
  const { status, stdout } = await bench('produce', '--records', '1000')
  expect(status).toBe(0)
  expect(stdout).toMatch(/^bench +records +records\/s.*\nproduce +1,000 /)
})

it('leaves a directory that it was given as it found it, but for topics with a name', async () => {
  const data = join(directory, 'data')
  await results('produce', '--data', data)
  await results('produce', '--data', data, '--topic', 'kept')
  expect(readdirSync(data).filter((name) => /-\d+$/.test(name))).toEqual(
    Array.from({ length: 8 }, (_, partition) => `kept-${partition}`),
  )
})

describe('exits with 2 for', () => {
  it.each([
    ['an unknown verb', ['fly']],
    ['no verb', []],
    ['an option of no bench', ['produce', '--colour', 'red']],
    ['a value too small to carry a sequence number', ['produce', '--record-size', '15']],
    ['brokers that are none', ['produce', '--brokers', 'localhost']],
    ['brokers and a directory', ['produce', '--brokers', 'localhost:9092', '--data', 'x']],
    ['the limit of brokers', ['limit', '--brokers', 'localhost:9092']],
    ['a rate of reading', ['consume', '--rate', '5']],
  ])('%s', async (_name, args) => {
    expect((await bench(...args)).status).toBe(2)
  })

  it('a topic that has records already', async () => {
    const args = ['produce', '--records', '10', '--data', join(directory, 'data'), '--topic', 'full']
    expect((await bench(...args)).status).toBe(0)
    expect((await bench(...args)).status).toBe(2)
  })
})

describe('a topic filled earlier', () => {
  const topic = 'filled'
  let data: string

  beforeEach(async () => {
    data = join(directory, 'data')
    await results('produce', '--data', data, '--topic', topic, '--record-size', '50')
  })

  const consume = (): Promise<Outcome> => bench('consume', '--json', '--data', data, '--topic', topic)

  /** Appends to it what no bench would. */
  async function append(...values: Uint8Array[]): Promise<void> {
    // As built: a log's threads run from dist.
    const { open } = (await import(pathToFileURL('dist/index.js').href)) as typeof Vltava
    const log = await open({ dir: data })
    const producer = log.producer()
    for (const value of values) producer.append(topic, value, null, { partition: 0 })
    await log.close()
  }

  function logWithRecords(): string {
    const partitions = readdirSync(data).filter((name) => name.startsWith(`${topic}-`))
    const logs = partitions.map((name) => join(data, name, '00000000000000000000.log'))
    return logs.find((path) => readFileSync(path).length > 0)!
  }

  it('is read as it is, in the size of its records', async () => {
    const { status, stdout } = await consume()
    expect(status).toBe(0)
    const objects = parseLines(stdout)
    expect(objects.map(({ mode, records, verified, record_size }) => [mode, records, verified, record_size])).toEqual([
      ['lazy', RECORDS, RECORDS, 50],
      ['records', RECORDS, RECORDS, 50],
    ])
  })

  it('fails the run when a byte of it was changed on disk', async () => {
    const path = logWithRecords()
    const bytes = readFileSync(path)
    bytes[200]! ^= 1
    writeFileSync(path, bytes)
    const { status, stderr } = await consume()
    expect(status).toBe(1)
    expect(stderr).toMatch(/CRC/)
  })

  it('fails the run when a record has other bytes and a right checksum', async () => {
    await append(new Uint8Array(50))
    const { status, stderr } = await consume()
    expect(status).toBe(1)
    expect(stderr).toMatch(/partition=0 offset=\d+ has other bytes than were appended/)
  })

  it('fails the run when a record is there twice', async () => {
    const bytes = readFileSync(logWithRecords())
    // The first record: 61 bytes of batch header, then length, attributes, three varints and the value's length.
    const start = bytes.indexOf(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 61)
    await append(bytes.subarray(start, start + 50))
    const { status, stderr } = await consume()
    expect(status).toBe(1)
    expect(stderr).toMatch(/repeats sequence=0 of producer 0/)
  })
})
