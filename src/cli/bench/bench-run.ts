/**
 * BenchRun: what a bench works with, and what every result of a run has in common.
 */
import { realEnv } from '../../base/env/real-env.ts'
import type { Log } from '../../client/log.ts'
import { UsageError } from '../command.ts'
import type { BenchDirectory } from './bench-directory.ts'
import { shardCount } from './bench-log.ts'
import type { BenchOptions } from './bench-options.ts'
import type { BenchResult } from './bench-result.ts'
import { type LoopContext, type LoopOutcome } from './limit-loops.ts'
import type { SharedClock } from './shared-clock.ts'

/** Enough for a rate that holds within a few per cent, in a fraction of a second. */
const REFERENCE_RECORDS = 1_000_000

export interface BenchRun {
  readonly options: BenchOptions
  readonly directory: BenchDirectory
  readonly clock: SharedClock
  readonly signal: AbortSignal
  /** Says on a terminal what is going on. */
  readonly note: (what: string) => void
}

/** A reference part of `limit`, run beside the bench that is compared with it. */
export function measureReference(
  run: BenchRun,
  part: string,
  loop: (context: LoopContext) => LoopOutcome,
): NonNullable<BenchResult['shareOfLimit']> {
  run.note(`what the machine can do: ${part}`)
  const { recordSize, records } = run.options
  const small = Math.min(REFERENCE_RECORDS, Math.max(1000, Math.floor((REFERENCE_RECORDS * 100) / recordSize)))
  const { seconds, ...outcome } = loop({ ...loopContext(run), records: Math.min(small, records) })
  return { part, recordsPerSecond: outcome.records / seconds }
}

export function loopContext({ options, directory, clock }: BenchRun): LoopContext {
  const { records, recordSize, batchBytes } = options
  return { clock, fs: realEnv.fs, directory: directory.path, records, recordSize, batchBytes }
}

/** The settings that every result tells. */
export function settingsOf({ options, directory }: BenchRun): Record<string, string | number | boolean | null> {
  return {
    batch_bytes: options.batchBytes,
    linger_ms: options.lingerMs,
    compression: options.compression,
    rate: options.rate === 0 ? null : options.rate,
    seconds_limit: Number.isFinite(options.seconds) ? options.seconds : null,
    ...(options.brokers === undefined
      ? { shards: shardCount(), directory: directory.path, file_system: directory.fileSystem }
      : { brokers: options.brokers }),
    node: process.version,
  }
}

/** Creates the bench's topic, which must be new: records of an earlier run could not be told from this one's. */
export async function createTopic(
  log: Log,
  { bench, topic, partitions, brokers }: BenchOptions,
  configs: Readonly<Record<string, number>> = {},
): Promise<string> {
  const name = topic ?? `bench-${bench}`
  const existing = await log.admin.listTopics()
  if (existing.includes(name)) {
    // On a cluster it may be somebody else's.
    if (topic !== undefined || brokers !== undefined)
      throw new UsageError(`topic ${name} exists: bench ${bench} fills a new one, name another with --topic`)
    await log.admin.deleteTopics([name]) // Our own, of a run that was killed.
  }
  await log.admin.createTopics([{ topic: name, partitions, configs }])
  return name
}

/** A topic that nobody named goes again, if the directory does not go as a whole. */
export async function removeTopic(log: Log, { options, directory }: BenchRun, topic: string): Promise<void> {
  const staysBehind = directory.isKept || options.brokers !== undefined
  if (options.topic === undefined && staysBehind) await log.admin.deleteTopics([topic])
}
