/**
 * Members whose life is seen otherwise than by heartbeats: threads of this process. Their session goes on while the
 * thread lives, and they are told when a heartbeat would bring them something.
 */
import { restartSession } from './classic/rebalance.ts'
import { MemberState } from './records/consumer-group-records.ts'
import type { GroupEntry } from './group-entry.ts'

export interface FoundMember {
  readonly groupId: string
  readonly memberId: string
  readonly instanceId: string | null
  readonly protocol: 'classic' | 'consumer'
}

/** Whether a heartbeat would tell this member something, its being out of the group included. */
export function hasNews(entry: GroupEntry | undefined, memberId: string): boolean {
  const consumer = entry?.consumer
  if (consumer?.subscriptions.has(memberId) === true) {
    const { memberEpoch, state } = consumer.current(memberId)
    const isBehind = consumer.epoch > consumer.targetEpoch || memberEpoch < consumer.targetEpoch
    return isBehind || state === MemberState.UNRELEASED_PARTITIONS
  }
  const classic = entry?.classic
  const member = classic?.members.get(memberId)
  if (member === undefined) return classic?.pendingJoin.has(memberId) !== true
  // Who waits for the answer to a join or a sync hears of everything by that.
  return classic?.state === 'PreparingRebalance' && member.joinReply === undefined
}

export function keepAlive({ consumer, classic }: GroupEntry, memberId: string): void {
  if (consumer?.subscriptions.has(memberId) === true) consumer.restartSession(memberId)
  const member = classic?.members.get(memberId)
  if (classic !== undefined && member !== undefined && !member.isNew) restartSession(classic, member)
}

export function membersFrom({ groupId, consumer, classic }: GroupEntry, clientHost: string): FoundMember[] {
  const found: FoundMember[] = []
  for (const [memberId, subscription] of consumer?.subscriptions ?? []) {
    if (subscription.clientHost !== clientHost) continue
    found.push({ groupId, memberId, instanceId: subscription.instanceId, protocol: 'consumer' })
  }
  for (const member of classic?.members.values() ?? []) {
    if (member.clientHost !== clientHost) continue
    found.push({ groupId, memberId: member.memberId, instanceId: member.groupInstanceId, protocol: 'classic' })
  }
  return found
}
