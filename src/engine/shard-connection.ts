/**
 * ShardConnection: the client's end of the rings to one shard, through all incarnations of that shard. @hot
 *
 * Invariant: at most requestsMax requests are unanswered, so that the request ring always has room for all
 * of them at once (a reconnect publishes them again) and the reply ring for all their replies.
 *
 * Waking a sleeping thread costs a system call and an interrupt to another core, 5 to 20 us, as much as filling a small
 * batch. So the doorbell is rung for every fourth frame and at the end of the turn, whichever comes first. A thread
 * that publishes and then computes on without end leaves at most three frames to the shard's own look every 100 ms.
 */
import { assert } from '../base/assert.ts'
import type { Acks, BatchListener, BatchMemory } from '../protocol/transport.ts'
import { Doorbell } from '../ring/doorbell.ts'
import { Interest } from '../ring/interest.ts'
import { FULL, RingReader, RingWriter } from '../ring/spsc.ts'
import { Watermarks } from '../ring/watermarks.ts'
import { APPENDED, PRODUCE, PRODUCE_BYTES, type ShardLink } from '../workers/messages.ts'

/** Below the five batches that a single lane may have under way. */
const PUBLISHES_PER_RING = 4

export interface Outstanding {
  readonly shardIndex: number
  readonly topic: string
  readonly partition: number
  readonly slot: number
  readonly memory: BatchMemory
  readonly lengthBytes: number
  readonly acks: Acks
  readonly listener: BatchListener
}

export type ReplyHandler = (
  request: Outstanding,
  errorCode: number,
  baseOffset: number,
  timestamp: number,
  generation: number,
) => void

export class ShardConnection {
  watermarks: Watermarks
  interest: Interest
  #requests: RingWriter
  #replies: RingReader
  #bell: Doorbell
  /** In the order in which they were published first. */
  readonly #outstanding = new Map<number, Outstanding>()
  /** Behind those, oldest first: as many as the arena has batches. */
  #unsent: Outstanding[] = []
  #nextRequestId = 1
  #isPolling = false
  /** Frames published since the doorbell was last rung, and whether the end of this turn will ring it. */
  #unrung = 0
  #isRingDue = false
  readonly #requestsMax: number
  readonly #repliesPerPoll: number
  readonly #onReply: ReplyHandler
  readonly #onFrame = (type: number, position: number): void => {
    assert(type === APPENDED, 'reply rings carry APPENDED frames')
    const view = this.#replies.view
    const requestId = view.getUint32(position, true)
    const request = this.#outstanding.get(requestId)
    assert(request !== undefined, 'a shard answers what was asked, once')
    this.#outstanding.delete(requestId)
    const errorCode = view.getInt32(position + 4, true)
    const baseOffset = view.getFloat64(position + 8, true)
    const timestamp = view.getFloat64(position + 16, true)
    this.#onReply(request, errorCode, baseOffset, timestamp, view.getInt32(position + 32, true))
  }

  constructor(link: ShardLink, onReply: ReplyHandler) {
    this.#onReply = onReply
    this.#requestsMax = link.requestsMax
    this.#repliesPerPoll = Math.ceil(link.requestsMax / 2)
    this.watermarks = new Watermarks(link.watermarks)
    this.interest = new Interest(link.interest)
    this.#requests = new RingWriter(link.requestRing)
    this.#replies = new RingReader(link.replyRing)
    this.#bell = new Doorbell(link.shardDoorbell)
  }

  /** A new incarnation: replies of the old one that are there are taken, the rest is asked again. */
  reconnect(link: ShardLink): void {
    this.poll()
    this.watermarks = new Watermarks(link.watermarks)
    this.interest = new Interest(link.interest)
    this.#requests = new RingWriter(link.requestRing)
    this.#replies = new RingReader(link.replyRing)
    this.#bell = new Doorbell(link.shardDoorbell)
    for (const [requestId, request] of this.#outstanding) this.#publish(requestId, request)
    this.#ring()
  }

  /** Requests without an answer. */
  get waitingCount(): number {
    return this.#outstanding.size + this.#unsent.length
  }

  send(request: Outstanding): void {
    if (this.#outstanding.size >= this.#requestsMax || this.#unsent.length > 0) this.#unsent.push(request)
    else this.#send(request)
  }

  #send(request: Outstanding): void {
    const requestId = this.#nextRequestId
    this.#nextRequestId = (requestId + 1) >>> 0
    this.#outstanding.set(requestId, request)
    this.#publish(requestId, request)
    this.#unrung += 1
    if (this.#unrung === PUBLISHES_PER_RING) this.#ring()
    else if (!this.#isRingDue) {
      this.#isRingDue = true
      queueMicrotask(this.#onTurnEnd)
    }
  }

  #ring(): void {
    this.#unrung = 0
    this.#bell.ring()
  }

  readonly #onTurnEnd = (): void => {
    this.#isRingDue = false
    if (this.#unrung > 0) this.#ring()
  }

  #publish(requestId: number, request: Outstanding): void {
    const position = this.#requests.claim(PRODUCE, PRODUCE_BYTES)
    assert(position !== FULL, 'the request ring has room for every outstanding request')
    const view = this.#requests.view
    view.setUint32(position, requestId, true)
    view.setUint32(position + 4, request.slot, true)
    view.setUint32(position + 8, request.memory.start, true)
    view.setUint32(position + 12, request.lengthBytes, true)
    view.setInt32(position + 16, request.acks, true)
    this.#requests.publish()
  }

  hasReplies(): boolean {
    return this.#replies.hasFrames()
  }

  /** Takes in all replies; does nothing when it is called by somebody who is being told of one. */
  poll(): void {
    if (this.#isPolling) return
    this.#isPolling = true
    try {
      // In pieces: what is answered meanwhile needs room in the ring beside the replies of this poll.
      while (this.#replies.poll(this.#onFrame, this.#repliesPerPoll) === this.#repliesPerPoll);
    } finally {
      this.#isPolling = false
    }
    if (this.#unsent.length > 0) this.#sendMore()
  }

  #sendMore(): void {
    const count = Math.min(this.#unsent.length, this.#requestsMax - this.#outstanding.size)
    for (const request of this.#unsent.splice(0, count)) this.#send(request)
  }

  /** Gives up every request that was not answered; returns them. */
  drain(): Outstanding[] {
    const requests = [...this.#outstanding.values(), ...this.#unsent]
    this.#outstanding.clear()
    this.#unsent = []
    return requests
  }
}
