/**
 * One producer thread and one consumer thread around a ring, with the death of either at any step.
 *
 * What the threads do around the ring is what Vltava's threads do: FULL and empty are answers, on which a thread does
 * something else and comes back when the other side has moved. A dead thread gets a new incarnation with a NEW ring,
 * made once the survivor has drawn its conclusion (nothing left to read, or no room any more); the new ring carries
 * the messages that were not published into the old one.
 *
 * Rules checked at every step: each frame handed out is the next published one, whole, byte for byte; plain accesses
 * never race (RingMemory); at the end nobody waits, and every published frame of a ring whose reader lived was read.
 */
import { alignFrame, FRAME_HEADER_BYTES } from '../../../src/ring/layout.ts'
import { FULL } from '../../../src/ring/spsc.ts'
import { Process, require, type Steps, type System } from './explore.ts'
import { type Flaw, ReaderModel, readWord, RingMemory, WriterModel, writeWord } from './ring-model.ts'

export interface RingScript {
  readonly capacity: number
  readonly startPosition: number
  /** Payload bytes of each message, in order. */
  readonly lengths: readonly number[]
  /** Frames per poll. */
  readonly frameCountMax: number
  /** How many deaths a schedule may hold. */
  readonly deathCountMax: number
  readonly flaw?: Flaw
  /** The handler throws for this message, after it has read it. */
  readonly throwsAt?: number
  /** Before this message the writer opens a claim, writes half of it and gives it up. */
  readonly abortsBefore?: number
}

const TYPE_BASE = 100

function wordOf(message: number, position: number): number {
  return (message + 1) * 0x1000 + position
}

/** A ring and what the outside knows of it: which messages were published, and how many were handed out whole. */
class Incarnation {
  readonly memory: RingMemory
  readonly writer: WriterModel
  readonly reader: ReaderModel
  readonly messageFirst: number
  publishedCount = 0
  handledCount = 0

  constructor(script: RingScript, messageFirst: number) {
    this.memory = new RingMemory(script.capacity, script.startPosition)
    this.writer = new WriterModel(this.memory, script.flaw)
    this.reader = new ReaderModel(this.memory, script.flaw)
    this.messageFirst = messageFirst
  }

  key(): string {
    const counts = `${this.messageFirst},${this.publishedCount},${this.handledCount}`
    return `${counts}|${this.memory.key()}|${this.writer.key()}|${this.reader.key()}`
  }
}

export class RingSystem implements System {
  readonly #script: RingScript
  #ring: Incarnation
  #writer: Process
  #reader: Process
  #isWriterDead = false
  #isReaderDead = false
  #deathCount = 0

  constructor(script: RingScript) {
    this.#script = script
    this.#ring = new Incarnation(script, 0)
    this.#writer = new Process('writer', this.#writerThread(this.#ring))
    this.#reader = new Process('reader', this.#readerThread(this.#ring))
  }

  choices(): readonly string[] {
    const choices: string[] = []
    const mayDie = this.#deathCount < this.#script.deathCountMax
    if (!this.#isWriterDead && this.#writer.isReady) choices.push('writer')
    if (!this.#isReaderDead && this.#reader.isReady) choices.push('reader')
    if (mayDie && !this.#isWriterDead && !this.#writer.isFinished) choices.push('writer dies')
    if (mayDie && !this.#isReaderDead && !this.#reader.isFinished) choices.push('reader dies')
    return choices
  }

  choose(choice: string): void {
    if (choice === 'writer') this.#writer.step()
    else if (choice === 'reader') this.#reader.step()
    else {
      this.#deathCount += 1
      if (choice === 'writer dies') this.#isWriterDead = true
      else this.#isReaderDead = true
    }
  }

  key(): string {
    const deaths = `${this.#isWriterDead} ${this.#isReaderDead} ${this.#deathCount}`
    return `${deaths}|${this.#ring.key()}|${this.#writer.at}|${this.#reader.at}`
  }

  checkEnd(): void {
    const ring = this.#ring
    require(this.#isWriterDead || this.#writer.isFinished, 'the writer never waits for ever')
    require(this.#isReaderDead || this.#reader.isFinished, 'the reader never waits for ever')
    if (this.#isReaderDead) return
    require(ring.handledCount === ring.publishedCount, 'every published frame is read')
    const handledEnd = ring.messageFirst + ring.handledCount
    require(this.#isWriterDead || handledEnd === this.#script.lengths.length, 'every message is read')
  }

  /** The dispatcher's answer to a death: a new ring, and a new thread in the place of the dead one. */
  #startAgain(): void {
    this.#ring = new Incarnation(this.#script, this.#ring.messageFirst + this.#ring.publishedCount)
    if (this.#isWriterDead) this.#writer = new Process('writer', this.#writerThread(this.#ring))
    if (this.#isReaderDead) this.#reader = new Process('reader', this.#readerThread(this.#ring))
    this.#isWriterDead = false
    this.#isReaderDead = false
  }

  *#writerThread(first: Incarnation): Steps {
    let ring = first
    for (;;) {
      const message = ring.messageFirst + ring.publishedCount
      if (message === this.#script.lengths.length) return
      if (yield* this.#send(ring, message)) continue
      yield {
        at: `writer finds the ring full ${message}`,
        isReady: () => ring.memory.head !== ring.writer.headSeen || this.#isReaderDead,
        perform: () => {
          if (ring.memory.head === ring.writer.headSeen) this.#startAgain()
          return 0
        },
      }
      ring = this.#ring
    }
  }

  *#send(ring: Incarnation, message: number): Steps<boolean> {
    const { writer } = ring
    if (message === this.#script.abortsBefore) {
      const position = yield* writer.claim(TYPE_BASE - 1, 16)
      if (position === FULL) return false
      yield* writeWord(ring.memory, position, 0xdead)
      writer.abort()
    }
    const length = this.#script.lengths[message]!
    const position = yield* writer.claim(TYPE_BASE + message, length)
    if (position === FULL) return false
    const isPublishedEarly = this.#script.flaw === 'tail stored before the payload is written'
    if (isPublishedEarly) yield* this.#publish(ring)
    for (let at = 0; at < length; at += 4) yield* writeWord(ring.memory, position + at, wordOf(message, at))
    if (!isPublishedEarly) yield* this.#publish(ring)
    return true
  }

  *#publish(ring: Incarnation): Steps {
    const steps = ring.writer.publish()
    const operation = steps.next()
    if (operation.done === true) throw new Error('publish() makes one access')
    // The outside's count moves in the same step as the tail.
    const value = yield {
      ...operation.value,
      perform: () => {
        ring.publishedCount += 1
        return operation.value.perform()
      },
    }
    steps.next(value)
  }

  *#readerThread(first: Incarnation): Steps {
    let ring = first
    for (;;) {
      const handled = ring
      const handler = (type: number, position: number, length: number, live: string): Steps<boolean> =>
        this.#handle(handled, type, position, length, live)
      const frameCount = yield* ring.reader.poll(handler, this.#script.frameCountMax)
      if (frameCount > 0) continue
      const isOver = yield {
        at: 'reader finds the ring empty',
        isReady: () => ring.memory.tail !== ring.reader.head || this.#isWriterDead || this.#writer.isFinished,
        perform: () => {
          if (ring.memory.tail !== ring.reader.head) return 0
          require(ring.handledCount === ring.publishedCount, 'an empty ring has nothing published left')
          if (!this.#isWriterDead) return 1
          this.#startAgain()
          return 0
        },
      }
      if (isOver === 1) return
      ring = this.#ring
    }
  }

  *#handle(ring: Incarnation, type: number, position: number, length: number, live: string): Steps<boolean> {
    const message = ring.messageFirst + ring.handledCount
    require(ring.handledCount < ring.publishedCount, 'only published frames are handed out')
    require(type === TYPE_BASE + message && length === this.#script.lengths[message], 'frames come whole and in order')
    for (let at = 0; at < length; at += 4) {
      const word = yield* readWord(ring.memory, position + at, live)
      require(word === wordOf(message, at), 'payload is the published one')
    }
    ring.handledCount += 1
    return message === this.#script.throwsAt
  }
}

/** Bytes of the ring that one message takes, for sizing scripts. */
export function frameBytesOf(length: number): number {
  return alignFrame(FRAME_HEADER_BYTES + length)
}
