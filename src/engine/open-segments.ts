/**
 * OpenSegments: segment files that a thread has open for sending, shared by all who read there. Owned by that thread.
 *
 * A file stays open while somebody holds it, however long ago retention removed its name, and for a moment longer,
 * since the next request of a consumer goes on where the last one ended. Not for long: an open file that has no name
 * takes up disk space.
 */
import { assert } from '../base/assert.ts'
import type { Clock, File, Fs, Timers } from '../base/env/env.ts'
import { errnoOf } from '../base/errors.ts'
import { RecordBatchView } from '../record/batch-view.ts'
import { segmentPath } from '../segment/segment.ts'
import { SegmentWindow } from './segment-window.ts'

/** How long a file stays open that nobody holds. */
const IDLE_MS = 2_000
const IDLE_FILES_MAX = 256

export class OpenSegment {
  readonly path: string
  readonly base: number
  readonly file: File
  readonly window: SegmentWindow
  holders = 0
  idleSinceMs = 0
  /** Of the file, when it was last looked at. */
  fileBytes: number
  #batch = new RecordBatchView(new Uint8Array(0))

  constructor(path: string, base: number, file: File) {
    this.path = path
    this.base = base
    this.file = file
    this.window = new SegmentWindow(file)
    this.fileBytes = file.sizeBytes()
  }

  /** Has [position, position + length) at hand; false if the file is shorter. */
  has(position: number, length: number): boolean {
    if (position + length > this.fileBytes) this.fileBytes = this.file.sizeBytes()
    if (position + length > this.fileBytes) return false
    return this.window.ensure(position, length, this.fileBytes)
  }

  /** A view of what is at hand, to be moved; valid until the next has(). */
  get batch(): RecordBatchView {
    if (this.#batch.bytes !== this.window.bytes) this.#batch = new RecordBatchView(this.window.bytes)
    return this.#batch
  }
}

export class OpenSegments {
  readonly #fs: Fs
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #open = new Map<string, OpenSegment>()
  /** Oldest first. */
  readonly #idle = new Set<OpenSegment>()
  #isSweepDue = false
  #isClosed = false

  constructor(fs: Fs, clock: Clock, timers: Timers) {
    this.#fs = fs
    this.#clock = clock
    this.#timers = timers
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Held until release(); undefined if there is no such file (any more). */
  hold(directory: string, base: number): OpenSegment | undefined {
    const path = segmentPath(directory, base, '.log')
    let segment = this.#open.get(path)
    if (segment === undefined) {
      let file: File
      try {
        file = this.#fs.open(path, 'read')
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined
        throw error
      }
      segment = new OpenSegment(path, base, file)
      this.#open.set(path, segment)
    }
    segment.holders += 1
    this.#idle.delete(segment)
    return segment
  }

  /** One more holder of a segment that is held. */
  share(segment: OpenSegment): void {
    assert(segment.holders > 0, 'a segment that is shared is held')
    segment.holders += 1
  }

  release(segment: OpenSegment): void {
    segment.holders -= 1
    assert(segment.holders >= 0, 'a segment is released as often as it was held')
    if (segment.holders > 0) return
    if (this.#isClosed || this.#open.get(segment.path) !== segment) {
      segment.window.close()
      return
    }
    segment.idleSinceMs = this.#clock.monotonicMs()
    this.#idle.add(segment)
    if (this.#idle.size > IDLE_FILES_MAX) this.#close(this.#idle.values().next().value!)
    else this.#sweepLater()
  }

  /** Files of this directory are opened anew by the next who asks: it may hold others of the same names now. */
  forget(directory: string): void {
    for (const segment of [...this.#open.values()]) {
      if (!segment.path.startsWith(`${directory}/`)) continue
      this.#open.delete(segment.path)
      if (this.#idle.delete(segment)) segment.window.close()
    }
  }

  close(): void {
    this.#isClosed = true
    for (const segment of [...this.#idle]) this.#close(segment)
  }

  #close(segment: OpenSegment): void {
    this.#idle.delete(segment)
    this.#open.delete(segment.path)
    segment.window.close()
  }

  #sweepLater(): void {
    if (this.#isSweepDue) return
    this.#isSweepDue = true
    this.#timers.after(IDLE_MS / 2, () => {
      this.#isSweepDue = false
      const oldestMs = this.#clock.monotonicMs() - IDLE_MS
      for (const segment of this.#idle) {
        if (segment.idleSinceMs > oldestMs) break
        this.#close(segment)
      }
      if (this.#idle.size > 0) this.#sweepLater()
    })
  }
}
