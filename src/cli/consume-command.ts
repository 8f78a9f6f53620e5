/**
 * `vltava consume TOPIC`: records to stdout, as fast as stdout takes them. @hot
 *
 * Values are copied from the mapped segment into one output buffer, nothing is made per record. Without --follow the
 * command ends where each partition ended when it began.
 */
import { realEnv } from '../base/env/real-env.ts'
import { parseIsoTime } from '../base/env/wall-time.ts'
import { OffsetOutOfRangeError } from '../base/errors.ts'
import type { Consumer, Log, PartitionCommit, StartPosition, TopicDescription, TopicPartition } from '../index.ts'
import { ByteSink } from './byte-sink.ts'
import {
  type Arguments,
  type Command,
  type CommandContext,
  EXIT_OK,
  LOG_OPTIONS,
  parseArguments,
  parseInteger,
  UsageError,
} from './command.ts'
import { formatBytes, formatDuration, formatRate, plural } from './format-units.ts'
import { checkPartition, describeKnownTopic } from './known-topic.ts'
import { logPlace, withLog } from './open-log.ts'
import { Progress, writeLine } from './output.ts'
import { compileFormat, printJson, type RecordPrinter } from './record-format.ts'

const PARTITION_MAX = 0x7fff_ffff
const DEFAULT_FORMAT = '%v\\n'
/** With --follow: records wait no longer than this for more to be written with them. */
const FOLLOW_FLUSH_MS = 20
/** With --group: how often what was printed is committed. */
const COMMIT_MS = 1000

export const consumeCommand: Command = {
  name: 'consume',
  summary: 'print the records of a topic',
  usage: `vltava consume TOPIC --data DIR [options]

Prints records, by default their values, one on a line. Order holds within a partition.

  --from WHERE          where to begin: start (default), end, an OFFSET, or a time: an ISO date
                        (2026-01-31, 2026-01-31T12:00:00Z) or @ and milliseconds since 1970
  --partition P         this partition only (default: all)
  --group G             as a member of the consumer group G: goes on where the group is, and commits what is
                        printed; --from start or end says where a group without offsets begins
  --max N               stop after N records
  --follow              go on with what is appended from now on, until Ctrl-C
  --format F            how a record is printed (default '${DEFAULT_FORMAT}'):
                          %t topic   %p partition   %o offset   %T timestamp in ms
                          %k key   %v or %s value   %h headers   %K %S length of key and value (-1: null)
                          %% percent sign   \\n \\t \\r \\0 \\\\ \\xHH
  --json                one object on a line: topic, partition, offset, timestamp, key, value, headers;
                        bytes that are not UTF-8 as {"base64": ...}
  --data DIR            the data directory; one program has it open at a time
  --brokers HOST:PORT   instead: brokers of a running cluster (Vltava or Apache Kafka), joined by commas
  -h, --help            this text

Examples:
  vltava consume clicks --from 2026-01-31T12:00:00Z --max 10 --format '%p %o %k %v\\n' --data ./data
  vltava consume clicks --partition 0 --data ./data > clicks.txt`,

  async run(context) {
    const args = parseArguments(
      context.args,
      {
        ...LOG_OPTIONS,
        from: { type: 'string' },
        partition: { type: 'string' },
        group: { type: 'string' },
        max: { type: 'string' },
        follow: { type: 'boolean' },
        format: { type: 'string' },
      },
      ['TOPIC'],
    )
    const place = logPlace(args)
    const wanted = readWanted(args)
    await withLog(place, context, async (log) => {
      const description = await describeKnownTopic(log, wanted.topic, place)
      checkPartition(description, wanted.partition)
      await consume(log, description, wanted, context)
    })
    // Ctrl-C is how --follow ends; otherwise it has cut the output short.
    if (!wanted.isFollowing) context.signal.throwIfAborted()
    return EXIT_OK
  },
}

interface Wanted {
  readonly topic: string
  readonly partition: number | undefined
  readonly group: string | undefined
  readonly from: StartPosition
  readonly countMax: number
  readonly isFollowing: boolean
  readonly print: RecordPrinter
}

function readWanted(args: Arguments): Wanted {
  const format = args.text('format')
  if (args.json && format !== undefined) throw new UsageError('--json and --format exclude each other')
  const group = args.text('group')
  const from = args.text('from')
  if (group !== undefined && args.text('partition') !== undefined) {
    throw new UsageError('--group and --partition exclude each other: the group says who reads which partition')
  }
  if (group !== undefined && ![undefined, 'start', 'end'].includes(from)) {
    throw new UsageError("with --group, --from is start or end; 'vltava group seek' moves a group to another place")
  }
  return {
    group,
    topic: args.positionals[0]!,
    partition: args.integer('partition', 0, PARTITION_MAX),
    from: parseStart(args.text('from') ?? 'start'),
    countMax: args.integer('max', 0) ?? Number.POSITIVE_INFINITY,
    isFollowing: args.flag('follow'),
    print: args.json ? printJson : compileFormat(format ?? DEFAULT_FORMAT),
  }
}

/** `start`, `end`, an offset, `@ms` or an ISO time, as `option` has it. Throws UsageError. */
export function parseStart(text: string, option = '--from'): StartPosition {
  if (text === 'start' || text === 'end') return text
  if (/^@\d+$/.test(text)) return { timestamp: parseInteger(text.slice(1), `${option} @ms`, 0) }
  if (/^\d+$/.test(text)) return parseInteger(text, option, 0)
  const timestamp = parseIsoTime(text)
  if (timestamp !== undefined && timestamp >= 0) return { timestamp }
  throw new UsageError(`${option} is start, end, an offset, an ISO date (2026-01-31T12:00:00Z) or @ms, not '${text}'`)
}

async function consume(
  log: Log,
  description: TopicDescription,
  wanted: Wanted,
  context: CommandContext,
): Promise<void> {
  const consumer = await consumerFor(log, description, wanted)
  const progress = context.stdout.isTTY === true ? undefined : new Progress(context.stderr)
  const startMs = realEnv.clock.monotonicMs()
  const sink = new ByteSink(context.stdout)
  let count: number
  try {
    count = await copyRecords(consumer, wanted, sink, context.signal, (records) => {
      progress?.update(() => describeRate(records, sink.flushedBytes, realEnv.clock.monotonicMs() - startMs))
    })
  } finally {
    progress?.end()
    await consumer.close()
  }
  if (context.stderr.isTTY === true && progress !== undefined) {
    const elapsedMs = realEnv.clock.monotonicMs() - startMs
    await writeLine(context.stderr, describeRate(count, sink.flushedBytes, elapsedMs))
  }
}

async function consumerFor(log: Log, description: TopicDescription, wanted: Wanted): Promise<Consumer> {
  const { topic, partition, from, group } = wanted
  if (group !== undefined) {
    // Commits are this command's: what is printed is committed, what is only read is not.
    const member = log.consumer({ group, autoCommit: false, from: from === 'end' ? 'latest' : 'earliest' })
    await member.subscribe([topic])
    return member
  }
  checkStart(description, wanted)
  const consumer = log.consumer()
  const asked = partition === undefined ? description.partitions : [{ partition, highWatermark: Infinity }]
  await consumer.assign(
    asked.map((each) => {
      // Some partitions may end before an offset that others have: nothing of theirs is printed.
      const offset = typeof from === 'number' ? Math.min(from, each.highWatermark) : from
      return { topic, partition: each.partition, offset }
    }),
  )
  return consumer
}

/** An offset beyond the end would give nothing, in silence. */
function checkStart({ topic, partitions }: TopicDescription, { from, partition }: Wanted): void {
  if (typeof from !== 'number') return
  const asked = partition === undefined ? partitions : partitions.slice(partition, partition + 1)
  const latest = asked.reduce((a, b) => (b.highWatermark > a.highWatermark ? b : a))
  if (from <= latest.highWatermark) return
  const where = `${topic}-${latest.partition}`
  throw new OffsetOutOfRangeError(where, from, latest.logStartOffset, latest.highWatermark)
}

/** Resolves with the number of records printed. */
async function copyRecords(
  consumer: Consumer,
  { group, countMax, isFollowing, print }: Wanted,
  sink: ByteSink,
  signal: AbortSignal,
  onProgress: (count: number) => void,
): Promise<number> {
  const flusher = new FollowFlusher(sink)
  const printed = group === undefined ? undefined : new PrintedOffsets(consumer, sink)
  let count = 0
  if (countMax === 0) return 0
  try {
    for await (const batch of consumer.batches(isFollowing ? { signal } : { signal, until: 'end' })) {
      await flusher.settled()
      // A batch may begin before the offset that was asked for.
      const firstDelta = batch.firstOffset - batch.baseOffset
      const cursor = batch.cursor()
      while (count < countMax && cursor.next()) {
        if (cursor.offsetDelta < firstDelta) continue
        print(sink, batch, cursor)
        count += 1
        if (sink.isFull) await sink.flush()
      }
      await printed?.note(batch, count >= countMax ? batch.baseOffset + cursor.offsetDelta + 1 : batch.lastOffset + 1)
      if (count >= countMax || signal.aborted) break
      onProgress(count)
      if (isFollowing) flusher.soon()
    }
  } finally {
    // What was read before damage, say, is printed all the same.
    await flusher.settled()
    await sink.flush()
    await printed?.commit()
  }
  return count
}

/** With --group: how far what is printed goes in each partition. Committed every so often, and at the end. */
class PrintedOffsets {
  readonly #consumer: Consumer
  readonly #sink: ByteSink
  #offsets = new Map<number, PartitionCommit>()
  #committedMs = realEnv.clock.monotonicMs()

  constructor(consumer: Consumer, sink: ByteSink) {
    this.#consumer = consumer
    this.#sink = sink
  }

  async note({ topic, partition }: TopicPartition, offset: number): Promise<void> {
    this.#offsets.set(partition, { topic, partition, offset })
    if (realEnv.clock.monotonicMs() - this.#committedMs < COMMIT_MS) return
    await this.#sink.flush()
    await this.commit()
  }

  /** Of what is flushed. */
  async commit(): Promise<void> {
    // Partitions that went to another member meanwhile are that member's to commit.
    const owned = new Set(this.#consumer.assignment().map(({ partition }) => partition))
    const offsets = [...this.#offsets.values()].filter(({ partition }) => owned.has(partition))
    this.#offsets = new Map()
    this.#committedMs = realEnv.clock.monotonicMs()
    if (offsets.length > 0) await this.#consumer.commit(offsets)
  }
}

/** With --follow: what was printed is written soon, even if nothing more comes. */
class FollowFlusher {
  readonly #sink: ByteSink
  #isArmed = false
  #writing: Promise<void> = Promise.resolve()

  constructor(sink: ByteSink) {
    this.#sink = sink
  }

  soon(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    realEnv.timers.after(FOLLOW_FLUSH_MS, () => {
      this.#isArmed = false
      this.#writing = this.#sink.flush()
      // A failure is reported where settled() is awaited, which may be later.
      void this.#writing.then(undefined, () => undefined)
    })
  }

  /** Resolves when no flush is under way: the sink may be appended to. */
  settled(): Promise<void> {
    return this.#writing
  }
}

function describeRate(count: number, bytes: number, elapsedMs: number): string {
  const perSecond = elapsedMs > 0 ? 1000 / elapsedMs : 0
  const rates = `${formatRate(count * perSecond)} records/s, ${formatBytes(bytes * perSecond)}/s`
  return count === 0
    ? 'no records'
    : `${plural(count, 'record')}, ${formatBytes(bytes)} in ${formatDuration(elapsedMs)}: ${rates}`
}
