/**
 * Append here, forward elsewhere. An order is accepted as soon as it is on this machine's disk; a forwarder delivers it
 * by HTTP, at least once, whatever dies in between. How far it got is itself a record, in a topic of its own.
 *
 *   node examples/outbox.mjs [DIR] [--to URL] [--orders 100] [--once]
 *
 * Without --to the receiver runs in this process and refuses the first delivery. Without --once it goes on until it is
 * killed, which it may be at any moment.
 */
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { open } from 'vltava'

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    to: { type: 'string' },
    orders: { type: 'string', default: '100' },
    once: { type: 'boolean', default: false },
  },
})
const dir = positionals[0] ?? mkdtempSync(join(tmpdir(), 'vltava-'))

const log = await open({ dir })
const topics = await log.admin.listTopics()
const missing = ['outbox', 'outbox-forwarded'].filter((topic) => !topics.includes(topic))
// Age must not delete what has not been forwarded, nor the note of how far we got.
await log.admin.createTopics(missing.map((topic) => ({ topic, configs: { 'retention.ms': -1 } })))
const producer = log.producer({ value: 'json' })
const receiver = options.to === undefined ? await startReceiver() : undefined
const target = options.to ?? `http://127.0.0.1:${receiver.server.address().port}/`

const orderCount = Number(options.orders)
await producer.sendAll(Array.from({ length: orderCount }, (_, i) => ({ topic: 'outbox', value: { order: i } })))
console.log(`${orderCount} orders accepted into ${dir}`)
const forwardedCount = await forward(await forwardedOffset())
console.log(`${forwardedCount} orders forwarded to ${target}`)
await log.close()
receiver?.server.close()
if (receiver !== undefined && options.once && receiver.ids.size !== forwardedCount) {
  console.error(`the receiver has ${receiver.ids.size} orders`)
  process.exitCode = 1
}

/** The offset of the first order that is not known to have been delivered: the last record of the topic says it. */
async function forwardedOffset() {
  const { offset: end } = await log.admin.offset('outbox-forwarded', 0, 'end')
  if (end === 0) return 0
  const consumer = log.consumer({ value: 'json' })
  await consumer.assign([{ topic: 'outbox-forwarded', partition: 0, offset: end - 1 }])
  for await (const batch of consumer.batches({ until: 'end' })) return batch.records()[0].value.nextOffset
  throw new Error('the last record of outbox-forwarded is gone')
}

async function forward(from) {
  const consumer = log.consumer({ value: 'json' })
  await consumer.assign([{ topic: 'outbox', partition: 0, offset: from }])
  let count = 0
  for await (const batch of consumer.batches(options.once ? { until: 'end' } : {})) {
    const orders = batch.records().map(({ offset, value }) => ({ id: `outbox-0-${offset}`, ...value }))
    await deliver(orders)
    // Between the delivery and this record lies the chance of a second delivery, never that of a loss.
    const nextOffset = batch.lastOffset + 1
    const { offset } = await producer.send({ topic: 'outbox-forwarded', value: { nextOffset } })
    await log.admin.trim('outbox-forwarded', 0, offset)
    await log.admin.trim('outbox', 0, nextOffset)
    count += orders.length
  }
  return count
}

/** Tries until it is delivered. A record's id is the same each time. */
async function deliver(orders) {
  for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 10_000)) {
    try {
      const response = await fetch(target, { method: 'POST', body: JSON.stringify(orders) })
      await response.arrayBuffer()
      if (response.ok) return
      console.log(`refused with ${response.status}, trying again`)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error // fetch() says so when there is no answer.
      console.log(`no answer (${error.cause?.code ?? error.message}), trying again`)
    }
    await pause(pauseMs)
  }
}

/** Elsewhere: keeps the ids that it has seen, which is how a receiver makes exactly once out of at least once. */
async function startReceiver() {
  const ids = new Set()
  let requestCount = 0
  const server = createServer(async (request, response) => {
    const orders = await json(request)
    requestCount += 1
    if (requestCount === 1) return response.writeHead(503).end()
    for (const { id } of orders) ids.add(id)
    response.writeHead(200).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, ids }
}
