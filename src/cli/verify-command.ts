/**
 * `vltava verify DIR`: what is wrong in a data directory, and where.
 */
import { resolve } from 'node:path'
import { realEnv } from '../base/env/real-env.ts'
import { type Command, type CommandContext, EXIT_FAILED, EXIT_OK, parseArguments, UsageError } from './command.ts'
import { formatBytes, formatDuration, plural } from './format-units.ts'
import { Progress, writeJson, writeLine } from './output.ts'
import type { Fault } from '../segment/fault.ts'
import { verifyDirectory, type VerifyReport } from './verify-directory.ts'

const THREADS_MAX = 64

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'check every batch, index and checkpoint of a data directory',
  usage: `vltava verify DIR [--records yes|no] [--live] [--threads T] [--json]

Checks a data directory of Vltava or of Apache Kafka, and changes no byte of it:

  .log          CRC and structure of every batch, offsets that go on from batch to batch and segment to segment,
                every record decompressed and decoded
  .index        each entry points to where a batch starts, with its last offset
  .timeindex    each entry's time is that of its batch, and no batch before is later
  .txnindex     each entry is an abort marker in the log
  .snapshot     CRC and structure
  and meta.properties, partition.metadata, leader epochs, the list of topics, and the checkpoints

Prints a line for each fault: file, byte in it, offset, what is wrong. Exit status 1 if there is any.

  --records yes|no      decode every record too (default yes); no is quicker and still checks every byte's CRC
  --live                check although a program has the directory open; what it is writing just now is passed over
  --threads T           threads to use (default: one for each core)
  --json                one object: what was checked, and the faults
  -h, --help            this text

Example:
  vltava verify ./data`,

  async run(context) {
    const args = parseArguments(
      context.args,
      {
        records: { type: 'string' },
        live: { type: 'boolean' },
        threads: { type: 'string' },
        data: { type: 'string' },
      },
      undefined,
    )
    const [directory, extra] = [...args.positionals, ...args.texts('data')]
    if (directory === undefined) throw new UsageError('DIR is missing')
    if (extra !== undefined) throw new UsageError(`'${extra}' is one argument too many`)
    const withRecords = args.choice('records', ['yes', 'no']) !== 'no'
    const isLive = args.flag('live')
    const threadCountMax = args.integer('threads', 1, THREADS_MAX) ?? THREADS_MAX
    const { report, elapsedMs } = await verify(context, directory, { withRecords, isLive, threadCountMax })
    const shown = report.faults.map((fault) => ({ ...fault, file: shownPath(fault.file, directory) }))
    if (args.json) await writeJson(context.stdout, asJson(directory, report, shown, withRecords, isLive, elapsedMs))
    else await printText(context, directory, report, shown, withRecords, isLive, elapsedMs)
    return report.faultCount === 0 ? EXIT_OK : EXIT_FAILED
  },
}

async function verify(
  { stderr, signal }: CommandContext,
  directory: string,
  options: { withRecords: boolean; isLive: boolean; threadCountMax: number },
): Promise<{ report: VerifyReport; elapsedMs: number }> {
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
    const report = await verifyDirectory(realEnv, resolve(directory), { ...options, signal, onProgress })
    return { report, elapsedMs: elapsed() }
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

async function printText(
  { stdout, stderr }: CommandContext,
  directory: string,
  report: VerifyReport,
  faults: readonly Fault[],
  withRecords: boolean,
  isLive: boolean,
  elapsedMs: number,
): Promise<void> {
  for (const { file, position, offset, what } of faults) {
    await writeLine(stdout, `${file}: byte ${position}:${offset === undefined ? '' : ` offset ${offset}:`} ${what}`)
  }
  if (report.faultCount > faults.length) {
    await writeLine(stdout, `and ${plural(report.faultCount - faults.length, 'fault')} more`)
  }
  for (const note of report.notes) await writeLine(stderr, `note: ${note}`)
  if (!report.wasClean && !isLive) {
    await writeLine(stderr, `note: ${directory} was not closed cleanly; the next open recovers it`)
  }
  const rate = formatBytes((report.sizeBytes / Math.max(1, elapsedMs)) * 1000)
  const speed = `in ${formatDuration(elapsedMs)}, ${rate}/s on ${plural(report.threadCount, 'thread')}`
  const parts = [
    plural(report.partitionCount, 'partition'),
    plural(report.segmentCount, 'segment'),
    `${formatBytes(report.sizeBytes)} of batches`,
  ]
  await writeLine(stdout, `checked ${parts.join(', ')} ${speed}`)
  const records = `${plural(report.recordCount, 'record')} ${withRecords ? 'decoded' : 'not decoded'}`
  const batches = plural(report.batchCount, 'batch').replace(/batchs$/, 'batches')
  const indexes = plural(report.indexEntryCount, 'index entry').replace(/entrys$/, 'entries')
  await writeLine(stdout, `${batches}, ${records}, ${indexes}, ${plural(report.snapshotCount, 'snapshot')}`)
  await writeLine(stdout, report.faultCount === 0 ? 'no fault found' : `${plural(report.faultCount, 'fault')} found`)
}

function asJson(
  directory: string,
  report: VerifyReport,
  faults: readonly Fault[],
  withRecords: boolean,
  isLive: boolean,
  elapsedMs: number,
): unknown {
  return {
    directory,
    clean_shutdown: report.wasClean,
    live: isLive,
    partitions: report.partitionCount,
    segments: report.segmentCount,
    batches: report.batchCount,
    records: report.recordCount,
    records_decoded: withRecords,
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
