/**
 * verifyDirectory: every file of every partition of a data directory, segments in parallel on pool threads, and then
 * what only shows between files: gaps between segments, checkpoints beyond the log's end, topics without a directory.
 *
 * Reads only. The lock is taken if there is a lock file, so that nobody writes meanwhile; with `isLive` it is not, and
 * the check looks at what each file held when it was opened.
 */
import { availableParallelism } from 'node:os'
import type { DirectoryLock, Env } from '../base/env/env.ts'
import { errnoOf, VltavaError } from '../base/errors.ts'
import { TaskPool } from '../engine/task-pool.ts'
import { LEADER_EPOCH_CHECKPOINT } from '../log/leader-epochs.ts'
import { CLEANER_OFFSET_CHECKPOINT } from '../log/offset-checkpoint.ts'
import { PARTITION_METADATA } from '../log/partition-metadata.ts'
import { TOPICS_FILE, type TopicStore } from '../log/topic-store.ts'
import { type Fault, FaultList } from '../segment/fault.ts'
import {
  parsePartitionDirectoryName,
  parseSegmentFileName,
  partitionDirectoryName,
  segmentFileName,
} from '../segment/names.ts'
import type { SegmentReport } from '../segment/verify.ts'
import {
  BOUNDED_CHECKPOINTS,
  checkDirectoryFiles,
  checkPartitionFiles,
  type DirectoryFiles,
  type PartitionFiles,
  positionOfLine,
} from './verify-small-files.ts'

const LOCK_FILE = '.lock'
/** Errors with which a directory that we may only read refuses a lock. */
const READ_ONLY_ERRNOS = ['EROFS', 'EACCES', 'EPERM']

export interface VerifyOptions {
  readonly withRecords: boolean
  readonly isLive: boolean
  readonly threadCountMax: number
  readonly signal: AbortSignal
  readonly onProgress: (bytesDone: number, bytesTotal: number) => void
}

export interface VerifyReport {
  readonly wasClean: boolean
  readonly partitionCount: number
  readonly segmentCount: number
  readonly batchCount: number
  readonly recordCount: number
  readonly indexEntryCount: number
  readonly snapshotCount: number
  readonly sizeBytes: number
  readonly threadCount: number
  readonly faults: readonly Fault[]
  readonly faultCount: number
  /** What is worth knowing and no fault. */
  readonly notes: readonly string[]
}

interface Partition {
  readonly topic: string
  readonly partition: number
  readonly directory: string
  readonly bases: readonly number[]
  readonly snapshotOffsets: readonly number[]
  readonly files: PartitionFiles
}

/** Rejects with VltavaError DIRECTORY_UNUSABLE, DIRECTORY_LOCKED, or with the signal's reason. */
export async function verifyDirectory(env: Env, directory: string, options: VerifyOptions): Promise<VerifyReport> {
  checkIsDirectory(env, directory)
  const notes: string[] = []
  const lock = options.isLive ? undefined : takeLock(env, directory, notes)
  try {
    return await new DirectoryCheck(env, directory, options, notes).run()
  } finally {
    lock?.release()
  }
}

function checkIsDirectory(env: Env, directory: string): void {
  const stat = env.fs.stat(directory)
  if (stat === undefined) throw new VltavaError('DIRECTORY_UNUSABLE', `${directory} does not exist`)
  if (!stat.isDirectory) throw new VltavaError('DIRECTORY_UNUSABLE', `${directory} is a file, not a data directory`)
  const names = env.fs.list(directory)
  if (names.some((name) => parseSegmentFileName(name) !== undefined)) {
    const message = `${directory} is the directory of one partition; give the data directory that it lies in`
    throw new VltavaError('DIRECTORY_UNUSABLE', message)
  }
  if (names.some((name) => name === 'meta.properties' || parsePartitionDirectoryName(name) !== undefined)) return
  throw new VltavaError('DIRECTORY_UNUSABLE', `${directory} is no data directory: it has no meta.properties, no topics`)
}

/** Whoever opens a directory makes the lock file: without one nobody has it open, and none is made. */
function takeLock(env: Env, directory: string, notes: string[]): DirectoryLock | undefined {
  const path = `${directory}/${LOCK_FILE}`
  if (env.fs.stat(path) === undefined) return undefined
  try {
    const lock = env.fs.lock(path)
    if (lock !== undefined) return lock
  } catch (error) {
    if (!READ_ONLY_ERRNOS.includes(errnoOf(error))) throw error
    notes.push(`not locked (${errnoOf(error)}): if a program writes to ${directory} now, faults may be false`)
    return undefined
  }
  const message = `${directory} is in use by a running program; stop it, or check what is there now with --live`
  throw new VltavaError('DIRECTORY_LOCKED', message)
}

class DirectoryCheck {
  readonly #env: Env
  readonly #directory: string
  readonly #options: VerifyOptions
  readonly #notes: string[]
  readonly #faults = new FaultList()
  readonly #partitions: Partition[] = []

  constructor(env: Env, directory: string, options: VerifyOptions, notes: string[]) {
    this.#env = env
    this.#directory = directory
    this.#options = options
    this.#notes = notes
  }

  async run(): Promise<VerifyReport> {
    const files = checkDirectoryFiles(this.#env, this.#directory, this.#faults)
    for (const name of this.#env.fs.list(this.#directory)) this.#listPartition(name)
    this.#checkTopics(files)
    const segmentCount = sum(this.#partitions, ({ bases }) => bases.length)
    const threadCount = Math.max(1, Math.min(this.#options.threadCountMax, availableParallelism(), segmentCount))
    const reports = await this.#checkSegments(files, threadCount)
    for (const [index, partition] of this.#partitions.entries()) this.#compare(partition, reports[index]!, files)
    const all = reports.flat()
    const faults = [...all.flatMap((report) => report.faults), ...this.#faults.faults]
    return {
      wasClean: files.wasClean,
      partitionCount: this.#partitions.length,
      segmentCount,
      batchCount: sum(all, ({ batchCount }) => batchCount),
      recordCount: sum(all, ({ recordCount }) => recordCount),
      indexEntryCount: sum(all, ({ indexEntryCount }) => indexEntryCount),
      snapshotCount: sum(this.#partitions, ({ snapshotOffsets }) => snapshotOffsets.length),
      sizeBytes: sum(all, ({ sizeBytes }) => sizeBytes),
      threadCount,
      faults: faults.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.position - b.position)),
      faultCount: sum(all, ({ faultCount }) => faultCount) + this.#faults.count,
      notes: this.#notes,
    }
  }

  #listPartition(name: string): void {
    const parsed = parsePartitionDirectoryName(name)
    if (parsed === undefined) return
    const directory = `${this.#directory}/${name}`
    if (parsed.kind !== 'live') {
      this.#notes.push(`${directory} is not checked: its name says ${parsed.kind}`)
      return
    }
    if (this.#env.fs.stat(directory)?.isDirectory !== true) return
    const bases: number[] = []
    const snapshotOffsets: number[] = []
    const names = this.#env.fs.list(directory)
    for (const fileName of names) {
      const file = parseSegmentFileName(fileName)
      if (fileName.endsWith('.kept-aside')) {
        this.#notes.push(`${directory}/${fileName} holds what an earlier recovery set aside`)
      }
      if (file === undefined || file.transient !== '') continue
      if (file.suffix === '.log') bases.push(file.baseOffset)
      else if (file.suffix === '.snapshot') snapshotOffsets.push(file.baseOffset)
      else if (!names.includes(segmentFileName(file.baseOffset, '.log'))) {
        this.#notes.push(`${directory}/${fileName} belongs to no log`)
      }
    }
    if (bases.length === 0) this.#notes.push(`${directory} holds no segment`)
    const { topic, partition } = parsed
    const files = checkPartitionFiles(this.#env.fs, directory, snapshotOffsets, this.#faults)
    this.#partitions.push({ topic, partition, directory, bases, snapshotOffsets, files })
  }

  /** The list of topics against the directories: ids, and whether each partition has one. */
  #checkTopics({ topics, wasClean }: DirectoryFiles): void {
    const ids = new Map<string, string>()
    for (const { topic, directory, files } of this.#partitions) {
      const expected = topics?.get(topic)?.id ?? ids.get(topic)
      if (files.topicId === undefined) continue
      ids.set(topic, expected ?? files.topicId)
      if (expected === undefined || expected === files.topicId) continue
      const what = `topic id ${files.topicId} is not that of topic=${topic}, ${expected}`
      this.#faults.add(`${directory}/${PARTITION_METADATA}`, 0, what)
    }
    if (topics === undefined || !wasClean) return // After a crash the next open makes what is missing.
    const present = new Set(this.#partitions.map(({ topic, partition }) => partitionDirectoryName(topic, partition)))
    for (const topic of topics.names()) this.#checkPresence(topics, topic, present)
  }

  #checkPresence(topics: TopicStore, topic: string, present: ReadonlySet<string>): void {
    for (let partition = 0; partition < (topics.get(topic)?.partitions ?? 0); partition++) {
      const name = partitionDirectoryName(topic, partition)
      if (present.has(name)) continue
      this.#faults.add(`${this.#directory}/${TOPICS_FILE}`, 0, `the directory of partition ${name} is missing`)
    }
  }

  async #checkSegments(files: DirectoryFiles, threadCount: number): Promise<SegmentReport[][]> {
    const { withRecords, isLive, signal, onProgress } = this.#options
    const sizes = this.#partitions.map(({ directory, bases }) => bases.map((base) => this.#logBytes(directory, base)))
    const bytesTotal = sum(sizes.flat(), (size) => size)
    let bytesDone = 0
    signal.throwIfAborted()
    const pool = await TaskPool.start(threadCount, signal)
    try {
      const ofPartition = async (partition: Partition, index: number): Promise<SegmentReport[]> => {
        const mayHaveHoles = isCompacted(partition, files)
        return Promise.all(
          partition.bases.map(async (baseOffset, i) => {
            const nextBaseOffset = partition.bases[i + 1]
            const { directory } = partition
            const task = { directory, baseOffset, nextBaseOffset, withRecords, mayHaveHoles, isLive }
            const report = await pool.verifySegment(task)
            bytesDone += sizes[index]![i]!
            onProgress(bytesDone, bytesTotal)
            return report
          }),
        )
      }
      return await Promise.all(this.#partitions.map(ofPartition))
    } finally {
      await pool.close()
    }
  }

  #logBytes(directory: string, base: number): number {
    return this.#env.fs.stat(`${directory}/${segmentFileName(base, '.log')}`)?.sizeBytes ?? 0
  }

  /** What shows between the segments of a partition, and between its log and the small files. */
  #compare(partition: Partition, reports: readonly SegmentReport[], files: DirectoryFiles): void {
    const last = reports.at(-1)
    const mayHaveHoles = isCompacted(partition, files)
    for (let i = 1; i < reports.length; i++) {
      const before = reports[i - 1]!
      const { baseOffset } = reports[i]!
      // Damage at the end of the segment before explains a gap, and is told already.
      if (mayHaveHoles || before.isGone || before.faultCount > 0 || baseOffset <= before.nextOffset) continue
      const path = `${partition.directory}/${segmentFileName(baseOffset, '.log')}`
      const what = `offsets ${before.nextOffset} .. ${baseOffset - 1} are missing before this segment`
      this.#faults.add(path, 0, what, before.nextOffset)
    }
    // Where the log ends is known only if its last segment is good.
    if (last !== undefined && last.faultCount === 0 && !last.isGone) this.#compareEnd(partition, last.nextOffset, files)
  }

  #compareEnd({ topic, partition, directory, ...own }: Partition, endOffset: number, files: DirectoryFiles): void {
    for (const name of BOUNDED_CHECKPOINTS) {
      const offset = files.checkpoints.get(name)?.get(partitionDirectoryName(topic, partition))?.offset
      if (offset === undefined || offset <= endOffset) continue
      const path = `${this.#directory}/${name}`
      const what = `offset ${offset} of ${topic}-${partition} is beyond the log's end at ${endOffset}`
      this.#faults.add(path, positionOfLine(this.#env.fs, path, topic, partition), what, offset)
    }
    for (const offset of own.snapshotOffsets) {
      if (offset <= endOffset || this.#options.isLive) continue // Live: the log has grown since.
      const path = `${directory}/${segmentFileName(offset, '.snapshot')}`
      this.#faults.add(path, 0, `it is of an offset beyond the log's end at ${endOffset}`, offset)
    }
    const epoch = own.files.epochs.at(-1)
    if (epoch === undefined || epoch.startOffset <= endOffset) return
    const what = `epoch ${epoch.epoch} begins at ${epoch.startOffset}, beyond the log's end at ${endOffset}`
    this.#faults.add(`${directory}/${LEADER_EPOCH_CHECKPOINT}`, 0, what, epoch.startOffset)
  }
}

/** Compaction leaves holes, and a topic that was compacted once keeps them. */
function isCompacted({ topic, partition }: Partition, { topics, checkpoints }: DirectoryFiles): boolean {
  if (topic.startsWith('__')) return true // Kafka's internal topics are compacted.
  if (topics?.get(topic)?.configs['cleanup.policy']?.includes('compact') === true) return true
  return checkpoints.get(CLEANER_OFFSET_CHECKPOINT)?.has(partitionDirectoryName(topic, partition)) === true
}

function sum<T>(items: readonly T[], sizeOf: (item: T) => number): number {
  let total = 0
  for (const item of items) total += sizeOf(item)
  return total
}
