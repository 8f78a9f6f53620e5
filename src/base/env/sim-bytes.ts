/**
 * SparseBytes: the content of a simulated file, in pages that appear when they are first written.
 *
 * Copies are cheap: clone() shares all pages, and each side copies a page before its next write to it. So a test may
 * branch hundreds of power cuts from one point.
 *
 * Invariants: bytes past sizeBytes in the last page are zero; no page lies wholly past sizeBytes.
 */
import { assert } from '../assert.ts'

/** The unit of allocation, as on ext4 and tmpfs. */
export const PAGE_BYTES = 4096

/** Page numbers stay array indexes: 16 TiB, which is also ext4's limit. */
export const FILE_BYTES_MAX = 2 ** 44 - PAGE_BYTES

export class SparseBytes {
  #pages: (Uint8Array | undefined)[] = []
  /** Whether a page is ours alone and may be written in place. */
  #owned: (boolean | undefined)[] = []
  #pageCount = 0
  #sizeBytes = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Allocated pages; holes are not counted. */
  get pageCount(): number {
    return this.#pageCount
  }

  clone(): SparseBytes {
    const copy = new SparseBytes()
    copy.#pages = this.#pages.slice()
    copy.#pageCount = this.#pageCount
    copy.#sizeBytes = this.#sizeBytes
    this.#owned = []
    return copy
  }

  /** Returns how many bytes were there to read: fewer than `length` at the end, 0 past it. */
  read(target: Uint8Array, targetPosition: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.#sizeBytes - position))
    let done = 0
    while (done < count) {
      const index = Math.floor((position + done) / PAGE_BYTES)
      const pagePosition = position + done - index * PAGE_BYTES
      const piece = Math.min(PAGE_BYTES - pagePosition, count - done)
      const page = this.#pages[index]
      const at = targetPosition + done
      if (page === undefined) target.fill(0, at, at + piece)
      else target.set(page.subarray(pagePosition, pagePosition + piece), at)
      done += piece
    }
    return count
  }

  write(bytes: Uint8Array, position: number): void {
    assert(position >= 0 && position + bytes.length <= FILE_BYTES_MAX, 'a simulated write stays below 16 TiB')
    let done = 0
    while (done < bytes.length) {
      const index = Math.floor((position + done) / PAGE_BYTES)
      const pagePosition = position + done - index * PAGE_BYTES
      const piece = Math.min(PAGE_BYTES - pagePosition, bytes.length - done)
      this.#writablePage(index).set(bytes.subarray(done, done + piece), pagePosition)
      done += piece
    }
    if (bytes.length > 0) this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.length)
  }

  truncate(sizeBytes: number): void {
    assert(sizeBytes >= 0 && sizeBytes <= FILE_BYTES_MAX, 'a simulated file stays below 16 TiB')
    if (sizeBytes < this.#sizeBytes) {
      const pagesLeft = Math.ceil(sizeBytes / PAGE_BYTES)
      const removed = this.#pages.splice(pagesLeft)
      for (const page of removed) if (page !== undefined) this.#pageCount--
      this.#owned.length = Math.min(this.#owned.length, pagesLeft)
      const tail = sizeBytes % PAGE_BYTES
      if (tail !== 0 && this.#pages[pagesLeft - 1] !== undefined) this.#writablePage(pagesLeft - 1).fill(0, tail)
    }
    this.#sizeBytes = sizeBytes
  }

  /** How many of `length` bytes at `position` could be written with `freePages` new pages. */
  writableBytes(position: number, length: number, freePages: number): number {
    let free = freePages
    let done = 0
    while (done < length) {
      const index = Math.floor((position + done) / PAGE_BYTES)
      if (this.#pages[index] === undefined && free-- < 1) break
      done = Math.min(length, (index + 1) * PAGE_BYTES - position)
    }
    return done
  }

  /** Equal for equal contents, holes and written zeros alike; 16 hexadecimal digits. */
  hash(): string {
    let low = 0x811c_9dc5
    let high = 0x1234_5678
    const add = (word: number): void => {
      low = Math.imul(low ^ word, 0x0100_0193)
      high = Math.imul((high ^ word) + low, 0x85eb_ca6b)
      high ^= high >>> 15
    }
    add(this.#sizeBytes >>> 0)
    add(Math.floor(this.#sizeBytes / 2 ** 32))
    this.#pages.forEach((page, index) => {
      if (page === undefined) return
      const words = new Uint32Array(page.buffer)
      if (words.every((word) => word === 0)) return
      add(index)
      for (let word = 0; word < words.length; word++) add(words[word]!)
    })
    return hex(high) + hex(low)
  }

  #writablePage(index: number): Uint8Array {
    const page = this.#pages[index]
    if (page !== undefined && this.#owned[index] === true) return page
    if (page === undefined) this.#pageCount++
    const own = page === undefined ? new Uint8Array(PAGE_BYTES) : page.slice()
    this.#pages[index] = own
    this.#owned[index] = true
    return own
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
