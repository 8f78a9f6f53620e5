/**
 * One program on the embedded log and on a cluster: the line that opens the log is all that differs.
 *
 *   node examples/embedded-or-cluster.mjs [DIR]                          the log in this process
 *   node examples/embedded-or-cluster.mjs --brokers localhost:9092       Apache Kafka, or vltava serve
 *   node examples/embedded-or-cluster.mjs [DIR] --serve                  serves the log here, and connects to it
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connect, open } from 'vltava'

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { brokers: { type: 'string' }, serve: { type: 'boolean', default: false } },
})
const dir = positionals[0] ?? mkdtempSync(join(tmpdir(), 'vltava-'))
const served = options.serve ? await open({ dir }) : undefined
const listener = await served?.listen({ host: '127.0.0.1', port: 0 })
const brokers = listener === undefined ? options.brokers : `127.0.0.1:${listener.port}`

// The one line.
const log = brokers === undefined ? await open({ dir }) : await connect({ brokers })

const topic = `orders-${Date.now()}`
await log.admin.createTopics([{ topic, partitions: 3 }])
const producer = log.producer({ key: 'string', value: 'json' })
for (let id = 0; id < 1000; id++) {
  const order = { id, customer: `c${id % 7}`, cents: 100 + id }
  while (!producer.append(topic, order, order.customer)) await producer.drain()
}
await producer.flush() // Every order is acknowledged: on the disk here, on all in-sync replicas there.

const totals = new Map()
const consumer = log.consumer({ key: 'string', value: 'json' })
await consumer.subscribe([topic])
for await (const batch of consumer.batches({ until: 'end' })) {
  for (const { key, value } of batch) totals.set(key, (totals.get(key) ?? 0) + value.cents)
}
const sum = [...totals.values()].reduce((all, cents) => all + cents, 0)
console.log(`${brokers === undefined ? `in ${dir}` : `on ${brokers}`}: ${totals.size} customers, ${sum} cents`)
if (totals.size !== 7 || sum !== 599_500) process.exitCode = 1

await log.admin.deleteTopics([topic])
await log.close()
await served?.close()
