/**
 * `vltava dump-segment FILE`: what is in one file of a log, field by field. The name of the file says what it is.
 */
import { basename, dirname, resolve } from 'node:path'
import { realEnv } from '../base/env/real-env.ts'
import { formatIsoTime } from '../base/env/wall-time.ts'
import { StorageError, VltavaError } from '../base/errors.ts'
import { dumpIndex, type DumpedBatch, type DumpedEntry, type DumpedRecord, dumpLog } from '../segment/dump.ts'
import { parseSegmentFileName } from '../segment/names.ts'
import { ByteSink } from './byte-sink.ts'
import { type Command, EXIT_FAILED, EXIT_OK, parseArguments, UsageError } from './command.ts'
import { dumpSmallFile, type DumpLine, SMALL_FILE_NAMES } from './dump-small-files.ts'
import { bytesAsJson } from './record-format.ts'

const CONTROL_TYPES: Readonly<Record<number, string>> = { 0: 'abort', 1: 'commit' }

export const dumpCommand: Command = {
  name: 'dump-segment',
  summary: 'show what is in a file of a log, field by field',
  usage: `vltava dump-segment FILE [--records] [--json]

Shows the contents of one file; a lock is not needed and nothing is changed. By its name FILE is one of

  .log                        record batches with all fields of their headers
  .index .timeindex .txnindex index entries
  .snapshot                   producer state
  *-checkpoint                offsets, leader epochs
  partition.metadata, meta.properties

What is damaged is marked FAULT, with its byte in the file, and the dump goes on behind it. Exit status 1 then.

  --records             of a .log: every record too, decompressed
  --json                one object on a line for each batch, record or entry
  -h, --help            this text

Example:
  vltava dump-segment --records ./data/clicks-0/00000000000000000000.log`,

  async run({ args: argv, stdout, signal }) {
    const args = parseArguments(argv, { records: { type: 'boolean' } }, ['FILE'])
    const path = args.positionals[0]!
    const lines = linesOf(path, args.flag('records'))
    const sink = new ByteSink(stdout)
    let faultCount = 0
    for (const line of lines) {
      if (line.isFault) faultCount += 1
      sink.text(`${args.json ? JSON.stringify(line.fields) : asText(line)}\n`)
      if (!sink.isFull) continue
      await sink.flush()
      signal.throwIfAborted()
    }
    await sink.flush()
    return faultCount === 0 ? EXIT_OK : EXIT_FAILED
  },
}

/** Throws UsageError for a file that is none of a log's, VltavaError for one that is not there. */
function linesOf(path: string, withRecords: boolean): Iterable<DumpLine> {
  const { fs } = realEnv
  const absolute = resolve(path)
  const stat = fs.stat(absolute)
  if (stat === undefined) throw new StorageError(`${path} does not exist`, 'ENOENT')
  if (stat.isDirectory) throw new UsageError(`${path} is a directory; give a file in it, or use vltava verify`)
  const name = basename(absolute)
  // A copy that recovery set aside is still a log.
  const parsed = parseSegmentFileName(/^\d{20}\.log(?=\.(?:\d+\.)?kept-aside$)/.exec(name)?.[0] ?? name)
  if (withRecords && parsed?.suffix !== '.log') throw new UsageError('--records is for a .log file')
  if (parsed?.suffix === '.log') return dumpLogLines(absolute, withRecords)
  if (parsed !== undefined && parsed.suffix !== '.snapshot') {
    return dumpIndexLines(absolute, parsed.suffix, parsed.baseOffset)
  }
  const kind = parsed === undefined ? name : '.snapshot'
  if (parsed === undefined && !SMALL_FILE_NAMES.includes(name)) {
    const known = ['<20 digits>.log, .index, .timeindex, .txnindex or .snapshot', ...SMALL_FILE_NAMES]
    throw new UsageError(`${name} is no file of a log by its name; known are ${known.join(', ')}`)
  }
  return faultsAsLines(() => dumpSmallFile(fs, dirname(absolute), name, kind))
}

/** A small file is read as a whole: what is wrong with it is the only line then. */
function faultsAsLines(dump: () => DumpLine[]): DumpLine[] {
  try {
    return dump()
  } catch (error) {
    if (!(error instanceof VltavaError) || error instanceof StorageError) throw error
    return [faultLine(0, error.message)]
  }
}

function faultLine(position: number, what: string, nextPosition?: number): DumpLine {
  const goesOn = nextPosition === undefined ? {} : { next_position: nextPosition }
  return { isFault: true, isIndented: false, fields: { type: 'fault', position, what, ...goesOn } }
}

function* dumpLogLines(path: string, withRecords: boolean): Generator<DumpLine, void, undefined> {
  for (const each of dumpLog(realEnv.fs, path, withRecords)) {
    if (each.type === 'fault') yield faultLine(each.position, each.what, each.nextPosition)
    else if (each.type === 'batch') yield { isFault: false, isIndented: false, fields: batchFields(each) }
    else yield { isFault: false, isIndented: true, fields: recordFields(each) }
  }
}

function* dumpIndexLines(
  path: string,
  suffix: '.index' | '.timeindex' | '.txnindex',
  baseOffset: number,
): Generator<DumpLine, void, undefined> {
  for (const each of dumpIndex(realEnv.fs, path, suffix, baseOffset)) {
    if (each.type === 'fault') yield faultLine(each.position, each.what)
    else yield { isFault: false, isIndented: false, fields: { type: 'entry', entry: each.entry, ...inSnakeCase(each) } }
  }
}

function inSnakeCase({ fields }: DumpedEntry): Record<string, number> {
  const named = Object.entries(fields).map(([name, value]) => [name.replace(/[A-Z]/g, '_$&').toLowerCase(), value])
  return Object.fromEntries(named) as Record<string, number>
}

function batchFields(batch: DumpedBatch): DumpLine['fields'] {
  return {
    type: 'batch',
    position: batch.position,
    size: batch.sizeBytes,
    base_offset: batch.baseOffset,
    last_offset: batch.lastOffset,
    record_count: batch.recordCount,
    compression: batch.compression,
    timestamp_type: batch.timestampType,
    base_timestamp: batch.baseTimestamp,
    max_timestamp: batch.maxTimestamp,
    max_time: formatIsoTime(batch.maxTimestamp),
    producer_id: batch.producerId,
    producer_epoch: batch.producerEpoch,
    base_sequence: batch.baseSequence,
    leader_epoch: batch.partitionLeaderEpoch,
    transactional: batch.isTransactional,
    control: batch.isControl,
    delete_horizon: batch.hasDeleteHorizon,
    magic: batch.magic,
    crc: batch.crc.toString(16).padStart(8, '0'),
  }
}

function recordFields(record: DumpedRecord): DumpLine['fields'] {
  const control = record.controlType < 0 ? {} : { control: CONTROL_TYPES[record.controlType] ?? record.controlType }
  return {
    type: 'record',
    offset: record.offset,
    timestamp: record.timestamp,
    ...control,
    key: bytesAsJson(record.key),
    value: bytesAsJson(record.value),
    headers: record.headers.map(([key, value]) => ({ key, value: bytesAsJson(value) })),
  }
}

/** `name=value` for each field; a switch only where it is on, by its name. */
function asText({ isFault, isIndented, fields }: DumpLine): string {
  const words: string[] = []
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'type') continue
    if (value === true) words.push(name)
    else if (value !== false)
      words.push(`${name}=${typeof value === 'object' ? JSON.stringify(value) : valueText(value)}`)
  }
  return `${isIndented ? '  ' : ''}${isFault ? 'FAULT ' : ''}${words.join(' ')}`
}

/** Quoted where it could be mistaken for more than one field. */
function valueText(value: unknown): string {
  return typeof value === 'string' && !/^[\w.:+-]+$/.test(value) ? JSON.stringify(value) : String(value)
}
