/** vltava verify and dump-segment: every planted fault is found at its place, and no byte is changed by looking. */
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { realEnv } from '../../dist/base/env/real-env.js'
import { verifyDirectory, type VerifyReport } from '../../dist/cli/verify-directory.js'
import { open } from '../../dist/index.js'
import {
  accessLog,
  exitOf,
  jsonLines,
  snapshotOf,
  startVltava,
  temporaryDirectory,
  untilOutput,
  vltava,
} from './run.ts'

const root = temporaryDirectory()
const good = join(root, 'good')
const LINES = accessLog(6000).trimEnd().split('\n')
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const SEGMENT = '00000000000000000000'

// Partition 0 in several segments and without compression, the others with a codec each.
beforeAll(async () => {
  const log = await open({ dir: good })
  const configs = { 'segment.bytes': 1_048_576, 'index.interval.bytes': 1024 }
  await log.admin.createTopics([{ topic: 'log', partitions: 5, configs }])
  for (const [partition, compression] of CODECS.entries()) {
    const producer = log.producer({ compression, batchBytes: 8192 })
    for (let round = 0; round < (partition === 0 ? 5 : 1); round++) {
      for (const line of LINES) {
        while (!producer.append('log', Buffer.from(line), null, { partition })) await producer.drain()
      }
      await producer.flush()
    }
  }
  await log.close()
})

let copyCount = 0

/** A copy of the good directory. */
function copyOfGood(): string {
  copyCount += 1
  const copy = join(root, `copy-${copyCount}`)
  cpSync(good, copy, { recursive: true, preserveTimestamps: true })
  return copy
}

function flip(path: string, position: number): void {
  const bytes = readFileSync(path)
  bytes[position] = bytes[position]! ^ 0x10
  writeFileSync(path, bytes)
}

async function verify(directory: string, isLive = false): Promise<VerifyReport> {
  const { signal } = new AbortController()
  const options = { withRecords: true, isLive, threadCountMax: 2, signal, onProgress: () => undefined }
  return verifyDirectory(realEnv, directory, options)
}

/** What verify says is wrong, as [file in the directory, byte, what]. */
async function faultsOf(directory: string): Promise<[file: string, position: number, what: string][]> {
  const { faults } = await verify(directory)
  return faults.map(({ file, position, what }) => [file.slice(directory.length + 1), position, what])
}

describe('vltava verify', () => {
  it('finds no fault in a good directory, says what it checked, and changes nothing', () => {
    const before = snapshotOf(good)
    const { status, text, stderr } = vltava(['verify', good])
    expect([status, stderr]).toEqual([0, ''])
    expect(text).toMatch(
      /^checked 5 partitions, \d+ segments, .* of batches, in .*\n.*54,000 records decoded.*\nno fault found\n$/,
    )
    const json = vltava(['verify', good, '--json', '--no-records', '--threads', '1'])
    expect(JSON.parse(json.text)).toMatchObject({
      directory: good,
      clean_shutdown: true,
      partitions: 5,
      records: 54_000,
      records_decoded: false,
      threads: 1,
      fault_count: 0,
      faults: [],
    })
    const after = snapshotOf(good)
    expect([...after.keys()]).toEqual([...before.keys()])
    for (const [path, content] of after) expect(content === before.get(path), path).toBe(true)
  })

  it('prints each fault with file, byte and offset, has status 1, and changes nothing', () => {
    const copy = copyOfGood()
    const file = join(copy, `log-0/${SEGMENT}.log`)
    const second = 12 + readFileSync(file).readInt32BE(8)
    flip(file, second + 100)
    const before = snapshotOf(copy)
    const { status, text } = vltava(['verify', `${copy}/`])
    expect(status).toBe(1)
    const [first, ...rest] = text.trimEnd().split('\n')
    expect(first).toMatch(new RegExp(`^${file}: byte ${second}: offset \\d+: CRC is [0-9a-f]{8}, the header says`))
    expect(rest.at(-1)).toBe('1 fault found')
    const json = vltava(['verify', copy, '--json'])
    expect(json.status).toBe(1)
    expect(JSON.parse(json.text)).toMatchObject({ fault_count: 1, faults: [{ file, position: second }] })
    expect(snapshotOf(copy)).toEqual(before)
  })

  const planted: [name: string, plant: (directory: string) => void, file: string, what: RegExp][] = [
    ['a flipped bit in a gzip batch', (d) => flip(`${d}/log-1/${SEGMENT}.log`, 500), `log-1/${SEGMENT}.log`, /^CRC is/],
    ['a flipped bit in an index', (d) => flip(`${d}/log-0/${SEGMENT}.index`, 85), `log-0/${SEGMENT}.index`, /entry/],
    [
      'a flipped bit in a time index',
      (d) => flip(`${d}/log-0/${SEGMENT}.timeindex`, 5),
      `log-0/${SEGMENT}.timeindex`,
      /entry 0/,
    ],
    [
      'a cut index',
      (d) => truncateSync(`${d}/log-0/${SEGMENT}.index`, 41),
      `log-0/${SEGMENT}.index`,
      /not a multiple of the entry size 8/,
    ],
    ['a snapshot', (d) => flip(`${d}/log-2/${String(6000).padStart(20, '0')}.snapshot`, 30), '.snapshot', /crc/],
    [
      'a missing segment',
      (d) => removeSecondSegment(d),
      '.log',
      /^offsets \d+ \.\. \d+ are missing before this segment/,
    ],
    [
      'a recovery point beyond the end',
      (d) => writeFileSync(`${d}/recovery-point-offset-checkpoint`, '0\n2\nlog 1 6000\nlog 2 6001\n'),
      'recovery-point-offset-checkpoint',
      /^offset 6001 of log-2 is beyond the log's end at 6000/,
    ],
    [
      'a checkpoint that is none',
      (d) => writeFileSync(`${d}/replication-offset-checkpoint`, '0\n2\nlog 1 6000\n'),
      'replication-offset-checkpoint',
      /^line 2: expected/,
    ],
    [
      'leader epochs that go back',
      (d) => writeFileSync(`${d}/log-0/leader-epoch-checkpoint`, '0\n2\n5 0\n4 10\n'),
      'log-0/leader-epoch-checkpoint',
      /^line 4: expected/,
    ],
    [
      'leader epochs beyond the end',
      (d) => writeFileSync(`${d}/log-1/leader-epoch-checkpoint`, '0\n2\n0 0\n4 7000\n'),
      'log-1/leader-epoch-checkpoint',
      /^epoch 4 begins at 7000, beyond/,
    ],
    [
      'partition.metadata',
      (d) => flip(`${d}/log-3/partition.metadata`, 0),
      'log-3/partition.metadata',
      /does not hold/,
    ],
    [
      'the id of another topic',
      (d) => writeFileSync(`${d}/log-3/partition.metadata`, 'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ'),
      'log-3/partition.metadata',
      /^topic id AAAAAAAAAAAAAAAAAAAAAQ is not that of topic=log/,
    ],
    [
      'meta.properties',
      (d) => writeFileSync(`${d}/meta.properties`, 'version=1\n'),
      'meta.properties',
      /no cluster.id/,
    ],
    ['no meta.properties', (d) => rmSync(`${d}/meta.properties`), 'meta.properties', /missing/],
    ['the list of topics', (d) => flip(`${d}/vltava-topics.json`, 0), 'vltava-topics.json', /not JSON/],
    ['producer ids', (d) => flip(`${d}/vltava-producer-ids.json`, 0), 'vltava-producer-ids.json', /producer ids/],
    [
      'a missing partition',
      (d) => rmSync(`${d}/log-4`, { recursive: true }),
      'vltava-topics.json',
      /directory of partition log-4 is missing/,
    ],
  ]
  it.each(planted)('finds %s', async (_name, plant, file, what) => {
    const copy = copyOfGood()
    plant(copy)
    const faults = await faultsOf(copy)
    expect(faults.length).toBeGreaterThan(0)
    for (const [path] of faults) expect(path.endsWith(file), path).toBe(true)
    expect(faults[0]![2]).toMatch(what)
    rmSync(copy, { recursive: true })
  })

  it('finds a log that was cut, in the log and in what points beyond its end', async () => {
    const copy = copyOfGood()
    const file = `${copy}/log-4/${SEGMENT}.log`
    truncateSync(file, readFileSync(file).length - 10)
    const faults = await faultsOf(copy)
    expect(faults.find(([path]) => path.endsWith('.log'))?.[2]).toMatch(/^batch size \d+ /)
  })

  it('passes what Apache Kafka wrote, closed or killed', async () => {
    for (const name of ['v4.3.1', 'v4.3.1-killed']) {
      const copy = join(root, name)
      cpSync(join('test/fixtures/kafka', name), copy, { recursive: true })
      const before = snapshotOf(copy)
      const report = await verify(copy)
      expect(report.faults).toEqual([])
      expect(report.batchCount).toBeGreaterThan(50)
      expect(snapshotOf(copy)).toEqual(before)
    }
  })

  it('refuses a directory in use, and checks it with --live, without a byte changed', async () => {
    const copy = copyOfGood()
    const child = startVltava(['consume', 'log', '--max', '1000000', '--follow', '--data', copy])
    await untilOutput(child.stdout!, '\n')
    child.stdout!.resume()
    const before = contentsOf(copy)
    const { status, stderr } = vltava(['verify', copy])
    expect(status).toBe(1)
    const message = `${copy} is in use by a running program; stop it, or check what is there now with --live`
    expect(stderr).toBe(`vltava: ${message} [DIRECTORY_LOCKED]\n`)
    const live = vltava(['verify', copy, '--live', '--json'])
    expect(live.status).toBe(0)
    expect(JSON.parse(live.text)).toMatchObject({ live: true, fault_count: 0, records: 54_000 })
    expect(contentsOf(copy)).toEqual(before)
    child.kill('SIGINT')
    expect(await exitOf(child)).toBe(0)
  })

  it('is told of a partition directory that the data directory is meant', () => {
    const { status, stderr } = vltava(['verify', join(good, 'log-0')])
    expect(status).toBe(1)
    expect(stderr).toContain('is the directory of one partition; give the data directory that it lies in')
  })
})

/** Without times: the program that has the directory open may write a checkpoint anew. */
function contentsOf(directory: string): Map<string, string> {
  return new Map([...snapshotOf(directory)].map(([path, content]) => [path, content.replace(/^[\d.]+ /, '')]))
}

function removeSecondSegment(directory: string): void {
  const names = [...snapshotOf(`${directory}/log-0`).keys()]
  const second = names.filter((name) => name.endsWith('.log'))[1]!
  for (const suffix of ['.log', '.index', '.timeindex']) {
    rmSync(`${directory}/log-0/${second.replace('.log', suffix)}`)
  }
}

describe('vltava dump-segment', () => {
  it('shows batches and records of every codec, as text and as JSON', () => {
    const file = join(good, `log-4/${SEGMENT}.log`)
    const text = vltava(['dump-segment', file])
    expect(text.status).toBe(0)
    expect(text.text.split('\n')[0]).toMatch(
      /^position=0 size=\d+ base_offset=0 last_offset=\d+ record_count=\d+ compression=zstd .* crc=[0-9a-f]{8}$/,
    )
    const json = vltava(['dump-segment', file, '--records', '--json'])
    const records = jsonLines(json.text).filter(({ type }) => type === 'record')
    expect(records.map(({ value }) => value)).toEqual(LINES)
    expect(records[5]).toEqual({
      type: 'record',
      offset: 5,
      timestamp: expect.any(Number) as number,
      key: null,
      value: LINES[5],
      headers: [],
    })
    expect(vltava(['dump-segment', file, '--records']).text).toContain(`\n  offset=5 timestamp=`)
  })

  it('shows indexes, snapshots, checkpoints and identities', () => {
    const shown = (path: string): unknown => jsonLines(vltava(['dump-segment', join(good, path), '--json']).text)[0]
    expect(shown(`log-0/${SEGMENT}.index`)).toEqual({
      type: 'entry',
      entry: 0,
      offset: expect.any(Number) as number,
      position: expect.any(Number) as number,
    })
    expect(shown(`log-0/${SEGMENT}.timeindex`)).toMatchObject({
      type: 'entry',
      entry: 0,
      timestamp: expect.any(Number),
    })
    expect(shown(`log-1/${String(6000).padStart(20, '0')}.snapshot`)).toMatchObject({
      type: 'producer',
      last_offset: 5999,
    })
    expect(shown('recovery-point-offset-checkpoint')).toEqual({
      type: 'offset',
      topic: 'log',
      partition: 0,
      offset: 30000,
    })
    expect(shown('log-0/leader-epoch-checkpoint')).toEqual({ type: 'epoch', epoch: 0, start_offset: 0 })
    expect(shown('log-0/partition.metadata')).toEqual({ type: 'partition', topic_id: expect.any(String) })
    expect(shown('meta.properties')).toMatchObject({ type: 'directory', version: 1, vltava_format: 1 })
  })

  it('shows control batches and transactions as Kafka writes them', () => {
    const directory = 'test/fixtures/kafka/v4.3.1/txn-0'
    const records = jsonLines(
      vltava(['dump-segment', `${directory}/${SEGMENT.slice(2)}03.log`, '--records', '--json']).text,
    )
    const controls = records.filter(({ control, type }) => control !== undefined && type === 'record')
    expect(new Set(controls.map(({ control }) => control))).toEqual(new Set(['abort', 'commit']))
    const [aborted] = jsonLines(vltava(['dump-segment', `${directory}/${SEGMENT.slice(2)}03.txnindex`, '--json']).text)
    expect(Object.keys(aborted!)).toEqual([
      'type',
      'entry',
      'producer_id',
      'first_offset',
      'last_offset',
      'last_stable_offset',
    ])
  })

  it('marks damage, goes on behind it, and has status 1', () => {
    const copy = copyOfGood()
    const file = join(copy, `log-0/${SEGMENT}.log`)
    const second = 12 + readFileSync(file).readInt32BE(8)
    flip(file, second + 100)
    const { status, text } = vltava(['dump-segment', file])
    expect(status).toBe(1)
    const lines = text.split('\n')
    expect(lines[1]).toMatch(new RegExp(`^FAULT position=${second} what="CRC is .*" next_position=\\d+$`))
    expect(lines[2]).toMatch(/^position=\d+ size=/)
    writeFileSync(join(copy, 'recovery-point-offset-checkpoint'), '0\n7\n')
    const checkpoint = vltava(['dump-segment', join(copy, 'recovery-point-offset-checkpoint')])
    expect(checkpoint.status).toBe(1)
    expect(checkpoint.text).toMatch(/^FAULT /)
  })

  it('says what it knows when a file is none of a log', () => {
    const { status, stderr } = vltava(['dump-segment', 'package.json'])
    expect(status).toBe(2)
    expect(stderr).toContain('package.json is no file of a log by its name; known are')
    expect(vltava(['dump-segment', join(good, 'nothing.log')])).toMatchObject({ status: 1 })
    expect(vltava(['dump-segment', good])).toMatchObject({ status: 2 })
  })
})
