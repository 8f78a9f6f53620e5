/**
 * Producer snapshot files of a partition: `<offset>.snapshot`, the producers' state of everything below that offset.
 *
 * Written when a segment is rolled and on a clean close. Kafka keeps one batch for each producer in them, so a state
 * that is loaded from the newest snapshot alone would know fewer than five batches. Recovery therefore starts from the
 * snapshot one segment back and replays the batch headers from there (log-loader.ts).
 */
import type { Fs } from '../base/env/env.ts'
import { CorruptRecordError } from '../base/errors.ts'
import { readSmallFile, replaceFile } from '../base/file-io.ts'
import { parseSegmentFileName, segmentFileName } from '../segment/names.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot, type ProducerSnapshotEntry } from './producer-snapshot.ts'

/** Besides the newest, snapshots that are kept for recovery. */
const SNAPSHOTS_KEPT = 3

export function writeProducerSnapshot(
  fs: Fs,
  directory: string,
  offset: number,
  entries: ProducerSnapshotEntry[],
): void {
  replaceFile(fs, directory, segmentFileName(offset, '.snapshot'), encodeProducerSnapshot(entries))
  const offsets = snapshotOffsets(fs, directory)
  for (const old of offsets.slice(0, Math.max(0, offsets.length - 1 - SNAPSHOTS_KEPT))) {
    fs.unlink(`${directory}/${segmentFileName(old, '.snapshot')}`)
  }
}

/** Ascending. */
export function snapshotOffsets(fs: Fs, directory: string): number[] {
  const offsets: number[] = []
  for (const name of fs.list(directory)) {
    const parsed = parseSegmentFileName(name)
    if (parsed !== undefined && parsed.suffix === '.snapshot' && parsed.transient === '')
      offsets.push(parsed.baseOffset)
  }
  return offsets.sort((a, b) => a - b)
}

/** The newest readable snapshot at or below `offsetMax`; a damaged one is passed over and reported by name. */
export function loadProducerSnapshot(
  fs: Fs,
  directory: string,
  offsetMax: number,
  onDamage: (file: string, reason: string) => void,
): { offset: number; entries: ProducerSnapshotEntry[] } | undefined {
  for (const offset of snapshotOffsets(fs, directory).reverse()) {
    if (offset > offsetMax) continue
    const file = `${directory}/${segmentFileName(offset, '.snapshot')}`
    const bytes = readSmallFile(fs, file)
    if (bytes === undefined) continue
    try {
      return { offset, entries: decodeProducerSnapshot(bytes) }
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
      onDamage(file, error.message)
    }
  }
  return undefined
}
