/**
 * OffsetsWriter: appends a coordinator's records to its partition. Owned by the coordinator's thread.
 *
 * One batch is on its way to the log at a time; what is appended meanwhile goes together into the next. So appends of
 * many groups share a write and a sync, they take effect in their order, and a batch that is published again after a
 * restart of its shard stands behind itself at most, which changes nothing when it is read: no producer id is needed.
 *
 * When `onWritten` comes: a commit of offsets, and what deletes something, is acknowledged when the disk has it; the
 * membership of a group when it is written. Members that power failure takes back join again, and a commit behind them
 * takes them to the disk with it.
 *
 * When nobody knows whether a batch was written, or it was lost after it was, the state in memory may not be the log's:
 * every append that waits fails, `onUnknown` is called, and nothing is taken any more.
 */
import type { Clock } from '../../base/env/env.ts'
import { fromErrorData, VltavaError } from '../../base/errors.ts'
import { GROUP_METADATA_KEY } from '../../coordinator/records/group-metadata-record.ts'
import { OFFSET_COMMIT_KEY, OFFSET_COMMIT_KEY_OLD } from '../../coordinator/records/offset-records.ts'
import { type CoordinatorRecord, keyVersion } from '../../coordinator/records/record-codec.ts'
import type { OnWritten } from '../../coordinator/group-entry.ts'
import type { Transport } from '../../protocol/transport.ts'
import { BatchBuilder, batchSizeBoundForOne, NO_HEADERS } from '../../record/batch-builder.ts'
import { BATCH_HEADER_BYTES } from '../../record/batch-layout.ts'

/** Appends of other groups are joined up to here; a single one may be larger. */
const JOINED_BYTES_MAX = 256 << 10
/** Key of the record that stands for a consumer group itself. */
const GROUP_EPOCH_KEY = 3

interface PendingAppend {
  readonly records: readonly CoordinatorRecord[]
  /** Of its records, header apart. */
  readonly boundBytes: number
  readonly needsDisk: boolean
  readonly onWritten: OnWritten
}

interface Uncommitted {
  readonly endOffset: number
  readonly generation: number
  readonly onWritten: OnWritten
}

export class OffsetsWriter {
  /** Of batches appended since the writer was made. */
  appendedBytes = 0
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #topic: string
  readonly #partition: number
  readonly #onUnknown: (error: VltavaError) => void
  readonly #onProgress: () => void
  readonly #builder = new BatchBuilder()
  #pending: PendingAppend[] = []
  #inFlight: PendingAppend[] = []
  readonly #uncommitted: Uncommitted[] = []
  #lastEnd = { endOffset: 0, generation: 0 }
  #isWatching = false
  #failure: VltavaError | undefined

  /** `onProgress`: called after onWritten of some appends. */
  constructor(
    transport: Transport,
    clock: Clock,
    topic: string,
    partition: number,
    onUnknown: (error: VltavaError) => void,
    onProgress: () => void,
  ) {
    this.#transport = transport
    this.#clock = clock
    this.#topic = topic
    this.#partition = partition
    this.#onUnknown = onUnknown
    this.#onProgress = onProgress
  }

  append(records: readonly CoordinatorRecord[], onWritten: OnWritten): void {
    const boundBytes = records.reduce((sum, { key, value }) => {
      return sum + batchSizeBoundForOne(key.length, value?.length ?? 0, 0) - BATCH_HEADER_BYTES
    }, 0)
    this.#pending.push({ records, boundBytes, needsDisk: records.some(needsDisk), onWritten })
    // Later, as all answers: whoever appends is not called back inside the call.
    if (this.#inFlight.length === 0) queueMicrotask(() => this.#flush())
  }

  /** Calls back when everything appended so far is on the disk. */
  whenCommitted(then: OnWritten): void {
    if (this.#failure !== undefined) then(this.#failure)
    else this.#await({ ...this.#lastEnd, onWritten: then })
  }

  #flush(): void {
    if (this.#inFlight.length > 0 || this.#pending.length === 0) return
    if (this.#failure !== undefined) {
      this.#fail(this.#failure)
      return
    }
    const joined = this.#takeJoined()
    const boundBytes = joined.reduce((sum, append) => sum + append.boundBytes, BATCH_HEADER_BYTES)
    const sizeBytes = Math.max(boundBytes, BATCH_HEADER_BYTES + 1)
    const memory = sizeBytes > this.#transport.batchBytesMax ? undefined : this.#transport.reserve(sizeBytes)
    if (memory === undefined) {
      const message = `an append of sizeBytes=${sizeBytes} is over what one batch of ${this.#topic} may hold`
      this.#settle(joined, new VltavaError('MESSAGE_TOO_LARGE', message))
      return
    }
    const { bytes, view, start } = memory
    this.#builder.open(bytes, view, start, start + sizeBytes)
    const nowMs = this.#clock.wallMs()
    for (const { records } of joined) {
      for (const { key, value } of records) this.#builder.append(Math.floor(nowMs), key, value, NO_HEADERS)
    }
    const { recordCount } = this.#builder
    const lengthBytes = this.#builder.close('none', undefined, 0)
    this.#transport.trim(memory, lengthBytes)
    this.#inFlight = joined
    try {
      this.#transport.submit(this.#topic, this.#partition, memory, lengthBytes, -1, {
        onAppended: (baseOffset, _timestamp, generation) => {
          this.appendedBytes += lengthBytes
          this.#onAppended(baseOffset + recordCount, generation)
        },
        onFailed: (data, isUnknown) => {
          const error = fromErrorData(data)
          this.#inFlight = []
          if (isUnknown) this.#giveUp(error, joined)
          else this.#settle(joined, error)
          return false
        },
      })
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.#transport.release(memory) // The topic was deleted, or the log is closed: nothing was done.
      this.#inFlight = []
      this.#giveUp(error, joined)
    }
  }

  #takeJoined(): PendingAppend[] {
    let count = 1
    let boundBytes = this.#pending[0]!.boundBytes
    while (count < this.#pending.length && boundBytes + this.#pending[count]!.boundBytes <= JOINED_BYTES_MAX) {
      boundBytes += this.#pending[count]!.boundBytes
      count += 1
    }
    return this.#pending.splice(0, count)
  }

  #onAppended(endOffset: number, generation: number): void {
    const written = this.#inFlight
    this.#inFlight = []
    this.#lastEnd = { endOffset, generation }
    for (const { needsDisk, onWritten } of written) {
      if (needsDisk) this.#await({ endOffset, generation, onWritten })
      else onWritten(undefined)
    }
    this.#flush()
    this.#onProgress()
  }

  /** Nothing was written of these. */
  #settle(appends: readonly PendingAppend[], error: VltavaError): void {
    for (const { onWritten } of appends) onWritten(error)
    this.#flush()
    this.#onProgress()
  }

  #await(uncommitted: Uncommitted): void {
    this.#uncommitted.push(uncommitted)
    if (this.#isWatching) return
    this.#isWatching = true
    void this.#watchDisk()
  }

  async #watchDisk(): Promise<void> {
    let unwatch: (() => void) | undefined
    try {
      unwatch = this.#transport.watch(this.#topic, this.#partition)
      while (this.#uncommitted.length > 0) {
        await this.#transport.wait(() => this.#stateOfFirst() !== 'waiting', Number.POSITIVE_INFINITY)
        this.#transport.poll()
        const state = this.#stateOfFirst()
        if (state === 'lost') throw this.#lost()
        this.#settleCommitted()
      }
    } catch (error) {
      if (!(error instanceof VltavaError)) throw error
      this.#giveUp(error, []) // The topic is gone, or the partition was opened anew without these records.
    } finally {
      unwatch?.()
      this.#isWatching = false
    }
  }

  /** Throws UnknownTopicOrPartitionError if the topic was deleted. */
  #stateOfFirst(): 'waiting' | 'committed' | 'lost' {
    const first = this.#uncommitted[0]
    if (first === undefined) return 'committed' // Given up meanwhile.
    if (this.#transport.isClosed) return 'lost'
    if (first.endOffset === 0) return 'committed' // Nothing was appended yet.
    const state = this.#transport.commitState(this.#topic, this.#partition, first.endOffset, first.generation)
    if (state !== 'waiting') return state
    return this.#transport.partitionFailure(this.#topic, this.#partition) === undefined ? 'waiting' : 'lost'
  }

  #settleCommitted(): void {
    while (this.#uncommitted.length > 0 && this.#stateOfFirst() === 'committed') {
      this.#uncommitted.shift()!.onWritten(undefined)
    }
    this.#onProgress()
  }

  #lost(): VltavaError {
    const failure = this.#transport.isClosed
      ? undefined
      : this.#transport.partitionFailure(this.#topic, this.#partition)
    if (failure !== undefined) return fromErrorData(failure)
    const message = `${this.#topic}-${this.#partition} was closed or opened anew before its records were synced`
    return new VltavaError('KAFKA_STORAGE_ERROR', message)
  }

  #giveUp(error: VltavaError, appends: readonly PendingAppend[]): void {
    if (this.#failure === undefined) {
      this.#failure = error
      this.#onUnknown(error)
    }
    this.#fail(error, appends)
  }

  #fail(error: VltavaError, appends: readonly PendingAppend[] = []): void {
    const waiting = [...this.#uncommitted.splice(0), ...appends, ...this.#pending.splice(0)]
    for (const { onWritten } of waiting) onWritten(error)
    this.#onProgress()
  }
}

function needsDisk({ key, value }: CoordinatorRecord): boolean {
  const kind = keyVersion(key)
  if (kind === OFFSET_COMMIT_KEY || kind === OFFSET_COMMIT_KEY_OLD) return true
  return value === null && (kind === GROUP_METADATA_KEY || kind === GROUP_EPOCH_KEY)
}
