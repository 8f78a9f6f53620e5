/**
 * LocalGroupLink: one client thread's way to the coordinator of its log, over a port of its own. Owned by that thread.
 *
 * The port is asked for at the first request, which starts the coordinator if nobody did before. When the coordinator
 * ends, the port closes: what was asked is answered COORDINATOR_NOT_AVAILABLE, a new port is asked for, and members of
 * this thread are told to heartbeat, by which the next coordinator learns that they are alive.
 */
import type { Env } from '../../base/env/env.ts'
import { VltavaError } from '../../base/errors.ts'
import { GroupError } from '../../coordinator/group-errors.ts'
import { refuseGroupRequest } from '../../coordinator/group-requests.ts'
import type { GroupCaller, GroupLink } from '../../protocol/group-link.ts'
import type { ClientPort, FromCoordinator } from './messages.ts'

/** A coordinator that cannot be reached for so long answers as one that is away. */
const CONNECT_MS = 30_000

interface Pending {
  readonly apiKey: number
  readonly apiVersion: number
  readonly request: object
  readonly resolve: (answer: object) => void
  readonly reject: (error: Error) => void
}

/** Keeps the thread's event loop alive between hold() and release(). */
export interface KeepAlive {
  hold(): void
  release(): void
}

interface Connecting {
  readonly promise: Promise<ClientPort | undefined>
  readonly resolve: (port: ClientPort | undefined) => void
}

export class LocalGroupLink implements GroupLink {
  readonly isLocal = true
  readonly #env: Pick<Env, 'timers'>
  readonly #keepAlive: KeepAlive
  readonly #askForPort: () => void
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Map<string, Set<() => void>>()
  #port: ClientPort | undefined
  #connecting: Connecting | undefined
  #nextRequestId = 1
  #isClosed = false

  /** `askForPort`: has connected() called, soon, with a new port to the coordinator. */
  constructor(env: Pick<Env, 'timers'>, keepAlive: KeepAlive, askForPort: () => void) {
    this.#env = env
    this.#keepAlive = keepAlive
    this.#askForPort = askForPort
  }

  async ready(signal?: AbortSignal): Promise<void> {
    this.#keepAlive.hold()
    try {
      if ((await this.#connect(signal)) !== undefined) return
    } finally {
      this.#keepAlive.release()
    }
    throw new VltavaError('COORDINATOR_NOT_AVAILABLE', 'the group coordinator of this log does not start')
  }

  async coordinate(
    apiKey: number,
    apiVersion: number,
    request: object,
    caller?: GroupCaller,
    signal?: AbortSignal,
  ): Promise<object> {
    this.#keepAlive.hold()
    try {
      const port = await this.#connect(signal)
      if (port !== undefined) return await this.#ask(port, apiKey, apiVersion, request, caller, signal)
      return refuseGroupRequest(apiKey, apiVersion, request, GroupError.COORDINATOR_NOT_AVAILABLE)
    } finally {
      this.#keepAlive.release()
    }
  }

  async #ask(
    port: ClientPort,
    apiKey: number,
    apiVersion: number,
    request: object,
    caller: GroupCaller | undefined,
    signal: AbortSignal | undefined,
  ): Promise<object> {
    const requestId = this.#nextRequestId++
    let onAbort: (() => void) | undefined
    try {
      return await new Promise<object>((resolve, reject) => {
        onAbort = () => reject(signal!.reason as Error)
        signal?.addEventListener('abort', onAbort, { once: true })
        this.#pending.set(requestId, { apiKey, apiVersion, request, resolve, reject })
        port.post({ type: 'ask', requestId, apiKey, apiVersion, request, caller })
      })
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
      this.#pending.delete(requestId)
    }
  }

  /** Undefined: nobody can be reached. */
  async #connect(signal: AbortSignal | undefined): Promise<ClientPort | undefined> {
    signal?.throwIfAborted()
    this.#assertOpen()
    if (this.#port !== undefined) return this.#port
    const { promise } = (this.#connecting ??= this.#newConnecting())
    const timer: { cancel(): void }[] = []
    let onAbort: (() => void) | undefined
    try {
      const tooLate = new Promise<undefined>((resolve, reject) => {
        timer.push(this.#env.timers.after(CONNECT_MS, () => resolve(undefined)))
        onAbort = () => reject(signal!.reason as Error)
        signal?.addEventListener('abort', onAbort, { once: true })
      })
      const port = await Promise.race([promise, tooLate])
      this.#assertOpen()
      return port
    } finally {
      for (const { cancel } of timer) cancel()
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
  }

  #newConnecting(): Connecting {
    let resolve: Connecting['resolve'] = () => undefined
    const promise = new Promise<ClientPort | undefined>((resolvePort) => {
      resolve = resolvePort
    })
    this.#askForPort()
    return { promise, resolve }
  }

  /** A port to the coordinator that lives now. */
  connected(port: ClientPort): void {
    if (this.#isClosed) {
      port.close()
      return
    }
    this.#port?.close() // Its coordinator has ended, and the word of that is still on its way.
    this.#lost()
    this.#port = port
    port.onMessage((message) => this.#receive(message))
    port.onClose(() => this.#portClosed(port))
    this.#connecting?.resolve(port)
    this.#connecting = undefined
  }

  #receive(message: FromCoordinator): void {
    switch (message.type) {
      case 'answer':
        this.#pending.get(message.requestId)?.resolve(message.answer) // Nobody: whoever asked waits no longer.
        return
      case 'news':
        for (const listener of [...(this.#listeners.get(keyOf(message.groupId, message.memberId)) ?? [])]) listener()
        return
    }
  }

  #portClosed(port: ClientPort): void {
    if (this.#port !== port || this.#isClosed) return
    this.#port = undefined
    this.#lost()
    if (this.#listeners.size === 0) return
    this.#connecting ??= this.#newConnecting()
    for (const listeners of [...this.#listeners.values()]) for (const listener of [...listeners]) listener()
  }

  /** The answers to what was asked went with the coordinator. */
  #lost(): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { apiKey, apiVersion, request, resolve } of pending) {
      resolve(refuseGroupRequest(apiKey, apiVersion, request, GroupError.COORDINATOR_NOT_AVAILABLE))
    }
  }

  onGroupNews(groupId: string, memberId: string, listener: () => void): () => void {
    const key = keyOf(groupId, memberId)
    const listeners = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key)
    }
  }

  /** The log is closed for this thread. The coordinator sees its members leave. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(this.#closedError())
    this.#connecting?.resolve(undefined)
    this.#connecting = undefined
    this.#port?.close()
    this.#port = undefined
  }

  #closedError(): VltavaError {
    return new VltavaError('LOG_CLOSED', 'the log is closed')
  }

  #assertOpen(): void {
    if (this.#isClosed) throw this.#closedError()
  }
}

function keyOf(groupId: string, memberId: string): string {
  return `${groupId}\0${memberId}`
}
