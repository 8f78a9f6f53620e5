/** Records byte for byte as Kafka's schemas have them, and back. */
import { expect, it } from 'vitest'
import { ZERO_UUID } from '../../src/base/uuid.ts'
import { assignmentOf, NO_PARTITIONS } from '../../src/coordinator/consumer/assignment.ts'
import {
  type ConsumerGroupChange,
  consumerGroupRecord,
  readConsumerGroupRecord,
} from '../../src/coordinator/records/consumer-group-records.ts'
import {
  groupMetadataRecord,
  readGroupMetadataKey,
  readGroupMetadataValue,
} from '../../src/coordinator/records/group-metadata-record.ts'
import { offsetRecord, readOffsetKey, readOffsetValue } from '../../src/coordinator/records/offset-records.ts'

const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const TOPIC_ID = 'AQIDBAUGBwgJCgsMDQ4PEA'
const TOPIC_ID_HEX = '0102030405060708090a0b0c0d0e0f10'

it('a committed offset is key 1, value 3, and value 4 with the id of its topic', () => {
  const key = { group: 'g', topic: 't', partition: 2 }
  const value = {
    offset: 258,
    leaderEpoch: 1,
    metadata: 'm',
    commitTimestamp: 1,
    expireTimestamp: -1,
    topicId: ZERO_UUID,
  }
  const record = offsetRecord(key, value)
  expect(hex(record.key)).toBe('0001' + '000167' + '000174' + '00000002')
  expect(hex(record.value)).toBe('0003' + '0000000000000102' + '00000001' + '00016d' + '0000000000000001')
  const withId = offsetRecord(key, { ...value, topicId: TOPIC_ID })
  const fields = '0000000000000102' + '00000001' + '026d' + '0000000000000001'
  expect(hex(withId.value)).toBe('0004' + fields + '01' + '00' + '10' + TOPIC_ID_HEX)
  expect(readOffsetKey(record.key)).toEqual(key)
  expect(readOffsetValue(record.value!)).toEqual(value)
  expect(readOffsetValue(withId.value!)).toEqual({ ...value, topicId: TOPIC_ID })
  expect(offsetRecord(key, null).value).toBeNull()
})

it('an old offset value, with an expiry, is read', () => {
  const bytes = Buffer.from('0001' + '0000000000000102' + '00016d' + '0000000000000001' + '0000000000000005', 'hex')
  expect(readOffsetValue(bytes)).toMatchObject({ offset: 258, leaderEpoch: -1, expireTimestamp: 5 })
  expect(readOffsetValue(Buffer.from('0009', 'hex')), 'of a version of the future').toBeUndefined()
})

it('a classic group is key 2, value 3', () => {
  const member = {
    memberId: 'm',
    groupInstanceId: null,
    clientId: 'c',
    clientHost: 'h',
    rebalanceTimeout: 2,
    sessionTimeout: 1,
    subscription: Uint8Array.from([1, 2]),
    assignment: Uint8Array.from([3]),
  }
  const value = {
    protocolType: 'p',
    generation: 7,
    protocol: 'r',
    leader: 'm',
    currentStateTimestamp: 1,
    members: [member],
  }
  const record = groupMetadataRecord('g', value)
  const head = '0003' + '000170' + '00000007' + '000172' + '00016d' + '0000000000000001' + '00000001'
  const ids = '00016d' + 'ffff' + '000163' + '000168' + '00000002' + '00000001'
  expect(hex(record.key)).toBe('0002' + '000167')
  expect(hex(record.value)).toBe(head + ids + '000000020102' + '0000000103')
  expect(readGroupMetadataKey(record.key)).toBe('g')
  expect(readGroupMetadataValue(record.value!)).toEqual(value)
})

const assignment = assignmentOf([{ topicId: TOPIC_ID, partitions: [0, 3] }])
const ASSIGNMENT_HEX = '02' + TOPIC_ID_HEX + '03' + '00000000' + '00000003' + '00'
const changes: [ConsumerGroupChange, string, string][] = [
  [{ kind: 'epoch', value: { epoch: 9, metadataHash: 0 } }, '0003000167', '0000' + '00000009' + '00'],
  [
    { kind: 'epoch', value: { epoch: 9, metadataHash: 5 } },
    '0003000167',
    '0000' + '00000009' + '01' + '00' + '08' + '0000000000000005',
  ],
  [{ kind: 'targetEpoch', value: 9 }, '0006000167', '0000' + '00000009' + '00'],
  [{ kind: 'target', memberId: 'm', value: assignment }, '000700016700016d', '0000' + ASSIGNMENT_HEX + '00'],
  [
    {
      kind: 'current',
      memberId: 'm',
      value: {
        memberEpoch: 3,
        previousMemberEpoch: 2,
        state: 1,
        assigned: assignment,
        pendingRevocation: NO_PARTITIONS,
      },
    },
    '000800016700016d',
    '0000' + '00000003' + '00000002' + '01' + ASSIGNMENT_HEX + '01' + '00',
  ],
  [
    {
      kind: 'member',
      memberId: 'm',
      value: {
        instanceId: null,
        rackId: 'r',
        clientId: 'c',
        clientHost: 'h',
        subscribedTopicNames: ['t'],
        subscribedTopicRegex: null,
        rebalanceTimeoutMs: 16,
        serverAssignor: null,
      },
    },
    '000500016700016d',
    '0000' + '00' + '0272' + '0263' + '0268' + '02' + '0274' + '00' + '00000010' + '00' + '00',
  ],
  [
    { kind: 'regex', regex: 'x', value: { topics: ['t'], timestamp: 2 } },
    '0010000167000178',
    '0000' + '02' + '0274' + '0000000000000000' + '0000000000000002' + '00',
  ],
]
it.each(changes)('a consumer group: %j', (change, key, value) => {
  const record = consumerGroupRecord('g', change)
  expect([hex(record.key), hex(record.value)]).toEqual([key, value])
  const read = readConsumerGroupRecord(record.key, record.value)
  expect(read?.groupId).toBe('g')
  expect(read?.change).toMatchObject(change)
  const tombstone = { ...change, value: null }
  const nothing = consumerGroupRecord('g', tombstone)
  expect([hex(nothing.key), nothing.value]).toEqual([key, null])
  expect(readConsumerGroupRecord(nothing.key, null)?.change).toEqual(tombstone)
})

it("a hash of Kafka's that no number holds is taken as none", () => {
  const value = Buffer.from('0000' + '00000009' + '01' + '00' + '08' + '7fffffffffffffff', 'hex')
  const read = readConsumerGroupRecord(Buffer.from('0003000167', 'hex'), value)
  expect(read?.change.value).toEqual({ epoch: 9, metadataHash: 0 })
})
