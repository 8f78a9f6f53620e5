/** The server-side assignors: complete, balanced, sticky. */
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../src/base/random.ts'
import type { Assignor, AssignorInput, AssignorMember } from '../../src/coordinator/assignors/assignor.ts'
import { assignRange } from '../../src/coordinator/assignors/range.ts'
import { assignUniform } from '../../src/coordinator/assignors/uniform.ts'
import { type Assignment, assignmentOf, partitionCount } from '../../src/coordinator/consumer/assignment.ts'
import { testSeed } from '../random.ts'

type Given = Record<string, { topics: string; has?: Record<string, number[]>; instance?: string }>

function input(members: Given, topics: Record<string, number>): AssignorInput {
  const list = Object.entries(members).map(
    ([memberId, { topics: subscribed, has = {}, instance = null as string | null }]) => ({
      memberId,
      instanceId: instance,
      topicIds: new Set(subscribed),
      current: assignmentOf(Object.entries(has).map(([topicId, partitions]) => ({ topicId, partitions }))),
    }),
  )
  return { members: list, partitionCounts: new Map(Object.entries(topics)) }
}

function shown(result: ReadonlyMap<string, Assignment>): Record<string, string> {
  const entries = [...result].map(([memberId, assignment]) => {
    const parts = [...assignment].flatMap(([topicId, partitions]) =>
      [...partitions].map((partition) => topicId + partition),
    )
    return [memberId, parts.sort().join(' ')] as const
  })
  return Object.fromEntries(entries)
}

describe('range', () => {
  it('cuts each topic in pieces, the first ones one longer, and equal numbers meet', () => {
    const given = input({ b: { topics: 'tu' }, a: { topics: 'tu' } }, { t: 3, u: 3 })
    expect(shown(assignRange(given))).toEqual({ a: 't0 t1 u0 u1', b: 't2 u2' })
  })

  it('orders members by instance id, and gives a topic to its subscribers alone', () => {
    const given = input(
      { x: { topics: 't', instance: '1' }, a: { topics: 'tu', instance: '2' }, c: { topics: '' } },
      { t: 2, u: 1 },
    )
    expect(shown(assignRange(given))).toEqual({ x: 't0', a: 't1 u0', c: '' })
  })
})

describe('uniform', () => {
  it('spreads evenly', () => {
    const given = input({ a: { topics: 't' }, b: { topics: 't' }, c: { topics: 't' } }, { t: 7 })
    expect([...assignUniform(given).values()].map(partitionCount).sort()).toEqual([2, 2, 3])
  })

  it('moves only what it must when a member comes', () => {
    const given = input(
      { a: { topics: 't', has: { t: [0, 1, 2] } }, b: { topics: 't', has: { t: [3, 4, 5] } }, c: { topics: 't' } },
      { t: 6 },
    )
    expect(shown(assignUniform(given))).toEqual({ a: 't0 t1', b: 't3 t4', c: 't2 t5' })
  })

  it('drops what is gone, and what two claim goes to one', () => {
    const given = input(
      { a: { topics: 't', has: { t: [0, 9], x: [0] } }, b: { topics: 't', has: { t: [0, 1] } } },
      { t: 2 },
    )
    expect(shown(assignUniform(given))).toEqual({ a: 't0', b: 't1' })
  })

  it('balances unlike subscriptions along chains of shared topics', () => {
    const given = input(
      { a: { topics: 't', has: { t: [0, 1, 2, 3] } }, b: { topics: 'tu', has: { u: [0, 1, 2] } }, c: { topics: 'u' } },
      { t: 4, u: 3 },
    )
    const counts = Object.values(shown(assignUniform(given))).map((text) => text.split(' ').length)
    expect(counts.sort()).toEqual([2, 2, 3])
  })
})

/** The most that any member must have, by trying every bound with augmenting paths: slow and plain. */
function flattestMax(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): number {
  const places = [...counts].flatMap(([topicId, count]) => Array.from({ length: count }, () => topicId))
  const wanted = places.filter((topicId) => members.some(({ topicIds }) => topicIds.has(topicId)))
  for (let max = 0; ; max++) {
    const held = members.map(() => [] as string[])
    const place = (topicId: string, seen: Set<number>): boolean => {
      for (const [index, member] of members.entries()) {
        if (!member.topicIds.has(topicId) || seen.has(index)) continue
        seen.add(index)
        const list = held[index]!
        if (list.length < max) return list.push(topicId) > 0
        for (const [at, other] of list.entries()) {
          if (!place(other, seen)) continue
          list[at] = topicId
          return true
        }
      }
      return false
    }
    if (wanted.every((topicId) => place(topicId, new Set()))) return max
  }
}

it.each([
  ['range', assignRange],
  ['uniform', assignUniform],
] satisfies [string, Assignor][])(
  '%s gives every partition to one subscriber, whatever the group',
  (name, assignor) => {
    const seed = testSeed()
    const random = new SeededRandom(seed)
    for (let round = 0; round < 300; round++) {
      const where = `SEED=${seed} round=${round}`
      const topics = [...'tuvwx'].slice(0, 1 + random.below(5))
      const counts = new Map(topics.map((topicId) => [topicId, random.below(6)]))
      const isAlike = random.chance(0.4)
      let current = new Map<string, Assignment>()
      for (let step = 0; step < 3; step++) {
        const members = Array.from({ length: 1 + random.below(6) }, (_, index): AssignorMember => {
          const memberId = `m${index}`
          const topicIds = new Set(topics.filter(() => isAlike || random.chance(0.6)))
          return { memberId, instanceId: null, topicIds, current: current.get(memberId) ?? new Map() }
        })
        current = assignor({ members, partitionCounts: counts })
        const given = new Map<string, string>()
        for (const { memberId, topicIds } of members) {
          for (const [topicId, partitions] of current.get(memberId)!) {
            expect(topicIds.has(topicId), where).toBe(true)
            for (const partition of partitions) {
              expect(given.has(topicId + partition), where).toBe(false)
              given.set(topicId + partition, memberId)
            }
          }
        }
        const wanted = topics.filter((topicId) => members.some(({ topicIds }) => topicIds.has(topicId)))
        expect(given.size, where).toBe(wanted.reduce((sum, topicId) => sum + counts.get(topicId)!, 0))
        if (name !== 'uniform') continue
        const most = Math.max(...[...current.values()].map(partitionCount))
        expect(most, `${where}: the fullest member`).toBe(flattestMax(members, counts))
      }
    }
  },
)

it('uniform changes nothing where nothing changed', () => {
  const seed = testSeed()
  const random = new SeededRandom(seed)
  for (let round = 0; round < 100; round++) {
    const topics = [...'tuvw']
    const partitionCounts = new Map(topics.map((topicId) => [topicId, 1 + random.below(6)]))
    const members = Array.from({ length: 1 + random.below(6) }, (_, index): AssignorMember => {
      const topicIds = new Set(topics.filter(() => random.chance(0.7)))
      return { memberId: `m${index}`, instanceId: null, topicIds, current: new Map() }
    })
    const first = assignUniform({ members, partitionCounts })
    const settled = members.map((member) => ({ ...member, current: first.get(member.memberId)! }))
    expect(shown(assignUniform({ members: settled, partitionCounts })), `SEED=${seed} round=${round}`).toEqual(
      shown(first),
    )
  }
})
