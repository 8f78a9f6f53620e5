/**
 * Flusher: the thread beside a shard that calls fdatasync, so that the shard goes on writing meanwhile.
 *
 * It is a worker of the dispatcher, beside its shard: a shard thread never turns its event loop and could not see it
 * die. Flusher is a plain class with a duty cycle, looped by flusher-thread.ts and stepped by the simulator;
 * FlusherPort is the shard's end. The shard owns the files and closes none whose sync is under way
 * (Segment.syncsInFlight).
 *
 * A failed fdatasync is reported once and never repeated: after it the kernel may have marked lost pages clean.
 */
import { assert } from '../base/assert.ts'
import type { Env } from '../base/env/env.ts'
import { errnoOf } from '../base/errors.ts'
import { Doorbell } from '../ring/doorbell.ts'
import { FULL, RingReader, RingWriter } from '../ring/spsc.ts'
import { ERRNO_BYTES_MAX, type FlusherStart, SYNC, SYNC_BYTES, SYNCED, SYNCED_BYTES } from './messages.ts'

const ANSWERS_PER_POLL = 4096

/** The flusher's own end. */
export class Flusher {
  readonly #env: Env
  readonly #reader: RingReader
  readonly #writer: RingWriter
  readonly #shardBell: Doorbell
  /** At most one order is taken at a time: its answer must have room. */
  #token = -1
  #fd = -1
  readonly #take = (type: number, position: number): void => {
    assert(type === SYNC, 'flusher gets SYNC frames')
    this.#token = this.#reader.view.getUint32(position, true)
    this.#fd = this.#reader.view.getInt32(position + 4, true)
  }

  constructor(env: Env, start: FlusherStart) {
    this.#env = env
    this.#reader = new RingReader(start.syncRing)
    this.#writer = new RingWriter(start.syncedRing)
    this.#shardBell = new Doorbell(start.shardDoorbell)
  }

  hasWork(): boolean {
    return this.#reader.hasFrames()
  }

  /** Syncs one file; false if there was nothing to do. */
  step(): boolean {
    if (this.#reader.poll(this.#take, 1) === 0) return false
    let errno = ''
    try {
      this.#env.failpoint('flush:before-sync')
      this.#env.fs.syncDescriptor(this.#fd)
      this.#env.failpoint('flush:after-sync')
    } catch (error) {
      errno = errnoOf(error)
      if (errno === '') throw error
    }
    const position = this.#writer.claim(SYNCED, SYNCED_BYTES)
    assert(position !== FULL, 'the ring of answers is as large as the ring of orders')
    const length = Math.min(errno.length, ERRNO_BYTES_MAX)
    this.#writer.view.setUint32(position, this.#token, true)
    this.#writer.view.setUint32(position + 4, length, true)
    for (let i = 0; i < length; i++) this.#writer.bytes[position + 8 + i] = errno.charCodeAt(i)
    this.#writer.publish()
    this.#shardBell.ring()
    return true
  }
}

/** One flusher as its shard sees it. */
class FlusherLane {
  unanswered = 0
  readonly #writer: RingWriter
  readonly #reader: RingReader
  readonly #bell: Doorbell

  constructor({ syncRing, syncedRing, flusherDoorbell }: FlusherStart) {
    this.#writer = new RingWriter(syncRing)
    this.#reader = new RingReader(syncedRing)
    this.#bell = new Doorbell(flusherDoorbell)
  }

  hasAnswers(): boolean {
    return this.#reader.hasFrames()
  }

  order(token: number, fd: number): void {
    const position = this.#writer.claim(SYNC, SYNC_BYTES)
    assert(position !== FULL, 'unanswered orders fit the ring')
    this.#writer.view.setUint32(position, token, true)
    this.#writer.view.setInt32(position + 4, fd, true)
    this.#writer.publish()
    this.unanswered += 1
    this.#bell.ring()
  }

  poll(onSynced: (token: number, errno: string) => void): number {
    return this.#reader.poll((type, position) => {
      assert(type === SYNCED, 'shard gets SYNCED frames')
      this.unanswered -= 1
      const length = this.#reader.view.getUint32(position + 4, true)
      let errno = ''
      for (let i = 0; i < length; i++) errno += String.fromCharCode(this.#reader.bytes[position + 8 + i]!)
      onSynced(this.#reader.view.getUint32(position, true), errno)
    }, ANSWERS_PER_POLL)
  }
}

/** The shard's end of all its flushers: orders go to the one with the least to do, answers come by token. */
export class FlusherPort {
  readonly #lanes: readonly FlusherLane[]
  /** The rings of orders hold twice as many: a round that begins below the limit fits. */
  readonly #ordersMax: number

  constructor(starts: readonly FlusherStart[]) {
    assert(starts.length > 0, 'a shard has a flusher')
    this.#lanes = starts.map((start) => new FlusherLane(start))
    this.#ordersMax = starts[0]!.ordersMax
  }

  hasAnswers(): boolean {
    for (const lane of this.#lanes) if (lane.hasAnswers()) return true
    return false
  }

  /** Files that one round may have. */
  get roundMax(): number {
    return this.#ordersMax
  }

  /** Whether one partition's files can be ordered now. */
  get hasRoom(): boolean {
    return this.#idlest().unanswered < this.#ordersMax
  }

  /** Asks for a sync of an open file; the caller keeps it open until the answer. */
  order(token: number, fd: number): void {
    this.#idlest().order(token, fd)
  }

  /** Hands every answer to `onSynced`; `errno` is '' for success. Returns how many. */
  poll(onSynced: (token: number, errno: string) => void): number {
    let count = 0
    for (const lane of this.#lanes) count += lane.poll(onSynced)
    return count
  }

  #idlest(): FlusherLane {
    let idlest = this.#lanes[0]!
    for (const lane of this.#lanes) if (lane.unanswered < idlest.unanswered) idlest = lane
    return idlest
  }
}
