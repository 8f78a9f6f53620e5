/**
 * Fault: one thing that is wrong in a file of a log, and where. FaultList: what a check of one segment found, bounded.
 */

export interface Fault {
  /** Path of the file. */
  readonly file: string
  /** Byte in the file at which the faulty thing begins. */
  readonly position: number
  /** Offset of the record batch concerned, or the one that was expected there; undefined where there is none. */
  readonly offset?: number
  readonly what: string
}

/** A segment that is garbage from end to end gives a fault for each entry and batch: the first ones tell enough. */
export const FAULTS_KEPT_MAX = 100

export class FaultList {
  readonly faults: Fault[] = []
  /** Also those that were not kept. */
  count = 0

  add(file: string, position: number, what: string, offset?: number): void {
    this.count += 1
    if (this.faults.length >= FAULTS_KEPT_MAX) return
    this.faults.push(offset === undefined ? { file, position, what } : { file, position, offset, what })
  }
}
