/**
 * Bytes that recovery takes out of a log are kept beside it, in files that end in `.kept-aside`; no reader looks at
 * them, nothing deletes them. A name that is taken already (by an earlier stop) gets a number, so nothing is
 * overwritten.
 */
import type { Fs } from '../base/env/env.ts'
import { storageCall, writeFully } from '../base/file-io.ts'
import { segmentPath } from '../segment/segment.ts'

const SUFFIX = '.kept-aside'
const PIECE_BYTES = 1 << 20

/** Copies [position, end) of a file beside it, durably. Returns the copy's path. Throws StorageError. */
export function copyTailAside(fs: Fs, directory: string, path: string, position: number, end: number): string {
  const aside = freeName(fs, `${path}.${position}`)
  storageCall(`keeping the tail of ${path} in ${aside}`, () => {
    const source = fs.open(path, 'read')
    try {
      const target = fs.open(aside, 'create')
      try {
        const piece = new Uint8Array(Math.min(PIECE_BYTES, end - position))
        for (let done = 0; position + done < end;) {
          const count = source.read(piece, 0, Math.min(piece.length, end - position - done), position + done)
          if (count === 0) break
          writeFully(target, piece, 0, count, done)
          done += count
        }
        target.sync()
      } finally {
        target.close()
      }
    } finally {
      source.close()
    }
    fs.syncDirectory(directory)
  })
  return aside
}

/** Renames a segment's log and deletes what is derived from it. Not durable until the directory is synced. */
export function moveSegmentAside(fs: Fs, directory: string, baseOffset: number): void {
  const path = segmentPath(directory, baseOffset, '.log')
  storageCall(`keeping ${path} aside`, () => {
    fs.rename(path, freeName(fs, path))
    for (const suffix of ['.index', '.timeindex', '.txnindex', '.snapshot'] as const) {
      const derived = segmentPath(directory, baseOffset, suffix)
      if (fs.stat(derived) !== undefined) fs.unlink(derived)
    }
  })
}

function freeName(fs: Fs, path: string): string {
  let name = path + SUFFIX
  for (let number = 2; fs.stat(name) !== undefined; number++) name = `${path}.${number}${SUFFIX}`
  return name
}
