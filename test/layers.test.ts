/** The floor plan of src/README.md as a test: imports point down, and files do not import each other in circles. */
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { filesIn } from '../scripts/build-stamp.mjs'

// THINK BEFORE EDITING: each line is a promise about who may know whom. A new folder needs a line of its own.
const MAY_IMPORT: Record<string, string> = {
  base: '',
  ring: 'base',
  record: 'base',
  protocol: 'base record settings',
  settings: 'base',
  segment: 'base record', // Sideways: walks batch headers.
  log: 'base record segment settings',
  coordinator: 'base record protocol', // protocol: Kafka's schemas of the internal topics.
  workers: 'base ring record protocol segment log coordinator settings',
  engine: 'base ring record protocol segment log workers coordinator settings',
  server: 'base record protocol segment engine settings',
  client: 'base record protocol settings', // Not engine: they meet at protocol/transport.ts.
  streams: 'base client',
  sql: 'base client streams', // Sideways: a query compiles to a topology.
  connect: 'base client',
  console: 'base client',
  // segment, log: verify and dump. index.ts: the program opens logs through the package's own door, as users do.
  // ring, protocol: `bench limit` measures a ring, and `bench` times acknowledgements in front of a transport.
  cli: 'base ring record protocol segment log engine server client streams sql connect console index.ts',
}

/** Words that a floor must not know, in identifiers. `Record` alone is TypeScript's own type. */
const FORBIDDEN_WORDS: Record<string, RegExp> = {
  ring: /record(?!$)|^record$|\w+record/i,
  protocol: /socket/i,
  log: /worker|thread/i,
}

interface Arrow {
  readonly from: string
  readonly to: string
}

/** What is wrong with a tree of sources, given as path below src -> text. */
function layerFaults(sources: ReadonlyMap<string, string>): string[] {
  const faults: string[] = []
  const arrows: Arrow[] = []
  for (const [path, text] of sources) {
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
    const folder = path.includes('/') ? path.split('/')[0]! : undefined // src/*.ts are doors: they see every floor.
    if (folder !== undefined && MAY_IMPORT[folder] === undefined) faults.push(`${folder} has no line in MAY_IMPORT`)

    for (const to of relativeReferences(source, path)) {
      arrows.push({ from: path, to })
      const toFolder = to.split('/')[0]!
      if (folder === undefined || toFolder === folder) continue
      if (!MAY_IMPORT[folder]?.split(' ').includes(toFolder)) faults.push(`${path} may not import ${to}`)
    }
    for (const word of forbiddenWords(source, folder)) faults.push(`${path} may not know the word ${word}`)
    if (text.includes('vltava_native') && path !== 'base/native.ts') faults.push(`${path} may not open the addon`)
  }
  return [...new Set([...faults, ...cycles(arrows).map((cycle) => `import cycle: ${cycle.join(' -> ')}`)])]
}

/** Files of src that `source` names: import, export from, import(), and new URL(..., import.meta.url). */
function relativeReferences(source: ts.SourceFile, path: string): string[] {
  const specifiers: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
        specifiers.push(node.moduleSpecifier.text)
      }
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      specifiers.push(literalText(node.arguments[0]))
    } else if (ts.isNewExpression(node) && node.expression.getText() === 'URL') {
      if (node.arguments?.[1]?.getText() === 'import.meta.url') specifiers.push(literalText(node.arguments[0]))
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      specifiers.push(literalText(node.argument.literal))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return specifiers
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts'))
    .filter((target) => !target.startsWith('../'))
}

function literalText(node: ts.Node | undefined): string {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : ''
}

function forbiddenWords(source: ts.SourceFile, folder: string | undefined): string[] {
  const forbidden = folder === undefined ? undefined : FORBIDDEN_WORDS[folder]
  if (forbidden === undefined) return []
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && node.text !== 'Record' && forbidden.test(node.text)) found.push(node.text)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** One cycle through each group of files that import each other, by depth-first search. */
function cycles(arrows: readonly Arrow[]): string[][] {
  const targets = new Map<string, string[]>()
  for (const { from, to } of arrows) targets.set(from, [...(targets.get(from) ?? []), to])
  const found: string[][] = []
  const done = new Set<string>()
  const walk = (path: string, trail: string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) found.push([...trail.slice(start), path])
    if (start >= 0 || done.has(path)) return
    for (const next of targets.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of targets.keys()) walk(path, [])
  return found
}

function sourceTree(): Map<string, string> {
  const paths = filesIn('src').filter((path) => path.endsWith('.ts'))
  return new Map(paths.map((path) => [path.slice('src/'.length), readFileSync(path, 'utf8')]))
}

it('imports only point down the floor plan, without cycles', () => {
  const sources = sourceTree()
  expect(sources.size).toBeGreaterThan(5)
  expect(layerFaults(sources)).toEqual([])
})

it('the floor plan itself has no cycle', () => {
  const arrows = Object.entries(MAY_IMPORT).flatMap(([from, list]) =>
    list.split(' ').flatMap((to) => (to === '' ? [] : [{ from, to }])),
  )
  expect(cycles(arrows)).toEqual([])
})

describe('the check itself catches', () => {
  const planted: [name: string, path: string, text: string, fault: string][] = [
    [
      'an import that points up',
      'log/a.ts',
      `import { x } from '../workers/b.ts'`,
      'log/a.ts may not import workers/b.ts',
    ],
    [
      'a type import that points up',
      'log/a.ts',
      `import type { X } from '../ring/b.ts'`,
      'log/a.ts may not import ring/b.ts',
    ],
    ['a re-export', 'base/a.ts', `export { x } from '../ring/b.ts'`, 'base/a.ts may not import ring/b.ts'],
    ['a bare import', 'base/env/a.ts', `import '../../ring/b.ts'`, 'base/env/a.ts may not import ring/b.ts'],
    ['import()', 'client/a.ts', `await import('../engine/b.ts')`, 'client/a.ts may not import engine/b.ts'],
    ['an import type', 'client/a.ts', `let x: import('../engine/b.ts').X`, 'client/a.ts may not import engine/b.ts'],
    [
      'a thread started by URL',
      'log/a.ts',
      `new URL('../workers/b-thread.js', import.meta.url)`,
      'log/a.ts may not import workers/b-thread.ts',
    ],
    ['an import of a door', 'client/a.ts', `import { open } from '../index.ts'`, 'client/a.ts may not import index.ts'],
    ['a folder without a line', 'extras/a.ts', ``, 'extras has no line in MAY_IMPORT'],
    ['a ring that knows records', 'ring/a.ts', `let recordCount = 0`, 'ring/a.ts may not know the word recordCount'],
    ['a second opener of the addon', 'segment/a.ts', `'vltava_native.node'`, 'segment/a.ts may not open the addon'],
  ]
  it.each(planted)('%s', (_name, path, text, fault) => {
    expect(layerFaults(new Map([[path, text]]))).toEqual([fault])
  })

  it('a cycle between files', () => {
    const sources = new Map([
      ['log/a.ts', `import { b } from './b.ts'`],
      ['log/b.ts', `import { c } from './c.ts'`],
      ['log/c.ts', `import type { B } from './b.ts'`],
    ])
    expect(layerFaults(sources)).toEqual(['import cycle: log/b.ts -> log/c.ts -> log/b.ts'])
  })

  it('and lets pass what is allowed, and what stands in a comment', () => {
    const sources = new Map([
      ['index.ts', `export { open } from './engine/open.ts'`],
      ['log/a.ts', `// import { x } from '../workers/b.ts'\nimport { assert } from '../base/assert.ts'`],
      ['ring/a.ts', `/** Never sees a record. */\nconst names: Record<string, number> = {}`],
    ])
    expect(layerFaults(sources)).toEqual([])
  })
})
