/**
 * uniform: partitions are spread evenly, and stay where they are as far as that allows.
 *
 * Members that all subscribe to the same topics get their share and at most one more than others. With different
 * subscriptions balance comes first: while there is a chain of members that share topics, from one to another that has
 * at least two partitions fewer, one partition moves along each link of the chain. That ends in the flattest
 * distribution there is; LINKS_MAX bounds the search, what is left then is valid and less flat.
 */
import type { Assignment } from '../consumer/assignment.ts'
import type { AssignorInput, AssignorMember } from './assignor.ts'

const LINKS_MAX = 5_000_000

interface Share {
  readonly member: AssignorMember
  readonly partitions: Map<string, Set<number>>
  count: number
}

interface Place {
  readonly topicId: string
  readonly partition: number
}

export function assignUniform(input: AssignorInput): Map<string, Assignment> {
  const shares = [...input.members]
    .sort((one, other) => (one.memberId < other.memberId ? -1 : 1))
    .map((member): Share => ({ member, partitions: new Map(), count: 0 }))
  if (shares.length > 0) {
    const subscribed = input.members[0]!.topicIds
    const alike = new Map([...input.partitionCounts].filter(([topicId]) => subscribed.has(topicId)))
    if (areAlike(input.members)) assignAlike(shares, alike)
    else assignUnlike(shares, input.partitionCounts)
  }
  return new Map(shares.map(({ member, partitions }) => [member.memberId, partitions]))
}

function areAlike(members: readonly AssignorMember[]): boolean {
  const first = members[0]!.topicIds
  return members.every(({ topicIds }) => topicIds.size === first.size && [...topicIds].every((id) => first.has(id)))
}

function assignAlike(shares: Share[], partitionCounts: ReadonlyMap<string, number>): void {
  let total = 0
  for (const count of partitionCounts.values()) total += count
  const quota = Math.floor(total / shares.length)
  let extras = total % shares.length
  const taken = new Map<string, Set<number>>()
  for (const share of shares) {
    for (const place of keepable(share.member, partitionCounts, taken)) {
      const isExtra = share.count === quota
      if (share.count > quota || (isExtra && extras === 0)) break
      if (isExtra) extras -= 1
      give(share, place)
      take(taken, place)
    }
  }
  const open = openPlaces(partitionCounts, taken)
  for (const share of shares) while (share.count < quota) give(share, open.pop()!)
  for (const share of shares) {
    if (open.length === 0) return
    if (share.count === quota) give(share, open.pop()!)
  }
}

/** What a member has, may keep, and nobody before it has kept. */
function keepable(
  { current, topicIds }: AssignorMember,
  partitionCounts: ReadonlyMap<string, number>,
  taken: ReadonlyMap<string, ReadonlySet<number>>,
): Place[] {
  const places: Place[] = []
  for (const [topicId, partitions] of current) {
    if (!topicIds.has(topicId)) continue
    const count = partitionCounts.get(topicId) ?? 0
    for (const partition of partitions) {
      if (partition < count && taken.get(topicId)?.has(partition) !== true) places.push({ topicId, partition })
    }
  }
  return places
}

/** Last first, for pop(). */
function openPlaces(
  partitionCounts: ReadonlyMap<string, number>,
  taken: ReadonlyMap<string, ReadonlySet<number>>,
): Place[] {
  const places: Place[] = []
  for (const [topicId, count] of partitionCounts) {
    for (let partition = 0; partition < count; partition++) {
      if (taken.get(topicId)?.has(partition) !== true) places.push({ topicId, partition })
    }
  }
  return places.reverse()
}

function take(taken: Map<string, Set<number>>, { topicId, partition }: Place): void {
  const partitions = taken.get(topicId)
  if (partitions === undefined) taken.set(topicId, new Set([partition]))
  else partitions.add(partition)
}

function give(share: Share, place: Place): void {
  take(share.partitions, place)
  share.count += 1
}

function withdraw(share: Share, topicId: string): number {
  const partitions = share.partitions.get(topicId)!
  const partition = [...partitions].at(-1)!
  partitions.delete(partition)
  if (partitions.size === 0) share.partitions.delete(topicId)
  share.count -= 1
  return partition
}

function assignUnlike(shares: Share[], partitionCounts: ReadonlyMap<string, number>): void {
  const taken = new Map<string, Set<number>>()
  for (const share of shares) {
    for (const place of keepable(share.member, partitionCounts, taken)) {
      give(share, place)
      take(taken, place)
    }
  }
  const subscribers = new Map<string, Share[]>()
  for (const share of shares) {
    for (const topicId of share.member.topicIds) {
      const list = subscribers.get(topicId)
      if (list === undefined) subscribers.set(topicId, [share])
      else list.push(share)
    }
  }
  for (const place of openPlaces(partitionCounts, taken)) {
    const candidates = subscribers.get(place.topicId)
    if (candidates !== undefined) give(fewest(candidates), place)
  }
  flatten(shares, subscribers)
}

function fewest(shares: readonly Share[]): Share {
  let found = shares[0]!
  for (const share of shares) if (share.count < found.count) found = share
  return found
}

function flatten(shares: Share[], subscribers: ReadonlyMap<string, readonly Share[]>): void {
  const budget = { links: LINKS_MAX }
  const ordered = (): Share[] => [...shares].sort((one, other) => other.count - one.count)
  for (let hasMoved = true; hasMoved && budget.links > 0;) {
    hasMoved = false
    for (const share of ordered()) {
      while (budget.links > 0 && moveOne(share, subscribers, budget)) hasMoved = true
    }
  }
}

/** Makes `from` one partition lighter, at the cost of somebody with at least two fewer; false if there is no such. */
function moveOne(from: Share, subscribers: ReadonlyMap<string, readonly Share[]>, budget: { links: number }): boolean {
  const cameBy = new Map<Share, { readonly share: Share; readonly topicId: string }>()
  const seenTopics = new Set<string>()
  const open = [from]
  for (let next = 0; next < open.length; next++) {
    const share = open[next]!
    for (const topicId of share.partitions.keys()) {
      if (seenTopics.has(topicId)) continue
      seenTopics.add(topicId)
      for (const other of subscribers.get(topicId)!) {
        budget.links -= 1
        if (other === from || cameBy.has(other)) continue
        cameBy.set(other, { share, topicId })
        open.push(other)
        if (other.count <= from.count - 2) {
          moveAlong(from, other, cameBy)
          return true
        }
      }
    }
    if (budget.links <= 0) return false
  }
  return false
}

function moveAlong(
  from: Share,
  to: Share,
  cameBy: ReadonlyMap<Share, { readonly share: Share; readonly topicId: string }>,
): void {
  for (let share = to; share !== from;) {
    const link = cameBy.get(share)!
    give(share, { topicId: link.topicId, partition: withdraw(link.share, link.topicId) })
    share = link.share
  }
}
