/**
 * The algorithm of src/ring/spsc.ts, step by step over a small memory: each yield is one access to shared memory.
 *
 * Keep the two side by side: ring-trace.test.ts runs both with the same calls and compares every access, its place and
 * its value. A Flaw is a way of getting it wrong that the exploration has to notice.
 *
 * Locals that outlive a yield are written into `live`, fields into key(). See explore.ts.
 */
import { alignFrame, FRAME_HEADER_BYTES, PADDING, payloadBytesMaxOf } from '../../../src/ring/layout.ts'
import { FULL } from '../../../src/ring/spsc.ts'
import { require, type Steps } from './explore.ts'

export type Flaw =
  | 'none'
  | 'tail stored before the payload is written'
  | 'tail stored before the header is written'
  | 'head stored before the handler has read'
  | 'padding not counted as needed room'
  | 'padding not published'
  | 'positions subtracted without the wrap'
  | 'one frame too many seen as free'
  | 'reader trusts a frame beyond the tail'
  | 'frames longer than half the ring'

const UNWRITTEN = 0x0bad0bad

/** One ring's shared words, and the rule who may touch which of them. Positions are bytes in the data region. */
export class RingMemory {
  tail: number
  head: number
  readonly capacity: number
  readonly words: number[]

  constructor(capacity: number, startPosition: number) {
    this.capacity = capacity
    this.tail = startPosition
    this.head = startPosition
    this.words = Array.from({ length: capacity / 4 }, () => UNWRITTEN)
  }

  get unread(): number {
    return (this.tail - this.head) >>> 0
  }

  /** A plain store races with the reader unless its place lies in [tail, head + capacity). */
  write(position: number, value: number): void {
    const beyondTail = (position - this.tail) & (this.capacity - 1)
    require(beyondTail < this.capacity - this.unread, 'the writer writes only where the reader has released')
    this.words[position / 4] = value
  }

  /** A plain load races with the writer unless its place lies in [head, tail). */
  read(position: number): number {
    const beyondHead = (position - this.head) & (this.capacity - 1)
    require(beyondHead < this.unread, 'the reader reads only what is published and not yet released')
    return this.words[position / 4]!
  }

  storeTail(value: number): void {
    this.tail = value
    require(this.unread <= this.capacity, 'published bytes fit the ring')
  }

  storeHead(value: number): void {
    this.head = value
    require(this.unread <= this.capacity, 'released bytes were published')
  }

  key(): string {
    return `${this.tail},${this.head},${this.words.join()}`
  }
}

function payloadBytesMaxIn(memory: RingMemory, flaw: Flaw): number {
  return flaw === 'frames longer than half the ring' ? memory.capacity : payloadBytesMaxOf(memory.capacity)
}

function* loadTail(memory: RingMemory): Steps<number> {
  return yield { at: 'load tail', perform: () => memory.tail }
}

function* loadHead(memory: RingMemory): Steps<number> {
  return yield { at: 'load head', perform: () => memory.head }
}

function* storeTail(memory: RingMemory, tail: number): Steps {
  yield { at: 'store tail', perform: () => (memory.storeTail(tail), tail) }
}

function* storeHead(memory: RingMemory, head: number): Steps {
  yield { at: 'store head', perform: () => (memory.storeHead(head), head) }
}

export function* writeWord(memory: RingMemory, position: number, value: number): Steps {
  yield { at: `write ${position}`, perform: () => (memory.write(position, value), value) }
}

export function* readWord(memory: RingMemory, position: number, live: string): Steps<number> {
  return yield { at: `read ${position}`, live, perform: () => memory.read(position) }
}

export class WriterModel {
  readonly memory: RingMemory
  readonly #flaw: Flaw
  #tail: number
  #headSeen: number
  #claimed = 0

  constructor(memory: RingMemory, flaw: Flaw = 'none') {
    this.memory = memory
    this.#flaw = flaw
    this.#tail = memory.tail
    this.#headSeen = memory.head
  }

  get headSeen(): number {
    return this.#headSeen
  }

  key(): string {
    return `${this.#tail},${this.#headSeen},${this.#claimed}`
  }

  /** As RingWriter.claim; the position returned counts from the start of the data region. */
  *claim(type: number, length: number): Steps<number> {
    const { memory } = this
    const { capacity } = memory
    require(length <= payloadBytesMaxIn(memory, this.#flaw), 'frame fits half the ring')
    const frameBytes = alignFrame(FRAME_HEADER_BYTES + length)
    const index = this.#tail & (capacity - 1)
    const bytesToEnd = capacity - index
    const paddingBytes = frameBytes <= bytesToEnd ? 0 : bytesToEnd
    const needed = paddingBytes + frameBytes

    if (!this.#hasRoom(needed, frameBytes)) {
      this.#headSeen = yield* loadHead(memory)
      if (!this.#hasRoom(needed, frameBytes)) return FULL
    }
    const frame = paddingBytes === 0 ? index : 0
    if (this.#flaw === 'tail stored before the header is written') yield* storeTail(memory, (this.#tail + needed) >>> 0)
    if (paddingBytes !== 0) yield* writeWord(memory, index, PADDING)
    yield* writeWord(memory, frame, length)
    yield* writeWord(memory, frame + 4, type)
    this.#claimed = this.#flaw === 'padding not published' ? frameBytes : needed
    return frame + FRAME_HEADER_BYTES
  }

  *publish(): Steps {
    this.#tail = (this.#tail + this.#claimed) >>> 0
    this.#claimed = 0
    yield* storeTail(this.memory, this.#tail)
  }

  abort(): void {
    this.#claimed = 0
  }

  *freeBytes(): Steps<number> {
    this.#headSeen = yield* loadHead(this.memory)
    return this.memory.capacity - this.#claimed - ((this.#tail - this.#headSeen) >>> 0)
  }

  #hasRoom(needed: number, frameBytes: number): boolean {
    const { capacity } = this.memory
    const unread = this.#tail - this.#headSeen
    switch (this.#flaw) {
      case 'padding not counted as needed room':
        return frameBytes <= capacity - (unread >>> 0)
      case 'positions subtracted without the wrap':
        return needed <= capacity - unread
      case 'one frame too many seen as free':
        return needed <= capacity - (unread >>> 0) + FRAME_HEADER_BYTES
      default:
        return needed <= capacity - (unread >>> 0)
    }
  }
}

/** Reads the payload's words in the model; a returned `true` is a handler that throws when it is done. */
export type HandlerModel = (type: number, position: number, length: number, live: string) => Steps<boolean>

export class ReaderModel {
  readonly memory: RingMemory
  readonly #flaw: Flaw
  #head: number

  constructor(memory: RingMemory, flaw: Flaw = 'none') {
    this.memory = memory
    this.#flaw = flaw
    this.#head = memory.head
  }

  get head(): number {
    return this.#head
  }

  key(): string {
    return `${this.#head}`
  }

  *hasFrames(): Steps<boolean> {
    return (yield* loadTail(this.memory)) !== this.#head
  }

  /** As RingReader.poll. A throwing handler ends it early, with its frame consumed. */
  *poll(handler: HandlerModel, frameCountMax: number): Steps<number> {
    const { memory } = this
    const { capacity } = memory
    const before = this.#head
    let unread = ((yield* loadTail(memory)) - before) >>> 0
    if (this.#flaw === 'reader trusts a frame beyond the tail' && unread > 0) unread += FRAME_HEADER_BYTES
    require(unread <= capacity, 'published bytes fit the ring')
    let frameCount = 0
    while (unread > 0 && frameCount < frameCountMax) {
      const index = this.#head & (capacity - 1)
      const live = `${before} ${unread} ${frameCount}`
      const length = yield* readWord(memory, index, live)
      const isPadding = length === PADDING
      require(isPadding || length <= payloadBytesMaxIn(memory, this.#flaw), 'a length word holds a length')
      const frameBytes = isPadding ? capacity - index : alignFrame(FRAME_HEADER_BYTES + length)
      require(frameBytes <= unread, 'frame ends inside the published bytes')
      require(frameBytes <= capacity - index, 'frame is not split across the end')
      this.#head = (this.#head + frameBytes) >>> 0
      unread -= frameBytes
      if (isPadding) continue
      frameCount += 1
      if (this.#flaw === 'head stored before the handler has read') yield* storeHead(memory, this.#head)
      const liveInHandler = `${before} ${unread} ${frameCount}`
      const type = yield* readWord(memory, index + 4, `${liveInHandler} ${length}`)
      if (yield* handler(type, index + FRAME_HEADER_BYTES, length, liveInHandler)) break
    }
    if (this.#head !== before) yield* storeHead(memory, this.#head)
    return frameCount
  }
}
