/** House rules that neither compiler, lint nor prettier check. Each fault says where and what. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { filesIn } from '../scripts/build-stamp.mjs'

const LINES_MAX = 450 // The aim is 400: C1.
const README_LINES_MAX = 40
const COLUMNS_MAX = 120
/** Prettier does not break texts: a line may be wider if a long one stands in it, up to this. */
const TEXT_COLUMNS_MAX = 140
const LONG_TEXT = /(['"`]).{60,}\1/

const NOT_OURS = new Set([
  '.git', '.interop', 'build', 'coverage', 'data', 'dist', 'node_modules', 'prebuilds',
]) // prettier-ignore
const BINARY = /\.(png|ico|woff2?|tgz|gz|node|wasm|log|index|timeindex|txnindex|snapshot|bin)$/

/** Joined, so that this file does not hold what it looks for. */
const UNFINISHED = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`)
const UNFINISHED_WORDS = new RegExp(`\\b(${['st' + 'ub', 'place' + 'holder'].join('|')})(s|bed)?\\b`, 'i')
const MACHINE_PATH = new RegExp(
  `(?<![\\w.*~/}-])/(${['wo' + 'rk', 'ro' + 'ot', 'ho' + 'me', 'Us' + 'ers'].join('|')})/\\w`,
)
const REGISTRY = new RegExp(
  [
    'registry\\.[\\w-]+\\.\\w+',
    'npm\\.pkg\\.',
    'repo1?\\.maven\\.',
    'artifact' + 'ory',
    'pypi\\.org',
    'deb\\.debian\\.',
  ].join('|'),
  'i',
)

type Rule = (path: string, text: string, lines: readonly string[]) => string[]

/** Every rule with the files it holds for. */
function isTooWide(line: string): boolean {
  return line.length > (LONG_TEXT.test(line) ? TEXT_COLUMNS_MAX : COLUMNS_MAX)
}

const RULES: readonly { readonly where: RegExp; readonly rule: Rule }[] = [
  {
    where: /^(src|native)\/.*\.(ts|cc|h)$/,
    rule: (path, _text, lines) =>
      lines.length <= LINES_MAX ? [] : [`${path} has ${lines.length} lines, over ${LINES_MAX}`],
  },
  {
    where: /^src\/.*\.ts$/,
    rule: (path, text) => (/^(#!.*\n)?\s*\/\*\*?\s/.test(text) ? [] : [`${path} does not open with a block comment`]),
  },
  {
    where: /^src\/.*\.ts$/,
    rule: (path, text) => (/^export default\b|\bas default\b/m.test(text) ? [`${path} has a default export`] : []),
  },
  {
    where: /^src\/[^/]+\/.*\.ts$/,
    rule: (path, text) => (/^export \*/m.test(text) || path.endsWith('/index.ts') ? [`${path} is a barrel file`] : []),
  },
  {
    where: /^(src|native|bench|scripts|test|examples)\/.*\.(ts|mjs|js|cc|h)$/,
    rule: (path, _text, lines) => [
      ...linesWith(lines, isTooWide, `${path} is wider than ${COLUMNS_MAX} columns`),
      ...linesWith(
        lines,
        (line) => UNFINISHED.test(line) || UNFINISHED_WORDS.test(line),
        `${path} speaks of unfinished work`,
      ),
    ],
  },
  {
    where: /^(src|native|bench|scripts|test|examples)\/(?!fixtures\/|interop\/kafka\/)/,
    rule: (path) => (path.split('/').every(isTidyName) ? [] : [`${path} is not in kebab-case`]),
  },
  {
    where: /^src\/[^/]+\/(.*\/)?README\.md$/,
    rule: (path, _text, lines) =>
      lines.length <= README_LINES_MAX ? [] : [`${path} has ${lines.length} lines, over ${README_LINES_MAX}`],
  },
  {
    where: /(?<!\.md)$/,
    rule: (path, _text, lines) => linesWith(lines, (line) => /[ \t]$/.test(line), `${path} has trailing spaces`),
  },
  {
    where: /^(?!LICENSE$)/,
    rule: (path, _text, lines) => [
      ...linesWith(lines, (line) => MACHINE_PATH.test(line), `${path} names a path of one machine`),
      ...linesWith(lines, (line) => REGISTRY.test(line), `${path} names a package registry`),
    ],
  },
]

function tidyFaults(files: ReadonlyMap<string, string>): string[] {
  const faults: string[] = []
  for (const [path, text] of files) {
    const lines = text.replace(/\n$/, '').split('\n')
    for (const { where, rule } of RULES) {
      if (where.test(path)) faults.push(...rule(path, text, lines))
    }
  }
  return faults
}

function linesWith(lines: readonly string[], isFault: (line: string) => boolean, what: string): string[] {
  return lines.flatMap((line, index) => (isFault(line) ? [`${what}, line ${index + 1}`] : []))
}

/** `offset-index.ts`, `offset-index.test.ts`, `00-produce.ts`, a folder; README.md and a dot file are names too. */
function isTidyName(name: string): boolean {
  return name === 'README.md' || /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/.test(name)
}

/** The repository's text files, walked: `npm test` works without git. */
function repository(): Map<string, string> {
  const paths = readdirSync('.', { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name)) return []
    return entry.isDirectory() ? filesIn(entry.name) : [entry.name]
  })
  const texts = paths.filter((path) => !BINARY.test(path) && !path.startsWith('test/fixtures/'))
  return new Map(texts.map((path) => [path, readFileSync(path, 'utf8')]))
}

it('every file keeps the house rules', () => {
  const files = repository()
  expect(files.has('src/base/assert.ts')).toBe(true)
  expect(tidyFaults(files)).toEqual([])
})

it('every folder of src says in a README what it owns', () => {
  const folders = [...new Set(filesIn('src').map((path) => path.split('/').slice(0, 2).join('/')))]
  const missing = ['src', ...folders.filter((path) => !path.endsWith('.ts') && !path.endsWith('.md'))].filter(
    (folder) => !filesIn(folder).includes(`${folder}/README.md`),
  )
  expect(missing, 'folders without a README.md').toEqual([])
})

describe('the check itself catches', () => {
  const header = '/** What it is. */\n'
  const planted: [name: string, path: string, text: string, fault: string][] = [
    [
      'a long file',
      'src/log/a.ts',
      header + '\n'.repeat(LINES_MAX),
      `src/log/a.ts has ${LINES_MAX + 1} lines, over ${LINES_MAX}`,
    ],
    ['a missing header', 'src/log/a.ts', 'export {}\n', 'src/log/a.ts does not open with a block comment'],
    ['a default export', 'src/log/a.ts', header + 'export default 1\n', 'src/log/a.ts has a default export'],
    ['a barrel', 'src/log/a.ts', header + `export * from './b.ts'\n`, 'src/log/a.ts is a barrel file'],
    ['a wide line', 'test/a.test.ts', 'x'.repeat(121), 'test/a.test.ts is wider than 120 columns, line 1'],
    ['unfinished work', 'src/log/a.ts', header + '// TO' + 'DO\n', 'src/log/a.ts speaks of unfinished work, line 2'],
    ['a stand-in', 'bench/a.ts', '// only a st' + 'ub\n', 'bench/a.ts speaks of unfinished work, line 1'],
    ['a camelCase name', 'src/log/offsetIndex.ts', header, 'src/log/offsetIndex.ts is not in kebab-case'],
    ['a long README', 'src/log/README.md', '\n'.repeat(41), 'src/log/README.md has 41 lines, over 40'],
    ['a trailing space', 'scripts/a.mjs', 'x \n', 'scripts/a.mjs has trailing spaces, line 1'],
    [
      'a path of one machine',
      'CONTRIBUTING.md',
      'cd /ho' + 'me/me/vltava',
      'CONTRIBUTING.md names a path of one machine, line 1',
    ],
    ['a registry', '.npmrc', 'registry=https://regis' + 'try.example.com', '.npmrc names a package registry, line 1'],
  ]
  it.each(planted)('%s', (_name, path, text, fault) => {
    expect(tidyFaults(new Map([[path, text]]))).toEqual([fault])
  })
})
