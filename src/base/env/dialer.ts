/**
 * Dialer: outgoing connections, as a client needs them: bytes in order, both ways, and the end of it. The real one is
 * real-dialer.ts; tests have sockets in memory.
 *
 * Sockets do not keep the process alive by themselves; keepAlive() does, for whoever waits for an answer.
 */
import type { ConnectionOptions } from 'node:tls'

/** What of Node's TLS options a client may set; `{}` takes the system's roots and checks the host's name. */
export type TlsOptions = Pick<
  ConnectionOptions,
  | 'ca'
  | 'cert'
  | 'key'
  | 'passphrase'
  | 'pfx'
  | 'servername'
  | 'rejectUnauthorized'
  | 'minVersion'
  | 'maxVersion'
  | 'ciphers'
  | 'checkServerIdentity'
>

export interface DialOptions {
  readonly host: string
  /** 1 .. 65535. */
  readonly port: number
  readonly tls?: TlsOptions | undefined
}

/** Never called from inside dial(). After onClose nothing is called any more. */
export interface SocketListener {
  /** Connected, TLS included. */
  onOpen(): void
  /** Bytes that came; the listener may keep them. */
  onBytes(bytes: Uint8Array): void
  /** Once: closed by the other side (without error) or failed; not after Socket.close(). */
  onClose(error: Error | undefined): void
}

export interface Socket {
  /**
   * Sends the pieces in order. Their memory must stay as it is until `onSent` is called, or the socket is closed.
   */
  send(pieces: readonly Uint8Array[], onSent?: () => void): void
  /** At once, without sending what waits. */
  close(): void
}

export interface Dialer {
  dial(options: DialOptions, listener: SocketListener): Socket
  /** The process goes on until the function that is returned is called. */
  keepAlive(): () => void
}
