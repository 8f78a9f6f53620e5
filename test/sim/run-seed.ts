/**
 * One run: several processes on one disk, one after the other. Each opens the log (perhaps with faults), is looked
 * through, works while the nemesis is about, and ends as its seed says. At the end the faults are off: everything must
 * come to rest, work, close, and a second open must change nothing (A10).
 */
import { SimHalt } from '../../src/base/env/sim-error.ts'
import { armDiskFault, heal, torment } from './nemesis.ts'
import { SimFailure } from './scheduler.ts'
import type { SimClient, SimProcess } from './sim-process.ts'
import type { Ending } from './swarm.ts'
import { verifyFiles, verifyLog } from './verify-log.ts'
import { administer, create } from './workload-admin.ts'
import { consume } from './workload-consume.ts'
import { produce } from './workload-produce.ts'
import { Actor, DIRECTORY, World } from './world.ts'

/** When the faults are off, everything is well again within this. */
const LIVENESS_MS = 30_000
/** A shard that died or hung a moment ago is back after this. */
const RESTART_MS = 3_000
/** A process works for this long, unless its events are used up before. */
const WORK_MS = 60_000
const EVENTS_MAX = 200_000
const OPEN_ATTEMPTS = 4
const OPEN_ERRORS = ['DIRECTORY_UNUSABLE', 'DIRECTORY_LOCKED'] as const

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
  const world = new World(seed, onTrace)
  const onRejection = (error: unknown): void => {
    if (error instanceof SimHalt) return
    const text = error instanceof Error ? error.stack : String(error)
    world.scheduler.failure ??= new SimFailure(`a rejection that nobody handles: ${text}`)
  }
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', onRejection)
  try {
    await new Run(world).all()
  } catch (error) {
    throw new Error(report(world, error), { cause: error })
  } finally {
    process.removeListener('unhandledRejection', onRejection)
    for (const listener of others) process.on('unhandledRejection', listener)
  }
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

function report(world: World, error: unknown): string {
  const { scheduler, swarm, seed, env } = world
  const text = error instanceof Error ? (error instanceof SimFailure ? error.message : error.stack) : String(error)
  const events = scheduler.latest.slice(-60).join('\n    ')
  const disk = env.fs.operations.slice(-12).map(({ kind, path }) => `${kind} ${path}`)
  return (
    `seed ${seed}, event ${scheduler.eventCount}: ${text}\n` +
    `  replay: SEED=${seed} TRACE=1 npm run test:sim\n  swarm: ${JSON.stringify(swarm)}\n` +
    `  latest events:\n    ${events}\n  latest calls on the disk:\n    ${disk.join('\n    ')}`
  )
}

class Run {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  async all(): Promise<void> {
    const { swarm } = this.#world
    for (const ending of swarm.endings) await this.#live(ending)
    // The first of these finishes what a failing disk had left over.
    await this.#openAndClose()
    const before = this.#world.env.fs.dump()
    await this.#openAndClose()
    const after = this.#world.env.fs.dump()
    if (before !== after) throw new SimFailure(`A10: a second open and close changed\n${difference(before, after)}`)
  }

  async #openAndClose(): Promise<void> {
    const { process, client } = await this.#open(false)
    await this.#closeWell(process, [client])
  }

  /** One process, from its opening to its end. */
  async #live(ending: Ending): Promise<void> {
    const world = this.#world
    const { swarm, scheduler } = world
    scheduler.note(`process that ends by ${ending}`)
    const { process, client } = await this.#open(true)
    const clients = [client]
    world.isStopping = false
    for (let i = 1; i < swarm.clients; i++) clients.push(await this.#until(process.attach(`client ${i}`), 'attach'))
    this.#startWork(clients)
    if (ending.startsWith('halt')) this.#armHalt()
    const isHalted = (): boolean => world.env.fs.halted
    world.isDiskSlow = swarm.diskMsMax > 0
    await scheduler.run(isHalted, swarm.events, WORK_MS)
    world.isDiskSlow = false
    switch (ending) {
      case 'close':
        heal(world)
        await this.#comeToRest(client)
        await this.#closeWell(process, clients)
        return
      case 'close-with-faults':
        if (!(await this.#closeSomehow(process, clients))) return
        break
      case 'kill':
      case 'halt-kill':
        this.#end(false)
        return
      case 'power':
      case 'halt-power':
        this.#end(true)
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

  /** Ends the process without asking it. */
  #end(isPowerCut: boolean): void {
    const world = this.#world
    const { fs } = world.env
    heal(world)
    if (isPowerCut) fs.crash(world.random.fork())
    else fs.killProcess()
    world.count(isPowerCut ? 'power cuts' : 'kills')
    world.processGone(isPowerCut)
  }

  /** Opens the log and looks it through. With faults it may need several attempts, and processes. */
  async #open(mayFail: boolean): Promise<{ process: SimProcess; client: SimClient }> {
    const world = this.#world
    const { fs } = world.env
    for (let attempt = 0; ; attempt++) {
      const random = world.random.fork()
      const isLast = !mayFail || attempt === OPEN_ATTEMPTS
      if (!isLast && random.chance(world.swarm.openFault)) armDiskFault(world, { random })
      if (!isLast && random.chance(world.swarm.openFault / 2)) fs.faults.failAt(1 + random.below(200), 'halt')
      const process = world.startProcess(mayFail)
      const client = await this.#tryOpen(process)
      heal(world)
      if (client !== undefined) {
        await this.#until(verifyLog(world, client), 'verification')
        if (!world.model.isInDoubt) return { process, client }
        if (isLast) throw new SimFailure(`offline although nothing is wrong: ${offline(client).join('; ')}`)
        this.#end(random.chance(0.5))
        continue
      }
      if (isLast) throw new SimFailure('the log does not open although nothing is wrong')
      world.count('failed to open')
      if (fs.halted) this.#end(random.chance(0.5))
      else {
        if (process.openPaths.length > 0) throw new SimFailure(`left open: ${process.openPaths.join(', ')}`)
        this.#end(false)
      }
    }
  }

  /** Undefined if it failed as it may. */
  async #tryOpen(process: SimProcess): Promise<SimClient | undefined> {
    const world = this.#world
    let client: SimClient | undefined
    let isOver = false
    const opening = world.call('open', process.open()).then(
      (opened) => {
        client = opened
        isOver = true
      },
      (error: unknown) => {
        isOver = true
        if (!(error instanceof SimHalt)) world.expectError(error, 'open', OPEN_ERRORS)
      },
    )
    const isDone = (): boolean => isOver || world.env.fs.halted
    if (!(await world.scheduler.run(isDone, EVENTS_MAX, LIVENESS_MS))) throw new SimFailure('open() does not settle')
    if (isOver) await opening
    return client
  }

  /** Faults are off: all calls settle, actors stop, partitions that can come back do, and everything works. */
  async #comeToRest(client: SimClient): Promise<void> {
    await this.#stopActors()
    await this.#world.scheduler.rest(EVENTS_MAX, RESTART_MS)
    const isBack = (): boolean => !offline(client).some((message) => message.includes('ENOSPC'))
    if (!(await this.#world.scheduler.run(isBack, EVENTS_MAX, LIVENESS_MS))) {
      throw new SimFailure(`there is room again, and these do not come back: ${offline(client).join('; ')}`)
    }
    if (offline(client).length === 0) await this.#useEverything(client)
  }

  async #stopActors(): Promise<void> {
    const world = this.#world
    world.isStopping = true
    const isDone = (): boolean => world.runningActors === 0 && world.pending.size === 0
    if (await world.scheduler.run(isDone, EVENTS_MAX, LIVENESS_MS)) return
    const pending = [...world.pending.values()].slice(0, 10).join(', ')
    throw new SimFailure(`after the faults: ${world.runningActors} actors go on; not settled: ${pending}`)
  }

  /** One more record into each partition, and back. */
  async #useEverything(client: SimClient): Promise<void> {
    const world = this.#world
    const use = async (): Promise<void> => {
      if (client.transport.topics().length === 0) await create(world, client, new Actor(world, 'last admin'))
      const producer = client.log.producer({ acks: 'all' })
      const number = world.nextProducer++
      for (const { topic: name, partitionCount } of client.transport.topics()) {
        for (let partition = 0; partition < partitionCount; partition++) {
          const topic = world.topicOf(client.transport, name)!
          const parts = { topic, producer: number, acks: 'all' as const, isIdempotent: true, key: null, partition }
          const record = world.model.send({ ...parts, timestamp: undefined }, 20)
          const value = Buffer.from(record.value)
          const { offset, durability } = await producer.send({ topic: name, partition, value })
          world.model.acknowledged(record, topic, partition, offset, durability)
        }
      }
      await producer.close()
    }
    await this.#until(use(), 'use of everything')
  }

  async #closeWell(process: SimProcess, clients: readonly SimClient[]): Promise<void> {
    const world = this.#world
    const wasOffline = offline(clients[0]!).length > 0
    const close = async (): Promise<void> => {
      for (const client of [...clients].reverse()) await client.log.close()
    }
    try {
      await this.#until(close(), 'close')
    } catch (error) {
      if (!wasOffline) throw error
      world.expectError(error, 'close', [])
    }
    this.#checkClosed(process)
    if (!wasOffline) verifyFiles(world)
    world.processGone(false)
    if (wasOffline) {
      // What was offline comes back with the next open; this one closes well.
      const next = await this.#open(false)
      await this.#useEverything(next.client)
      await this.#closeWell(next.process, [next.client])
    }
  }

  /** False: the process was halted meanwhile, and is gone. */
  async #closeSomehow(process: SimProcess, clients: readonly SimClient[]): Promise<boolean> {
    const world = this.#world
    world.isStopping = true
    let isOver = false
    const close = async (): Promise<void> => {
      for (const client of [...clients].reverse()) {
        try {
          await world.call('close', client.log.close())
        } catch (error) {
          world.expectError(error, 'close', [
            'UNKNOWN_TOPIC_OR_PARTITION',
            'INVALID_TIMESTAMP',
            'RECORD_LIST_TOO_LARGE',
          ])
        }
      }
      isOver = true
    }
    world.spawn('closer', close)
    const isDone = (): boolean => isOver || world.env.fs.halted
    if (!(await world.scheduler.run(isDone, EVENTS_MAX, LIVENESS_MS))) {
      const pending = [...world.pending.values()].slice(0, 10).join(', ')
      throw new SimFailure(`close() does not settle; nor do: ${pending}`)
    }
    await world.scheduler.rest(50, 100)
    if (!world.env.fs.halted) {
      heal(world)
      await this.#stopActors()
      this.#checkClosed(process)
    }
    this.#end(false)
    return false
  }

  #checkClosed(process: SimProcess): void {
    const world = this.#world
    if (process.openPaths.length > 0) throw new SimFailure(`open after close: ${process.openPaths.join(', ')}`)
    const lock = world.env.fs.lock(`${DIRECTORY}/.lock`)
    if (lock === undefined) throw new SimFailure('the lock is held after close')
    lock.release()
  }

  async #until<T>(promise: Promise<T>, what: string): Promise<T> {
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    promise.then(settled, settled)
    const isDone = await this.#world.scheduler.run(() => isSettled, EVENTS_MAX, LIVENESS_MS)
    if (!isDone) throw new SimFailure(`${what} does not settle within ${LIVENESS_MS} ms`)
    return promise
  }
}

/** Why partitions cannot be written at present. */
function offline({ transport }: SimClient): string[] {
  const failures: string[] = []
  for (const { topic, partitionCount } of transport.topics()) {
    for (let partition = 0; partition < partitionCount; partition++) {
      const failure = transport.partitionFailure(topic, partition)
      if (failure !== undefined) failures.push(failure.message)
    }
  }
  return failures
}

function difference(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')]
  const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`)
  return [...gone, ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`)].join('\n')
}
