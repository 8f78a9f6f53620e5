/**
 * Runs Java classes on Apache Kafka's class path: Kafka's own tools, and the small programs beside this file.
 *
 * The jars come from scripts/interop-jars.mjs; our sources are compiled by javac into .interop/kafka/classes the first
 * time, and again when one of them is newer than the last compilation.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
const CACHE = join(HERE, '../../../.interop/kafka')
const CLASSES = join(CACHE, 'classes')
const JAVA_MIN = 17

/** Few cores and short runs: the serial collector and the first compiler tier start fastest. */
export const QUICK_JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

/**
 * Whether Kafka can be run here. Cheap enough to call at the top of every suite.
 * @returns {{ ok: boolean, reason: string }} `reason` is a sentence without a full stop, empty when ok
 */
export function available() {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' })
  if (java.error) return { ok: false, reason: `java is missing (${JAVA_MIN} or later is needed)` }
  const major = Number(/version "(\d+)/.exec(java.stderr)?.[1] ?? 0)
  if (major < JAVA_MIN) return { ok: false, reason: `java is version ${major}, ${JAVA_MIN} or later is needed` }
  if (spawnSync('javac', ['-version']).error) return { ok: false, reason: 'javac is missing' }
  const path = join(CACHE, 'classpath')
  if (!existsSync(path)) {
    return { ok: false, reason: "Kafka's jars are missing: run node scripts/interop-jars.mjs" }
  }
  const gone = jars().find((jar) => !existsSync(jar))
  if (gone !== undefined) return { ok: false, reason: `a jar is missing (${gone}): run node scripts/interop-jars.mjs` }
  return { ok: true, reason: '' }
}

/** @returns {string} the release the jars are of, as `4.3.1` */
export function kafkaVersion() {
  return readFileSync(join(CACHE, 'version'), 'utf8').trim()
}

/**
 * Runs a class to its end.
 * @param {string} className fully qualified; our own programs are in the default package
 * @param {string[]} args
 * @param {string} [stdin] written to the program's standard input, which is then closed
 * @returns {Promise<{ stdout: string, stderr: string, exitCode: number }>} exitCode is -1 when a signal ended it
 */
export async function runJava(className, args, stdin = '') {
  const child = spawnJava(className, args)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  child.stdin.on('error', ignoreBrokenPipe)
  child.stdin.end(stdin)
  const exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? -1))
  })
  return { stdout: stdout(), stderr: stderr(), exitCode }
}

/**
 * Starts a class and returns the child process, its three streams piped.
 * @param {string} className
 * @param {string[]} args
 * @param {string[]} [jvmFlags]
 */
export function spawnJava(className, args, jvmFlags = QUICK_JVM) {
  const [command, ...rest] = javaCommand(className, jvmFlags)
  return spawn(command, [...rest, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
}

/**
 * The command line that runs a class, without the class's own arguments; compiles our programs if need be.
 * @param {string} className
 * @param {string[]} [jvmFlags]
 * @returns {[command: string, ...args: string[]]}
 */
export function javaCommand(className, jvmFlags = QUICK_JVM) {
  compile()
  const classPath = [CLASSES, ...jars()].join(delimiter)
  return ['java', '-Djava.awt.headless=true', ...logFlags('warn'), ...jvmFlags, '-cp', classPath, className]
}

/**
 * slf4j-simple writes to standard error, a line an event.
 * @param {'warn' | 'info'} level
 */
export function logFlags(level) {
  const prefix = '-Dorg.slf4j.simpleLogger.'
  return [`${prefix}defaultLogLevel=${level}`, `${prefix}showThreadName=false`, `${prefix}levelInBrackets=true`]
}

function jars() {
  return readFileSync(join(CACHE, 'classpath'), 'utf8').trim().split(delimiter)
}

function compile() {
  const sources = readdirSync(HERE)
    .filter((name) => name.endsWith('.java'))
    .map((name) => join(HERE, name))
  const stamp = join(CLASSES, '.compiled')
  const isFresh = existsSync(stamp) && sources.every((path) => statSync(path).mtimeMs < statSync(stamp).mtimeMs)
  if (isFresh) return
  rmSync(CLASSES, { recursive: true, force: true })
  mkdirSync(CLASSES, { recursive: true })
  const javac = spawnSync(
    'javac',
    ['-Xlint:all,-processing,-path,-classfile', '-d', CLASSES, '-cp', jars().join(delimiter), ...sources],
    {
      encoding: 'utf8',
    },
  )
  if (javac.status !== 0) throw new Error(`javac failed:\n${javac.stdout ?? ''}${javac.stderr ?? ''}`)
  writeFileSync(stamp, '')
}

/** @param {import('node:stream').Readable} stream */
function collect(stream) {
  /** @type {Buffer[]} */
  const chunks = []
  stream.on('data', (chunk) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}

/** A program may end without reading its input. @param {NodeJS.ErrnoException} error */
function ignoreBrokenPipe(error) {
  if (error.code !== 'EPIPE') throw error
}
