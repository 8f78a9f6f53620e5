/** Reading arguments: what is accepted, and what a person is told otherwise. */
import { describe, expect, it } from 'vitest'
import { parseArguments, parseInteger, UsageError } from '../../src/cli/command.ts'
import { nearest } from '../../src/cli/nearest.ts'

const SPECS = {
  partitions: { type: 'string' },
  config: { type: 'string', short: 'c', multiple: true },
  yes: { type: 'boolean' },
} as const

function usageError(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  throw new Error('no usage error')
}

describe('parseArguments', () => {
  it('reads switches, values, repeated values and positional arguments in any order', () => {
    const args = parseArguments(['-c', 'a=1', 'clicks', '--yes', '--config=b=2', '--partitions=3'], SPECS, ['NAME'])
    expect(args.positionals).toEqual(['clicks'])
    expect(args.texts('config')).toEqual(['a=1', 'b=2'])
    expect(args.flag('yes')).toBe(true)
    expect(args.integer('partitions', 1, 10)).toBe(3)
    expect(args.json).toBe(false)
  })

  it('takes everything behind -- as positional, whatever it looks like', () => {
    expect(parseArguments(['--', '--yes'], SPECS, ['NAME']).positionals).toEqual(['--yes'])
  })

  const wrong: [args: string[], message: string][] = [
    [['a', '--partition', '3'], "unknown option '--partition', did you mean --partitions?"],
    [['a', '--xyzzy'], "unknown option '--xyzzy'"],
    [['a', '-z'], "unknown option '-z'"],
    [['a', '--partitions'], '--partitions needs a value'],
    [
      ['a', '--partitions', '--yes'],
      "--partitions needs a value, and '--yes' follows; write --partitions=--yes if that is the value",
    ],
    [['a', '--yes=no'], '--yes takes no value'],
    [['a', '--partitions', '1', '--partitions', '2'], '--partitions is given twice'],
    [[], 'NAME is missing'],
    [['a', 'b'], "'b' is one argument too many"],
  ]
  it.each(wrong)('%j: %s', (args, message) => {
    expect(usageError(() => parseArguments(args, SPECS, ['NAME']))).toBe(message)
  })

  it('a choice is one of its words', () => {
    const args = parseArguments(['--partitions', 'many'], SPECS)
    expect(usageError(() => args.choice('partitions', ['none', 'one', 'all']))).toBe(
      "--partitions is none, one or all, not 'many'",
    )
  })
})

describe('parseInteger', () => {
  it('takes digits, underscores and the suffixes k, m and g', () => {
    const texts = ['0', '42', '1_000_000', '2k', '3M', '1g']
    expect(texts.map((text) => parseInteger(text, 'N', 0))).toEqual([0, 42, 1e6, 2000, 3e6, 1e9])
  })

  it.each(['', '-1', '1.5', 'ten', '1__0', '0x10', '99999999999999999', '1kk'])("refuses '%s'", (text) => {
    expect(usageError(() => parseInteger(text, 'N', 0, 1e15))).toBe(
      `N is a whole number, 0 to 1000000000000000, not '${text}'`,
    )
  })
})

describe('nearest', () => {
  it('finds the word that was meant, and none when nothing is near', () => {
    const words = ['topic', 'produce', 'consume', 'verify', 'dump-segment']
    const meant = ['topci', 'prodcue', 'consum', 'verfy', 'dump', 'xyzzy', ''].map((word) => nearest(word, words))
    expect(meant).toEqual(['topic', 'produce', 'consume', 'verify', 'dump-segment', undefined, undefined])
  })
})
