/** Hostile and heavy input: it is refused, or costs what it is worth, and nothing stays behind. */
import { expect, it } from 'vitest'
import { SeededRandom } from '../../src/base/random.ts'
import { testSeed } from '../random.ts'
import { type Awaited, context, SimCoordinator } from './sim-coordinator.ts'

const LONG = 'x'.repeat(40_000)

it('ids that were given out and never used are taken back, and their group is forgotten', () => {
  const sim = new SimCoordinator({ membersMax: 100 })
  for (let i = 0; i < 150; i++) sim.join({ groupId: `g${i % 3}` })
  expect(sim.coordinator.groupCount).toBe(3)
  sim.advance(10_000)
  expect(sim.coordinator.groupCount).toBe(0)
  expect(sim.coordinator.nextDeadlineMs()).toBeGreaterThan(sim.nowMs)
  expect(sim.log).toEqual([])
})

it('there are as many groups as are allowed, and those that are there go on', () => {
  const sim = new SimCoordinator({ groupsMax: 2 })
  sim.catalogue.set('t', 1)
  sim.commitNow('t', { 0: 1 }, { groupId: 'a' })
  sim.join({ groupId: 'b' })
  expect(sim.join({ groupId: 'c' }).value.errorCode).toBe(15)
  expect(sim.commitNow('t', { 0: 1 }, { groupId: 'd' })).toBe(15)
  expect(sim.beat('m', 0, { groupId: 'e' }).value.errorCode).toBe(15)
  expect(sim.commitNow('t', { 0: 2 }, { groupId: 'a' })).toBe(0)
  expect(sim.coordinator.groupCount).toBe(2)
})

it('requests that wait for an append are bounded, and those over it hear a retriable error', () => {
  const sim = new SimCoordinator({ queuedRequestsMax: 3 })
  const { memberId } = sim.joinNew()
  sim.isManual = true
  sim.sync(memberId, 1, {})
  const beats = Array.from({ length: 5 }, () => sim.parkHeartbeat(memberId, 1))
  expect(beats.map(({ isThere }) => isThere)).toEqual([false, false, false, true, true])
  expect(beats[4]!.value.errorCode).toBe(15)
  sim.finishAppend()
  expect(beats[0]!.value.errorCode).toBe(0)
})

it('texts that are too long for a record are refused before anything is written', () => {
  const sim = new SimCoordinator()
  sim.catalogue.set('t', 1)
  const { memberId } = sim.joinNew({ groupId: 'ok' })
  expect(sim.join({ groupId: LONG }).value.errorCode).toBe(24)
  expect(sim.join({ groupInstanceId: LONG }).value.errorCode).toBe(42)
  expect(sim.join({ protocolType: LONG }).value.errorCode).toBe(42)
  expect(sim.join({ protocols: [{ name: LONG, metadata: new Uint8Array(0) }] }).value.errorCode).toBe(42)
  expect(sim.commitNow('t', { 0: 1 }, { groupId: LONG })).toBe(24)
  expect(sim.commitNow('t', { 0: 1 }, { metadata: LONG })).toBe(12)
  expect(sim.beat(LONG, 0).value.errorCode).toBe(42)
  expect(sim.beat('m', 0, { instanceId: LONG }).value.errorCode).toBe(42)
  expect(sim.beat('m', 0, { rackId: LONG }).value.errorCode).toBe(42)
  expect(sim.beat('m', 0, { serverAssignor: LONG }).value.errorCode).toBe(42)
  expect(sim.beat('m', 0, { subscribedTopicNames: [LONG] }).value.errorCode).toBe(42)
  expect(sim.beat('m', 0, { subscribedTopicRegex: LONG }).value.errorCode).toBe(128)
  expect(memberId).not.toBe('')
  expect(sim.log).toEqual([])
})

it("a client's own name may be anything: it is cut, and the member id that holds it stays the same", () => {
  const sim = new SimCoordinator()
  let memberId = ''
  const clientId = `${'a'.repeat(254)}😀`
  const request = { groupId: 'g', sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000, memberId, groupInstanceId: null,
    protocolType: 'p', protocols: [{ name: 'r', metadata: new Uint8Array(0) }], reason: null } // prettier-ignore
  sim.coordinator.handleJoinGroup(request, { ...context(9), clientId }, (response) => (memberId = response.memberId))
  expect(Buffer.from(memberId).toString()).toBe(memberId)
  expect(memberId.length).toBeLessThan(300)
})

it('an offset table of many groups is swept in pieces', () => {
  const sim = new SimCoordinator({ offsetsRetentionMs: 1000, offsetsRetentionCheckMs: 5000 })
  sim.catalogue.set('t', 1)
  for (let i = 0; i < 2500; i++) sim.commitNow('t', { 0: 1 }, { groupId: `g${i}` })
  sim.nowMs += 5000
  sim.wallMs += 5000
  sim.coordinator.advance(sim.nowMs, sim.wallMs)
  expect(sim.coordinator.groupCount).toBe(1500)
  expect(sim.coordinator.nextDeadlineMs()).toBe(sim.nowMs)
  sim.advance(1)
  expect(sim.coordinator.groupCount).toBe(0)
})

it('a large consumer group joins and settles in reasonable time', () => {
  const sim = new SimCoordinator()
  sim.catalogue.set('t', 600)
  const startMs = performance.now()
  for (let i = 0; i < 300; i++) sim.beat(`m${i}`, 0)
  expect(performance.now() - startMs).toBeLessThan(10_000)
  const targets = sim.describeConsumer().members.map(({ targetAssignment }) => targetAssignment.topicPartitions)
  expect(targets.every(([topic]) => topic!.partitions.length === 2)).toBe(true)
})

it('requests of nonsense are answered once each, and break nothing', () => {
  const seed = testSeed()
  const random = new SeededRandom(seed)
  const sim = new SimCoordinator({ membersMax: 5, initialRebalanceDelayMs: random.chance(0.5) ? 0 : 3000 })
  sim.catalogue.set('t', 3)
  const ids = ['', 'm', 'n', 'x'.repeat(2000)]
  const numbers = [-0x8000_0000, -3, -2, -1, 0, 1, 2, 0x7fff_ffff]
  const any = <T>(...from: T[]): T => random.pick(from)
  const answers: Awaited[] = []
  for (let step = 0; step < 5000; step++) {
    const memberId = random.pick(ids)
    const instance = any(null, '', 'i', 'j')
    const epoch = random.pick(numbers)
    const groupId = any('g', 'h', '')
    const kind = random.below(8)
    if (kind === 0) {
      const sessionTimeoutMs = any(6000, 10_000, -1)
      const protocols = any([], [{ name: any('r', 's'), metadata: new Uint8Array(2) }])
      const request = { groupId, memberId, groupInstanceId: instance, protocols, sessionTimeoutMs }
      answers.push(sim.join({ ...request, rebalanceTimeoutMs: random.pick(numbers) }, random.below(10)))
    } else if (kind === 1) {
      answers.push(sim.sync(memberId, epoch, { [random.pick(ids)]: 'a' }, { groupId }))
    } else if (kind === 2) {
      answers.push(sim.parkHeartbeat(memberId, epoch, instance, groupId))
    } else if (kind === 3) {
      answers.push(sim.leave({ memberId }, { memberId }, { groupInstanceId: instance ?? 'k' }))
    } else if (kind === 4) {
      const topicPartitions = any(null, [], [{ topicId: any('?', 'AQIDBAUGBwgJCgsMDQ4PEA'), partitions: [-1, 0, 0] }])
      const more = { groupId, instanceId: instance, topicPartitions, rebalanceTimeoutMs: random.pick(numbers) }
      const subscribedTopicRegex = any(null, '', '.*', '(', 't')
      answers.push(
        sim.beat(memberId, epoch, { ...more, subscribedTopicRegex, subscribedTopicNames: any(null, [], ['t']) }),
      )
    } else if (kind === 5) {
      const offset = any(-1, 0, 2 ** 63, -(2 ** 63), 5)
      answers.push(
        sim.commit(any('t', 'u'), { [random.pick(numbers)]: offset, 0: 1 }, { memberId, generation: epoch, groupId }),
      )
    } else if (kind === 6) {
      sim.advance(random.below(3000))
    } else if (random.chance(0.05)) {
      sim.deleteGroup(groupId)
    }
    if (random.chance(0.002)) {
      sim.coordinator.stop()
      expect(
        answers.every(({ isThere }) => isThere),
        `SEED=${seed} step=${step}`,
      ).toBe(true)
      answers.length = 0
      sim.reload()
    }
    expect(sim.coordinator.groupCount).toBeLessThanOrEqual(3)
  }
})
