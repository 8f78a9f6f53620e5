/**
 * Many connections: some that only sit there, some that produce in turns, and one that is measured. A process of its
 * own (`node connections.mjs HOST:PORT IDLE ACTIVE SECONDS`), which prints one JSON object; memory is read by whoever
 * knows the server's process.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { makeBatch, WireClient } from './wire-client.mjs'

const TOPIC = 'connections'
const PARTITIONS = 8
const AT_ONCE = 50
/** What an active connection sends: ten records of 100 bytes, then a pause. 200 of them: 2,000 requests a second. */
const PAUSE_MS = 100
const HEALTHY_PAUSE_MS = 5

const [bootstrap, idleCount, activeCount, seconds] = process.argv.slice(2)
const batch = makeBatch(10, 100)
const first = await WireClient.connect(bootstrap)
await first.greet()
await first.createTopic(TOPIC, PARTITIONS)
for (let partition = 0; partition < PARTITIONS; partition++) await untilProduced(first, partition)

const idle = await open(Number(idleCount))
process.stdout.write(`${JSON.stringify({ phase: 'idle' })}\n`)
// The reader takes the server's memory now, and says so by one byte.
await new Promise((resolve) => process.stdin.once('data', resolve))

const active = await open(Number(activeCount))
const healthy = (await open(1))[0]
const until = performance.now() + Number(seconds) * 1000
let requests = 0
let refused = 0
const work = active.map(async (client, i) => {
  await sleep((i * PAUSE_MS) / active.length)
  while (performance.now() < until) {
    if ((await client.produce(TOPIC, i % PARTITIONS, batch)) !== 0) refused++
    requests++
    await sleep(PAUSE_MS)
  }
})
const latencies = []
while (performance.now() < until) {
  const startedMs = performance.now()
  if ((await healthy.produce(TOPIC, 0, batch)) !== 0) refused++
  latencies.push(performance.now() - startedMs)
  await sleep(HEALTHY_PAUSE_MS)
}
process.stdout.write(`${JSON.stringify({ phase: 'active' })}\n`)
await new Promise((resolve) => process.stdin.once('data', resolve))
await Promise.all(work)
latencies.sort((a, b) => a - b)
const at = (share) => latencies[Math.floor(share * (latencies.length - 1))]
const measured = { p50: at(0.5), p99: at(0.99), max: at(1), samples: latencies.length }
process.stdout.write(`${JSON.stringify({ phase: 'done', requests, refused, latency_ms: measured })}\n`)
for (const client of [first, healthy, ...idle, ...active]) client.close()
process.stdin.destroy()

async function open(count) {
  const clients = []
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, () => WireClient.connect(bootstrap))
    clients.push(...(await Promise.all(some)))
  }
  await Promise.all(clients.map((client) => client.greet()))
  return clients
}

async function untilProduced(client, partition) {
  while ((await client.produce(TOPIC, partition, batch)) !== 0) await sleep(20)
}
