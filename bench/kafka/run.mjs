/**
 * `npm run bench:kafka [-- --full] [--rounds R] [--only PART,...] [--out FILE]`: Vltava beside Apache Kafka on this
 * machine, by the same clients with the same settings.
 *
 *   produce      records/s of rdkafka_performance and of ProducerPerformance
 *   consume      the same for reading what was just written
 *   latency      end to end at 10,000 records/s
 *   connections  1,000 idle, 200 producing, one measured; the server's resident memory
 *   start        from the start of the process to the first record acknowledged; memory at rest
 *   join         from a new consumer in a group to its first record; for Vltava also in process
 *
 * Rounds alternate: in each, both servers have their turn, each alone on the machine and on an empty directory, and the
 * one that begins changes. Ratios are of numbers from the same round; a table shows their median and (lowest ..
 * highest). Raw results, a JSON object a line, go to --out. Without --full one round of small runs tells whether
 * everything works.
 *
 * On durability: with acks=all Vltava has called fdatasync before it answers, and Kafka has not (it trusts replicas, of
 * which there are none here). acks=1 means the same for both: in the page cache.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import * as os from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CACHE, peer } from '../../test/interop/clients/peers.mjs'
import { available, kafkaVersion } from '../../test/interop/kafka/kafka-tools.mjs'
import { startKafka, startVltava } from '../../test/interop/clients/servers.mjs'
import { CONSUMERS, endToEndLatency, PRODUCERS, toolVersions } from './perf-tools.mjs'
import { tables } from './report.mjs'
import { makeBatch, WireClient } from './wire-client.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const SERVERS = { vltava: startVltava, kafka: startKafka }
/** As Kafka's own start script runs it; the tests' broker is made to start fast instead. */
const KAFKA_JVM = [
  '-server',
  '-Xms1g',
  '-Xmx1g',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:+ExplicitGCInvokesConcurrent',
]
/** Kafka's defaults but for what one node needs; the same for both. */
const SETTINGS = { 'group.initial.rebalance.delay.ms': '0' }
const AT_REST_MS = 3_000
const JOIN_RECORDS = 1_000

const MATRIX = [100, 1024].flatMap((size) =>
  ['none', 'lz4'].flatMap((codec) =>
    ['1', 'all'].flatMap((acks) => [1, 8].map((partitions) => ({ size, codec, acks, partitions }))),
  ),
)
const FULL = { rounds: 3, megabytes: 300, matrix: MATRIX, latencySeconds: 20, idle: 1000, active: 200, seconds: 20 }
const QUICK = {
  rounds: 1,
  megabytes: 20,
  matrix: [MATRIX[0], MATRIX[3], MATRIX[13]],
  latencySeconds: 4,
  idle: 200,
  active: 50,
  seconds: 4,
}

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string', default: 'bench-kafka.jsonl' },
  },
})
const size = values.full ? FULL : QUICK
const rounds = Number(values.rounds ?? size.rounds)
const PARTS = { produce: throughput, latency, connections, start: startUp, join: groupJoin }
const parts = (values.only ?? Object.keys(PARTS).join())
  .split(',')
  .map((name) => (name === 'consume' ? 'produce' : name))
const results = []

for (const [what, { ok, reason }] of Object.entries({
  java: available(),
  debian: peer('debian'),
  python: peer('python'),
})) {
  if (!ok) throw new Error(`bench:kafka needs ${what}: ${reason}`)
}
mkdirSync(dirname(join(process.cwd(), values.out)), { recursive: true })
rmSync(values.out, { force: true })
keep({
  part: 'machine',
  cpus: os.cpus().length,
  model: os.cpus()[0]?.model,
  load: os.loadavg()[0],
  node: process.version,
  kafka: kafkaVersion(),
  tools: toolVersions(),
})

for (let round = 0; round < rounds; round++) {
  const names = round % 2 === 0 ? ['vltava', 'kafka'] : ['kafka', 'vltava']
  for (const name of new Set(parts)) {
    for (const server of names) {
      console.error(`bench:kafka: round ${round + 1}, ${name}: ${server}`)
      await PARTS[name](server, (result) => keep({ part: name, server, round, ...result }))
    }
  }
}
console.log(tables(results))
console.error(`bench:kafka: raw results are in ${values.out}`)

function keep(result) {
  results.push(result)
  appendFileSync(values.out, `${JSON.stringify(result)}\n`)
}

/** Runs `work` with a server that has an empty directory, and the machine, for itself. */
async function withServer(name, work) {
  const dir = mkdtempSync(join(os.tmpdir(), `vltava-bench-${name}-`))
  const server = await SERVERS[name](dir, { settings: SETTINGS, jvmFlags: KAFKA_JVM })
  try {
    await work(server)
  } finally {
    await server.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function throughput(name, report) {
  await withServer(name, async (server) => {
    const admin = await WireClient.connect(server.bootstrap)
    // Not counted: a JVM that has just started is busy compiling.
    await createTopic(admin, 'warm-up', 8)
    const warmUp = { size: 100, codec: 'lz4', acks: '1', partitions: 8, records: size.megabytes * 1e4 }
    await PRODUCERS.rdkafka({ bootstrap: server.bootstrap, topic: 'warm-up', ...warmUp })
    await CONSUMERS.rdkafka({ bootstrap: server.bootstrap, topic: 'warm-up', ...warmUp })
    for (const each of size.matrix) {
      for (const tool of Object.keys(PRODUCERS)) {
        const topic = `${tool}-${each.size}-${each.codec}-${each.acks}-${each.partitions}`
        await createTopic(admin, topic, each.partitions)
        const records = Math.round((size.megabytes * 1e6) / each.size)
        const load = { bootstrap: server.bootstrap, topic, records, ...each }
        report({ what: 'produce', tool, ...each, records, perSecond: await PRODUCERS[tool](load) })
        // Readers do not care with which acks it was written.
        if (each.acks === '1')
          report({ what: 'consume', tool, ...each, records, perSecond: await CONSUMERS[tool](load) })
      }
    }
    admin.close()
    report({ what: 'memory', residentBytes: resident(server.pid) })
  })
}

/** The first run is not counted: a JVM that has just started is busy compiling. */
async function latency(name, report) {
  await withServer(name, async ({ bootstrap }) => {
    const admin = await WireClient.connect(bootstrap)
    for (const topic of ['warm-up', 'latency']) await createTopic(admin, topic, 8)
    admin.close()
    const load = { bootstrap, partitions: 8, rate: 10_000, seconds: size.latencySeconds }
    await endToEndLatency({ ...load, topic: 'warm-up' })
    report({ latencyMs: await endToEndLatency({ ...load, topic: 'latency' }) })
  })
}

async function connections(name, report) {
  await withServer(name, async ({ bootstrap, pid }) => {
    const args = [join(HERE, 'connections.mjs'), bootstrap, size.idle, size.active, size.seconds].map(String)
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const memory = { before: resident(pid) }
    for await (const line of createInterface({ input: child.stdout })) {
      const { phase, ...rest } = JSON.parse(line)
      if (phase === 'done') report({ idle: size.idle, active: size.active, residentBytes: memory, ...rest })
      else memory[phase] = resident(pid)
      if (phase !== 'done') child.stdin.write('.')
    }
    if (child.exitCode === null) await once(child, 'close')
    if (child.exitCode !== 0) throw new Error(`connections.mjs ended with ${child.exitCode}`)
  })
}

/** The server's own start, without what formats Kafka's directory: it is started once, stopped, and started again. */
async function startUp(name, report) {
  const dir = mkdtempSync(join(os.tmpdir(), `vltava-bench-${name}-`))
  const port = 30_000 + (process.pid % 20_000)
  const options = { settings: SETTINGS, jvmFlags: KAFKA_JVM, port }
  await (await SERVERS[name](dir, options)).stop()
  const startedMs = performance.now()
  const starting = SERVERS[name](dir, options)
  const batch = makeBatch(1, 100)
  const client = await untilConnected(`127.0.0.1:${port}`)
  await createTopic(client, `start-${startedMs}`, 1)
  while ((await client.produce(`start-${startedMs}`, 0, batch)) !== 0) await sleep(1)
  const tookMs = performance.now() - startedMs
  const server = await starting
  await sleep(AT_REST_MS)
  report({ toFirstRecordMs: tookMs, residentBytes: resident(server.pid) })
  client.close()
  await server.stop()
  rmSync(dir, { recursive: true, force: true })
}

async function groupJoin(name, report) {
  await withServer(name, async ({ bootstrap }) => {
    const client = await WireClient.connect(bootstrap)
    await createTopic(client, 'join', 8)
    const batch = makeBatch(JOIN_RECORDS, 100)
    for (let partition = 0; partition < 8; partition++) await client.produce('join', partition, batch)
    client.close()
    const join_ = (protocol, group) => {
      const args = [join(HERE, 'group-join.py'), bootstrap, 'join', group, protocol]
      const { stdout, stderr, status } = spawnSync(join(CACHE, 'python/bin/python'), args, { encoding: 'utf8' })
      if (status !== 0) throw new Error(`group-join.py: ${stderr}`)
      return Number(stdout)
    }
    for (const protocol of ['classic', 'consumer']) {
      join_(protocol, `${protocol}-first`) // The coordinator's topic is made by the first group.
      report({ how: `TCP, ${protocol}`, joinMs: join_(protocol, `${protocol}-second`) })
    }
  })
  if (name !== 'vltava') return
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(HERE, 'group-join-local.mjs')], {
    encoding: 'utf8',
  })
  if (status === 0) report({ how: 'in process', joinMs: Number(stdout) })
  else console.error(`bench:kafka: LEFT OUT: the join in process: ${stderr}`)
}

/** Until every partition takes a record, and has one: Kafka makes them a moment after it has answered. */
async function createTopic(client, topic, partitions) {
  const code = await client.createTopic(topic, partitions)
  if (code !== 0) throw new Error(`creating ${topic}: error ${code}`)
  const batch = makeBatch(1, 1)
  for (let partition = 0; partition < partitions; partition++) {
    while ((await client.produce(topic, partition, batch)) !== 0) await sleep(1)
  }
}

async function untilConnected(bootstrap) {
  for (;;) {
    try {
      return await WireClient.connect(bootstrap)
    } catch (error) {
      if (error.code !== 'ECONNREFUSED') throw error
      await sleep(1)
    }
  }
}

function resident(pid) {
  return 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}
