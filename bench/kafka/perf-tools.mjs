/**
 * The load programs: librdkafka's rdkafka_performance, and Kafka's ProducerPerformance and ConsumerPerformance. Each is
 * run to its end, and its own numbers are taken.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { javaCommand } from '../../test/interop/kafka/java.mjs'
import { CACHE } from '../../test/interop/clients/peers.mjs'

const RDKAFKA = join(CACHE, 'debian/rdkafka_performance')
const TOOLS = 'org.apache.kafka.tools'
const TIMEOUT_MS = 300_000
/** The same for both tools. Kafka's own default of 16 KiB is small for a producer that gives all it has. */
const LINGER_MS = 5
const BATCH_BYTES = 65_536
/** As Kafka's own script runs its tools. */
const JVM_FLAGS = ['-Xmx512m']

/**
 * @typedef {object} Load
 * @property {string} bootstrap
 * @property {string} topic
 * @property {number} partitions
 * @property {number} records
 * @property {number} size bytes of a value
 * @property {'none' | 'lz4'} codec
 * @property {'1' | 'all'} acks
 */

/** Records per second. @type {Record<string, (load: Load) => Promise<number>>} */
export const PRODUCERS = {
  async rdkafka({ bootstrap, topic, records, size, codec, acks }) {
    const settings = { 'linger.ms': LINGER_MS, 'batch.size': BATCH_BYTES, 'queue.buffering.max.messages': 500_000 }
    const args = ['-P', '-q', '-b', bootstrap, '-t', topic, '-s', size, '-c', records, '-z', codec]
    const { output } = await run(RDKAFKA, [...args, '-a', acks === 'all' ? -1 : 1, ...options(settings)])
    return take(output, /(\d+) delivered \(offset [^,]*, 0 failed\) in \d+ms: (\d+) msgs\/s/, 2)
  },
  async java({ bootstrap, topic, records, size, codec, acks }) {
    const settings = { acks, 'compression.type': codec, 'linger.ms': LINGER_MS, 'batch.size': BATCH_BYTES }
    const properties = Object.entries(settings).flatMap(([name, value]) => ['--command-property', `${name}=${value}`])
    const args = ['--bootstrap-server', bootstrap, '--topic', topic, '--num-records', records, '--record-size', size]
    const { output } = await runJava('ProducerPerformance', [...args, '--throughput', -1, ...properties])
    return take(output, new RegExp(`^${records} records sent, ([\\d.]+) records/sec`, 'm'), 1)
  },
}

/** Records per second, of all records of the topic. @type {Record<string, (load: Load) => Promise<number>>} */
export const CONSUMERS = {
  async rdkafka({ bootstrap, topic, partitions, records }) {
    const all = Array.from({ length: partitions }, (_, partition) => ['-p', partition]).flat()
    const args = ['-C', '-q', '-b', bootstrap, '-t', topic, ...all, '-o', 'beginning', '-c', records]
    const { output } = await run(RDKAFKA, args)
    return take(output, /messages \(\d+ bytes\) consumed in \d+ms: (\d+) msgs\/s/, 1)
  },
  async java({ bootstrap, topic, records }) {
    const args = ['--bootstrap-server', bootstrap, '--topic', topic, '--num-records', records, '--timeout', 60_000]
    const { output } = await runJava('ConsumerPerformance', args)
    const columns =
      output
        .trim()
        .split('\n')
        .findLast((line) => /^\d{4}-/.test(line))
        ?.split(',') ?? []
    // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, MB/s, records/s; the last without the join.
    if (Number(columns[4]) < records)
      throw new Error(`ConsumerPerformance read ${columns[4]} of ${records}:\n${output}`)
    return Number(columns[9])
  },
}

/**
 * One producer at a fixed rate, one consumer, each in a process of its own; the time is in the record. Each partition
 * has one record already, which is not read.
 * @param {{ bootstrap: string, topic: string, partitions: number, rate: number, seconds: number }} load
 * @returns {Promise<{ p50: number, p99: number, p999: number, max: number }>} milliseconds
 */
export async function endToEndLatency({ bootstrap, topic, partitions, rate, seconds }) {
  const file = join(tmpdir(), `vltava-latency-${process.pid}`)
  const records = rate * seconds
  const all = Array.from({ length: partitions }, (_, partition) => ['-p', partition]).flat()
  const settings = options({ 'fetch.wait.max.ms': 100 })
  const consumer = ['-C', '-q', '-b', bootstrap, '-t', topic, ...all, '-o', 1, '-c', records, '-l', '-A', file]
  const consumed = run(RDKAFKA, [...consumer, ...settings])
  const producer = ['-P', '-q', '-b', bootstrap, '-t', topic, '-s', 100, '-c', records, '-a', 1, '-r', rate, '-l']
  await run(RDKAFKA, [...producer, ...options({ 'linger.ms': 0 })])
  await consumed
  // Microseconds, a record a line. The first second is for connections, and for code that is not compiled yet.
  const latencies = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .slice(rate)
    .map(Number)
    .sort((a, b) => a - b)
  rmSync(file)
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] / 1000
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) }
}

function options(settings) {
  return Object.entries(settings).flatMap(([name, value]) => ['-X', `${name}=${value}`])
}

function runJava(tool, args) {
  const [command, ...before] = javaCommand(`${TOOLS}.${tool}`, JVM_FLAGS)
  return run(command, [...before, ...args])
}

async function run(command, args) {
  const child = spawn(command, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  child.stderr.on('data', (chunk) => chunks.push(chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  const output = Buffer.concat(chunks).toString('utf8')
  if (code !== 0)
    throw new Error(`${command} ${args.slice(-12).join(' ')} ended with ${code ?? signal}:\n${output.slice(-2000)}`)
  return { output }
}

function take(output, pattern, group) {
  const found = pattern.exec(output)
  if (found === null) throw new Error(`no number in:\n${output.slice(-2000)}`)
  return Number(found[group])
}

/** @returns {string} what the numbers were made with */
export function toolVersions() {
  const { stdout, stderr } = spawnSync(RDKAFKA, [], { encoding: 'utf8' })
  return `librdkafka ${/librdkafka version ([\d.]+)/.exec(`${stdout}${stderr}`)?.[1] ?? '?'}`
}
