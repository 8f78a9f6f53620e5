/**
 * DiskReserve: some bytes of the data directory's disk, set aside for the notes that make room.
 *
 * To delete a topic, to trim a log or to shorten its retention, a small file has to be replaced first, and that needs
 * room for the new one. On a full disk the reserve is given up for it, and set aside again when there is room. Owned by
 * the dispatcher's thread.
 */
import type { Fs } from '../base/env/env.ts'
import { errnoOf, SPACE_ERRORS, StorageError } from '../base/errors.ts'
import { storageCall, writeFully } from '../base/file-io.ts'

export const RESERVE_FILE = 'vltava-reserve'
/** Room for the list of a thousand topics and their checkpoints, twice. */
const RESERVE_BYTES = 256 << 10

export class DiskReserve {
  readonly #fs: Fs
  readonly #path: string
  #isThere: boolean

  constructor(fs: Fs, directory: string) {
    this.#fs = fs
    this.#path = `${directory}/${RESERVE_FILE}`
    this.#isThere = fs.stat(this.#path)?.sizeBytes === RESERVE_BYTES
  }

  /** Sets the bytes aside if they are not; on a full disk, or a failing one, nothing happens. Called now and then. */
  restore(): void {
    if (this.#isThere) return
    try {
      storageCall(`setting ${this.#path} aside`, () => {
        const file = this.#fs.open(this.#path, 'replace')
        try {
          writeFully(file, new Uint8Array(RESERVE_BYTES), 0, RESERVE_BYTES, 0)
        } finally {
          file.close()
        }
      })
      this.#isThere = true
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#giveUp()
    }
  }

  /** Runs `call`, and once more with the reserve given up if the disk was full. Throws what it throws. */
  use<T>(call: () => T): T {
    try {
      return call()
    } catch (error) {
      if (!(error instanceof StorageError) || !SPACE_ERRORS.has(error.errno) || !this.#isThere) throw error
      if (!this.#giveUp()) throw error
      return call()
    }
  }

  /** False if nothing was there, or the disk does not give it back. */
  #giveUp(): boolean {
    this.#isThere = false
    try {
      this.#fs.unlink(this.#path)
      return true
    } catch (error) {
      if (errnoOf(error) === '') throw error
      return false
    }
  }
}
