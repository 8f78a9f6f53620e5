/**
 * RemotePartitionReader: reads a partition from what was fetched ahead of it. Owned by the consumer's thread. @hot
 *
 * The fetcher fills it in the background, up to a bound; poll() hands out what is there and never waits. A seek inside
 * the batches that were handed out last goes back in memory; any other empties the buffer.
 *
 * Invariant: nextOffset <= fetchOffset; between them lie the batches in `#chunks`.
 */
import { DamagedLogError, type VltavaError } from '../../base/errors.ts'
import type { FetchedBatches, PartitionEnds, PartitionReader } from '../../protocol/transport.ts'
import type { ChunkPlace, FetchedChunk } from './fetched-chunk.ts'
import type { KnownEnds } from './known-ends.ts'

/** Who fills readers. */
export interface ReaderHost {
  readonly ends: KnownEnds
  /** The reader has room again, or wants another place. */
  wanted(): void
  closed(reader: RemotePartitionReader): void
}

interface HandedOut {
  readonly chunk: FetchedChunk
  readonly place: ChunkPlace
  readonly offset: number
}

export class RemotePartitionReader implements PartitionReader {
  readonly topic: string
  /** Of the topic when the reader was made. */
  readonly topicId: string
  readonly partition: number
  nextOffset: number
  /** Where the next fetch begins. */
  fetchOffset: number
  /** Raised by each seek: an answer to an earlier question is not for it any more. */
  seekCount = 0
  /** Leader epoch of the last batch that was fetched; -1: none since the last seek. */
  lastEpoch = -1
  /** The leader's epoch when the position was last known to be in its log. */
  validEpoch = -1
  /** Nothing is fetched before. */
  notBeforeMs = 0
  failureCount = 0
  /** The fetcher looks into what is wrong. */
  isInQuestion = false
  /** The last answer had no whole batch: the next one is asked for alone. */
  isStarved = false
  isClosed = false
  readonly #host: ReaderHost
  readonly #chunks: FetchedChunk[] = []
  #bufferedBytes = 0
  #failure: VltavaError | undefined
  #handedOut: HandedOut | undefined

  constructor(host: ReaderHost, topic: string, topicId: string, partition: number, offset: number) {
    this.#host = host
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
    this.nextOffset = offset
    this.fetchOffset = offset
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** Nothing more is fetched until a seek. */
  get hasFailed(): boolean {
    return this.#failure !== undefined || this.#chunks.at(-1)?.fault !== undefined
  }

  ends(): PartitionEnds {
    return this.#host.ends.of(this.topic, this.partition)
  }

  hasNews(): boolean {
    return this.#chunks.length > 0 || this.#failure !== undefined
  }

  /** What a fetch from fetchOffset brought. */
  take(chunk: FetchedChunk): void {
    this.isStarved = chunk.endOffset < 0 && chunk.bytes.length > 0 && chunk.fault === undefined
    if (chunk.endOffset < 0 && chunk.fault === undefined) return
    this.#chunks.push(chunk)
    this.#bufferedBytes += chunk.leftBytes
    if (chunk.endOffset < 0) return
    this.fetchOffset = Math.max(this.fetchOffset, chunk.endOffset)
    this.lastEpoch = chunk.leaderEpoch
  }

  /** Told to the program when it has read what is there. */
  fail(error: VltavaError): void {
    this.#failure = error
  }

  /** The log ends earlier than this reader is: what was fetched behind `endOffset` is not in it any more. */
  cutBack(endOffset: number): void {
    this.#empty()
    this.seekCount += 1
    this.isInQuestion = false
    this.fetchOffset = this.nextOffset
    if (this.nextOffset > endOffset) this.lastEpoch = -1
  }

  seek(offset: number): void {
    const handedOut = this.#handedOut
    const isNear = handedOut !== undefined && offset >= handedOut.offset && offset <= this.nextOffset
    if (isNear && this.#failure === undefined) {
      this.#bufferedBytes -= this.#chunks[0] === handedOut.chunk ? handedOut.chunk.leftBytes : 0
      handedOut.chunk.goBack(handedOut.place)
      if (this.#chunks[0] !== handedOut.chunk) this.#chunks.unshift(handedOut.chunk)
      this.#bufferedBytes += handedOut.chunk.leftBytes
      this.nextOffset = offset
      return
    }
    this.#empty()
    this.#failure = undefined
    this.seekCount += 1
    this.nextOffset = offset
    this.fetchOffset = offset
    this.lastEpoch = -1
    this.notBeforeMs = 0
    this.isInQuestion = false
    this.isStarved = false
    this.#host.wanted()
  }

  #empty(): void {
    this.#chunks.length = 0
    this.#bufferedBytes = 0
    this.#handedOut = undefined
  }

  poll(maxBytes: number): FetchedBatches | undefined {
    this.#handedOut = undefined
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const leftBytes = chunk.leftBytes
      const offset = this.nextOffset
      const place = chunk.place()
      const positions = this.#collect(chunk, maxBytes)
      this.#bufferedBytes -= leftBytes - chunk.leftBytes
      if (positions.length === 0 && chunk.leftBytes === 0 && chunk.fault !== undefined) {
        throw this.#damage(chunk, chunk.fault, this.nextOffset + 1)
      }
      if (chunk.leftBytes === 0 && chunk.fault === undefined) this.#chunks.shift()
      if (positions.length === 0) continue
      this.#handedOut = { chunk, place, offset }
      this.#host.wanted()
      return { bytes: chunk.bytes, positions, highWatermark: chunk.highWatermark }
    }
    if (this.#failure !== undefined) throw this.#failure
    return undefined
  }

  /** Starts of the next batches, and the end of the last; empty if none was left that counts. */
  #collect(chunk: FetchedChunk, maxBytes: number): number[] {
    const positions: number[] = []
    let collectedBytes = 0
    let end = chunk.position
    for (let batch = chunk.peek(); batch !== undefined && collectedBytes < maxBytes; batch = chunk.peek()) {
      const fault = chunk.faultOfNext()
      if (fault !== undefined) {
        if (positions.length > 0) break
        throw this.#damage(chunk, fault, batch.lastOffset + 1)
      }
      // Whoever hands out goes back to the end of what it was given: what is passed over comes before that, not behind.
      const isAborted = chunk.isNextAborted()
      if (isAborted && positions.length > 0) break
      const { lastOffset, sizeBytes } = batch
      const start = chunk.position
      chunk.move()
      if (lastOffset < this.nextOffset) continue // A fetch begins with the batch that holds its offset.
      this.nextOffset = lastOffset + 1
      if (isAborted) continue
      positions.push(start)
      collectedBytes += sizeBytes
      end = chunk.position
    }
    if (positions.length > 0) positions.push(end)
    return positions
  }

  /** Fetched again when the program tries again: the damage may be of the way, not of the log. */
  #damage(chunk: FetchedChunk, fault: string, resumeOffset: number): DamagedLogError {
    const { topic, partition, nextOffset } = this
    const resume = Math.max(nextOffset + 1, resumeOffset)
    const where = 'as the broker sent it'
    const error = new DamagedLogError(topic, partition, nextOffset, resume, where, chunk.position, fault)
    this.#empty()
    this.seekCount += 1
    this.isInQuestion = false
    this.fetchOffset = nextOffset
    this.#host.wanted()
    return error
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#empty()
    this.#host.closed(this)
  }
}
