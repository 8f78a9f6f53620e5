/**
 * Twelve small workloads, each a few calls that touch one part of what is on the disk. They are run again and again
 * with something going wrong at every single call on the disk: most crash bugs need no more than three operations on a
 * fresh file system, right after a sync.
 *
 * `prepare` runs undisturbed; `act` may be disturbed. A bench does the calls and tells the model of them.
 */
import type { CrashOptions } from '../../src/base/env/sim-crash.ts'
import type { ErrorCode, VltavaError } from '../../src/base/errors.ts'
import type { Producer } from '../../src/client/producer.ts'
import { Lifecycle, type Opened } from './lifecycle.ts'
import type { Ack } from './model.ts'
import type { Swarm } from './swarm.ts'
import { verifyLog } from './verify-log.ts'
import { World } from './world.ts'

const CONFIGS = {
  'internal.segment.bytes': '300',
  'index.interval.bytes': '0',
  'retention.ms': '-1',
  'file.delete.delay.ms': '0',
}
const CHECKPOINT_MS = 100
const RETENTION_MS = 1_000

/** Nothing is left to the seed but the order of events. */
const SWARM: Partial<Swarm> = {
  shards: 1,
  clients: 1,
  memoryBytes: 65_536,
  checkpointMs: CHECKPOINT_MS,
  retentionCheckMs: RETENTION_MS,
  openFault: 0,
  diskMsMax: 0,
}

/** Errors that a disturbed call may end with, besides those of the disk. */
const ALLOWED: readonly ErrorCode[] = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'TOPIC_ALREADY_EXISTS',
  'OFFSET_OUT_OF_RANGE',
  'PRODUCER_CLOSED',
]

export class Bench {
  readonly world: World
  readonly lifecycle: Lifecycle
  opened: Opened | undefined
  #producer: Producer | undefined
  #producerNumber = 0
  #isVerified = true

  constructor(seed: number, onTrace?: (line: string) => void) {
    this.world = new World(seed, { onTrace, swarm: SWARM })
    this.lifecycle = new Lifecycle(this.world)
  }

  /** Whether the process has come to its end in the middle of a call. */
  get isHalted(): boolean {
    return this.world.env.fs.halted
  }

  /** Opens undisturbed, and looks the log through. */
  async open(): Promise<void> {
    this.opened = await this.lifecycle.open(true)
    this.#producer = undefined
    this.#isVerified = true
  }

  /** Opens, perhaps in vain, and looks at nothing yet. */
  async tryOpen(): Promise<void> {
    this.opened = await this.lifecycle.tryOpen(true)
    this.#producer = undefined
    this.#isVerified = false
  }

  /** Undisturbed again: all that waits settles, what can come back does, everything works, and it closes. */
  async finish(): Promise<void> {
    if (this.opened === undefined) {
      this.end(false)
      return
    }
    const { process, client } = this.opened
    if (!this.#isVerified) await this.lifecycle.until(verifyLog(this.world, client), 'verification')
    if (this.world.model.isInDoubt) {
      this.end(false)
      return
    }
    await this.lifecycle.comeToRest(client)
    await this.lifecycle.closeWell(process, [client])
    this.opened = undefined
  }

  end(isPowerCut: boolean, crash: CrashOptions = {}): void {
    this.lifecycle.end(isPowerCut, crash)
    this.opened = undefined
  }

  /** Waits for a call that may fail, or never come back because the process is halted. */
  async #settle(what: string, call: Promise<void>): Promise<void> {
    let isOver = false
    let failure: unknown
    call.then(
      () => {
        isOver = true
      },
      (error: unknown) => {
        isOver = true
        failure = error
      },
    )
    await this.lifecycle.untilDone(() => isOver || this.isHalted, what)
    if (failure !== undefined && !this.isHalted) this.world.expectError(failure, what, ALLOWED)
  }

  async createTopic(name: string, partitions: number, configs: Record<string, string> = {}): Promise<void> {
    const { opened } = this
    if (opened === undefined) return
    const { log } = opened.client
    const wanted = { topic: name, partitions, configs: { ...CONFIGS, ...configs } }
    await this.#settle(
      'creation',
      log.admin.createTopics([wanted]).then(() => {
        this.world.topicOf(opened.client.transport, name)!.existence = 'yes'
      }),
    )
  }

  async deleteTopic(name: string): Promise<void> {
    const topic = this.#topic(name)
    if (topic === undefined || this.opened === undefined) return
    topic.existence = 'maybe'
    const deletion = this.opened.client.log.admin.deleteTopics([name])
    await this.#settle(
      'deletion',
      deletion.then(() => {
        topic.existence = 'no'
      }),
    )
  }

  async addPartitions(name: string, count: number): Promise<void> {
    const topic = this.#topic(name)
    if (topic === undefined || this.opened === undefined) return
    const adding = this.opened.client.log.admin.createPartitions(name, count)
    await this.#settle(
      'new partitions',
      adding.then(() => void topic.partition(count - 1)),
    )
  }

  async alter(name: string, setting: string, value: string): Promise<void> {
    const topic = this.#topic(name)
    if (topic === undefined || this.opened === undefined) return
    topic.mayHave(setting, value)
    const altering = this.opened.client.log.admin.alterConfigs(name, { [setting]: value })
    await this.#settle(
      'settings',
      altering.then(() => topic.has(setting, value)),
    )
  }

  async trim(name: string, partition: number, offset: number): Promise<void> {
    const known = this.#topic(name)?.partition(partition)
    if (known === undefined || this.opened === undefined) return
    known.mayBeTrimmed = offset === -1 ? Infinity : offset
    const trimming = this.opened.client.log.admin.trim(name, partition, offset)
    await this.#settle(
      'trim',
      trimming.then((start) => {
        known.trimmed = Math.max(known.trimmed, start)
      }),
    )
  }

  #topic(name: string): ReturnType<World['topicOf']> {
    return this.opened === undefined ? undefined : this.world.topicOf(this.opened.client.transport, name)
  }

  /** Sends records one after the other, each to be acknowledged before the next. */
  async send(name: string, partition: number, count: number, acks: Ack): Promise<void> {
    for (let i = 0; i < count; i++) await this.#settle('send', this.#sendOne(name, partition, acks, this.#next(acks)))
  }

  /** Sends to all these partitions at once. */
  async sendTogether(name: string, partitions: readonly number[], count: number, acks: Ack): Promise<void> {
    const producer = this.#next(acks)
    const sends = partitions.flatMap((partition) =>
      Array.from({ length: count }, () => this.#sendOne(name, partition, acks, producer)),
    )
    await this.#settle(
      'sends',
      Promise.all(sends).then(() => undefined),
    )
  }

  #next(acks: Ack): Producer | undefined {
    if (this.opened === undefined) return undefined
    if (this.#producer?.isClosed !== false) {
      this.#producer = this.opened.client.log.producer({ acks, linger: 0, batchBytes: 1024 })
      this.#producerNumber = this.world.nextProducer++
    }
    return this.#producer
  }

  async #sendOne(name: string, partition: number, acks: Ack, producer: Producer | undefined): Promise<void> {
    const { world } = this
    const topic = this.#topic(name)
    if (topic === undefined || producer === undefined) return
    const parts = { topic, producer: this.#producerNumber, acks, isIdempotent: true, key: null, partition }
    const record = world.model.send({ ...parts, timestamp: undefined }, 60)
    try {
      const value = Buffer.from(record.value)
      const { offset, durability } = await world.call('send', producer.send({ topic: name, partition, value }))
      world.model.acknowledged(record, topic, partition, offset, durability)
    } catch (error) {
      if (this.isHalted) return
      const failure: VltavaError = world.expectError(error, 'send', ALLOWED)
      if (record.outcome === 'pending') world.model.failed(record)
      world.count(`failed ${failure.code}`)
    }
  }

  /** Another producer, another acks. */
  async closeProducer(): Promise<void> {
    const producer = this.#producer
    if (producer !== undefined) await this.#settle('close of the producer', producer.close())
    this.#producer = undefined
  }

  /** Lets time pass: checkpoints and retention have their turn. */
  async pass(ms: number): Promise<void> {
    await this.world.scheduler.rest(Infinity, ms, () => this.isHalted)
  }

  async close(): Promise<void> {
    if (this.opened === undefined) return
    await this.lifecycle.closeSomehow(this.opened.process, [this.opened.client])
    this.opened = undefined
  }
}

export interface Micro {
  readonly name: string
  prepare(bench: Bench): Promise<void>
  act(bench: Bench): Promise<void>
}

async function openWithTopic(bench: Bench, partitions = 1, configs: Record<string, string> = {}): Promise<void> {
  await bench.open()
  await bench.createTopic('t', partitions, configs)
}

export const MICROS: readonly Micro[] = [
  {
    name: 'append and acknowledge',
    prepare: (bench) => openWithTopic(bench, 1, { 'internal.segment.bytes': '100000' }),
    act: async (bench) => {
      await bench.send('t', 0, 2, 'all')
      await bench.closeProducer()
      await bench.send('t', 0, 2, 1)
    },
  },
  {
    name: 'roll',
    prepare: (bench) => openWithTopic(bench),
    act: (bench) => bench.send('t', 0, 5, 'all'),
  },
  {
    name: 'truncation at recovery',
    prepare: async (bench) => {
      await openWithTopic(bench)
      await bench.send('t', 0, 3, 'all')
      await bench.closeProducer()
      await bench.send('t', 0, 4, 1)
      bench.end(true, { tear: true, extension: 'garbage' })
    },
    act: async (bench) => {
      await bench.tryOpen()
      await bench.pass(50)
    },
  },
  {
    name: 'creation of a topic',
    prepare: (bench) => bench.open(),
    act: async (bench) => {
      await bench.createTopic('t', 2)
      await bench.send('t', 1, 1, 'all')
    },
  },
  {
    name: 'deletion of a topic',
    prepare: async (bench) => {
      await openWithTopic(bench, 2)
      await bench.send('t', 0, 4, 'all')
    },
    act: async (bench) => {
      await bench.deleteTopic('t')
      await bench.createTopic('t', 1)
      await bench.closeProducer()
      await bench.send('t', 0, 1, 'all')
    },
  },
  {
    name: 'new partitions',
    prepare: (bench) => openWithTopic(bench),
    act: async (bench) => {
      await bench.addPartitions('t', 3)
      await bench.send('t', 2, 1, 'all')
    },
  },
  {
    name: 'checkpoint',
    prepare: async (bench) => {
      await openWithTopic(bench)
      await bench.send('t', 0, 4, 'all')
    },
    act: async (bench) => {
      await bench.pass(2 * CHECKPOINT_MS)
      await bench.send('t', 0, 2, 'all')
      await bench.pass(2 * CHECKPOINT_MS)
    },
  },
  {
    name: 'producer snapshot',
    prepare: (bench) => openWithTopic(bench),
    act: async (bench) => {
      await bench.send('t', 0, 3, 1)
      await bench.closeProducer()
      await bench.send('t', 0, 3, 1)
      await bench.close()
    },
  },
  {
    name: 'group commit',
    prepare: (bench) => openWithTopic(bench, 3),
    act: async (bench) => {
      await bench.sendTogether('t', [0, 1, 2], 3, 'all')
      await bench.sendTogether('t', [2, 0], 3, 'all')
    },
  },
  {
    name: 'trim',
    prepare: async (bench) => {
      await openWithTopic(bench)
      await bench.send('t', 0, 9, 'all')
    },
    act: async (bench) => {
      await bench.trim('t', 0, 1)
      await bench.trim('t', 0, 7)
      await bench.trim('t', 0, -1)
    },
  },
  {
    name: 'retention',
    prepare: async (bench) => {
      await openWithTopic(bench)
      await bench.send('t', 0, 9, 'all')
    },
    act: async (bench) => {
      await bench.alter('t', 'retention.bytes', '400')
      await bench.pass(3 * RETENTION_MS)
    },
  },
  {
    name: 'clean close, and opening again',
    prepare: async (bench) => {
      await openWithTopic(bench, 2)
      await bench.send('t', 0, 5, 'all')
      await bench.send('t', 1, 1, 'all')
    },
    act: async (bench) => {
      await bench.close()
      if (!bench.isHalted) bench.end(false)
      if (!bench.isHalted) await bench.tryOpen()
    },
  },
  {
    name: 'opening after a kill',
    prepare: async (bench) => {
      await openWithTopic(bench, 2)
      for (let i = 0; i < 3; i++) await bench.sendTogether('t', [0, 1], 2, 1)
      bench.end(false)
    },
    act: async (bench) => {
      await bench.tryOpen()
      await bench.send('t', 0, 2, 'all')
      await bench.pass(2 * CHECKPOINT_MS)
    },
  },
]
