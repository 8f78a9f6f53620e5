/** Topic expressions: RE2's syntax, whole names, and no expression that takes long. */
import { expect, it } from 'vitest'
import { SeededRandom } from '../../src/base/random.ts'
import { TopicRegex } from '../../src/coordinator/regex/regex-matcher.ts'
import { RegexSyntaxError } from '../../src/coordinator/regex/regex-parser.ts'
import { testSeed } from '../random.ts'

it.each([
  ['a', 'a', true],
  ['a', 'ab', false],
  ['a|bc', 'bc', true],
  ['', '', true],
  ['a*', '', true],
  ['a+b?', 'aa', true],
  ['a{2,3}', 'aaaa', false],
  ['a{2,}', 'aaaa', true],
  ['a{2}', 'aa', true],
  ['a{x', 'a{x', true],
  ['logs-.*', 'logs-2024', true],
  ['logs\\.\\w+', 'logs.a_1', true],
  ['logs\\.\\w+', 'logsXa', false],
  ['[a-c_]+', 'abc_', true],
  ['[^a-c]', 'd', true],
  ['[]a]', ']', true],
  ['[a\\-z]', '-', true],
  ['[[:alpha:][:digit:]]+', 'a1', true],
  ['(?i)LOGS', 'logs', true],
  ['(?i:A)b', 'aB', false],
  ['(?P<name>a)(?:b)(?<n>c)', 'abc', true],
  ['^a$', 'a', true],
  ['\\Aa\\z', 'a', true],
  ['a\\b-b', 'a-b', true],
  ['\\Qa.b\\E.', 'a.bc', true],
  ['\\Qa.b\\E', 'axb', false],
  ['\\x61\\x{62}', 'ab', true],
  ['(a*)*', 'aaa', true],
  ['a*?b+?', 'aab', true],
  ['é', 'é', false],
])('%s on %s: %s', (pattern, name, doesMatch) => {
  expect(new TopicRegex(pattern).matches(name)).toBe(doesMatch)
})

it.each([
  '(',
  ')',
  '[',
  '[b-a]',
  '*',
  'a**',
  '\\',
  '\\p{L}',
  '\\1',
  '(?=a)',
  '(?<!a)',
  'a{3,2}',
  'a{1001}',
  '[[:x:]]',
  '\\xg',
])('%s is no expression', (pattern) => {
  expect(() => new TopicRegex(pattern)).toThrow(RegexSyntaxError)
})

it('refuses what would be too large', () => {
  expect(() => new TopicRegex('a'.repeat(1025))).toThrow(RegexSyntaxError)
  expect(() => new TopicRegex('((a{1000}){1000}){1000}')).toThrow(RegexSyntaxError)
  expect(() => new TopicRegex('((({0}){1000}){1000}){1000}')).toThrow(RegexSyntaxError)
})

it('takes no time for expressions that make others go back for years', () => {
  const name = `${'a'.repeat(248)}!`
  for (const pattern of ['(a+)+$', '(a|aa)+', '(a|a?)+', '(.*)*b', '(a*a*)*c']) {
    const regex = new TopicRegex(pattern)
    const startMs = performance.now()
    expect(regex.matches(name)).toBe(false)
    expect(performance.now() - startMs).toBeLessThan(500)
  }
})

it('agrees with JavaScript wherever both know the syntax', () => {
  const seed = testSeed()
  const random = new SeededRandom(seed)
  const expression = (depth: number): string => {
    const kind = random.below(depth === 0 ? 3 : 7)
    if (kind < 2) return random.pick(['a', 'b', '-', '\\.', '.', '[ab]', '[^a]', '\\w', '\\d'])
    if (kind === 2) return random.pick(['a1', 'b.', ''])
    if (kind === 3) return `(${expression(depth - 1)})${random.pick(['*', '+', '?', '{2}', '{1,2}', '{0,}'])}`
    if (kind === 4) return `(?:${expression(depth - 1)}|${expression(depth - 1)})`
    return expression(depth - 1) + expression(depth - 1)
  }
  for (let round = 0; round < 2000; round++) {
    const pattern = expression(3)
    const ours = new TopicRegex(pattern)
    const theirs = new RegExp(`^(?:${pattern})$`)
    for (let i = 0; i < 10; i++) {
      const name = Array.from({ length: random.below(6) }, () => random.pick([...'ab-.1_'])).join('')
      expect(ours.matches(name), `SEED=${seed} ${pattern} on ${name}`).toBe(theirs.test(name))
    }
  }
})
