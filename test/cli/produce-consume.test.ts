/** vltava produce and consume: what goes in comes out, byte for byte, and what a person can ask for. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Log, open } from '../../dist/index.js'
import { UsageError } from '../../src/cli/command.ts'
import { parseStart } from '../../src/cli/consume-command.ts'
import { compileFormat } from '../../src/cli/record-format.ts'
import {
  accessLog,
  exitOf,
  jsonLines,
  MAIN,
  type Outcome,
  startVltava,
  temporaryDirectory,
  untilOutput,
  vltava,
  vltavaOk,
} from './run.ts'

const root = temporaryDirectory()
const data = join(root, 'data')
let topicCount = 0

// Opening a log is quicker here than in a child process: all topics at once.
beforeAll(async () => {
  const log = await open({ dir: data })
  const plain = Array.from({ length: 16 }, (_, number) => ({ topic: `plain-${number}`, partitions: 1 }))
  await log.admin.createTopics([
    ...plain,
    { topic: 'three', partitions: 3 },
    { topic: 'four', partitions: 4 },
    { topic: 'small', partitions: 1, configs: { 'max.message.bytes': 10_000 } },
    { topic: 'compacted', partitions: 1, configs: { 'cleanup.policy': 'compact' } },
    { topic: 't', partitions: 2 },
  ])
  await makeRecords(log)
  await log.close()
})

/** Records of topic `t`: keys, headers, times, and bytes that are no text. */
async function makeRecords(log: Log): Promise<void> {
  const producer = log.producer()
  for (const [index, timestamp] of [1_000_000, 2_000_000, 3_000_000, 4_000_000].entries()) {
    const headers = index === 0 ? ([['trace', Buffer.from('x1')] as const, ['none', null] as const] as const) : []
    const [key, value] = [Buffer.from(`k${index}`), Buffer.from(`v${index}`)]
    await producer.send({ topic: 't', partition: 0, timestamp, key, value, headers })
  }
  const timestamp = 9_000_000
  await producer.send({ topic: 't', partition: 1, timestamp, key: null, value: Buffer.from([0xff, 0x80]) })
  await producer.send({ topic: 't', partition: 1, timestamp, key: Buffer.from([0x80]), value: null })
}

/** A topic of one partition that no other test uses. */
function plainTopic(): string {
  topicCount += 1
  return `plain-${topicCount - 1}`
}

const produce = (topic: string, lines: string | Uint8Array, ...args: string[]): Outcome =>
  vltavaOk(['produce', topic, ...args, '--data', data], lines)
const consume = (topic: string, ...args: string[]): string => vltavaOk(['consume', topic, ...args, '--data', data]).text

describe('what goes in comes out', () => {
  /** Every byte value, \r\n, empty lines, lines longer than a chunk of stdin, and no newline at the end. */
  const binary = Buffer.concat([
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    Buffer.from('\n\n\r\n\0\n\xff\xfe\n', 'latin1'),
    randomBytes(200_000).map((byte) => (byte === 10 ? 11 : byte)),
    Buffer.from('\n'),
    Buffer.from(accessLog(3000)),
    Buffer.from('the last line'),
  ])

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('byte for byte with compression %s', (codec) => {
    const topic = plainTopic()
    produce(topic, binary, '--compression', codec)
    const { stdout } = vltavaOk(['consume', topic, '--data', data])
    // The last line has got the newline that it lacked.
    expect(stdout.equals(Buffer.concat([binary, Buffer.from('\n')]))).toBe(true)
  })

  it('and the summary says how much, how fast and how safe', () => {
    const lines = accessLog(5000)
    const { text, stderr } = produce('three', lines, '--acks', '1', '--json')
    expect(stderr).toBe('')
    expect(JSON.parse(text)).toEqual({
      topic: 'three',
      records: 5000,
      bytes: lines.length - 5000,
      seconds: expect.any(Number) as number,
      records_per_second: expect.any(Number) as number,
      megabytes_per_second: expect.any(Number) as number,
      acks: '1',
      durability: 'stable',
    })
    const summary = produce('three', 'one\n')
    expect(summary.text).toBe('')
    expect(summary.stderr).toMatch(/^1 record, 3 B in .*acks=all: acknowledged when on the disk/)
    const all = consume('three').split('\n').sort()
    expect(all).toEqual([...lines.split('\n'), 'one'].sort())
  })
})

describe('produce', () => {
  it('splits keys from values at the first separator, and keeps equal keys together', () => {
    const lines = Array.from({ length: 40 }, (_, i) => `k${i % 5}\tv${i}\tx`)
    produce('four', `${lines.join('\n')}\nno key\n\tempty key\n`, '--key-separator', '\\t')
    const records = jsonLines(consume('four', '--json'))
    expect(records).toHaveLength(42)
    const partitions = new Map(records.map(({ key, partition }) => [key, partition]))
    for (const { key, partition } of records.filter((record) => typeof record['key'] === 'string')) {
      expect(partition).toBe(partitions.get(key))
    }
    const ofKey = records.filter(({ key }) => key === 'k3').map(({ value }) => value)
    expect(ofKey).toEqual(Array.from({ length: 8 }, (_, i) => `v${i * 5 + 3}\tx`))
    expect(records.filter(({ key }) => key === null).map(({ value }) => value)).toEqual(['no key'])
    expect(records.filter(({ key }) => key === '').map(({ value }) => value)).toEqual(['empty key'])
  })

  it('writes to the partition that is asked for, and refuses one that is not there', () => {
    produce('three', 'a\nb\n', '--partition', '2')
    expect(consume('three', '--format', '%p %v\\n', '--partition', '2')).toMatch(/2 a\n2 b\n$/)
    for (const command of ['produce', 'consume']) {
      const { status, stderr } = vltava([command, 'three', '--partition', '3', '--data', data], 'a\n')
      expect(status).toBe(1)
      expect(stderr).toContain('there is no partition=3 [UNKNOWN_TOPIC_OR_PARTITION]')
    }
  })

  it('an unknown topic is an error that says how to make it', () => {
    for (const command of ['produce', 'consume']) {
      const { status, stderr, text } = vltava([command, 'clicks', '--data', data], 'a\n')
      expect([status, text]).toEqual([1, ''])
      const fix = `make it with: vltava topic create clicks --partitions 1 --data ${data}`
      expect(stderr).toBe(`vltava: topic=clicks does not exist; ${fix} [UNKNOWN_TOPIC_OR_PARTITION]\n`)
    }
  })

  it('stops at a line that cannot be a record, tells which, and how many records were acknowledged', () => {
    const lines = `${accessLog(50)}${'x'.repeat(20_000)}\n${accessLog(50)}`
    const { status, stderr } = vltava(['produce', 'small', '--data', data], lines)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^vltava: 50 of 50 records acknowledged\nvltava: line 51: .*\[MESSAGE_TOO_LARGE\]\n$/)
    expect(consume('small')).toBe(accessLog(50))
  })

  it('a compacted topic refuses a line without a key', () => {
    const { status, stderr } = vltava(['produce', 'compacted', '--key-separator', '=', '--data', data], 'a=1\nb\n')
    expect(status).toBe(1)
    expect(stderr).toContain('1 of 1 record acknowledged')
    expect(stderr).toMatch(/line 2: .*\[INVALID_RECORD\]/)
  })

  it('stopped by a signal, it acknowledges what it has read and says so', async () => {
    const topic = plainTopic()
    const child = startVltava(['produce', topic, '--data', data])
    const told = untilOutput(child.stderr!, '[FAILED]')
    child.stdin!.write('a\nb\nno newline')
    // The lines are in the file: they were read.
    await untilNotEmpty(join(data, `${topic}-0/00000000000000000000.log`))
    child.kill('SIGTERM')
    expect(await told).toBe('vltava: 2 of 2 records acknowledged\nvltava: stopped by SIGTERM [FAILED]\n')
    expect(await exitOf(child)).toBe(1)
    expect(consume(topic)).toBe('a\nb\n')
  })
})

describe('consume', () => {
  const of0 = (...args: string[]): string => consume('t', '--partition', '0', ...args)

  it('--format has every field and escape', () => {
    const format = '%t|%p|%o|%T|%k|%v|%s|%h|%K|%S|%%\\t\\x41\\0\\\\\\n'
    expect(of0('--format', format, '--max', '2')).toBe(
      't|0|0|1000000|k0|v0|v0|trace=x1,none=|2|2|%\tA\0\\\nt|0|1|2000000|k1|v1|v1||2|2|%\tA\0\\\n',
    )
    expect(consume('t', '--partition', '1', '--from', '1', '--format', '[%k][%v]%S\\n', '--max', '9')).toBe(
      Buffer.from('[\x80][]-1\n', 'latin1').toString('utf8'),
    )
  })

  it.each(['%q', '%', '\\q', '\\x4'])("--format '%s' is refused", (format) => {
    expect(() => compileFormat(format)).toThrow(UsageError)
  })

  it('--json has one object on a line; bytes that are no text are in base64', () => {
    expect(jsonLines(of0('--json', '--max', '1'))).toEqual([
      {
        topic: 't',
        partition: 0,
        offset: 0,
        timestamp: 1_000_000,
        key: 'k0',
        value: 'v0',
        headers: [
          { key: 'trace', value: 'x1' },
          { key: 'none', value: null },
        ],
      },
    ])
    const bytes = jsonLines(consume('t', '--partition', '1', '--json')).map(({ key, value }) => [key, value])
    expect(bytes).toEqual([
      [null, { base64: '/4A=' }],
      [{ base64: 'gA==' }, null],
    ])
  })

  it('--from is a start, an end, an offset or a time', () => {
    const values = (from: string): string[] => of0('--from', from).split('\n').slice(0, -1)
    expect(values('2')).toEqual(['v2', 'v3'])
    expect(values('end')).toEqual([])
    expect(values('@2000001')).toEqual(['v2', 'v3'])
    expect(values('1970-01-01T00:33:20Z')).toEqual(['v1', 'v2', 'v3'])
    expect(values('@5000000')).toEqual([])
    const { status, stderr } = vltava(['consume', 't', '--partition', '0', '--from', '5', '--data', data])
    expect(status).toBe(1)
    expect(stderr).toContain('offset=5 is outside logStartOffset=0 .. logEndOffset=4 [OFFSET_OUT_OF_RANGE]')
  })

  it('the words of --from', () => {
    const starts = ['start', 'end', '0', '17', '@5', '1970-01-01T00:00:01Z'].map((text) => parseStart(text))
    expect(starts).toEqual(['start', 'end', 0, 17, { timestamp: 5 }, { timestamp: 1000 }])
    for (const text of ['', '-1', 'beginning', '@', '1.5']) expect(() => parseStart(text), text).toThrow(UsageError)
  })

  it('an offset inside a batch begins there', () => {
    const topic = plainTopic()
    produce(topic, accessLog(100))
    const lines = accessLog(100).split('\n')
    expect(consume(topic, '--from', '37')).toBe(lines.slice(37).join('\n'))
    expect(consume(topic, '--from', '37', '--max', '2')).toBe(`${lines.slice(37, 39).join('\n')}\n`)
  })

  it('--max ends in the middle, 0 at once', () => {
    expect(of0('--max', '3')).toBe('v0\nv1\nv2\n')
    expect(of0('--max', '0')).toBe('')
  })

  it('--follow prints what is there, soon, and waits for more until Ctrl-C', async () => {
    const topic = plainTopic()
    produce(topic, 'before\n')
    const child = startVltava(['consume', topic, '--follow', '--data', data])
    await untilOutput(child.stdout!, 'before\n')
    expect(child.exitCode).toBe(null)
    child.kill('SIGINT')
    expect(await exitOf(child)).toBe(0)
  })

  it('ends in silence when its reader goes away', () => {
    const topic = plainTopic()
    produce(topic, accessLog(50_000))
    const script = `{ "$0" ${MAIN} consume ${topic} --data ${data}; echo "status $?" >&2; } | head -n 1`
    const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath], { encoding: 'utf8' })
    expect(stdout).toBe(accessLog(1))
    expect(stderr).toBe('status 0\n')
  })

  it('reads a directory that was killed in the middle of a write, and says what recovery did', () => {
    const topic = plainTopic()
    produce(topic, accessLog(10))
    appendFileSync(join(data, `${topic}-0/00000000000000000000.log`), Buffer.from([1, 2, 3]))
    rmSync(join(data, '.kafka_cleanshutdown'))
    const { text, stderr } = vltavaOk(['consume', topic, '--data', data])
    expect(text).toBe(accessLog(10))
    expect(stderr).toMatch(/^vltava: recovery: .*00000000000000000000\.log: byte \d+: .*: truncated\n$/)
  })
})

async function untilNotEmpty(path: string): Promise<void> {
  while (statSync(path).size === 0) await new Promise((resolve) => setImmediate(resolve))
}
