/**
 * RealNet: Node's TCP, with sendfile(2) for stretches of files where the addon is live.
 *
 * A socket stays Node's: it reads, and writes what is not from a file. sendfile goes to the same descriptor, and only
 * while Node has nothing queued for it, so the order of bytes holds. When the kernel's buffer is full, the addon waits
 * for room on a duplicate of the descriptor; the number of a socket that was closed meanwhile is never used again,
 * because the connection is marked closed before Node closes it.
 */
import { createServer, type ListenOptions as NetListenOptions, type Server, type Socket } from 'node:net'
import { native, systemError } from '../native.ts'
import type { File } from './env.ts'
import type { FileSendCounters, Net, NetConnection, NetEvents, NetListener } from './net.ts'

/** Half-open connections are found by the kernel's probes, which begin after this. */
const KEEP_ALIVE_MS = 60_000
const BACKLOG = 511
/** One sendfile call asks for no more, so that one connection with a deep buffer does not hold the thread. */
const SEND_BYTES_MAX = 4 << 20
/** Without sendfile: what is read and written at a time. */
const COPY_BYTES = 256 << 10
/** Negated, of Linux and of macOS. */
const EAGAIN: ReadonlySet<number> = new Set([-11, -35])

export class RealNet implements Net {
  readonly counters: FileSendCounters = { sentByKernelBytes: 0, copiedBytes: 0 }

  listen(host: string, port: number, onConnection: (connection: NetConnection) => void): Promise<NetListener> {
    return this.#listen({ host, port, backlog: BACKLOG, exclusive: true }, onConnection)
  }

  adopt(fd: number, onConnection: (connection: NetConnection) => void): Promise<NetListener> {
    return this.#listen({ fd, backlog: BACKLOG }, onConnection)
  }

  #listen(
    where: NetListenOptions & { readonly fd?: number },
    onConnection: (connection: NetConnection) => void,
  ): Promise<NetListener> {
    const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, pauseOnConnect: true }
    const server = createServer(options, (socket) => onConnection(new RealConnection(socket, this.counters)))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(where, () => {
        server.off('error', reject)
        // An accept that fails (no descriptors left) is tried again with the next connection.
        server.on('error', () => undefined)
        resolve(new RealListener(server))
      })
    })
  }
}

class RealListener implements NetListener {
  readonly host: string
  readonly port: number
  readonly #server: Server

  constructor(server: Server) {
    this.#server = server
    const address = server.address()
    const isBound = typeof address === 'object' && address !== null
    this.host = isBound ? address.address : ''
    this.port = isBound ? address.port : 0
  }

  share(): number | undefined {
    const fd = descriptorOf(this.#server)
    if (native === undefined || fd === undefined) return undefined
    const duplicate = native.dup(fd)
    if (duplicate < 0) throw systemError(duplicate, 'dup', `${this.host}:${this.port}`)
    return duplicate
  }

  close(): Promise<void> {
    // The callback waits for every connection to end; the port is free at once, and that is what the caller wants.
    this.#server.close()
    return Promise.resolve()
  }
}

/** A stretch of a file that is being sent. */
interface Sending {
  readonly file: File
  position: number
  readonly end: number
  readonly onSent: (error: Error | undefined) => void
}

class RealConnection implements NetConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  readonly #socket: Socket
  readonly #counters: FileSendCounters
  #events: NetEvents | undefined
  #sending: Sending | undefined
  #isClosed = false
  #error: Error | undefined

  constructor(socket: Socket, counters: FileSendCounters) {
    this.#socket = socket
    this.#counters = counters
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    this.localPort = socket.localPort ?? 0
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('close', () => this.#closed())
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  start(events: NetEvents): void {
    this.#events = events
    this.#socket.on('data', (chunk: Buffer) => events.onData(chunk))
    this.#socket.on('drain', () => this.#drained())
    this.#socket.resume()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /**
   * Straight to the kernel while nothing of Node's is queued, which costs a fifth of Node's own way; what the kernel
   * does not take, errors included, is Node's to handle.
   */
  write(bytes: Uint8Array, hasMore = false): void {
    if (this.#isClosed) return
    const fd = native === undefined || this.#socket.writableLength > 0 ? undefined : descriptorOf(this.#socket)
    const sent = fd === undefined ? 0 : Math.max(0, native!.send(fd, bytes, 0, bytes.length, hasMore))
    if (sent < bytes.length) this.#socket.write(sent === 0 ? bytes : bytes.subarray(sent), this.#onWritten)
  }

  readonly #onWritten = (): void => {
    if (this.#socket.writableLength === 0) this.#drained()
  }

  #drained(): void {
    if (this.#isClosed || this.#socket.writableLength > 0) return
    if (this.#sending !== undefined) this.#send()
    else this.#events?.onDrain()
  }

  sendFile(file: File, position: number, length: number, onSent: (error: Error | undefined) => void): void {
    this.#sending = { file, position, end: position + length, onSent }
    if (this.#isClosed) this.#sentLater(new Error('the connection is closed'))
    else if (this.#socket.writableLength === 0) this.#send()
  }

  #send(): void {
    const sending = this.#sending!
    const fd = native === undefined ? undefined : descriptorOf(this.#socket)
    if (fd === undefined) this.#copy(sending)
    else this.#sendByKernel(sending, fd)
  }

  #sendByKernel(sending: Sending, fd: number): void {
    const wanted = Math.min(sending.end - sending.position, SEND_BYTES_MAX)
    const count = native!.sendfile(fd, sending.file.fd, sending.position, wanted)
    if (count > 0) {
      sending.position += count
      this.#counters.sentByKernelBytes += count
      if (sending.position === sending.end) {
        this.#sentLater(undefined)
        return
      }
    } else if (count === 0) {
      this.#sentLater(new Error(`${sending.file.path} ended at byte ${sending.position}`))
      return
    } else if (!EAGAIN.has(count)) {
      this.#sentLater(systemError(count, 'sendfile', sending.file.path))
      return
    }
    const result = native!.awaitWritable(fd, () => {
      if (this.#sending === sending && !this.#isClosed) this.#send()
    })
    if (result < 0) this.#sentLater(systemError(result, 'poll', sending.file.path))
  }

  #sentLater(error: Error | undefined): void {
    queueMicrotask(() => this.#sent(error))
  }

  #copy(sending: Sending): void {
    const wanted = Math.min(sending.end - sending.position, COPY_BYTES)
    const bytes = Buffer.allocUnsafe(wanted)
    let count: number
    try {
      count = sending.file.read(bytes, 0, wanted, sending.position)
    } catch (error) {
      this.#sentLater(error as Error)
      return
    }
    if (count === 0) {
      this.#sentLater(new Error(`${sending.file.path} ended at byte ${sending.position}`))
      return
    }
    sending.position += count
    this.#counters.copiedBytes += count
    this.#socket.write(bytes.subarray(0, count), () => {
      if (this.#sending !== sending || this.#isClosed) return
      if (sending.position === sending.end) this.#sent(undefined)
      else this.#copy(sending)
    })
  }

  #sent(error: Error | undefined): void {
    const sending = this.#sending
    if (sending === undefined) return
    this.#sending = undefined
    sending.onSent(error)
  }

  end(): void {
    if (!this.#isClosed) this.#socket.end()
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#markClosed()
    this.#socket.destroy()
  }

  /** shutdown before close: a duplicate that waits for room wakes up, and the peer hears of the end at once. */
  #markClosed(): void {
    this.#isClosed = true
    const fd = native === undefined || this.#sending === undefined ? undefined : descriptorOf(this.#socket)
    if (fd !== undefined) native!.shutdown(fd)
  }

  #closed(): void {
    this.#isClosed = true
    this.#sent(this.#error ?? new Error('the connection is closed'))
    this.#events?.onClose(this.#error)
  }
}

/** Node keeps the descriptor in the handle; undefined where it has none, and when the socket is closed. */
function descriptorOf(socket: Socket | Server): number | undefined {
  const { _handle: handle } = socket as (Socket | Server) & { readonly _handle?: { readonly fd?: number } | null }
  const fd = handle?.fd
  return fd !== undefined && fd >= 0 ? fd : undefined
}

/** One per thread. */
export const realNet: Net = new RealNet()
