/**
 * HostedPartition: one partition of `__consumer_offsets` with its coordinator, through loading, serving, and going
 * offline. Owned by the coordinator's thread.
 *
 *   loading   the log is read; requests hear COORDINATOR_LOAD_IN_PROGRESS
 *   active    requests are served
 *   offline   the log cannot be read or written; requests hear NOT_COORDINATOR. Tried again every RETRY_MS
 *
 * A new coordinator is made for each load: what a failed append left unknown, the log tells.
 *
 * Growth: when the log holds REWRITE_BYTES_MIN, and REWRITE_FACTOR times what lived after the last time, all that lives
 * is appended once more (coordinator/rewrite.ts), synced, and the log is trimmed to where that began. So the log is at
 * most a few times what lives, plus the segment that it is in.
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env/env.ts'
import { VltavaError } from '../../base/errors.ts'
import type { GroupConfig } from '../../coordinator/group-config.ts'
import { GroupCoordinator } from '../../coordinator/group-coordinator.ts'
import { GroupError } from '../../coordinator/group-errors.ts'
import type { TopicCatalogue } from '../../coordinator/topic-catalogue.ts'
import type { Transport } from '../../protocol/transport.ts'
import { OffsetsLoader } from './offsets-loader.ts'
import { OffsetsWriter } from './offsets-writer.ts'

export const OFFSETS_TOPIC = '__consumer_offsets'

const REWRITE_BYTES_MIN = 8 << 20
const REWRITE_FACTOR = 4
const RETRY_MS = 500
/** A slice of loading: messages are answered between two. */
const SLICE_MS = 20

export interface PartitionServices {
  readonly env: Env
  readonly transport: Transport
  readonly config: GroupConfig
  readonly topics: TopicCatalogue
  /** Something of the coordinator moved outside of a call of the host. */
  onProgress(): void
  /** A coordinator is loaded and is about to serve. */
  onLoaded(coordinator: GroupCoordinator): void
}

export class HostedPartition {
  state: 'loading' | 'active' | 'offline' | 'closed' = 'loading'
  /** Records and stretches of the log that could not be read at the last load. */
  faultCount = 0
  readonly #partition: number
  readonly #services: PartitionServices
  #coordinator: GroupCoordinator | undefined
  #writer: OffsetsWriter | undefined
  #logBytes = 0
  #liveBytes = 0
  #isRewriting = false
  #mayRewrite = true
  #retry: { cancel(): void } | undefined

  constructor(partition: number, services: PartitionServices) {
    this.#partition = partition
    this.#services = services
  }

  /** The coordinator that answers requests now. */
  get active(): GroupCoordinator | undefined {
    return this.state === 'active' ? this.#coordinator : undefined
  }

  /** What requests are answered while there is none. */
  get errorCode(): number {
    return this.state === 'loading' ? GroupError.COORDINATOR_LOAD_IN_PROGRESS : GroupError.NOT_COORDINATOR
  }

  /** Resolves when it is active or offline; the first slice of a short log is the whole of it. */
  async load(): Promise<void> {
    const { env, transport, config, topics } = this.#services
    this.state = 'loading'
    try {
      const { logStartOffset, highWatermark } = transport.ends(OFFSETS_TOPIC, this.#partition)
      const writer = new OffsetsWriter(
        transport,
        env.clock,
        OFFSETS_TOPIC,
        this.#partition,
        (error) => this.#goOffline(error),
        () => this.#services.onProgress(),
      )
      const coordinator = new GroupCoordinator({
        config,
        topics,
        random: env.random,
        append: (records, onWritten) => writer.append(records, onWritten),
      })
      const reader = transport.reader(OFFSETS_TOPIC, this.#partition, logStartOffset)
      try {
        const loader = new OffsetsLoader(reader, highWatermark, (key, value) => coordinator.load(key, value))
        await this.#read(loader, () => reader.hasNews())
        this.#logBytes = loader.sizeBytes
        this.faultCount = loader.faultCount
        this.#mayRewrite = !loader.hasOpenTransactions
      } finally {
        reader.close()
      }
      if (this.#isClosed()) return
      coordinator.loaded(env.clock.monotonicMs(), env.clock.wallMs())
      this.#coordinator = coordinator
      this.#writer = writer
      this.#liveBytes = 0
      this.state = 'active'
      this.#services.onLoaded(coordinator)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.#goOffline(error)
    }
  }

  #isClosed(): boolean {
    return this.state === 'closed'
  }

  async #read(loader: OffsetsLoader, hasNews: () => boolean): Promise<void> {
    const { env, transport } = this.#services
    let sliceEndMs = env.clock.monotonicMs() + SLICE_MS
    while (!loader.isDone && !this.#isClosed()) {
      if (!loader.step()) await transport.wait(hasNews, RETRY_MS)
      if (transport.isClosed) throw new VltavaError('LOG_CLOSED', 'the log was closed')
      if (env.clock.monotonicMs() < sliceEndMs) continue
      await new Promise<void>((resolve) => env.timers.after(0, resolve))
      sliceEndMs = env.clock.monotonicMs() + SLICE_MS
    }
  }

  /** Whoever waits hears NOT_COORDINATOR, which clients answer by asking again; the log will tell what was written. */
  #goOffline(_error: VltavaError): void {
    if (this.state === 'offline' || this.#isClosed()) return
    this.state = 'offline'
    this.#isRewriting = false
    const coordinator = this.#coordinator
    this.#coordinator = undefined
    this.#writer = undefined
    coordinator?.stop()
    this.#services.onProgress()
    this.#tryLater()
  }

  #tryLater(): void {
    const { env, transport } = this.#services
    this.#retry = env.timers.after(RETRY_MS, () => {
      if (this.state !== 'offline' || transport.isClosed) return
      const isThere = (transport.topic(OFFSETS_TOPIC)?.partitionCount ?? 0) > this.#partition
      const failure = isThere ? transport.partitionFailure(OFFSETS_TOPIC, this.#partition) : undefined
      if (isThere && failure === undefined) void this.load()
      else this.#tryLater()
    })
  }

  /** Time moves; first thing in each step of the host. */
  advance(): void {
    const { clock } = this.#services.env
    this.active?.advance(clock.monotonicMs(), clock.wallMs())
  }

  nextDeadlineMs(): number {
    return this.active?.nextDeadlineMs() ?? Infinity
  }

  /** Begins a rewrite if one is due. */
  tidy(): void {
    const writer = this.#writer
    if (this.state !== 'active' || this.#isRewriting || !this.#mayRewrite || writer === undefined) return
    const { env, transport } = this.#services
    const sizeBytes = this.#logBytes + writer.appendedBytes
    if (sizeBytes < Math.max(REWRITE_BYTES_MIN, REWRITE_FACTOR * this.#liveBytes)) return
    this.#isRewriting = true
    const bytesBefore = writer.appendedBytes
    const { highWatermark } = transport.ends(OFFSETS_TOPIC, this.#partition)
    env.failpoint('offsets-rewrite:start')
    this.active!.rewrite((error) => {
      if (error !== undefined) this.#endRewrite(writer, sizeBytes)
      else {
        writer.whenCommitted((failed) => {
          env.failpoint('offsets-rewrite:before-trim')
          if (failed === undefined) void this.#trim(writer, highWatermark, bytesBefore)
          else this.#endRewrite(writer, sizeBytes)
        })
      }
    })
  }

  async #trim(writer: OffsetsWriter, offset: number, bytesBefore: number): Promise<void> {
    assert(offset > 0, 'a log that is rewritten had something in it')
    try {
      await this.#services.transport.request({
        type: 'trim',
        topic: OFFSETS_TOPIC,
        partition: this.#partition,
        offset,
      })
      this.#logBytes = -bytesBefore // What is in the log now was appended since.
      this.#endRewrite(writer, writer.appendedBytes - bytesBefore)
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      // The disk takes no note of the new start: the log is as it was, and longer. Tried again when it has doubled.
      this.#endRewrite(writer, this.#logBytes + writer.appendedBytes)
    }
  }

  #endRewrite(writer: OffsetsWriter, liveBytes: number): void {
    if (this.#writer !== writer) return // Another load has begun meanwhile.
    this.#liveBytes = liveBytes
    this.#isRewriting = false
  }

  close(): void {
    if (this.#isClosed()) return
    this.state = 'closed'
    this.#retry?.cancel()
    this.#coordinator?.stop()
    this.#coordinator = undefined
    this.#writer = undefined
  }
}
