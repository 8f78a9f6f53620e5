/**
 * Names of files, directories and topics: the one gate between a name and a path.
 *
 *  <topic>-<partition>                      a live partition
 *  <topic>-<partition>.<32 hex>-delete      waiting to be removed (also -future and -stray)
 *  <20 digits>.<suffix>[.<transient>]       a file of the segment whose base offset the digits are
 *
 * A topic may contain dashes and dots, so a directory name is split at its last dash (and, with a unique id, at its
 * last dot). The kinds cannot be mixed up: a live name ends in a digit, the others in a word. Reference: Kafka's
 * LocalLog and Topic.
 */
import { assert } from '../base/assert.ts'
import { VltavaError } from '../base/errors.ts'

export const TOPIC_NAME_LENGTH_MAX = 249

/** Longest name of a directory entry that every file system we run on can hold, in bytes. */
const FILE_NAME_LENGTH_MAX = 255
const PARTITION_MAX = 0x7fff_ffff
const TOPIC_CHARACTERS = /^[A-Za-z0-9._-]+$/
const PARTITION_NUMBER = /^(?:0|[1-9][0-9]{0,9})$/
const UNIQUE_ID = /^[0-9a-fA-F]{32}$/
const SEGMENT_FILE = /^([0-9]{20})(\.log|\.index|\.timeindex|\.txnindex|\.snapshot)(\.deleted|\.cleaned|\.swap)?$/

export type SegmentSuffix = '.log' | '.index' | '.timeindex' | '.txnindex' | '.snapshot'

/** On a file that is about to be removed, is half written by a compaction, or is taking the place of others. */
export type TransientSuffix = '' | '.deleted' | '.cleaned' | '.swap'

export interface SegmentFileName {
  readonly baseOffset: number
  readonly suffix: SegmentSuffix
  readonly transient: TransientSuffix
}

export type PartitionDirectoryKind = 'live' | 'delete' | 'future' | 'stray'

export interface PartitionDirectoryName {
  /** Of a deleted or stray directory perhaps only the beginning: see deletedDirectoryName. */
  readonly topic: string
  readonly partition: number
  readonly kind: PartitionDirectoryKind
}

/** For `.snapshot` the number is the offset that the producer state was taken at, for the others the base offset. */
export function segmentFileName(baseOffset: number, suffix: SegmentSuffix): string {
  assert(Number.isSafeInteger(baseOffset) && baseOffset >= 0, 'base offset in a file name is a safe integer, 0 or more')
  return String(baseOffset).padStart(20, '0') + suffix
}

/** Undefined for every other file: the log leaves those alone. */
export function parseSegmentFileName(name: string): SegmentFileName | undefined {
  const match = SEGMENT_FILE.exec(name)
  if (match === null) return undefined
  const baseOffset = Number(match[1])
  if (!Number.isSafeInteger(baseOffset)) return undefined
  // The pattern admits these words only.
  return { baseOffset, suffix: match[2] as SegmentSuffix, transient: (match[3] ?? '') as TransientSuffix }
}

export function partitionDirectoryName(topic: string, partition: number): string {
  assert(
    Number.isInteger(partition) && partition >= 0 && partition <= PARTITION_MAX,
    'partition is an int32, 0 or more',
  )
  return `${topic}-${partition}`
}

/**
 * The name a partition's directory is given before it is removed. `hex` is 32 random hex digits, so that a topic can be
 * deleted, created and deleted again within the delay. As in Kafka, the topic is cut where the name would get too long.
 */
export function deletedDirectoryName(topic: string, partition: number, hex: string): string {
  assert(UNIQUE_ID.test(hex), 'unique id of a deleted directory is 32 hex digits')
  const tail = `${partitionDirectoryName('', partition)}.${hex}-delete`
  return topic.slice(0, FILE_NAME_LENGTH_MAX - tail.length) + tail
}

/** Undefined for a name that is not a partition's; what to do with such a directory is the caller's decision. */
export function parsePartitionDirectoryName(name: string): PartitionDirectoryName | undefined {
  const kind = kindOfDirectory(name)
  let partitionName = name
  if (kind !== 'live') {
    const dot = name.lastIndexOf('.')
    if (dot < 0 || !UNIQUE_ID.test(name.slice(dot + 1, -(kind.length + 1)))) return undefined
    partitionName = name.slice(0, dot)
  }
  const dash = partitionName.lastIndexOf('-')
  const topic = partitionName.slice(0, Math.max(dash, 0))
  const digits = partitionName.slice(dash + 1)
  if (topicNameFault(topic) !== undefined || !PARTITION_NUMBER.test(digits)) return undefined
  const partition = Number(digits)
  return partition <= PARTITION_MAX ? { topic, partition, kind } : undefined
}

/** Throws INVALID_TOPIC_EXCEPTION for a name that Kafka refuses as well. */
export function validateTopicName(name: string): void {
  const fault = topicNameFault(name)
  if (fault === undefined) return
  throw new VltavaError('INVALID_TOPIC_EXCEPTION', `topic name ${quoted(name)} is not allowed: ${fault}`)
}

/**
 * The first of `others` that differs from `name` by dots and underscores only, if any. Two such topics would share one
 * metric name, because metric names turn dots into underscores.
 */
export function collidingTopicName(name: string, others: Iterable<string>): string | undefined {
  const folded = name.replaceAll('.', '_')
  for (const other of others) {
    if (other !== name && other.replaceAll('.', '_') === folded) return other
  }
  return undefined
}

/** Why `name` cannot be a topic's, or undefined if it can. */
export function topicNameFault(name: string): string | undefined {
  // Callers in plain JavaScript pass anything.
  if (typeof name !== 'string') return 'it must be a string'
  if (name.length === 0) return 'it must have at least 1 character'
  if (name === '.' || name === '..') return "it must not be '.' or '..'"
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `it must have at most ${TOPIC_NAME_LENGTH_MAX} characters, this one has ${name.length}`
  }
  if (!TOPIC_CHARACTERS.test(name)) return "it must consist of ASCII letters, digits, '.', '_' and '-'"
  return undefined
}

function kindOfDirectory(name: string): PartitionDirectoryKind {
  if (name.endsWith('-delete')) return 'delete'
  if (name.endsWith('-future')) return 'future'
  return name.endsWith('-stray') ? 'stray' : 'live'
}

/** Escaped, because it goes into logs and terminals, and cut, because a client may send 32 KiB of it. */
function quoted(name: unknown): string {
  if (typeof name !== 'string') return typeof name
  return name.length <= 300 ? JSON.stringify(name) : `${JSON.stringify(name.slice(0, 300))}...`
}
