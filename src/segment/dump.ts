/**
 * What is in the files of a segment, one thing at a time, for people who look for a fault: batches, records, index
 * entries. Damage is handed out as a line of its own and the walk goes on behind it. Nothing is written.
 */
import { VltavaError } from '../base/errors.ts'
import { storageCall } from '../base/file-io.ts'
import type { Fs } from '../base/env/env.ts'
import type { RecordHeader } from '../record/batch-builder.ts'
import type { RecordBatchView } from '../record/batch-view.ts'
import { BatchScan, findNextBatch } from './batch-scan.ts'
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex } from './offset-index.ts'
import { TIME_INDEX_ENTRY_BYTES, TimeIndex } from './time-index.ts'
import { TRANSACTION_INDEX_ENTRY_BYTES, TransactionIndex } from './transaction-index.ts'
import { controlType, recordsOf } from './verify-records.ts'

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** All fields of a batch's header, and where it lies. */
export interface DumpedBatch {
  readonly type: 'batch'
  /** Byte in the file. */
  readonly position: number
  readonly sizeBytes: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly recordCount: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  readonly crc: number
  readonly compression: string
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly hasDeleteHorizon: boolean
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

export interface DumpedRecord {
  readonly type: 'record'
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** In a control batch: 0 abort, 1 commit; -1 elsewhere. */
  readonly controlType: number
}

export interface DumpedFault {
  readonly type: 'fault'
  readonly position: number
  readonly what: string
  /** Where the walk goes on; undefined at the end of the file. */
  readonly nextPosition?: number
}

export interface DumpedEntry {
  readonly type: 'entry'
  readonly entry: number
  /** The fields of an index entry, by name. */
  readonly fields: Readonly<Record<string, number>>
}

/** Batches of a `.log`, and their records if wanted. Values are views that hold until the next one is asked for. */
export function* dumpLog(
  fs: Fs,
  path: string,
  withRecords: boolean,
): Generator<DumpedBatch | DumpedRecord | DumpedFault, void, undefined> {
  const file = storageCall(`opening ${path}`, () => fs.open(path, 'read'))
  try {
    const end = file.sizeBytes()
    let nextOffset = 0
    for (let start = 0; start < end;) {
      const scan = new BatchScan(file, start, end)
      while (scan.next()) {
        const { batch, position } = scan
        if (batch.baseOffset < nextOffset) {
          const what = `base offset ${batch.baseOffset} is not after the batch before it, expected ${nextOffset}`
          yield { type: 'fault', position, what, nextPosition: position }
        }
        nextOffset = batch.lastOffset + 1
        yield dumpedBatch(batch, position)
        if (withRecords) yield* dumpRecords(batch, position)
      }
      if (scan.fault === undefined) return
      const found = findNextBatch(file, scan.position + 1, end, 0)
      yield { type: 'fault', position: scan.position, what: scan.fault, ...(found < 0 ? {} : { nextPosition: found }) }
      if (found < 0) return
      start = found
    }
  } finally {
    file.close()
  }
}

function dumpedBatch(batch: RecordBatchView, position: number): DumpedBatch {
  return {
    type: 'batch',
    position,
    sizeBytes: batch.sizeBytes,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    recordCount: batch.recordCount,
    partitionLeaderEpoch: batch.partitionLeaderEpoch,
    magic: 2,
    crc: batch.crc,
    compression: CODECS[batch.codecId] ?? `unknown(${batch.codecId})`,
    timestampType: batch.isLogAppendTime ? 'LogAppendTime' : 'CreateTime',
    isTransactional: batch.isTransactional,
    isControl: batch.isControl,
    hasDeleteHorizon: batch.hasDeleteHorizon,
    baseTimestamp: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
  }
}

function* dumpRecords(
  batch: RecordBatchView,
  position: number,
): Generator<DumpedRecord | DumpedFault, void, undefined> {
  try {
    const type = batch.isControl ? controlType(batch) : -1
    const cursor = recordsOf(batch)
    while (cursor.next()) {
      const { bytes, keyPosition, keyLength, valuePosition, valueLength } = cursor
      yield {
        type: 'record',
        offset: batch.baseOffset + cursor.offsetDelta,
        timestamp: batch.isLogAppendTime ? batch.maxTimestamp : batch.baseTimestamp + cursor.timestampDelta,
        key: keyLength < 0 ? null : bytes.subarray(keyPosition, keyPosition + keyLength),
        value: valueLength < 0 ? null : bytes.subarray(valuePosition, valuePosition + valueLength),
        headers: cursor.headers(),
        controlType: type,
      }
    }
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    yield { type: 'fault', position, what: error.message }
  }
}

/** Entries of an `.index`, `.timeindex` or `.txnindex` up to the first that cannot be one, which is a fault. */
export function* dumpIndex(
  fs: Fs,
  path: string,
  suffix: '.index' | '.timeindex' | '.txnindex',
  baseOffset: number,
): Generator<DumpedEntry | DumpedFault, void, undefined> {
  const index = openIndex(fs, path, suffix, baseOffset)
  try {
    for (let entry = 0; entry < index.entryCount; entry++) {
      yield { type: 'entry', entry, fields: { ...index.entryAt(entry) } }
    }
    const what = index.sanityCheck()
    if (what !== undefined) yield { type: 'fault', position: index.entryCount * index.entryBytes, what }
  } finally {
    index.abandon()
  }
}

interface AnyIndex {
  readonly entryCount: number
  readonly entryBytes: number
  entryAt(entry: number): object
  sanityCheck(): string | undefined
  abandon(): void
}

function openIndex(fs: Fs, path: string, suffix: '.index' | '.timeindex' | '.txnindex', baseOffset: number): AnyIndex {
  switch (suffix) {
    case '.index':
      return withEntryBytes(OffsetIndex.openReadOnly(fs, path, baseOffset), OFFSET_INDEX_ENTRY_BYTES)
    case '.timeindex':
      return withEntryBytes(TimeIndex.openReadOnly(fs, path, baseOffset), TIME_INDEX_ENTRY_BYTES)
    case '.txnindex':
      return withEntryBytes(TransactionIndex.openReadOnly(fs, path, baseOffset), TRANSACTION_INDEX_ENTRY_BYTES)
  }
}

function withEntryBytes(index: Omit<AnyIndex, 'entryBytes'>, entryBytes: number): AnyIndex {
  return {
    entryCount: index.entryCount,
    entryBytes,
    entryAt: (entry) => index.entryAt(entry),
    sanityCheck: () => index.sanityCheck(),
    abandon: () => index.abandon(),
  }
}
