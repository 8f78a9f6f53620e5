/**
 * Builds the native addon into prebuilds/<platform>-<arch>[.musl]/vltava_native.node.
 *
 *   node scripts/build-native.mjs [--force]
 *
 * Exit status 0 and one line on stderr where this machine cannot compile it (no compiler, make, Python or Node
 * headers): Vltava then runs on its fallbacks. Exit status 1 where it can and our code does not compile. Does nothing
 * when the sources, Node and this script are the ones of the last build (--force builds anyway). Never touches the
 * network: the headers are those that came with this Node.
 *
 * The build runs in a temporary folder on copies of the sources: two builds at once do not disturb each other, a path
 * with blanks does not break make, and the finished file is renamed into place, so a running process keeps the old one.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const FALLBACK = 'Vltava runs on its JavaScript and WebAssembly fallbacks'
const require = createRequire(import.meta.url)

/** Why this machine cannot build it: no fault of the code. */
class CannotBuild extends Error {}

function main() {
  const isMusl = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined
  const folder = join(ROOT, 'prebuilds', `${process.platform}-${process.arch}${isMusl ? '.musl' : ''}`)
  const target = join(folder, 'vltava_native.node')
  const stamp = join(ROOT, 'build', 'vltava_native.stamp') // Not beside the addon: prebuilds/ is published.
  const fingerprint = fingerprintOfSources()
  const isUpToDate = existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint
  if (isUpToDate && !process.argv.includes('--force')) return

  if (process.platform === 'win32') throw new CannotBuild('Windows is not supported')
  const tools = findTools()
  const workFolder = mkdtempSync(join(tmpdir(), 'vltava-native-'))
  try {
    const built = compile(workFolder, tools)
    mkdirSync(folder, { recursive: true })
    const temporary = `${target}.${process.pid}.tmp`
    copyFileSync(built, temporary)
    chmodSync(temporary, 0o755)
    renameSync(temporary, target)
  } finally {
    rmSync(workFolder, { recursive: true, force: true })
  }
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, fingerprint)
  console.error(`addon built: ${target}`)
}

function sourceFiles() {
  const native = readdirSync(join(ROOT, 'native')).filter((name) => /\.(cc|h)$/.test(name) && name !== 'core-test.cc')
  return ['binding.gyp', ...native.sort().map((name) => join('native', name))]
}

function fingerprintOfSources() {
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}\n`)
  for (const file of [...sourceFiles(), join('scripts', 'build-native.mjs')]) {
    hash
      .update(`${file}\n`)
      .update(readFileSync(join(ROOT, file)))
      .update('\n')
  }
  return hash.digest('hex')
}

/** Everything the build needs, each tried before the real compile: a failure of that is then a failure of our code. */
function findTools() {
  const nodeGyp = resolveModule('node-gyp/bin/node-gyp.js')
  const nodeAddonApi = dirname(resolveModule('node-addon-api/package.json'))
  const headers = findHeaders()
  // On macOS these commands exist without the developer tools, and open a window that offers them.
  if (process.platform === 'darwin' && !succeeds('xcode-select', ['-p'])) throw new CannotBuild('no command line tools')
  if (!succeeds(process.env.MAKE ?? 'make', ['--version'])) throw new CannotBuild('no make')
  const pythons = [process.env.npm_config_python, process.env.PYTHON, 'python3', 'python'].filter(Boolean)
  const python = pythons.find((command) => succeeds(command, ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))']))
  if (python === undefined) throw new CannotBuild('no Python 3')
  const compilers = process.env.CXX === undefined ? [['c++'], ['g++'], ['clang++']] : [process.env.CXX.split(' ')]
  const found = compilers.find((command) => canLink(command, headers, []))
  if (found === undefined) throw new CannotBuild('no working C++17 compiler')
  const isStatic = canLink(found, headers, ['-static-libstdc++', '-static-libgcc'])
  return { nodeGyp, nodeAddonApi, headers, python, compiler: found.join(' '), isStatic }
}

function resolveModule(specifier) {
  try {
    return require.resolve(specifier)
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
    throw new CannotBuild(`${specifier.split('/')[0]} is not installed`)
  }
}

/** The folder whose include/node/ has this Node's headers: beside the executable, or left by an earlier node-gyp. */
function findHeaders() {
  const version = process.version.slice(1)
  const candidates = [
    process.env.npm_config_nodedir,
    dirname(dirname(process.execPath)),
    join(homedir(), '.cache', 'node-gyp', version),
    join(homedir(), 'Library', 'Caches', 'node-gyp', version),
  ]
  for (const folder of candidates) {
    if (!folder) continue
    const include = join(resolve(folder), 'include', 'node')
    if (existsSync(join(include, 'node_api.h')) && existsSync(join(include, 'common.gypi'))) return resolve(folder)
  }
  throw new CannotBuild(`no headers of Node ${version} beside ${process.execPath}`)
}

function canLink([compiler, ...flags], headers, linkFlags) {
  const source = '#include <node_api.h>\n#include <array>\nint vltava_probe(std::array<int, 2> a) { return a[0]; }\n'
  const folder = mkdtempSync(join(tmpdir(), 'vltava-probe-'))
  try {
    const undefinedSymbols = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []
    const output = ['-shared', '-fPIC', '-o', join(folder, 'probe.so')]
    const include = ['-std=c++17', '-I', join(headers, 'include', 'node')]
    const command = [...flags, ...include, ...output, ...undefinedSymbols, ...linkFlags, '-x', 'c++', '-']
    return succeeds(compiler, command, source)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function succeeds(command, parameters, input = '') {
  return spawnSync(command, parameters, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
}

/**
 * Warnings are errors, so that ours are seen; but a compiler that we have never met may warn of what others accept, in
 * headers that are not ours too. Then its words are shown, and the addon is built all the same.
 */
function compile(workFolder, tools) {
  for (const file of sourceFiles()) {
    mkdirSync(dirname(join(workFolder, file)), { recursive: true })
    copyFileSync(join(ROOT, file), join(workFolder, file))
  }
  writeFileSync(join(workFolder, 'package.json'), '{"name":"vltava-native","version":"0.0.0"}')
  cpSync(tools.nodeAddonApi, join(workFolder, 'node_modules', 'node-addon-api'), { recursive: true })
  const strict = runNodeGyp(workFolder, tools, true)
  if (strict.built !== undefined) return strict.built
  process.stderr.write(strict.output)
  const { built, problem } = runNodeGyp(workFolder, tools, false)
  if (built === undefined) throw new Error(`the native addon does not compile (node-gyp: ${problem})`)
  console.error('WARNING: the addon compiles only with the warnings above')
  return built
}

function runNodeGyp(workFolder, tools, warningsAreErrors) {
  const result = spawnSync(
    process.execPath,
    [
      ...[tools.nodeGyp, 'rebuild', `--nodedir=${tools.headers}`, `--python=${tools.python}`, '--'],
      ...[`-Dstatic_libstdcxx=${tools.isStatic}`, `-Dwarnings_are_errors=${warningsAreErrors}`],
    ],
    { cwd: workFolder, encoding: 'utf8', env: { ...process.env, CXX: tools.compiler }, maxBuffer: 64 << 20 },
  )
  const built = join(workFolder, 'build', 'Release', 'vltava_native.node')
  return {
    built: result.status === 0 && existsSync(built) ? built : undefined,
    output: `${result.stdout ?? ''}${result.stderr ?? ''}`,
    problem: result.error ?? `exit status ${result.status}`,
  }
}

try {
  main()
} catch (error) {
  if (error instanceof CannotBuild) {
    console.error(`addon not built: ${error.message}; ${FALLBACK}`)
  } else {
    console.error(error.stack)
    process.exitCode = 1
  }
}
