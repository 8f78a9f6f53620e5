/**
 * Server-side assignors: who of a group gets which partitions. Pure functions of members and topics.
 */
import type { Assignment } from '../consumer/assignment.ts'

export interface AssignorMember {
  readonly memberId: string
  readonly instanceId: string | null
  /** Ids of topics that it subscribes to and that exist. */
  readonly topicIds: ReadonlySet<string>
  /** What it was to have before: an assignor may keep it. */
  readonly current: Assignment
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[]
  /** Of every subscribed topic, by id. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

/** Every partition of every subscribed topic goes to exactly one subscriber of it. */
export type Assignor = (input: AssignorInput) => Map<string, Assignment>
