/** OffsetCommit, OffsetFetch, OffsetDelete and retention. */
import { describe, expect, it } from 'vitest'
import { RecordTooLargeError, StorageError } from '../../src/base/errors.ts'
import type { GroupConfig } from '../../src/coordinator/group-config.ts'
import { Answer, context, SimCoordinator, subscription } from './sim-coordinator.ts'

const DAY_MS = 86_400_000

function make(config: Partial<GroupConfig> = {}): SimCoordinator {
  const sim = new SimCoordinator(config)
  sim.catalogue.set('t', 3)
  sim.catalogue.set('u', 3)
  return sim
}

function deleteOffsets(sim: SimCoordinator, topic: string, ...partitions: number[]) {
  const answer = new Answer<{ errorCode: number; topics: { partitions: { errorCode: number }[] }[] }>()
  const topics = [{ name: topic, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }]
  sim.coordinator.handleOffsetDelete({ groupId: 'g', topics }, context(0), answer.take)
  return answer.value
}

describe('a commit', () => {
  it('is fetched again, also after a restart', () => {
    const sim = make()
    expect(sim.commitNow('t', { 0: 5, 2: 7 }, { metadata: 'note' })).toBe(0)
    const check = (): void => {
      expect([sim.committed('t', 0), sim.committed('t', 1), sim.committed('t', 2)]).toEqual([5, -1, 7])
      const [topic] = sim.fetch(null).groups[0]!.topics
      expect(topic!.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([0, 2])
      expect(topic!.partitions[0]).toMatchObject({ committedOffset: 5, metadata: 'note', committedLeaderEpoch: 0 })
    }
    check()
    sim.reload()
    check()
  })

  it('is answered and seen only when it is written', () => {
    const sim = make()
    sim.isManual = true
    const commit = sim.commit('t', { 0: 5 })
    expect([commit.isThere, sim.committed('t', 0)]).toEqual([false, -1])
    sim.finishAppend()
    expect(commit.isThere).toBe(true)
    expect(sim.committed('t', 0)).toBe(5)
  })

  it('does not wait for another commit, and the later one counts', () => {
    const sim = make()
    sim.isManual = true
    const commits = [sim.commit('t', { 0: 1 }), sim.commit('t', { 0: 2 })]
    expect(sim.pending).toHaveLength(2)
    sim.pending.reverse()
    sim.finishAppend()
    sim.finishAppend()
    expect(commits.every(({ isThere }) => isThere)).toBe(true)
    expect(sim.committed('t', 0)).toBe(2)
  })

  it.each([
    [new StorageError('disk', 'EIO'), 16],
    [new RecordTooLargeError('batch', 2, 'max', 1), 28],
    [new Error('other'), 15],
  ])('that fails with %s is answered %s and leaves what was there', (error, errorCode) => {
    const sim = make()
    sim.commitNow('t', { 0: 1 })
    sim.isManual = true
    const commit = sim.commit('t', { 0: 2 })
    sim.finishAppend(error)
    expect(commit.value.topics[0]!.partitions[0]!.errorCode).toBe(errorCode)
    expect(sim.committed('t', 0)).toBe(1)
  })

  it('is refused partition by partition', () => {
    const sim = make({ groupOffsetsMax: 2 })
    expect(sim.commitNow('unknown', { 0: 1 })).toBe(3)
    expect(sim.commitNow('t', { 3: 1 })).toBe(3)
    expect(sim.commitNow('t', { 0: 1 }, { metadata: 'x'.repeat(4097) })).toBe(12)
    expect(sim.commitNow('t', { 0: 1 }, { metadata: 'x'.repeat(4096) })).toBe(0)
    expect(sim.commitNow('t', { 0: 2 ** 60 })).toBe(42)
    const answered = sim.commit('t', { 0: 2, 1: 2, 2: 2 }).value.topics[0]!.partitions
    expect(
      answered.map(({ errorCode }) => errorCode),
      'more than a group may have',
    ).toEqual([0, 0, 28])
  })

  it('of a member needs the generation of now', () => {
    const sim = make()
    const { memberId, generation } = sim.stableMember()
    expect(sim.commitNow('t', { 0: 1 }, { memberId, generation })).toBe(0)
    expect(sim.commitNow('t', { 0: 1 }, { memberId, generation: generation - 1 })).toBe(22)
    expect(sim.commitNow('t', { 0: 1 }, { memberId: 'nobody', generation })).toBe(25)
    expect(sim.commitNow('t', { 0: 1 }), 'nobody may commit past a group').toBe(25)
    sim.join({ memberId })
    expect(sim.commitNow('t', { 0: 1 }, { memberId, generation: 2 }), 'the assignment is not made yet').toBe(27)
  })

  it('of a member of no group is refused, in two ways', () => {
    const sim = make()
    expect(sim.commitNow('t', { 0: 1 }, { memberId: 'm', generation: 1, apiVersion: 8 })).toBe(22)
    expect(sim.commitNow('t', { 0: 1 }, { memberId: 'm', generation: 1 })).toBe(69)
    expect(sim.coordinator.groupCount).toBe(0)
  })
})

describe('a fetch', () => {
  it('of an unknown group finds nothing, without an error', () => {
    const sim = make()
    expect(sim.fetch({ t: [0] }).groups[0]).toMatchObject({
      errorCode: 0,
      topics: [{ partitions: [{ committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }] }],
    })
    expect(sim.fetch(null).groups[0]!.topics).toEqual([])
  })

  it('of a version before 8 is answered outside of groups', () => {
    const sim = make()
    sim.commitNow('t', { 0: 5 })
    const response = sim.fetch({ t: [0] }, { apiVersion: 5 })
    expect(response.groups).toEqual([])
    expect(response.topics[0]!.partitions[0]!.committedOffset).toBe(5)
  })

  it('of a member checks its epoch, from version 9 on', () => {
    const sim = make()
    expect(sim.fetch({ t: [0] }, { memberId: 'm', memberEpoch: 1 }).groups[0]!.errorCode).toBe(69)
    sim.beat('m', 0)
    expect(sim.fetch({ t: [0] }, { memberId: 'm', memberEpoch: 1 }).groups[0]!.errorCode).toBe(0)
    expect(sim.fetch({ t: [0] }, { memberId: 'm', memberEpoch: 2 }).groups[0]!.errorCode).toBe(113)
    expect(sim.fetch({ t: [0] }, { memberId: 'n', memberEpoch: 1 }).groups[0]!.errorCode).toBe(25)
  })

  it('does not find offsets of a topic of that name that was deleted since', () => {
    const sim = make()
    sim.commitNow('t', { 0: 5 })
    sim.catalogue.topics.delete('t')
    sim.catalogue.set('t', 3)
    expect(sim.committed('t', 0)).toBe(-1)
  })
})

describe('deleting', () => {
  it('offsets needs a group, and a topic that nobody subscribes to', () => {
    const sim = make()
    expect(deleteOffsets(sim, 't', 0).errorCode).toBe(69)
    const { memberId, generation } = sim.stableMember(subscription('t'))
    sim.commitNow('t', { 0: 1 }, { memberId, generation })
    sim.commitNow('u', { 0: 1, 1: 1 }, { memberId, generation })
    expect(deleteOffsets(sim, 't', 0).topics[0]!.partitions[0]!.errorCode).toBe(86)
    expect(deleteOffsets(sim, 'u', 0).topics[0]!.partitions[0]!.errorCode).toBe(0)
    expect([sim.committed('t', 0), sim.committed('u', 0), sim.committed('u', 1)]).toEqual([1, -1, 1])
    sim.reload()
    expect([sim.committed('t', 0), sim.committed('u', 0), sim.committed('u', 1)]).toEqual([1, -1, 1])
  })

  it('takes a subscription that cannot be read as one to everything', () => {
    const sim = make()
    const { memberId, generation } = sim.stableMember('\u0000')
    sim.commitNow('t', { 0: 1 }, { memberId, generation })
    expect(deleteOffsets(sim, 't', 0).topics[0]!.partitions[0]!.errorCode).toBe(86)
  })

  it('waits for commits under way, so that none comes back', () => {
    const sim = make()
    sim.isManual = true
    sim.commit('t', { 0: 1 })
    const answer = new Answer<{ results: { errorCode: number }[] }>()
    sim.coordinator.handleDeleteGroups({ groupsNames: ['g'] }, context(2), answer.take)
    while (sim.pending.length > 0) sim.finishAppend()
    expect(answer.value.results[0]!.errorCode).toBe(0)
    sim.reload()
    expect(sim.committed('t', 0)).toBe(-1)
    expect(sim.coordinator.groupCount).toBe(0)
  })

  it('a topic deletes its offsets', () => {
    const sim = make()
    sim.commitNow('t', { 0: 1 })
    sim.commitNow('u', { 0: 2 })
    sim.coordinator.topicsDeleted(['t'])
    sim.reload()
    expect([sim.committed('t', 0), sim.committed('u', 0)]).toEqual([-1, 2])
  })
})

describe('retention', () => {
  it('counts from the commit for offsets of no group', () => {
    const sim = make()
    sim.commitNow('t', { 0: 1 })
    sim.advance(6 * DAY_MS)
    sim.commitNow('t', { 1: 1 })
    sim.advance(DAY_MS + 600_000)
    expect([sim.committed('t', 0), sim.committed('t', 1)]).toEqual([-1, 1])
    sim.advance(7 * DAY_MS)
    expect(sim.coordinator.groupCount).toBe(0)
    sim.reload()
    expect(sim.coordinator.groupCount).toBe(0)
  })

  it('counts from when the group became empty', () => {
    const sim = make()
    const sessionTimeoutMs = 1_800_000
    const { memberId } = sim.joinNew({ sessionTimeoutMs })
    sim.sync(memberId, 1)
    sim.commitNow('t', { 0: 1 }, { memberId, generation: 1 })
    for (let i = 0; i < 400; i++) {
      sim.advance(sessionTimeoutMs - 1)
      expect(sim.heartbeat(memberId, 1)).toBe(0)
    }
    sim.leave({ memberId })
    sim.advance(6 * DAY_MS)
    expect(sim.committed('t', 0)).toBe(1)
    sim.advance(DAY_MS + 600_000)
    expect(sim.committed('t', 0)).toBe(-1)
  })

  it('is not moved by a wall clock that jumps ahead', () => {
    const sim = make()
    sim.commitNow('t', { 0: 1 })
    sim.wallMs += 3650 * DAY_MS
    sim.advance(DAY_MS)
    expect(sim.committed('t', 0)).toBe(1)
  })
})
