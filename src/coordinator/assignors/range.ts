/**
 * range: each topic's partitions in one piece per member, members in order. Topics with the same subscribers and the
 * same number of partitions are cut alike, so that equal partition numbers meet at one member.
 */
import type { Assignment } from '../consumer/assignment.ts'
import type { AssignorInput, AssignorMember } from './assignor.ts'

export function assignRange({ members, partitionCounts }: AssignorInput): Map<string, Assignment> {
  const result = new Map<string, Map<string, Set<number>>>(members.map(({ memberId }) => [memberId, new Map()]))
  const ordered = [...members].sort(byName)
  for (const [topicId, partitionCount] of partitionCounts) {
    const subscribers = ordered.filter(({ topicIds }) => topicIds.has(topicId))
    let next = 0
    subscribers.forEach(({ memberId }, index) => {
      const share = Math.floor(partitionCount / subscribers.length)
      const end = next + share + (index < partitionCount % subscribers.length ? 1 : 0)
      const partitions = new Set<number>()
      while (next < end) partitions.add(next++)
      if (partitions.size > 0) result.get(memberId)!.set(topicId, partitions)
    })
  }
  return result
}

/** By instance id where there is one, so that a restart keeps the place. */
function byName(one: AssignorMember, other: AssignorMember): number {
  const [name, otherName] = [one.instanceId ?? one.memberId, other.instanceId ?? other.memberId]
  return name < otherName ? -1 : name > otherName ? 1 : 0
}
