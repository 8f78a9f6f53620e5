/**
 * SegmentWindow: the part of a segment file that a reader has at hand, mapped where the addon is live, else read into a
 * buffer. Owned by the reader's thread.
 *
 * `bytes` stays valid until the next ensure() that moves the window, or close(). A map is small and moves along the
 * file, because mapped pages count as resident memory of the process.
 */
import type { File, FileMap } from '../base/env/env.ts'

const WINDOW_BYTES = 4 << 20
const READ_BYTES = 1 << 20
const MAP_ALIGNMENT = 65_536

export class SegmentWindow {
  /** The file's byte at `start` is bytes[0]. */
  bytes: Uint8Array = EMPTY
  start = 0
  readonly #file: File
  #length = 0
  #map: FileMap | undefined
  #isMapped = true
  #buffer = EMPTY

  constructor(file: File) {
    this.#file = file
  }

  /** End of the window: bytes of the file before it are at hand. */
  get end(): number {
    return this.start + this.#length
  }

  /**
   * Has the file's bytes [position, position + length) at hand; `fileBytes` is how much of the file may be read.
   * False if the file is shorter.
   */
  ensure(position: number, length: number, fileBytes: number): boolean {
    if (position + length > fileBytes) return false
    if (position >= this.start && position + length <= this.end) return true
    if (this.#isMapped && this.#remap(position, length)) return true
    return this.#read(position, length, fileBytes)
  }

  /** A map may reach beyond the end of the file: the bytes appear as the file grows. */
  #remap(position: number, length: number): boolean {
    const start = position - (position % MAP_ALIGNMENT)
    const wanted = Math.max(WINDOW_BYTES, position - start + length)
    const map = this.#file.map(start, wanted)
    if (map === undefined) {
      this.#isMapped = false
      return false
    }
    this.#map?.close()
    this.#map = map
    this.bytes = map.bytes
    this.start = start
    this.#length = wanted
    return true
  }

  #read(position: number, length: number, fileBytes: number): boolean {
    const wanted = Math.max(length, Math.min(READ_BYTES, fileBytes - position))
    if (this.#buffer.length < wanted) {
      // A reader of a short segment, or at the log's end, does with little; one that reads on soon has it all.
      this.#buffer = new Uint8Array(Math.max(wanted, Math.min(READ_BYTES, 4 * this.#buffer.length)))
    }
    let filled = 0
    while (filled < wanted) {
      const count = this.#file.read(this.#buffer, filled, wanted - filled, position + filled)
      if (count === 0) break
      filled += count
    }
    this.bytes = this.#buffer
    this.start = position
    this.#length = filled
    return filled >= length
  }

  close(): void {
    this.#map?.close()
    this.#map = undefined
    this.bytes = EMPTY
    this.#length = 0
    this.#file.close()
  }
}

const EMPTY = new Uint8Array(0)
