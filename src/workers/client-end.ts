/**
 * ClientEnd: one client thread's shared memory as its shard holds it. Owned by the shard's thread.
 */
import { assert } from '../base/assert.ts'
import { RecordBatchView } from '../record/batch-view.ts'
import { arenaBytes } from '../ring/arena.ts'
import { Doorbell } from '../ring/doorbell.ts'
import { Interest } from '../ring/interest.ts'
import { FULL, RingReader, RingWriter } from '../ring/spsc.ts'
import { APPENDED, APPENDED_BYTES, type ClientLink } from './messages.ts'

export class ClientEnd {
  readonly clientId: string
  readonly requests: RingReader
  readonly doorbell: Doorbell
  readonly interest: Interest
  /** A view over the client's arena, moved from batch to batch. */
  readonly batch: RecordBatchView
  /** Replies were published since the doorbell was last rung. */
  hasReplied = false
  readonly #replies: RingWriter

  constructor(link: ClientLink) {
    this.clientId = link.clientId
    this.requests = new RingReader(link.requestRing)
    this.#replies = new RingWriter(link.replyRing)
    this.doorbell = new Doorbell(link.doorbell)
    this.interest = new Interest(link.interest)
    this.batch = new RecordBatchView(arenaBytes(link.arena))
  }

  refuse(requestId: number, errorCode: number, logStartOffset: number): void {
    this.#reply(requestId, errorCode, -1, -1, logStartOffset, 0)
  }

  appended(requestId: number, baseOffset: number, timestamp: number, logStartOffset: number, generation: number): void {
    this.#reply(requestId, 0, baseOffset, timestamp, logStartOffset, generation)
  }

  /** `errorCode` is Kafka's, 0 for success. */
  #reply(
    requestId: number,
    errorCode: number,
    baseOffset: number,
    timestamp: number,
    logStartOffset: number,
    generation: number,
  ): void {
    const position = this.#replies.claim(APPENDED, APPENDED_BYTES)
    assert(position !== FULL, 'a client has no more requests under way than fit the reply ring')
    const view = this.#replies.view
    view.setUint32(position, requestId, true)
    view.setInt32(position + 4, errorCode, true)
    view.setFloat64(position + 8, baseOffset, true)
    view.setFloat64(position + 16, timestamp, true)
    view.setFloat64(position + 24, logStartOffset, true)
    view.setInt32(position + 32, generation, true)
    this.#replies.publish()
    this.hasReplied = true
  }
}

export function openClientEnd(link: ClientLink): ClientEnd {
  return new ClientEnd(link)
}
