/** JoinGroup, SyncGroup, Heartbeat and LeaveGroup of classic groups. */
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import { SimCoordinator } from './sim-coordinator.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

describe('a join', () => {
  it('without an id is given one and asked to come again, from version 4 on', () => {
    const sim = new SimCoordinator()
    const first = sim.join({}).value
    expect(first).toMatchObject({ errorCode: 79, generationId: -1, members: [] })
    expect(first.memberId).toMatch(/^client-/)
    const second = sim.join({ memberId: first.memberId }).value
    expect(second).toMatchObject({ errorCode: 0, generationId: 1, leader: first.memberId, protocolName: 'range' })
    expect(second.members.map(({ memberId }) => memberId)).toEqual([first.memberId])
  })

  it('of a version before 4 is admitted at once, and its answer has no null name', () => {
    const sim = new SimCoordinator()
    expect(sim.join({}, 3).value).toMatchObject({ errorCode: 0, generationId: 1, protocolType: null })
    expect(sim.join({ groupId: '' }, 3).value).toMatchObject({ errorCode: 24, protocolName: '' })
  })

  it.each([
    [{ groupId: '' }, 24],
    [{ sessionTimeoutMs: 5999 }, 26],
    [{ sessionTimeoutMs: 1_800_001 }, 26],
    [{ memberId: 'nobody' }, 25],
    [{ protocols: [] }, 23],
    [{ protocolType: '' }, 23],
    [{ groupInstanceId: '' }, 42],
    [{ protocols: [{ name: 'range', metadata: new Uint8Array(600 << 10) }] }, 42],
  ])('%j is answered %d', (request, errorCode) => {
    const sim = new SimCoordinator()
    expect(sim.join(request).value.errorCode).toBe(errorCode)
    expect(sim.coordinator.groupCount, 'nothing is left of it').toBe(0)
  })

  it('with another protocol type, or no protocol in common, is refused', () => {
    const sim = new SimCoordinator()
    sim.stableMember()
    expect(sim.join({ protocolType: 'connect' }).value.errorCode).toBe(23)
    expect(sim.join({ protocols: [{ name: 'other', metadata: new Uint8Array(0) }] }).value.errorCode).toBe(23)
  })

  it('to a full group is refused; ids that were only given out count', () => {
    const sim = new SimCoordinator({ membersMax: 2 })
    const { memberId, generation } = sim.stableMember()
    const pending = sim.join({}).value.memberId
    expect(sim.join({}).value.errorCode).toBe(81)
    const second = sim.join({ memberId: pending })
    expect(sim.heartbeat(memberId, generation)).toBe(27)
    sim.join({ memberId })
    expect(second.value.errorCode).toBe(0)
  })

  it('waits for the members there are, and only the leader hears who they are', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.joinNew()
    expect(two.answer.isThere).toBe(false)
    const again = sim.join({ memberId: one.memberId })
    expect(again.value).toMatchObject({ errorCode: 0, generationId: 2, leader: one.memberId })
    expect(again.value.members).toHaveLength(2)
    expect(two.answer.value).toMatchObject({ generationId: 2, leader: one.memberId, members: [] })
  })

  it('of a member that waits already answers the older request and goes on waiting', () => {
    const sim = new SimCoordinator()
    sim.stableMember()
    const two = sim.joinNew()
    const again = sim.join({ memberId: two.memberId })
    expect(two.answer.value.errorCode).toBe(27)
    expect(again.isThere).toBe(false)
  })

  it('of a follower that changes nothing is answered with the generation there is', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.joinNew()
    sim.join({ memberId: one.memberId })
    sim.sync(one.memberId, 2)
    sim.sync(two.memberId, 2)
    expect(sim.join({ memberId: two.memberId }).value).toMatchObject({ errorCode: 0, generationId: 2 })
    expect(sim.classicState()).toBe('Stable')
    expect(sim.join({ memberId: two.memberId, metadata: 'other' }).isThere).toBe(false)
    expect(sim.classicState()).toBe('PreparingRebalance')
  })

  it('of the leader always begins a rebalance', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    expect(sim.join({ memberId }).value.generationId).toBe(2)
  })

  it('chooses the protocol that most members prefer among those that all know', () => {
    const sim = new SimCoordinator()
    const protocols = (...names: string[]) => ({
      protocols: names.map((name) => ({ name, metadata: Buffer.from(name) })),
    })
    const one = sim.joinNew(protocols('a', 'b', 'c'))
    sim.joinNew(protocols('b', 'c'))
    const last = sim.joinNew(protocols('c', 'b', 'a'))
    sim.join({ ...protocols('a', 'b', 'c'), memberId: one.memberId })
    expect(last.answer.isThere).toBe(true)
    expect(last.answer.value.protocolName).toBe('b')
  })
})

describe('a rebalance', () => {
  it('of an empty group waits for more members, and longer while they come', () => {
    const sim = new SimCoordinator({ initialRebalanceDelayMs: 3000 })
    const one = sim.joinNew()
    sim.advance(2999)
    expect(one.answer.isThere).toBe(false)
    const two = sim.joinNew()
    sim.advance(2999)
    expect(one.answer.isThere).toBe(false)
    sim.advance(2)
    expect([one.answer.value.generationId, two.answer.value.generationId]).toEqual([1, 1])
  })

  it('drops members that do not join in time', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.joinNew()
    for (let i = 0; i < 60; i++) {
      sim.advance(1000)
      if (i < 58) expect(sim.heartbeat(one.memberId, one.generation)).toBe(27)
    }
    expect(two.answer.value).toMatchObject({ generationId: 2, leader: two.memberId })
    expect(sim.heartbeat(one.memberId, one.generation)).toBe(25)
  })

  it('waits for an id that was given out, until its session ends', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    sim.join({})
    const again = sim.join({ memberId: one.memberId })
    expect(again.isThere).toBe(false)
    sim.advance(10_000)
    expect(again.value.generationId).toBe(2)
  })

  it('drops followers that do not sync in time', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.joinNew({ sessionTimeoutMs: 300_000 })
    sim.join({ memberId: one.memberId, sessionTimeoutMs: 300_000 })
    sim.sync(one.memberId, 2, { [one.memberId]: 'all' })
    expect(sim.classicState()).toBe('Stable')
    sim.advance(60_001)
    expect(sim.heartbeat(two.memberId, 2)).toBe(25)
    expect(sim.heartbeat(one.memberId, 2)).toBe(27)
  })

  it('makes the group empty when the last member dies, with a generation more', () => {
    const sim = new SimCoordinator()
    sim.stableMember()
    sim.advance(10_001)
    expect(sim.classicState()).toBe('Empty')
    sim.reload()
    expect(sim.classicState()).toBe('Empty')
    expect(sim.joinNew().answer.value.generationId).toBe(3)
  })
})

describe('a sync', () => {
  it('of a follower waits for the leader, and each gets its own part', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.joinNew()
    sim.join({ memberId: one.memberId })
    const follower = sim.sync(two.memberId, 2)
    expect(follower.isThere).toBe(false)
    expect(sim.heartbeat(two.memberId, 2)).toBe(0)
    const leader = sim.sync(one.memberId, 2, { [one.memberId]: 'one', [two.memberId]: 'two', ghost: 'x' })
    expect([text(leader.value.assignment), text(follower.value.assignment)]).toEqual(['one', 'two'])
    expect(leader.value).toMatchObject({ errorCode: 0, protocolType: 'consumer', protocolName: 'range' })
    expect(text(sim.sync(two.memberId, 2).value.assignment)).toBe('two')
  })

  it('is refused for a wrong member, generation or protocol, and while joins are awaited', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    expect(sim.sync('nobody', 1).value.errorCode).toBe(25)
    expect(sim.sync(memberId, 2).value.errorCode).toBe(22)
    expect(sim.sync(memberId, 1, {}, { protocolName: 'other' }).value.errorCode).toBe(23)
    expect(sim.sync(memberId, 1, {}, { groupId: 'none' }).value.errorCode).toBe(25)
    sim.joinNew()
    expect(sim.sync(memberId, 1).value.errorCode).toBe(27)
  })

  it('is answered after the assignment is written, and not a moment before', () => {
    const sim = new SimCoordinator()
    const { memberId, answer } = sim.joinNew()
    sim.isManual = true
    const sync = sim.sync(memberId, answer.value.generationId, { [memberId]: 'a' })
    const heartbeat = sim.parkHeartbeat(memberId, 1)
    expect([sync.isThere, heartbeat.isThere]).toEqual([false, false])
    sim.finishAppend()
    expect([sync.value.errorCode, heartbeat.value.errorCode]).toEqual([0, 0])
  })

  it('whose assignment cannot be written is answered a retriable error, and a new rebalance begins', () => {
    const sim = new SimCoordinator()
    const { memberId, answer } = sim.joinNew()
    sim.isManual = true
    const sync = sim.sync(memberId, answer.value.generationId, { [memberId]: 'a' })
    sim.finishAppend(new StorageError('disk', 'EIO'))
    expect(sync.value.errorCode).toBe(16)
    expect(sim.classicState()).toBe('PreparingRebalance')
    sim.isManual = false
    expect(sim.join({ memberId }).value.generationId).toBe(2)
  })

  it('that waits hears of a rebalance that begins meanwhile', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.joinNew()
    sim.join({ memberId: one.memberId })
    const follower = sim.sync(two.memberId, 2)
    sim.leave({ memberId: one.memberId })
    expect(follower.value.errorCode).toBe(27)
  })
})

describe('a heartbeat', () => {
  it('keeps a member, silence drops it', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    for (let i = 0; i < 5; i++) {
      sim.advance(9000)
      expect(sim.heartbeat(memberId, 1)).toBe(0)
    }
    sim.advance(10_000)
    expect(sim.heartbeat(memberId, 1)).toBe(25)
  })

  it('is refused for a wrong generation or group', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    expect(sim.heartbeat(memberId, 0)).toBe(22)
    expect(sim.heartbeat(memberId, 1, null, 'none')).toBe(25)
  })

  it('that waits behind a slow append counts as heard', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    const other = sim.joinNew()
    sim.join({ memberId })
    sim.isManual = true
    const sync = sim.sync(memberId, 2, {})
    sim.sync(other.memberId, 2)
    sim.advance(9000)
    const heartbeat = sim.parkHeartbeat(memberId, 2)
    sim.advance(9000)
    sim.finishAppend()
    expect([sync.value.errorCode, heartbeat.value.errorCode]).toEqual([0, 0])
    expect(sim.heartbeat(memberId, 2)).toBe(0)
  })
})

describe('leaving', () => {
  it('answers each member, and a batch may hold strangers', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    const pending = sim.join({}).value.memberId
    const left = sim.leave({ memberId }, { memberId: 'nobody' }, { memberId: pending }).value
    expect(left.errorCode).toBe(0)
    expect(left.members.map(({ errorCode }) => errorCode)).toEqual([0, 25, 0])
    expect(sim.classicState()).toBe('Empty')
  })

  it('of the last member is answered after the empty group is written', () => {
    const sim = new SimCoordinator()
    const { memberId } = sim.stableMember()
    sim.isManual = true
    const left = sim.leave({ memberId })
    expect(left.isThere).toBe(false)
    sim.finishAppend()
    expect(left.value.errorCode).toBe(0)
  })

  it('passes the lead on', () => {
    const sim = new SimCoordinator()
    const one = sim.stableMember()
    const two = sim.joinNew()
    sim.join({ memberId: one.memberId })
    sim.sync(one.memberId, 2)
    sim.leave({ memberId: one.memberId })
    expect(sim.join({ memberId: two.memberId }).value).toMatchObject({ generationId: 3, leader: two.memberId })
  })
})
