#!/usr/bin/env node
/**
 * `vltava NOUN [VERB] ...`: finds the command, runs it, prints its errors, and turns the outcome into an exit status.
 *
 * 0 done, 1 failed, 2 wrong usage. An error goes to stderr as one line, `vltava: <message> [CODE]`, or with --json as
 * `{"error":{"code","message"}}`; VLTAVA_DEBUG=1 adds the stack. SIGINT and SIGTERM abort the command's signal, so that
 * the log is closed in order; the second one ends the process at once.
 */
import { readFileSync } from 'node:fs'
import { errnoOf, VltavaError } from '../base/errors.ts'
import { benchCommand } from './bench-command.ts'
import { type Command, CommandFailed, EXIT_FAILED, EXIT_OK, EXIT_USAGE, UsageError } from './command.ts'
import { consumeCommand } from './consume-command.ts'
import { demoCommand } from './demo-command.ts'
import { dumpCommand } from './dump-command.ts'
import { nearest } from './nearest.ts'
import { isBrokenPipe, write, writeLine } from './output.ts'
import { produceCommand } from './produce-command.ts'
import { serveCommand } from './serve-command.ts'
import { topicCommand } from './topic-command.ts'
import { verifyCommand } from './verify-command.ts'

const COMMANDS: readonly Command[] = [
  serveCommand,
  topicCommand,
  produceCommand,
  consumeCommand,
  benchCommand,
  verifyCommand,
  dumpCommand,
  demoCommand,
]

/** Nouns of the contract whose release has not come. */
const LATER: Readonly<Record<string, string>> = {
  group: 'consumer groups',
}

const BUG = 'BUG'

const stopping = new AbortController()

process.exitCode = await main(process.argv.slice(2))

async function main(argv: readonly string[]): Promise<number> {
  listenToTheWorld()
  try {
    return await dispatch(argv)
  } catch (error) {
    return report(error, argv)
  }
}

function listenToTheWorld(): void {
  const stop = (signal: string): void => {
    if (stopping.signal.aborted) process.exit(EXIT_FAILED)
    stopping.abort(new CommandFailed(`stopped by ${signal}`))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // The write that failed rejects too; this ends what does not write just now. A broken pipe is told to nobody.
  const onError = (error: Error): void => {
    if (!stopping.signal.aborted) stopping.abort(error)
  }
  process.stdout.on('error', onError)
  process.stderr.on('error', onError)
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [noun, ...rest] = argv
  if (noun === undefined) {
    await writeLine(process.stderr, overview())
    return EXIT_USAGE
  }
  if (noun === '--help' || noun === '-h' || (noun === 'help' && rest.length === 0)) return show(overview())
  if (noun === '--version' || noun === '-V') return show(version())
  if (noun === 'help') return dispatch([...rest, '--help'])
  if (noun.startsWith('-')) throw new UsageError(`'${noun}' comes before any command`)
  const later = Object.hasOwn(LATER, noun) ? LATER[noun] : undefined
  if (later !== undefined) throw new UsageError(`vltava ${noun}: ${later} comes with a later release`)
  return runOne(find(COMMANDS, noun, 'command'), rest)
}

/** Runs a command, or the verb of one that has verbs. */
async function runOne(command: Command, args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args
  if (command.verbs !== undefined && verb !== undefined && !verb.startsWith('-')) {
    return runOne(find(command.verbs, verb, `verb of ${command.name}`), rest)
  }
  if (wantsHelp(args)) return show(command.usage)
  if (command.verbs !== undefined) throw new UsageError(`vltava ${command.name} needs a verb`)
  const { stdin, stdout, stderr } = process
  return command.run({ args, stdin, stdout, stderr, signal: stopping.signal })
}

function find(commands: readonly Command[], name: string, kind: string): Command {
  const found = commands.find((command) => command.name === name)
  if (found !== undefined) return found
  const names = commands.map((command) => command.name)
  const close = nearest(name, names)
  const hint = close === undefined ? `known are ${names.join(', ')}` : `did you mean '${close}'?`
  throw new UsageError(`'${name}' is no ${kind}, ${hint}`)
}

function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end < 0 ? args.length : end).some((each) => each === '--help' || each === '-h')
}

async function show(text: string): Promise<number> {
  await writeLine(process.stdout, text)
  return EXIT_OK
}

async function report(error: unknown, argv: readonly string[]): Promise<number> {
  if (isBrokenPipe(error)) return EXIT_OK
  const { code, message } = describe(error)
  const text = argv.includes('--json')
    ? JSON.stringify({ error: { code, message } })
    : `vltava: ${message} [${code}]${error instanceof UsageError ? `\n${helpHint(argv)}` : ''}`
  await writeLine(process.stderr, text)
  // An error that nobody foresaw is a bug, and its stack is what somebody will ask for.
  if (error instanceof Error && (code === BUG || process.env['VLTAVA_DEBUG'] === '1')) {
    await write(process.stderr, `${error.stack}\n`)
  }
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
}

function describe(error: unknown): { code: string; message: string } {
  if (error instanceof UsageError) return { code: 'USAGE', message: error.message }
  if (error instanceof CommandFailed) return { code: 'FAILED', message: error.message }
  if (error instanceof VltavaError) return { code: error.code, message: error.message }
  const errno = errnoOf(error)
  if (error instanceof Error && errno !== '') return { code: errno, message: error.message }
  return { code: BUG, message: error instanceof Error ? error.message : String(error) }
}

function helpHint(argv: readonly string[]): string {
  const command = COMMANDS.find(({ name }) => name === argv[0])
  const verb = command?.verbs?.find(({ name }) => name === argv[1])
  return `See: ${['vltava', command?.name, verb?.name, '--help'].filter((part) => part !== undefined).join(' ')}`
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function overview(): string {
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`)
  return `vltava ${version()}: Kafka inside your Node process

vltava COMMAND ...

${lines.join('\n')}

  vltava COMMAND --help tells more; --json makes results readable for programs; --version tells the version.

Results go to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage.

Start here:
  vltava topic create clicks --partitions 4 --data ./data
  vltava produce clicks --data ./data < clicks.txt
  vltava consume clicks --data ./data`
}
