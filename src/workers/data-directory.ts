/**
 * DataDirectory: what the dispatcher holds of a data directory besides the partitions: the lock, the identity, the list
 * of topics, the checkpoints, the producer ids. Owned by the dispatcher thread; everything here is under the lock.
 *
 * Order of opening: lock, versions (nothing is written before they are known), clean-shutdown marker taken away,
 * topics, unfinished deletions, checkpoints. Order of closing: partitions (by their shards), checkpoints, marker, lock.
 */
import type { DirectoryLock, Env } from '../base/env/env.ts'
import { errnoOf, VltavaError } from '../base/errors.ts'
import { readSmallFile, replaceFile } from '../base/file-io.ts'
import {
  consumeCleanShutdown,
  initialiseLogDirectory,
  readLogDirectory,
  writeCleanShutdown,
} from '../log/log-directory.ts'
import {
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  type PartitionOffset,
  readOffsetCheckpoint,
  RECOVERY_POINT_CHECKPOINT,
  writeOffsetCheckpoint,
} from '../log/offset-checkpoint.ts'
import { TopicStore } from '../log/topic-store.ts'
import { parsePartitionDirectoryName, partitionDirectoryName } from '../segment/names.ts'
import type { Values } from '../settings/overrides.ts'
import { DiskReserve } from './disk-reserve.ts'
import { SettingsStore } from './settings-store.ts'

const LOCK_FILE = '.lock'
const PRODUCER_IDS_FILE = 'vltava-producer-ids.json'
/** Ids are reserved on disk in blocks, so that one durable write serves many producers. */
const PRODUCER_ID_BLOCK = 1000

export class DataDirectory {
  readonly path: string
  readonly topics: TopicStore
  readonly settings: SettingsStore
  readonly reserve: DiskReserve
  readonly wasClean: boolean
  readonly #env: Env
  readonly #lock: DirectoryLock
  readonly #recoveryPoints: Map<string, PartitionOffset>
  readonly #logStartOffsets: Map<string, PartitionOffset>
  #nextProducerId = 0
  #producerIdsReserved = 0
  #lastWritten = ''

  /** `given`: settings of the broker. Throws VltavaError DIRECTORY_UNUSABLE, DIRECTORY_LOCKED, DIRECTORY_VERSION or DIRECTORY_CORRUPT. */
  constructor(env: Env, path: string, given: Values = {}) {
    this.#env = env
    this.path = path
    usable(path, () => makeDirectories(env, path))
    const lock = usable(path, () => env.fs.lock(`${path}/${LOCK_FILE}`))
    if (lock === undefined) {
      throw new VltavaError(
        'DIRECTORY_LOCKED',
        `${path} is open already, in this process or another: one log owns a directory at a time. ` +
          'Close the other one, or connect to its port.',
      )
    }
    this.#lock = lock
    try {
      const isNew = readLogDirectory(env.fs, path) === undefined
      if (isNew) usable(path, () => syncAncestors(env, path))
      usable(path, () => initialiseLogDirectory(env.fs, path, env.random))
      this.wasClean = usable(path, () => consumeCleanShutdown(env.fs, path))
      env.failpoint('open:after-marker')
      // Files whose replacement a stop has interrupted are believed from here on: a power cut must not bring the old
      // back.
      if (!this.wasClean) usable(path, () => env.fs.syncDirectory(path))
      this.topics = usable(path, () => TopicStore.load(env, path))
      this.settings = usable(path, () => new SettingsStore(env.fs, path, given))
      this.reserve = usable(path, () => new DiskReserve(env.fs, path))
      usable(path, () => this.#removeDeletedDirectories())
      this.#recoveryPoints = this.#readPoints(RECOVERY_POINT_CHECKPOINT)
      this.#logStartOffsets = this.#readPoints(LOG_START_OFFSET_CHECKPOINT)
      usable(path, () => this.#readProducerIds())
    } catch (error) {
      lock.release()
      throw error
    }
  }

  recoveryPoint(topic: string, partition: number): number {
    return this.#recoveryPoints.get(partitionDirectoryName(topic, partition))?.offset ?? 0
  }

  logStartOffset(topic: string, partition: number): number {
    return this.#logStartOffsets.get(partitionDirectoryName(topic, partition))?.offset ?? 0
  }

  /** Notes where a partition stands; written by writeCheckpoints(). Neither point goes back. */
  notePoints(topic: string, partition: number, recoveryPoint: number, logStartOffset: number): void {
    const key = partitionDirectoryName(topic, partition)
    const recovered = Math.max(recoveryPoint, this.#recoveryPoints.get(key)?.offset ?? 0)
    this.#recoveryPoints.set(key, { topic, partition, offset: recovered })
    const started = Math.max(logStartOffset, this.#logStartOffsets.get(key)?.offset ?? 0)
    if (started > 0) this.#logStartOffsets.set(key, { topic, partition, offset: started })
  }

  forgetTopic(topic: string): void {
    for (const points of [this.#recoveryPoints, this.#logStartOffsets]) {
      for (const [key, entry] of points) if (entry.topic === topic) points.delete(key)
    }
  }

  /** Durable when it returns; nothing is written if nothing moved. Throws StorageError. */
  writeCheckpoints(): void {
    const recovery = [...this.#recoveryPoints.values()]
    const starts = [...this.#logStartOffsets.values()]
    const state = JSON.stringify([recovery, starts])
    if (state === this.#lastWritten) return
    const { fs } = this.#env
    this.#env.failpoint('checkpoint:before-write')
    writeOffsetCheckpoint(fs, this.path, LOG_START_OFFSET_CHECKPOINT, starts)
    this.#env.failpoint('checkpoint:between')
    writeOffsetCheckpoint(fs, this.path, RECOVERY_POINT_CHECKPOINT, recovery)
    this.#env.failpoint('checkpoint:after-write')
    this.#lastWritten = state
  }

  /** The last act of a clean close, after every partition was closed. */
  closeClean(highWatermarks: readonly PartitionOffset[]): void {
    this.writeCheckpoints()
    writeOffsetCheckpoint(this.#env.fs, this.path, HIGH_WATERMARK_CHECKPOINT, highWatermarks)
    this.#env.failpoint('close:before-marker')
    writeCleanShutdown(this.#env.fs, this.path)
    this.#env.failpoint('close:after-marker')
  }

  release(): void {
    this.#lock.release()
  }

  /** A producer id that this directory never gave out. Throws StorageError. */
  allocateProducerId(): number {
    if (this.#nextProducerId >= this.#producerIdsReserved)
      this.#reserveProducerIds(this.#nextProducerId + PRODUCER_ID_BLOCK)
    this.#nextProducerId += 1
    return this.#nextProducerId - 1
  }

  /** A log holds batches of this id: later ids must be greater. */
  noteProducerId(producerId: number): void {
    if (producerId >= this.#nextProducerId) this.#nextProducerId = producerId + 1
  }

  #reserveProducerIds(end: number): void {
    const content = JSON.stringify({ version: 1, reservedUntil: end })
    replaceFile(this.#env.fs, this.path, PRODUCER_IDS_FILE, new TextEncoder().encode(content))
    this.#producerIdsReserved = end
  }

  #readProducerIds(): void {
    const file = `${this.path}/${PRODUCER_IDS_FILE}`
    const bytes = readSmallFile(this.#env.fs, file)
    if (bytes === undefined) return
    const match = /^\{"version":(\d+),"reservedUntil":(\d+)\}$/.exec(new TextDecoder().decode(bytes))
    if (match === null) throw new VltavaError('DIRECTORY_CORRUPT', `${file} does not hold reserved producer ids`)
    if (match[1] !== '1')
      throw new VltavaError('DIRECTORY_VERSION', `${file} has version=${match[1]}, this release reads 1`)
    // The rest of the last block is given up: which of its ids were used is not known.
    this.#nextProducerId = Number(match[2])
    this.#producerIdsReserved = this.#nextProducerId
  }

  #readPoints(name: string): Map<string, PartitionOffset> {
    return new Map(readOffsetCheckpoint(this.#env.fs, this.path, name) ?? [])
  }

  /** Directories whose deletion a crash interrupted after their renaming. */
  #removeDeletedDirectories(): void {
    const { fs } = this.#env
    for (const name of fs.list(this.path)) {
      if (parsePartitionDirectoryName(name)?.kind !== 'delete') continue
      const directory = `${this.path}/${name}`
      for (const file of fs.list(directory)) fs.unlink(`${directory}/${file}`)
      fs.removeDirectory(directory)
    }
  }
}

function makeDirectories(env: Env, path: string): void {
  const stat = env.fs.stat(path)
  if (stat !== undefined) {
    if (!stat.isDirectory) {
      throw new VltavaError('DIRECTORY_UNUSABLE', `${path} is a file where the data directory should be`)
    }
    return
  }
  const parent = path.slice(0, path.lastIndexOf('/'))
  if (parent !== '') makeDirectories(env, parent)
  env.fs.makeDirectory(path)
}

/** Makes the names of the directory and of all above it durable: which of them are new is not known after a crash. */
function syncAncestors(env: Env, path: string): void {
  for (let child = path; child !== '';) {
    child = child.slice(0, child.lastIndexOf('/'))
    try {
      env.fs.syncDirectory(child === '' ? '/' : child)
    } catch (error) {
      // A directory that we may not read is not one that we made.
      if (!['EACCES', 'EPERM', 'EROFS', 'EINVAL'].includes(errnoOf(error))) throw error
    }
  }
}

/** A system error while the directory is opened becomes a VltavaError that says so. */
function usable<T>(path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (error instanceof VltavaError && error.code !== 'KAFKA_STORAGE_ERROR') throw error
    const cause = error instanceof VltavaError ? error.cause : error
    const errno = errnoOf(cause ?? error)
    if (errno === '') throw error
    const hint = errno === 'EROFS' || errno === 'EACCES' || errno === 'EPERM' ? ': it must be writable' : ''
    throw new VltavaError('DIRECTORY_UNUSABLE', `cannot open ${path}${hint} (${(error as Error).message})`, {
      cause: error,
    })
  }
}
