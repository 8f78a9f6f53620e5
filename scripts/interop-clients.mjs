/**
 * Installs the Kafka clients of test/interop/clients once: `node scripts/interop-clients.mjs`.
 *
 *   .interop/clients/node/     KafkaJS, @platformatic/kafka and codecs, by npm ci of package-lock.json
 *   .interop/clients/python/   a virtual environment with confluent-kafka and kafka-python, by pip
 *   .interop/clients/debian/   kcat and librdkafka unpacked from Debian's packages, and rdkafka_performance, which
 *                              Debian does not ship, compiled from its source package
 *   .interop/clients/go/       the franz-go program, compiled; a newer Go beside it where the machine's is too old
 *
 * None is a dependency of the package, and nothing is installed into the machine. As with interop-jars.mjs, what cannot
 * be had is no failure here: the script says loudly what is LEFT OUT and exits 0, and so does the suite.
 * `<peer>/.ready` is written last, so it marks success, and holds what the peer was made from: a change fetches again.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const SOURCE = join(ROOT, 'test/interop/clients')
const CACHE = join(ROOT, '.interop/clients')
const TIMEOUT_MS = 600_000

/** kcat, what it needs that a small system may lack, and what rdkafka_performance is compiled with. */
const DEBIAN_PACKAGES = ['kcat', 'librdkafka1', 'librdkafka-dev', 'libyajl2', 'libsasl2-2', 'liblz4-1', 'libzstd1']
const DEBIAN_SOURCE = 'librdkafka'
/** Debian 12 has Go 1.19, which knows nothing of newer toolchains; the module of one is fetched as any module is. */
const GO_BOOTSTRAP = 'v0.0.1-go1.26.2'

const PEERS = {
  node: { install: installNode, sources: ['package.json', 'package-lock.json'] },
  python: { install: installPython, sources: ['requirements.txt'] },
  debian: { install: installDebian, sources: [] },
  go: { install: installGo, sources: ['franz-go/go.mod', 'franz-go/go.sum', 'franz-go/main.go'] },
}

process.exitCode = main()

function main() {
  mkdirSync(CACHE, { recursive: true })
  for (const [name, { install, sources }] of Object.entries(PEERS)) {
    const wanted = fingerprint(install, sources)
    const ready = join(CACHE, name, '.ready')
    if (existsSync(ready) && readFileSync(ready, 'utf8') === wanted) {
      console.log(`interop-clients: ${name} is in .interop/clients/${name}`)
      continue
    }
    const target = join(CACHE, name)
    const reason = join(CACHE, `${name}.reason`)
    rmSync(target, { recursive: true, force: true })
    rmSync(reason, { force: true })
    mkdirSync(target, { recursive: true })
    try {
      install(target)
      writeFileSync(ready, wanted)
      console.log(`interop-clients: ${name} installed`)
    } catch (error) {
      if (!(error instanceof Missing)) throw error
      rmSync(target, { recursive: true, force: true })
      writeFileSync(reason, `${error.message}\n`)
      console.log(`interop-clients: LEFT OUT: ${name}: ${error.message}`)
    }
  }
  return 0
}

/** Something this machine lacks; the message says what. */
class Missing extends Error {}

function installNode(target) {
  for (const name of PEERS.node.sources) cpSync(join(SOURCE, name), join(target, name))
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: target })
}

function installPython(target) {
  run('python3', ['-m', 'venv', target])
  const pip = join(target, 'bin/pip')
  run(pip, [
    'install',
    '--quiet',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '-r',
    join(SOURCE, 'requirements.txt'),
  ])
}

/** Downloads and unpacks; apt's lists are private copies, so neither root nor a changed system is needed. */
function installDebian(target) {
  const apt = privateApt(target)
  run('apt-get', [...apt, 'update'])
  const downloads = join(target, 'downloads')
  mkdirSync(downloads)
  run('apt-get', [...apt, 'download', ...DEBIAN_PACKAGES], { cwd: downloads })
  const root = join(target, 'root')
  for (const name of readdirSync(downloads)) run('dpkg', ['-x', join(downloads, name), root])
  rmSync(downloads, { recursive: true })

  const source = join(target, 'source')
  mkdirSync(source)
  run('apt-get', [...apt, 'source', '--download-only', DEBIAN_SOURCE], { cwd: source })
  const archive = readdirSync(source).find((name) => name.includes('.orig.tar.'))
  if (archive === undefined) throw new Missing(`the source package of ${DEBIAN_SOURCE} has no archive`)
  run('tar', ['-xf', archive, '--strip-components=1'], { cwd: source })
  // Made by its configure script, and included, but of no use to this one program.
  writeFileSync(join(source, 'config.h'), '')
  const libraries = join(
    root,
    'usr/lib',
    readdirSync(join(root, 'usr/lib')).find((name) => name.includes('linux')),
  )
  const flags = ['-O2', '-w', '-Isrc', `-I${join(root, 'usr/include')}`, `-L${libraries}`, `-Wl,-rpath,${libraries}`]
  const files = ['-o', join(target, 'rdkafka_performance'), 'examples/rdkafka_performance.c']
  run('gcc', [...flags, ...files, '-lrdkafka', '-lpthread', '-lm'], { cwd: source })
  rmSync(source, { recursive: true })
  rmSync(join(target, 'apt'), { recursive: true })
  writeFileSync(join(target, 'libraries'), libraries)
  run(join(root, 'usr/bin/kcat'), ['-V'], { env: { ...process.env, LD_LIBRARY_PATH: libraries } })
}

/** apt's options for lists of its own, made from the machine's sources, source packages included. */
function privateApt(target) {
  const apt = join(target, 'apt')
  const parts = join(apt, 'sources')
  for (const name of ['sources', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, name), { recursive: true })
  const given = ['/etc/apt/sources.list', ...filesIn('/etc/apt/sources.list.d')].filter((path) => existsSync(path))
  given
    .filter((path) => /\.(list|sources)$/.test(path))
    .forEach((path, i) => {
      const text = readFileSync(path, 'utf8')
      const isList = path.endsWith('.list')
      const both = isList
        ? text.replace(/^deb /gm, 'deb-src ') + '\n' + text
        : text.replace(/^Types:.*$/gm, 'Types: deb deb-src')
      writeFileSync(join(parts, `part${i}.${isList ? 'list' : 'sources'}`), both)
    })
  const options = {
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': parts,
    'Dir::State::Lists': join(apt, 'lists'),
    'Dir::Cache': join(apt, 'cache'),
    'APT::Sandbox::User': '',
  }
  return ['-qq', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
}

function installGo(target) {
  const module = join(SOURCE, 'franz-go')
  const env = { ...process.env, GOFLAGS: '-buildvcs=false', GOWORK: 'off' }
  const go = findGo(target, env)
  run(go, ['build', '-o', join(target, 'franz-go'), '.'], { cwd: module, env: { ...env, GOTOOLCHAIN: 'auto' } })
}

/** The machine's go, or, where that is from before toolchains, a newer one fetched by it. */
function findGo(target, env) {
  const version = spawnSync('go', ['version'], { encoding: 'utf8' })
  if (version.error) throw new Missing('go is missing')
  const minor = Number(/go1\.(\d+)/.exec(version.stdout)?.[1] ?? 0)
  if (minor >= 21) return 'go'
  const machine = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch
  const name = `golang.org/toolchain@${GO_BOOTSTRAP}.${process.platform}-${machine}`
  const download = run('go', ['mod', 'download', '-json', name], { cwd: target, env: { ...env, GOFLAGS: '' } })
  const { Dir } = JSON.parse(download)
  const toolchain = join(target, 'toolchain')
  // Modules are unpacked read-only and without a bit to execute.
  run('cp', ['-r', '--no-preserve=mode', Dir, toolchain])
  run('find', [join(toolchain, 'bin'), join(toolchain, 'pkg/tool'), '-type', 'f', '-exec', 'chmod', '+x', '{}', '+'])
  return join(toolchain, 'bin/go')
}

function filesIn(folder) {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
}

/** What a peer is made from: its sources, and how it is installed. */
function fingerprint(install, sources) {
  const hash = createHash('sha256').update(`${install} ${DEBIAN_PACKAGES} ${GO_BOOTSTRAP}`)
  for (const name of sources) hash.update(readFileSync(join(SOURCE, name)))
  return hash.digest('hex')
}

/** @returns {string} what it printed; throws Missing when there is no such program or it fails */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 64 << 20, ...options })
  if (result.error) throw new Missing(`${command}: ${result.error.message}`)
  if (result.status === 0) return result.stdout
  const lines = `${result.stdout}${result.stderr}`.trim().split('\n').slice(-4).join(' | ')
  throw new Missing(`${command} ended with status ${result.status}: ${lines}`)
}
