/**
 * What identifies a log directory (the data directory, parent of the partitions' directories), and whether it was
 * closed properly. Used by the thread that opens the directory, under its lock.
 *
 *  meta.properties        Java properties: version=1, cluster.id, node.id, directory.id as Kafka writes them, and our
 *                         own vltava.format. Kafka looks its keys up by name and ignores others: both read one file.
 *  .kafka_cleanshutdown   {"version":0,"brokerEpoch":N}, last thing written by a proper close, first thing removed by
 *                         an open: while the directory is in use it is not there, so after a crash it is not either.
 *
 * meta.properties is written once and never again: that of a Kafka directory stays as it is. A later release of ours
 * that changes the layout in a way this one cannot read raises vltava.format, and this one then refuses to open.
 */
import { assert } from '../base/assert.ts'
import { VltavaError } from '../base/errors.ts'
import { readSmallFile, replaceFile, storageCall } from '../base/file-io.ts'
import { isUuid, randomUuid, ZERO_UUID } from '../base/uuid.ts'
import type { Fs, Random } from '../base/env/env.ts'
import { parseCount } from './checkpoint-file.ts'
import { formatJavaProperties, parseJavaProperties } from './java-properties.ts'

export const META_PROPERTIES = 'meta.properties'
export const CLEAN_SHUTDOWN_MARKER = '.kafka_cleanshutdown'

/** The greatest vltava.format that this release reads, and the one it writes. */
export const LOG_DIRECTORY_FORMAT = 1

const KAFKA_VERSION = 1
const SIZE_MAX = 64 << 10
const INT32_MAX = 0x7fff_ffff

export interface LogDirectory {
  /** Of meta.properties: 0 (Kafka with ZooKeeper) or 1. */
  readonly version: number
  /** These three may be missing in version 0, directoryId also in version 1 before Kafka 3.7. */
  readonly clusterId: string | undefined
  readonly nodeId: number | undefined
  readonly directoryId: string | undefined
  /** Undefined for a directory that Kafka made. */
  readonly format: number | undefined
}

/**
 * Reads the directory's identity, or gives it one if it has none. The directory itself must exist. Throws
 * DIRECTORY_VERSION, DIRECTORY_CORRUPT, or StorageError.
 */
export function initialiseLogDirectory(fs: Fs, directory: string, random: Random, nodeId = 1): LogDirectory {
  assert(Number.isInteger(nodeId) && nodeId >= 0 && nodeId <= INT32_MAX, 'node id is an int32, 0 or more')
  const existing = readLogDirectory(fs, directory)
  if (existing !== undefined) return existing
  const clusterId = randomUuid(random)
  const directoryId = randomUuid(random)
  const content = formatJavaProperties([
    ['version', String(KAFKA_VERSION)],
    ['cluster.id', clusterId],
    ['node.id', String(nodeId)],
    ['directory.id', directoryId],
    ['vltava.format', String(LOG_DIRECTORY_FORMAT)],
  ])
  replaceFile(fs, directory, META_PROPERTIES, content)
  return { version: KAFKA_VERSION, clusterId, nodeId, directoryId, format: LOG_DIRECTORY_FORMAT }
}

/** Undefined if there is no meta.properties. Throws DIRECTORY_VERSION, DIRECTORY_CORRUPT, or StorageError. */
export function readLogDirectory(fs: Fs, directory: string): LogDirectory | undefined {
  const path = `${directory}/${META_PROPERTIES}`
  const bytes = storageCall(`reading ${path}`, () => readSmallFile(fs, path, SIZE_MAX))
  if (bytes === undefined) return undefined
  const properties = parseJavaProperties(bytes, path)

  const version = versionOf(properties, 'version', path, KAFKA_VERSION)
  if (version === undefined) throw corrupt(path, 'has no version')
  const format = versionOf(properties, 'vltava.format', path, LOG_DIRECTORY_FORMAT)
  if (format === 0) throw corrupt(path, 'has vltava.format=0, the first was 1')

  const clusterId = properties.get('cluster.id')
  const nodeId = numberOf(properties, version === 0 ? 'broker.id' : 'node.id', path)
  if (version > 0 && (clusterId === undefined || clusterId === '')) throw corrupt(path, 'has no cluster.id')
  if (version > 0 && nodeId === undefined) throw corrupt(path, 'has no node.id')
  const directoryId = properties.get('directory.id')
  if (directoryId !== undefined && (!isUuid(directoryId) || directoryId === ZERO_UUID)) {
    throw corrupt(path, `has directory.id=${JSON.stringify(directoryId)}, which is no directory's id`)
  }
  return { version, clusterId, nodeId, directoryId, format }
}

/** Says that everything in the directory is complete and durable. Durable on return. Throws StorageError. */
export function writeCleanShutdown(fs: Fs, directory: string, brokerEpoch = -1): void {
  assert(Number.isSafeInteger(brokerEpoch), 'broker epoch is a safe integer')
  const text = JSON.stringify({ version: 0, brokerEpoch })
  replaceFile(fs, directory, CLEAN_SHUTDOWN_MARKER, Buffer.from(text, 'latin1'))
}

/**
 * Whether the directory was closed properly; removes the sign of it. To be called before anything else is written. A
 * marker that cannot be read counts as none: recovery then scans, which costs time only. Throws StorageError.
 */
export function consumeCleanShutdown(fs: Fs, directory: string): boolean {
  const path = `${directory}/${CLEAN_SHUTDOWN_MARKER}`
  return storageCall(`consuming ${path}`, () => {
    const stat = fs.stat(path)
    if (stat === undefined) return false
    // Too large is not read, but removed like every other.
    const bytes = stat.sizeBytes <= SIZE_MAX ? readSmallFile(fs, path, SIZE_MAX) : undefined
    fs.unlink(path)
    fs.syncDirectory(directory)
    return bytes !== undefined && isCleanShutdownMarker(bytes)
  })
}

/** Older releases of Kafka wrote an empty file. */
function isCleanShutdownMarker(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true
  try {
    const content: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
    return typeof content === 'object' && content !== null && 'version' in content && content.version === 0
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

function versionOf(properties: Map<string, string>, key: string, path: string, max: number): number | undefined {
  const found = numberOf(properties, key, path)
  if (found === undefined || found <= max) return found
  throw new VltavaError(
    'DIRECTORY_VERSION',
    `${path} has ${key}=${found}, this release reads up to ${key}=${max}: open the directory with a later release`,
  )
}

function numberOf(properties: Map<string, string>, key: string, path: string): number | undefined {
  const text = properties.get(key)
  if (text === undefined) return undefined
  const value = parseCount(text, INT32_MAX)
  if (value === undefined) throw corrupt(path, `has ${key}=${JSON.stringify(text)}, which is no int32 from 0 on`)
  return value
}

function corrupt(path: string, what: string): VltavaError {
  return new VltavaError('DIRECTORY_CORRUPT', `${path} ${what}`)
}
