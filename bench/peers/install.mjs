/**
 * Installs the peers of package.json below node_modules/.cache: outside the tree that is linted, type-checked and
 * published, and apart from the package's own dependencies.
 *
 * better-sqlite3 has no addon in its package: it is compiled, against the headers beside this Node where there are any.
 * A peer that cannot be had is left out, and the results say why.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = dirname(fileURLToPath(import.meta.url))
const TARGET = join(SOURCE, '../../node_modules/.cache/vltava/peers')
const FILES = ['package.json', 'package-lock.json']

/** Resolves the installed peers. */
export const requirePeer = createRequire(join(TARGET, 'package.json'))

/** @returns {Record<string, string>} why a package cannot be used, by its name; {} when all can */
export function installPeers() {
  if (FILES.some((name) => !isSame(name))) {
    mkdirSync(TARGET, { recursive: true })
    for (const name of FILES) copyFileSync(join(SOURCE, name), join(TARGET, name))
    const installed = npm('ci', '--ignore-scripts')
    if (installed !== '') return Object.fromEntries(peers().map((name) => [name, `npm ci failed: ${installed}`]))
  }
  if (loadFault('better-sqlite3') !== undefined) {
    const prefix = join(dirname(process.execPath), '..')
    const headers = existsSync(join(prefix, 'include/node/node.h')) ? [`--nodedir=${prefix}`] : []
    npm('rebuild', 'better-sqlite3', '--build-from-source', '--ignore-scripts=false', ...headers)
  }
  const faults = peers().map((name) => [name, loadFault(name)])
  return Object.fromEntries(faults.filter(([, fault]) => fault !== undefined))
}

/** @returns {string} the version of an installed peer */
export function versionOf(name) {
  const manifest = join(TARGET, 'node_modules', name, 'package.json')
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : 'none'
}

function peers() {
  return Object.keys(JSON.parse(readFileSync(join(SOURCE, 'package.json'), 'utf8')).dependencies)
}

function isSame(name) {
  const target = join(TARGET, name)
  const isInstalled = existsSync(target) && existsSync(join(TARGET, 'node_modules'))
  return isInstalled && readFileSync(target, 'utf8') === readFileSync(join(SOURCE, name), 'utf8')
}

/** In a process of its own: an addon that was not found is not looked for again in this one. */
function loadFault(name) {
  const program = `const peer = require(${JSON.stringify(name)}); if (typeof peer === 'function') new peer(':memory:')`
  const code = name === 'better-sqlite3' ? program : `require(${JSON.stringify(name)})`
  const result = spawnSync(process.execPath, ['-e', code], { cwd: TARGET, encoding: 'utf8' })
  if (result.status === 0) return undefined
  return result.stderr.split('\n').find((line) => /Error/.test(line)) ?? `it ends with status ${result.status}`
}

/** @returns {string} '' or the last line of what went wrong */
function npm(...args) {
  const options = { cwd: TARGET, encoding: 'utf8', maxBuffer: 64 << 20 }
  const result = spawnSync('npm', [...args, '--no-audit', '--no-fund'], options)
  if (result.status === 0) return ''
  const lines = `${result.stderr ?? ''}${result.error ?? ''}`.trimEnd().split('\n')
  return lines.at(-1) || `status ${result.status}`
}
