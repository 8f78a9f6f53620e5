/**
 * Connection: one TCP connection to a broker. Requests are pipelined; a broker answers them in their order.
 *
 * Life: dialling -> negotiating (ApiVersions, then whatever `authenticate` does) -> open -> closed. A connection that
 * failed is not used again: broker.ts makes the next one. Everything that was not answered then rejects, oldest first,
 * and whoever asked decides whether to ask again.
 *
 * A request that is not answered in time closes the connection: what comes after it could not be answered either.
 */
import { assert } from '../../base/assert.ts'
import type { Socket } from '../../base/env/dialer.ts'
import { VltavaError } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import { apiVersions } from '../../protocol/messages/18-api-versions.ts'
import { type Api, expectEnd } from '../../protocol/wire/api.ts'
import { readResponseHeader, writeRequestHeader } from '../../protocol/wire/headers.ts'
import type { Decoded, Encodable, Fields } from '../../protocol/wire/schema.ts'
import { WireFormatError } from '../../protocol/wire/wire-error.ts'
import { WireReader } from '../../protocol/wire/wire-reader.ts'
import { type ExternalBytes, WireWriter } from '../../protocol/wire/wire-writer.ts'
import type { Exchange } from './exchange.ts'
import { FrameAssembler } from './frames.ts'
import type { Address, ClusterEnv, ClusterSettings } from './settings.ts'

const LENGTH_BYTES = 4
/** Of connecting, TLS included. */
const SETUP_MS_MAX = 10_000
const SOFTWARE_NAME = 'vltava'
const SOFTWARE_VERSION = '0.1.0'
const UNSUPPORTED_VERSION = kafkaError('UNSUPPORTED_VERSION')

/** Bytes of a request that are not copied into it: they must stay as they are until it is answered. */
export interface BorrowedBytes extends ExternalBytes {
  readonly bytes: Uint8Array
}

/** An API of which only the answers matter. */
interface AnswerApi extends Pick<Api, 'key' | 'name' | 'isFlexible'> {
  readonly response: { read(reader: WireReader, version: number): unknown }
}

type ApiRange = Pick<Api, 'key' | 'name' | 'firstVersion' | 'lastVersion'>

interface InFlight {
  readonly correlationId: number
  readonly api: AnswerApi
  readonly version: number
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: VltavaError) => void
  readonly timer: { cancel(): void }
}

export class Connection {
  readonly address: Address
  /** Settles when requests can be sent, or never will be. */
  readonly ready: Promise<this>
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #onClosed: (error: VltavaError | undefined) => void
  readonly #socket: Socket
  readonly #frames: FrameAssembler
  readonly #inFlight: InFlight[] = []
  readonly #versions = new Map<number, readonly [min: number, max: number]>()
  #onOpen: () => void = () => undefined
  #nextCorrelationId = 0
  #error: VltavaError | undefined
  #usedAtMs: number
  #idleTimer: { cancel(): void } | undefined
  /** The broker asked for silence until then (KIP-219). */
  #throttledUntilMs = 0
  #held: (() => void)[] = []

  constructor(
    env: ClusterEnv,
    settings: ClusterSettings,
    address: Address,
    onClosed: (error: VltavaError | undefined) => void,
  ) {
    this.#env = env
    this.#settings = settings
    this.address = address
    this.#onClosed = onClosed
    this.#frames = new FrameAssembler(settings.maxResponseBytes)
    this.#usedAtMs = env.clock.monotonicMs()
    const open = new Promise<void>((resolve) => {
      this.#onOpen = resolve
    })
    const timer = env.timers.after(Math.min(SETUP_MS_MAX, settings.requestTimeoutMs), () =>
      this.close(this.#timedOut('connecting')),
    )
    this.#socket = env.dialer.dial(
      { ...address, tls: settings.tls },
      {
        onOpen: () => this.#onOpen(),
        onBytes: (bytes) => this.#take(bytes),
        onClose: (error) => this.close(this.#network(error?.message ?? 'the broker closed the connection')),
      },
    )
    this.ready = this.#open(open, timer)
    this.ready.catch(() => undefined) // Whoever waits for it hears of it.
  }

  get isClosed(): boolean {
    return this.#error !== undefined
  }

  get inFlightCount(): number {
    return this.#inFlight.length
  }

  async #open(open: Promise<void>, timer: { cancel(): void }): Promise<this> {
    await open
    timer.cancel()
    this.#assertOpen()
    try {
      await this.#negotiate()
      if (this.#settings.authenticate !== undefined) await this.#settings.authenticate(this.#exchange())
    } catch (error) {
      if (error instanceof VltavaError) this.close(error)
      throw error
    }
    this.#watchIdle()
    return this
  }

  #exchange(): Exchange {
    return { host: this.address.host, request: (api, message) => this.request(api, this.versionOf(api), message) }
  }

  /** Asks in the newest version; a broker that lacks it answers in version 0 and says what it has (KIP-511). */
  async #negotiate(): Promise<void> {
    const software = { clientSoftwareName: SOFTWARE_NAME, clientSoftwareVersion: SOFTWARE_VERSION }
    let answer = await this.request(apiVersions, apiVersions.lastVersion, software)
    if (answer.errorCode === UNSUPPORTED_VERSION) {
      const has = answer.apiKeys.find(({ apiKey }) => apiKey === apiVersions.key)?.maxVersion ?? 0
      answer = await this.request(apiVersions, Math.max(0, Math.min(has, apiVersions.lastVersion)), software)
    }
    if (answer.errorCode !== 0) {
      throw this.#network(`the broker refused ApiVersions with error code ${answer.errorCode}`)
    }
    for (const { apiKey, minVersion, maxVersion } of answer.apiKeys)
      this.#versions.set(apiKey, [minVersion, maxVersion])
  }

  /** Whether broker and client have a version in common that is `min` or later. */
  has(api: ApiRange, min = 0): boolean {
    const range = this.#versions.get(api.key)
    if (range === undefined) return false
    const version = Math.min(range[1], api.lastVersion)
    return version >= Math.max(range[0], api.firstVersion, min)
  }

  /** The newest version of both, at most `cap`. Throws VltavaError UNSUPPORTED_VERSION. */
  versionOf(api: ApiRange, cap = Number.POSITIVE_INFINITY): number {
    const [min, max] = this.#versions.get(api.key) ?? [0, -1]
    const version = Math.min(max, api.lastVersion, cap)
    if (version >= Math.max(min, api.firstVersion)) return version
    const has = max < 0 ? 'does not have it' : `has its versions ${min} to ${max}`
    const wanted = `${api.firstVersion} to ${Math.min(api.lastVersion, cap)}`
    const message = `${this.#where()} ${has}, this client speaks ${api.name} ${wanted}`
    throw new VltavaError('UNSUPPORTED_VERSION', message)
  }

  /**
   * Sends a request and resolves with its answer. Rejects with VltavaError NETWORK_EXCEPTION, REQUEST_TIMED_OUT,
   * INVALID_REQUEST (what cannot be said in that version).
   */
  async request<Q extends Fields, R extends Fields>(
    api: Api<Q, R>,
    version: number,
    message: Encodable<Decoded<Q>>,
    timeoutMs: number = this.#settings.requestTimeoutMs,
  ): Promise<Decoded<R>> {
    this.#assertOpen()
    const correlationId = this.#correlate()
    const pieces = this.#encode(api, version, correlationId, message)
    const answer = await new Promise<unknown>((resolve, reject) => {
      this.#whenAllowed(() => {
        const timer = this.#env.timers.after(timeoutMs, () => this.close(this.#timedOut(api.name)))
        this.#inFlight.push({ correlationId, api, version, resolve, reject, timer })
        this.#socket.send(pieces)
      }, reject)
    })
    return answer as Decoded<R>
  }

  /** Sends a request that has no answer; `onSent` is called when its bytes have gone. */
  post<Q extends Fields, R extends Fields>(
    api: Api<Q, R>,
    version: number,
    message: Encodable<Decoded<Q>>,
    onSent: () => void,
    onFailed: (error: VltavaError) => void,
  ): void {
    this.#assertOpen()
    const pieces = this.#encode(api, version, this.#correlate(), message)
    this.#whenAllowed(() => this.#socket.send(pieces, onSent), onFailed)
  }

  #correlate(): number {
    const correlationId = this.#nextCorrelationId
    this.#nextCorrelationId = (correlationId + 1) & 0x7fff_ffff
    return correlationId
  }

  #encode<Q extends Fields, R extends Fields>(
    api: Api<Q, R>,
    apiVersion: number,
    correlationId: number,
    message: Encodable<Decoded<Q>>,
  ): Uint8Array[] {
    const writer = new WireWriter()
    writer.claim(LENGTH_BYTES)
    const header = { apiKey: api.key, apiVersion, correlationId, clientId: this.#settings.clientId }
    writeRequestHeader(writer, api, header)
    api.request.write(writer, apiVersion, message)
    writer.patchInt32(0, writer.sizeBytes - LENGTH_BYTES)
    return writer.pieces().map((piece) => (piece instanceof Uint8Array ? piece : (piece as BorrowedBytes).bytes))
  }

  /** Now, or when the broker's request for silence is over. */
  #whenAllowed(send: () => void, onFailed: (error: VltavaError) => void): void {
    this.#usedAtMs = this.#env.clock.monotonicMs()
    const waitMs = this.#throttledUntilMs - this.#usedAtMs
    if (waitMs <= 0 && this.#held.length === 0) return send()
    this.#held.push(() => (this.#error === undefined ? send() : onFailed(this.#error)))
    if (this.#held.length === 1) this.#env.timers.after(Math.max(0, waitMs), () => this.#sendHeld())
  }

  #sendHeld(): void {
    const held = this.#held
    this.#held = []
    for (const send of held) send()
  }

  #take(bytes: Uint8Array): void {
    if (this.#error !== undefined) return
    try {
      this.#frames.push(bytes, (frame) => this.#answer(frame))
    } catch (error) {
      if (!(error instanceof WireFormatError)) throw error
      this.close(this.#network(`the broker's answer makes no sense: ${error.message}`))
    }
  }

  #answer(frame: Uint8Array): void {
    const entry = this.#inFlight.shift()
    if (entry === undefined) throw new WireFormatError('an answer to which there was no request')
    entry.timer.cancel()
    this.#usedAtMs = this.#env.clock.monotonicMs()
    let answer
    try {
      answer = decode(entry, frame)
    } catch (error) {
      this.#inFlight.unshift(entry) // It fails with the others.
      throw error
    }
    const throttleMs = throttleTimeOf(answer)
    if (throttleMs > 0) this.#throttledUntilMs = this.#usedAtMs + Math.min(throttleMs, this.#settings.requestTimeoutMs)
    entry.resolve(answer)
  }

  #watchIdle(): void {
    const idleMs = this.#settings.connectionsMaxIdleMs
    const leftMs = this.#usedAtMs + idleMs - this.#env.clock.monotonicMs()
    const isIdle = this.#inFlight.length === 0 && this.#held.length === 0
    if (leftMs <= 0 && isIdle) return this.close(new VltavaError('NETWORK_EXCEPTION', 'idle'), true)
    this.#idleTimer = this.#env.timers.after(leftMs <= 0 ? idleMs : leftMs, () => this.#watchIdle())
  }

  /** Ends it; what was not answered rejects with `error`. `isQuiet`: nothing is wrong with the broker. */
  close(error: VltavaError, isQuiet = false): void {
    if (this.#error !== undefined) return
    this.#error = error
    this.#socket.close()
    this.#idleTimer?.cancel()
    const pending = this.#inFlight.splice(0)
    for (const { timer } of pending) timer.cancel()
    this.#onOpen()
    this.#onClosed(isQuiet ? undefined : error)
    for (const { reject } of pending) reject(error)
    this.#sendHeld()
  }

  #assertOpen(): void {
    if (this.#error !== undefined) throw this.#error
  }

  #where(): string {
    return `${this.address.host}:${this.address.port}`
  }

  #network(why: string): VltavaError {
    return new VltavaError('NETWORK_EXCEPTION', `connection to ${this.#where()}: ${why}`)
  }

  #timedOut(what: string): VltavaError {
    const message = `${what}: ${this.#where()} did not answer within ${this.#settings.requestTimeoutMs} ms`
    return new VltavaError('REQUEST_TIMED_OUT', message)
  }
}

/** Throws WireFormatError. */
function decode({ api, version, correlationId }: InFlight, frame: Uint8Array): unknown {
  const reader = new WireReader(frame)
  const id = readResponseHeader(reader, api, version)
  if (id !== correlationId) throw new WireFormatError(`an answer to request ${id}, where ${correlationId} is due`)
  const inVersion = isOldApiVersions(api, reader) ? 0 : version
  const answer = api.response.read(reader, inVersion)
  expectEnd(reader, `the answer to ${api.name} version ${version}`)
  return answer
}

/** A broker that lacks the version of ApiVersions answers in version 0; the error comes first in all of them. */
function isOldApiVersions(api: AnswerApi, reader: WireReader): boolean {
  if (api.key !== apiVersions.key) return false
  const { position } = reader
  const errorCode = reader.int16()
  reader.position = position
  return errorCode === UNSUPPORTED_VERSION
}

function throttleTimeOf(answer: unknown): number {
  assert(typeof answer === 'object' && answer !== null, 'an answer is a struct')
  const throttleMs = (answer as { throttleTimeMs?: unknown }).throttleTimeMs
  return typeof throttleMs === 'number' ? throttleMs : 0
}
