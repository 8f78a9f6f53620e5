/**
 * Producer snapshots: a partition's producer state at the offset that the `.snapshot` file is named after. Bytes only;
 * who writes them when is the log's business.
 *
 *  byte  size  field                          byte  size  field (of a producer, 46 bytes each, from byte 10)
 *  ----  ----  -----------------------------  ----  ----  ------------------------------------------------
 *     0     2  version, 1                        0     8  producerId
 *     2     4  crc, CRC-32C of bytes 6 .. end    8     2  producerEpoch
 *     6     4  producer count                   10     4  lastSequence, -1: no batch
 *                                               14     8  lastOffset, -1: no batch
 *                                               22     4  offsetDelta: last minus first offset of that batch
 *                                               26     8  timestamp
 *                                               34     4  coordinatorEpoch, -1: no transaction yet
 *                                               38     8  currentTransactionFirstOffset, -1: none is open
 *
 * Big-endian. A snapshot holds each producer's last batch only, so after a restart a retry is recognised if it repeats
 * that one. Derived: a damaged snapshot is dropped and an older one used, with more of the log replayed.
 */
import { assert } from '../base/assert.ts'
import { crc32c } from '../base/crc32c.ts'
import { CorruptRecordError } from '../base/errors.ts'
import { getInt64, isSafeInt64, setInt64 } from '../base/int64.ts'

const VERSION_VALUE = 1
const CRC = 2
const PRODUCER_COUNT = 6
const HEADER_BYTES = 10
const ENTRY_BYTES = 46
const PRODUCER_ID = 0
const PRODUCER_EPOCH = 8
const LAST_SEQUENCE = 10
const LAST_OFFSET = 14
const OFFSET_DELTA = 22
const TIMESTAMP = 26
const COORDINATOR_EPOCH = 34
const CURRENT_TRANSACTION_FIRST_OFFSET = 38
const INT64_FIELDS = [PRODUCER_ID, LAST_OFFSET, TIMESTAMP, CURRENT_TRANSACTION_FIRST_OFFSET]

export interface ProducerSnapshotEntry {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
  readonly coordinatorEpoch: number
  readonly currentTransactionFirstOffset: number
}

export function encodeProducerSnapshot(entries: readonly ProducerSnapshotEntry[]): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + entries.length * ENTRY_BYTES)
  const view = new DataView(bytes.buffer)
  view.setInt16(0, VERSION_VALUE)
  view.setInt32(PRODUCER_COUNT, entries.length)
  let place = HEADER_BYTES
  for (const entry of entries) {
    assert(entry.producerId >= 0 && entry.producerEpoch >= 0, 'producer has an id and an epoch')
    setInt64(view, place + PRODUCER_ID, entry.producerId)
    view.setInt16(place + PRODUCER_EPOCH, entry.producerEpoch)
    view.setInt32(place + LAST_SEQUENCE, entry.lastSequence)
    setInt64(view, place + LAST_OFFSET, entry.lastOffset)
    view.setInt32(place + OFFSET_DELTA, entry.offsetDelta)
    setInt64(view, place + TIMESTAMP, entry.timestamp)
    view.setInt32(place + COORDINATOR_EPOCH, entry.coordinatorEpoch)
    setInt64(view, place + CURRENT_TRANSACTION_FIRST_OFFSET, entry.currentTransactionFirstOffset)
    place += ENTRY_BYTES
  }
  view.setUint32(CRC, crc32c(bytes, PRODUCER_COUNT, bytes.length))
  return bytes
}

/** Throws CorruptRecordError if these are not the bytes of a snapshot, down to the last one. */
export function decodeProducerSnapshot(bytes: Uint8Array): ProducerSnapshotEntry[] {
  if (bytes.length < HEADER_BYTES) {
    throw new CorruptRecordError(`producer snapshot has sizeBytes=${bytes.length}, below its header's ${HEADER_BYTES}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const version = view.getInt16(0)
  if (version !== VERSION_VALUE) {
    throw new CorruptRecordError(`producer snapshot has version=${version}, not ${VERSION_VALUE}`)
  }
  const stored = view.getUint32(CRC)
  const computed = crc32c(bytes, PRODUCER_COUNT, bytes.length)
  if (stored !== computed) throw new CorruptRecordError(`producer snapshot has crc=${stored}, computed ${computed}`)
  // Before the count decides how much memory to take.
  const count = view.getInt32(PRODUCER_COUNT)
  if (count < 0 || HEADER_BYTES + count * ENTRY_BYTES !== bytes.length) {
    throw new CorruptRecordError(`producer snapshot has producerCount=${count} in sizeBytes=${bytes.length}`)
  }
  const entries: ProducerSnapshotEntry[] = []
  for (let place = HEADER_BYTES; place < bytes.length; place += ENTRY_BYTES) entries.push(decodeEntry(view, place))
  return entries
}

function decodeEntry(view: DataView, place: number): ProducerSnapshotEntry {
  for (const field of INT64_FIELDS) {
    if (!isSafeInt64(view, place + field)) {
      throw new CorruptRecordError(
        `producer snapshot holds an int64 outside the safe integers at byte ${place + field}`,
      )
    }
  }
  return {
    producerId: getInt64(view, place + PRODUCER_ID),
    producerEpoch: view.getInt16(place + PRODUCER_EPOCH),
    lastSequence: view.getInt32(place + LAST_SEQUENCE),
    lastOffset: getInt64(view, place + LAST_OFFSET),
    offsetDelta: view.getInt32(place + OFFSET_DELTA),
    timestamp: getInt64(view, place + TIMESTAMP),
    coordinatorEpoch: view.getInt32(place + COORDINATOR_EPOCH),
    currentTransactionFirstOffset: getInt64(view, place + CURRENT_TRANSACTION_FIRST_OFFSET),
  }
}
