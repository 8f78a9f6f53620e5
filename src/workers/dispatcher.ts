/**
 * Dispatcher: opens a data directory, spreads its partitions over shards, introduces client threads to shards, watches
 * over the shards and closes everything. A plain class; dispatcher-thread.ts gives it a thread, the simulator a turn.
 *
 * It has a thread of its own, not the user's: a user's thread that is busy for ten seconds delays neither the restart
 * of a shard nor a topic that another thread creates.
 *
 * A client thread attaches once. For each shard it gets a pair of rings; when a shard is restarted it gets new ones,
 * with the new incarnation's watermarks, and sends what was not answered again.
 */
import { unreachable } from '../base/assert.ts'
import type { Env } from '../base/env/env.ts'
import { type ErrorData, fromErrorData, toErrorData, VltavaError } from '../base/errors.ts'
import type { DamageReport } from '../log/partition-log.ts'
import type { DamageInfo } from '../protocol/transport.ts'
import { createInterest } from '../ring/interest.ts'
import { createRing } from '../ring/spsc.ts'
import type { Values } from '../settings/overrides.ts'
import { ArenaPool } from './arena-pool.ts'
import { DataDirectory } from './data-directory.ts'
import {
  type ControlRequest,
  type FromDispatcher,
  type EngineLimits,
  ENGINE_LIMITS,
  type FromShard,
  ringBytesFor,
  type ShardLink,
  type ToDispatcher,
} from './messages.ts'
import { type PlacedPartition, PlacedTopics } from './placed-topics.ts'
import { checkGiven, SettingsAdmin } from './settings-admin.ts'
import { CHECK_MS, SupervisedShard, type ThreadSpawner } from './supervised-shard.ts'
import { TopicAdmin } from './topic-admin.ts'

export interface DispatcherOptions {
  readonly directory: string
  readonly shards: number
  readonly retentionCheckMs: number
  readonly checkpointMs: number
  /** Default ENGINE_LIMITS. */
  readonly limits?: EngineLimits
  /** Settings of the broker, by Kafka's names: defaults of topics among them. */
  readonly settings?: Values
}

interface Client {
  readonly clientId: string
  readonly arena: SharedArrayBuffer
  readonly doorbell: SharedArrayBuffer
}

export class Dispatcher {
  readonly #env: Env
  readonly #options: DispatcherOptions
  readonly #limits: EngineLimits
  readonly #send: (message: FromDispatcher) => void
  readonly #directory: DataDirectory
  readonly #shards: SupervisedShard[] = []
  readonly #placed: PlacedTopics
  readonly #admin: TopicAdmin
  readonly #settings: SettingsAdmin
  readonly #clients = new Map<string, Client>()
  readonly #arenas = new ArenaPool()
  readonly #damage: DamageInfo[] = []
  #isClosing = false
  #lastCheckMs: number
  #nextCheckpointMs: number
  /** Admin requests and restarts run one after the other. */
  #queue: Promise<void> = Promise.resolve()

  /** Takes the directory's lock. Throws VltavaError DIRECTORY_*. */
  constructor(env: Env, options: DispatcherOptions, spawner: ThreadSpawner, send: (message: FromDispatcher) => void) {
    this.#env = env
    this.#options = options
    this.#limits = options.limits ?? ENGINE_LIMITS
    this.#send = send
    checkGiven(options.settings ?? {})
    this.#directory = new DataDirectory(env, options.directory, options.settings)
    for (let index = 0; index < options.shards; index++) {
      const shard = new SupervisedShard(
        index,
        env.clock,
        spawner,
        { retentionCheckMs: options.retentionCheckMs, limits: this.#limits },
        (reason) => this.#shardFailed(index, reason),
        (message) => this.#noticed(index, message),
      )
      this.#shards.push(shard)
    }
    this.#placed = new PlacedTopics(this.#directory, this.#shards, send, (partition, damage) => {
      this.#noteDamage(partition, damage)
    })
    this.#admin = new TopicAdmin(env, this.#directory, this.#shards, send, this.#placed)
    this.#settings = new SettingsAdmin(this.#directory, this.#admin, send)
    this.#lastCheckMs = env.clock.monotonicMs()
    this.#nextCheckpointMs = this.#lastCheckMs + options.checkpointMs
  }

  /** Starts the shards and opens every partition. A partition that cannot be opened is offline, not an error. */
  open(): Promise<void> {
    const opening = this.#openAll()
    // What clients ask meanwhile waits for it. A failure is the caller's to handle; nothing is answered after it.
    this.#queue = opening.then(undefined, () => {
      this.#isClosing = true
    })
    return opening
  }

  async #openAll(): Promise<void> {
    try {
      for (const shard of this.#shards) shard.start()
      await this.#placed.openAll()
      this.#admin.finishDeletions()
    } catch (error) {
      await Promise.all(this.#shards.map((shard) => shard.stop()))
      this.#directory.release()
      throw error
    }
    this.#send({ type: 'ready', damage: this.#damage })
  }

  /** A message of a client thread. Answers go out through `send`; only a bug throws. */
  receive(message: ToDispatcher): void {
    switch (message.type) {
      case 'attach':
        this.#enqueue(() => this.#attach(message))
        return
      case 'detach':
        this.#enqueue(() => this.#detach(message))
        return
      case 'request':
        this.#enqueue(() => this.#request(message))
        return
      case 'groups':
        return // The thread's business: see coordinator-keeper.ts.
      case 'close':
        this.#enqueue(() => this.#close())
        return
      default:
        unreachable(message)
    }
  }

  /** Called every CHECK_MS by the thread's timer. */
  tick(): void {
    const now = this.#env.clock.monotonicMs()
    const sinceLastCheckMs = now - this.#lastCheckMs
    this.#lastCheckMs = now
    for (const shard of this.#shards) shard.check(sinceLastCheckMs) // While closing too: close() waits for the shards.
    if (this.#isClosing || now < this.#nextCheckpointMs) return
    this.#nextCheckpointMs = now + this.#options.checkpointMs
    this.#checkpoint()
  }

  static readonly tickMs = CHECK_MS

  #checkpoint(): void {
    this.#placed.notePoints()
    try {
      this.#directory.writeCheckpoints()
      this.#directory.reserve.restore()
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      // A full disk: the old checkpoints stay valid, recovery only scans more. Tried again at the next turn.
    }
  }

  #enqueue(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work)
  }

  /** Resolves when everything received so far is done. */
  idle(): Promise<void> {
    return this.#queue
  }

  async #attach(message: Extract<ToDispatcher, { type: 'attach' }>): Promise<void> {
    if (this.#isClosing) return
    const { clientId, memoryBytes, doorbell } = message
    let arena: SharedArrayBuffer
    try {
      arena = this.#arenas.take(memoryBytes)
    } catch (error) {
      // The machine has no such memory. The thread that wanted it hears so; the log goes on for all others.
      if (!(error instanceof RangeError)) throw error
      const failure = { code: 'INVALID_ARGUMENT', message: `memoryBytes=${memoryBytes}: ${error.message}` } as const
      this.#send({ type: 'failed', clientId, error: failure })
      return
    }
    const client: Client = { clientId, arena, doorbell }
    this.#clients.set(clientId, client)
    const links: ShardLink[] = []
    for (const shard of this.#shards) links.push(await this.#link(client, shard))
    const topics = this.#placed.descriptions()
    const { overrides } = this.#settings
    const directory = this.#directory.path
    this.#send({ type: 'attached', clientId, arena, directory, shards: links, topics, overrides })
    this.#placed.tellFailures()
  }

  /** New rings between a client and the present incarnation of a shard. */
  async #link(client: Client, shard: SupervisedShard): Promise<ShardLink> {
    const { requestsMax, slotCount } = this.#limits
    const requestRing = createRing(ringBytesFor(requestsMax))
    const replyRing = createRing(ringBytesFor(requestsMax))
    const interest = createInterest(slotCount)
    try {
      await shard.ask({ type: 'link', link: { ...client, requestRing, replyRing, interest } })
    } catch (error) {
      // The incarnation ended meanwhile; its restart links every client anew.
      if (!(error instanceof VltavaError) || error.code !== 'SHARD_UNAVAILABLE') throw error
    }
    return {
      shardIndex: shard.shardIndex,
      epoch: shard.epoch,
      watermarks: shard.watermarksBuffer,
      shardDoorbell: shard.doorbellBuffer,
      requestRing,
      replyRing,
      interest,
      requestsMax,
    }
  }

  async #detach({ clientId, isLost }: Extract<ToDispatcher, { type: 'detach' }>): Promise<void> {
    const client = this.#clients.get(clientId)
    if (this.#isClosing || client === undefined) return
    this.#clients.delete(clientId)
    const outcomes = await Promise.allSettled(this.#shards.map((shard) => shard.ask({ type: 'unlink', clientId })))
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected' && !(outcome.reason instanceof VltavaError)) throw outcome.reason
    }
    // A shard that could not be told may still read a batch in there, until it is stopped.
    if (outcomes.every(({ status }) => status === 'fulfilled')) this.#arenas.giveBack(client.arena)
    if (isLost === true) this.#send({ type: 'lost', clientId })
  }

  async #request(message: Extract<ToDispatcher, { type: 'request' }>): Promise<void> {
    const { clientId, requestId, request } = message
    try {
      if (this.#isClosing) throw new VltavaError('LOG_CLOSED', 'the log is closed')
      const value = await this.#obey(request)
      this.#send({ type: 'reply', clientId, requestId, value })
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.#send({ type: 'reply', clientId, requestId, value: undefined, error: toErrorData(error) })
    }
  }

  #obey(request: ControlRequest): unknown {
    switch (request.type) {
      case 'damage':
        return this.#damage
      case 'alterSettings':
      case 'giveSettings':
      case 'alterQuotas':
        return this.#settings.obey(request)
      default:
        return this.#admin.obey(request)
    }
  }

  #shardFailed(index: number, reason: string): void {
    if (this.#isClosing) return
    const restart = (): void => this.#enqueue(() => this.#restart(index, reason))
    const delayMs = this.#shards[index]!.restartDelayMs()
    if (delayMs === 0) restart()
    else this.#env.timers.after(delayMs, restart)
  }

  async #restart(index: number, reason: string): Promise<void> {
    const shard = this.#shards[index]!
    if (this.#isClosing || shard.isUp) return
    await shard.stop()
    this.#placed.notePoints()
    shard.start()
    try {
      await this.#placed.reopen(index)
    } catch (error) {
      // It died again while it opened its partitions: its failure has queued the next restart.
      if (!(error instanceof VltavaError) || error.code !== 'SHARD_UNAVAILABLE') throw error
      return
    }
    for (const client of this.#clients.values()) {
      const link = await this.#link(client, shard)
      this.#send({ type: 'shard', clientId: client.clientId, link })
    }
    this.#send({ type: 'restarted', shardIndex: index, epoch: shard.epoch, reason })
  }

  #noticed(index: number, message: FromShard): void {
    if (message.type === 'reply') return
    const partition = this.#placed.partitionAt(index, message.slot)
    if (partition === undefined) return
    if (message.type === 'online') this.#noteDamage(partition, message.damage)
    this.#placed.noteFailure(partition, message.type === 'offline' ? message.error : undefined)
  }

  #noteDamage(partition: PlacedPartition, damage: readonly DamageReport[]): void {
    for (const report of damage)
      this.#damage.push({ topic: partition.topic, partition: partition.partition, ...report })
  }

  async #close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    let error: ErrorData | undefined
    try {
      await this.#closeShards()
    } catch (caught) {
      if (!(caught instanceof VltavaError)) throw caught
      error = toErrorData(caught)
    }
    await Promise.all(this.#shards.map((shard) => shard.stop()))
    this.#directory.release()
    this.#send(error === undefined ? { type: 'closed' } : { type: 'closed', error })
  }

  /** Throws the first error: the directory is then not marked clean and the next open recovers it. */
  async #closeShards(): Promise<void> {
    const settled = await Promise.allSettled(this.#shards.map((shard) => shard.ask({ type: 'close' })))
    const outcomes = settled.map((outcome) => {
      if (outcome.status === 'fulfilled') return outcome.value
      const { reason } = outcome as { reason: unknown }
      if (reason instanceof VltavaError && reason.code !== 'SHARD_UNAVAILABLE') throw reason
      if (!(reason instanceof VltavaError)) throw reason
      throw new VltavaError('SHARD_UNAVAILABLE', 'a shard ended before it was closed; the next open recovers from disk')
    })
    const highWatermarks = this.#placed.noteClosed(outcomes.map(({ points }) => points))
    const firstError = outcomes.flatMap(({ errors }) => errors)[0]
    if (firstError !== undefined) throw fromErrorData(firstError)
    this.#directory.closeClean(highWatermarks)
  }
}
