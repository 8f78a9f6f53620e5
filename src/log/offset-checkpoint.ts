/**
 * Offset checkpoints: one offset for each partition of a log directory, one line `<topic> <partition> <offset>` each.
 * Written by the thread that owns the directory. The text form is in checkpoint-file.ts.
 */
import { assert } from '../base/assert.ts'
import type { Fs } from '../base/env/env.ts'
import { partitionDirectoryName, topicNameFault } from '../segment/names.ts'
import { malformedEntry, parseCount, readCheckpointLines, writeCheckpointLines } from './checkpoint-file.ts'

/** Everything below the recovery point is on the disk: recovery scans from there. */
export const RECOVERY_POINT_CHECKPOINT = 'recovery-point-offset-checkpoint'
/** Only partitions whose log start lies inside or behind their first segment. */
export const LOG_START_OFFSET_CHECKPOINT = 'log-start-offset-checkpoint'
/** Kafka's name for the high watermarks. */
export const HIGH_WATERMARK_CHECKPOINT = 'replication-offset-checkpoint'
/** The first offset that compaction has not seen yet. */
export const CLEANER_OFFSET_CHECKPOINT = 'cleaner-offset-checkpoint'

const PARTITION_MAX = 0x7fff_ffff

export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/**
 * By partition directory name, `<topic>-<partition>`; undefined if there is no such file. Throws DIRECTORY_CORRUPT with
 * file and line, DIRECTORY_VERSION, or StorageError.
 */
export function readOffsetCheckpoint(
  fs: Fs,
  directory: string,
  name: string,
): Map<string, PartitionOffset> | undefined {
  const lines = readCheckpointLines(fs, directory, name)
  if (lines === undefined) return undefined
  const offsets = new Map<string, PartitionOffset>()
  for (const [index, line] of lines.entries()) {
    const entry = parseEntry(line)
    if (entry === undefined) throw malformedEntry(directory, name, index, line, '<topic> <partition> <offset>')
    const key = partitionDirectoryName(entry.topic, entry.partition)
    if (offsets.has(key)) throw malformedEntry(directory, name, index, line, 'each partition once')
    offsets.set(key, entry)
  }
  return offsets
}

/** Replaces the file, atomically and durably. Throws StorageError. */
export function writeOffsetCheckpoint(
  fs: Fs,
  directory: string,
  name: string,
  entries: Iterable<PartitionOffset>,
): void {
  const lines: string[] = []
  // In one order, so that a file with the same offsets has the same bytes.
  const sorted = [...entries].sort(
    (a, b) => (a.topic < b.topic ? -1 : Number(a.topic > b.topic)) || a.partition - b.partition,
  )
  for (const { topic, partition, offset } of sorted) {
    assert(topicNameFault(topic) === undefined, 'topic in a checkpoint has a valid name')
    assert(
      Number.isInteger(partition) && partition >= 0 && partition <= PARTITION_MAX,
      'partition is an int32, 0 or more',
    )
    assert(Number.isSafeInteger(offset) && offset >= 0, 'offset in a checkpoint is a safe integer, 0 or more')
    lines.push(`${topic} ${partition} ${offset}`)
  }
  writeCheckpointLines(fs, directory, name, lines)
}

function parseEntry(line: string): PartitionOffset | undefined {
  const [topic = '', partitionDigits = '', offsetDigits = '', ...rest] = line.split(' ')
  const partition = parseCount(partitionDigits, PARTITION_MAX)
  const offset = parseCount(offsetDigits)
  if (topicNameFault(topic) !== undefined || partition === undefined || offset === undefined || rest.length > 0) {
    return undefined
  }
  return { topic, partition, offset }
}
