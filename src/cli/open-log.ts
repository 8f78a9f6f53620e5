/**
 * Opens the log that a command works on (`--data DIR`), tells what recovery did, and closes it whatever happens.
 */
import { realEnv } from '../base/env/real-env.ts'
import { VltavaError } from '../base/errors.ts'
import { type Log, open } from '../index.ts'
import { type Arguments, type CommandContext, UsageError } from './command.ts'
import { writeLine } from './output.ts'

const DAMAGE_LINES_MAX = 20

/** What `--data` says. Throws UsageError without it, and for `--brokers`. */
export function dataDirectory(args: Arguments): string {
  if (args.text('brokers') !== undefined) {
    throw new UsageError('--brokers (a running broker) comes with a later release; use --data DIR')
  }
  const directory = args.text('data')
  if (directory === undefined || directory === '') throw new UsageError('--data DIR is missing')
  return directory
}

/**
 * Runs `work` with the log of `directory` open. A directory that is not there is an error unless `mayCreate`: a
 * mistyped path must not become an empty log. Rejects with VltavaError DIRECTORY_*, or as `work` does.
 */
export async function withLog<T>(
  directory: string,
  { stderr }: Pick<CommandContext, 'stderr'>,
  work: (log: Log) => Promise<T>,
  mayCreate = false,
): Promise<T> {
  if (!mayCreate && realEnv.fs.stat(directory) === undefined) {
    const hint = `vltava topic create NAME --partitions 1 --data ${directory}`
    throw new VltavaError('DIRECTORY_UNUSABLE', `${directory} does not exist; make it with: ${hint}`)
  }
  const log = await open({ dir: directory })
  let result: T
  try {
    await tellDamage(log, stderr)
    result = await work(log)
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
  --json                results as JSON, for programs
  -h, --help            this text`
