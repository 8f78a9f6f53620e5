/**
 * The two brokers of the suite, started alike: Apache Kafka from its jars, Vltava by `vltava serve`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startBroker } from '../kafka/kafka-tools.mjs'

const CLI = join(dirname(fileURLToPath(import.meta.url)), '../../../dist/cli/main.js')
const READY_MS = 30_000

/** Of both: no topic by itself, and members that die are missed after six seconds with either group protocol. */
export const SETTINGS = {
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  'group.consumer.min.session.timeout.ms': '6000',
  'group.consumer.session.timeout.ms': '6000',
  'group.consumer.min.heartbeat.interval.ms': '500',
  'group.consumer.heartbeat.interval.ms': '500',
}

/**
 * @typedef {object} Server
 * @property {string} bootstrap `127.0.0.1:port`
 * @property {number} pid
 * @property {() => Promise<void>} stop
 * @property {() => string} log what it has printed
 */

/**
 * @typedef {object} ServerOptions
 * @property {Record<string, string>} [settings]
 * @property {number} [port] 0, the default, takes a free one
 * @property {string[]} [jvmFlags] of Kafka
 * @property {string} [advertise] Vltava only: what clients are told to connect to
 */

/** @param {string} dir @param {ServerOptions} [options] @returns {Promise<Server>} */
export async function startKafka(dir, { settings = SETTINGS, port = 0, jvmFlags } = {}) {
  const broker = await startBroker({ dir, port, config: settings, jvmFlags })
  return { bootstrap: broker.bootstrap, pid: broker.pid, stop: () => broker.stop(), log: broker.log }
}

/** @param {string} dir @param {ServerOptions} [options] @returns {Promise<Server>} */
export async function startVltava(dir, { settings = SETTINGS, port = 0, advertise } = {}) {
  mkdirSync(dir, { recursive: true })
  const args = ['serve', '--data', join(dir, 'data'), '--listen', `127.0.0.1:${port}`, '--json']
  if (advertise !== undefined) args.push('--advertise', advertise)
  for (const [name, value] of Object.entries(settings)) args.push('-X', `${name}=${value}`)
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const killNow = () => child.kill('SIGKILL')
  process.once('exit', killNow)
  const ended = once(child, 'close')
  let log = ''
  child.stderr.on('data', (chunk) => {
    log += chunk
    appendFileSync(join(dir, 'server.log'), chunk)
  })
  const timer = setTimeout(killNow, READY_MS)
  const line = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended.then(() => undefined)])
  clearTimeout(timer)
  if (line === undefined) throw new Error(`vltava serve ended before it was ready:\n${log}`)
  const [bound] = JSON.parse(line[0]).listeners
  return {
    bootstrap: `${bound.host}:${bound.port}`,
    pid: child.pid,
    log: () => log,
    async stop() {
      child.kill('SIGTERM')
      const [code, signal] = await ended
      process.removeListener('exit', killNow)
      if (code !== 0) throw new Error(`unclean stop: code=${code} signal=${signal}\n${log}`)
    },
  }
}
