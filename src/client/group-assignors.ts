/**
 * What the leader of a classic group assigns by. Pure functions; each gives every subscribed partition that exists to
 * exactly one member that subscribes to its topic, if there is one, and the same answer to the same question.
 *
 *   range               each topic by itself, in stretches; members in the order of their ids. With the same number of
 *                       partitions, topics that are read together meet at one member
 *   roundrobin          all partitions dealt out in a circle; balanced over topics
 *   cooperative-sticky  balanced, moving as little as possible, and never straight from one member to another: what
 *                       moves is given up in one rebalance and assigned in the next (KIP-429)
 */
import type { TopicPartition } from './consumer-positions.ts'

export type AssignorName = 'range' | 'roundrobin' | 'cooperative-sticky'

/** Best first. */
export const ASSIGNORS: readonly AssignorName[] = ['range', 'roundrobin', 'cooperative-sticky']

export interface AssigningMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
  /** What it says it owns. */
  readonly owned: readonly TopicPartition[]
  /** Generation in which it got `owned`; -1 if it does not say. */
  readonly generation: number
}

export type MemberAssignments = Map<string, TopicPartition[]>

/** `partitionCount` of a topic; undefined if there is none of that name. */
export function assignPartitions(
  assignor: AssignorName,
  members: readonly AssigningMember[],
  partitionCount: (topic: string) => number | undefined,
): MemberAssignments {
  // A static member keeps its place in the order when it comes back under a new member id.
  const sorted = [...members].sort((one, other) => compare(orderOf(one), orderOf(other)))
  const topics = [...new Set(sorted.flatMap((member) => member.topics))].sort(compare)
  const known = topics.flatMap((topic) => {
    const count = partitionCount(topic)
    return count === undefined || count === 0 ? [] : [{ topic, count }]
  })
  const assignments: MemberAssignments = new Map(members.map(({ memberId }) => [memberId, []]))
  switch (assignor) {
    case 'range':
      range(sorted, known, assignments)
      break
    case 'roundrobin':
      roundRobin(sorted, known, assignments)
      break
    case 'cooperative-sticky':
      sticky(sorted, known, assignments)
      break
  }
  return assignments
}

interface KnownTopic {
  readonly topic: string
  readonly count: number
}

function orderOf({ groupInstanceId, memberId }: AssigningMember): string {
  // As in Kafka: those with an instance id come first.
  return groupInstanceId === null ? `1${memberId}` : `0${groupInstanceId}`
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function range(
  members: readonly AssigningMember[],
  topics: readonly KnownTopic[],
  assignments: MemberAssignments,
): void {
  for (const { topic, count } of topics) {
    const subscribers = members.filter((member) => member.topics.includes(topic))
    const each = Math.floor(count / subscribers.length)
    const withOneMore = count % subscribers.length
    let partition = 0
    subscribers.forEach(({ memberId }, index) => {
      const end = partition + each + (index < withOneMore ? 1 : 0)
      for (; partition < end; partition++) assignments.get(memberId)!.push({ topic, partition })
    })
  }
}

function roundRobin(
  members: readonly AssigningMember[],
  topics: readonly KnownTopic[],
  assignments: MemberAssignments,
): void {
  let turn = 0
  for (const { topic, count } of topics) {
    for (let partition = 0; partition < count; partition++) {
      while (!members[turn % members.length]!.topics.includes(topic)) turn += 1
      assignments.get(members[turn % members.length]!.memberId)!.push({ topic, partition })
      turn += 1
    }
  }
}

function sticky(
  members: readonly AssigningMember[],
  topics: readonly KnownTopic[],
  assignments: MemberAssignments,
): void {
  const counts = new Map(topics.map(({ topic, count }) => [topic, count]))
  const ownerOf = currentOwners(members, counts)
  const subscribersOf = new Map(
    topics.map(({ topic }) => [topic, members.filter((member) => member.topics.includes(topic))]),
  )
  const unassigned: TopicPartition[] = []
  for (const { topic, count } of topics) {
    for (let partition = 0; partition < count; partition++) {
      const owner = ownerOf.get(keyOf(topic, partition))
      if (owner === undefined) unassigned.push({ topic, partition })
      else assignments.get(owner)!.push({ topic, partition })
    }
  }
  const sizeOf = ({ memberId }: AssigningMember): number => assignments.get(memberId)!.length
  for (const place of unassigned) {
    const least = subscribersOf
      .get(place.topic)!
      .reduce((best, member) => (sizeOf(member) < sizeOf(best) ? member : best))
    assignments.get(least.memberId)!.push(place)
  }
  balance(members, subscribersOf, assignments, sizeOf)
  // What another member still owns is given up first; whoever is to have it gets it in the rebalance that follows.
  for (const [memberId, places] of assignments) {
    const kept = places.filter(({ topic, partition }) => {
      const owner = ownerOf.get(keyOf(topic, partition))
      return owner === undefined || owner === memberId
    })
    assignments.set(memberId, kept)
  }
}

/** Moves one partition at a time to a member that has at least two fewer, until there is none. */
function balance(
  members: readonly AssigningMember[],
  subscribersOf: ReadonlyMap<string, readonly AssigningMember[]>,
  assignments: MemberAssignments,
  sizeOf: (member: AssigningMember) => number,
): void {
  // Each move makes the sum of squares smaller, so this ends.
  for (let hasMoved = true; hasMoved;) {
    hasMoved = false
    for (const from of [...members].sort((one, other) => sizeOf(other) - sizeOf(one))) {
      const places = assignments.get(from.memberId)!
      for (let at = places.length - 1; at >= 0; at--) {
        const to = subscribersOf
          .get(places[at]!.topic)!
          .reduce((best, member) => (sizeOf(member) < sizeOf(best) ? member : best))
        if (sizeOf(from) - sizeOf(to) < 2) continue
        assignments.get(to.memberId)!.push(...places.splice(at, 1))
        hasMoved = true
      }
    }
  }
}

/** Who owns what, as members say; of two that claim the same, the one of the newer generation. */
function currentOwners(members: readonly AssigningMember[], counts: ReadonlyMap<string, number>): Map<string, string> {
  const owners = new Map<string, { memberId: string; generation: number } | undefined>()
  for (const { memberId, topics, owned, generation } of members) {
    for (const { topic, partition } of owned) {
      if (!topics.includes(topic) || partition >= (counts.get(topic) ?? 0)) continue
      const key = keyOf(topic, partition)
      const rival = owners.get(key)
      if (!owners.has(key) || (rival !== undefined && rival.generation < generation)) {
        owners.set(key, { memberId, generation })
      } else if (rival?.generation === generation) {
        owners.set(key, undefined) // Neither is right for sure: it is assigned as if nobody had it.
      }
    }
  }
  const sure = [...owners].flatMap(([key, owner]): [string, string][] =>
    owner === undefined ? [] : [[key, owner.memberId]],
  )
  return new Map(sure)
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
