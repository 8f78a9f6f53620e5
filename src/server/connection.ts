/**
 * Connection: one client's connection: frames in, answers out, in order. Owned by its net thread. @hot
 *
 * A request begins when the one before is answered, as in Kafka, with one exception: produce requests that follow each
 * other are all handed to the log as they come, up to PIPELINE_MAX, so that a client with five in flight does not wait
 * five times for the disk. Whatever cannot begin yet stays unread: one frame at most is held, and then the socket is
 * left alone, so a client that sends faster than it is served is slowed down by TCP.
 *
 * An answer is written when the one before has gone to the kernel, but for a little (UNSENT_MAX): a client that does
 * not read has one answer here, not many.
 */
import { assert } from '../base/assert.ts'
import { VltavaError } from '../base/errors.ts'
import type { NetConnection, NetEvents } from '../base/env/net.ts'
import { type Api } from '../protocol/wire/api.ts'
import { apiOf } from '../protocol/messages/apis.ts'
import { readRequestHeader, writeResponseHeader } from '../protocol/wire/headers.ts'
import { WireFormatError } from '../protocol/wire/wire-error.ts'
import { WireReader } from '../protocol/wire/wire-reader.ts'
import { type WirePiece, WireWriter } from '../protocol/wire/wire-writer.ts'
import { Call, NO_RESPONSE, type Peer, type ServerCore } from './call.ts'
import { ConnectionFault } from './connection-fault.ts'
import { type FileRange, guessProtocol, releaseRanges } from './answer-pieces.ts'
import { UNKNOWN_SERVER_ERROR } from './error-codes.ts'
import { type Frame, type FrameJudge, type FrameMemory, FrameReader } from './frame-reader.ts'
import type { BrokerIdentity } from './handler.ts'
import type { RequestMemory } from './request-memory.ts'

export const PRODUCE_KEY = 0

/** Produce requests of one connection that are with the log at a time. */
const PIPELINE_MAX = 64
/** Arrived and not looked at: above, the socket is not read. */
const UNREAD_MAX = 256 << 10
/** Not with the kernel yet: above, no further answer is written. */
const UNSENT_MAX = 64 << 10
/** Key, version and correlation id. */
const FRAME_BYTES_MIN = 8

/** What the server does for its connections. */
export interface ConnectionHost {
  readonly core: ServerCore
  readonly memory: RequestMemory
  /** Whether the request may come in at all; throws ConnectionFault. */
  admit(apiKey: number, apiVersion: number): void
  /** The answer of the API, NO_RESPONSE, or a promise of one. */
  serve(api: Api, request: unknown, call: Call): unknown
  /** A response is about to be encoded: fills in its throttle time, and returns it: the connection is mute so long. */
  throttle(api: Api, response: unknown, call: Call, requestBytes: number): number
  /** An answer was encoded. */
  answered(api: Api, call: Call, requestBytes: number, responseBytes: number, startedMs: number): void
  closed(connection: Connection, reason: string, isFault: boolean): void
  after(delayMs: number, callback: () => void): { cancel(): void }
  defect(api: Api, apiVersion: number, error: unknown): void
}

interface Answer {
  readonly api: Api
  readonly apiVersion: number
  readonly correlationId: number
  readonly call: Call
  readonly requestBytes: number
  readonly startedMs: number
  /** In order; undefined until the handler is done. */
  pieces: WirePiece<FileRange>[] | undefined
  muteMs: number
}

export class Connection implements NetEvents, FrameJudge, Peer {
  readonly broker: BrokerIdentity
  readonly host: string
  readonly remote: string
  readonly remoteAddress: string
  /** Of the last byte in either direction. */
  activeMs: number
  readonly #net: NetConnection
  readonly #server: ConnectionHost
  readonly #frames: FrameReader
  #held: Frame | undefined
  readonly #answers: Answer[] = []
  #stopWaiting: (() => void) | undefined
  #isPaused = false
  #isSending = false
  #isAdvancing = false
  #isClosed = false
  #isEnding = false
  #muteTimer: { cancel(): void } | undefined
  #aborter: AbortController | undefined
  readonly #closeListeners = new Set<() => void>()
  #requestCount = 0

  constructor(net: NetConnection, server: ConnectionHost, broker: BrokerIdentity, nowMs: number) {
    this.#net = net
    this.#server = server
    this.broker = broker
    this.remoteAddress = net.remoteAddress
    this.host = `/${net.remoteAddress}`
    this.remote = `${net.remoteAddress}:${net.remotePort}`
    this.activeMs = nowMs
    this.#frames = new FrameReader(this)
    net.start(this)
  }

  /** Of the whole connection: aborted when it closes. */
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController()
    if (this.#isClosed) this.#aborter.abort()
    return this.#aborter.signal
  }

  onClosed(listener: () => void): () => void {
    this.#closeListeners.add(listener)
    return () => void this.#closeListeners.delete(listener)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Requests that are not answered. */
  get pendingCount(): number {
    return this.#answers.length + (this.#held === undefined ? 0 : 1)
  }

  /** What happens next is the client's to do: nothing is asked, or an answer is not taken. */
  get isClientsTurn(): boolean {
    if (this.#stopWaiting !== undefined) return false
    return this.pendingCount === 0 || this.#isSending || this.#net.unsentBytes > 0
  }

  /** In the middle of a request, whose memory it holds. */
  get isPartial(): boolean {
    return this.#frames.isFilling
  }

  onData(chunk: Uint8Array): void {
    if (this.#isClosed) return
    this.activeMs = this.#server.core.clock.monotonicMs()
    try {
      this.#frames.push(chunk)
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error
      this.#fault(error.message)
      return
    }
    this.#advance()
  }

  onDrain(): void {
    this.activeMs = this.#server.core.clock.monotonicMs()
    this.#flush()
    this.#advance()
  }

  onClose(error: Error | undefined): void {
    this.#close(error === undefined ? 'closed by the client' : error.message, false)
  }

  /** Throws ConnectionFault. */
  admitLength(sizeBytes: number): void {
    if (sizeBytes < FRAME_BYTES_MIN) throw new ConnectionFault(`frame of sizeBytes=${sizeBytes} holds no request`)
    const limitBytes = this.#server.core.settings.number('socket.request.max.bytes')
    if (sizeBytes > limitBytes) {
      const guess = this.#requestCount === 0 ? guessProtocol(sizeBytes) : ''
      throw new ConnectionFault(
        `frame of sizeBytes=${sizeBytes} is over socket.request.max.bytes=${limitBytes}${guess}`,
      )
    }
  }

  /** Throws ConnectionFault. */
  admit(apiKey: number, apiVersion: number): void {
    this.#server.admit(apiKey, apiVersion)
  }

  take(
    sizeBytes: number,
    apiKey: number,
    inPlace: { chunk: Uint8Array; start: number } | undefined,
  ): FrameMemory | undefined {
    const { memory } = this.#server
    return apiKey === PRODUCE_KEY ? memory.takeArena(sizeBytes) : memory.takeHeap(sizeBytes, inPlace)
  }

  /** Begins as many requests as may begin. */
  #advance(): void {
    if (this.#isAdvancing) return
    this.#isAdvancing = true
    try {
      while (!this.#isClosed && !this.#isEnding && this.#stopWaiting === undefined) {
        const frame = this.#held ?? this.#frames.next()
        if (frame === undefined) break
        if (frame === 'wait') {
          this.#stopWaiting = this.#server.memory.wait(() => {
            this.#stopWaiting = undefined
            this.#advance()
          })
          break
        }
        this.#held = frame
        if (!this.#mayBegin(frame)) break
        this.#held = undefined
        this.#begin(frame)
      }
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error
      this.#fault(error.message)
    } finally {
      this.#isAdvancing = false
    }
    this.#readOrNot()
  }

  #readOrNot(): void {
    if (this.#isClosed) return
    const isFull =
      this.#frames.bufferedBytes > UNREAD_MAX && (this.#held !== undefined || this.#stopWaiting !== undefined)
    if (isFull === this.#isPaused) return
    this.#isPaused = isFull
    if (isFull) this.#net.pause()
    else this.#net.resume()
  }

  #mayBegin(frame: Frame): boolean {
    if (this.#muteTimer !== undefined) return false
    const last = this.#answers.at(-1)
    if (last === undefined) return this.#net.unsentBytes <= UNSENT_MAX
    if (last.api.key !== PRODUCE_KEY || this.#answers.length >= PIPELINE_MAX || last.call.holdsNext) return false
    const apiKey = (frame.bytes[frame.start]! << 8) | frame.bytes[frame.start + 1]!
    return apiKey === PRODUCE_KEY
  }

  #begin(frame: Frame): void {
    this.#requestCount += 1
    const startedMs = this.#server.core.clock.monotonicMs()
    const reader = new WireReader(frame.bytes, frame.start, frame.end)
    const apiKey = reader.view.getInt16(frame.start)
    const apiVersion = reader.view.getInt16(frame.start + 2)
    const api = apiOf(apiKey)
    assert(api !== undefined, 'a request that was admitted has an API')
    const isKnown = api.has(apiVersion)
    let answer: Answer
    let request: unknown
    try {
      if (isKnown) {
        const { correlationId, clientId } = readRequestHeader(reader, api, apiVersion)
        const call = new Call(this.#server.core, this, apiKey, apiVersion, clientId ?? '', frame.memory)
        request = api.request.read(reader, apiVersion)
        answer = newAnswer(api, apiVersion, correlationId, call, frame, startedMs)
      } else {
        // ApiVersions in a version that is not known here, nor its layout, is answered in version 0 (KIP-511).
        const correlationId = reader.view.getInt32(frame.start + 4)
        const call = new Call(this.#server.core, this, apiKey, apiVersion, '', frame.memory)
        answer = newAnswer(api, 0, correlationId, call, frame, startedMs)
      }
    } catch (error) {
      frame.memory.release()
      if (!(error instanceof WireFormatError)) throw error
      throw new ConnectionFault(`${api.name} request version=${apiVersion}: ${error.message}`)
    }
    this.#answers.push(answer)
    let outcome: unknown
    try {
      outcome = this.#server.serve(api, request, answer.call)
      answer.call.busyMs = this.#server.core.clock.monotonicMs() - startedMs
    } catch (error) {
      this.#failed(answer, error)
      return
    }
    if (outcome instanceof Promise) {
      outcome.then(
        (response: unknown) => this.#respond(answer, response),
        (error: unknown) => this.#failed(answer, error),
      )
      return
    }
    this.#respond(answer, outcome)
  }

  /** The handler is done: what it read the request from may go. */
  #respond(answer: Answer, response: unknown): void {
    answer.call.releaseFrame()
    if (this.#isClosed) {
      releaseRanges(response)
      return
    }
    try {
      this.#encode(answer, response)
    } catch (error) {
      this.#defect(answer, error)
      return
    }
    this.#flush()
    this.#advance()
  }

  #encode(answer: Answer, response: unknown): void {
    const { api, apiVersion, call, requestBytes, startedMs } = answer
    if (response === NO_RESPONSE) {
      answer.muteMs = this.#server.throttle(api, undefined, call, requestBytes)
      answer.pieces = []
      this.#server.answered(api, call, requestBytes, 0, startedMs)
      return
    }
    answer.muteMs = this.#server.throttle(api, response, call, requestBytes)
    const writer = new WireWriter()
    const length = writer.claim(4)
    writeResponseHeader(writer, api, apiVersion, answer.correlationId)
    api.response.write(writer, apiVersion, response as never)
    writer.patchInt32(length, writer.sizeBytes - 4)
    answer.pieces = writer.pieces() as WirePiece<FileRange>[]
    this.#server.answered(api, call, requestBytes, writer.sizeBytes, startedMs)
  }

  #failed(answer: Answer, error: unknown): void {
    answer.call.releaseFrame()
    if (this.#isClosed && error === this.#aborter?.signal.reason) return // It was told to stop.
    if (error instanceof ConnectionFault) this.#fault(error.message)
    else if (error instanceof VltavaError && error.code === 'LOG_CLOSED') this.destroy(error.message)
    else this.#defect(answer, error)
  }

  /** Our fault, not the client's: told by an error code where the answer has one, else by the end of the connection. */
  #defect(answer: Answer, error: unknown): void {
    this.#server.defect(answer.api, answer.apiVersion, error)
    if (this.#isClosed) return
    if (!answer.api.hasErrorCode || answer.pieces !== undefined) {
      this.#fault(`${answer.api.name} failed in the broker`)
      return
    }
    this.#encode(answer, { errorCode: UNKNOWN_SERVER_ERROR })
    this.#flush()
    this.#advance()
  }

  /** Writes answers that are ready, oldest first, as far as the kernel takes them. */
  #flush(): void {
    while (!this.#isClosed && !this.#isSending) {
      const answer = this.#answers[0]
      if (answer?.pieces === undefined) break
      const piece = answer.pieces.shift()
      if (piece === undefined) {
        this.#answers.shift()
        if (answer.muteMs > 0) this.#mute(answer.muteMs)
        continue
      }
      if (this.#net.unsentBytes > UNSENT_MAX) {
        answer.pieces.unshift(piece)
        break
      }
      if (piece instanceof Uint8Array) this.#net.write(piece, answer.pieces.length > 0)
      else this.#sendRange(piece)
    }
    if (this.#isEnding && this.#answers.length === 0 && !this.#isClosed) this.#net.end()
  }

  #sendRange(range: FileRange): void {
    this.#isSending = true
    this.#net.sendFile(range.file, range.position, range.sizeBytes, (error) => {
      range.release()
      this.#isSending = false
      if (this.#isClosed) return
      if (error !== undefined) {
        this.#fault(`an answer could not be sent: ${error.message}`)
        return
      }
      this.activeMs = this.#server.core.clock.monotonicMs()
      this.#flush()
      this.#advance()
    })
  }

  /** KIP-219: the answer has gone out, and the client is not read for as long as it was told to wait. */
  #mute(muteMs: number): void {
    this.#muteTimer?.cancel()
    this.#muteTimer = this.#server.after(muteMs, () => {
      this.#muteTimer = undefined
      this.#advance()
    })
  }

  /** Protocol errors end a connection, with a reason in the log. */
  #fault(reason: string): void {
    this.#close(reason, true)
    this.#net.destroy()
  }

  /** What is under way is answered, nothing more is read. */
  end(): void {
    if (this.#isClosed || this.#isEnding) return
    this.#isEnding = true
    this.#flush()
  }

  destroy(reason: string): void {
    if (this.#isClosed) return
    this.#close(reason, false)
    this.#net.destroy()
  }

  #close(reason: string, isFault: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopWaiting?.()
    this.#muteTimer?.cancel()
    this.#held?.memory.release()
    this.#held = undefined
    this.#frames.close()
    for (const { pieces, call } of this.#answers) {
      call.releaseFrame() // Its handler may still be at work, and has what it needs: bytes on the heap stay while used.
      for (const piece of pieces ?? []) if (!(piece instanceof Uint8Array)) piece.release()
    }
    this.#answers.length = 0
    this.#aborter?.abort()
    for (const listener of [...this.#closeListeners]) listener()
    this.#server.closed(this, reason, isFault)
  }
}

function newAnswer(
  api: Api,
  apiVersion: number,
  correlationId: number,
  call: Call,
  frame: Frame,
  startedMs: number,
): Answer {
  const requestBytes = frame.end - frame.start + 4
  return { api, apiVersion, correlationId, call, requestBytes, startedMs, pieces: undefined, muteMs: 0 }
}
