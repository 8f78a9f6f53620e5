/**
 * World: what outlives a process of the simulation: the disk, the clock, the model, and the clients' side of things.
 *
 * Clients are actors: async functions that wait for their turn, so the scheduler decides who goes on. Whatever they
 * wait for besides (an acknowledgement, a batch) comes from the engine, as in a real program.
 */
import { createSimEnv, type SimEnv } from '../../src/base/env/sim-env.ts'
import { SimHalt } from '../../src/base/env/sim-error.ts'
import { type ErrorCode, VltavaError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/base/random.ts'
import type { LocalTransport } from '../../src/engine/local-transport.ts'
import { ModelTopic } from './model-topic.ts'
import { Model } from './model.ts'
import { Scheduler, SimFailure, type Source } from './scheduler.ts'
import { type FailpointListener, type SimClient, SimProcess } from './sim-process.ts'
import { drawSwarm, type Swarm } from './swarm.ts'

export const DIRECTORY = '/data'

/** What a client may be told whatever it does: the disk failed, the log went away. */
const ALWAYS_ALLOWED: readonly ErrorCode[] = ['KAFKA_STORAGE_ERROR', 'LOG_CLOSED', 'SHARD_UNAVAILABLE']

/** An actor's place in the scheduler. */
export class Actor implements Source {
  readonly label: string
  readonly weight: number
  readonly random: SeededRandom
  readonly #world: World
  #go: (() => void) | undefined

  constructor(world: World, label: string) {
    this.#world = world
    this.label = label
    this.weight = world.scheduler.drawWeight()
    this.random = world.random.fork()
  }

  isReady(): boolean {
    return this.#go !== undefined
  }

  run(): void {
    const go = this.#go!
    this.#go = undefined
    go()
  }

  /** Resolves when it is this actor's turn. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#go = resolve
    })
  }

  /** Resolves in the first turn after `ms` of virtual time. */
  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#world.env.timers.after(ms, resolve))
    await this.turn()
  }
}

export interface WorldOptions {
  readonly onTrace?: ((line: string) => void) | undefined
  /** What is not left to the seed. */
  readonly swarm?: Partial<Swarm>
}

export class World {
  readonly seed: number
  readonly random: SeededRandom
  readonly swarm: Swarm
  readonly env: SimEnv
  readonly scheduler: Scheduler
  readonly model = new Model()
  /** Clients finish what they do and start nothing new. */
  isStopping = false
  /** Calls on the disk take their time. */
  isDiskSlow = false
  process: SimProcess | undefined
  nextProducer = 0
  /** Calls of clients that have not settled, by number. */
  readonly pending = new Map<number, string>()
  readonly counts = new Map<string, number>()
  onFailpoint: FailpointListener = () => undefined
  #nextCall = 0
  readonly #actors = new Set<Actor>()
  #runningActors = 0

  constructor(seed: number, { onTrace, swarm }: WorldOptions = {}) {
    this.seed = seed
    this.random = new SeededRandom(seed)
    this.swarm = { ...drawSwarm(this.random.fork()), ...swarm }
    const diskRandom = this.random.fork()
    this.env = createSimEnv(Math.floor(this.random.next() * 2 ** 40), {
      operationLogMax: 60,
      onOperation: (operation) => {
        if (this.isDiskSlow) this.env.clock.elapse(diskRandom.next() ** 4 * this.swarm.diskMsMax)
        if (onTrace !== undefined) onTrace(`      ${operation.kind} ${operation.path}`)
      },
    })
    this.scheduler = new Scheduler(this.random.fork(), this.env.clock, onTrace)
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  /** A new process on the disk; not opened yet. */
  startProcess(hasRetention = true): SimProcess {
    const { shards, checkpointMs, limits, memoryBytes } = this.swarm
    const retentionCheckMs = hasRetention ? this.swarm.retentionCheckMs : 0x7fff_ffff
    const options = { directory: DIRECTORY, shards, retentionCheckMs, checkpointMs, limits }
    this.process = new SimProcess(this.env, this.scheduler, options, memoryBytes, (thread, name) => {
      this.count(`failpoint ${name}`)
      this.onFailpoint(thread, name)
    })
    this.process.onRestart = () => {
      this.count('shard restarts')
      this.model.restartedIn.add(this.model.processNumber)
    }
    return this.process
  }

  /** The process has ended: nothing of it goes on, and its clients with it. */
  processGone(lostPower: boolean): void {
    this.process?.kill()
    this.process = undefined
    for (const actor of this.#actors) this.scheduler.remove(actor)
    this.#actors.clear()
    this.#runningActors = 0
    this.pending.clear()
    this.model.processEnded(lostPower)
  }

  get runningActors(): number {
    return this.#runningActors
  }

  /** Starts a client; what it throws ends the run. */
  spawn(label: string, act: (actor: Actor) => Promise<void>): void {
    const actor = new Actor(this, label)
    this.#actors.add(actor)
    this.scheduler.add(actor)
    this.#runningActors += 1
    const finished = (): void => {
      if (!this.#actors.delete(actor)) return // Of a process that is gone.
      this.scheduler.remove(actor)
      this.#runningActors -= 1
    }
    act(actor).then(finished, (error: unknown) => {
      finished()
      if (error instanceof SimHalt) return
      this.scheduler.failure ??= error instanceof Error ? error : new SimFailure(String(error))
    })
  }

  /** Notes a call until it settles: every one must. */
  async call<T>(what: string, promise: Promise<T>): Promise<T> {
    const number = this.#nextCall++
    this.pending.set(number, what)
    try {
      return await promise
    } finally {
      this.pending.delete(number)
    }
  }

  /** An error that a client got: one of ours, with a code that fits what it did. Anything else ends the run. */
  expectError(error: unknown, what: string, allowed: readonly ErrorCode[]): VltavaError {
    if (error instanceof SimHalt || error instanceof SimFailure) throw error
    if (!(error instanceof VltavaError)) {
      const text = error instanceof Error ? error.stack : String(error)
      throw new SimFailure(`${what} failed with an error that is not typed: ${text}`)
    }
    this.count(`error ${error.code}`)
    if (!ALWAYS_ALLOWED.includes(error.code) && !allowed.includes(error.code)) {
      throw new SimFailure(`${what} failed with ${error.code}: ${error.message}`)
    }
    return error
  }

  /** The topic that a client's transport takes this name for. */
  topicOf(transport: LocalTransport, name: string): ModelTopic | undefined {
    const info = transport.topic(name)
    if (info === undefined) return undefined
    let topic = this.model.topics.get(info.topicId)
    if (topic === undefined) {
      topic = new ModelTopic(info.topicId, name, info.partitionCount, info.configs)
      this.model.topics.set(info.topicId, topic)
    }
    topic.partition(info.partitionCount - 1)
    return topic
  }

  /** Looks at the ends of everything that the client knows. */
  lookAround({ label, transport }: SimClient): void {
    for (const { topic: name, partitionCount } of transport.topics()) {
      const topic = this.topicOf(transport, name)!
      for (let partition = 0; partition < partitionCount; partition++) {
        this.model.sawEnds(label, topic, partition, transport.ends(name, partition))
      }
    }
  }
}
