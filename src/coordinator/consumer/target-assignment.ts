/**
 * What a group subscribes to, and its target assignment: who is to have what once everyone has moved.
 */
import type { AssignorMember } from '../assignors/assignor.ts'
import { assignorNamed, DEFAULT_ASSIGNOR } from '../assignors/named-assignors.ts'
import type { MemberSubscription } from '../records/consumer-group-records.ts'
import type { CatalogueTopic, TopicCatalogue } from '../topic-catalogue.ts'
import { type Assignment, NO_PARTITIONS } from './assignment.ts'

export type Subscriptions = ReadonlyMap<string, MemberSubscription>
export type RegexTopics = ReadonlyMap<string, readonly string[]>

/** Names of all topics that a member subscribes to, existing or not. */
export function subscribedNames(subscription: MemberSubscription, regexes: RegexTopics): Set<string> {
  const names = new Set(subscription.subscribedTopicNames)
  if (subscription.subscribedTopicRegex !== null) {
    for (const name of regexes.get(subscription.subscribedTopicRegex) ?? []) names.add(name)
  }
  return names
}

/** Topics that exist and that somebody subscribes to, by name. */
export function subscribedTopics(
  subscriptions: Subscriptions,
  regexes: RegexTopics,
  catalogue: TopicCatalogue,
): Map<string, CatalogueTopic> {
  const topics = new Map<string, CatalogueTopic>()
  for (const subscription of subscriptions.values()) {
    for (const name of subscribedNames(subscription, regexes)) {
      if (topics.has(name)) continue
      const topic = catalogue.byName(name)
      if (topic !== undefined) topics.set(name, topic)
    }
  }
  return topics
}

/** Differs when a subscribed topic comes, goes, is made anew or gets partitions: 53 bits, 0 for none. */
export function metadataHash(topics: ReadonlyMap<string, CatalogueTopic>): number {
  let high = 0x811c_9dc5
  let low = 0xcbf2_9ce4
  for (const { name, topicId, partitionCount } of [...topics.values()].sort(byTopicName)) {
    const text = `${name}:${topicId}:${partitionCount};`
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      high = Math.imul(high ^ code, 0x0100_0193)
      low = Math.imul(low ^ code, 0x85eb_ca6b) ^ (low >>> 15)
    }
  }
  return topics.size === 0 ? 0 : (high >>> 11) * 0x1_0000_0000 + (low >>> 0)
}

function byTopicName(one: CatalogueTopic, other: CatalogueTopic): number {
  return one.name < other.name ? -1 : 1
}

/** The assignor that most members ask for, the default if none asks. */
export function selectAssignor(subscriptions: Subscriptions): string {
  const votes = new Map<string, number>()
  for (const { serverAssignor } of subscriptions.values()) {
    if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1)
  }
  let selected = DEFAULT_ASSIGNOR
  for (const [name, count] of votes) if (count > (votes.get(selected) ?? 0)) selected = name
  return selected
}

export function computeTarget(
  subscriptions: Subscriptions,
  regexes: RegexTopics,
  topics: ReadonlyMap<string, CatalogueTopic>,
  currentTarget: (memberId: string) => Assignment,
): Map<string, Assignment> {
  // The same names often: one set of ids for each subscription, not for each member.
  const members: AssignorMember[] = [...subscriptions].map(([memberId, subscription]) => ({
    memberId,
    instanceId: subscription.instanceId,
    topicIds: idsOf(subscribedNames(subscription, regexes), topics),
    current: currentTarget(memberId),
  }))
  const partitionCounts = new Map<string, number>()
  for (const { topicId, partitionCount } of topics.values()) partitionCounts.set(topicId, partitionCount)
  const assignor = assignorNamed(selectAssignor(subscriptions)) ?? assignorNamed(DEFAULT_ASSIGNOR)!
  return assignor({ members, partitionCounts })
}

function idsOf(names: ReadonlySet<string>, topics: ReadonlyMap<string, CatalogueTopic>): Set<string> {
  const ids = new Set<string>()
  for (const name of names) {
    const topic = topics.get(name)
    if (topic !== undefined) ids.add(topic.topicId)
  }
  return ids
}

export function targetOf(targets: ReadonlyMap<string, Assignment>, memberId: string): Assignment {
  return targets.get(memberId) ?? NO_PARTITIONS
}
