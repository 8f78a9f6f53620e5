/**
 * What this machine can do without Vltava, part by part, over the same values that the other benches append. @hot
 *
 *   memcpy             blocks of --batch-bytes from one buffer to another
 *   crc32c             of such blocks
 *   encode             values into record batches, in plain memory, without their CRC
 *   encode-shared      the same into a SharedArrayBuffer, as producers must
 *   decode             CRC and every record's positions, of batches in memory: the reference of `bench consume`
 *   pwrite-64k, -1m    blocks appended to a file, page cache only
 *   fdatasync          64 KiB appended and synced, again and again
 *   encode-crc-pwrite  values into batches, CRC, one pwrite each, one thread: the reference of the other benches
 *
 * (and `ring`, two threads: ring-role.ts.) Each loop runs once to be compiled and once for the clock. Then everything
 * that it made is checked, in its own untimed pass.
 */
import { crc32c, crc32cJs } from '../../base/crc32c.ts'
import type { File, Fs } from '../../base/env/env.ts'
import { writeFully } from '../../base/file-io.ts'
import { BatchBuilder, batchSizeBoundForOne, NO_HEADERS } from '../../record/batch-builder.ts'
import { BATCH_HEADER_BYTES } from '../../record/batch-layout.ts'
import { batchFault, declaredBatchSize, RecordBatchView } from '../../record/batch-view.ts'
import { RecordCursor } from '../../record/record-cursor.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { RecordChecker } from './record-checker.ts'
import type { SharedClock } from './shared-clock.ts'
import { sequenceAt, ValueMaker } from './values.ts'

export interface LoopContext {
  readonly clock: SharedClock
  readonly fs: Fs
  /** A directory on the disk that is measured. */
  readonly directory: string
  readonly records: number
  readonly recordSize: number
  readonly batchBytes: number
}

export interface LoopOutcome {
  readonly records: number
  readonly seconds: number
  readonly verified: number
  readonly fault: string | undefined
  readonly latency: LatencyHistogram | undefined
}

const BLOCK_COUNT = 16
const TIMESTAMP_MS = 1_700_000_000_000
const FSYNC_BLOCK_BYTES = 65_536
const FSYNCS_MAX = 500
/** Batches that the decode loop goes over: more than the caches near the core hold. */
const DECODE_BYTES = 16 << 20

export function runMemcpy(context: LoopContext): LoopOutcome {
  const { batchBytes } = context
  const source = filledBlocks(context)
  const target = new Uint8Array(source.length)
  const blockCount = blocksOf(context, batchBytes)
  const copy = (): void => {
    for (let i = 0; i < blockCount; i++) {
      const start = (i % BLOCK_COUNT) * batchBytes
      target.set(source.subarray(start, start + batchBytes), start)
    }
  }
  copy()
  target.fill(0)
  const seconds = timed(context.clock, copy)
  const copied = Math.min(blockCount, BLOCK_COUNT) * batchBytes
  const isRight = Buffer.compare(source.subarray(0, copied), target.subarray(0, copied)) === 0
  return outcome(context.records, seconds, isRight ? undefined : 'memcpy made another copy')
}

export function runCrc32c(context: LoopContext): LoopOutcome {
  const { batchBytes } = context
  const bytes = filledBlocks(context)
  const expected = Array.from({ length: BLOCK_COUNT }, (_, i) => {
    return crc32cJs(bytes, i * batchBytes, (i + 1) * batchBytes, 0)
  })
  const blockCount = blocksOf(context, batchBytes)
  let wrong = 0
  const check = (): void => {
    for (let i = 0; i < blockCount; i++) {
      const start = (i % BLOCK_COUNT) * batchBytes
      if (crc32c(bytes, start, start + batchBytes) !== expected[i % BLOCK_COUNT]) wrong += 1
    }
  }
  check()
  const seconds = timed(context.clock, check)
  return outcome(context.records, seconds, wrong === 0 ? undefined : `${wrong} CRCs are not those of the tables`)
}

/** Into `memory`, which is used over and over. */
export function runEncode(context: LoopContext, memory: ArrayBuffer | SharedArrayBuffer): LoopOutcome {
  const encoder = new Encoder(context, memory)
  encoder.run((builder) => builder.abandon())
  const seconds = timed(context.clock, () => encoder.run((builder) => builder.abandon()))
  const checker = new BatchChecker(context.recordSize)
  encoder.run((builder, bytes) => checker.check(bytes, 0, closeBatch(builder)))
  return checked(context.records, seconds, checker)
}

export function runDecode(context: LoopContext): LoopOutcome {
  const { batchBytes, records } = context
  const bytes = new Uint8Array(Math.ceil(DECODE_BYTES / batchBytes) * batchBytes)
  const starts: number[] = []
  const sizes: number[] = []
  let position = 0
  const encoder = new Encoder(context, new ArrayBuffer(encoderBytes(context)))
  encoder.run((builder, from) => {
    const size = closeBatch(builder)
    if (position + size > bytes.length) return
    bytes.set(from.subarray(0, size), position)
    starts.push(position)
    sizes.push(size)
    position += size
  })
  const batch = new RecordBatchView(bytes)
  let wrong = 0
  let decoded = 0
  const decode = (): void => {
    decoded = 0
    for (let i = 0; decoded < records; i = (i + 1) % starts.length) {
      const start = starts[i]!
      if (batchFault(batch, start, start + sizes[i]!) !== undefined) wrong += 1
      const cursor = new RecordCursor(bytes, start + BATCH_HEADER_BYTES, batch.end, batch.recordCount)
      let last = -1
      while (cursor.next()) {
        const sequence = sequenceAt(batch.view, cursor.valuePosition)
        if (sequence <= last) wrong += 1
        last = sequence
        decoded += 1
      }
    }
  }
  decode()
  const seconds = timed(context.clock, decode)
  const checker = new BatchChecker(context.recordSize)
  starts.forEach((start, i) => checker.check(bytes, start, sizes[i]!))
  const fault = checker.fault ?? (wrong === 0 ? undefined : `${wrong} records or batches were decoded wrongly`)
  return { records: decoded, seconds, verified: fault === undefined ? decoded : 0, fault, latency: undefined }
}

export function runPwrite(context: LoopContext, blockBytes: number): LoopOutcome {
  const block = filledBlocks({ ...context, batchBytes: blockBytes })
  const blockCount = blocksOf(context, blockBytes)
  const latency = new LatencyHistogram()
  return withFile(context, (file) => {
    const write = (): void => {
      for (let i = 0; i < blockCount; i++) {
        const before = context.clock.now()
        writeFully(file, block, (i % BLOCK_COUNT) * blockBytes, blockBytes, i * blockBytes)
        latency.record(context.clock.now() - before)
      }
    }
    const seconds = timed(context.clock, write) // Once: a file that exists already is quicker to write.
    const fault = compareFile(file, block, blockBytes, blockCount)
    return { ...outcome(context.records, seconds, fault), latency }
  })
}

export function runFdatasync(context: LoopContext): LoopOutcome {
  const block = filledBlocks({ ...context, batchBytes: FSYNC_BLOCK_BYTES })
  const blockCount = Math.min(FSYNCS_MAX, blocksOf(context, FSYNC_BLOCK_BYTES))
  const latency = new LatencyHistogram()
  return withFile(context, (file) => {
    const seconds = timed(context.clock, () => {
      for (let i = 0; i < blockCount; i++) {
        const before = context.clock.now()
        writeFully(file, block, (i % BLOCK_COUNT) * FSYNC_BLOCK_BYTES, FSYNC_BLOCK_BYTES, i * FSYNC_BLOCK_BYTES)
        file.sync()
        latency.record(context.clock.now() - before)
      }
    })
    const records = Math.floor((blockCount * FSYNC_BLOCK_BYTES) / context.recordSize)
    return { ...outcome(records, seconds, compareFile(file, block, FSYNC_BLOCK_BYTES, blockCount)), latency }
  })
}

export function runEncodeCrcPwrite(context: LoopContext): LoopOutcome {
  const encoder = new Encoder(context, new ArrayBuffer(encoderBytes(context)))
  const append = (file: File): number => {
    let position = 0
    encoder.run((builder, bytes) => {
      const size = closeBatch(builder)
      writeFully(file, bytes, 0, size, position)
      position += size
    })
    return position
  }
  withFile(context, append)
  return withFile(context, (file) => {
    let sizeBytes = 0
    const seconds = timed(context.clock, () => {
      sizeBytes = append(file)
    })
    return checked(context.records, seconds, checkFile(file, sizeBytes, context))
  })
}

/** Makes the values of `records` records into batches, one after the other in the same memory. */
class Encoder {
  readonly #context: LoopContext
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #maker: ValueMaker

  constructor(context: LoopContext, memory: ArrayBuffer | SharedArrayBuffer) {
    this.#context = context
    this.#bytes = new Uint8Array(memory)
    this.#view = new DataView(memory)
    this.#maker = new ValueMaker(context.recordSize, 0)
  }

  /** `onFull` closes or abandons the builder, whose batch begins at 0 of the bytes. */
  run(onFull: (builder: BatchBuilder, bytes: Uint8Array) => void): void {
    const { records } = this.#context
    const bytes = this.#bytes
    const maker = this.#maker
    const builder = new BatchBuilder()
    builder.open(bytes, this.#view, 0, bytes.length)
    for (let sequence = 0; sequence < records; sequence++) {
      const value = maker.make(sequence, 0)
      if (builder.append(TIMESTAMP_MS, null, value, NO_HEADERS)) continue
      onFull(builder, bytes)
      builder.open(bytes, this.#view, 0, bytes.length)
      builder.append(TIMESTAMP_MS, null, value, NO_HEADERS)
    }
    onFull(builder, bytes)
  }
}

export function encoderBytes({ batchBytes, recordSize }: LoopContext): number {
  return Math.max(batchBytes, batchSizeBoundForOne(0, recordSize, 0))
}

function closeBatch(builder: BatchBuilder): number {
  return builder.close('none', undefined, 0)
}

/** Checks batches that hold one producer's records in order. */
class BatchChecker {
  readonly #checker: RecordChecker
  #nextOffset = 0
  #fault: string | undefined

  constructor(recordSize: number) {
    this.#checker = new RecordChecker(recordSize, 1)
  }

  check(bytes: Uint8Array, start: number, size: number): void {
    const batch = new RecordBatchView(bytes)
    this.#fault ??= batchFault(batch, start, start + size)
    if (this.#fault !== undefined) return
    const cursor = new RecordCursor(bytes, start + BATCH_HEADER_BYTES, batch.end, batch.recordCount)
    while (cursor.next()) this.#checker.check(0, this.#nextOffset++, cursor, batch.view)
  }

  get verified(): number {
    return this.#checker.verified
  }

  get fault(): string | undefined {
    return this.#fault ?? this.#checker.firstFault
  }
}

function checkFile(file: File, sizeBytes: number, context: LoopContext): BatchChecker {
  const checker = new BatchChecker(context.recordSize)
  const bytes = new Uint8Array(encoderBytes(context))
  const view = new DataView(bytes.buffer)
  for (let position = 0; position < sizeBytes;) {
    const length = file.read(bytes, 0, bytes.length, position)
    const size = length < BATCH_HEADER_BYTES ? 0 : declaredBatchSize(view, 0)
    if (size < BATCH_HEADER_BYTES || size > length) break
    checker.check(bytes, 0, size)
    position += size
  }
  return checker
}

/** The blocks' values are records without an envelope: enough bytes that differ. */
function filledBlocks({ batchBytes, recordSize }: Pick<LoopContext, 'batchBytes' | 'recordSize'>): Uint8Array {
  const bytes = new Uint8Array(BLOCK_COUNT * batchBytes)
  const maker = new ValueMaker(recordSize, 0)
  for (let position = 0, sequence = 0; position < bytes.length; position += recordSize, sequence++) {
    bytes.set(maker.make(sequence, 0).subarray(0, bytes.length - position), position)
  }
  return bytes
}

function blocksOf({ records, recordSize }: LoopContext, blockBytes: number): number {
  return Math.max(1, Math.floor((records * recordSize) / blockBytes))
}

function compareFile(file: File, block: Uint8Array, blockBytes: number, blockCount: number): string | undefined {
  const bytes = new Uint8Array(blockBytes)
  for (let i = 0; i < blockCount; i++) {
    const start = (i % BLOCK_COUNT) * blockBytes
    const length = file.read(bytes, 0, blockBytes, i * blockBytes)
    if (length !== blockBytes || Buffer.compare(bytes, block.subarray(start, start + blockBytes)) !== 0) {
      return `block ${i} of the file is not what was written`
    }
  }
  return undefined
}

/** A file of its own, deleted afterwards. */
function withFile<T>({ fs, directory }: LoopContext, use: (file: File) => T): T {
  const path = `${directory}/limit.tmp`
  const file = fs.open(path, 'replace')
  try {
    return use(file)
  } finally {
    file.close()
    fs.unlink(path)
  }
}

function timed(clock: SharedClock, run: () => void): number {
  const startMs = clock.now()
  run()
  return (clock.now() - startMs) / 1000
}

function outcome(records: number, seconds: number, fault: string | undefined): LoopOutcome {
  return { records, seconds, verified: fault === undefined ? records : 0, fault, latency: undefined }
}

function checked(records: number, seconds: number, checker: BatchChecker): LoopOutcome {
  const { verified, fault } = checker
  const missing = verified === records ? undefined : `${records - verified} records are missing`
  return { records, seconds, verified, fault: fault ?? missing, latency: undefined }
}
