/**
 * Tasks of the pool (engine/task-pool.ts): Piscina hands any of them to any idle thread, so they keep no state between
 * calls, and what they are given and return is structured-clonable. One exported function is one task, by its name.
 */
import { realEnv } from '../base/env/real-env.ts'
import { verifySegment as verifySegmentFiles, type SegmentReport, type SegmentTask } from '../segment/verify.ts'

/** Checks one segment's files. Rejects with what the disk reports. */
export function verifySegment(task: SegmentTask): SegmentReport {
  return verifySegmentFiles(realEnv.fs, task)
}
