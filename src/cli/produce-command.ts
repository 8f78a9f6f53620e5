/**
 * `vltava produce TOPIC`: each line of stdin becomes a record. @hot
 *
 * Lines are views of the chunks that stdin gives, and append() encodes them into the ring: no copy, no string and no
 * promise for a record. When no memory is free the command stops reading, and the writer of the pipe waits.
 */
import { realEnv } from '../base/env/real-env.ts'
import { VltavaError } from '../base/errors.ts'
import type { Log, Producer } from '../index.ts'
import {
  type Arguments,
  type Command,
  CommandFailed,
  type CommandContext,
  EXIT_OK,
  LOG_OPTIONS,
  parseArguments,
  UsageError,
} from './command.ts'
import { formatBytes, formatCount, formatDuration, formatRate, plural } from './format-units.ts'
import { checkPartition, describeKnownTopic } from './known-topic.ts'
import { LineSplitter } from './line-splitter.ts'
import { LOG_OPTIONS_HELP, logPlace, withLog } from './open-log.ts'
import { Progress, writeJson, writeLine } from './output.ts'
import { parseEscapes } from './record-format.ts'

const PARTITION_MAX = 0x7fff_ffff
const LINGER_MS_MAX = 0x7fff_ffff
const BATCH_BYTES_MIN = 1024
const BATCH_BYTES_MAX = 16 << 20
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

type AcksWord = '0' | '1' | 'all'
const DURABILITY = { '0': 'none', '1': 'stable', all: 'committed' } as const
const MEANING: Readonly<Record<AcksWord, string>> = {
  '0': 'handed over, nothing acknowledged',
  '1': 'acknowledged when written to the page cache (survives the death of the process)',
  all: 'acknowledged when on the disk (survives a power cut)',
}
const MEANING_ON_BROKERS: Readonly<Record<AcksWord, string>> = {
  '0': 'handed over, nothing acknowledged',
  '1': 'acknowledged when the leader had written it',
  all: 'acknowledged when all in-sync replicas had it',
}

export const produceCommand: Command = {
  name: 'produce',
  summary: 'append lines from stdin to a topic',
  usage: `vltava produce TOPIC --data DIR [options] < LINES

Each line of stdin becomes a record: its bytes up to \\n, whatever they are; \\r stays. An empty line is a record
with an empty value, and a last line without \\n counts.

  --key-separator S     what comes before the first S in a line is the key; a line without S has no key. Escapes as \\t
  --partition P         all to partition P (default: by key, and without a key to each in turn, a batch at a time)
  --acks 0|1|all        when a record counts as accepted: all (default) on the disk, 1 in the page cache, 0 handed over
  --compression C       none (default), gzip, snappy, lz4 or zstd
  --linger MS           how long a batch waits for more records (default 5)
  --batch-bytes B       bytes of a batch (default 262144)
${LOG_OPTIONS_HELP}

Examples:
  vltava produce clicks --data ./data < clicks.txt
  tail -F access.log | vltava produce access-log --acks 1 --data ./data
  vltava produce users --key-separator '\\t' --compression zstd --data ./data < users.tsv`,

  async run(context) {
    const args = parseArguments(
      context.args,
      {
        ...LOG_OPTIONS,
        'key-separator': { type: 'string' },
        partition: { type: 'string' },
        acks: { type: 'string' },
        compression: { type: 'string' },
        linger: { type: 'string' },
        'batch-bytes': { type: 'string' },
      },
      ['TOPIC'],
    )
    const place = logPlace(args)
    const wanted = readWanted(args)
    await withLog(place, context, async (log) => {
      checkPartition(await describeKnownTopic(log, wanted.topic, place), wanted.partition)
      await produce(log, wanted, 'brokers' in place ? MEANING_ON_BROKERS : MEANING, context)
    })
    return EXIT_OK
  },
}

interface Wanted {
  readonly topic: string
  readonly isJson: boolean
  readonly separator: Buffer | undefined
  readonly partition: number | undefined
  readonly acks: AcksWord
  readonly compression: (typeof CODECS)[number]
  readonly linger: number | undefined
  readonly batchBytes: number | undefined
}

function readWanted(args: Arguments): Wanted {
  const separator = args.text('key-separator')
  if (separator === '') throw new UsageError('--key-separator is empty')
  return {
    topic: args.positionals[0]!,
    isJson: args.json,
    separator: separator === undefined ? undefined : parseEscapes(separator, '--key-separator'),
    partition: args.integer('partition', 0, PARTITION_MAX),
    acks: args.choice('acks', ['0', '1', 'all']) ?? 'all',
    compression: args.choice('compression', CODECS) ?? 'none',
    linger: args.integer('linger', 0, LINGER_MS_MAX),
    batchBytes: args.integer('batch-bytes', BATCH_BYTES_MIN, BATCH_BYTES_MAX),
  }
}

async function produce(
  log: Log,
  wanted: Wanted,
  meaning: Readonly<Record<AcksWord, string>>,
  context: CommandContext,
): Promise<void> {
  const { stdin, stderr, stdout, signal } = context
  const run = new ProduceRun(log, wanted)
  const progress = new Progress(stderr)
  if (stdin.isTTY === true && stderr.isTTY === true) {
    await writeLine(stderr, 'vltava: each line you type becomes a record; Ctrl-D ends')
  }
  const startMs = realEnv.clock.monotonicMs()
  const elapsed = (): number => realEnv.clock.monotonicMs() - startMs
  const endOfInput = (): void => void stdin.destroy()
  signal.addEventListener('abort', endOfInput)
  let failure: unknown
  try {
    await run.copyLines(stdin, signal, () => progress.update(() => run.describe(elapsed())))
  } catch (error) {
    // Whatever stopped the reading: what was read is on its way, and is counted below.
    failure = signal.aborted ? signal.reason : error
  }
  signal.removeEventListener('abort', endOfInput)
  await run.finish()
  progress.end()
  failure ??= run.failure
  if (failure !== undefined) {
    await writeLine(stderr, `vltava: ${run.describeAcknowledged()}`)
    throw failure instanceof Error ? failure : new CommandFailed(String(failure))
  }
  if (wanted.isJson) await writeJson(stdout, run.summary(elapsed()))
  else await writeLine(stderr, `${run.describe(elapsed())}; acks=${wanted.acks}: ${meaning[wanted.acks]}`)
}

/** One run from the first line to the last acknowledgement. */
class ProduceRun {
  readonly #wanted: Wanted
  readonly #producer: Producer
  readonly #extras: { readonly partition: number } | undefined
  readonly #lines = new LineSplitter()
  #recordCount = 0
  #bytes = 0
  #failedCount = 0
  /** The first of batches that were refused. */
  failure: VltavaError | undefined

  constructor(log: Log, wanted: Wanted) {
    this.#wanted = wanted
    this.#extras = wanted.partition === undefined ? undefined : { partition: wanted.partition }
    this.#producer = log.producer({
      acks: wanted.acks === 'all' ? 'all' : wanted.acks === '1' ? 1 : 0,
      compression: wanted.compression,
      ...(wanted.linger === undefined ? {} : { linger: wanted.linger }),
      ...(wanted.batchBytes === undefined ? {} : { batchBytes: wanted.batchBytes }),
      onError: (error, { recordCount }) => {
        this.failure ??= error
        this.#failedCount += recordCount
      },
    })
  }

  /** Until the end of the input, an abort, or the first batch that is refused. Rejects with what append() throws. */
  async copyLines(stdin: NodeJS.ReadStream, signal: AbortSignal, onProgress: () => void): Promise<void> {
    for await (const chunk of stdin as AsyncIterable<Buffer>) {
      this.#lines.push(chunk)
      for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
        if (!this.#append(line)) await this.#appendWhenFree(line)
      }
      if (this.failure !== undefined || signal.aborted) break
      onProgress()
    }
    const last = signal.aborted ? undefined : this.#lines.last()
    if (last !== undefined && this.failure === undefined) await this.#appendWhenFree(last)
    signal.throwIfAborted()
  }

  async #appendWhenFree(line: Buffer): Promise<void> {
    while (!this.#append(line)) await this.#producer.drain()
  }

  #append(line: Buffer): boolean {
    const { topic, separator } = this.#wanted
    const at = separator === undefined ? -1 : line.indexOf(separator)
    const key = at < 0 ? null : line.subarray(0, at)
    const value = at < 0 ? line : line.subarray(at + separator!.length)
    try {
      if (!this.#producer.append(topic, value, key, this.#extras)) return false
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      throw new VltavaError(error.code, `line ${this.#lines.lineCount}: ${error.message}`, { cause: error })
    }
    this.#recordCount += 1
    this.#bytes += line.length
    return true
  }

  /** Resolves when everything that was appended is acknowledged or has failed. */
  async finish(): Promise<void> {
    try {
      await this.#producer.close()
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.failure ??= error
    }
  }

  describe(elapsedMs: number): string {
    const perSecond = elapsedMs > 0 ? 1000 / elapsedMs : 0
    const rates = `${formatRate(this.#recordCount * perSecond)} records/s, ${formatBytes(this.#bytes * perSecond)}/s`
    const amount = `${plural(this.#recordCount, 'record')}, ${formatBytes(this.#bytes)}`
    return `${amount} in ${formatDuration(elapsedMs)}: ${rates}`
  }

  describeAcknowledged(): string {
    const sent = plural(this.#recordCount, 'record')
    if (this.#wanted.acks === '0') return `${sent} handed over; acks=0 does not tell how many were written`
    return `${formatCount(this.#recordCount - this.#failedCount)} of ${sent} acknowledged`
  }

  summary(elapsedMs: number): unknown {
    const seconds = elapsedMs / 1000
    const { topic, acks } = this.#wanted
    return {
      topic,
      records: this.#recordCount,
      bytes: this.#bytes,
      seconds: round(seconds),
      records_per_second: Math.round(this.#recordCount / seconds),
      megabytes_per_second: round(this.#bytes / 1e6 / seconds),
      acks,
      durability: DURABILITY[acks],
    }
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
