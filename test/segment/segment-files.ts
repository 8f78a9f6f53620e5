/** Segments to check: real batches in a file with its indexes, and ways to damage them. On the simulated disk. */
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import type { Fs } from '../../src/base/env/env.ts'
import { readSmallFile } from '../../src/base/file-io.ts'
import { BatchBuilder, encodeHeaders } from '../../src/record/batch-builder.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import type { CompressionName } from '../../src/record/compression/codec.ts'
import { Segment } from '../../src/segment/segment.ts'

export const DIRECTORY = '/data/topic-0'
export const BASE_OFFSET = 100
const CODECS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

export interface MadeSegment {
  readonly fs: Fs
  /** Byte at which each batch starts, and the end. */
  readonly positions: number[]
  readonly recordCount: number
}

/** Batches of 1 to 5 records, every codec in turn, each tenth a second early; an index entry for about every second. */
export function makeSegment(batchCount: number, baseOffset = BASE_OFFSET, gapAt = -1): MadeSegment {
  const { fs } = createSimEnv(1)
  fs.makeDirectory('/data')
  fs.makeDirectory(DIRECTORY)
  const config = { indexIntervalBytes: 200, segmentIndexBytes: 1 << 20 }
  const segment = Segment.create(fs, DIRECTORY, baseOffset, config, 0, 0)
  const positions: number[] = []
  let offset = baseOffset
  let recordCount = 0
  for (let i = 0; i < batchCount; i++) {
    if (i === gapAt) offset += 3
    const count = 1 + (i % 5)
    const time = 1_000_000 + i * 100 - (i % 10 === 9 ? 1000 : 0)
    const batch = makeBatch(offset, count, time, CODECS[i % CODECS.length]!)
    positions.push(segment.sizeBytes)
    segment.write([batch], batch.length)
    segment.noteBatch(new RecordBatchView(batch).at(0))
    offset += count
    recordCount += count
  }
  positions.push(segment.sizeBytes)
  segment.seal()
  segment.close()
  return { fs, positions, recordCount }
}

export function makeBatch(baseOffset: number, count: number, time: number, codec: CompressionName): Uint8Array {
  const bytes = new Uint8Array(16_384)
  const builder = new BatchBuilder()
  builder.open(bytes, new DataView(bytes.buffer), 0, bytes.length)
  for (let i = 0; i < count; i++) {
    const headers = encodeHeaders(i % 2 === 0 ? [] : [['trace', new Uint8Array([i])]])
    builder.append(time + i, new TextEncoder().encode(`key ${i}`), new Uint8Array(50).fill(i), headers)
  }
  const batch = bytes.slice(0, builder.close(codec, undefined, 0, 7, 0, 0))
  new RecordBatchView(batch).at(0).baseOffset = baseOffset
  return batch
}

/** Writes `bytes` over what is at `position`. */
export function overwrite(fs: Fs, path: string, position: number, bytes: readonly number[]): void {
  const file = fs.open(path, 'write')
  file.write(new Uint8Array(bytes), 0, bytes.length, position)
  file.close()
}

export function flipBit(fs: Fs, path: string, position: number, bit = 1): void {
  overwrite(fs, path, position, [readSmallFile(fs, path)![position]! ^ bit])
}

export function truncate(fs: Fs, path: string, sizeBytes: number): void {
  const file = fs.open(path, 'write')
  file.truncate(sizeBytes)
  file.close()
}

/** Every file of the directory, by name. */
export function contents(fs: Fs): Map<string, string> {
  return new Map(
    fs.list(DIRECTORY).map((name) => [name, Buffer.from(readSmallFile(fs, `${DIRECTORY}/${name}`)!).toString('hex')]),
  )
}
