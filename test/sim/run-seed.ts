/**
 * One run: several processes on one disk, one after the other. Each opens the log (perhaps with faults), is looked
 * through, works while the nemesis is about, and ends as its seed says. At the end the faults are off: everything must
 * come to rest, work, close, and a second open must change nothing (A10).
 */
import { RESERVE_FILE } from '../../src/workers/disk-reserve.ts'
import { Lifecycle } from './lifecycle.ts'
import { heal, torment } from './nemesis.ts'
import { SimFailure } from './scheduler.ts'
import type { SimClient } from './sim-process.ts'
import type { Ending } from './swarm.ts'
import { watched } from './watched.ts'
import { administer } from './workload-admin.ts'
import { consume } from './workload-consume.ts'
import { produce } from './workload-produce.ts'
import { World } from './world.ts'

/** A process works for this long, unless its events are used up before. */
const WORK_MS = 60_000

export interface RunResult {
  readonly hash: string
  readonly events: number
  readonly records: number
  readonly acknowledged: number
  readonly read: number
  readonly counts: ReadonlyMap<string, number>
}

/** Throws an Error whose message says the seed, the swarm and the latest events. */
export async function runSeed(seed: number, onTrace?: (line: string) => void): Promise<RunResult> {
  const world = new World(seed, { onTrace })
  await watched(world, `SEED=${seed} TRACE=1 npm run test:sim`, () => new Run(world).all())
  const { scheduler, model } = world
  return {
    hash: scheduler.hash,
    events: scheduler.eventCount,
    records: model.records.length,
    acknowledged: model.acknowledgedCount,
    read: model.readCount,
    counts: world.counts,
  }
}

class Run {
  readonly #world: World
  readonly #lifecycle: Lifecycle

  constructor(world: World) {
    this.#world = world
    this.#lifecycle = new Lifecycle(world)
  }

  /** Everything on the disk but the reserve, which a process sets aside again when it has lived for a while. */
  #kept(): string {
    const lines = this.#world.env.fs.dump().split('\n')
    return lines.filter((line) => !line.includes(RESERVE_FILE)).join('\n')
  }

  async all(): Promise<void> {
    const { swarm } = this.#world
    for (const ending of swarm.endings) await this.#live(ending)
    // The first of these finishes what a failing disk had left over.
    await this.#openAndClose()
    const before = this.#kept()
    await this.#openAndClose()
    const after = this.#kept()
    if (before !== after) throw new SimFailure(`A10: a second open and close changed\n${difference(before, after)}`)
  }

  async #openAndClose(): Promise<void> {
    const { process, client } = await this.#lifecycle.open(false)
    await this.#lifecycle.closeWell(process, [client])
  }

  /** One process, from its opening to its end. */
  async #live(ending: Ending): Promise<void> {
    const world = this.#world
    const lifecycle = this.#lifecycle
    const { swarm, scheduler } = world
    scheduler.note(`process that ends by ${ending}`)
    const { process, client } = await lifecycle.open(true)
    const clients = [client]
    world.isStopping = false
    for (let i = 1; i < swarm.clients; i++) clients.push(await lifecycle.until(process.attach(`client ${i}`), 'attach'))
    this.#startWork(clients)
    if (ending.startsWith('halt')) this.#armHalt()
    world.isDiskSlow = swarm.diskMsMax > 0
    await scheduler.run(() => world.env.fs.halted, swarm.events, WORK_MS)
    world.isDiskSlow = false
    switch (world.env.fs.readOnly && ending === 'close' ? 'close-with-faults' : ending) {
      case 'close':
        heal(world)
        await lifecycle.comeToRest(client)
        await lifecycle.closeWell(process, clients)
        return
      case 'close-with-faults':
        await lifecycle.closeSomehow(process, clients)
        lifecycle.end(false)
        return
      case 'kill':
      case 'halt-kill':
        lifecycle.end(false)
        return
      case 'power':
      case 'halt-power':
        lifecycle.end(true)
        return
    }
  }

  #startWork(clients: readonly SimClient[]): void {
    const world = this.#world
    const { producers, consumers } = world.swarm
    const clientOf = (index: number): SimClient => clients[index % clients.length]!
    for (let i = 0; i < producers; i++) {
      world.spawn(`producer ${i}`, (actor) => produce(world, clientOf(i), actor))
    }
    for (let i = 0; i < consumers; i++) {
      world.spawn(`consumer ${i}`, (actor) => consume(world, clientOf(i + 1), actor))
    }
    world.spawn('admin', (actor) => administer(world, clients[0]!, actor))
    world.spawn('nemesis', (actor) => torment(world, actor))
  }

  #armHalt(): void {
    const world = this.#world
    world.env.fs.faults.failAt(1 + world.random.below(world.random.pick([20, 200, 1000])), 'halt')
  }
}

function difference(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')]
  const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`)
  return [...gone, ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`)].join('\n')
}
