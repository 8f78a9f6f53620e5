/**
 * The lock of a data directory: flock(2) where the addon is live, and an owner file (owner-file.ts) in any case.
 *
 * Both, because one process may run with the addon and the next without: each must see the other. Where the addon is
 * live flock decides between its users, and the owner file keeps out, and is kept by, those without it. The lock file
 * itself is never removed: a second opener could then lock a new file of the same name.
 *
 * The descriptor is close-on-exec, so a child process does not keep the lock alive; it belongs to the thread that
 * opened it, and Node closes it when that thread ends.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { constants as osConstants } from 'node:os'
import { assert } from '../assert.ts'
import { native, systemError } from '../native.ts'
import type { DirectoryLock } from './env.ts'
import { claimOwnerFile, type OwnerFile } from './owner-file.ts'

/** Undefined if another holder has it, in this process or another. */
export function acquireLock(path: string): DirectoryLock | undefined {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  let owner: OwnerFile | undefined
  try {
    owner = lockedByFlock(fd, path) ? claimOwnerFile(path, native === undefined ? '' : identityOf(fd)) : undefined
  } finally {
    if (owner === undefined) closeSync(fd)
  }
  return owner === undefined ? undefined : new RealLock(fd, owner)
}

/** True without the addon, where the owner file alone decides. */
function lockedByFlock(fd: number, path: string): boolean {
  if (native === undefined) return true
  const result = native.flock(fd)
  if (result === -osConstants.errno.EWOULDBLOCK) return false
  if (result < 0) throw systemError(result, 'flock', path)
  return true
}

function identityOf(fd: number): string {
  const stat = fstatSync(fd, { bigint: true })
  return `${stat.dev}:${stat.ino}`
}

class RealLock implements DirectoryLock {
  readonly #fd: number
  readonly #owner: OwnerFile
  #isHeld = true

  constructor(fd: number, owner: OwnerFile) {
    this.#fd = fd
    this.#owner = owner
  }

  release(): void {
    assert(this.#isHeld, 'a lock is released once')
    this.#isHeld = false
    try {
      this.#owner.release()
    } finally {
      closeSync(this.#fd) // Drops the flock; last, so that the next holder finds no owner file of ours.
    }
  }
}
