/**
 * The stamp: what dist/ and prebuilds/ were built from, so that `npm start`, `npm test` and the test runner can tell in
 * a few milliseconds whether they are current.
 *
 * Contents are hashed, not times: a fresh clone or a restored cache has times that say nothing.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const STAMP = join(ROOT, 'dist/.stamp.json')

const CODE_INPUTS = ['src', 'package.json', 'tsconfig.json', 'scripts/build.mjs', 'scripts/build-stamp.mjs']
const NATIVE_INPUTS = ['native', 'binding.gyp', 'scripts/build-native.mjs']

/**
 * Every file below `folder` of the repository, '/'-separated and sorted; none if there is no such folder.
 *
 * @param {string} folder
 * @returns {string[]}
 */
export function filesIn(folder) {
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .sort()
}

/** @returns {{ code: string, native: string }} */
export function currentDigests() {
  return {
    code: digest(CODE_INPUTS, ''),
    // One checkout may be mounted into machines of several kinds.
    native: digest(NATIVE_INPUTS, `${process.platform}-${process.arch}`),
  }
}

/**
 * What is out of date, each with its reason; undefined where nothing is.
 *
 * @param {{ code: string, native: string }} digests as currentDigests() gave them
 * @returns {{ code: string | undefined, native: string | undefined }}
 */
export function whatIsStale(digests) {
  const stamp = existsSync(STAMP) ? JSON.parse(readFileSync(STAMP, 'utf8')) : {}
  return {
    code: stamp.code === digests.code ? missingOutput() : reasonOf('dist', stamp.code),
    native:
      stamp.native === digests.native
        ? stamp.prebuilds.filter((path) => !existsSync(join(ROOT, path))).map((path) => `${path} is missing`)[0]
        : reasonOf('the addon', stamp.native),
  }
}

export function removeStamp() {
  rmSync(STAMP, { force: true })
}

/** @param {{ code: string, native: string }} digests taken before the build began, so a change during it counts */
export function writeStamp(digests) {
  writeFileSync(STAMP, JSON.stringify({ ...digests, prebuilds: filesIn('prebuilds') }))
}

/**
 * The files that tsc makes of the sources, relative to the repository.
 *
 * @returns {string[]}
 */
export function expectedOutputs() {
  return filesIn('src')
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .flatMap((path) => {
      const stem = `dist/${path.slice('src/'.length, -'.ts'.length)}`
      return [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`]
    })
}

function missingOutput() {
  const present = new Set(filesIn('dist'))
  const missing = expectedOutputs().find((path) => !present.has(path))
  return missing === undefined ? undefined : `${missing} is missing`
}

function reasonOf(what, stamped) {
  return stamped === undefined ? `${what} was not built, or its last build failed` : `${what} is older than its sources`
}

function digest(inputs, salt) {
  const hash = createHash('sha1').update(salt)
  for (const input of inputs) {
    const paths = /\.\w+$/.test(input) ? [input] : filesIn(input)
    for (const path of paths) {
      if (path.endsWith('.md') || !existsSync(join(ROOT, path))) continue
      hash.update(`\n${path}\n`).update(readFileSync(join(ROOT, path)))
    }
  }
  return hash.digest('hex')
}
