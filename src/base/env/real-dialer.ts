/** RealDialer: TCP and TLS connections of Node. */
import { connect as connectTcp, isIP, type Socket as NodeSocket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Dialer, DialOptions, Socket, SocketListener } from './dialer.ts'

/** Of the timer that keeps the process alive: it does nothing. */
const KEEP_ALIVE_MS = 0x7fff_ffff
const PROBE_AFTER_MS = 60_000

export const realDialer: Dialer = {
  dial({ host, port, tls }: DialOptions, listener: SocketListener): Socket {
    const common = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_AFTER_MS }
    // A name is told to the server (SNI); an address may not be.
    const servername = isIP(host) === 0 ? { servername: host } : {}
    const socket = tls === undefined ? connectTcp(common) : connectTls({ ...servername, ...common, ...tls })
    return new RealSocket(socket, listener, tls === undefined ? 'connect' : 'secureConnect')
  },
  keepAlive() {
    const timer = setInterval(() => undefined, KEEP_ALIVE_MS)
    return () => clearInterval(timer)
  },
}

class RealSocket implements Socket {
  readonly #socket: NodeSocket
  #isClosed = false

  constructor(socket: NodeSocket, listener: SocketListener, openEvent: 'connect' | 'secureConnect') {
    this.#socket = socket
    let failure: Error | undefined
    socket.unref()
    socket.on(openEvent, () => {
      if (!this.#isClosed) listener.onOpen()
    })
    socket.on('data', (bytes: Buffer) => {
      if (!this.#isClosed) listener.onBytes(bytes)
    })
    socket.on('error', (error) => {
      failure = error
    })
    socket.on('close', () => {
      if (this.#isClosed) return
      this.#isClosed = true
      listener.onClose(failure)
    })
  }

  send(pieces: readonly Uint8Array[], onSent?: () => void): void {
    const last = pieces.length - 1
    this.#socket.cork() // One writev for all of them.
    pieces.forEach((piece, i) => {
      if (i < last || onSent === undefined) this.#socket.write(piece)
      else this.#socket.write(piece, (error) => (error === undefined || error === null ? onSent() : undefined))
    })
    this.#socket.uncork()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.destroy()
  }
}
