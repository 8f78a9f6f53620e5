/** Static members of classic groups (KIP-345), and what a restart of the coordinator leaves of classic groups. */
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import { SimCoordinator } from './sim-coordinator.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

/** A stable group of one dynamic leader and one static follower. */
function withStatic(sim: SimCoordinator): { readonly leader: string; readonly follower: string } {
  const one = sim.stableMember()
  const two = sim.join({ groupInstanceId: 'i' })
  sim.join({ memberId: one.memberId })
  const follower = two.value.memberId
  sim.sync(one.memberId, 2, { [one.memberId]: 'one', [follower]: 'two' })
  sim.sync(follower, 2)
  return { leader: one.memberId, follower }
}

describe('a static member', () => {
  it('is admitted without being asked to come again', () => {
    const sim = new SimCoordinator()
    const joined = sim.join({ groupInstanceId: 'i' }).value
    expect(joined).toMatchObject({ errorCode: 0, generationId: 1 })
    expect(joined.members[0]!.groupInstanceId).toBe('i')
  })

  it('that comes back finds its assignment under a new id, and nobody else hears of it', () => {
    const sim = new SimCoordinator()
    const { leader, follower } = withStatic(sim)
    const back = sim.join({ groupInstanceId: 'i' }).value
    expect(back).toMatchObject({ errorCode: 0, generationId: 2, leader, skipAssignment: false, members: [] })
    expect(back.memberId).not.toBe(follower)
    expect(sim.heartbeat(leader, 2)).toBe(0)
    expect(text(sim.sync(back.memberId, 2, {}, { groupInstanceId: 'i' }).value.assignment)).toBe('two')
    expect(sim.heartbeat(follower, 2, 'i'), 'the old process is fenced').toBe(82)
    expect(sim.heartbeat(follower, 2)).toBe(25)
    sim.reload()
    expect(sim.heartbeat(back.memberId, 2, 'i')).toBe(0)
  })

  it('that leads and comes back is told to skip the assignment, from version 9 on', () => {
    const sim = new SimCoordinator()
    const first = sim.join({ groupInstanceId: 'i' }).value
    sim.sync(first.memberId, 1, { [first.memberId]: 'a' })
    const back = sim.join({ groupInstanceId: 'i' }).value
    expect(back).toMatchObject({ skipAssignment: true, leader: back.memberId })
    expect(back.members).toHaveLength(1)
    const old = sim.join({ groupInstanceId: 'i' }, 8).value
    expect(old).toMatchObject({ skipAssignment: false, leader: back.memberId, members: [] })
    expect(old.memberId).not.toBe(back.memberId)
  })

  it('that comes back with another protocol begins a rebalance', () => {
    const sim = new SimCoordinator()
    const first = sim.join({ groupInstanceId: 'i' }).value
    sim.sync(first.memberId, 1)
    const protocols = [{ name: 'other', metadata: new Uint8Array(1) }]
    expect(sim.join({ groupInstanceId: 'i', protocols: [...protocols] }).value.errorCode).toBe(23)
    const both = [...protocols, { name: 'range', metadata: new Uint8Array(1) }]
    expect(sim.join({ groupInstanceId: 'i', protocols: both }).value).toMatchObject({ errorCode: 0, generationId: 2 })
  })

  it('keeps its old id if its new one cannot be written', () => {
    const sim = new SimCoordinator()
    const { follower } = withStatic(sim)
    sim.isManual = true
    const back = sim.join({ groupInstanceId: 'i' })
    sim.finishAppend(new StorageError('disk', 'EIO'))
    expect(back.value.errorCode).toBe(16)
    expect(sim.heartbeat(follower, 2, 'i')).toBe(0)
  })

  it('fences a join of its older self that still waits', () => {
    const sim = new SimCoordinator()
    sim.stableMember()
    const waiting = sim.join({ groupInstanceId: 'i' })
    const again = sim.join({ groupInstanceId: 'i' })
    expect(waiting.value.errorCode).toBe(82)
    expect(again.isThere).toBe(false)
  })

  it('comes back to a full group', () => {
    const sim = new SimCoordinator({ membersMax: 1 })
    const first = sim.join({ groupInstanceId: 'i' }).value
    sim.sync(first.memberId, 1)
    expect(sim.join({ groupInstanceId: 'i' }).value.errorCode).toBe(0)
    expect(sim.join({ groupInstanceId: 'j' }).value.errorCode).toBe(81)
  })

  it('that misses a rebalance stays until its session ends', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.join({ groupInstanceId: 'i', sessionTimeoutMs: 600_000 })
    sim.join({ memberId: one.memberId })
    sim.sync(one.memberId, 2)
    const { memberId } = two.value
    sim.sync(memberId, 2)
    const again = sim.join({ memberId: one.memberId })
    sim.advance(60_001)
    expect(again.value.members.map((member) => member.memberId)).toContain(memberId)
  })

  it('leaves by its instance id alone', () => {
    const sim = new SimCoordinator()
    const { follower } = withStatic(sim)
    expect(sim.leave({ groupInstanceId: 'unknown' }).value.members[0]!.errorCode).toBe(25)
    expect(sim.leave({ memberId: 'wrong', groupInstanceId: 'i' }).value.members[0]!.errorCode).toBe(82)
    expect(sim.leave({ groupInstanceId: 'i' }).value.members[0]!.errorCode).toBe(0)
    expect(sim.heartbeat(follower, 2, 'i')).toBe(25)
  })
})

describe('a coordinator that is loaded', () => {
  it('answers everything with COORDINATOR_LOAD_IN_PROGRESS until it has read all', () => {
    const sim = new SimCoordinator()
    sim.catalogue.set('t', 1)
    sim.coordinator = sim.make()
    expect(sim.join({}).value.errorCode).toBe(14)
    expect(sim.sync('m', 1).value.errorCode).toBe(14)
    expect(sim.heartbeat('m', 1)).toBe(14)
    expect(sim.leave({ memberId: 'm' }).value.errorCode).toBe(14)
    expect(sim.commitNow('t', { 0: 1 })).toBe(14)
    expect(sim.fetch({ t: [0] }).groups[0]!.errorCode).toBe(14)
    expect(sim.beat('m', 0).value.errorCode).toBe(14)
    expect(sim.describeConsumer().errorCode).toBe(14)
    expect(sim.deleteGroup()).toBe(14)
    expect(sim.coordinator.nextDeadlineMs()).toBe(Infinity)
  })

  it('knows stable groups with their members and assignments; sessions begin anew', () => {
    const sim = new SimCoordinator()
    const { leader, follower } = withStatic(sim)
    sim.reload()
    expect(sim.classicState()).toBe('Stable')
    expect(sim.heartbeat(leader, 2)).toBe(0)
    expect(text(sim.sync(follower, 2).value.assignment)).toBe('two')
    sim.advance(10_001)
    expect(sim.classicState()).toBe('Empty')
  })

  it('goes on from the generation that was written', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    sim.join({ memberId })
    sim.sync(memberId, 2)
    sim.reload()
    expect(sim.join({ memberId }).value.generationId).toBe(3)
  })

  it('reads over records of other kinds', () => {
    const sim = new SimCoordinator()
    const key = Uint8Array.from([0, 10, 0, 1, 0x67, 0, 1, 0x6d])
    expect(() => sim.reload([{ key, value: new Uint8Array(3) }])).not.toThrow()
    expect(sim.coordinator.groupCount).toBe(0)
  })
})

it('stop() answers everyone who waits, and whoever comes', () => {
  const sim = new SimCoordinator()
  const one = sim.stableMember()
  const two = sim.joinNew()
  sim.isManual = true
  sim.coordinator.stop()
  expect(two.answer.value.errorCode).toBe(16)
  expect(sim.heartbeat(one.memberId, 1)).toBe(16)
  expect(sim.join({}).value.errorCode).toBe(16)
})

it('stop() answers requests that wait for an append, and the append its own', () => {
  const sim = new SimCoordinator()
  const { memberId } = sim.joinNew()
  sim.isManual = true
  const sync = sim.sync(memberId, 1, {})
  const heartbeat = sim.parkHeartbeat(memberId, 1)
  sim.coordinator.stop()
  expect([sync.value.errorCode, heartbeat.value.errorCode]).toEqual([16, 16])
  sim.finishAppend()
})

it('a group that is not there is Dead, and from version 6 on an error', () => {
  const sim = new SimCoordinator()
  expect(sim.classicState()).toBe('Dead')
  sim.stableMember()
  expect(sim.deleteGroup()).toBe(68)
  sim.advance(10_001)
  expect(sim.deleteGroup()).toBe(0)
  expect(sim.deleteGroup()).toBe(69)
  sim.reload()
  expect(sim.coordinator.groupCount).toBe(0)
})
