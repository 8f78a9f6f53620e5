/**
 * Record of a classic group: key version 2, value version 3.
 */
import { array, bytes, type Decoded, int32, int64, string } from '../../protocol/wire/schema.ts'
import { type CoordinatorRecord, RecordCodec } from './record-codec.ts'

export const GROUP_METADATA_KEY = 2

const VALUE_VERSION = 3

const KEY = new RecordCodec({ group: string() }, GROUP_METADATA_KEY)

const MEMBER = {
  memberId: string(),
  groupInstanceId: string({ since: 3, nullableSince: 3, default: null, ignorable: true }),
  clientId: string(),
  clientHost: string(),
  rebalanceTimeout: int32({ since: 1, default: -1, ignorable: true }),
  sessionTimeout: int32(),
  subscription: bytes(),
  assignment: bytes(),
}
const VALUE_FIELDS = {
  protocolType: string(),
  generation: int32(),
  protocol: string({ nullableSince: 0 }),
  leader: string({ nullableSince: 0 }),
  currentStateTimestamp: int64({ since: 2, default: -1, ignorable: true }),
  members: array(MEMBER),
}
const VALUE = new RecordCodec(VALUE_FIELDS, 4, 4)

export type GroupMetadataValue = Decoded<typeof VALUE_FIELDS>

export function groupMetadataRecord(group: string, value: GroupMetadataValue | null): CoordinatorRecord {
  const key = KEY.write(GROUP_METADATA_KEY, { group })
  return { key, value: value === null ? null : VALUE.write(VALUE_VERSION, value) }
}

export function readGroupMetadataKey(key: Uint8Array): string {
  return KEY.read(key)!.group
}

export function readGroupMetadataValue(value: Uint8Array): GroupMetadataValue | undefined {
  return VALUE.read(value)
}
