/**
 * What members of a classic consumer group say to each other inside JoinGroup and SyncGroup: Kafka's embedded consumer
 * protocol, by which the Java client, librdkafka and others share groups with this one.
 *
 *   subscription   int16 version; topics; userData; 1+: partitions owned; 2+: generation they are of; 3+: rack
 *   assignment     int16 version; partitions; userData
 *
 * A later version is read as the newest known: fields are only ever added at the end. Clients are known that claim
 * version 1 and leave its fields out; they are read as version 0.
 */
import { compileStruct } from '../protocol/wire/codec.ts'
import { array, bytes, type Decoded, int32, string } from '../protocol/wire/schema.ts'
import { WireFormatError } from '../protocol/wire/wire-error.ts'
import { WireReader } from '../protocol/wire/wire-reader.ts'
import { WireWriter } from '../protocol/wire/wire-writer.ts'
import type { TopicPartition } from './consumer-positions.ts'
import { byTopic } from './group-offsets.ts'

const VERSION_MAX = 3

const PARTITIONS = { topic: string(), partitions: array(int32()) }
const SUBSCRIPTION = {
  topics: array(string()),
  userData: bytes({ nullableSince: 0, default: null }),
  ownedPartitions: array(PARTITIONS, { since: 1, ignorable: true }),
  generationId: int32({ since: 2, default: -1, ignorable: true }),
  rackId: string({ since: 3, nullableSince: 3, default: null, ignorable: true }),
}
const ASSIGNMENT = {
  assignedPartitions: array(PARTITIONS),
  userData: bytes({ nullableSince: 0, default: null }),
}

const subscriptions = [0, 1, 2, 3].map((version) => compileStruct(SUBSCRIPTION, version, false))
const assignments = [0, 1, 2, 3].map((version) => compileStruct(ASSIGNMENT, version, false))

export interface MemberSubscription {
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  /** In which `owned` was assigned; -1: not said. */
  readonly generation: number
}

export function encodeSubscription({ topics, owned, generation }: MemberSubscription, rack: string | null): Uint8Array {
  const writer = new WireWriter(256)
  writer.int16(VERSION_MAX)
  subscriptions[VERSION_MAX]!.write(writer, {
    topics: [...topics],
    userData: null,
    ownedPartitions: grouped(owned),
    generationId: generation,
    rackId: rack,
  })
  return writer.finish()
}

/** Of bytes that another client wrote. Throws WireFormatError. */
export function decodeSubscription(metadata: Uint8Array): MemberSubscription {
  const version = versionOf(metadata)
  for (let tried = version; ; tried = 0) {
    try {
      const reader = new WireReader(metadata)
      reader.int16()
      const read = subscriptions[tried]!.read(reader) as Decoded<typeof SUBSCRIPTION>
      return { topics: read.topics, owned: flat(read.ownedPartitions), generation: read.generationId }
    } catch (error) {
      if (!(error instanceof WireFormatError) || tried === 0) throw error
    }
  }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const writer = new WireWriter(256)
  writer.int16(VERSION_MAX)
  assignments[VERSION_MAX]!.write(writer, { assignedPartitions: grouped(partitions), userData: null })
  return writer.finish()
}

/** Empty bytes are an empty assignment. Throws WireFormatError. */
export function decodeAssignment(assignment: Uint8Array): TopicPartition[] {
  if (assignment.length === 0) return []
  const version = versionOf(assignment)
  const reader = new WireReader(assignment)
  reader.int16()
  const read = assignments[version]!.read(reader) as Decoded<typeof ASSIGNMENT>
  return flat(read.assignedPartitions)
}

function versionOf(bytesOfOther: Uint8Array): number {
  const version = new WireReader(bytesOfOther).int16()
  if (version < 0) throw new WireFormatError(`version ${version} of the consumer protocol`)
  return Math.min(version, VERSION_MAX)
}

function grouped(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  return [...byTopic(partitions)].map(([topic, of]) => ({
    topic,
    partitions: of.map(({ partition }) => partition).sort((one, other) => one - other),
  }))
}

function flat(topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
}
