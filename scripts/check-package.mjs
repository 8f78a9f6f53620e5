/**
 * `node scripts/check-package.mjs`: installs the packed tarball, without install scripts, into an empty project, and
 * there runs a small program through import and through require(), its types through tsc, and the command line.
 *
 * Needs a build (`npm run build`) and the npm client's access to the dependencies.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './build-stamp.mjs'

/** The body is one for both: it uses only what README shows. */
const BODY = `
const log = await open({ dir: process.argv[2] })
await log.admin.createTopics([{ topic: 'clicks', partitions: 2 }])
const producer = log.producer({ acks: 'all' })
for (let i = 0; i < 10; i++) await producer.send({ topic: 'clicks', value: Buffer.from('value ' + i) })
const consumer = log.consumer({ from: 'earliest' })
await consumer.subscribe(['clicks'])
const seen = new Set()
for await (const batch of consumer.batches()) {
  for (const record of batch) seen.add(Buffer.from(record.value).toString())
  if (seen.size === 10) break
}
await log.close()
console.log('read back ' + seen.size + ' records, features ' + JSON.stringify(features()))
`
const PROGRAMS = {
  'esm.mjs': `import { features, open } from 'vltava'\n${BODY}`,
  'cjs.cjs': `const { features, open } = require('vltava')\nasync function main() {${BODY}}\nmain()\n`,
}
const TYPES = `
export async function main(): Promise<number> {
  const log = await open({ dir: './data' })
  const { offset } = await log.producer().send({ topic: 'clicks', value: new Uint8Array(1) })
  await log.close()
  return offset
}
`
const COMPILER_OPTIONS = {
  module: 'nodenext',
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  strict: true,
  noEmit: true,
  skipLibCheck: false,
  typeRoots: [join(ROOT, 'node_modules/@types')],
  types: ['node'],
}

const folder = mkdtempSync(join(tmpdir(), 'vltava-package-'))
try {
  check()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function check() {
  const packed = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], ROOT))[0]
  console.log(`packed ${packed.entryCount} files, ${packed.size} bytes, ${packed.unpackedSize} unpacked`)

  write('package.json', JSON.stringify({ name: 'app', version: '1.0.0', private: true }))
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, packed.filename)])
  const manifest = JSON.parse(readFileSync(join(folder, 'node_modules/vltava/package.json'), 'utf8'))
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare']) {
    if (manifest.scripts?.[hook] !== undefined) throw new Error(`the package has a script ${hook}`)
  }
  if (existsSync(join(folder, 'node_modules/vltava/binding.gyp'))) throw new Error('the package has a binding.gyp')

  for (const [name, text] of Object.entries(PROGRAMS)) {
    write(name, text)
    const output = run(process.execPath, [name, join(folder, `data-${name}`)])
    if (!output.includes('read back 10 records')) throw new Error(`${name} printed: ${output}`)
    console.log(`${name}: ${output.trim()}`)
  }

  write('types.mts', `import { open } from 'vltava'\n${TYPES}`)
  write('types.cts', `import { open } from 'vltava'\n${TYPES}`)
  write('tsconfig.json', JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: ['types.mts', 'types.cts'] }))
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder])
  console.log('types: ok for import and for require')

  const version = run(join(folder, 'node_modules/.bin/vltava'), ['--version']).trim()
  if (!version.includes(manifest.version)) throw new Error(`vltava --version printed ${version}`)
  console.log(`command line: vltava ${version}`)
}

function write(name, text) {
  writeFileSync(join(folder, name), text)
}

/** @returns {string} standard output; throws with both outputs when the program fails */
function run(program, args, cwd = folder) {
  const result = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 300_000 })
  if (result.status === 0) return result.stdout
  const command = [program, ...args].join(' ')
  throw new Error(`${command} failed (${result.signal ?? result.status}):\n${result.stdout}${result.stderr}`, {
    cause: result.error,
  })
}
