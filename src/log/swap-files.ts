/**
 * Finishes or undoes what a crash interrupted in a partition's directory (Kafka's load order, steps 1 to 3).
 *
 *  *.deleted   the file was given up: delete
 *  *.cleaned   a compaction's output that was not complete: delete
 *  *.swap      a complete output: its originals are deleted, then it takes its final name. But a swap file whose base
 *              offset is at or above the smallest .cleaned belongs to an unfinished split: delete
 *  *.snapshot.tmp   a snapshot that was not complete: delete, no later one has its name
 *
 * Every step may be interrupted again and repeated: the order is deletion of originals, durably, then the renames. An
 * index may get lost on the way; it is derived and made anew.
 */
import type { Fs } from '../base/env/env.ts'
import { BatchScan } from '../segment/batch-scan.ts'
import { parseSegmentFileName, segmentFileName } from '../segment/names.ts'

const UNFINISHED_SNAPSHOT = /^\d{20}\.snapshot\.tmp$/

export function finishInterrupted(fs: Fs, directory: string): void {
  const names = fs.list(directory)
  for (const name of names) if (UNFINISHED_SNAPSHOT.test(name)) fs.unlink(`${directory}/${name}`)
  const files = names.flatMap((name) => {
    const parsed = parseSegmentFileName(name)
    return parsed === undefined ? [] : [{ name, parsed }]
  })
  if (files.every(({ parsed }) => parsed.transient === '')) return
  const cleaned = files.filter(({ parsed }) => parsed.transient === '.cleaned')
  const smallestCleaned = Math.min(...cleaned.map(({ parsed }) => parsed.baseOffset))
  const swaps: typeof files = []
  for (const file of files) {
    const { name, parsed } = file
    if (parsed.transient === '.deleted' || parsed.transient === '.cleaned') fs.unlink(`${directory}/${name}`)
    else if (parsed.transient === '.swap') {
      if (parsed.baseOffset >= smallestCleaned) fs.unlink(`${directory}/${name}`)
      else swaps.push(file)
    }
  }
  for (const { name, parsed } of swaps) {
    if (parsed.suffix !== '.log') continue
    const endOffset = nextOffsetOf(fs, `${directory}/${name}`, parsed.baseOffset)
    for (const original of files) {
      const base = original.parsed.baseOffset
      if (original.parsed.transient !== '' || original.parsed.suffix === '.snapshot') continue
      if (base >= parsed.baseOffset && base < endOffset) fs.unlink(`${directory}/${original.name}`)
    }
  }
  // Originals that come back after a power cut would overlap with what takes their place.
  fs.syncDirectory(directory)
  // The log first: once it has its name, what is still to be renamed is not taken for an original any more.
  swaps.sort((a, b) => Number(b.parsed.suffix === '.log') - Number(a.parsed.suffix === '.log'))
  for (const { name, parsed } of swaps) {
    fs.rename(`${directory}/${name}`, `${directory}/${segmentFileName(parsed.baseOffset, parsed.suffix)}`)
  }
  fs.syncDirectory(directory)
}

function nextOffsetOf(fs: Fs, path: string, baseOffset: number): number {
  const file = fs.open(path, 'read')
  try {
    const scan = new BatchScan(file, 0, file.sizeBytes(), false)
    let nextOffset = baseOffset
    while (scan.next()) nextOffset = scan.batch.lastOffset + 1
    return nextOffset
  } finally {
    file.close()
  }
}
