/**
 * Lifecycle: how processes of a world begin and end. Opening is followed by a look through everything the log holds;
 * after a proper close nothing may be open, locked or damaged; whatever a client waits for must settle.
 */
import type { CrashOptions } from '../../src/base/env/sim-crash.ts'
import { SimHalt } from '../../src/base/env/sim-error.ts'
import { armDiskFault, heal } from './nemesis.ts'
import { SimFailure } from './scheduler.ts'
import type { SimClient, SimProcess } from './sim-process.ts'
import { verifyFiles, verifyLog } from './verify-log.ts'
import { create } from './workload-admin.ts'
import { Actor, DIRECTORY, type World } from './world.ts'

/** When the faults are off, everything is well again within this. */
export const LIVENESS_MS = 30_000
export const EVENTS_MAX = 200_000
/** A shard that died or hung a moment ago is back after this. */
const RESTART_MS = 3_000
const OPEN_ATTEMPTS = 4
const OPEN_ERRORS = ['DIRECTORY_UNUSABLE', 'DIRECTORY_LOCKED'] as const
const CLOSE_ERRORS = ['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TIMESTAMP', 'RECORD_LIST_TOO_LARGE'] as const

export interface Opened {
  readonly process: SimProcess
  readonly client: SimClient
}

export class Lifecycle {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  /** Opens the log and looks it through. With faults it may need several attempts, and processes. */
  async open(mayFail: boolean): Promise<Opened> {
    const world = this.#world
    const { fs } = world.env
    for (let attempt = 0; ; attempt++) {
      const random = world.random.fork()
      const isLast = !mayFail || attempt === OPEN_ATTEMPTS
      if (!isLast && random.chance(world.swarm.openFault)) armDiskFault(world, { random })
      if (!isLast && random.chance(world.swarm.openFault / 2)) fs.faults.failAt(1 + random.below(200), 'halt')
      const opened = await this.tryOpen(mayFail)
      heal(world)
      if (opened !== undefined) {
        await this.until(verifyLog(world, opened.client), 'verification')
        if (!world.model.isInDoubt) return opened
        if (isLast) throw new SimFailure(`offline although nothing is wrong: ${offline(opened.client).join('; ')}`)
        this.end(random.chance(0.5))
        continue
      }
      if (isLast) throw new SimFailure('the log does not open although nothing is wrong')
      world.count('failed to open')
      if (fs.halted) {
        this.end(random.chance(0.5))
      } else {
        this.#checkNothingOpen()
        this.end(false)
      }
    }
  }

  /** One attempt, and no look at the log. Undefined if it failed as it may. */
  async tryOpen(hasRetention: boolean): Promise<Opened | undefined> {
    const world = this.#world
    const process = world.startProcess(hasRetention)
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
    return client === undefined ? undefined : { process, client }
  }

  /** Ends the process without asking it. A file system that has stopped needs a reboot. */
  end(isPowerCut: boolean, crash: CrashOptions = {}): void {
    const world = this.#world
    const { fs } = world.env
    heal(world)
    const lostPower = isPowerCut || fs.readOnly
    fs.readOnly = false
    if (lostPower) fs.crash(world.random.fork(), crash)
    else fs.killProcess()
    world.count(lostPower ? 'power cuts' : 'kills')
    world.processGone(lostPower)
  }

  /** Faults are off: all calls settle, actors stop, partitions that can come back do, and everything works. */
  async comeToRest(client: SimClient): Promise<void> {
    const { scheduler } = this.#world
    await this.#stopActors()
    await scheduler.rest(EVENTS_MAX, RESTART_MS)
    const isBack = (): boolean => !offline(client).some((message) => message.includes('ENOSPC'))
    if (!(await scheduler.run(isBack, EVENTS_MAX, LIVENESS_MS))) {
      throw new SimFailure(`there is room again, and these do not come back: ${offline(client).join('; ')}`)
    }
    if (offline(client).length === 0) await this.useEverything(client)
  }

  async #stopActors(): Promise<void> {
    const world = this.#world
    world.isStopping = true
    const isDone = (): boolean => world.runningActors === 0 && world.pending.size === 0
    if (await world.scheduler.run(isDone, EVENTS_MAX, LIVENESS_MS)) return
    const pending = [...world.pending.values()].slice(0, 10).join(', ')
    throw new SimFailure(`after the faults: ${world.runningActors} actors go on; not settled: ${pending}`)
  }

  /** One more record into each partition. */
  async useEverything(client: SimClient): Promise<void> {
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
    await this.until(use(), 'use of everything')
  }

  /** Nothing is wrong any more: the log closes, and leaves nothing behind. */
  async closeWell(process: SimProcess, clients: readonly SimClient[]): Promise<void> {
    const world = this.#world
    const wasOffline = offline(clients[0]!).length > 0
    const close = async (): Promise<void> => {
      for (const client of [...clients].reverse()) await client.log.close()
    }
    try {
      await this.until(close(), 'close')
    } catch (error) {
      if (!wasOffline) throw error
      world.expectError(error, 'close', [])
    }
    this.#checkClosed(process)
    if (!wasOffline) verifyFiles(world)
    world.processGone(false)
    if (wasOffline) {
      // What was offline comes back with the next open; this one closes well.
      const next = await this.open(false)
      await this.useEverything(next.client)
      await this.closeWell(next.process, [next.client])
    }
  }

  /** Closes while things go wrong: it may fail, but it must settle, and so must everything that waits. */
  async closeSomehow(process: SimProcess, clients: readonly SimClient[]): Promise<void> {
    const world = this.#world
    world.isStopping = true
    let isOver = false
    const close = async (): Promise<void> => {
      for (const client of [...clients].reverse()) {
        try {
          await world.call('close', client.log.close())
        } catch (error) {
          world.expectError(error, 'close', CLOSE_ERRORS)
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
    if (world.env.fs.halted) return
    heal(world)
    await this.#stopActors()
    this.#checkClosed(process)
  }

  #checkClosed(process: SimProcess): void {
    if (process.openPaths.length > 0) throw new SimFailure(`open after close: ${process.openPaths.join(', ')}`)
    this.#checkNothingOpen()
  }

  #checkNothingOpen(): void {
    const world = this.#world
    const paths = world.process?.openPaths ?? []
    if (paths.length > 0) throw new SimFailure(`left open: ${paths.join(', ')}`)
    if (world.env.fs.readOnly || world.env.fs.stat(DIRECTORY) === undefined) return
    const lock = world.env.fs.lock(`${DIRECTORY}/.lock`)
    if (lock === undefined) throw new SimFailure('the lock is held although nothing is open')
    lock.release()
  }

  /** Runs events until the promise settles. */
  async until<T>(promise: Promise<T>, what: string): Promise<T> {
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    promise.then(settled, settled)
    await this.untilDone(() => isSettled, what)
    return promise
  }

  async untilDone(isDone: () => boolean, what: string): Promise<void> {
    if (await this.#world.scheduler.run(isDone, EVENTS_MAX, LIVENESS_MS)) return
    throw new SimFailure(`${what} does not settle within ${LIVENESS_MS} ms`)
  }
}

/** Why partitions cannot be written at present. */
export function offline({ transport }: SimClient): string[] {
  const failures: string[] = []
  for (const { topic, partitionCount } of transport.topics()) {
    for (let partition = 0; partition < partitionCount; partition++) {
      const failure = transport.partitionFailure(topic, partition)
      if (failure !== undefined) failures.push(failure.message)
    }
  }
  return failures
}
