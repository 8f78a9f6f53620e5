/** What answers are made of besides bytes in memory, and what comes in that was never meant for this port. */
import type { File } from '../base/env/env.ts'
import type { ExternalBytes } from '../protocol/wire/wire-writer.ts'

/** A stretch of a segment file, as a piece of an answer; `release` is called once it is sent, or will not be. */
export interface FileRange extends ExternalBytes {
  readonly file: File
  readonly position: number
  release(): void
}

/** A response that nobody will read may hold files open. */
export function releaseRanges(response: unknown): void {
  if (typeof response !== 'object' || response === null) return
  const { responses } = response as { responses?: { partitions?: { records?: unknown }[] }[] }
  for (const { records } of (responses ?? []).flatMap(({ partitions }) => partitions ?? [])) {
    if (typeof records === 'object' && records !== null && 'release' in records) (records as FileRange).release()
  }
}

/** What speaks on this port, from the bytes that would be a length. */
export function guessProtocol(sizeBytes: number): string {
  if (sizeBytes >>> 16 === 0x1603) return ': it looks like TLS'
  const text = String.fromCharCode(
    sizeBytes >>> 24,
    (sizeBytes >>> 16) & 0xff,
    (sizeBytes >>> 8) & 0xff,
    sizeBytes & 0xff,
  )
  return /^(GET |POST|PUT |HEAD|OPTI|PRI )/.test(text) ? ': it looks like HTTP' : ''
}
