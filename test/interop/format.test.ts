/**
 * Apache Kafka judges the file formats, both ways. Run by `npm run test:interop`, not by `npm test`: it needs Java and
 * Kafka's jars (scripts/interop-jars.mjs). What cannot run is left out loudly; INTEROP_REQUIRED=1 makes that a failure.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  available,
  createTopic,
  dumpLogSegments,
  parseDump,
  partitionFiles,
  readBack,
  startBroker,
  writeFixtures,
} from './kafka/kafka-tools.mjs'
import { oddPlan, rollingPlan } from './plans.mjs'
import { appendWithVltava, readWithVltava, vltavaAvailable, writeWithVltava } from './vltava-adapter.mjs'

type ReadRecord = Awaited<ReturnType<typeof readBack>>[number]
type PlainRecord = Awaited<ReturnType<typeof readWithVltava>>[number]
type Plan = ReturnType<typeof oddPlan>

const TIMEOUT_MS = 180_000
const SEED = Number(process.env['SEED'] ?? 20260)
const WRITTEN_BY_KAFKA = ['codecs', 'edges', 'rolled', 'log-append', 'txn', 'open-txn', 'trimmed', 'compacted', 'empty']
const FAST_CLEANER = { 'log.cleaner.backoff.ms': '100' }

const kafka = available()
const vltava = await vltavaAvailable()
const leftOut: string[] = []

function unless(ok: boolean, what: string, reason: string): boolean {
  if (ok) return true
  leftOut.push(what)
  const block = `\n${'='.repeat(100)}\nLEFT OUT: ${what}\n     why: ${reason}\n${'='.repeat(100)}\n`
  if (process.env['INTEROP_REQUIRED'] === '1') throw new Error(block)
  console.warn(block)
  return false
}

const hasKafka = unless(kafka.ok, 'every check against Apache Kafka', kafka.reason)
const hasVltava = unless(vltava.ok, 'both checks of Vltava against Apache Kafka', vltava.reason)

// Said while the file is read: no hook runs when every test is skipped.
console.warn(leftOut.length === 0 ? 'interop: nothing LEFT OUT' : `interop: LEFT OUT: ${leftOut.join('; ')}`)

const work = hasKafka ? mkdtempSync(join(tmpdir(), 'vltava-interop-')) : ''
afterAll(() => {
  if (work !== '') rmSync(work, { recursive: true, force: true })
})

/** What both sides can say of a record. */
function plain({ partition, offset, timestamp, key, value, headers }: ReadRecord): PlainRecord {
  return { partition, offset, timestamp, key, value, headers }
}

/** Everything Kafka's dump tool finds wrong in the partitions of `topic`. Opening an index may create one: a copy. */
async function complaintsAbout(dataDir: string, topic: string): Promise<string[]> {
  const copy = mkdtempSync(join(work, 'dump-'))
  cpSync(dataDir, copy, { recursive: true })
  const isTopic = (name: string): boolean => name.slice(0, name.lastIndexOf('-')) === topic
  const files = (suffix: string): string[] => partitionFiles(copy, suffix, isTopic)
  const indexes = [...files('.index'), ...files('.timeindex')]
  const others = [...files('.log'), ...files('.snapshot'), ...files('.txnindex')]
  expect(files('.index'), 'every segment has an offset index').toHaveLength(files('.log').length)
  expect(files('.timeindex'), 'every segment has a time index').toHaveLength(files('.log').length)

  const outputs = [
    await dumpLogSegments(others, { printData: true }),
    await dumpLogSegments(indexes, { indexSanityCheck: true }),
    await dumpLogSegments(indexes, { verifyIndexOnly: true }),
  ]
  rmSync(copy, { recursive: true, force: true })
  const found = outputs.flatMap(({ output }) => parseDump(output).complaints)
  const exits = outputs.filter(({ exitCode }) => exitCode !== 0).map(({ output }) => `exit status not 0:\n${output}`)
  return [...found.map(({ kind, text }) => `${kind}: ${text}`), ...exits]
}

/** The records of a topic as the dump tool prints them, control records left out; header values are not printed. */
async function dumpedRecords(dataDir: string, topic: string): Promise<Omit<PlainRecord, 'headers'>[]> {
  const records: Omit<PlainRecord, 'headers'>[] = []
  for (const name of readdirSync(dataDir).sort()) {
    if (name.slice(0, name.lastIndexOf('-')) !== topic) continue
    const partition = Number(name.slice(topic.length + 1))
    const { output } = await dumpLogSegments(
      partitionFiles(dataDir, '.log', (dir) => dir === name),
      { printData: true },
    )
    for (const batch of parseDump(output).batches) {
      if (batch.isControl) continue
      for (const { offset, timestamp, key, value } of batch.records) {
        records.push({ partition, offset, timestamp, key, value })
      }
    }
  }
  return records
}

/**
 * The strongest proof: a real broker on somebody else's partition directories. The broker makes the topic, stops; its
 * directories are replaced, but for the topic id; it starts again and its own consumer reads. `unclean` removes the
 * clean-shutdown marker first, so that Kafka scans every batch and rebuilds the indexes.
 */
async function servedByKafka(
  dataDir: string,
  topic: string,
  partitions: number,
  start: 'clean' | 'unclean',
  configs: Record<string, string> = { 'retention.ms': '-1' },
): Promise<{ records: ReadRecord[]; log: string }> {
  const dir = mkdtempSync(join(work, 'served-'))
  const first = await startBroker({ dir })
  await createTopic(first, topic, partitions, configs)
  await first.stop()
  for (let p = 0; p < partitions; p++) {
    const target = join(first.dataDir, `${topic}-${p}`)
    const metadata = readFileSync(join(target, 'partition.metadata'))
    rmSync(target, { recursive: true })
    cpSync(join(dataDir, `${topic}-${p}`), target, { recursive: true })
    writeFileSync(join(target, 'partition.metadata'), metadata)
  }
  if (start === 'unclean') rmSync(join(first.dataDir, '.kafka_cleanshutdown'))
  const second = await startBroker({ dir })
  const records = await readBack(second, [topic])
  const log = second.log()
  await second.stop()
  return { records, log }
}

/** Lines in which a starting broker says that a file was not as it should be. */
function recoveryComplaints(log: string): string[] {
  return log
    .split('\n')
    .filter((line) => /^\[(WARN|ERROR)\]/.test(line) || /corrupt|truncat|not found|invalid|stray/i.test(line))
    .filter((line) => /LogLoader|UnifiedLog|LogSegment|LogManager|ProducerState|LocalLog|LeaderEpoch|Index/.test(line))
    .filter((line) => !/__cluster_metadata|Truncating to offset 0$/.test(line))
}

describe.skipIf(!hasKafka)('the oracle itself', () => {
  const dir = join(work, 'kafka-own')
  let dataDir = ''
  let records: ReadRecord[] = []

  beforeAll(async () => {
    const broker = await startBroker({ dir, config: FAST_CLEANER })
    await writeFixtures(broker)
    records = await readBack(broker, WRITTEN_BY_KAFKA)
    dataDir = broker.dataDir
    await broker.stop()
  }, TIMEOUT_MS)

  it.each(WRITTEN_BY_KAFKA.filter((topic) => topic !== 'compacted'))(
    "has no complaint about Kafka's own %s",
    async (topic) => {
      expect(await complaintsAbout(dataDir, topic)).toEqual([])
    },
    TIMEOUT_MS,
  )

  it(
    'complains about a compacted log only of its holes',
    async () => {
      const found = await complaintsAbout(dataDir, 'compacted')
      expect(found.length).toBeGreaterThan(0)
      expect(found.filter((text) => !text.startsWith('non-consecutive offsets: '))).toEqual([])
    },
    TIMEOUT_MS,
  )

  it(
    'dumps the records that the consumer reads',
    async () => {
      for (const topic of ['codecs', 'edges', 'txn', 'compacted']) {
        const read = records.filter((record) => record.topic === topic)
        const dumped = read.map(({ partition, offset, timestamp, key, value }) => ({
          partition,
          offset,
          timestamp,
          key,
          value,
        }))
        expect(await dumpedRecords(dataDir, topic)).toEqual(dumped)
      }
    },
    TIMEOUT_MS,
  )

  it.each([
    ['a flipped byte in a batch', '00000000000000000000.log', 200, 'invalid batch'],
    ['an index entry with a wrong offset', '00000000000000000000.index', 11, 'offset index mismatch'],
    ['a time index entry with a wrong timestamp', '00000000000000000000.timeindex', 7, 'timestamp mismatch'],
    ['a time index entry with a wrong offset', '00000000000000000000.timeindex', 11, 'indexed offset not found'],
  ])(
    'complains about %s',
    async (_what, file, position, kind) => {
      const copy = mkdtempSync(join(work, 'damaged-'))
      cpSync(join(dataDir, 'rolled-0'), join(copy, 'rolled-0'), { recursive: true })
      const path = join(copy, 'rolled-0', file)
      const bytes = readFileSync(path)
      bytes[position] = (bytes[position] ?? 0) ^ 1
      writeFileSync(path, bytes)
      const found = await complaintsAbout(copy, 'rolled')
      expect(found.map((text) => text.slice(0, text.indexOf(':')))).toContain(kind)
    },
    TIMEOUT_MS,
  )

  it.each(['clean', 'unclean'] as const)(
    'serves directories that it did not write itself (%s start)',
    async (start) => {
      const { records: served, log } = await servedByKafka(dataDir, 'txn', 2, start)
      expect(served).toEqual(records.filter((record) => record.topic === 'txn'))
      expect(recoveryComplaints(log)).toEqual([])
    },
    TIMEOUT_MS,
  )

  it(
    'hears a starting broker complain about a damaged batch',
    async () => {
      const copy = mkdtempSync(join(work, 'damaged-'))
      for (const name of ['txn-0', 'txn-1']) cpSync(join(dataDir, name), join(copy, name), { recursive: true })
      const path = partitionFiles(copy, '.log', (name) => name === 'txn-0').at(-1)!
      const bytes = readFileSync(path)
      bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 1
      writeFileSync(path, bytes)
      const { records: served, log } = await servedByKafka(copy, 'txn', 2, 'unclean')
      expect(served).not.toEqual(records.filter((record) => record.topic === 'txn'))
      expect(recoveryComplaints(log).join('\n')).toContain('Corruption found in segment')
    },
    TIMEOUT_MS,
  )
})

describe.skipIf(!hasKafka || !hasVltava)('Kafka reads what Vltava wrote', () => {
  const plans: Plan[] = [oddPlan(SEED), rollingPlan(SEED)]
  const written = new Map<string, { dir: string; expected: PlainRecord[] }>()

  beforeAll(async () => {
    console.log(`SEED=${SEED}`)
    for (const plan of plans) {
      const dir = mkdtempSync(join(work, 'vltava-'))
      written.set(plan.topic, { dir, expected: await writeWithVltava(dir, plan) })
    }
  }, TIMEOUT_MS)

  describe.each(plans)('topic $topic', ({ topic, partitions }) => {
    it(
      'has no complaint about any file, and dumps the same records',
      async () => {
        const { dir, expected } = written.get(topic)!
        expect(await complaintsAbout(dir, topic)).toEqual([])
        const dumped = expected.map(({ headers: _headers, ...record }) => record)
        expect(await dumpedRecords(dir, topic)).toEqual(dumped)
      },
      TIMEOUT_MS,
    )

    it.each(['clean', 'unclean'] as const)(
      'serves the directories to its own consumer (%s start)',
      async (start) => {
        const { dir, expected } = written.get(topic)!
        const { records, log } = await servedByKafka(dir, topic, partitions, start)
        expect(records.map(plain)).toEqual(expected)
        expect(recoveryComplaints(log)).toEqual([])
      },
      TIMEOUT_MS,
    )
  })

  it('leaves nothing in a closed .log but batches, and no more than the batches', () => {
    for (const { dir } of written.values()) {
      for (const path of partitionFiles(dir, '.log')) {
        const bytes = readFileSync(path)
        let end = 0
        while (end + 61 <= bytes.length) end += 12 + bytes.readInt32BE(end + 8)
        expect(end, path).toBe(bytes.length)
      }
    }
  })

  it('rolled, so that closed segments were judged too', () => {
    const { dir } = written.get('rolling')!
    expect(partitionFiles(dir, '.log').length).toBeGreaterThan(2)
  })
})

describe.skipIf(!hasKafka || !hasVltava)('after SIGKILL of Vltava', () => {
  const topic = 'killed'
  let dir = ''
  let recovered = ''
  let expected: PlainRecord[] = []

  beforeAll(async () => {
    dir = mkdtempSync(join(work, 'vltava-killed-'))
    recovered = mkdtempSync(join(work, 'vltava-recovered-'))
    const writer = spawn(process.execPath, ['test/interop/killed-writer.mjs', dir, topic], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(writer.stdout, 'data')
    writer.kill('SIGKILL')
    await once(writer, 'exit')
    cpSync(dir, recovered, { recursive: true })
    expected = await readWithVltava(recovered, topic)
  }, TIMEOUT_MS)

  it('every acknowledged record is there, over several segments', () => {
    expect(expected.length).toBeGreaterThanOrEqual(4000)
    expect(partitionFiles(dir, '.log').length).toBeGreaterThan(8)
  })

  it(
    'the recovered directory has no complaint about any file, and dumps the same records',
    async () => {
      expect(await complaintsAbout(recovered, topic)).toEqual([])
      const dumped = expected.map(({ headers: _headers, ...record }) => record)
      expect(await dumpedRecords(recovered, topic)).toEqual(dumped)
    },
    TIMEOUT_MS,
  )

  it.each(['clean', 'unclean'] as const)(
    'a broker serves the recovered directory (%s start)',
    async (start) => {
      const { records, log } = await servedByKafka(recovered, topic, 2, start)
      expect(records.map(plain)).toEqual(expected)
      expect(recoveryComplaints(log)).toEqual([])
    },
    TIMEOUT_MS,
  )

  it(
    'a broker recovers the directory as it was left, to the same records',
    async () => {
      const { records } = await servedByKafka(dir, topic, 2, 'unclean')
      expect(records.map(plain)).toEqual(expected)
    },
    TIMEOUT_MS,
  )
})

/** The whole data directory in place, with its checkpoints and its marker, and not one partition at a time. */
describe.skipIf(!hasKafka || !hasVltava)('Kafka and Vltava take turns on one directory', () => {
  it.each(['stop', 'kill'] as const)(
    'and each finds all records of both, after a broker ended by %s',
    async (end) => {
      const dir = mkdtempSync(join(work, `turns-${end}-`))
      const first = await startBroker({ dir })
      await writeFixtures(first, ['txn', 'rolled', 'trimmed', 'codecs'])
      await first[end]()

      const appended = await appendWithVltava(first.dataDir, ['txn', 'rolled', 'trimmed', 'codecs'])
      const second = await startBroker({ dir })
      const seen = await readBack(second, ['txn', 'rolled', 'trimmed', 'codecs'])
      expect(recoveryComplaints(second.log())).toEqual([])
      for (const { topic, partition, offset, value } of appended) {
        const found = seen.find(
          (each) => each.topic === topic && each.partition === partition && each.offset === offset,
        )
        expect(found, `${topic}-${partition} ${offset}`).toMatchObject({ value, committed: true })
      }
      // Kafka goes on where we ended: offsets, sequences and transactions.
      await writeFixtures(second, ['open-txn'])
      await second.stop()

      const copy = mkdtempSync(join(work, 'turns-read-'))
      cpSync(second.dataDir, copy, { recursive: true })
      for (const topic of ['txn', 'rolled', 'trimmed', 'codecs']) {
        const wanted = seen.filter((record) => record.topic === topic).map(plain)
        expect(await readWithVltava(copy, topic), topic).toEqual(wanted)
        expect(await complaintsAbout(copy, topic), topic).toEqual([])
      }
    },
    TIMEOUT_MS,
  )

  it(
    'and a producer state that Vltava has recovered from a killed broker ends no transaction too late',
    async () => {
      const dir = mkdtempSync(join(work, 'turns-state-'))
      const first = await startBroker({ dir })
      await writeFixtures(first, ['txn'])
      const before = await readBack(first, ['txn'])
      await first.kill()
      await readWithVltava(first.dataDir, 'txn')
      const second = await startBroker({ dir })
      // read_committed consumers see every committed record only if no transaction counts as open.
      expect(await readBack(second, ['txn'])).toEqual(before)
      await second.stop()
    },
    TIMEOUT_MS,
  )
})

describe.skipIf(!hasKafka || !hasVltava)('Vltava reads what Kafka wrote', () => {
  it.each(['stop', 'kill'] as const)(
    'the same records, after a broker ended by %s',
    async (end) => {
      const dir = mkdtempSync(join(work, `kafka-${end}-`))
      const broker = await startBroker({ dir, config: FAST_CLEANER })
      await writeFixtures(broker)
      let expected = await readBack(broker, WRITTEN_BY_KAFKA)
      await broker[end]()
      const left = mkdtempSync(join(work, 'left-'))
      cpSync(broker.dataDir, left, { recursive: true })
      if (end === 'kill') {
        // What a killed broker had served is not what its directory holds (it notes moved log starts once a minute):
        // Kafka itself says what it finds there.
        const restarted = await startBroker({ dir, config: FAST_CLEANER })
        expected = await readBack(restarted, WRITTEN_BY_KAFKA)
        await restarted.stop()
      }
      for (const topic of WRITTEN_BY_KAFKA) {
        const copy = mkdtempSync(join(work, 'read-'))
        cpSync(left, copy, { recursive: true })
        const wanted = expected.filter((record) => record.topic === topic).map(plain)
        expect(await readWithVltava(copy, topic), topic).toEqual(wanted)
        rmSync(copy, { recursive: true, force: true })
      }
    },
    TIMEOUT_MS,
  )

  it.each(['clean', 'unclean'] as const)(
    'and Kafka takes the directory back afterwards (%s start)',
    async (start) => {
      const broker = await startBroker({ dir: mkdtempSync(join(work, 'kafka-back-')) })
      await writeFixtures(broker, ['txn', 'rolled'])
      const expected = await readBack(broker, ['txn'])
      await broker.stop()
      await readWithVltava(broker.dataDir, 'txn')
      const { records, log } = await servedByKafka(broker.dataDir, 'txn', 2, start)
      expect(records).toEqual(expected)
      expect(recoveryComplaints(log)).toEqual([])
    },
    TIMEOUT_MS,
  )
})
