/**
 * The runs behind the figures. Each starts programs of its own and returns the objects that go into the raw results.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BenchDirectory } from '../../dist/cli/bench/bench-directory.js'

const VLTAVA = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const FILL = fileURLToPath(new URL('./fill-and-wait.mjs', import.meta.url))
const OPEN = fileURLToPath(new URL('./open-and-close.mjs', import.meta.url))
const RECORD_SIZE = 100

/**
 * `vltava bench ...`, in a process of its own. Throws if it fails: a record that was wrong is no figure.
 *
 * @param {...(string | number)} args
 * @returns {Promise<object[]>}
 */
export function bench(...args) {
  return vltava('bench', ...args, '--json')
}

async function vltava(...args) {
  const lines = await output(process.execPath, [VLTAVA, ...args.map(String)])
  return lines.map((line) => JSON.parse(line))
}

/** How long open() takes on a directory that is not there yet. */
export async function openEmpty() {
  const directory = BenchDirectory.create(undefined)
  try {
    const [line] = await output(process.execPath, [OPEN, join(directory.path, 'data')])
    return { bench: 'open-empty', ...JSON.parse(line) }
  } finally {
    directory.remove()
  }
}

/**
 * A process fills a log and is killed by SIGKILL. Then, each in a fresh process and with the files in the page cache:
 * open() with recovery, a read-back of every record, and `vltava verify`.
 *
 * @param {number} bytes of records and their envelopes
 */
export async function reopenAfterKill(bytes) {
  const directory = BenchDirectory.create(undefined)
  const data = join(directory.path, 'data')
  try {
    const records = await fillAndKill(data, bytes)
    const logBytes = sizeOfLogs(data)
    const [line] = await output(process.execPath, [OPEN, data])
    const opened = JSON.parse(line)
    const [, read] = await bench('consume', '--data', data, '--topic', 'filled')
    if (read.verified !== records)
      throw new Error(`${read.verified} of ${records} acknowledged records survived SIGKILL`)
    const [verified] = await vltava('verify', data, '--json')
    return [
      { bench: 'reopen-after-sigkill', ...opened, records, log_bytes: logBytes, verified: read.verified },
      {
        bench: 'verify',
        seconds: verified.seconds,
        log_bytes: verified.bytes,
        megabytes_per_second: Number((verified.bytes / verified.seconds / 1e6).toFixed(1)),
        threads: verified.threads,
        verified: verified.records,
      },
    ]
  } finally {
    rmSync(data, { recursive: true, force: true })
    directory.remove()
  }
}

function fillAndKill(data, bytes) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [FILL, data, String(bytes), String(RECORD_SIZE)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let records
    child.stdout.on('data', (chunk) => {
      records = JSON.parse(chunk.toString()).records
      child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('exit', (status, signal) => {
      if (signal === 'SIGKILL' && records !== undefined) resolve(records)
      else reject(new Error(`filling ended with status ${status}`))
    })
  })
}

function sizeOfLogs(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.log'))
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

/** Lines of stdout. stderr goes through. Rejects unless the program ends with status 0. */
function output(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const chunks = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (status) => {
      const text = Buffer.concat(chunks).toString()
      if (status === 0) resolve(text.trimEnd().split('\n'))
      else reject(new Error(`${args.slice(1).join(' ')} ended with status ${status}: ${text}`))
    })
  })
}

/** What the figures were taken on. */
export function machine({ arch, cpus, loadavg, platform, release, totalmem }) {
  const directory = BenchDirectory.create(undefined)
  directory.remove()
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' })
  return {
    bench: 'machine',
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_bytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    file_system: directory.fileSystem,
    load_average: loadavg()[0],
    commit: git.status === 0 ? git.stdout.trim() : 'unknown',
    is_container: existsSync('/.dockerenv'),
  }
}
