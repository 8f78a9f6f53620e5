/** Consumer groups (KIP-848): heartbeats, epochs, reconciliation, static members, timers, restarts. */
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import type { ConsumerGroupHeartbeatResponse, TopicIdPartitions } from '../../src/coordinator/consumer-messages.ts'
import type { GroupConfig } from '../../src/coordinator/group-config.ts'
import { Answer, context, SimCoordinator } from './sim-coordinator.ts'

function make(config: Partial<GroupConfig> = {}): SimCoordinator {
  const sim = new SimCoordinator(config)
  sim.catalogue.set('t', 4)
  return sim
}

function partitions(response: ConsumerGroupHeartbeatResponse): number[] {
  return (response.assignment?.topicPartitions ?? []).flatMap((topic) => topic.partitions)
}

function owned(sim: SimCoordinator, ...list: number[]): { topicPartitions: TopicIdPartitions[] } {
  return { topicPartitions: [{ topicId: sim.catalogue.byName('t')!.topicId, partitions: list }] }
}

/** Two members with two partitions each. */
function two(sim: SimCoordinator): void {
  sim.beat('a', 0)
  sim.beat('b', 0)
  expect(sim.beat('a', 1, owned(sim, 0, 1, 2, 3)).value.assignment).not.toBeNull()
  const kept = partitions(
    sim.beat('a', 1, { ...owned(sim, 0, 1, 2, 3), rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['t'] }).value,
  )
  expect(sim.beat('a', 1, owned(sim, ...kept)).value.memberEpoch).toBe(2)
  expect(partitions(sim.beat('b', 2, { topicPartitions: [] }).value)).toHaveLength(2)
}

describe('a heartbeat', () => {
  it('with epoch 0 joins, and the first member gets everything', () => {
    const sim = make()
    expect(sim.beat('a', 0).value).toMatchObject({
      errorCode: 0,
      memberId: 'a',
      memberEpoch: 1,
      heartbeatIntervalMs: 5000,
    })
    expect(sim.describeConsumer()).toMatchObject({ groupState: 'Stable', groupEpoch: 1, assignmentEpoch: 1 })
    expect(sim.beat('a', 1).value).toMatchObject({ memberEpoch: 1, assignment: null })
  })

  it.each([
    ['no group id', 0, { groupId: '' }, 42],
    ['an empty instance id', 0, { instanceId: '' }, 42],
    ['an empty rack id', 0, { rackId: '' }, 42],
    ['no rebalance timeout', 0, { rebalanceTimeoutMs: -1 }, 42],
    ['owned partitions at a join', 0, { topicPartitions: null }, 42],
    ['no subscription', 0, { subscribedTopicNames: null }, 42],
    ['an epoch below -2', -3, {}, 42],
    ['-2 without an instance', -2, {}, 42],
    ['an unknown assignor', 0, { serverAssignor: 'mine' }, 112],
    ['a wrong expression', 0, { subscribedTopicRegex: '(' }, 128],
    ['an unknown group', 3, {}, 69],
    ['leaving an unknown group', -1, {}, 69],
  ])('with %s is refused and leaves nothing', (_what, epoch, request, errorCode) => {
    const sim = make()
    expect(sim.beat('a', epoch, request).value.errorCode).toBe(errorCode)
    expect(sim.coordinator.groupCount).toBe(0)
    expect(sim.log).toEqual([])
  })

  it('of version 0 may leave the id to the coordinator, later ones may not', () => {
    const sim = make()
    const answer = new Answer<ConsumerGroupHeartbeatResponse>()
    const request = {
      groupId: 'g', memberId: '', memberEpoch: 0, instanceId: null, rackId: null, rebalanceTimeoutMs: 1000,
      subscribedTopicNames: ['t'], subscribedTopicRegex: null, serverAssignor: null, topicPartitions: [],
    } // prettier-ignore
    sim.coordinator.handleConsumerGroupHeartbeat(request, context(0), answer.take)
    expect(answer.value.memberId).toHaveLength(22)
    expect(sim.beat('', 0).value.errorCode).toBe(42)
  })

  it('is fenced with an epoch that the group does not know', () => {
    const sim = make()
    two(sim)
    expect(sim.beat('a', 3).value.errorCode).toBe(110)
    expect(sim.beat('a', 1).value.errorCode, 'without its partitions').toBe(110)
    expect(sim.beat('c', 2).value.errorCode).toBe(25)
  })

  it('of the epoch before is taken if the answer may have been lost', () => {
    const sim = make()
    sim.beat('a', 0)
    expect(sim.beat('a', 0).value).toMatchObject({ errorCode: 0, memberEpoch: 1 })
    sim.beat('b', 0)
    sim.beat('a', 1, owned(sim, 0, 1, 2, 3))
    expect(sim.beat('a', 1, owned(sim, 0, 1)).value.memberEpoch).toBe(2)
    const repeated = sim.beat('a', 1, owned(sim, 0)).value
    expect([repeated.errorCode, repeated.memberEpoch, partitions(repeated).length]).toEqual([0, 2, 2])
    expect(sim.beat('a', 1, owned(sim, 3)).value.errorCode, 'it claims what is not its').toBe(110)
  })

  it('is answered only when its changes are written; if they cannot be, nothing happened', () => {
    const sim = make()
    sim.isManual = true
    const failed = sim.beat('a', 0)
    expect(failed.isThere).toBe(false)
    sim.finishAppend(new StorageError('disk', 'EIO'))
    expect(failed.value.errorCode).toBe(16)
    expect(sim.coordinator.groupCount).toBe(0)
    const joined = sim.beat('a', 0)
    sim.finishAppend()
    expect(joined.value.memberEpoch).toBe(1)
  })

  it('of a full group is refused', () => {
    const sim = make({ membersMax: 1 })
    sim.beat('a', 0)
    expect(sim.beat('b', 0).value.errorCode).toBe(81)
    expect(sim.beat('a', 1).value.errorCode).toBe(0)
  })
})

describe('reconciliation', () => {
  it('gives a partition to the next only after the one before has given it up', () => {
    const sim = make()
    sim.beat('a', 0)
    expect(sim.beat('b', 0).value).toMatchObject({ memberEpoch: 2, assignment: { topicPartitions: [] } })
    expect(sim.describeConsumer().groupState).toBe('Reconciling')
    const revoking = sim.beat('a', 1, owned(sim, 0, 1, 2, 3)).value
    expect([revoking.memberEpoch, partitions(revoking)]).toEqual([1, [0, 1]])
    expect(sim.beat('b', 2, { topicPartitions: [] }).value.assignment).toBeNull()
    expect(sim.beat('a', 1).value.memberEpoch, 'it does not say what it owns').toBe(1)
    expect(sim.beat('a', 1, owned(sim, 0, 1)).value.memberEpoch).toBe(2)
    expect(partitions(sim.beat('b', 2, { topicPartitions: [] }).value)).toEqual([2, 3])
    expect(sim.describeConsumer().groupState).toBe('Stable')
  })

  it('removes a member that does not give up in time', () => {
    const sim = make({ consumerSessionTimeoutMs: 45_000 })
    sim.beat('a', 0, { rebalanceTimeoutMs: 10_000 })
    sim.beat('b', 0)
    sim.beat('a', 1, owned(sim, 0, 1, 2, 3))
    for (let i = 0; i < 3; i++) {
      sim.advance(3_500)
      sim.beat('a', 1, owned(sim, 0, 1, 2, 3))
    }
    expect(sim.beat('a', 1).value.errorCode).toBe(25)
    expect(partitions(sim.beat('b', 2, { topicPartitions: [] }).value)).toHaveLength(4)
  })

  it('after a leave gives its partitions to the others', () => {
    const sim = make()
    two(sim)
    expect(sim.beat('a', -1).value).toMatchObject({ errorCode: 0, memberEpoch: -1 })
    const response = sim.beat('b', 2, { topicPartitions: null }).value
    expect([response.memberEpoch, partitions(response).length]).toEqual([3, 4])
  })

  it('after silence likewise', () => {
    const sim = make()
    two(sim)
    sim.advance(30_000)
    sim.beat('b', 2)
    sim.advance(15_000)
    expect(sim.beat('a', 2).value.errorCode).toBe(25)
    expect(partitions(sim.beat('b', 2).value)).toHaveLength(4)
  })

  it('follows a topic that gets partitions, comes, or goes', () => {
    const sim = make()
    sim.beat('a', 0, { subscribedTopicNames: ['t', 'u'] })
    sim.catalogue.set('t', 5)
    expect(sim.beat('a', 1).value.memberEpoch, 'nobody said so').toBe(1)
    sim.coordinator.topicsChanged()
    expect(partitions(sim.beat('a', 1).value)).toHaveLength(5)
    sim.catalogue.set('u', 1)
    sim.coordinator.topicsChanged()
    expect(partitions(sim.beat('a', 2).value)).toHaveLength(6)
    sim.catalogue.topics.delete('u')
    sim.coordinator.topicsDeleted(['u'])
    expect(partitions(sim.beat('a', 3, owned(sim, 0, 1, 2, 3, 4)).value)).toHaveLength(5)
    sim.coordinator.topicsChanged()
    expect(sim.beat('a', 4).value.memberEpoch, 'nothing of its own changed').toBe(4)
  })

  it('follows the topics of an expression', () => {
    const sim = make()
    sim.catalogue.set('logs-1', 1)
    sim.catalogue.set('logs-2', 1)
    sim.beat('a', 0, { subscribedTopicRegex: 'logs-\\d+' })
    expect(
      sim
        .describeConsumer()
        .members[0]!.assignment.topicPartitions.map(({ topicName }) => topicName)
        .sort(),
    ).toEqual(['logs-1', 'logs-2'])
    sim.catalogue.set('logs-3', 1)
    sim.coordinator.topicsChanged()
    expect(sim.beat('a', 1).value.assignment!.topicPartitions).toHaveLength(3)
    sim.reload()
    expect(sim.beat('a', 2).value).toMatchObject({ memberEpoch: 2, assignment: null })
    expect(sim.beat('a', 2, { subscribedTopicRegex: '[' }).value.errorCode).toBe(128)
    expect(
      sim.beat('a', 2, { subscribedTopicRegex: '', topicPartitions: [] }).value.assignment!.topicPartitions,
    ).toEqual([])
  })
})

describe('a static member', () => {
  it('that leaves for a while keeps its partitions for its next process', () => {
    const sim = make()
    sim.beat('a', 0, { instanceId: 'i' })
    sim.beat('b', 0)
    const before = partitions(sim.beat('a', 1, { ...owned(sim, 0, 1, 2, 3), instanceId: 'i' }).value)
    sim.beat('a', 1, { ...owned(sim, ...before), instanceId: 'i' })
    expect(sim.beat('a', -2, { instanceId: 'i' }).value).toMatchObject({ errorCode: 0, memberEpoch: -2 })
    sim.reload()
    const back = sim.beat('a2', 0, { instanceId: 'i' }).value
    expect([back.errorCode, back.memberEpoch, partitions(back)]).toEqual([0, 2, before])
    expect(sim.beat('a', 2, { instanceId: 'i' }).value.errorCode).toBe(82)
    expect(
      sim
        .describeConsumer()
        .members.map(({ memberId }) => memberId)
        .sort(),
    ).toEqual(['a2', 'b'])
  })

  it('whose process still lives is not replaced', () => {
    const sim = make()
    sim.beat('a', 0, { instanceId: 'i' })
    expect(sim.beat('b', 0, { instanceId: 'i' }).value.errorCode).toBe(111)
    expect(sim.beat('b', 1, { instanceId: 'i' }).value.errorCode).toBe(82)
    expect(sim.beat('a', 1, { instanceId: 'other' }).value.errorCode).toBe(25)
  })

  it('that does not come back loses its place when its session ends', () => {
    const sim = make()
    sim.beat('a', 0, { instanceId: 'i' })
    sim.beat('a', -2, { instanceId: 'i' })
    sim.advance(45_000)
    expect(sim.describeConsumer().groupState).toBe('Empty')
  })
})

describe('offsets', () => {
  it('are committed with the epoch of now, by version 9 or later', () => {
    const sim = make()
    sim.beat('a', 0)
    expect(sim.commitNow('t', { 0: 5 }, { memberId: 'a', generation: 1 })).toBe(0)
    expect(sim.commitNow('t', { 0: 6 }, { memberId: 'a', generation: 0 })).toBe(113)
    expect(sim.commitNow('t', { 0: 6 }, { memberId: 'x', generation: 1 })).toBe(25)
    expect(sim.commitNow('t', { 0: 6 }, { memberId: 'a', generation: 1, apiVersion: 8 })).toBe(35)
    expect(sim.commitNow('t', { 0: 6 })).toBe(25)
    sim.beat('a', -1)
    expect(sim.commitNow('t', { 0: 6 }), 'an operator, to an empty group').toBe(0)
  })
})

describe('a restart', () => {
  it('leaves everything as it was; sessions begin anew', () => {
    const sim = make()
    two(sim)
    const before = sim.describeConsumer()
    sim.reload()
    expect(sim.describeConsumer()).toEqual(before)
    sim.advance(44_000)
    expect(sim.beat('a', 2).value).toMatchObject({ errorCode: 0, assignment: null })
    sim.advance(2_000)
    expect(sim.beat('b', 2).value.errorCode).toBe(25)
  })

  it('in the middle of a move goes on with it', () => {
    const sim = make()
    sim.beat('a', 0)
    sim.beat('b', 0)
    sim.beat('a', 1, owned(sim, 0, 1, 2, 3))
    sim.reload()
    expect(sim.beat('b', 2, { topicPartitions: [] }).value.assignment).toBeNull()
    expect(sim.beat('a', 1, owned(sim, 0, 1)).value.memberEpoch).toBe(2)
    expect(partitions(sim.beat('b', 2, { topicPartitions: [] }).value)).toEqual([2, 3])
  })

  it('after a deletion finds nothing', () => {
    const sim = make()
    sim.beat('a', 0)
    expect(sim.deleteGroup()).toBe(68)
    sim.beat('a', -1)
    expect(sim.deleteGroup()).toBe(0)
    sim.reload()
    expect(sim.coordinator.groupCount).toBe(0)
  })
})

describe('a group of one protocol', () => {
  it('refuses members of the other', () => {
    const sim = make()
    sim.beat('a', 0)
    expect(sim.join({}).value.errorCode).toBe(23)
    expect(sim.join({ memberId: 'a' }).value.errorCode).toBe(23)
    expect(sim.sync('a', 1).value.errorCode).toBe(25)
    expect(sim.heartbeat('a', 1)).toBe(25)
    expect(sim.leave({ memberId: 'a' }).value.members[0]!.errorCode).toBe(25)
    expect(sim.classicState()).toBe('Dead')
    const other = make()
    const { memberId } = other.stableMember()
    expect(other.beat('a', 0).value.errorCode).toBe(23)
    expect(other.beat(memberId, 1).value.errorCode).toBe(69)
    expect(other.describeConsumer().errorCode).toBe(69)
  })

  it('that is empty becomes one of the other, and keeps its offsets', () => {
    const sim = make()
    sim.beat('a', 0)
    sim.commitNow('t', { 0: 5 }, { memberId: 'a', generation: 1 })
    sim.beat('a', -1)
    const { memberId } = sim.stableMember()
    sim.reload()
    expect(sim.classicState()).toBe('Stable')
    sim.leave({ memberId })
    expect(sim.beat('b', 0).value.errorCode).toBe(0)
    sim.reload()
    expect(sim.describeConsumer().groupState).toBe('Stable')
    expect(sim.classicState()).toBe('Dead')
    expect(sim.committed('t', 0)).toBe(5)
  })
})

it('groups are listed by state and type', () => {
  const sim = make()
  sim.beat('a', 0)
  sim.join({ groupId: 'classic' }, 3)
  sim.commitNow('t', { 0: 1 }, { groupId: 'offsets' })
  const list = (statesFilter: string[], typesFilter: string[]): string[] => {
    const answer = new Answer<{ groups: { groupId: string }[] }>()
    sim.coordinator.handleListGroups({ statesFilter, typesFilter }, context(5), answer.take)
    return answer.value.groups.map(({ groupId }) => groupId).sort()
  }
  expect(list([], [])).toEqual(['classic', 'g', 'offsets'])
  expect(list(['stable'], [])).toEqual(['g'])
  expect(list([], ['Classic'])).toEqual(['classic', 'offsets'])
})
