/**
 * The group coordinator in the simulation: commits that were acknowledged survive whatever ends the coordinator, its
 * process or the machine, in every life that follows; and nothing is there that nobody committed.
 */
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/base/errors.ts'
import { Lifecycle } from './lifecycle.ts'
import { SimFailure } from './scheduler.ts'
import { isLongRun, isReplay } from './seeds.ts'
import type { SimClient, SimProcess } from './sim-process.ts'
import { watched } from './watched.ts'
import { type Actor, World } from './world.ts'

const LIVES = 4
const WORK_EVENTS = 3000
const WORK_MS = 20_000
const SEEDS = isLongRun ? 400 : 25

/** A coordinator that goes away in the middle of it. */
const AWAY: readonly ErrorCode[] = ['COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS']

/** One group's commits to one partition, ever greater. */
class Ledger {
  readonly groupId: string
  tried = 0
  acknowledged = 0

  constructor(groupId: string) {
    this.groupId = groupId
  }

  check(offset: number, where: string): void {
    if (offset >= this.acknowledged && offset <= this.tried) return
    const expected = `${this.acknowledged} .. ${this.tried}`
    throw new SimFailure(`${where}: group ${this.groupId} is at ${offset}, acknowledged .. tried is ${expected}`)
  }
}

async function commitOn(world: World, { log }: SimClient, ledger: Ledger, actor: Actor): Promise<void> {
  const consumer = log.consumer({ group: ledger.groupId, autoCommit: false })
  while (!world.isStopping) {
    await actor.turn()
    ledger.tried += 1
    const offset = ledger.tried
    try {
      await world.call('commit', consumer.commit([{ topic: 't', partition: 0, offset }]))
      ledger.acknowledged = Math.max(ledger.acknowledged, offset)
      world.count('commits')
    } catch (error) {
      const { code } = world.expectError(error, 'commit', AWAY)
      if (code === 'LOG_CLOSED') return
    }
    if (actor.random.chance(0.2)) await actor.sleep(actor.random.below(400))
  }
}

/** Members come and go, so that the log of the coordinator holds more than offsets. */
async function joinAndLeave(world: World, { log }: SimClient, actor: Actor): Promise<void> {
  while (!world.isStopping) {
    await actor.turn()
    const groupProtocol = actor.random.pick(['consumer', 'classic'] as const)
    const consumer = log.consumer({ group: `members-${groupProtocol}`, groupProtocol, from: 'earliest' })
    try {
      await consumer.subscribe(['t'])
      await actor.sleep(actor.random.below(1000))
      await world.call('leave', consumer.close())
    } catch (error) {
      if (world.expectError(error, 'membership', AWAY).code === 'LOG_CLOSED') return
    }
  }
}

async function endCoordinators(world: World, process: SimProcess, actor: Actor): Promise<void> {
  while (!world.isStopping) {
    await actor.sleep(actor.random.below(3000))
    if (world.isStopping) return
    world.count('coordinators ended')
    await process.coordinator.end()
  }
}

async function runGroups(seed: number): Promise<World> {
  const swarm = { retentionCheckMs: 0x7fff_ffff }
  const world = new World(seed, { swarm })
  const ledgers = ['a', 'b', 'c'].map((groupId) => new Ledger(groupId))
  await watched(world, `SEED=${seed} npx vitest run --project sim test/sim/groups.test.ts`, async () => {
    const lifecycle = new Lifecycle(world)
    for (let life = 0; life < LIVES; life++) {
      const opened = await lifecycle.tryOpen(false)
      if (opened === undefined) throw new SimFailure('the log does not open although nothing is wrong')
      const { process, client } = opened
      process.settings['group.initial.rebalance.delay.ms'] = '0'
      if (life === 0) await lifecycle.until(client.log.admin.createTopics([{ topic: 't' }]), 'creation')
      for (const ledger of ledgers) {
        const offsets = await lifecycle.until(client.log.admin.groupOffsets(ledger.groupId), 'fetch of offsets')
        ledger.check(offsets[0]?.offset ?? 0, `life ${life}`)
      }
      world.isStopping = false
      const other = await lifecycle.until(process.attach('client 1'), 'attach')
      ledgers.forEach((ledger, index) => {
        world.spawn(`committer ${ledger.groupId}`, (actor) =>
          commitOn(world, index === 0 ? client : other, ledger, actor),
        )
      })
      world.spawn('member', (actor) => joinAndLeave(world, other, actor))
      world.spawn('nemesis', (actor) => endCoordinators(world, process, actor))
      await world.scheduler.run(() => false, WORK_EVENTS, WORK_MS)
      lifecycle.end(world.random.chance(0.5))
    }
  })
  return world
}

describe('offset commits', () => {
  const seeds = isReplay ? [Number(process.env['SEED'])] : Array.from({ length: SEEDS }, (_, index) => 7000 + index)
  it('that were acknowledged survive the end of coordinators, processes and power', { timeout: 600_000 }, async () => {
    const sums = new Map<string, number>()
    for (const seed of seeds) {
      for (const [what, count] of (await runGroups(seed)).counts) sums.set(what, (sums.get(what) ?? 0) + count)
    }
    console.log(JSON.stringify(Object.fromEntries([...sums].sort())))
    for (const what of [
      'commits',
      'coordinators ended',
      'power cuts',
      'kills',
      'failpoint offsets-rewrite:before-trim',
    ]) {
      expect(sums.get(what) ?? 0, what).toBeGreaterThan(0)
    }
  })
})
