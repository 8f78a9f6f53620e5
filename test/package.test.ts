/** What `npm publish` would send. The packed tarball itself is installed and run by scripts/check-package.mjs. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { filesIn } from '../scripts/build-stamp.mjs'

interface Manifest {
  readonly gypfile: boolean
  readonly scripts: Record<string, string>
  readonly bin: Record<string, string>
  readonly main: string
  readonly types: string
  readonly exports: Record<string, string | Record<'import' | 'require', { types: string; default: string }>>
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
const doors = Object.entries(manifest.exports).filter(([, door]) => typeof door !== 'string') as [
  string,
  Record<'import' | 'require', { types: string; default: string }>,
][]

describe('the packed files', () => {
  let packed: string[] = []

  beforeAll(() => {
    const result = spawnSync('npm', ['pack', '--dry-run', '--json', '--offline'], { encoding: 'utf8' })
    expect(result.status, result.stderr).toBe(0)
    const [listing] = JSON.parse(result.stdout) as [{ files: { path: string }[] }]
    packed = listing.files.map((file) => file.path)
  })

  it('hold the whole of dist but maps and notes, every addon, and what README links to', () => {
    const built = filesIn('dist').filter((path) => !path.endsWith('.map') && !path.startsWith('dist/.'))
    const pages = filesIn('docs').filter((path) => !path.startsWith('docs/benchmarks/'))
    const texts = ['README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md', 'src/README.md']
    const wanted = [...built, ...filesIn('prebuilds'), ...pages, ...filesIn('examples'), ...texts]
    expect(wanted.filter((path) => !packed.includes(path))).toEqual([])
  })

  it('hold nothing else', () => {
    const allowed =
      /^(dist|prebuilds|docs|examples)\/|^(package\.json|(src\/)?README\.md|LICENSE|CHANGELOG\.md|CONTRIBUTING\.md)$/
    const forbidden = /\.map$|^dist\/\.|^docs\/benchmarks\//
    expect(packed.filter((path) => !allowed.test(path) || forbidden.test(path))).toEqual([])
  })

  it('hold everything that package.json names', () => {
    const named = [manifest.main, manifest.types, ...Object.values(manifest.bin)]
    for (const [, door] of doors) {
      named.push(door.import.types, door.import.default, door.require.types, door.require.default)
    }
    expect(named.map((path) => path.replace(/^\.\//, '')).filter((path) => !packed.includes(path))).toEqual([])
  })
})

it('installing runs nothing, not even node-gyp', () => {
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']) {
    expect(manifest.scripts[hook]).toBeUndefined()
  }
  expect(manifest.gypfile).toBe(false)
})

it('no npm script relies on a pre or post hook, which .npmrc switches off', () => {
  const names = Object.keys(manifest.scripts)
  expect(names.filter((name) => /^(pre|post)/.test(name) && names.includes(name.replace(/^(pre|post)/, '')))).toEqual(
    [],
  )
  expect(readFileSync('.npmrc', 'utf8')).toContain('ignore-scripts=true')
})

describe.each(doors)('the door %s', (subpath) => {
  const name = subpath.replace('.', 'vltava')

  it('gives import and require() the same names', () => {
    const byImport = exportedNames(['--input-type=module', '-e'], `import('${name}')`)
    const byRequire = exportedNames(['--input-type=commonjs', '-e'], `Promise.resolve(require('${name}'))`)
    expect(byImport.length).toBeGreaterThan(0)
    expect(byRequire).toEqual(byImport)
  })
})

it('the command line is executable', () => {
  for (const path of Object.values(manifest.bin)) {
    expect(existsSync(path)).toBe(true)
    expect(readFileSync(path, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  }
})

/** The package resolves itself by name, through its own `exports`. */
function exportedNames(flags: string[], promise: string): string[] {
  const program = `${promise}.then((door) => console.log(JSON.stringify(Object.keys(door).sort())))`
  const result = spawnSync(process.execPath, [...flags, program], { encoding: 'utf8' })
  expect(result.status, result.stderr).toBe(0)
  return JSON.parse(result.stdout) as string[]
}
