/**
 * The files of a log that are read as a whole: snapshots, checkpoints, identities. As lines of named fields.
 */
import { CorruptRecordError } from '../base/errors.ts'
import { readSmallFile } from '../base/file-io.ts'
import type { Fs } from '../base/env/env.ts'
import { LEADER_EPOCH_CHECKPOINT, LeaderEpochs } from '../log/leader-epochs.ts'
import { META_PROPERTIES, readLogDirectory } from '../log/log-directory.ts'
import {
  CLEANER_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  readOffsetCheckpoint,
  RECOVERY_POINT_CHECKPOINT,
} from '../log/offset-checkpoint.ts'
import { PARTITION_METADATA, readPartitionMetadata } from '../log/partition-metadata.ts'
import { decodeProducerSnapshot } from '../log/producer-snapshot.ts'

/** A line of the dump, for people and for programs. */
export interface DumpLine {
  readonly isFault: boolean
  /** It belongs to the line before. */
  readonly isIndented: boolean
  /** `type` first; names in snake_case. */
  readonly fields: Readonly<Record<string, unknown>>
}

const OFFSET_CHECKPOINTS = [
  RECOVERY_POINT_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  CLEANER_OFFSET_CHECKPOINT,
]

/** Those that a name decides; a snapshot is told by its suffix. */
export const SMALL_FILE_NAMES: readonly string[] = [
  ...OFFSET_CHECKPOINTS,
  LEADER_EPOCH_CHECKPOINT,
  PARTITION_METADATA,
  META_PROPERTIES,
]

/** `kind` is the file's name, or `.snapshot`. Throws VltavaError if the file is not what its name says. */
export function dumpSmallFile(fs: Fs, directory: string, name: string, kind: string): DumpLine[] {
  if (OFFSET_CHECKPOINTS.includes(kind)) {
    const offsets = readOffsetCheckpoint(fs, directory, name) ?? new Map<string, never>()
    return [...offsets.values()].map((entry) => lineOf('offset', { ...entry }))
  }
  switch (kind) {
    case LEADER_EPOCH_CHECKPOINT:
      return LeaderEpochs.load(fs, directory).entries.map(({ epoch, startOffset }) =>
        lineOf('epoch', { epoch, start_offset: startOffset }),
      )
    case PARTITION_METADATA:
      return [lineOf('partition', { topic_id: readPartitionMetadata(fs, directory)?.topicId })]
    case META_PROPERTIES: {
      const identity = readLogDirectory(fs, directory)
      return [
        lineOf('directory', {
          version: identity?.version,
          cluster_id: identity?.clusterId,
          node_id: identity?.nodeId,
          directory_id: identity?.directoryId,
          vltava_format: identity?.format,
        }),
      ]
    }
    default:
      return dumpSnapshot(fs, `${directory}/${name}`)
  }
}

function dumpSnapshot(fs: Fs, path: string): DumpLine[] {
  const bytes = readSmallFile(fs, path)
  if (bytes === undefined) throw new CorruptRecordError(`${path} has gone`)
  return decodeProducerSnapshot(bytes).map((producer) =>
    lineOf('producer', {
      producer_id: producer.producerId,
      producer_epoch: producer.producerEpoch,
      last_sequence: producer.lastSequence,
      last_offset: producer.lastOffset,
      offset_delta: producer.offsetDelta,
      timestamp: producer.timestamp,
      coordinator_epoch: producer.coordinatorEpoch,
      current_transaction_first_offset: producer.currentTransactionFirstOffset,
    }),
  )
}

/** Fields that the file does not have are left out. */
function lineOf(type: string, fields: Record<string, unknown>): DumpLine {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined)
  return { isFault: false, isIndented: false, fields: { type, ...Object.fromEntries(present) } }
}
