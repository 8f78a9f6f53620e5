/**
 * ShardPartitions: the partitions of one shard by slot: opening, sync rounds, failures, housekeeping. Owned by the
 * shard's thread; shard.ts feeds it.
 *
 * A partition whose write or sync failed goes OFFLINE at once: its log is dropped, later batches are refused with
 * KAFKA_STORAGE_ERROR, readers go on up to the watermark. If the disk was full, or the process short of descriptors, it
 * is reopened from disk every second, so that it comes back by itself. After any other error it stays offline until its
 * shard or the data directory is opened anew: after a failed fsync the page cache cannot be trusted.
 *
 * Sync rounds are group commits: at most one per partition is with the flusher; whatever is written meanwhile is in the
 * next one.
 */
import { assert } from '../base/assert.ts'
import type { Env } from '../base/env/env.ts'
import { type ErrorData, errnoOf, SPACE_ERRORS, StorageError, toErrorData, VltavaError } from '../base/errors.ts'
import { openPartitionLog } from '../log/log-loader.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { applyRetention, type Doomed, trimLog } from '../log/retention.ts'
import type { LogConfig } from '../log/topic-config.ts'
import type { ProducerDescription } from '../protocol/admin-link.ts'
import { SlotState, type Watermarks } from '../ring/watermarks.ts'
import type { FlusherPort } from './flusher.ts'
import type { FromShard, OpenedPartition, PartitionOrder, ShardReplies } from './messages.ts'

const PRODUCER_EXPIRATION_MS = 86_400_000
/** The errno of errors that go away by themselves. */
const PASSING_ERRORS: ReadonlySet<string> = new Set([...SPACE_ERRORS, 'EMFILE', 'ENFILE', 'ENOMEM'])

export class ShardPartition {
  readonly slot: number
  order: PartitionOrder
  /** Undefined while offline. */
  log: PartitionLog | undefined = undefined
  /** Of the disk; undefined if the log could not be opened for another reason. */
  failure: StorageError | undefined = undefined
  /** Has batches that wait for write() in this step. */
  isTouched = false
  /** Somebody waits for a sync of what is written, or will be in this step. */
  isCommitWanted = false
  isInSyncQueue = false
  /** Bytes of acks=all that no sync round has taken yet, and of the round under way. */
  wantedBytes = 0
  roundBytes = 0
  /** The log of the round under way (it may have been dropped since), its open orders, and its first error. */
  syncingLog: PartitionLog | undefined = undefined
  ordersLeft = 0
  syncErrno = ''

  constructor(order: PartitionOrder) {
    this.slot = order.slot
    this.order = order
  }
}

export class ShardPartitions {
  readonly #env: Env
  readonly #watermarks: Watermarks
  readonly #flusher: FlusherPort
  readonly #send: (message: FromShard) => void
  readonly #retentionCheckMs: number
  readonly #slots: (ShardPartition | undefined)[] = []
  readonly #syncQueue: ShardPartition[] = []
  readonly #byToken = new Map<number, ShardPartition>()
  #nextToken = 1
  #doomed: Doomed[] = []
  #nextRetentionMs: number
  /** Written with acks=all and not committed yet. */
  uncommittedBytes = 0

  constructor(
    env: Env,
    watermarks: Watermarks,
    retentionCheckMs: number,
    flusher: FlusherPort,
    send: (message: FromShard) => void,
  ) {
    this.#env = env
    this.#watermarks = watermarks
    this.#flusher = flusher
    this.#send = send
    this.#retentionCheckMs = retentionCheckMs
    this.#nextRetentionMs = env.clock.monotonicMs() + retentionCheckMs
  }

  at(slot: number): ShardPartition | undefined {
    return this.#slots[slot]
  }

  get isSyncing(): boolean {
    return this.#byToken.size > 0
  }

  /** Opens each; one that fails is OFFLINE with its error, the others are not held up by it. */
  open(orders: readonly PartitionOrder[]): OpenedPartition[] {
    return orders.map((order) => {
      const partition = new ShardPartition(order)
      assert(this.#slots[order.slot] === undefined, 'a slot is given out once')
      this.#slots[order.slot] = partition
      this.#watermarks.setState(order.slot, SlotState.OPENING)
      let error: ErrorData | undefined
      try {
        this.#openLog(partition)
      } catch (caught) {
        if (!(caught instanceof VltavaError)) throw caught
        error = toErrorData(caught)
        if (caught instanceof StorageError) partition.failure = caught
        this.#watermarks.setState(order.slot, SlotState.OFFLINE, caught.kafkaCode)
      }
      const { log } = partition
      const damage = log?.damage ?? []
      return { slot: order.slot, error, damage, greatestProducerId: log?.producers.greatestProducerId() ?? -1 }
    })
  }

  #openLog(partition: ShardPartition): void {
    const { order } = partition
    this.#env.failpoint('open-partition:before')
    const log = openPartitionLog(this.#env, { ...order, onProgress: () => this.#watermarks.beat() })
    this.#env.failpoint('open-partition:after')
    partition.log = log
    partition.failure = undefined
    this.#watermarks.beginGeneration(order.slot, log.highWatermark)
    this.publish(partition)
    this.#watermarks.setState(order.slot, SlotState.ONLINE)
    // What recovery found is stable; somebody may be waiting to hear that it is committed.
    if (log.committedOffset < log.highWatermark) this.#queueSync(partition)
  }

  /** Shows the log's offsets to every thread. */
  publish(partition: ShardPartition): void {
    const { log, slot } = partition
    assert(log !== undefined, 'an open log is published')
    assert(log.committedOffset <= log.highWatermark, 'committedOffset <= highWatermark')
    this.#watermarks.setSizeBytes(slot, log.sizeBytes)
    this.#watermarks.setLogStartOffset(slot, log.logStartOffset)
    this.#watermarks.setCommittedOffset(slot, log.committedOffset)
    this.#watermarks.setHighWatermark(slot, log.highWatermark)
  }

  wantCommit(partition: ShardPartition, bytes: number): void {
    partition.isCommitWanted = true
    partition.wantedBytes += bytes
    this.uncommittedBytes += bytes
    this.#queueSync(partition)
  }

  #queueSync(partition: ShardPartition): void {
    if (partition.isInSyncQueue) return
    partition.isInSyncQueue = true
    this.#syncQueue.push(partition)
  }

  /** Hands files to the flusher for every partition that wants it and has no round under way. */
  orderSyncs(): boolean {
    let ordered = false
    for (let left = this.#syncQueue.length; left > 0; left--) {
      const partition = this.#syncQueue.shift()!
      partition.isInSyncQueue = false
      const { log } = partition
      if (log === undefined || partition.syncingLog !== undefined) continue
      if (!this.#flusher.hasRoom) {
        this.#queueSync(partition)
        break
      }
      partition.isCommitWanted = false
      const round = log.takeSyncRound(this.#flusher.roundMax)
      if (round === undefined) {
        this.#settle(partition.wantedBytes)
        partition.wantedBytes = 0
        continue
      }
      partition.isCommitWanted = round.offset < log.highWatermark
      partition.roundBytes = partition.wantedBytes
      partition.wantedBytes = 0
      partition.syncingLog = log
      partition.ordersLeft = round.segments.length
      partition.syncErrno = ''
      for (const segment of round.segments) {
        const token = this.#nextToken
        this.#nextToken = (this.#nextToken + 1) >>> 0
        this.#byToken.set(token, partition)
        this.#flusher.order(token, segment.log.fd)
      }
      ordered = true
    }
    return ordered
  }

  /** Takes the flusher's answers; slots whose committed offset moved are added to `moved`. */
  takeAnswers(moved: number[]): boolean {
    return (
      this.#flusher.poll((token, errno) => {
        const partition = this.#byToken.get(token)
        assert(partition !== undefined, 'the flusher answers what was ordered')
        this.#byToken.delete(token)
        if (errno !== '' && partition.syncErrno === '') partition.syncErrno = errno
        partition.ordersLeft -= 1
        if (partition.ordersLeft === 0) this.#roundEnded(partition, moved)
      }) > 0
    )
  }

  #roundEnded(partition: ShardPartition, moved: number[]): void {
    const log = partition.syncingLog!
    partition.syncingLog = undefined
    log.syncEnded(partition.syncErrno)
    this.#settle(partition.roundBytes)
    partition.roundBytes = 0
    if (partition.log !== log) return
    moved.push(partition.slot)
    if (log.failure !== undefined) {
      this.goOffline(partition, log.failure)
      return
    }
    this.publish(partition)
    if (partition.isCommitWanted || log.wantsSync()) this.#queueSync(partition)
  }

  #settle(bytes: number): void {
    this.uncommittedBytes -= bytes
    assert(this.uncommittedBytes >= 0, 'uncommittedBytes counts what was added')
  }

  goOffline(partition: ShardPartition, failure: StorageError): void {
    if (partition.log !== undefined) {
      partition.log.release()
      // Segments may be gone: whoever goes on reading must not look for them.
      this.#watermarks.setLogStartOffset(partition.slot, partition.log.logStartOffset)
    }
    partition.log = undefined
    partition.failure = failure
    this.#settle(partition.wantedBytes)
    partition.wantedBytes = 0
    partition.isCommitWanted = false
    this.#watermarks.setState(partition.slot, SlotState.OFFLINE, failure.kafkaCode)
    this.#send({ type: 'offline', slot: partition.slot, error: toErrorData(failure) })
  }

  configure(slot: number, config: LogConfig): undefined {
    const partition = this.#known(slot)
    partition.order = { ...partition.order, config }
    if (partition.log !== undefined) {
      partition.log.config = config
      partition.log.active.config = config
    }
    return undefined
  }

  /** Returns the log start offset now. Throws OffsetOutOfRangeError, or the failure of an offline partition. */
  trim(slot: number, offset: number): number {
    const partition = this.#known(slot)
    const log = this.#online(partition)
    this.#guard(partition, () => {
      this.#doomed.push(...trimLog(log, offset, () => this.publish(partition)))
    })
    this.publish(partition)
    return log.logStartOffset
  }

  /** Throws the failure of an offline partition. */
  describeProducers(slot: number): ProducerDescription[] {
    return this.#online(this.#known(slot)).producers.describe()
  }

  /** Takes the partition out of service; the dispatcher deletes its directory. */
  delete(slot: number): undefined {
    const partition = this.#known(slot)
    const { directory } = partition.order
    this.#watermarks.setState(slot, SlotState.DELETED)
    partition.log?.release()
    partition.log = undefined
    this.#settle(partition.wantedBytes)
    partition.wantedBytes = 0
    this.#slots[slot] = undefined
    this.#doomed = this.#doomed.filter(({ paths }) => paths[0]?.startsWith(`${directory}/`) !== true)
    return undefined
  }

  /** Once a second: delayed deletions, flush policy, retention, offline partitions, expiry of producers. */
  keepHouse(nowMs: number, moved: number[]): void {
    this.#unlinkDue(nowMs)
    const isRetentionDue = nowMs >= this.#nextRetentionMs
    if (isRetentionDue) this.#nextRetentionMs = nowMs + this.#retentionCheckMs
    for (const partition of this.#slots) {
      if (partition === undefined) continue
      this.#watermarks.beat()
      if (partition.log === undefined) {
        this.#tryReopen(partition, moved)
        continue
      }
      partition.log.producers.nowMs = nowMs
      if (partition.log.wantsSync()) this.#queueSync(partition)
      if (!isRetentionDue) continue
      partition.log.producers.expire(PRODUCER_EXPIRATION_MS)
      this.#retain(partition, moved)
    }
  }

  #retain(partition: ShardPartition, moved: number[]): void {
    const log = partition.log!
    const before = log.logStartOffset
    try {
      this.#doomed.push(...applyRetention(log, () => this.publish(partition)))
    } catch (error) {
      if (log.failure === undefined) throw error
      this.goOffline(partition, log.failure)
      moved.push(partition.slot)
      return
    }
    if (log.logStartOffset === before) return
    this.publish(partition)
    moved.push(partition.slot)
  }

  #unlinkDue(nowMs: number): void {
    const due = this.#doomed.filter(({ dueMs }) => dueMs <= nowMs)
    if (due.length === 0) return
    this.#doomed = this.#doomed.filter(({ dueMs }) => dueMs > nowMs)
    for (const path of due.flatMap(({ paths }) => paths)) {
      try {
        this.#env.fs.unlink(path)
      } catch (error) {
        // Deleted with its topic, or the disk fails: the next open of the directory deletes what is left.
        if (errnoOf(error) === '') throw error
      }
    }
  }

  #tryReopen(partition: ShardPartition, moved: number[]): void {
    if (partition.failure === undefined || !PASSING_ERRORS.has(partition.failure.errno)) return
    if (partition.syncingLog !== undefined) return
    const { slot } = partition
    partition.order = {
      ...partition.order,
      wasClean: false,
      recoveryPoint: Math.max(partition.order.recoveryPoint, this.#watermarks.committedOffset(slot)),
      logStartOffset: Math.max(partition.order.logStartOffset, this.#watermarks.logStartOffset(slot)),
    }
    try {
      this.#openLog(partition)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      return // Still no room (or worse): it stays offline with its first failure, and is tried again.
    }
    moved.push(slot)
    this.#send({ type: 'online', slot, damage: partition.log!.damage })
  }

  /** Closes every log cleanly; what cannot be closed cleanly is reported, the rest is closed all the same. */
  closeAll(moved: number[]): ShardReplies['close'] {
    const points: ShardReplies['close']['points'][number][] = []
    const errors: ErrorData[] = []
    for (const partition of this.#slots) {
      if (partition === undefined) continue
      const { log, slot } = partition
      if (log === undefined) {
        errors.push(toErrorData(partition.failure ?? new VltavaError('KAFKA_STORAGE_ERROR', 'partition was offline')))
        continue
      }
      try {
        this.#watermarks.beat()
        log.closeClean()
        this.publish(partition)
        moved.push(slot)
        const { committedOffset: recoveryPoint, logStartOffset, highWatermark } = log
        points.push({ slot, recoveryPoint, logStartOffset, highWatermark })
      } catch (error) {
        if (!(error instanceof VltavaError)) throw error
        errors.push(toErrorData(error))
      }
      partition.log = undefined
    }
    this.#unlinkDue(Number.POSITIVE_INFINITY)
    return { points, errors }
  }

  #known(slot: number): ShardPartition {
    const partition = this.#slots[slot]
    assert(partition !== undefined, 'the dispatcher names slots that it gave out')
    return partition
  }

  #online(partition: ShardPartition): PartitionLog {
    if (partition.log !== undefined) return partition.log
    const { topic, partition: number } = partition.order
    throw new VltavaError(
      'KAFKA_STORAGE_ERROR',
      `${topic}-${number} is offline: ${partition.failure?.message ?? 'it could not be opened'}`,
    )
  }

  /** Runs an operation that may fail the log; if it does, the partition goes offline before the error goes on. */
  #guard(partition: ShardPartition, operation: () => void): void {
    try {
      operation()
    } catch (error) {
      const failure = partition.log?.failure
      if (failure !== undefined) this.goOffline(partition, failure)
      throw error
    }
  }
}
