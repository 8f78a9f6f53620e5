/**
 * A real Apache Kafka: one node, broker and KRaft controller in one process, on the loopback interface.
 *
 *   <dir>/server.properties   what it was started with
 *   <dir>/broker.log          everything it printed; appended to by a later start on the same directory
 *   <dir>/data/               log.dirs: the partitions, and nothing else of Kafka's
 *   <dir>/metadata/           metadata.log.dir: the __cluster_metadata log, kept apart
 *
 * The first start on a directory formats it with StorageTool. Ready means that Kafka said so in its log; nothing here
 * sleeps. The broker ends when the process that started it ends (see BrokerMain.java).
 */
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { logFlags, QUICK_JVM, runJava, spawnJava } from './java.mjs'

const CLUSTER_ID = 'VltavaInteropTestsAAAA'
const STARTED = /Kafka Server started/
const TEST_JVM = [...QUICK_JVM, '-Xms128m', '-Xmx512m']
const START_TIMEOUT_MS = 90_000
const STOP_TIMEOUT_MS = 60_000

/** One node: no replica anywhere. Few internal partitions, so that directories stay small and starts quick. */
const DEFAULTS = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'inter.broker.listener.name': 'PLAINTEXT',
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  'log.cleaner.dedupe.buffer.size': '4194304',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
}

/**
 * @typedef {object} Broker
 * @property {string} bootstrap `127.0.0.1:port`
 * @property {number} pid of the JVM
 * @property {string} dataDir log.dirs
 * @property {() => string} log what it has printed since this start
 * @property {(pattern: RegExp, timeoutMs?: number) => Promise<string>} waitForLine the first line of this start, seen
 *   already or still to come, that matches; rejects when the broker ends or the time is up
 * @property {() => Promise<void>} stop SIGTERM, and the clean shutdown that follows; rejects if it was not clean
 * @property {() => Promise<void>} kill SIGKILL
 */

/**
 * Formats `dir` if it is new, starts a broker on it and waits until it serves.
 * @param {{ dir: string, port?: number, config?: Record<string, string>, jvmFlags?: string[] }} options port 0, the
 *   default, takes a free one; `config` goes over the defaults
 * @returns {Promise<Broker>}
 */
export async function startBroker({ dir, port = 0, config = {}, jvmFlags = TEST_JVM }) {
  const dataDir = join(dir, 'data')
  const clientPort = port === 0 ? await freePort() : port
  const properties = propertiesFile(dir, clientPort, await freePort(), config)
  if (!existsSync(join(dataDir, 'meta.properties'))) await format(properties)

  const child = spawnJava('BrokerMain', [properties], [...logFlags('info'), ...jvmFlags])
  const lines = watchLines(child, join(dir, 'broker.log'))
  const killNow = () => child.kill('SIGKILL')
  process.once('exit', killNow)
  const ended = new Promise((resolve) => {
    child.once('close', (code, signal) => {
      process.removeListener('exit', killNow)
      lines.end(`the broker ended (code=${code} signal=${signal})`)
      resolve({ code, signal })
    })
  })

  const broker = {
    bootstrap: `127.0.0.1:${clientPort}`,
    pid: child.pid ?? 0,
    dataDir,
    log: lines.text,
    waitForLine: lines.waitFor,
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(killNow, STOP_TIMEOUT_MS)
      const { code, signal } = await ended
      clearTimeout(timer)
      // A JVM that ran its shutdown hooks after SIGTERM reports 128 + 15.
      if (code !== 143 && code !== 0) throw new Error(`unclean stop: code=${code} signal=${signal}\n${lines.tail()}`)
    },
    async kill() {
      killNow()
      await ended
    },
  }
  try {
    await lines.waitFor(STARTED, START_TIMEOUT_MS)
  } catch (error) {
    await broker.kill()
    throw error
  }
  return broker
}

/**
 * Creates a topic with one replica and waits until its partitions' directories are there.
 * @param {Broker} broker
 * @param {string} topic
 * @param {number} partitions
 * @param {Record<string, string>} [configs]
 */
export async function createTopic(broker, topic, partitions, configs = {}) {
  const args = ['--bootstrap-server', broker.bootstrap, '--create', '--topic', topic, '--partitions', `${partitions}`]
  for (const [key, value] of Object.entries(configs)) args.push('--config', `${key}=${value}`)
  const { stdout, stderr, exitCode } = await runJava('org.apache.kafka.tools.TopicCommand', args)
  if (exitCode !== 0) throw new Error(`creating ${topic} failed:\n${stdout}${stderr}`)
  for (let p = 0; p < partitions; p++) await broker.waitForLine(new RegExp(`Created log for partition ${topic}-${p} `))
}

/**
 * @param {string} dir
 * @param {number} clientPort
 * @param {number} controllerPort
 * @param {Record<string, string>} config
 */
function propertiesFile(dir, clientPort, controllerPort, config) {
  mkdirSync(join(dir, 'data'), { recursive: true })
  mkdirSync(join(dir, 'metadata'), { recursive: true })
  const all = {
    ...DEFAULTS,
    listeners: `PLAINTEXT://127.0.0.1:${clientPort},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${clientPort},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'log.dirs': join(dir, 'data'),
    'metadata.log.dir': join(dir, 'metadata'),
    ...config,
  }
  const path = join(dir, 'server.properties')
  writeFileSync(
    path,
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  return path
}

/** @param {string} properties */
async function format(properties) {
  const args = ['format', '--cluster-id', CLUSTER_ID, '--config', properties]
  const { stdout, stderr, exitCode } = await runJava('kafka.tools.StorageTool', args)
  if (exitCode !== 0) throw new Error(`StorageTool format failed (exit code ${exitCode}):\n${stdout}${stderr}`)
}

/** @returns {Promise<number>} a port that was free a moment ago */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/**
 * Copies both streams to `logFile` and hands each line to whoever waits for it.
 * @param {import('node:child_process').ChildProcessWithoutNullStreams} child
 * @param {string} logFile
 */
function watchLines(child, logFile) {
  /** @type {string[]} */
  const lines = []
  /** @type {Set<(line: string | null) => void>} */
  const waiting = new Set()
  let endReason = ''
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (/** @type {string} */ text) => {
      appendFileSync(logFile, text)
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        lines.push(line)
        for (const notify of waiting) notify(line)
      }
    })
  }
  const tail = () => lines.slice(-25).join('\n')
  return {
    text: () => lines.join('\n'),
    tail,
    /** @param {string} reason */
    end(reason) {
      endReason = reason
      for (const notify of waiting) notify(null)
    },
    /**
     * @param {RegExp} pattern
     * @param {number} timeoutMs
     * @returns {Promise<string>}
     */
    waitFor(pattern, timeoutMs = 30_000) {
      const seen = lines.find((line) => pattern.test(line))
      if (seen !== undefined) return Promise.resolve(seen)
      return new Promise((resolve, reject) => {
        /** @param {string} why */
        const fail = (why) => {
          settle()
          reject(new Error(`waiting for ${pattern}: ${why}\n${tail()}`))
        }
        /** @param {string | null} line */
        const notify = (line) => {
          if (line === null) return fail(endReason)
          if (!pattern.test(line)) return
          settle()
          resolve(line)
        }
        const timer = setTimeout(() => fail(`no such line within ${timeoutMs} ms`), timeoutMs)
        const settle = () => {
          clearTimeout(timer)
          waiting.delete(notify)
        }
        waiting.add(notify)
        if (endReason !== '') fail(endReason)
      })
    },
  }
}
