/**
 * The owner file: an exclusive lock that needs nothing but a file system, and survives no `kill -9`.
 *
 *   <lock>.owner            record of the holder, one line of JSON; absent when nobody holds the lock
 *   <lock>.owner.<token>    successor of the record with that token: somebody found it stale, and takes over
 *   <lock>.owner-<token>    a record being prepared; linked to one of the names above when complete
 *
 * A record is stale when its process is gone: no such pid, or one that started at another time or after another boot.
 * The lock belongs to the last record of the chain owner -> owner.<its token> -> ...; each link is made by link(2),
 * which creates a complete file or fails, so exactly one taker succeeds each record. The new holder then renames its
 * record over <lock>.owner and removes the rest of the chain. A slow taker may create the successor of a record that
 * has been renamed over meanwhile; so whoever creates a link looks again whether all records before it still stand, and
 * steps back if not. (Removing a stale file and creating it anew would let two takers in: the slower one removes the
 * quicker one's new file.)
 *
 * A record's process may hold flock on the lock file too. It is then judged by that: whoever has got the flock of the
 * same file knows that the record's holder lost it, even if its process lives (a worker thread that ended).
 *
 * Bound: a thread that ends without release() keeps an owner file (without flock) until its process ends. A record from
 * another process namespace (a container on the same machine) cannot be judged, and is refused with an error that says
 * which file to remove. Not for file systems without hard links: those throw.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { assert } from '../assert.ts'
import { errnoOf, VltavaError } from '../errors.ts'

interface OwnerRecord {
  readonly token: string
  readonly pid: number
  /** Of the process, in ticks since boot; '' where the system does not tell. */
  readonly startTime: string
  /** Differs after each start of the machine; '' where the system does not tell. */
  readonly boot: string
  /** In which numbering `pid` counts; '' where there is only one. */
  readonly pidNamespace: string
  /** Device and inode of the lock file that the holder has flock on; '' if it has none. */
  readonly flockedFile: string
}

/** What stands under a name of the chain. A record that cannot be read was torn by a power cut: link(2) tears none. */
interface Found {
  readonly token: string
  readonly record: OwnerRecord | undefined
}

type Judgement = 'alive' | 'dead' | 'unknown'

/** Records in a chain, each left by a taker that died within a millisecond of taking over. */
const CHAIN_MAX = 64
/** Times that the lock changed hands while we looked. */
const ATTEMPTS_MAX = 1000
const RECORD_BYTES_MAX = 4096

const TOKEN = /^(?:[0-9a-f]{32}|torn-\d+-\d+)$/

export class OwnerFile {
  readonly #path: string
  readonly #token: string
  #isHeld = true

  constructor(path: string, token: string) {
    this.#path = path
    this.#token = token
  }

  release(): void {
    assert(this.#isHeld, 'a lock is released once')
    this.#isHeld = false
    // Not ours only if somebody removed it by hand: then it is not ours to remove either.
    if (readOwner(this.#path)?.token === this.#token) unlinkIfThere(this.#path)
  }
}

/**
 * Takes `<lockPath>.owner`; undefined if another holder has it. `flockedFile`: `device:inode` of the lock file if the
 * caller holds flock on it, else ''.
 */
export function claimOwnerFile(lockPath: string, flockedFile: string): OwnerFile | undefined {
  const root = `${lockPath}.owner`
  const record = ownRecord(flockedFile)
  const prepared = `${root}-${record.token}`
  writeFileSync(prepared, `${JSON.stringify(record)}\n`, { flag: 'wx', mode: 0o600 })
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const outcome = tryToClaim(root, prepared, flockedFile)
      if (outcome === 'held') return undefined
      if (outcome === 'claimed') return new OwnerFile(root, record.token)
    }
    return undefined // It changed hands all the time: somebody has it.
  } finally {
    unlinkIfThere(prepared)
  }
}

function tryToClaim(root: string, prepared: string, flockedFile: string): 'claimed' | 'held' | 'again' {
  const passed: { readonly name: string; readonly token: string }[] = []
  let name = root
  while (passed.length < CHAIN_MAX) {
    if (linkIfAbsent(prepared, name)) {
      if (passed.length === 0) return 'claimed'
      if (passed.some((link) => readOwner(link.name)?.token !== link.token)) {
        unlinkIfThere(name)
        return 'again'
      }
      renameSync(prepared, root)
      removeLeftovers(root)
      return 'claimed'
    }
    const found = readOwner(name)
    if (found === undefined) return 'again'
    if (!isStale(name, found, flockedFile)) return 'held'
    passed.push({ name, token: found.token })
    name = `${root}.${found.token}`
  }
  throw new VltavaError('DIRECTORY_LOCKED', `${root} has more than ${CHAIN_MAX} successors: remove ${root}*`)
}

function isStale(name: string, found: Found, flockedFile: string): boolean {
  if (found.record === undefined) return true
  if (flockedFile !== '' && found.record.flockedFile === flockedFile) return true
  const judgement = judge(found.record)
  if (judgement !== 'unknown') return judgement === 'dead'
  const owner = `pid=${found.record.pid} of another process namespace (a container?)`
  throw new VltavaError(
    'DIRECTORY_LOCKED',
    `${name} belongs to ${owner}, and whether that runs cannot be seen from here: if it does not, remove ${name}`,
  )
}

/** Everything in the chain but our own record, which is `<lock>.owner` now; and what dead takers had prepared. */
function removeLeftovers(root: string): void {
  const directory = dirname(root)
  const stem = basename(root)
  for (const entry of readdirSync(directory)) {
    if (!entry.startsWith(stem)) continue
    const rest = entry.slice(stem.length)
    const token = rest.slice(1)
    if (!TOKEN.test(token)) continue
    const path = join(directory, entry)
    if (rest.startsWith('.')) unlinkIfThere(path)
    if (rest.startsWith('-')) {
      const record = readOwner(path)?.record
      if (record !== undefined && judge(record) === 'dead') unlinkIfThere(path)
    }
  }
}

// ---- records --------------------------------------------------------------------------------------------------------

function ownRecord(flockedFile: string): OwnerRecord {
  return {
    token: randomBytes(16).toString('hex'),
    pid: process.pid,
    startTime: processState(process.pid)?.startTime ?? '',
    boot: bootId(),
    pidNamespace: pidNamespace(),
    flockedFile,
  }
}

function judge(record: OwnerRecord): Judgement {
  if (record.boot !== bootId()) return 'dead'
  if (record.pidNamespace !== pidNamespace()) return 'unknown'
  if (!processExists(record.pid)) return 'dead'
  const state = processState(record.pid)
  if (state === undefined) return 'alive' // No /proc here, or none for other users' processes.
  return state.startTime === record.startTime && !state.isDead ? 'alive' : 'dead'
}

function readOwner(path: string): Found | undefined {
  const fd = orUndefinedIf(['ENOENT'], () => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW))
  if (fd === undefined) return undefined
  try {
    const bytes = Buffer.alloc(RECORD_BYTES_MAX)
    const record = parseRecord(bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0)))
    const stat = fstatSync(fd, { bigint: true })
    return { token: record?.token ?? `torn-${stat.ino}-${stat.ctimeNs}`, record }
  } finally {
    closeSync(fd)
  }
}

function parseRecord(text: string): OwnerRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { token, pid, startTime, boot, pidNamespace, flockedFile } = value as Partial<Record<string, unknown>>
  if (typeof token !== 'string' || !TOKEN.test(token)) return undefined
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0) return undefined
  if (typeof startTime !== 'string' || typeof boot !== 'string') return undefined
  if (typeof pidNamespace !== 'string' || typeof flockedFile !== 'string') return undefined
  return { token, pid, startTime, boot, pidNamespace, flockedFile }
}

// ---- processes ------------------------------------------------------------------------------------------------------

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false
    if (errnoOf(error) === 'EPERM') return true // Another user's.
    throw error
  }
}

/** From /proc; undefined where there is none. A killed process is dead when its last thread is, reaped or not. */
function processState(pid: number): { readonly startTime: string; readonly isDead: boolean } | undefined {
  const text = readIfThere(`/proc/${pid}/stat`)
  if (text === '') return undefined
  // pid (command) state ...; the command may hold anything, brackets and blanks too. Start time is the 22nd field.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const isZombie = fields[0] === 'Z' || fields[0] === 'X'
  return { startTime: fields[19] ?? '', isDead: isZombie && threadCount(pid) <= 1 }
}

function threadCount(pid: number): number {
  return orUndefinedIf(['ENOENT', 'ESRCH', 'EACCES'], () => readdirSync(`/proc/${pid}/task`))?.length ?? 0
}

function bootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id').trim()
}

function pidNamespace(): string {
  return orUndefinedIf(['ENOENT', 'EACCES'], () => readlinkSync('/proc/self/ns/pid')) ?? ''
}

// ---- files ----------------------------------------------------------------------------------------------------------

/** ESRCH: the process of a file in /proc ended between open and read. */
function readIfThere(path: string): string {
  return orUndefinedIf(['ENOENT', 'ESRCH', 'EACCES'], () => readFileSync(path, 'utf8')) ?? ''
}

function linkIfAbsent(existing: string, name: string): boolean {
  return orUndefinedIf(['EEXIST'], () => (linkSync(existing, name), true)) ?? false
}

function unlinkIfThere(path: string): void {
  orUndefinedIf(['ENOENT'], () => unlinkSync(path))
}

function orUndefinedIf<T>(codes: readonly string[], call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (codes.includes(errnoOf(error))) return undefined
    throw error
  }
}
