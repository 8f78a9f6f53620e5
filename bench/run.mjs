/**
 * `npm run bench -- [word]...`: runs, for real, every bench/**\/*.bench.ts whose path contains one of the words (or all
 * of them), each in a process of its own. Exit status 1 if one failed, 2 if none matched.
 *
 * Node 20 runs no TypeScript, so esbuild bundles each bench, with the sources that it imports, into one file. Packages
 * and dist stay outside; `import.meta.url` remains that of the source, so threads and addons are found where they are.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OUTPUT = join(ROOT, 'node_modules/.cache/vltava/bench') // Below node_modules: packages resolve from there.

/** Every source sees its own address in `import.meta.url`, not that of the bundle. */
const sourceUrls = {
  name: 'source-urls',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const url = JSON.stringify(pathToFileURL(path).href)
      return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', url), loader: 'ts' }
    })
  },
}

/** Imports of dist are not bundled: they are the files that threads load, too. */
const builtOutside = {
  name: 'built-outside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\/.*\bdist\// }, ({ path, importer }) => ({
      path: pathToFileURL(resolve(dirname(importer), path)).href,
      external: true,
    }))
  },
}

process.exitCode = await main(process.argv.slice(2))

/** @param {string[]} words @returns {Promise<number>} the exit status */
async function main(words) {
  const benches = readdirSync(join(ROOT, 'bench'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.bench.ts'))
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .sort()
  if (benches.length === 0) {
    console.error(`bench: no bench/**/*.bench.ts has ${words.join(' or ')} in its path`)
    return 2
  }
  mkdirSync(OUTPUT, { recursive: true })
  let failedCount = 0
  for (const path of benches) {
    console.error(`bench: ${path}`)
    if (!(await runBench(path))) failedCount += 1
  }
  return failedCount === 0 ? 0 : 1
}

/** @param {string} path below bench/ @returns {Promise<boolean>} whether it ended well */
async function runBench(path) {
  const outfile = join(OUTPUT, `${basename(path, '.ts')}.${process.pid}.mjs`)
  await build({
    entryPoints: [join(ROOT, 'bench', path)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'error',
    plugins: [sourceUrls, builtOutside],
  })
  const env = { ...process.env, BENCH: 'full' }
  const result = spawnSync(process.execPath, ['--enable-source-maps', '--expose-gc', outfile], {
    cwd: ROOT,
    env,
    stdio: 'inherit',
  })
  return result.status === 0
}
