/**
 * The build: `npm run build`, or `node scripts/build.mjs --if-needed` to return at once when nothing changed.
 *
 *   dist/**          tsc: JavaScript, declarations and maps of src/, and copies of the files that are no TypeScript
 *   dist/cjs/        esbuild: one bundle for each subpath that package.json offers to require(), and its declarations
 *   prebuilds/       the addon, by build-native.mjs; left out, with a line saying so, where there is no compiler
 *
 * Exit status 1 on a type error; its place is on stderr. Outputs whose source is gone are deleted, so a removed module
 * cannot live on in dist. Two builds at a time would tear each other's files: the second waits for the first.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { currentDigests, expectedOutputs, filesIn, removeStamp, ROOT, whatIsStale, writeStamp } from './build-stamp.mjs'

const LOCK = join(ROOT, 'dist/.lock')
const LOCK_WAIT_MS = 600_000

const ifNeeded = process.argv.includes('--if-needed')

process.exitCode = await main()

/** @returns {Promise<number>} the exit status */
async function main() {
  if (ifNeeded && isCurrent(whatIsStale(currentDigests()))) return 0
  await takeLock()
  try {
    return await build()
  } finally {
    rmSync(LOCK, { force: true })
  }
}

async function build() {
  const digests = currentDigests()
  const stale = whatIsStale(digests)
  if (ifNeeded && isCurrent(stale)) return 0 // The build that was waited for did it.
  const startedMs = performance.now()
  removeStamp()

  if (!ifNeeded || stale.code !== undefined) {
    removeOrphans()
    copyAssets()
    if (!compileTypeScript()) return 1
    await bundleForRequire()
    const cli = join(ROOT, 'dist/cli/main.js')
    if (existsSync(cli)) chmodSync(cli, 0o755)
  }
  if (!ifNeeded || stale.native !== undefined) {
    const native = spawnSync(process.execPath, [join(ROOT, 'scripts/build-native.mjs')], {
      cwd: ROOT,
      stdio: 'inherit',
    })
    if (native.status !== 0) return 1
  }
  writeStamp(digests)
  console.error(`build: dist is current after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  return 0
}

function isCurrent(stale) {
  return stale.code === undefined && stale.native === undefined
}

/** The lock file holds its owner's process id; a lock whose owner is dead is taken over. */
async function takeLock() {
  mkdirSync(dirname(LOCK), { recursive: true })
  const endMs = performance.now() + LOCK_WAIT_MS
  for (let told = false; ; told = true) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const owner = lockOwner()
    if (owner > 0 && !isAlive(owner)) rmSync(LOCK, { force: true })
    if (performance.now() > endMs) throw new Error(`process ${owner} has been building for ten minutes; see ${LOCK}`)
    if (!told) console.error(`build: waiting for the build of process ${owner}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** @returns {number} a process id; 0 when the lock is just being made or given back */
function lockOwner() {
  try {
    return Number(readFileSync(LOCK, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return 0
    throw error
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}

/** A module or asset that left src must not stay importable from dist. */
function removeOrphans() {
  const kept = new Set([...expectedOutputs(), ...assets().map(([, target]) => target)])
  for (const path of filesIn('dist')) {
    if (path.startsWith('dist/cjs/') || path.startsWith('dist/.') || kept.has(path)) continue
    rmSync(join(ROOT, path))
  }
  // tsc believes its own notes about what it wrote: they go when an output is missing, and tsc writes everything.
  const present = new Set(filesIn('dist'))
  if (expectedOutputs().some((path) => !present.has(path))) rmSync(join(ROOT, 'dist/.tsbuildinfo'), { force: true })
}

/** Files of src that are neither TypeScript nor documentation, as [source, target]. */
function assets() {
  return filesIn('src')
    .filter((path) => !path.endsWith('.ts') && !path.endsWith('.md'))
    .map((path) => [path, `dist/${path.slice('src/'.length)}`])
}

function copyAssets() {
  for (const [source, target] of assets()) {
    mkdirSync(dirname(join(ROOT, target)), { recursive: true })
    copyFileSync(join(ROOT, source), join(ROOT, target))
  }
}

function compileTypeScript() {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const result = spawnSync(process.execPath, [tsc, '-p', '.'], { cwd: ROOT, encoding: 'utf8' })
  if (result.status === 0) return true
  process.stderr.write(`${result.stdout}${result.stderr}build: FAILED, see the type errors above\n`)
  return false
}

/**
 * One bundle for each `require` condition in package.json. Dependencies stay outside; threads are started from the ES
 * modules in dist by their URL.
 */
async function bundleForRequire() {
  rmSync(join(ROOT, 'dist/cjs'), { recursive: true, force: true })
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const doors = Object.values(exports).filter((door) => door.require !== undefined)
  const missing = doors.find((door) => !existsSync(join(ROOT, door.import.default)))
  if (missing !== undefined) {
    // The package test fails on it; the rest of a tree that is being written can still be tested.
    console.error(`build: no CommonJS bundle, for package.json exports ${missing.import.default}, which has no source`)
    return
  }
  const { build: bundle } = await import('esbuild')
  for (const door of doors) {
    await bundle({
      absWorkingDir: ROOT,
      entryPoints: [door.import.default],
      outfile: door.require.default,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20.19',
      packages: 'external',
      logLevel: 'error',
      logOverride: { 'empty-import-meta': 'error' },
      plugins: [moduleUrls(dirname(door.require.default))],
    })
    copyDeclarations(door.import.types, dirname(door.require.types))
  }
}

/**
 * A CommonJS bundle has no import.meta. Each module's URL becomes what it is in dist, seen from the bundle, so that
 * `new URL('./a-thread.js', import.meta.url)` still names dist's file.
 */
function moduleUrls(bundleFolder) {
  return {
    name: 'module-urls',
    setup(context) {
      context.onLoad({ filter: /[\\/]dist[\\/].*\.js$/ }, ({ path }) => {
        const fromBundle = posix.relative(posix.join(ROOT, bundleFolder), path)
        const url = `require('node:url').pathToFileURL(require('node:path').join(__dirname, '${fromBundle}')).href`
        return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', `(${url})`), loader: 'js' }
      })
    },
  }
}

/**
 * Declarations for require(): to TypeScript a .d.ts of this package describes an ES module, so the ones that the door
 * reaches are repeated as .d.cts.
 */
function copyDeclarations(door, targetFolder) {
  const waiting = [posix.normalize(door)]
  const seen = new Set(waiting)
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const from = path
    const text = readFileSync(join(ROOT, from), 'utf8').replace(
      /(\b(?:from|import)\s*\(?\s*['"])(\.[^'"]+)\.[jt]s(['"])/g,
      (_, before, stem, after) => {
        const next = posix.join(posix.dirname(from), `${stem}.d.ts`)
        if (!seen.has(next)) waiting.push(next)
        seen.add(next)
        return `${before}${stem}.cjs${after}`
      },
    )
    const target = join(ROOT, targetFolder, from.slice('dist/'.length).replace(/\.d\.ts$/, '.d.cts'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
  }
}
