/**
 * The native addon's only importer. Every function of it is one system call, numbers in and a number out, where a
 * result below zero is a negated errno (native/README.md); callers above turn that into an error with `systemError`.
 *
 * Where it is not built, does not fit this machine, or is switched off, `native` is undefined and each caller has a
 * fallback in JavaScript or WebAssembly. Never in silence: nativeStatus() keeps the reason, and features() shows it.
 *
 * VLTAVA_NATIVE: unset = use it if it loads; `off` = do not load it; `required` = throw when it cannot be loaded. Read
 * once, when this module is loaded.
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { getSystemErrorName } from 'node:util'
import { platformFolder } from './env/platform.ts'

/** What the addon exports. `-errno` results are never thrown; arguments of a wrong type throw a TypeError. */
export interface NativeAddon {
  /** A read-only, shared window of a file; `position` a multiple of the page size. Writing to it ends the process. */
  mmap(fd: number, position: number, length: number): Uint8Array | number
  /** Detaches the view (its length becomes 0) and unmaps; -EINVAL if it is no live view that mmap returned. */
  munmap(view: Uint8Array): number
  /** Bytes sent (0 at the end of the file), or -errno, -EAGAIN included. */
  sendfile(targetFd: number, sourceFd: number, position: number, length: number): number
  /**
   * Calls back once when the socket takes bytes again, was shut down or failed; 0, or -errno, and then nothing is
   * called. Waits on a duplicate of the descriptor: shut the socket down before it is closed, or it stays open.
   */
  awaitWritable(fd: number, callback: () => void): number
  /** Bytes taken of [start, start + length), or -errno, -EAGAIN included. `hasMore`: the kernel may wait for more. */
  send(fd: number, bytes: Uint8Array, start: number, length: number, hasMore: boolean): number
  fdatasync(fd: number): number
  /** LOCK_EX | LOCK_NB; -EWOULDBLOCK when another open file description holds it. */
  flock(fd: number): number
  /** F_DUPFD_CLOEXEC: the new descriptor, or -errno. */
  dup(fd: number): number
  /** SHUT_RDWR. */
  shutdown(fd: number): number
  /** CRC-32C of bytes[start .. end), continued from `seed`. */
  crc32c(bytes: Uint8Array, start: number, end: number, seed: number): number
  /** How many maps are live in this process. */
  mappedCount(): number
  mappedBytes(): number
  /** How many page faults past the end of a mapped file have been answered with zeros, in this process. */
  sigbusCount(): number
}

export interface NativeStatus {
  readonly live: boolean
  /** One sentence: which file is loaded, or why none is. */
  readonly reason: string
}

const FUNCTIONS = [
  'mmap',
  'munmap',
  'sendfile',
  'awaitWritable',
  'send',
  'fdatasync',
  'flock',
  'dup',
  'shutdown',
  'crc32c',
  'mappedCount',
  'mappedBytes',
  'sigbusCount',
] as const satisfies readonly (keyof NativeAddon)[]

const loaded = load(process.env['VLTAVA_NATIVE'] ?? '')

export const native: NativeAddon | undefined = loaded.addon

export function nativeStatus(): NativeStatus {
  return { live: loaded.addon !== undefined, reason: loaded.reason }
}

/** A negated errno as the error that Node would have thrown: `code`, `errno`, `syscall`, `path`. */
export function systemError(negativeErrno: number, syscall: string, path: string): Error {
  const code = getSystemErrorName(negativeErrno)
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, errno: negativeErrno, syscall, path })
}

function load(wish: string): { addon: NativeAddon | undefined; reason: string } {
  if (wish === 'off') return { addon: undefined, reason: 'switched off by VLTAVA_NATIVE=off' }
  try {
    // The package's root is two up from src/base as from dist/base.
    const file = fileURLToPath(new URL(`../../prebuilds/${platformFolder()}/vltava_native.node`, import.meta.url))
    const exports: unknown = createRequire(import.meta.url)(file)
    if (!isNativeAddon(exports)) throw new Error(`${file} lacks a function that this version needs`)
    return { addon: exports, reason: `loaded from ${file}` }
  } catch (error) {
    const reason = reasonOf(error)
    if (wish === 'required') throw new Error(`VLTAVA_NATIVE=required, but: ${reason}`, { cause: error })
    return { addon: undefined, reason }
  }
}

/** The first line: Node appends the chain of requirers to "Cannot find module ...". */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? message
}

function isNativeAddon(value: unknown): value is NativeAddon {
  if (typeof value !== 'object' || value === null) return false
  return FUNCTIONS.every((name) => name in value && typeof (value as Record<string, unknown>)[name] === 'function')
}
