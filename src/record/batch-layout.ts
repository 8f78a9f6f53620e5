/**
 * Record batch, magic 2: the byte table that every reader and writer of batches shares.
 *
 *  byte  size  field                 notes
 *  ----  ----  --------------------  ------------------------------------------------------------------
 *     0     8  baseOffset            assigned by the log on append; not covered by the CRC
 *     8     4  batchLength           bytes after this field; whole batch = 12 + batchLength
 *    12     4  partitionLeaderEpoch  not covered by the CRC, so the log may rewrite it
 *    16     1  magic                 2
 *    17     4  crc                   CRC-32C of bytes 21 .. end
 *    21     2  attributes            bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
 *    23     4  lastOffsetDelta       kept by compaction, so gaps are legal
 *    27     8  baseTimestamp         the delete horizon, if bit 6 is set
 *    35     8  maxTimestamp
 *    43     8  producerId            -1: not idempotent
 *    51     2  producerEpoch         -1: none
 *    53     4  baseSequence          -1: none
 *    57     4  recordCount
 *    61     -  records               one compressed blob if the codec is not 0
 *
 * Big-endian. A record (all varints zigzag):
 *   length varint (bytes after it) | attributes i8 = 0 | timestampDelta varlong | offsetDelta varint |
 *   keyLength varint (-1: null), key | valueLength varint (-1: null), value | headerCount varint, then for each header:
 *   keyLength varint, key (UTF-8) | valueLength varint (-1: null), value
 *
 * Reference: KIP-98, https://kafka.apache.org/documentation/#recordbatch
 */
export const BASE_OFFSET = 0
export const BATCH_LENGTH = 8
export const PARTITION_LEADER_EPOCH = 12
export const MAGIC = 16
export const CRC = 17
export const ATTRIBUTES = 21
export const LAST_OFFSET_DELTA = 23
export const BASE_TIMESTAMP = 27
export const MAX_TIMESTAMP = 35
export const PRODUCER_ID = 43
export const PRODUCER_EPOCH = 51
export const BASE_SEQUENCE = 53
export const RECORD_COUNT = 57
export const BATCH_HEADER_BYTES = 61

/** baseOffset and batchLength: what batchLength does not count. */
export const LENGTH_PREFIX_BYTES = 12
export const CURRENT_MAGIC = 2

export const CODEC_MASK = 0x07
export const LOG_APPEND_TIME = 0x08
export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20
export const DELETE_HORIZON = 0x40

export const NO_PRODUCER_ID = -1
export const NO_PRODUCER_EPOCH = -1
export const NO_SEQUENCE = -1
export const NO_TIMESTAMP = -1

/** Sequence numbers wrap from 2^31 - 1 to 0. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) & 0x7fff_ffff
}
