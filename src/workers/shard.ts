/**
 * Shard: owner of some partitions' logs. A plain class with a duty cycle: shard-thread.ts loops it and sleeps at the
 * doorbell, the simulator steps it by hand.
 *
 * One step: control requests, frames of all clients' rings, one write per touched log, watermarks, replies, doorbells,
 * answers of the flusher, new sync rounds, housekeeping. An answer is given only after the write that it speaks of.
 *
 * Invariants: a partition is written by one shard; a batch is acknowledged after its write; a slot's watermarks never
 * pass what is written (high watermark) or synced (committed offset).
 *
 * Bounds: framesPerPoll frames of one client a step (fairness); batches wait for one write up to writeBytesMax; while
 * uncommittedBytesMax bytes of acks=all wait for the disk, no frames are taken, so the rings fill, producers
 * run out of memory and append() says false: backpressure reaches the user.
 */
import { assert, unreachable } from '../base/assert.ts'
import type { Env } from '../base/env/env.ts'
import { ERROR_CODES, StorageError, toErrorData, VltavaError } from '../base/errors.ts'
import { ACCEPT, DUPLICATE } from '../log/producer-state.ts'
import { batchFault } from '../record/batch-view.ts'
import type { Doorbell } from '../ring/doorbell.ts'
import { Watermarks } from '../ring/watermarks.ts'
import { type ClientEnd, openClientEnd } from './client-end.ts'
import { FlusherPort } from './flusher.ts'
import {
  type EngineLimits,
  type FromShard,
  PRODUCE,
  type ShardRequest,
  type ShardStart,
  type ToShard,
} from './messages.ts'
import { MonitoredFs } from './monitored-fs.ts'
import { ShardPartitions, type ShardPartition } from './shard-partitions.ts'

const HOUSEKEEPING_MS = 1000

const STORAGE_ERROR = ERROR_CODES.KAFKA_STORAGE_ERROR.kafkaCode

/** A reply that waits for the write of its batch. */
interface WaitingReply {
  readonly client: ClientEnd
  readonly requestId: number
  readonly partition: ShardPartition
  readonly baseOffset: number
  readonly timestamp: number
}

export class Shard {
  readonly #env: Env
  readonly #watermarks: Watermarks
  readonly #partitions: ShardPartitions
  readonly #flusher: FlusherPort
  readonly #limits: EngineLimits
  readonly #send: (message: FromShard) => void
  readonly #clients = new Map<string, ClientEnd>()
  #clientList: ClientEnd[] = []
  readonly #control: ToShard[] = []
  #waiting: WaitingReply[] = []
  readonly #touched: ShardPartition[] = []
  #touchedBytes = 0
  /** Slots whose watermarks moved in this step. */
  readonly #moved: number[] = []
  #nextHousekeepingMs: number
  #wallMs = 0
  #isClosed = false
  /** The request to close; answered when the flusher has finished with every file. */
  #closeRequestId = -1
  /** Turns that clients' frames still have: all that they had published when the request came, and no more. */
  #closeTurnsLeft = 0

  constructor(env: Env, start: ShardStart, send: (message: FromShard) => void) {
    const flusher = new FlusherPort(start.flushers)
    this.#env = env
    this.#limits = start.limits
    this.#watermarks = new Watermarks(start.watermarks)
    const monitored = { ...env, fs: new MonitoredFs(env.fs, this.#watermarks) }
    this.#partitions = new ShardPartitions(monitored, this.#watermarks, start.retentionCheckMs, flusher, send)
    this.#flusher = flusher
    this.#send = send
    this.#nextHousekeepingMs = env.clock.monotonicMs() + HOUSEKEEPING_MS
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** A control request; taken in by the next step. */
  enqueue(message: ToShard): void {
    this.#control.push(message)
  }

  /** Whether a step would find something to do, apart from housekeeping. */
  hasInput(): boolean {
    if (this.#control.length > 0 || this.#flusher.hasAnswers()) return true
    if (this.#partitions.uncommittedBytes >= this.#limits.uncommittedBytesMax) return false
    for (const client of this.#clientList) if (client.requests.hasFrames()) return true
    return false
  }

  /** One duty cycle; false if there was nothing to do. */
  step(): boolean {
    this.#watermarks.beat()
    this.#wallMs = this.#env.clock.wallMs()
    let isBusy = this.#takeControl()
    isBusy = this.#partitions.takeAnswers(this.#moved) || isBusy
    if (this.#closeRequestId >= 0) return this.#close()
    if (this.#partitions.uncommittedBytes < this.#limits.uncommittedBytesMax) isBusy = this.#takeFrames() || isBusy
    isBusy = this.#partitions.orderSyncs() || isBusy
    this.#ringClients()
    const now = this.#env.clock.monotonicMs()
    if (now >= this.#nextHousekeepingMs) {
      this.#nextHousekeepingMs = now + HOUSEKEEPING_MS
      this.#partitions.keepHouse(now, this.#moved)
      this.#ringClients()
    }
    return isBusy
  }

  /**
   * Everything that clients had published is taken in, then every log is closed, and the request is answered. Threads
   * that go on producing meanwhile hold nothing up: what they publish later is not answered, and they hear LOG_CLOSED.
   */
  #close(): boolean {
    this.#closeTurnsLeft = this.#closeTurnsLeft > 0 && this.#takeFrames() ? this.#closeTurnsLeft - 1 : 0
    const isBusy = this.#closeTurnsLeft > 0
    if (!isBusy && !this.#partitions.isSyncing) {
      const value = this.#partitions.closeAll(this.#moved)
      this.#send({ type: 'reply', requestId: this.#closeRequestId, value })
      this.#isClosed = true
    }
    this.#ringClients()
    return isBusy
  }

  #takeFrames(): boolean {
    const { framesPerPoll, writeBytesMax } = this.#limits
    let taken = 0
    for (const client of this.#clientList) {
      this.#polled = client
      taken += client.requests.poll(this.#onFrame, framesPerPoll)
      if (this.#touchedBytes >= writeBytesMax) this.#write()
    }
    if (this.#touched.length > 0 || this.#waiting.length > 0) this.#write()
    return taken > 0
  }

  #polled: ClientEnd | undefined
  readonly #onFrame = (type: number, position: number): void => {
    assert(type === PRODUCE, 'client rings carry PRODUCE frames')
    const client = this.#polled!
    const view = client.requests.view
    const requestId = view.getUint32(position, true)
    const slot = view.getUint32(position + 4, true)
    const batchPosition = view.getUint32(position + 8, true)
    const lengthBytes = view.getUint32(position + 12, true)
    const acks = view.getInt32(position + 16, true)
    this.#produce(client, requestId, slot, batchPosition, lengthBytes, acks)
  }

  #produce(client: ClientEnd, requestId: number, slot: number, position: number, length: number, acks: number): void {
    const partition = this.#partitions.at(slot)
    if (partition === undefined || partition.log === undefined) {
      const isKnown = partition !== undefined
      client.refuse(requestId, isKnown ? STORAGE_ERROR : ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION.kafkaCode, -1)
      return
    }
    const log = partition.log
    const batch = client.batch
    // The paired check of the producer's own: nothing that is not a whole valid batch reaches a file.
    if (batchFault(batch, position, position + length) !== undefined || batch.sizeBytes !== length) {
      client.refuse(requestId, ERROR_CODES.CORRUPT_MESSAGE.kafkaCode, -1)
      return
    }
    const { active } = log
    let code: number
    try {
      code = log.append(batch, this.#wallMs)
      if (log.active !== active) this.#answerWritten(partition)
    } catch (error) {
      this.#goOffline(partition, error)
      client.refuse(requestId, STORAGE_ERROR, -1)
      return
    }
    if (code !== ACCEPT && code !== DUPLICATE) {
      client.refuse(requestId, code, log.logStartOffset)
      return
    }
    if (code === ACCEPT) {
      if (!partition.isTouched) {
        partition.isTouched = true
        this.#touched.push(partition)
      }
      this.#touchedBytes += length
    }
    // A duplicate may repeat a batch that is not synced yet, so it wants a sync as well.
    if (acks === -1) this.#partitions.wantCommit(partition, code === ACCEPT ? length : 0)
    this.#waiting.push({
      client,
      requestId,
      partition,
      baseOffset: log.appendedOffset,
      timestamp: log.appendedTimestamp,
    })
  }

  /** Writes every touched log, moves the watermarks, then answers. */
  #write(): void {
    for (const partition of this.#touched) {
      partition.isTouched = false
      if (partition.log === undefined) continue
      try {
        partition.log.write()
      } catch (error) {
        this.#goOffline(partition, error)
        continue
      }
      this.#partitions.publish(partition)
      this.#moved.push(partition.slot)
    }
    this.#touched.length = 0
    this.#touchedBytes = 0
    this.#env.failpoint('produce:before-reply')
    for (const waiting of this.#waiting) this.#answer(waiting)
    this.#waiting = []
  }

  /**
   * The log has rolled, so what waited is written. It is answered at once: were this shard to die, what is not answered
   * is sent again, and recovery knows the five batches of a producer for one whole segment back, no further.
   */
  #answerWritten(partition: ShardPartition): void {
    this.#partitions.publish(partition)
    this.#moved.push(partition.slot)
    const others: WaitingReply[] = []
    for (const waiting of this.#waiting) {
      if (waiting.partition === partition) this.#answer(waiting)
      else others.push(waiting)
    }
    this.#waiting = others
  }

  #answer({ client, requestId, partition, baseOffset, timestamp }: WaitingReply): void {
    if (partition.log === undefined) client.refuse(requestId, STORAGE_ERROR, -1)
    else {
      const generation = this.#watermarks.generation(partition.slot)
      client.appended(requestId, baseOffset, timestamp, partition.log.logStartOffset, generation)
    }
  }

  #goOffline(partition: ShardPartition, error: unknown): void {
    if (!(error instanceof StorageError)) throw error
    this.#partitions.goOffline(partition, error)
    this.#moved.push(partition.slot)
  }

  /** Wakes clients that have replies, and sleeping ones that asked for a slot that moved. */
  #ringClients(): void {
    for (const client of this.#clientList) {
      // Each is told what has moved, also one that is to be woken anyhow.
      if (this.#isWanted(client) || client.hasReplied) client.doorbell.ring()
      client.hasReplied = false
    }
    this.#moved.length = 0
  }

  #isWanted(client: ClientEnd): boolean {
    let isWanted = false
    for (const slot of this.#moved) isWanted = client.interest.noteMove(slot) || isWanted
    return isWanted
  }

  #takeControl(): boolean {
    if (this.#control.length === 0) return false
    for (const { requestId, request } of this.#control.splice(0)) {
      if (request.type === 'close') {
        this.#closeRequestId = requestId
        this.#closeTurnsLeft = Math.ceil(this.#limits.requestsMax / this.#limits.framesPerPoll) + 1
        continue
      }
      try {
        const value = this.#obey(request)
        this.#send({ type: 'reply', requestId, value })
      } catch (error) {
        // A VltavaError answers the request; anything else is a bug of this shard and ends it.
        if (!(error instanceof VltavaError)) throw error
        this.#send({ type: 'reply', requestId, value: undefined, error: toErrorData(error) })
      }
    }
    return true
  }

  #obey(request: Exclude<ShardRequest, { type: 'close' }>): unknown {
    switch (request.type) {
      case 'open':
        return this.#partitions.open(request.partitions)
      case 'link':
        this.#clients.set(request.link.clientId, openClientEnd(request.link))
        this.#clientList = [...this.#clients.values()]
        return undefined
      case 'unlink': {
        // What the client published before it left is still taken in, however much it is.
        while (this.#clients.get(request.clientId)?.requests.hasFrames() === true) this.#takeFrames()
        this.#clients.delete(request.clientId)
        this.#clientList = [...this.#clients.values()]
        return undefined
      }
      case 'configure':
        return this.#partitions.configure(request.slot, request.config)
      case 'trim': {
        const logStartOffset = this.#partitions.trim(request.slot, request.offset)
        this.#moved.push(request.slot)
        return logStartOffset
      }
      case 'describeProducers':
        return this.#partitions.describeProducers(request.slot)
      case 'delete':
        this.#moved.push(request.slot)
        return this.#partitions.delete(request.slot)
      default:
        return unreachable(request)
    }
  }
}

/** What the thread entry needs to sleep: the shard looks for input once more after the bell is armed. */
export function sleepWhileIdle(shard: Shard, bell: Doorbell, hasControl: () => boolean, timeoutMs: number): void {
  bell.sleep(() => shard.hasInput() || hasControl(), timeoutMs)
}
