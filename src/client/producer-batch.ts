/**
 * ProducerBatch: one batch on its way from the first record to the acknowledgement. Owned by its producer's thread.
 *
 *   open -> ready (full, or its time is up) -> submitted -> appended -> committed (acks=all)
 *                                                      \-> failed
 */
import { fromErrorData, type ErrorData, type VltavaError } from '../base/errors.ts'
import type { BatchListener, BatchMemory } from '../protocol/transport.ts'
import { type BatchBuilder } from '../record/batch-builder.ts'

/** What a batch knows of the lane that it goes through; see producer-partition.ts. */
export interface Lane {
  readonly topic: string
  /** Of the topic when the lane was made: one of the same name that is made later has another. */
  readonly topicId: string
  readonly partition: number
  open: ProducerBatch | undefined
  /** Nothing is under way or waits to be. */
  readonly isIdle: boolean
  closeOpen(): void
  appended(batch: ProducerBatch): void
  /** True: the batch's memory is kept, it will be submitted again. */
  failed(batch: ProducerBatch, error: VltavaError, isUnknown: boolean): boolean
}

interface Waiter {
  readonly resolve: (baseOffset: number) => void
  readonly reject: (error: VltavaError) => void
}

export class ProducerBatch implements BatchListener {
  readonly partition: Lane
  readonly builder: BatchBuilder
  readonly memory: BatchMemory
  /** Monotonic time at which it is closed even if it is not full. */
  readonly dueMs: number
  /** Somebody awaits send(): no lingering while nothing else is under way. */
  isUrgent = false
  /** Records whose send() somebody awaits; the others are append()ed ones. */
  awaitedCount = 0
  recordCount = 0
  lengthBytes = 0
  baseOffset = -1
  timestamp = -1
  generation = 0
  /** Its sequence number is the first of its producer epoch: no gap can lie before it. */
  startsEpoch = false
  #waiter: Waiter | undefined
  #promise: Promise<number> | undefined

  constructor(partition: Lane, builder: BatchBuilder, memory: BatchMemory, dueMs: number) {
    this.partition = partition
    this.builder = builder
    this.memory = memory
    this.dueMs = dueMs
  }

  /** Resolves with the batch's base offset when it is acknowledged; shared by all its records. */
  acknowledged(): Promise<number> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
    return this.#promise
  }

  onAppended(baseOffset: number, timestamp: number, generation: number): void {
    this.baseOffset = baseOffset
    this.timestamp = timestamp
    this.generation = generation
    this.partition.appended(this)
  }

  onFailed(error: ErrorData, isUnknown: boolean): boolean {
    return this.partition.failed(this, fromErrorData(error), isUnknown)
  }

  acknowledge(): void {
    this.#waiter?.resolve(this.baseOffset)
  }

  reject(error: VltavaError): void {
    this.#waiter?.reject(error)
  }
}
