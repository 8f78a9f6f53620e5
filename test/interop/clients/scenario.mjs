/**
 * What the JavaScript clients share: the records they write, the way they say how a step ended.
 *
 * A client prints one JSON object a line, `{"step": NAME, "outcome": ...}`; README.md says what each step does. Only
 * what two brokers must agree on goes into an outcome.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

export const T0 = 1_700_000_000_000
export const PARTITIONS = 4
export const PER_ACKS = 100
export const ACKS = ['1', 'all', '0']
export const ACKS_NUMBERS = { 0: 0, 1: 1, all: -1 }
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
export const IDEMPOTENT_RECORDS = 100_000
export const TOPIC_CONFIGS = {
  'retention.ms': '-1',
  'segment.bytes': '1048576',
  'max.message.bytes': '200000',
  'cleanup.policy': 'delete',
}
export const BROKER_CONFIGS = [
  'auto.create.topics.enable',
  'compression.type',
  'group.max.session.timeout.ms',
  'group.min.session.timeout.ms',
  'log.cleanup.policy',
  'log.retention.hours',
  'log.segment.bytes',
  'message.max.bytes',
  'num.partitions',
  'offsets.retention.minutes',
]
/** Configurations no topic can have. */
export const BAD_CONFIGS = [
  { 'retention.ms': 'soon' },
  { 'no.such.config': '1' },
  { 'cleanup.policy': 'burn' },
  { 'segment.bytes': '1' },
]
export const ILLEGAL_NAMES = ['a b', '..', '.', 'a/b', 'x'.repeat(250), 'caf\u00e9']
export const TIMES = { before: 1, exact: T0 + 40_000, between: T0 + 40_001, after: T0 + 10 ** 9 }
const WAIT_MS = 30_000

/** Record n of a codec's topic; n counts through all acks. Header names are unique: maps have no other. */
export function makeRecord(codec, n) {
  const i = n % PER_ACKS
  let value = Buffer.from(`value-${codec}-${n}-${'x'.repeat(3 * i)}`)
  if (i % 13 === 0) value = Buffer.alloc(0)
  if (i % 11 === 0) value = null
  return {
    partition: n % PARTITIONS,
    timestamp: T0 + n * 1000,
    key: i % 7 === 0 ? null : Buffer.from(`key-${i % 10}`),
    value,
    headers: i % 5 === 0 ? [] : [['h1', Buffer.from(`a${n}`)], ['empty', Buffer.alloc(0)]], // prettier-ignore
  }
}

export function text(value) {
  return value === null || value === undefined ? null : Buffer.from(value).toString('hex')
}

export function headersText(headers) {
  return headers.map(([name, value]) => [String(name), text(value)])
}

/**
 * @param {string} codec
 * @param {{ partition: number, offset: number, timestamp: number, key: Buffer | null, value: Buffer | null,
 *   headers: [string, Buffer | null][] }[]} consumed
 * @param {(record: ReturnType<typeof makeRecord>) => object} [asRead] what this client can tell of a record
 */
export function codecOutcome(codec, consumed, asRead = (record) => record) {
  const byPartition = new Map()
  for (const record of [...consumed].sort((a, b) => a.partition - b.partition || a.offset - b.offset)) {
    if (!byPartition.has(record.partition)) byPartition.set(record.partition, [])
    byPartition.get(record.partition).push(record)
  }
  let wrong = 0
  const partitions = {}
  for (const [partition, records] of byPartition) {
    const lines = records.map(lineOf)
    lines.forEach((line, position) => {
      // Partition p has the records p, p + 4, p + 8, ... in the order written.
      const expected = asRead(makeRecord(codec, partition + position * PARTITIONS))
      if (line === lineOf({ ...expected, offset: position })) return
      if (++wrong <= 3) console.error(`${codec}: expected ${lineOf({ ...expected, offset: position })}, have ${line}`)
    })
    const digest = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16)
    partitions[partition] = { first: records[0].offset, last: records.at(-1).offset, digest }
  }
  return { records: consumed.length, wrong, partitions }
}

function lineOf({ partition, offset, timestamp, key, value, headers }) {
  return JSON.stringify([partition, offset, timestamp, text(key), text(value), headersText(headers)])
}

/** @param {{ partition: number, offset: number, number: number }[]} consumed as they came */
export function idempotentOutcome(consumed) {
  const last = new Map()
  const seen = new Set()
  let unordered = 0
  for (const { partition, offset, number } of consumed) {
    const before = last.get(partition)
    if (before !== undefined && (number <= before.number || offset !== before.offset + 1)) unordered++
    last.set(partition, { offset, number })
    seen.add(number)
  }
  const lastOffsets = Object.fromEntries([...last].sort().map(([partition, { offset }]) => [partition, offset]))
  return { records: consumed.length, distinct: seen.size, unordered, lastOffsets }
}

/** First and last offset of each partition. @param {{ partition: number, offset: number }[]} acked */
export function offsetRanges(acked) {
  const ranges = {}
  for (const { partition, offset } of [...acked].sort((a, b) => a.partition - b.partition)) {
    const [first, last] = ranges[partition] ?? [offset, offset]
    ranges[partition] = [Math.min(first, offset), Math.max(last, offset)]
  }
  return ranges
}

export function say(line) {
  process.stdout.write(JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? Number(value) : value)) + '\n')
}

/**
 * Runs a step; one that throws is told by its error's name.
 * @param {(error: any) => string} errorName
 */
export function makeSteps(errorName) {
  return {
    async step(name, run) {
      const startedMs = performance.now()
      let outcome
      try {
        outcome = (await run()) ?? 'ok'
      } catch (error) {
        console.error(`${name}: ${error?.stack ?? error}`)
        outcome = { error: errorName(error) }
      }
      say({ step: name, outcome, seconds: Number(((performance.now() - startedMs) / 1000).toFixed(2)) })
    },
    /** For a step of several calls: 'ok', or the error's name. */
    async outcomeOf(run) {
      try {
        await run()
        return 'ok'
      } catch (error) {
        console.error(String(error?.message ?? error))
        return errorName(error)
      }
    },
  }
}

/** Metadata spreads: both brokers may need a moment until a change is seen. */
export async function until(condition, what, waitMs = WAIT_MS) {
  const deadline = performance.now() + waitMs
  for (;;) {
    const result = await condition()
    if (result !== false && result !== undefined && result !== null) return result
    if (performance.now() > deadline) throw new Error(`no ${what} within ${waitMs} ms`)
    await sleep(50)
  }
}

/** @returns {Promise<void>} settles when the process is asked to end */
export function asked() {
  return new Promise((resolve) => process.once('SIGTERM', () => resolve()))
}

/** Runs the verb of the command line. */
export async function main({ scenario, member, fill }) {
  const [verb, bootstrap, ...args] = process.argv.slice(2)
  if (verb === 'scenario') await scenario(bootstrap, args[0])
  else if (verb === 'member') await member(bootstrap, args[0], args[1], args[2])
  else await fill(bootstrap, args[0], Number(args[1]), Number(args[2]))
}
