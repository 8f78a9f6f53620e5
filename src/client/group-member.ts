/**
 * GroupMember: a protocol by which a consumer is a member of its group: KIP-848 (group-consumer-member.ts) or classic
 * (group-classic-member.ts). GroupSeat: what a member may do to its consumer; group-subscription.ts is it.
 */
import type { Clock, Random, Timers } from '../base/env/env.ts'
import type { VltavaError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import type { TopicPartition } from './consumer-positions.ts'
import type { GroupSettings } from './group-options.ts'
import type { CommitIdentity } from './group-offsets.ts'

export interface GroupSeat {
  readonly settings: GroupSettings
  readonly link: GroupLink
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Topics that the consumer wants at present, sorted; some may not exist. */
  topics(): string[]
  topicNameOf(topicId: string): string | undefined
  topicIdOf(topic: string): string | undefined
  partitionCount(topic: string): number | undefined
  owned(): TopicPartition[]
  /** Commits, tells the program, and gives partitions up; when the consumer is between two batches. */
  revoke(partitions: readonly TopicPartition[]): Promise<void>
  /** Finds where to begin, begins, and tells the program. */
  assign(partitions: readonly TopicPartition[]): Promise<void>
  /** Everything is gone without asking. */
  lose(): Promise<void>
  /** The consumer can be no member any more: its loop ends with this error. */
  fail(error: VltavaError): void
  /** The group speaks the other protocol. False: the program has chosen this one. */
  changeProtocol(): boolean
}

export interface GroupMember {
  readonly identity: CommitIdentity
  /** Partitions are as the coordinator last wanted them. */
  readonly isSettled: boolean
  start(): void
  /** Topics came, went or changed, or the subscription did: the next heartbeat is due now. */
  topicsChanged(): void
  /** No request is sent after this but, if `isLeaving`, the one that leaves the group. */
  stop(isLeaving: boolean): Promise<void>
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

/** What is in `some` and not in `others`. */
export function without(some: readonly TopicPartition[], others: readonly TopicPartition[]): TopicPartition[] {
  const keys = new Set(others.map(keyOf))
  return some.filter((place) => !keys.has(keyOf(place)))
}
