/** A network in memory: connections whose client the test is, and whose window it opens as it likes. */
import type { File } from '../../src/base/env/env.ts'
import type { FileSendCounters, Net, NetConnection, NetEvents, NetListener } from '../../src/base/env/net.ts'

export class MemoryNet implements Net {
  readonly counters: FileSendCounters = { sentByKernelBytes: 0, copiedBytes: 0 }
  readonly #onConnection: ((connection: NetConnection) => void)[] = []

  listen(host: string, port: number, onConnection: (connection: NetConnection) => void): Promise<NetListener> {
    this.#onConnection.push(onConnection)
    return Promise.resolve({ host, port: port || 1234, share: () => undefined, close: () => Promise.resolve() })
  }

  adopt(): Promise<NetListener> {
    return Promise.reject(new Error('there are no descriptors in memory'))
  }

  connect(windowBytes = Number.POSITIVE_INFINITY): MemoryConnection {
    const connection = new MemoryConnection(windowBytes)
    this.#onConnection[0]!(connection)
    return connection
  }
}

interface Sending {
  readonly file: File
  readonly position: number
  readonly length: number
  readonly onSent: (error: Error | undefined) => void
}

export class MemoryConnection implements NetConnection {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 40_000
  readonly localPort = 1234
  unsentBytes = 0
  isPaused = false
  isClosed = false
  /** Pieces as the server wrote them, while the window was open. */
  onReceived: (bytes: Uint8Array) => void = () => undefined
  onClosed: () => void = () => undefined
  #events: NetEvents | undefined
  #windowBytes: number
  #queue: Uint8Array[] = []
  #sending: Sending | undefined
  #isEnding = false

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes
  }

  // The client's side.

  send(bytes: Uint8Array): void {
    if (!this.isClosed) this.#events?.onData(bytes.slice())
  }

  open(windowBytes: number): void {
    this.#windowBytes += windowBytes
    this.#pump()
  }

  hangUp(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#events?.onClose(undefined)
  }

  // The server's side.

  start(events: NetEvents): void {
    this.#events = events
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  write(bytes: Uint8Array): void {
    this.#queue.push(bytes.slice())
    this.unsentBytes += bytes.length
    this.#pump()
  }

  sendFile(file: File, position: number, length: number, onSent: (error: Error | undefined) => void): void {
    this.#sending = { file, position, length, onSent }
    this.#pump()
  }

  #pump(): void {
    const before = this.unsentBytes
    while (this.#queue.length > 0 && this.#windowBytes > 0) {
      const first = this.#queue[0]!
      const count = Math.min(first.length, this.#windowBytes)
      this.#windowBytes -= count
      this.unsentBytes -= count
      if (count === first.length) this.#queue.shift()
      else this.#queue[0] = first.subarray(count)
      this.onReceived(first.subarray(0, count))
    }
    if (this.unsentBytes > 0) return
    if (this.#sending !== undefined) {
      const { file, position, length, onSent } = this.#sending
      if (length > this.#windowBytes) return
      this.#windowBytes -= length
      this.#sending = undefined
      const bytes = new Uint8Array(length)
      const count = file.read(bytes, 0, length, position)
      this.onReceived(bytes)
      queueMicrotask(() => onSent(count === length ? undefined : new Error('the file ended')))
    } else if (before > 0) queueMicrotask(() => this.#events?.onDrain())
    if (this.#isEnding) this.#finish()
  }

  end(): void {
    this.#isEnding = true
    this.#pump()
  }

  destroy(): void {
    this.#finish()
  }

  #finish(): void {
    if (this.isClosed) return
    this.isClosed = true
    queueMicrotask(() => {
      this.#events?.onClose(undefined)
      this.onClosed()
    })
  }
}
