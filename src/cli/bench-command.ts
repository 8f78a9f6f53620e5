/**
 * `vltava bench`: how fast this machine is with Vltava, and without it.
 *
 * Every record that a bench appends is read back and checked; one that is lost, repeated, out of order or different
 * makes the run fail. Verbs and their results: src/cli/bench.
 */
import { BenchDirectory } from './bench/bench-directory.ts'
import { BENCH_OPTIONS, type BenchName, readBenchOptions } from './bench/bench-options.ts'
import { type BenchResult, toJson, toTable } from './bench/bench-result.ts'
import type { BenchRun } from './bench/bench-run.ts'
import { benchConsume } from './bench/consume-bench.ts'
import { benchEndToEnd } from './bench/end-to-end-bench.ts'
import { benchLimit } from './bench/limit-bench.ts'
import { benchProduce } from './bench/produce-bench.ts'
import { SharedClock } from './bench/shared-clock.ts'
import { type Command, type CommandContext, EXIT_FAILED, EXIT_OK, parseArguments, UsageError } from './command.ts'
import { Progress, writeJson, writeLine } from './output.ts'

const OPTIONS_HELP = `Options:
  --data DIR         directory of the log; default: a directory of its own on a real disk, removed afterwards
  --brokers H:P,...  instead: a running cluster (Vltava or Apache Kafka); durability is what the cluster promises
  --topic T          topic to use; default: one of its own, deleted afterwards
  --records N        how many records (default 5m; limit: 2m for each part)
  --seconds S        stop after S seconds
  --rate R           append R records a second, by a schedule, instead of as fast as it goes (produce, end-to-end)
  --record-size B    bytes of a value, 16 or more (default 100)
  --partitions P     default 8
  --acks 0|1|all     default all: committed to disk; 1: in the page cache; 0: handed over
  --batch-bytes B    default 262144
  --linger MS        how long a batch waits for more records (default 5, with --rate 0)
  --compression C    none, gzip, snappy, lz4, zstd (default none)
  --threads T        producer threads (consume: consumer threads); 1, the default, is the main thread
  --json             one JSON object for each result, instead of a table`

function verb(
  name: BenchName,
  summary: string,
  description: string,
  bench: (run: BenchRun) => Promise<BenchResult[]>,
): Command {
  return {
    name,
    summary,
    usage: `Usage: vltava bench ${name} [options]\n\n${description}\n\n${OPTIONS_HELP}`,
    run: (context) => runBench(name, bench, context),
  }
}

const VERBS: readonly Command[] = [
  verb(
    'produce',
    'append records as fast as they are acknowledged',
    `Appends records and times them from the first append to the last acknowledgement. Latency: from the append of a
batch's first record (with --rate: from when it was due) to the batch's acknowledgement. Then reads everything back.`,
    benchProduce,
  ),
  verb(
    'consume',
    'read records, lazily and as objects',
    `Fills a topic, or takes one that 'bench produce --data DIR --topic T' filled, checks it, then reads it twice:
lazy, every record's positions decoded in place; records, key and value of each as a Uint8Array.`,
    benchConsume,
  ),
  verb(
    'end-to-end',
    'append in one thread, consume and check in another',
    `Appends records while a consumer in another thread reads and checks them. Latency: from the append of a record
(with --rate: from when it was due) until the consumer has it. A run with --rate keeps only the last part of its log.`,
    benchEndToEnd,
  ),
  verb(
    'limit',
    'what the machine can do without Vltava',
    `Copies, checksums, encodes, passes between threads and writes the same values without a log. The other benches
tell their share of one part: produce and end-to-end of encode-crc-pwrite, consume of decode.`,
    benchLimit,
  ),
]

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure speed and latency, every record checked',
  usage: `Usage: vltava bench <verb> [options]

Measures, and checks every record that it measured: a wrong one is a failure (exit status 1).

Verbs:
${VERBS.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`).join('\n')}

${OPTIONS_HELP}`,
  verbs: VERBS,
  run: () => Promise.reject(new UsageError(`bench needs a verb: ${VERBS.map(({ name }) => name).join(', ')}`)),
}

async function runBench(
  name: BenchName,
  bench: (run: BenchRun) => Promise<BenchResult[]>,
  { args, stdout, stderr, signal }: CommandContext,
): Promise<number> {
  const parsed = parseArguments(args, BENCH_OPTIONS)
  const options = readBenchOptions(name, parsed)
  const directory = BenchDirectory.create(options.data)
  const progress = new Progress(stderr)
  try {
    const note = (what: string): void => progress.update(() => what)
    const results = await bench({ options, directory, clock: new SharedClock(), signal, note })
    progress.end()
    if (parsed.json) for (const result of results) await writeJson(stdout, toJson(result))
    else await writeLine(stdout, toTable(results))
    const faults = results.flatMap(({ fault }) => (fault === undefined ? [] : [fault]))
    for (const fault of faults) stderr.write(`bench ${name}: ${fault}\n`)
    return faults.length === 0 ? EXIT_OK : EXIT_FAILED
  } catch (error) {
    signal.throwIfAborted() // Then whatever else went wrong is only its consequence.
    throw error
  } finally {
    progress.end()
    directory.remove()
  }
}
