/**
 * Assignment: partitions by topic id. Values are never changed once made; each function gives a new one.
 *
 * Invariant: no topic has an empty set of partitions.
 */
import type { TopicIdPartitions } from '../consumer-messages.ts'

export type Assignment = ReadonlyMap<string, ReadonlySet<number>>

export const NO_PARTITIONS: Assignment = new Map()

export function assignmentOf(topics: readonly TopicIdPartitions[]): Assignment {
  const result = new Map<string, Set<number>>()
  for (const { topicId, partitions } of topics) {
    if (partitions.length === 0) continue
    const set = result.get(topicId) ?? new Set()
    for (const partition of partitions) set.add(partition)
    result.set(topicId, set)
  }
  return result
}

export function topicPartitionsOf(assignment: Assignment): { topicId: string; partitions: number[] }[] {
  return [...assignment].map(([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions].sort((a, b) => a - b),
  }))
}

export function has(assignment: Assignment, topicId: string, partition: number): boolean {
  return assignment.get(topicId)?.has(partition) === true
}

export function isEmpty(assignment: Assignment): boolean {
  return assignment.size === 0
}

export function partitionCount(assignment: Assignment): number {
  let count = 0
  for (const partitions of assignment.values()) count += partitions.size
  return count
}

/** Those for which `keep` holds. */
export function filter(assignment: Assignment, keep: (topicId: string, partition: number) => boolean): Assignment {
  const result = new Map<string, Set<number>>()
  for (const [topicId, partitions] of assignment) {
    const kept = new Set([...partitions].filter((partition) => keep(topicId, partition)))
    if (kept.size > 0) result.set(topicId, kept)
  }
  return result
}

export function union(one: Assignment, other: Assignment): Assignment {
  const result = new Map<string, ReadonlySet<number>>(one)
  for (const [topicId, partitions] of other) {
    result.set(topicId, new Set([...(result.get(topicId) ?? []), ...partitions]))
  }
  return result
}

export function minus(one: Assignment, other: Assignment): Assignment {
  return filter(one, (topicId, partition) => !has(other, topicId, partition))
}

export function isSubset(one: Assignment, other: Assignment): boolean {
  for (const [topicId, partitions] of one) {
    for (const partition of partitions) if (!has(other, topicId, partition)) return false
  }
  return true
}

export function isEqual(one: Assignment, other: Assignment): boolean {
  return one === other || (partitionCount(one) === partitionCount(other) && isSubset(one, other))
}
