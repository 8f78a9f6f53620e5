/**
 * Net: connections over TCP, as the listener sees them. Injected like the rest of Env; real-net.ts is Node's, a test or
 * a simulator drives connections of its own.
 *
 * Every object belongs to the thread that made it; callbacks run on that thread, never from inside the call that they
 * answer.
 */
import type { File } from './env.ts'

export interface NetListener {
  /** As bound: 0 was replaced by the port that the system chose. */
  readonly host: string
  readonly port: number
  /**
   * A descriptor by which another thread accepts connections of the same address too: see Net.adopt. Undefined where
   * there is no way. Whoever adopts it owns it.
   */
  share(): number | undefined
  /** No more connections; those that exist stay. */
  close(): Promise<void>
}

/** What the owner of a connection is told. */
export interface NetEvents {
  /** The bytes are the owner's. */
  onData(chunk: Uint8Array): void
  /** Everything that was written has gone to the kernel. */
  onDrain(): void
  /** Once, the last call: closed by either side, or failed with `error`. */
  onClose(error: Error | undefined): void
}

export interface NetConnection {
  /** Numeric. */
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  /** Written and not yet with the kernel. */
  readonly unsentBytes: number
  /** Nothing arrives before. */
  start(events: NetEvents): void
  /** No more data for now; little that is under way may still come. */
  pause(): void
  resume(): void
  /** Sends `bytes`, which stay untouched until onDrain. `hasMore`: a file follows at once, so the kernel may wait. */
  write(bytes: Uint8Array, hasMore?: boolean): void
  /**
   * Sends bytes of a file behind everything that was written, without a copy in user space where the system can;
   * `onSent` comes when the kernel has all of them, with an error if the file ended before or the connection is gone.
   * Nothing else is written, and the file stays open, until then.
   */
  sendFile(file: File, position: number, length: number, onSent: (error: Error | undefined) => void): void
  /** Sends what was written, then closes. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

/** Bytes of files that were sent, since the thread began. */
export interface FileSendCounters {
  /** By the kernel, from the page cache. */
  sentByKernelBytes: number
  /** Through a buffer in user space: where there is no sendfile. */
  copiedBytes: number
}

export interface Net {
  readonly counters: FileSendCounters
  /** `port` 0: one that is free. Rejects with the system's error: EADDRINUSE, EACCES, EADDRNOTAVAIL, ... */
  listen(host: string, port: number, onConnection: (connection: NetConnection) => void): Promise<NetListener>
  /** Accepts connections of an address that another thread is bound to, by a descriptor that its listener shared. */
  adopt(fd: number, onConnection: (connection: NetConnection) => void): Promise<NetListener>
}
