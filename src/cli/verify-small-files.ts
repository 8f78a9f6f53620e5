/**
 * Checks the small files of a data directory and of a partition: identity, topics, checkpoints, epochs, snapshots.
 * Reads only; the clean-shutdown marker is looked at and left where it is.
 */
import { CorruptRecordError, VltavaError } from '../base/errors.ts'
import { readSmallFile, storageCall } from '../base/file-io.ts'
import type { Env, Fs } from '../base/env/env.ts'
import { LEADER_EPOCH_CHECKPOINT, type LeaderEpoch, LeaderEpochs } from '../log/leader-epochs.ts'
import { CLEAN_SHUTDOWN_MARKER, META_PROPERTIES, readLogDirectory } from '../log/log-directory.ts'
import {
  CLEANER_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  type PartitionOffset,
  readOffsetCheckpoint,
  RECOVERY_POINT_CHECKPOINT,
} from '../log/offset-checkpoint.ts'
import { PARTITION_METADATA, readPartitionMetadata } from '../log/partition-metadata.ts'
import { decodeProducerSnapshot } from '../log/producer-snapshot.ts'
import { TOPICS_FILE, TopicStore } from '../log/topic-store.ts'
import type { FaultList } from '../segment/fault.ts'
import { segmentFileName } from '../segment/names.ts'

const PRODUCER_IDS_FILE = 'vltava-producer-ids.json'
const PRODUCER_IDS = /^\{"version":\d+,"reservedUntil":\d+\}$/

/** What of the directory's own files the partitions are compared with. */
export interface DirectoryFiles {
  readonly wasClean: boolean
  readonly topics: TopicStore | undefined
  /** By `<topic>-<partition>`, by name of the checkpoint. */
  readonly checkpoints: ReadonlyMap<string, ReadonlyMap<string, PartitionOffset>>
}

/** Checkpoints whose offsets lie at or below the log's end. */
export const BOUNDED_CHECKPOINTS = [
  RECOVERY_POINT_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  CLEANER_OFFSET_CHECKPOINT,
] as const

export function checkDirectoryFiles(env: Env, directory: string, faults: FaultList): DirectoryFiles {
  const { fs } = env
  const identity = attempt(faults, `${directory}/${META_PROPERTIES}`, () => readLogDirectory(fs, directory) ?? 'none')
  if (identity === 'none') faults.add(`${directory}/${META_PROPERTIES}`, 0, 'the file is missing')
  const topics = attempt(faults, `${directory}/${TOPICS_FILE}`, () => TopicStore.read(env, directory))
  const checkpoints = new Map<string, ReadonlyMap<string, PartitionOffset>>()
  for (const name of BOUNDED_CHECKPOINTS) {
    const read = attempt(faults, `${directory}/${name}`, () => readOffsetCheckpoint(fs, directory, name))
    if (read !== undefined) checkpoints.set(name, read)
  }
  checkProducerIds(fs, `${directory}/${PRODUCER_IDS_FILE}`, faults)
  return { wasClean: fs.stat(`${directory}/${CLEAN_SHUTDOWN_MARKER}`) !== undefined, topics, checkpoints }
}

function checkProducerIds(fs: Fs, path: string, faults: FaultList): void {
  const bytes = attempt(faults, path, () => readSmallFile(fs, path))
  if (bytes === undefined || PRODUCER_IDS.test(new TextDecoder().decode(bytes))) return
  faults.add(path, 0, 'it does not hold reserved producer ids')
}

/** What of a partition's small files is compared with its log, or with the other partitions. */
export interface PartitionFiles {
  readonly topicId: string | undefined
  readonly epochs: readonly LeaderEpoch[]
}

export function checkPartitionFiles(
  fs: Fs,
  directory: string,
  snapshotOffsets: readonly number[],
  faults: FaultList,
): PartitionFiles {
  const metadata = attempt(faults, `${directory}/${PARTITION_METADATA}`, () => readPartitionMetadata(fs, directory))
  const epochs = attempt(faults, `${directory}/${LEADER_EPOCH_CHECKPOINT}`, () => LeaderEpochs.load(fs, directory))
  for (const offset of snapshotOffsets) {
    const path = `${directory}/${segmentFileName(offset, '.snapshot')}`
    attempt(faults, path, () => {
      const bytes = readSmallFile(fs, path)
      return bytes === undefined ? undefined : decodeProducerSnapshot(bytes)
    })
  }
  return { topicId: metadata?.topicId, epochs: epochs?.entries ?? [] }
}

/** Byte of a checkpoint file at which a partition's line begins; 0 if it cannot be found. */
export function positionOfLine(fs: Fs, path: string, topic: string, partition: number): number {
  const bytes = readSmallFile(fs, path)
  if (bytes === undefined) return 0
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(`\n${topic} ${partition} `, 0, 'latin1') + 1
}

/** Runs a check; what is wrong with the file becomes a fault, and the result undefined. */
function attempt<T>(faults: FaultList, path: string, check: () => T): T | undefined {
  try {
    return storageCall(`reading ${path}`, check)
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    const message = error instanceof CorruptRecordError ? error.message : withoutPath(error.message, path)
    faults.add(path, 0, message)
    return undefined
  }
}

function withoutPath(message: string, path: string): string {
  return message.startsWith(`${path} `) ? message.slice(path.length + 1) : message
}
