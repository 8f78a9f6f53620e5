/**
 * Opens the log that a command works on (`--data DIR`), tells what recovery did, and closes it whatever happens; or
 * connects to the brokers that have it (`--brokers HOST:PORT`).
 */
import { realEnv } from '../base/env/real-env.ts'
import { VltavaError } from '../base/errors.ts'
import { parseBrokers } from '../client/cluster/settings.ts'
import { connect, type Log, open } from '../index.ts'
import { type Arguments, type CommandContext, UsageError } from './command.ts'
import { writeLine } from './output.ts'

const DAMAGE_LINES_MAX = 20
const CONNECT_MS = 5000

/** Where a log is: in a directory of this machine, or on a cluster. */
export type LogPlace = { readonly directory: string } | { readonly brokers: string }

/** What `--data` or `--brokers` says. Throws UsageError without either, and for both. */
export function logPlace(args: Arguments): LogPlace {
  const brokers = args.text('brokers')
  const directory = args.text('data')
  if (brokers !== undefined) return { brokers: checkedBrokers(brokers, directory) }
  if (directory === undefined || directory === '') {
    throw new UsageError('--data DIR is missing (or --brokers HOST:PORT, for a log that is served)')
  }
  return { directory }
}

/** Throws UsageError. */
export function checkedBrokers(brokers: string, directory: string | undefined): string {
  if (directory !== undefined) throw new UsageError('--data and --brokers exclude each other')
  try {
    parseBrokers(brokers)
  } catch (error) {
    if (error instanceof VltavaError) throw new UsageError(`--${error.message}`)
    throw error
  }
  return brokers
}

export interface OpeningOptions {
  readonly mayCreate?: boolean
  /** Of the broker, by Kafka's names. */
  readonly settings?: Readonly<Record<string, string>>
}

/** The option that names the place, for hints. */
export function placeOption(place: LogPlace): string {
  return 'brokers' in place ? `--brokers ${place.brokers}` : `--data ${place.directory}`
}

/**
 * Runs `work` with the log at `place` (a directory, if it is a text) open. A directory that is not there is an error
 * unless `mayCreate`: a mistyped path must not become an empty log. Rejects with VltavaError DIRECTORY_*,
 * BROKER_UNAVAILABLE, or as `work` does.
 */
export async function withLog<T>(
  place: string | LogPlace,
  { stderr }: Pick<CommandContext, 'stderr'>,
  work: (log: Log) => Promise<T>,
  { mayCreate = false, settings }: OpeningOptions = {},
): Promise<T> {
  if (typeof place !== 'string' && 'brokers' in place) {
    const log = await connect({ brokers: place.brokers, clientId: 'vltava-cli', connectTimeoutMs: CONNECT_MS })
    return await closing(log, () => work(log))
  }
  const directory = typeof place === 'string' ? place : place.directory
  if (!mayCreate && realEnv.fs.stat(directory) === undefined) {
    const hint = `vltava topic create NAME --partitions 1 --data ${directory}`
    throw new VltavaError('DIRECTORY_UNUSABLE', `${directory} does not exist; make it with: ${hint}`)
  }
  const log = await open({ dir: directory, ...(settings === undefined ? {} : { settings }) })
  return await closing(log, async () => {
    await tellDamage(log, stderr)
    return await work(log)
  })
}

async function closing<T>(log: Log, work: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    await Promise.allSettled([log.close()]) // The first error tells more than what closing adds to it.
    throw error
  }
  await log.close()
  return result
}

/** Nothing is repaired in silence. */
async function tellDamage(log: Log, stderr: NodeJS.WriteStream): Promise<void> {
  const damage = await log.admin.damage()
  for (const { file, position, reason, action } of damage.slice(0, DAMAGE_LINES_MAX)) {
    await writeLine(stderr, `vltava: recovery: ${file}: byte ${position}: ${reason}: ${action}`)
  }
  if (damage.length > DAMAGE_LINES_MAX) {
    await writeLine(stderr, `vltava: recovery: and ${damage.length - DAMAGE_LINES_MAX} places more; see vltava verify`)
  }
}

/** The help's paragraph on where the log is. */
export const LOG_OPTIONS_HELP = `  --data DIR            the data directory; one program has it open at a time
  --brokers HOST:PORT   instead: brokers of a running cluster (Vltava or Apache Kafka), joined by commas
  --json                results as JSON, for programs
  -h, --help            this text`
