/**
 * Requests and answers between a client thread and the dispatcher, whatever carries the messages: the dispatcher's
 * worker port for the thread that opened the log, a broadcast channel for threads that attached to it.
 */
import { assert } from '../base/assert.ts'
import { fromErrorData, VltavaError } from '../base/errors.ts'
import type { ControlRequest, FromDispatcher, ToDispatcher } from '../workers/messages.ts'
import type { ControlLink } from './local-transport.ts'

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class Control implements ControlLink {
  readonly clientId: string
  readonly #post: (message: ToDispatcher) => void
  readonly #keepAlive: (isHeld: boolean) => void
  readonly #disconnect: () => Promise<void>
  readonly #pending = new Map<number, Pending>()
  #nextRequestId = 1
  #holds = 0
  #isClosed = false

  constructor(
    clientId: string,
    post: (message: ToDispatcher) => void,
    keepAlive: (isHeld: boolean) => void,
    disconnect: () => Promise<void>,
  ) {
    this.clientId = clientId
    this.#post = post
    this.#keepAlive = keepAlive
    this.#disconnect = disconnect
  }

  introduce(memoryBytes: number, doorbell: SharedArrayBuffer): void {
    this.#post({ type: 'attach', clientId: this.clientId, memoryBytes, doorbell })
  }

  request(request: ControlRequest): Promise<unknown> {
    const requestId = this.#nextRequestId++
    return new Promise((resolve, reject) => {
      this.#pending.set(requestId, { resolve, reject })
      this.#post({ type: 'request', clientId: this.clientId, requestId, request })
    })
  }

  /** Takes answers to this client; true if the message was one. */
  receive(message: FromDispatcher): boolean {
    if (message.type === 'closed') this.failPending(new VltavaError('LOG_CLOSED', 'the log was closed'))
    if (message.type !== 'reply' || message.clientId !== this.clientId) return false
    const pending = this.#pending.get(message.requestId)
    if (this.#isClosed) return true // Asked before the end, answered behind it.
    assert(pending !== undefined, 'the dispatcher answers what it was asked')
    this.#pending.delete(message.requestId)
    if (message.error === undefined) pending.resolve(message.value)
    else pending.reject(fromErrorData(message.error))
    return true
  }

  failPending(error: Error): void {
    this.#isClosed = true
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(error)
  }

  hold(): void {
    this.#holds += 1
    if (this.#holds === 1) this.#keepAlive(true)
  }

  release(): void {
    assert(this.#holds > 0, 'each release follows a hold')
    this.#holds -= 1
    if (this.#holds === 0) this.#keepAlive(false)
  }

  close(): Promise<void> {
    // Never released: a loop of this thread that ends meanwhile must not let the process end before the log is closed.
    this.hold()
    return this.#disconnect()
  }
}
