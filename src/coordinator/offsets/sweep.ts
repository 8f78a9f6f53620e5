/**
 * OffsetSweep: looks over all groups for offsets that are due to go, some groups in each step.
 *
 * The time it goes by cannot jump ahead: it is the wall clock, but never more past its start than the monotonic clock
 * has moved. A clock that is set ten years forward deletes nothing.
 */
import type { CoordinatorState } from '../coordinator-state.ts'
import type { GroupEntry } from '../group-entry.ts'
import { deleteTopicOffsets, expireOffsets } from './delete.ts'

const GROUPS_PER_STEP = 1000

export class OffsetSweep {
  readonly #state: CoordinatorState
  #left: GroupEntry[] = []
  #nextMs = Infinity
  #startMs = 0
  #startWallMs = 0

  constructor(state: CoordinatorState) {
    this.#state = state
  }

  start(): void {
    this.#startMs = this.#state.nowMs
    this.#startWallMs = this.#state.wallMs
    this.#nextMs = this.#state.nowMs + this.#state.config.offsetsRetentionCheckMs
  }

  get nextMs(): number {
    return this.#left.length > 0 ? this.#state.nowMs : this.#nextMs
  }

  /** True if it had something to do. */
  step(): boolean {
    const { nowMs, wallMs, config } = this.#state
    if (this.#left.length === 0) {
      if (nowMs < this.#nextMs) return false
      this.#nextMs = nowMs + config.offsetsRetentionCheckMs
      this.#left = [...this.#state.entries.values()]
    }
    const steadyWallMs = Math.min(wallMs, this.#startWallMs + (nowMs - this.#startMs))
    for (const entry of this.#left.splice(0, GROUPS_PER_STEP)) {
      if (this.#state.entries.get(entry.groupId) !== entry) continue
      entry.lane.enqueue('alone', () => expireOffsets(entry, steadyWallMs))
      this.#state.releaseIfVoid(entry)
    }
    return true
  }

  deleteTopics(names: readonly string[]): void {
    const topics = new Set(names)
    for (const entry of [...this.#state.entries.values()]) {
      entry.lane.enqueue('alone', () => deleteTopicOffsets(entry, topics))
      this.#state.releaseIfVoid(entry)
    }
  }
}
