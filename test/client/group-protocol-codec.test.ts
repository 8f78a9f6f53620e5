import { expect, it } from 'vitest'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../src/client/group-protocol-codec.ts'
import { WireFormatError } from '../../src/protocol/wire/wire-error.ts'

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

it('a subscription comes back as it went', () => {
  const owned = [
    { topic: 'a', partition: 0 },
    { topic: 'a', partition: 2 },
    { topic: 'b', partition: 1 },
  ]
  const subscription = { topics: ['a', 'b'], owned, generation: 7 }
  expect(decodeSubscription(encodeSubscription(subscription, 'rack-1'))).toEqual(subscription)
})

it('an assignment comes back as it went; no bytes are an empty one', () => {
  const partitions = [
    { topic: 'a', partition: 0 },
    { topic: 'a', partition: 3 },
  ]
  expect(decodeAssignment(encodeAssignment(partitions))).toEqual(partitions)
  expect(decodeAssignment(new Uint8Array(0))).toEqual([])
})

it('reads version 0, as KafkaJS and older clients write it', () => {
  const subscription = decodeSubscription(bytes('0000 00000001 0001 74 ffffffff'))
  expect(subscription).toEqual({ topics: ['t'], owned: [], generation: -1 })
  expect(decodeAssignment(bytes('0000 00000001 0001 74 00000002 00000000 00000001 ffffffff'))).toEqual([
    { topic: 't', partition: 0 },
    { topic: 't', partition: 1 },
  ])
})

it('reads what claims version 1 and lacks its fields, and a version of the future', () => {
  expect(decodeSubscription(bytes('0001 00000001 0001 74 ffffffff')).topics).toEqual(['t'])
  const future = encodeSubscription({ topics: ['t'], owned: [], generation: 3 }, null)
  future[1] = 9
  expect(decodeSubscription(Uint8Array.from([...future, 1, 2, 3])).generation).toBe(3)
})

it.each(['', '00', 'ffff 00000000', '0000 7fffffff', '0000 00000001 0001'])('refuses %j with a typed error', (hex) => {
  expect(() => decodeSubscription(bytes(hex))).toThrow(WireFormatError)
})
