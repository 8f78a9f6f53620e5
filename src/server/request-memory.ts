/**
 * RequestMemory: what the requests of one thread may take up before they are answered, over all its connections.
 *
 * A produce request is read straight into the thread's arena, where its batches stay until a shard has written them: no
 * copy between the socket's chunk and the file. Everything else, and what is too large for the arena, lies on the heap,
 * up to a bound. Who gets no memory stops reading, and is called when there is some again, in the order of asking.
 */
import { assert } from '../base/assert.ts'
import type { BatchMemory } from '../protocol/transport.ts'
import { ConnectionFault } from './connection-fault.ts'
import type { FrameMemory } from './frame-reader.ts'

/** What a frame counts for before it is there. */
const UNFILLED_BYTES = 16 << 10

/** What of a transport is used here. */
export interface Arena {
  readonly batchBytesMax: number
  reserve(sizeBytes: number): BatchMemory | undefined
  release(memory: BatchMemory): void
}

/** A frame in the arena, shared by those who hold a part of it. */
export class ArenaFrame implements FrameMemory {
  readonly bytes: Uint8Array
  readonly start: number
  readonly view: DataView
  readonly #memory: BatchMemory
  readonly #owner: RequestMemory
  #holders = 1

  constructor(owner: RequestMemory, memory: BatchMemory) {
    this.#owner = owner
    this.#memory = memory
    this.bytes = memory.bytes
    this.view = memory.view
    this.start = memory.start
  }

  /** `length` bytes from `start` on, as a batch's memory. It comes back by release(), like the frame itself. */
  part(start: number, length: number): BatchMemory {
    this.#holders += 1
    return { bytes: this.bytes, view: this.view, start, sizeBytes: length, owner: this }
  }

  release(): void {
    this.#holders -= 1
    assert(this.#holders >= 0, 'a frame is released once by each holder')
    if (this.#holders === 0) this.#owner.arenaReleased(this.#memory)
  }
}

/**
 * A frame on the heap. It counts for what has arrived and as much again, not for what its length claims: memory that
 * nobody has written to is none yet.
 */
class HeapFrame implements FrameMemory {
  readonly bytes: Uint8Array
  readonly start: number
  readonly #owner: RequestMemory
  readonly #sizeBytes: number
  #countedBytes: number

  constructor(owner: RequestMemory, bytes: Uint8Array, start: number, sizeBytes: number, countedBytes: number) {
    this.bytes = bytes
    this.start = start
    this.#owner = owner
    this.#sizeBytes = sizeBytes
    this.#countedBytes = countedBytes
  }

  filled(filledBytes: number): void {
    if (filledBytes <= this.#countedBytes) return
    const countedBytes = Math.min(this.#sizeBytes, 2 * filledBytes)
    this.#owner.heapTaken(countedBytes - this.#countedBytes)
    this.#countedBytes = countedBytes
  }

  release(): void {
    const countedBytes = this.#countedBytes
    this.#countedBytes = 0
    if (countedBytes > 0) this.#owner.heapReleased(countedBytes)
  }
}

export class RequestMemory {
  readonly #arena: Arena
  readonly #heapBytesMax: number
  #heapBytes = 0
  readonly #waiting = new Set<() => void>()
  #isCalling = false

  constructor(arena: Arena, heapBytesMax: number) {
    this.#arena = arena
    this.#heapBytesMax = heapBytesMax
  }

  /** On the heap, of requests that are not answered. */
  get heapBytes(): number {
    return this.#heapBytes
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** For a frame that goes to the log; undefined while none is free. */
  takeArena(sizeBytes: number): FrameMemory | undefined {
    if (sizeBytes > this.#arena.batchBytesMax) return this.takeHeap(sizeBytes, undefined)
    const memory = this.#arena.reserve(sizeBytes)
    return memory === undefined ? undefined : new ArenaFrame(this, memory)
  }

  /** Any other frame; undefined while the bound is reached. */
  takeHeap(sizeBytes: number, inPlace: { chunk: Uint8Array; start: number } | undefined): FrameMemory | undefined {
    const countedBytes = inPlace === undefined ? Math.min(sizeBytes, UNFILLED_BYTES) : sizeBytes
    if (this.#heapBytes > 0 && this.#heapBytes + countedBytes > this.#heapBytesMax) return undefined
    this.#heapBytes += countedBytes
    if (inPlace !== undefined) return new HeapFrame(this, inPlace.chunk, inPlace.start, sizeBytes, countedBytes)
    return new HeapFrame(this, Buffer.allocUnsafeSlow(sizeBytes), 0, sizeBytes, countedBytes)
  }

  /**
   * A frame that is being filled has grown. Those that were begun may go over the bound, to twice of it; throws
   * ConnectionFault for one that would lead beyond, unless it is alone.
   */
  heapTaken(bytes: number): void {
    if (this.#heapBytes + bytes > 2 * this.#heapBytesMax && this.#heapBytes > bytes) {
      throw new ConnectionFault(`requests under way hold ${this.#heapBytes} bytes, twice of queued.max.request.bytes`)
    }
    this.#heapBytes += bytes
  }

  /** Calls back when memory has come back; returns how to stop waiting. */
  wait(retry: () => void): () => void {
    this.#waiting.add(retry)
    return () => void this.#waiting.delete(retry)
  }

  /** Resolves when memory has come back. */
  freed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve))
  }

  arenaReleased(memory: BatchMemory): void {
    this.#arena.release(memory)
    this.#call()
  }

  heapReleased(sizeBytes: number): void {
    this.#heapBytes -= sizeBytes
    this.#call()
  }

  /** After the present call stack: memory comes back in the middle of other work. */
  #call(): void {
    if (this.#waiting.size === 0 || this.#isCalling) return
    this.#isCalling = true
    queueMicrotask(() => {
      this.#isCalling = false
      // Those who still find none wait again, behind the others.
      const waiting = [...this.#waiting]
      this.#waiting.clear()
      for (const retry of waiting) retry()
    })
  }
}
