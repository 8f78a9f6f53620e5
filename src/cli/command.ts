/**
 * Command: what every noun of `vltava` is, and how its arguments are read.
 *
 * A command gets its arguments and its streams from the caller and returns its exit status: 0 done, 1 failed, 2 wrong
 * usage. Results go to stdout (output.ts), everything else to stderr. Errors are thrown: main.ts prints them.
 */
import { parseArgs } from 'node:util'
import { assert } from '../base/assert.ts'
import { nearest } from './nearest.ts'

export interface CommandContext {
  /** What follows the noun (and the verb, for a command that is one). */
  readonly args: readonly string[]
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** Aborts at SIGINT and SIGTERM, and when nobody reads stdout any more. */
  readonly signal: AbortSignal
}

export interface Command {
  readonly name: string
  /** One line, for the list of commands; '' keeps a command out of it. */
  readonly summary: string
  /** Full help text. */
  readonly usage: string
  /** The verbs of a noun that has some: `run` is not called for such a noun. */
  readonly verbs?: readonly Command[]
  /** Resolves with the exit status. Rejects with UsageError, VltavaError, or what it did not expect. */
  run(context: CommandContext): Promise<number>
}

/** The command line was wrong: exit status 2, and a word on how to get help. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The work ran and its outcome is a failure that was foreseen (no confirmation, a check that did not hold). */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}

export const EXIT_OK = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

export interface OptionSpec {
  /** 'boolean': a switch; 'string': takes a value. */
  readonly type: 'boolean' | 'string'
  /** One letter. */
  readonly short?: string
  /** May be given more than once. */
  readonly multiple?: boolean
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

/** `--json` and `--help` are options of every command; main.ts answers `--help` before the command runs. */
const COMMON_OPTIONS: OptionSpecs = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }

/** Options of a command that works on a log: where it is; one of them. */
export const LOG_OPTIONS: OptionSpecs = { data: { type: 'string' }, brokers: { type: 'string' } }

/** The arguments of a command, read. A getter throws UsageError for a value that it cannot be. */
export class Arguments {
  readonly positionals: readonly string[]
  readonly #values: ReadonlyMap<string, readonly string[]>
  readonly #flags: ReadonlySet<string>
  readonly #specs: OptionSpecs

  /** Made by parseArguments(). */
  constructor(
    specs: OptionSpecs,
    positionals: readonly string[],
    values: ReadonlyMap<string, readonly string[]>,
    flags: ReadonlySet<string>,
  ) {
    this.#specs = specs
    this.positionals = positionals
    this.#values = values
    this.#flags = flags
  }

  get json(): boolean {
    return this.flag('json')
  }

  /** True if the switch was given. */
  flag(name: string): boolean {
    assert(this.#specs[name]?.type === 'boolean', 'the switch is declared')
    return this.#flags.has(name)
  }

  /** The value of an option, or undefined if it was not given. */
  text(name: string): string | undefined {
    return this.texts(name)[0]
  }

  /** All values of an option that may be repeated, in order. */
  texts(name: string): readonly string[] {
    assert(this.#specs[name]?.type === 'string', 'the option is declared')
    return this.#values.get(name) ?? []
  }

  /** A whole number in `min` .. `max`, both in. */
  integer(name: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : parseInteger(text, `--${name}`, min, max)
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const choice = choices.find((each) => each === text)
    if (choice !== undefined) return choice
    throw new UsageError(`--${name} is ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}, not '${text}'`)
  }
}

/** A whole number as people write it: 1000000, 1_000_000, or with a suffix k, m, g (thousands). */
export function parseInteger(text: string, what: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  const match = /^(-?\d+(?:_\d+)*)([kmg]?)$/i.exec(text)
  const factor = { '': 1, k: 1e3, m: 1e6, g: 1e9 }[match?.[2]?.toLowerCase() ?? ''] ?? 1
  const value = match === null ? Number.NaN : Number(match[1]!.replaceAll('_', '')) * factor
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`
  throw new UsageError(`${what} is a whole number, ${range}, not '${text}'`)
}

/**
 * Reads `args`. `positionalNames` says how many positional arguments there must be, and what they are called in the
 * error message. Throws UsageError: unknown option, missing value, value for a switch, a repeated option, a positional
 * argument too many or too few.
 */
export function parseArguments(
  args: readonly string[],
  ownSpecs: OptionSpecs,
  positionalNames: readonly string[] = [],
): Arguments {
  const specs: OptionSpecs = { ...ownSpecs, ...COMMON_OPTIONS }
  const { tokens } = parseArgs({
    args: [...args],
    options: { ...specs },
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const positionals: string[] = []
  const values = new Map<string, string[]>()
  const flags = new Set<string>()
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) throw unknownOption(token.rawName, specs)
    if (spec.type === 'boolean') {
      if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`)
      flags.add(token.name)
    } else {
      const value = valueOf(token.rawName, token.value, token.inlineValue === true)
      const given = values.get(token.name)
      if (given === undefined) values.set(token.name, [value])
      else if (spec.multiple === true) given.push(value)
      else throw new UsageError(`${token.rawName} is given twice`)
    }
  }
  checkPositionals(positionals, positionalNames)
  return new Arguments(specs, positionals, values, flags)
}

function unknownOption(rawName: string, specs: OptionSpecs): UsageError {
  const close = nearest(rawName.replace(/^-+/, ''), Object.keys(specs))
  return new UsageError(`unknown option '${rawName}'${close === undefined ? '' : `, did you mean --${close}?`}`)
}

function valueOf(rawName: string, value: string | undefined, isInline: boolean): string {
  if (value === undefined) throw new UsageError(`${rawName} needs a value`)
  if (!isInline && /^-./.test(value)) {
    const inline = rawName.startsWith('--') ? `${rawName}=${value}` : `${rawName}${value}`
    throw new UsageError(`${rawName} needs a value, and '${value}' follows; write ${inline} if that is the value`)
  }
  return value
}

function checkPositionals(positionals: readonly string[], names: readonly string[]): void {
  const missing = names[positionals.length]
  if (missing !== undefined) throw new UsageError(`${missing} is missing`)
  const extra = positionals[names.length]
  if (extra !== undefined) throw new UsageError(`'${extra}' is one argument too many`)
}
