/**
 * Apache Kafka as the oracle: its dump tool, a real broker, and small programs over its Java client.
 *
 * This is the door: suites import from here. Nothing of it runs under `npm test`; call available() first, and where it
 * says no, say loudly what is left out.
 */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { runJava } from './java.mjs'

export { createTopic, startBroker } from './broker.mjs'
export { parseDump } from './dump-parser.mjs'
export { available, kafkaVersion, runJava } from './java.mjs'

/**
 * @typedef {object} ReadRecord a line of ReadBack
 * @property {string} topic
 * @property {number} partition
 * @property {number} offset
 * @property {number} timestamp milliseconds
 * @property {'CreateTime' | 'LogAppendTime'} timestampType
 * @property {string | null} key base64
 * @property {string | null} value base64
 * @property {[string, string | null][]} headers values base64
 * @property {boolean} committed false: hidden from read_committed consumers
 */

/**
 * Runs Kafka's DumpLogSegments. Its complaints are in the text, not in the exit code: give it to parseDump().
 * @param {string[]} files absolute paths without commas
 * @param {{ printData?: boolean, indexSanityCheck?: boolean, verifyIndexOnly?: boolean, shallow?: boolean }} [options]
 *   printData prints keys and values (as base64); indexSanityCheck only checks what a starting broker checks of an
 *   index (little: sizes and the last entry); verifyIndexOnly compares each entry with the log and prints none;
 *   without either, entries are compared and printed
 * @returns {Promise<{ output: string, exitCode: number }>} standard output, then standard error
 */
export async function dumpLogSegments(files, options = {}) {
  const args = ['--files', files.join(',')]
  if (options.shallow !== true) args.push('--deep-iteration')
  if (options.printData === true) {
    args.push('--print-data-log', '--key-decoder-class', 'Base64Decoder', '--value-decoder-class', 'Base64Decoder')
  }
  if (options.indexSanityCheck === true) args.push('--index-sanity-check')
  if (options.verifyIndexOnly === true) args.push('--verify-index-only')
  const { stdout, stderr, exitCode } = await runJava('org.apache.kafka.tools.DumpLogSegments', args)
  return { output: `${stdout}\n${stderr}`, exitCode }
}

/**
 * Every record of `topics` as Kafka's own consumer sees it.
 * @param {import('./broker.mjs').Broker} broker
 * @param {string[]} topics
 * @returns {Promise<ReadRecord[]>} by topic as given, partition, offset
 */
export async function readBack(broker, topics) {
  const { stdout, stderr, exitCode } = await runJava('ReadBack', [broker.bootstrap, ...topics])
  if (exitCode !== 0) throw new Error(`ReadBack failed (exit code ${exitCode}):\n${stderr}`)
  return parseReadBack(stdout)
}

/** @param {string} lines @returns {ReadRecord[]} */
export function parseReadBack(lines) {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/**
 * Writes the data of FixtureWriter.java: see there for the topics.
 * @param {import('./broker.mjs').Broker} broker
 * @param {string[]} [topics] all when empty
 */
export async function writeFixtures(broker, topics = []) {
  const { stdout, stderr, exitCode } = await runJava('FixtureWriter', [broker.bootstrap, ...topics])
  if (exitCode !== 0) throw new Error(`FixtureWriter failed (exit code ${exitCode}):\n${stdout}${stderr}`)
  if (topics.length > 0 && !topics.includes('compacted')) return
  // The cleaner goes up to the active segment, whose base is now final: nothing changes on disk after that.
  const activeBase = Number(
    basename(partitionFiles(broker.dataDir, '.log', (name) => name === 'compacted-0').at(-1) ?? '', '.log'),
  )
  await broker.waitForLine(new RegExp(`cleaned log compacted-0 \\(dirty section = \\[\\d+, ${activeBase}\\]`))
}

/**
 * The files of a data directory's partitions, by suffix, as absolute paths in order.
 * @param {string} dataDir
 * @param {string} suffix `.log`, `.index`, ...
 * @param {(partitionDir: string) => boolean} [wanted]
 */
export function partitionFiles(dataDir, suffix, wanted = () => true) {
  /** @type {string[]} */
  const found = []
  for (const entry of readdirSync(dataDir, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/-\d+$/.test(entry.name) || !wanted(entry.name)) continue
    const dir = join(dataDir, entry.name)
    for (const name of readdirSync(dir)) if (name.endsWith(suffix)) found.push(join(dir, name))
  }
  return found.sort()
}
