/**
 * What makes a log shorter at its front: retention by time and size, and trimming (DeleteRecords).
 *
 * Only whole segments, oldest first, without gaps, are deleted:
 *   (a) time: while now - greatest record timestamp of the segment > retention.ms;
 *   (b) size: while the log without the segment still holds retention.bytes or more;
 *   (c) start: while the next segment begins at or below logStartOffset.
 * (a) and (b) hold if cleanup.policy contains delete, (c) always. The active segment goes only by (a), after a roll.
 *
 * `onStartMoved` tells readers of the new start before a file goes, so that none misses a file that should be there.
 * Files are renamed to *.deleted at once and unlinked after file.delete.delay.ms, so that readers that hold them open
 * or are about to open them go on. Left-overs are unlinked when the directory is opened next.
 */
import { assert } from '../base/assert.ts'
import { OffsetOutOfRangeError } from '../base/errors.ts'
import { storageCall } from '../base/file-io.ts'
import { segmentPath } from '../segment/segment.ts'
import type { PartitionLog } from './partition-log.ts'

/** Files to unlink when their time has come. */
export interface Doomed {
  readonly paths: readonly string[]
  readonly dueMs: number
}

/** Deletes what retention says; returns what is to be unlinked later. Throws StorageError and fails the log. */
export function applyRetention(log: PartitionLog, onStartMoved = (): void => undefined): Doomed[] {
  const wallMs = log.env.clock.wallMs()
  const { retentionMs, retentionBytes, isDeleted } = log.config
  let count = 0
  if (isDeleted && retentionMs >= 0) {
    while (count < log.sealed.length && wallMs - log.sealed[count]!.maxTimestamp > retentionMs) count += 1
    const active = log.active
    const isActiveOld = active.sizeBytes > 0 && active.maxTimestamp >= 0 && wallMs - active.maxTimestamp > retentionMs
    if (count === log.sealed.length && isActiveOld && log.pendingBytes === 0) {
      log.roll()
      count = log.sealed.length
    }
  }
  if (isDeleted && retentionBytes >= 0) {
    let excess = log.sizeBytes - retentionBytes
    for (let i = 0; i < log.sealed.length; i++) {
      excess -= log.sealed[i]!.sizeBytes
      if (excess < 0) break
      count = Math.max(count, i + 1)
    }
  }
  return cutFront(log, Math.max(count, countBelowStart(log)), onStartMoved)
}

/**
 * Moves the log's start to `offset` (-1: the high watermark) and deletes segments that lie below it.
 * Throws OffsetOutOfRangeError above the high watermark; below the present start nothing changes.
 */
export function trimLog(log: PartitionLog, offset: number, onStartMoved = (): void => undefined): Doomed[] {
  const target = offset === -1 ? log.highWatermark : offset
  if (!Number.isSafeInteger(target) || target < 0 || target > log.highWatermark) {
    const where = `trim of ${log.topic}-${log.partition}:`
    throw new OffsetOutOfRangeError(where, offset, log.logStartOffset, log.highWatermark)
  }
  if (target > log.logStartOffset) log.logStartOffset = target
  return cutFront(log, countBelowStart(log), onStartMoved)
}

function cutFront(log: PartitionLog, count: number, onStartMoved: () => void): Doomed[] {
  const doomed = deleteOldest(log, count, onStartMoved)
  log.epochs.truncateFromStart(log.logStartOffset)
  return doomed
}

function countBelowStart(log: PartitionLog): number {
  let count = 0
  while (count < log.sealed.length && log.sealed[count]!.nextOffset <= log.logStartOffset) count += 1
  return count
}

function deleteOldest(log: PartitionLog, count: number, onStartMoved: () => void): Doomed[] {
  if (count === 0) return []
  const removed = log.sealed.splice(0, count)
  log.forget(removed[removed.length - 1]!.nextOffset)
  const firstLeft = log.sealed[0]?.baseOffset ?? log.active.baseOffset
  assert(firstLeft >= removed[removed.length - 1]!.nextOffset, 'only the oldest segments are deleted')
  log.logStartOffset = Math.max(log.logStartOffset, firstLeft)
  onStartMoved()
  const paths: string[] = []
  const { fs } = log.env
  try {
    storageCall(`deleting old segments of ${log.directory}`, () => {
      for (const segment of removed) {
        for (const suffix of ['.log', '.index', '.timeindex', '.txnindex', '.snapshot'] as const) {
          const path = segmentPath(log.directory, segment.baseOffset, suffix)
          if (fs.stat(path) === undefined) continue
          fs.rename(path, `${path}.deleted`)
          paths.push(`${path}.deleted`)
        }
        log.env.failpoint('retention:after-rename')
        // One by one: were several under way, a power cut could take a later one and leave a hole behind an earlier
        // one.
        fs.syncDirectory(log.directory)
      }
    })
  } catch (error) {
    throw log.fail(error)
  }
  // What is gone for good will not be synced: nobody must wait for it.
  log.committedOffset = Math.max(log.committedOffset, firstLeft)
  return [{ paths, dueMs: log.env.clock.monotonicMs() + log.config.deleteDelayMs }]
}
