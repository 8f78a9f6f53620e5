/**
 * A partition's log on a simulated disk, for tests: opened as a shard opens it, filled batch by batch, looked at from
 * outside by its files.
 */
import { createSimEnv, type SimEnv } from '../../src/base/env/sim-env.ts'
import type { SimFsOptions } from '../../src/base/env/sim-fs.ts'
import { readSmallFile } from '../../src/base/file-io.ts'
import { openPartitionLog } from '../../src/log/log-loader.ts'
import type { PartitionLogSpec } from '../../src/log/partition-log-spec.ts'
import type { PartitionLog } from '../../src/log/partition-log.ts'
import { parseTopicConfigs, type TopicConfigs } from '../../src/log/topic-config.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { BatchScan } from '../../src/segment/batch-scan.ts'
import { buildBatch, type TestBatch } from '../record/batches.ts'

export const DATA = '/data'
export const PARTITION = '/data/t-0'
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

/** Segments of 1,000 bytes with an index entry every 200: small enough to count by hand. */
export const SMALL: TopicConfigs = { 'internal.segment.bytes': '1000', 'index.interval.bytes': '200' }

export function simDisk(seed = 1, options: Partial<SimFsOptions> = {}): SimEnv {
  const env = createSimEnv(seed, options)
  env.fs.makeDirectory(DATA)
  env.fs.syncDirectory('/')
  return env
}

export interface OpenOptions extends Partial<Omit<PartitionLogSpec, 'config'>> {
  readonly configs?: TopicConfigs
}

export function openLog(env: SimEnv, options: OpenOptions = {}): PartitionLog {
  const { configs = SMALL, ...rest } = options
  return openPartitionLog(env, {
    topic: 't',
    partition: 0,
    directory: PARTITION,
    topicId: TOPIC_ID,
    config: parseTopicConfigs('t', configs),
    wasClean: false,
    recoveryPoint: 0,
    logStartOffset: 0,
    onProgress: () => undefined,
    ...rest,
  })
}

/** Appends a batch and returns the log's answer; not yet written. */
export function append(log: PartitionLog, batch: TestBatch = {}): number {
  return log.append(new RecordBatchView(buildBatch(batch)).at(0), log.env.clock.wallMs())
}

/** Appends and writes batches of one record each, whose value is of `valueBytes` bytes. */
export function fill(log: PartitionLog, count: number, valueBytes = 100): void {
  for (let i = 0; i < count; i++) {
    const code = append(log, { count: 1, valueBytes, firstTimestamp: 1_700_000_000_000 + log.logEndOffset })
    if (code !== 0) throw new Error(`append answered ${code}`)
    log.write()
  }
}

/** Every file of the partition, by name, as hex. */
export function files(env: SimEnv, directory = PARTITION): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of env.fs.list(directory)) {
    found[name] = Buffer.from(readSmallFile(env.fs, `${directory}/${name}`)!).toString('hex')
  }
  return found
}

export function fileNames(env: SimEnv, suffix: string): string[] {
  return env.fs.list(PARTITION).filter((name) => name.endsWith(suffix))
}

export function bytesOf(env: SimEnv, name: string): Uint8Array {
  return readSmallFile(env.fs, `${PARTITION}/${name}`)!
}

export function putFile(env: SimEnv, name: string, bytes: Uint8Array): void {
  const file = env.fs.open(`${PARTITION}/${name}`, 'replace')
  file.write(bytes, 0, bytes.length, 0)
  file.sync()
  file.close()
  env.fs.syncDirectory(PARTITION)
}

/** Changes a file's bytes as a failing disk would. */
export function damage(env: SimEnv, name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
  const bytes = bytesOf(env, name)
  putFile(env, name, change(bytes) ?? bytes)
}

/** Base offsets of the batches of one .log file, as far as they are good. */
export function batchOffsets(env: SimEnv, name: string): number[] {
  const file = env.fs.open(`${PARTITION}/${name}`, 'read')
  try {
    const scan = new BatchScan(file, 0, file.sizeBytes())
    const offsets: number[] = []
    while (scan.next()) offsets.push(scan.batch.baseOffset)
    return offsets
  } finally {
    file.close()
  }
}

/** Of every .log file, in order. */
export function allOffsets(env: SimEnv): number[] {
  return fileNames(env, '.log').flatMap((name) => batchOffsets(env, name))
}

export function logName(baseOffset: number, suffix = '.log'): string {
  return String(baseOffset).padStart(20, '0') + suffix
}

/** The process is killed: files are closed, the page cache stays. */
export function kill(env: SimEnv, log: PartitionLog): void {
  log.release()
  env.fs.killProcess()
}
