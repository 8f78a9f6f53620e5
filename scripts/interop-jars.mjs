/**
 * Gets Apache Kafka's jars once, for test/interop: `node scripts/interop-jars.mjs`.
 *
 *   .interop/kafka/jars/       the jars of test/interop/kafka/pom.xml and all they need
 *   .interop/kafka/classpath   their absolute paths joined with ':', one line; written last, so it marks success
 *   .interop/kafka/version     Kafka's version, as found in the jars' names
 *
 * Interoperability is checked outside `npm test`, so a machine without Java 17, mvn or a network is not a failure here:
 * the script says what is missing and exits 0. The suite then says loudly what it left out. KAFKA_VERSION=4.x.y picks
 * another release than the pom's; a changed pom or version fetches again.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const POM = join(ROOT, 'test/interop/kafka/pom.xml')
const CACHE = join(ROOT, '.interop/kafka')
const JARS = join(CACHE, 'jars')
const JAVA_MIN = 17

process.exitCode = main()

/** @returns {number} the exit status; 0 also when the machine lacks what is needed */
function main() {
  const wanted = fingerprint()
  if (isComplete(wanted)) {
    console.log(`interop-jars: Apache Kafka ${read('version')} is in .interop/kafka`)
    return 0
  }
  const missing = missingTools()
  if (missing !== null) {
    console.log(`interop-jars: LEFT OUT, ${missing}`)
    return 0
  }

  rmSync(CACHE, { recursive: true, force: true })
  mkdirSync(JARS, { recursive: true })
  const args = ['-B', '-q', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${JARS}`]
  args.push('-DincludeScope=runtime')
  if (process.env.KAFKA_VERSION) args.push(`-Dkafka.version=${process.env.KAFKA_VERSION}`)
  console.log('interop-jars: fetching Apache Kafka with mvn (about 55 MB, once)')
  const mvn = spawnSync('mvn', args, { encoding: 'utf8', timeout: 600_000 })
  const jars = mvn.status === 0 ? readdirSync(JARS).filter((name) => name.endsWith('.jar')) : []
  const broker = jars.find((name) => /^kafka_2\.13-[\d.]+\.jar$/.test(name))
  if (broker === undefined) {
    console.log(`${mvn.stdout ?? ''}${mvn.stderr ?? ''}`.trim().split('\n').slice(-8).join('\n'))
    console.log(`interop-jars: LEFT OUT, mvn could not fetch the jars (exit status ${mvn.status}); is there a network?`)
    return 0
  }

  const version = broker.slice('kafka_2.13-'.length, -'.jar'.length)
  writeFileSync(join(CACHE, 'version'), `${version}\n`)
  writeFileSync(join(CACHE, 'fingerprint'), `${wanted}\n`)
  const unfinished = join(CACHE, 'classpath.tmp')
  writeFileSync(
    unfinished,
    jars
      .sort()
      .map((name) => join(JARS, name))
      .join(':') + '\n',
  )
  renameSync(unfinished, join(CACHE, 'classpath'))
  console.log(`interop-jars: Apache Kafka ${version}, ${jars.length} jars in .interop/kafka`)
  return 0
}

/** What the cache must have been made from. */
function fingerprint() {
  return createHash('sha256')
    .update(readFileSync(POM))
    .update(process.env.KAFKA_VERSION ?? '')
    .digest('hex')
}

/** @param {string} wanted */
function isComplete(wanted) {
  if (read('fingerprint') !== wanted) return false
  const jars = read('classpath').split(':')
  return jars.length > 10 && jars.every((path) => existsSync(path))
}

/** @param {string} name */
function read(name) {
  const path = join(CACHE, name)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
}

/** @returns {string | null} a sentence, or null when java, javac and mvn are there */
function missingTools() {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' })
  if (java.error) return `java is missing (Java ${JAVA_MIN} or later is needed)`
  const major = Number(/version "(\d+)/.exec(java.stderr)?.[1] ?? 0)
  if (major < JAVA_MIN) return `java is version ${major}, Kafka 4 needs ${JAVA_MIN} or later`
  if (spawnSync('javac', ['-version']).error) return 'javac is missing (a JDK is needed, not only a JRE)'
  if (spawnSync('mvn', ['-v']).error) return 'mvn is missing'
  return null
}
