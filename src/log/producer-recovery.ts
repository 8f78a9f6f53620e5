/**
 * ProducerRecovery: the producer state of a log that is being opened, from a snapshot and a replay of what follows it.
 * Part of log-loader.ts, which feeds it.
 *
 * After a clean stop the newest snapshot says all. After an unclean one the snapshot must lie
 *   - at or below the recovery point: what a snapshot above it tells of may not have reached the disk, and a retry of a
 *     lost batch must not be taken for a duplicate;
 *   - at or below the base of the last segment but one: a snapshot holds one batch of each producer, the replay of a
 *     whole segment restores the window of five.
 * The first segment's base is always good enough: no log is cut below it.
 */
import type { Fs } from '../base/env/env.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { BatchScan, findBatchBehind } from '../segment/batch-scan.ts'
import { segmentFileName } from '../segment/names.ts'
import { segmentPath } from '../segment/segment.ts'
import type { PartitionLogSpec } from './partition-log-spec.ts'
import type { DamageReport } from './partition-log.ts'
import { ProducerState } from './producer-state.ts'
import { loadProducerSnapshot, snapshotOffsets } from './snapshot-files.ts'

/** Batches whose headers are read between two signs of life. */
const BATCHES_PER_PROGRESS = 4096

export class ProducerRecovery {
  readonly producers = new ProducerState()
  /** Replay takes batches from this offset on; what is below is in the snapshot. */
  replayFrom = 0
  readonly #fs: Fs
  readonly #spec: PartitionLogSpec
  readonly #report: (file: string, position: number, reason: string, action: DamageReport['action']) => void

  constructor(
    fs: Fs,
    spec: PartitionLogSpec,
    report: (file: string, position: number, reason: string, action: DamageReport['action']) => void,
  ) {
    this.#fs = fs
    this.#spec = spec
    this.#report = report
  }

  /** `bases` are the segments' base offsets, ascending. */
  start(bases: readonly number[]): void {
    const { wasClean, recoveryPoint } = this.#spec
    const [first = 0] = bases
    const lastButOne = bases[bases.length - 2] ?? first
    this.#load(wasClean ? Number.MAX_SAFE_INTEGER : Math.max(first, Math.min(lastButOne, recoveryPoint)))
  }

  #load(offsetMax: number): void {
    this.producers.clear()
    this.replayFrom = 0
    const snapshot = loadProducerSnapshot(this.#fs, this.#spec.directory, offsetMax, (file, reason) =>
      this.#report(file, 0, reason, 'rebuilt'),
    )
    if (snapshot === undefined) return
    this.producers.load(snapshot.entries)
    this.replayFrom = snapshot.offset
  }

  /** A batch of the log, in its order. */
  note(batch: RecordBatchView): void {
    if (batch.baseOffset >= this.replayFrom) this.producers.update(batch)
  }

  /** Replays a segment whose batches are not in doubt; bytes [position, sizeBytes) of its log. */
  replay(base: number, position: number, sizeBytes: number): void {
    const path = segmentPath(this.#spec.directory, base, '.log')
    const file = this.#fs.open(path, 'read')
    try {
      for (let start = position; start >= 0;) {
        const scan = new BatchScan(file, start, sizeBytes, false)
        for (let count = 0; scan.next(); count++) {
          this.note(scan.batch)
          if (count % BATCHES_PER_PROGRESS === 0) this.#spec.onProgress()
        }
        if (scan.fault === undefined) return
        this.#report(path, scan.position, scan.fault, 'quarantined')
        start = findBatchBehind(file, scan.position, sizeBytes, 0)
      }
    } finally {
      file.close()
    }
  }

  /**
   * The log is open and ends at `logEndOffset`: snapshots above it tell of batches that are not there. If the state was
   * made from such a one, it is made anew from the segments, `{ base, sizeBytes }` in order.
   */
  finish(logEndOffset: number, segments: readonly { readonly baseOffset: number; readonly sizeBytes: number }[]): void {
    const { directory } = this.#spec
    const stale = snapshotOffsets(this.#fs, directory).filter((offset) => offset > logEndOffset)
    for (const offset of stale) this.#fs.unlink(`${directory}/${segmentFileName(offset, '.snapshot')}`)
    if (stale.length > 0) this.#fs.syncDirectory(directory)
    if (this.replayFrom <= logEndOffset) return
    this.#load(logEndOffset)
    segments.forEach(({ baseOffset, sizeBytes }, i) => {
      const nextBase = segments[i + 1]?.baseOffset ?? Number.POSITIVE_INFINITY
      if (nextBase > this.replayFrom) this.replay(baseOffset, 0, sizeBytes)
    })
  }
}
