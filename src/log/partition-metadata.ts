/**
 * `partition.metadata`: the topic id that a partition's directory belongs to. Written and durable before the first
 * record, and never changed: a topic that is deleted and created again has a new id, and Kafka sets a directory aside
 * whose id it does not know.
 *
 *  version: 0
 *  topic_id: <22 characters>     without a newline at the end
 */
import { assert } from '../base/assert.ts'
import { isUuid, ZERO_UUID } from '../base/uuid.ts'
import { VltavaError } from '../base/errors.ts'
import { readSmallFile, replaceFile, storageCall } from '../base/file-io.ts'
import type { Fs } from '../base/env/env.ts'

export const PARTITION_METADATA = 'partition.metadata'

const VERSION = '0'
const SIZE_MAX = 4096
const CONTENT = /^version: ([0-9]{1,10})\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/
const VERSION_LINE = /^version: ([0-9]{1,10})(?:\n|$)/

export interface PartitionMetadata {
  /** In Kafka's text form; see base/uuid.ts. */
  readonly topicId: string
}

/** Undefined if there is no such file. Throws DIRECTORY_VERSION, DIRECTORY_CORRUPT, or StorageError. */
export function readPartitionMetadata(fs: Fs, directory: string): PartitionMetadata | undefined {
  const path = `${directory}/${PARTITION_METADATA}`
  const bytes = storageCall(`reading ${path}`, () => readSmallFile(fs, path, SIZE_MAX))
  if (bytes === undefined) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const version = VERSION_LINE.exec(text)?.[1]
  // A later version may look different below its first line.
  if (version !== undefined && version !== VERSION) {
    throw new VltavaError('DIRECTORY_VERSION', `${path} has version=${version}, this release reads version=${VERSION}`)
  }
  const topicId = CONTENT.exec(text)?.[2]
  if (topicId === undefined || !isUuid(topicId) || topicId === ZERO_UUID) {
    const found = JSON.stringify(text.slice(0, 100))
    throw new VltavaError('DIRECTORY_CORRUPT', `${path} does not hold a version and a topic id: found ${found}`)
  }
  return { topicId }
}

/** Atomic and durable. Throws StorageError. */
export function writePartitionMetadata(fs: Fs, directory: string, topicId: string): void {
  assert(isUuid(topicId) && topicId !== ZERO_UUID, 'topic id is a UUID other than zero')
  const text = `version: ${VERSION}\ntopic_id: ${topicId}`
  replaceFile(fs, directory, PARTITION_METADATA, Buffer.from(text, 'latin1'))
}
