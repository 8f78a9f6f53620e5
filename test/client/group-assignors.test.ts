import { describe, expect, it } from 'vitest'
import {
  ASSIGNORS,
  type AssigningMember,
  type AssignorName,
  assignPartitions,
} from '../../src/client/group-assignors.ts'
import type { TopicPartition } from '../../src/client/consumer-positions.ts'
import { mulberry32 } from '../random.ts'

interface Shorthand {
  readonly topics?: readonly string[]
  readonly owned?: readonly string[]
  readonly generation?: number
  readonly instance?: string
}

function place(text: string): TopicPartition {
  const [topic, partition] = text.split('-')
  return { topic: topic!, partition: Number(partition) }
}

function member(memberId: string, { topics = ['t'], owned = [], generation = 1, instance }: Shorthand = {}) {
  const groupInstanceId = instance ?? null
  return { memberId, groupInstanceId, topics, owned: owned.map(place), generation } satisfies AssigningMember
}

function assign(assignor: AssignorName, members: AssigningMember[], counts: Record<string, number>) {
  const assigned = assignPartitions(assignor, members, (topic) => counts[topic])
  return Object.fromEntries(
    [...assigned].map(([id, places]) => [id, places.map(({ topic, partition }) => `${topic}-${partition}`).sort()]),
  )
}

describe('range', () => {
  it('cuts each topic into stretches, the first members getting one more', () => {
    expect(assign('range', [member('b'), member('a'), member('c')], { t: 7 })).toEqual({
      a: ['t-0', 't-1', 't-2'],
      b: ['t-3', 't-4'],
      c: ['t-5', 't-6'],
    })
  })

  it('orders static members by their instance, so that a new member id changes nothing', () => {
    const before = assign('range', [member('x', { instance: '1' }), member('a', { instance: '2' })], { t: 2 })
    const after = assign('range', [member('zz', { instance: '1' }), member('a', { instance: '2' })], { t: 2 })
    expect([before['x'], before['a']]).toEqual([after['zz'], after['a']])
  })

  it('passes over members that do not subscribe, and topics that do not exist', () => {
    const members = [member('a', { topics: ['t', 'none'] }), member('b', { topics: ['u'] })]
    expect(assign('range', members, { t: 2, u: 1 })).toEqual({ a: ['t-0', 't-1'], b: ['u-0'] })
  })
})

describe('roundrobin', () => {
  it('deals all partitions out in a circle, over topics', () => {
    const members = ['a', 'b'].map((id) => member(id, { topics: ['t', 'u'] }))
    expect(assign('roundrobin', members, { t: 3, u: 3 })).toEqual({
      a: ['t-0', 't-2', 'u-1'],
      b: ['t-1', 'u-0', 'u-2'],
    })
  })
})

describe('cooperative-sticky', () => {
  it('leaves balanced owners alone', () => {
    const members = [member('a', { owned: ['t-1', 't-3'] }), member('b', { owned: ['t-0', 't-2'] })]
    expect(assign('cooperative-sticky', members, { t: 4 })).toEqual({ a: ['t-1', 't-3'], b: ['t-0', 't-2'] })
  })

  it('takes from the richest first, and hands on only when it is given up', () => {
    const rich = member('a', { owned: ['t-0', 't-1', 't-2', 't-3'] })
    const first = assign('cooperative-sticky', [rich, member('b')], { t: 4 })
    expect(first['a']).toHaveLength(2)
    expect(first['b']).toEqual([])
    const second = assign('cooperative-sticky', [member('a', { owned: first['a']! }), member('b')], { t: 4 })
    expect(second['a']).toEqual(first['a'])
    expect(second['b']).toHaveLength(2)
  })

  it('believes the newer generation of two members that claim the same', () => {
    const members = [
      member('a', { owned: ['t-0'], generation: 4 }),
      member('b', { owned: ['t-0', 't-1'], generation: 5 }),
    ]
    expect(assign('cooperative-sticky', members, { t: 2 })).toEqual({ a: [], b: ['t-0'] })
    expect(assign('cooperative-sticky', members, { t: 3 })).toEqual({ a: ['t-2'], b: ['t-0', 't-1'] })
  })
})

it.each(ASSIGNORS)('%s gives every partition to one subscriber at most, and to one if nobody owned it', (assignor) => {
  const random = mulberry32(7)
  const pick = (max: number): number => Math.floor(random() * max)
  for (let round = 0; round < 300; round++) {
    const topics = Array.from({ length: 1 + pick(4) }, (_, i) => `t${i}`)
    const counts = Object.fromEntries(topics.map((topic) => [topic, pick(7)]))
    const members = Array.from({ length: 1 + pick(5) }, (_, i) => {
      return member(`m${i}`, { topics: topics.filter(() => random() < 0.7) })
    })
    const seen = new Map<string, string>()
    for (const [memberId, places] of Object.entries(assign(assignor, members, counts))) {
      for (const key of places) {
        expect(seen.has(key)).toBe(false)
        seen.set(key, memberId)
        expect(members.find((each) => each.memberId === memberId)!.topics).toContain(place(key).topic)
      }
    }
    const wanted = topics
      .filter((topic) => members.some((each) => each.topics.includes(topic)))
      .reduce((sum, topic) => sum + counts[topic]!, 0)
    expect(seen.size).toBe(wanted)
  }
})

it('cooperative-sticky comes to rest: balanced, and then nothing moves', () => {
  const random = mulberry32(11)
  for (let round = 0; round < 100; round++) {
    const count = 1 + Math.floor(random() * 12)
    const ids = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, i) => `m${i}`)
    let owned: Record<string, string[]> = Object.fromEntries(ids.map((id) => [id, []]))
    for (let partition = 0; partition < count; partition++) {
      if (random() < 0.8) owned[ids[Math.floor(random() * ids.length)]!]!.push(`t-${partition}`)
    }
    for (let rebalance = 0; rebalance < 3; rebalance++) {
      owned = assign(
        'cooperative-sticky',
        ids.map((id) => member(id, { owned: owned[id]! })),
        {
          t: count,
        },
      )
    }
    const sizes = Object.values(owned).map((places) => places.length)
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count)
    const again = assign(
      'cooperative-sticky',
      ids.map((id) => member(id, { owned: owned[id]! })),
      {
        t: count,
      },
    )
    expect(again).toEqual(owned)
  }
})
