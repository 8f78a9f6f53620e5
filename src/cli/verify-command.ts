/**
 * `vltava verify DIR`: what is wrong in a data directory, and where.
 */
import { resolve } from 'node:path'
import { realEnv } from '../base/env/real-env.ts'
import { type Command, type CommandContext, EXIT_FAILED, EXIT_OK, parseArguments } from './command.ts'
import { formatBytes, formatDuration, plural } from './format-units.ts'
import { Progress, writeJson, writeLine } from './output.ts'
import type { Fault } from '../segment/fault.ts'
import { verifyDirectory, type VerifyReport } from './verify-directory.ts'

const THREADS_MAX = 64

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'check every batch, index and checkpoint of a data directory',
  usage: `vltava verify DIR [--no-records] [--live] [--threads T] [--json]

Checks a data directory of Vltava or of Apache Kafka, and changes no byte of it:

  .log          CRC and structure of every batch, offsets that go on from batch to batch and segment to segment,
                every record decompressed and decoded
  .index        each entry points to where a batch starts, with its last offset
  .timeindex    each entry's time is that of its batch, and no batch before is later
  .txnindex     each entry is an abort marker in the log
  .snapshot     CRC and structure
  and meta.properties, partition.metadata, leader epochs, the list of topics, and the checkpoints

Prints a line for each fault: file, byte in it, offset, what is wrong. Exit status 1 if there is any.

  --no-records          do not decompress and decode records: quicker, and the CRC of every byte is checked all the same
  --live                check although a program has the directory open; what it is writing just now is passed over
  --threads T           threads to use (default: one for each core)
  --json                one object: what was checked, and the faults
  -h, --help            this text

Example:
  vltava verify ./data`,

  async run(context) {
    const args = parseArguments(
      context.args,
      { 'no-records': { type: 'boolean' }, live: { type: 'boolean' }, threads: { type: 'string' } },
      ['DIR'],
    )
    const wanted: Wanted = {
      directory: args.positionals[0]!,
      withRecords: !args.flag('no-records'),
      isLive: args.flag('live'),
      threadCountMax: args.integer('threads', 1, THREADS_MAX) ?? THREADS_MAX,
    }
    const outcome = await verify(context, wanted)
    if (args.json) await writeJson(context.stdout, asJson(wanted, outcome))
    else await printText(context, wanted, outcome)
    return outcome.report.faultCount === 0 ? EXIT_OK : EXIT_FAILED
  },
}

interface Wanted {
  readonly directory: string
  readonly withRecords: boolean
  readonly isLive: boolean
  readonly threadCountMax: number
}

interface Outcome {
  readonly report: VerifyReport
  /** With paths as the user wrote the directory. */
  readonly faults: readonly Fault[]
  readonly elapsedMs: number
}

async function verify({ stderr, signal }: CommandContext, wanted: Wanted): Promise<Outcome> {
  const progress = new Progress(stderr)
  const startMs = realEnv.clock.monotonicMs()
  const elapsed = (): number => realEnv.clock.monotonicMs() - startMs
  const onProgress = (bytesDone: number, bytesTotal: number): void =>
    progress.update(() => {
      const percent = Math.floor((bytesDone / Math.max(1, bytesTotal)) * 100)
      const rate = formatBytes((bytesDone / Math.max(1, elapsed())) * 1000)
      return `${percent} % of ${formatBytes(bytesTotal)}, ${rate}/s`
    })
  try {
    const report = await verifyDirectory(realEnv, resolve(wanted.directory), { ...wanted, signal, onProgress })
    const faults = report.faults.map((fault) => ({ ...fault, file: shownPath(fault.file, wanted.directory) }))
    return { report, faults, elapsedMs: elapsed() }
  } catch (error) {
    signal.throwIfAborted() // Then whatever else went wrong is only its consequence.
    throw error
  } finally {
    progress.end()
  }
}

/** As the user wrote the directory. */
function shownPath(file: string, directory: string): string {
  const absolute = resolve(directory)
  return file.startsWith(`${absolute}/`) ? `${directory.replace(/\/+$/, '')}${file.slice(absolute.length)}` : file
}

async function printText({ stdout, stderr }: CommandContext, wanted: Wanted, outcome: Outcome): Promise<void> {
  const { report, faults, elapsedMs } = outcome
  for (const { file, position, offset, what } of faults) {
    await writeLine(stdout, `${file}: byte ${position}:${offset === undefined ? '' : ` offset ${offset}:`} ${what}`)
  }
  const hiddenCount = report.faultCount - faults.length
  if (hiddenCount > 0) await writeLine(stdout, `and ${plural(hiddenCount, 'fault')} more in these files`)
  for (const note of report.notes) await writeLine(stderr, `note: ${note}`)
  if (!report.wasClean && !wanted.isLive) {
    await writeLine(stderr, `note: ${wanted.directory} was not closed cleanly; the next open recovers it`)
  }
  const rate = formatBytes((report.sizeBytes / Math.max(1, elapsedMs)) * 1000)
  const speed = `in ${formatDuration(elapsedMs)}, ${rate}/s on ${plural(report.threadCount, 'thread')}`
  const size = `${plural(report.segmentCount, 'segment')}, ${formatBytes(report.sizeBytes)} of batches`
  await writeLine(stdout, `checked ${plural(report.partitionCount, 'partition')}, ${size}, ${speed}`)
  const parts = [
    plural(report.batchCount, 'batch', 'batches'),
    `${plural(report.recordCount, 'record')} ${wanted.withRecords ? 'decoded' : 'not decoded'}`,
    plural(report.indexEntryCount, 'index entry', 'index entries'),
    plural(report.snapshotCount, 'snapshot'),
  ]
  await writeLine(stdout, parts.join(', '))
  await writeLine(stdout, report.faultCount === 0 ? 'no fault found' : `${plural(report.faultCount, 'fault')} found`)
}

function asJson(wanted: Wanted, { report, faults, elapsedMs }: Outcome): unknown {
  return {
    directory: wanted.directory,
    clean_shutdown: report.wasClean,
    live: wanted.isLive,
    partitions: report.partitionCount,
    segments: report.segmentCount,
    batches: report.batchCount,
    records: report.recordCount,
    records_decoded: wanted.withRecords,
    index_entries: report.indexEntryCount,
    snapshots: report.snapshotCount,
    bytes: report.sizeBytes,
    seconds: Math.round(elapsedMs) / 1000,
    threads: report.threadCount,
    fault_count: report.faultCount,
    faults,
    notes: report.notes,
  }
}
