/**
 * Record of a committed offset: key version 1, value version 3, or 4 where the topic's id is known.
 */
import { ZERO_UUID } from '../../base/uuid.ts'
import { type Decoded, int32, int64, string, uuid } from '../../protocol/wire/schema.ts'
import { type CoordinatorRecord, RecordCodec } from './record-codec.ts'

export const OFFSET_COMMIT_KEY = 1
/** The same fields, from before Kafka 0.9. */
export const OFFSET_COMMIT_KEY_OLD = 0

const VALUE_VERSION = 3
const VALUE_VERSION_WITH_ID = 4

const KEY = new RecordCodec({ group: string(), topic: string(), partition: int32() }, 1)

const VALUE_FIELDS = {
  offset: int64(),
  leaderEpoch: int32({ since: 3, default: -1, ignorable: true }),
  metadata: string(),
  commitTimestamp: int64(),
  expireTimestamp: int64({ since: 1, until: 1, default: -1, ignorable: true }),
  topicId: uuid({ since: 4, tag: 0, default: ZERO_UUID, ignorable: true }),
}
const VALUE = new RecordCodec(VALUE_FIELDS, VALUE_VERSION_WITH_ID, 4)

export type OffsetCommitValue = Decoded<typeof VALUE_FIELDS>

export interface OffsetCommitKey {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

export function offsetRecord(key: OffsetCommitKey, value: OffsetCommitValue | null): CoordinatorRecord {
  if (value === null) return { key: KEY.write(OFFSET_COMMIT_KEY, key), value: null }
  const version = value.topicId === ZERO_UUID ? VALUE_VERSION : VALUE_VERSION_WITH_ID
  return { key: KEY.write(OFFSET_COMMIT_KEY, key), value: VALUE.write(version, value) }
}

export function readOffsetKey(key: Uint8Array): OffsetCommitKey {
  return KEY.read(key)!
}

export function readOffsetValue(value: Uint8Array): OffsetCommitValue | undefined {
  return VALUE.read(value)
}
