/**
 * FrameReader: cuts a stream of bytes into frames, however the network has cut it. @hot
 *
 *   int32 length | int16 apiKey | int16 apiVersion | int32 correlationId | ...
 *
 * Nothing is allocated for what a length claims: a frame's first eight bytes are judged by `admit` before its memory
 * is asked for, and that memory is the thread's budget to give (`take`). Until there is some, the reader keeps what
 * has arrived and its owner stops reading. A frame that lies in one chunk is a view of it, not a copy.
 */
import { assert } from '../base/assert.ts'

const LENGTH_BYTES = 4
/** Length, key, version and correlation id: what every request begins with. */
const START_BYTES = 12

/** Memory for one frame. */
export interface FrameMemory {
  readonly bytes: Uint8Array
  /** Where the frame begins in `bytes`. */
  readonly start: number
  /** So much of it is there. May throw, to refuse the rest. */
  filled?(filledBytes: number): void
  /** Once, when nobody looks at the frame any more. */
  release(): void
}

export interface Frame {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly memory: FrameMemory
}

export interface FrameJudge {
  /** Of a frame of `sizeBytes`, of which no more is here. Throws to refuse it. */
  admitLength(sizeBytes: number): void
  /** Of a frame whose request claims this API and version. Throws to refuse it. */
  admit(apiKey: number, apiVersion: number): void
  /**
   * Memory for a frame; undefined if there is none now. `inPlace`: its bytes are here already, in `chunk`, and may be
   * used there.
   */
  take(
    sizeBytes: number,
    apiKey: number,
    inPlace: { chunk: Uint8Array; start: number } | undefined,
  ): FrameMemory | undefined
}

export class FrameReader {
  readonly #judge: FrameJudge
  #chunks: Uint8Array[] = []
  /** Bytes of chunks[0] that are used up. */
  #position = 0
  #bufferedBytes = 0
  /** The frame that is being filled, and how far. */
  #memory: FrameMemory | undefined
  #sizeBytes = 0
  #filledBytes = 0
  #isAdmitted = false
  #apiKey = 0
  readonly #start = new DataView(new ArrayBuffer(START_BYTES))

  constructor(judge: FrameJudge) {
    this.#judge = judge
  }

  /** Bytes that have arrived and belong to no frame that was handed out. */
  get bufferedBytes(): number {
    return this.#bufferedBytes + this.#filledBytes
  }

  /** In the middle of a frame. */
  get isPartial(): boolean {
    return this.#bufferedBytes > 0 || this.#memory !== undefined
  }

  /** Holds memory for a frame that is not whole. */
  get isFilling(): boolean {
    return this.#memory !== undefined
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#memory !== undefined && this.#chunks.length === 0) {
      this.#fill(chunk)
      return
    }
    this.#chunks.push(chunk)
    this.#bufferedBytes += chunk.length
  }

  /** Straight from the network into the frame's memory; what is behind the frame is kept. */
  #fill(chunk: Uint8Array): void {
    const memory = this.#memory!
    const count = Math.min(chunk.length, this.#sizeBytes - this.#filledBytes)
    memory.bytes.set(count === chunk.length ? chunk : chunk.subarray(0, count), memory.start + this.#filledBytes)
    this.#filledBytes += count
    memory.filled?.(this.#filledBytes)
    if (count === chunk.length) return
    this.#chunks.push(chunk)
    this.#position = count
    this.#bufferedBytes += chunk.length - count
  }

  /**
   * The next whole frame; 'wait' while there is no memory for it; undefined if more bytes must arrive. Throws what the
   * judge throws.
   */
  next(): Frame | 'wait' | undefined {
    if (this.#memory === undefined) {
      if (!this.#isAdmitted && !this.#readStart()) return undefined
      const inPlace = this.#inPlace()
      const memory = this.#judge.take(this.#sizeBytes, this.#apiKey, inPlace)
      if (memory === undefined) return 'wait'
      if (inPlace !== undefined && memory.bytes === inPlace.chunk) {
        this.#consume(this.#sizeBytes)
        return this.#frame(memory)
      }
      this.#memory = memory
      this.#filledBytes = 0
    }
    while (this.#filledBytes < this.#sizeBytes && this.#chunks.length > 0) this.#fillFromChunks()
    if (this.#filledBytes < this.#sizeBytes) return undefined
    return this.#frame(this.#memory)
  }

  #frame(memory: FrameMemory): Frame {
    const frame = { bytes: memory.bytes, start: memory.start, end: memory.start + this.#sizeBytes, memory }
    this.#memory = undefined
    this.#isAdmitted = false
    this.#filledBytes = 0
    return frame
  }

  /** False until the frame's first bytes are here; a frame too short to have them is judged by what it is. */
  #readStart(): boolean {
    if (this.#bufferedBytes < LENGTH_BYTES) return false
    const start = this.#start
    const count = Math.min(START_BYTES, this.#bufferedBytes)
    this.#peek(count)
    const sizeBytes = start.getInt32(0)
    const hasKey = count === START_BYTES
    // A length that is wrong by itself needs no more bytes to be refused.
    this.#judge.admitLength(sizeBytes)
    if (!hasKey) return false
    const apiKey = start.getInt16(4)
    this.#judge.admit(apiKey, start.getInt16(6))
    this.#consume(LENGTH_BYTES)
    this.#sizeBytes = sizeBytes
    this.#apiKey = apiKey
    this.#isAdmitted = true
    return true
  }

  #peek(count: number): void {
    let index = 0
    let position = this.#position
    for (let i = 0; i < count; i++) {
      while (position === this.#chunks[index]!.length) {
        index += 1
        position = 0
      }
      this.#start.setUint8(i, this.#chunks[index]![position]!)
      position += 1
    }
  }

  #inPlace(): { chunk: Uint8Array; start: number } | undefined {
    const chunk = this.#chunks[0]
    if (chunk === undefined || chunk.length - this.#position < this.#sizeBytes) return undefined
    return { chunk, start: this.#position }
  }

  #fillFromChunks(): void {
    const memory = this.#memory!
    const chunk = this.#chunks[0]!
    const count = Math.min(chunk.length - this.#position, this.#sizeBytes - this.#filledBytes)
    memory.bytes.set(chunk.subarray(this.#position, this.#position + count), memory.start + this.#filledBytes)
    this.#filledBytes += count
    memory.filled?.(this.#filledBytes)
    this.#consume(count)
  }

  #consume(count: number): void {
    assert(count <= this.#bufferedBytes, 'no more is used up than has arrived')
    this.#bufferedBytes -= count
    let left = count
    while (left > 0 || (this.#chunks.length > 0 && this.#position === this.#chunks[0]!.length)) {
      const here = Math.min(left, this.#chunks[0]!.length - this.#position)
      left -= here
      this.#position += here
      if (this.#position < this.#chunks[0]!.length) break
      this.#chunks.shift()
      this.#position = 0
    }
  }

  /** Gives back what a frame that will not be finished holds. */
  close(): void {
    this.#memory?.release()
    this.#memory = undefined
    this.#chunks = []
    this.#position = 0
    this.#bufferedBytes = 0
    this.#filledBytes = 0
  }
}
