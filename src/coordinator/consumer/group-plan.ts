/**
 * What a heartbeat means for its whole group: does the group's epoch move, and is a new target due?
 *
 * The epoch moves when a member is new or subscribes to something else, and when a subscribed topic comes, goes or gets
 * partitions (seen at the first heartbeat after topicsChanged()). When it is ahead of the target, a new target is made.
 */
import type { ConsumerGroupChange, MemberSubscription } from '../records/consumer-group-records.ts'
import type { TopicCatalogue } from '../topic-catalogue.ts'
import { type Assignment, isEqual } from './assignment.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import { parseTopicRegex } from './heartbeat-checks.ts'
import type { Target } from './reconcile.ts'
import { computeTarget, metadataHash, subscribedTopics, targetOf } from './target-assignment.ts'

interface Heartbeat {
  readonly memberId: string
  readonly subscription: MemberSubscription
  readonly replaced: string | undefined
}

/** Adds to `changes`, and gives the target of this member. */
export function planAssignment(group: ConsumerGroup, heartbeat: Heartbeat, changes: ConsumerGroupChange[]): Target {
  const { memberId, subscription, replaced } = heartbeat
  const before = group.subscriptions.get(replaced ?? memberId)
  const isOther = before === undefined || subscribesOtherwise(before, subscription)
  const { catalogueVersion, topics: catalogue } = group.seat.services
  const isCatalogueNew = group.checkedCatalogueVersion !== catalogueVersion
  const ownTarget = group.target(replaced ?? memberId)
  if (!isOther && !isCatalogueNew && group.epoch === group.targetEpoch) {
    if (replaced !== undefined) changes.push({ kind: 'target', memberId, value: ownTarget })
    return { epoch: group.targetEpoch, partitions: ownTarget }
  }
  const subscriptions = new Map(group.subscriptions)
  if (replaced !== undefined) subscriptions.delete(replaced)
  subscriptions.set(memberId, subscription)
  const regexes = resolveRegexes(group, subscriptions, isCatalogueNew, changes)
  const topics = subscribedTopics(subscriptions, regexes, catalogue)
  const hash = metadataHash(topics)
  let epoch = group.epoch
  if (isOther || hash !== group.metadataHash) {
    epoch += 1
    changes.push({ kind: 'epoch', value: { epoch, metadataHash: hash } })
  }
  group.checkedCatalogueVersion = catalogueVersion
  if (epoch === group.targetEpoch) {
    if (replaced !== undefined) changes.push({ kind: 'target', memberId, value: ownTarget })
    return { epoch, partitions: ownTarget }
  }
  const targets = computeTarget(subscriptions, regexes, topics, (id) =>
    id === memberId ? ownTarget : group.target(id),
  )
  pushTargets(group, targets, changes)
  changes.push({ kind: 'targetEpoch', value: epoch })
  return { epoch, partitions: targetOf(targets, memberId) }
}

function subscribesOtherwise(one: MemberSubscription, other: MemberSubscription): boolean {
  return (
    one.subscribedTopicRegex !== other.subscribedTopicRegex ||
    one.serverAssignor !== other.serverAssignor ||
    one.subscribedTopicNames.length !== other.subscribedTopicNames.length ||
    one.subscribedTopicNames.some((name, index) => name !== other.subscribedTopicNames[index])
  )
}

function pushTargets(
  group: ConsumerGroup,
  targets: ReadonlyMap<string, Assignment>,
  changes: ConsumerGroupChange[],
): void {
  for (const [memberId, partitions] of targets) {
    const before = group.targets.get(memberId)
    if (before === undefined || !isEqual(before, partitions)) {
      changes.push({ kind: 'target', memberId, value: partitions })
    }
  }
}

/** Topics of each expression in use; those that changed, and those no longer in use, become changes. */
function resolveRegexes(
  group: ConsumerGroup,
  subscriptions: ReadonlyMap<string, MemberSubscription>,
  isCatalogueNew: boolean,
  changes: ConsumerGroupChange[],
): ReadonlyMap<string, readonly string[]> {
  const { topics: catalogue, wallMs } = group.seat.services
  const resolved = new Map<string, readonly string[]>()
  for (const { subscribedTopicRegex: regex } of subscriptions.values()) {
    if (regex === null || resolved.has(regex)) continue
    const before = group.regexes.get(regex)
    if (before !== undefined && !isCatalogueNew) {
      resolved.set(regex, before)
      continue
    }
    const topics = matchingTopics(regex, catalogue)
    resolved.set(regex, topics)
    if (before === undefined || before.join() !== topics.join()) {
      changes.push({ kind: 'regex', regex, value: { topics, timestamp: wallMs } })
    }
  }
  for (const regex of group.regexes.keys()) {
    if (!resolved.has(regex)) changes.push({ kind: 'regex', regex, value: null })
  }
  return resolved
}

/** A stored expression that cannot be read (one of Kafka's that we do not know) matches nothing. */
function matchingTopics(pattern: string, catalogue: TopicCatalogue): string[] {
  const regex = parseTopicRegex(pattern)
  if ('errorCode' in regex) return []
  const names: string[] = []
  for (const { name } of catalogue.all()) if (regex.matches(name)) names.push(name)
  return names.sort()
}
