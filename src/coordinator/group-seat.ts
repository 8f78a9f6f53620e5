/**
 * GroupSeat: what a group's state machine may use of the coordinator around it.
 */
import type { Random } from '../base/env/env.ts'
import type { GroupConfig } from './group-config.ts'
import type { CoordinatorRecord } from './records/record-codec.ts'
import type { Timer, Timers } from './timers.ts'
import type { TopicCatalogue } from './topic-catalogue.ts'

export interface GroupServices {
  readonly config: GroupConfig
  readonly timers: Timers
  readonly topics: TopicCatalogue
  /** Grows whenever the catalogue changes. */
  readonly catalogueVersion: number
  readonly random: Random
  /** Monotonic; for every timeout. */
  readonly nowMs: number
  /** For what is stored. */
  readonly wallMs: number
  /** A group looks otherwise than before: whoever tells its members looks at them. */
  noteChange(groupId: string): void
}

export interface GroupSeat {
  readonly groupId: string
  readonly services: GroupServices
  /** A timer that fires in the group's turn. */
  timer(fire: () => void): Timer
  /** At most one append of a group is under way; the group's other requests wait until `onWritten` returned. */
  write(records: CoordinatorRecord[], onWritten: (error: Error | undefined) => void): void
  /** Behind the append under way, or at once if there is none. */
  whenWritten(then: (error: Error | undefined) => void): void
}
