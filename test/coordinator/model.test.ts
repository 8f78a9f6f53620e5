/**
 * A model: members of a consumer group and of a classic group come, go, die, commit; appends are slow, fail, get lost;
 * the coordinator is stopped or killed and loaded again from its records. What must hold at every moment is in check(),
 * what must hold once nothing happens any more in settle().
 *
 * Replay: SEED=... npx vitest run --project unit test/coordinator/model.test.ts
 */
import { expect, it } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/base/random.ts'
import type { OffsetCommitResponse } from '../../src/coordinator/offset-messages.ts'
import type { CoordinatorRecord } from '../../src/coordinator/records/record-codec.ts'
import { testSeed } from '../random.ts'
import { ModelClassic } from './model-classic.ts'
import { ModelConsumer } from './model-consumer.ts'
import { type Answer, type Awaited, SimCoordinator } from './sim-coordinator.ts'

/** FUZZ_SCALE=25 is the long run. */
const RUNS = 10 * Number(process.env.FUZZ_SCALE ?? '1')
const STEPS = 1500
const CONSUMER_GROUP = 'k'
const CLASSIC_GROUP = 'g'

class Model {
  readonly random: SeededRandom
  readonly sim: SimCoordinator
  readonly consumers: ModelConsumer[] = []
  readonly classics: ModelClassic[] = []
  /** Answers that members no longer wait for, of this life of the coordinator. */
  #orphans: Awaited[] = []
  readonly #acked = new Map<string, number>()
  readonly #stale: Answer<OffsetCommitResponse>[] = []
  #offset = 0
  #syncedGeneration = 0
  readonly #given = new Map<string, string>()

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.sim = new SimCoordinator({ consumerSessionTimeoutMs: 15_000 }, seed)
    this.sim.catalogue.set('t', 1 + this.random.below(8))
    this.sim.catalogue.set('u-1', 1 + this.random.below(4))
    const count = 2 + this.random.below(5)
    const isAlike = this.random.chance(0.5)
    for (let i = 0; i < count; i++) {
      const names = isAlike || this.random.chance(0.5) ? ['t', 'u-1'] : [this.random.pick(['t', 'u-1'])]
      const regex = !isAlike && this.random.chance(0.3) ? 'u-.*' : null
      this.consumers.push(new ModelConsumer(CONSUMER_GROUP, `c${i}`, this.random.chance(0.3), names, regex))
      this.classics.push(new ModelClassic(CLASSIC_GROUP, `m${i}`, this.random.chance(0.3)))
    }
  }

  act(): void {
    const { random, sim } = this
    const kind = random.below(100)
    const consumer = random.pick(this.consumers)
    const classic = random.pick(this.classics)
    if (kind < 35) consumer.step(sim)
    else if (kind < 60) classic.step(sim)
    else if (kind < 70) consumer.commit(sim, random, ++this.#offset)
    else if (kind < 80) sim.advance(random.below(1500))
    else if (kind < 90) this.#finishAppends()
    else if (kind < 92) this.#changeDisk()
    else if (kind < 93) this.#orphans.push(...consumer.answers, consumer.leave(sim))
    else if (kind < 94 && classic.memberId !== '') this.#orphans.push(...classic.answers, classic.leave(sim))
    else if (kind < 95) this.#die(consumer, classic)
    else if (kind < 96) sim.advance(random.below(25_000))
    else if (kind < 97) this.#growTopics()
    else if (kind < 98) this.#disconnect(consumer, classic)
    else if (kind < 99) this.#crash()
    else this.#commitStale(consumer)
    this.#takeCommits()
  }

  #changeDisk(): void {
    this.sim.isManual = this.random.chance(0.7)
    while (!this.sim.isManual && this.sim.pending.length > 0) this.sim.finishAppend()
  }

  #finishAppends(): void {
    const { random, sim } = this
    while (sim.pending.length > 0 && random.chance(0.8)) {
      sim.finishAppend(random.chance(0.05) ? new StorageError('disk', 'EIO') : undefined)
    }
  }

  #die(consumer: ModelConsumer, classic: ModelClassic): void {
    this.#orphans.push(...consumer.answers, ...classic.answers)
    if (this.random.chance(0.5)) consumer.restart()
    else classic.restart()
  }

  #disconnect(consumer: ModelConsumer, classic: ModelClassic): void {
    this.#orphans.push(...consumer.answers, ...classic.answers)
    if (this.random.chance(0.5)) consumer.disconnect()
    else classic.disconnect()
  }

  #growTopics(): void {
    const { catalogue, coordinator } = this.sim
    const name = this.random.pick(['t', 'u-1', 'u-2'])
    const before = catalogue.byName(name)?.partitionCount ?? 0
    if (before < 12) catalogue.set(name, before + 1)
    coordinator.topicsChanged()
  }

  /** Killed at once, or stopped in order; then loaded from what is in the log. */
  #crash(): void {
    const { random, sim } = this
    const answers = [...this.#orphans, ...[...this.consumers, ...this.classics].flatMap((member) => member.answers)]
    if (random.chance(0.4)) {
      sim.coordinator.stop()
      while (sim.pending.length > 0) sim.finishAppend(random.chance(0.3) ? new StorageError('disk', 'EIO') : undefined)
      expect(
        answers.every(({ isThere }) => isThere),
        'stop() leaves nobody waiting',
      ).toBe(true)
    } else {
      while (sim.pending.length > 0 && random.chance(0.5)) sim.loseAnswer()
    }
    sim.reload(random.chance(0.5) ? sim.log : compacted(sim.log, random))
    this.#takeCommits()
    this.#orphans = []
    this.#stale.length = 0
    for (const member of [...this.consumers, ...this.classics]) member.disconnect()
    for (const [place, offset] of this.#acked) this.#checkCommitted(place, offset)
  }

  /** A commit of an epoch that is over, as of a process that was stopped for a while. */
  #commitStale({ memberId, groupId, epoch }: ModelConsumer): void {
    if (epoch < 2) return
    const by = { memberId, groupId, generation: epoch - 1 }
    this.#stale.push(this.sim.commit('t', { 0: ++this.#offset }, by))
  }

  #takeCommits(): void {
    for (const stale of this.#stale.filter(({ isThere }) => isThere)) {
      this.#stale.splice(this.#stale.indexOf(stale), 1)
      expect(stale.value.topics[0]!.partitions[0]!.errorCode, 'of a stale commit').not.toBe(0)
    }
    for (const { commits } of this.consumers) {
      for (const commit of commits.filter(({ answer }) => answer.isThere)) {
        commits.splice(commits.indexOf(commit), 1)
        if (commit.answer.value.topics[0]!.partitions[0]!.errorCode !== 0) continue
        const place = `${commit.topic}:${commit.partition}`
        this.#acked.set(place, Math.max(commit.offset, this.#acked.get(place) ?? 0))
        this.#checkCommitted(place, commit.offset)
      }
    }
  }

  #checkCommitted(place: string, offset: number): void {
    const [topic, partition] = place.split(':') as [string, string]
    expect(this.sim.committed(topic, Number(partition), CONSUMER_GROUP), place).toBeGreaterThanOrEqual(offset)
  }

  #synced(member: ModelClassic, generation: number, assignment: string): void {
    expect(generation, 'generations of written assignments').toBeGreaterThanOrEqual(this.#syncedGeneration)
    this.#syncedGeneration = generation
    if (assignment === '') return // Not in the leader's list: a static member that came back.
    const who = member.instanceId ?? member.memberId
    const before = this.#given.get(assignment)
    expect(before ?? who, `of ${assignment}`).toBe(who)
    this.#given.set(assignment, who)
  }

  /** A partition is worked on by at most one member that the group knows. */
  check(): void {
    const onSynced = this.#synced.bind(this)
    for (const member of this.classics) member.observe(onSynced)
    const known = new Set(this.sim.describeConsumer(CONSUMER_GROUP).members.map(({ memberId }) => memberId))
    const owners = new Map<string, string>()
    for (const { memberId, owned } of this.consumers) {
      if (!known.has(memberId)) continue
      for (const place of owned) {
        expect(owners.get(place), `${place} is ${memberId}'s too`).toBeUndefined()
        owners.set(place, memberId)
      }
    }
  }

  settle(): void {
    const { sim } = this
    sim.isManual = false
    while (sim.pending.length > 0) sim.finishAppend()
    this.#beatFor(150)
    const before = sim.log.length
    this.#beatFor(30)
    expect(sim.log.length, 'records when nothing happens').toBe(before)
    this.#checkSettled()
    const described = sim.describeConsumer(CONSUMER_GROUP)
    sim.reload(compacted(sim.log, this.random))
    const byId = (one: { memberId: string }, other: { memberId: string }): number =>
      one.memberId < other.memberId ? -1 : 1
    const again = sim.describeConsumer(CONSUMER_GROUP)
    expect(again.members.sort(byId)).toEqual(described.members.sort(byId))
    expect({ ...again, members: [] }).toEqual({ ...described, members: [] })
  }

  #beatFor(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      for (const member of this.consumers) member.step(this.sim)
      for (const member of this.classics) member.step(this.sim)
      this.check()
      this.sim.advance(1000)
    }
  }

  #checkSettled(): void {
    const { sim } = this
    expect(sim.describeConsumer(CONSUMER_GROUP).groupState).toBe('Stable')
    expect(sim.describeConsumer(CONSUMER_GROUP).members).toHaveLength(this.consumers.length)
    expect(sim.classicState(CLASSIC_GROUP)).toBe('Stable')
    expect(new Set(this.classics.map(({ generation }) => generation)).size).toBe(1)
    expect(new Set(this.classics.map(({ assignment }) => assignment)).size).toBe(this.classics.length)
    const owned = this.consumers.flatMap((member) => [...member.owned])
    const assigned = sim
      .describeConsumer(CONSUMER_GROUP)
      .members.flatMap(({ targetAssignment }) => targetAssignment.topicPartitions)
      .flatMap(({ topicId, partitions }) => partitions.map((partition) => `${topicId}:${partition}`))
    expect(owned.sort()).toEqual(assigned.sort())
    for (const [place, offset] of this.#acked) this.#checkCommitted(place, offset)
    expect(
      this.#orphans.every(({ isThere }) => isThere),
      'nobody waits for ever',
    ).toBe(true)
  }
}

/** The newest record of each key, where it lay; tombstones are there or gone. */
function compacted(log: readonly CoordinatorRecord[], random: SeededRandom): CoordinatorRecord[] {
  const last = new Map(log.map(({ key }, index) => [Buffer.from(key).toString('latin1'), index]))
  const keepsTombstones = random.chance(0.5)
  return log.filter(({ key, value }, index) => {
    return last.get(Buffer.from(key).toString('latin1')) === index && (value !== null || keepsTombstones)
  })
}

it('groups keep their promises, whatever their members and their coordinator do', () => {
  const seed = testSeed()
  for (let run = 0; run < RUNS; run++) {
    const model = new Model(seed + run)
    try {
      for (let step = 0; step < STEPS; step++) {
        model.act()
        model.check()
      }
      model.settle()
    } catch (error) {
      throw new Error(`SEED=${seed + run}`, { cause: error })
    }
  }
})
