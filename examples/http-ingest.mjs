/**
 * An ingestion backend: each POST becomes a record, and 202 means that the record is on disk.
 *
 *   node examples/http-ingest.mjs [DIR] [--port 8080] [--max-bytes 8388608] [--once]
 *   curl -i --data-binary '{"page":"/home"}' http://127.0.0.1:8080/
 *
 * Backpressure: the bytes of all unanswered requests are bounded by --max-bytes. When the disk falls behind, the next
 * client hears 503 with Retry-After; the server neither queues without end nor loses what it accepted.
 */
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { open, VltavaError } from 'vltava'

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8080' },
    'max-bytes': { type: 'string', default: String(8 << 20) },
    once: { type: 'boolean', default: false },
  },
})
const dir = positionals[0] ?? mkdtempSync(join(tmpdir(), 'vltava-'))
const EVENT_BYTES_MAX = 512 << 10 // Below max.message.bytes, which is 1 MiB unless the topic says otherwise.
const UNANSWERED_BYTES_MAX = Number(options['max-bytes'])

const log = await open({ dir })
const topics = await log.admin.listTopics()
if (!topics.includes('events')) await log.admin.createTopics([{ topic: 'events', partitions: 4 }])
const producer = log.producer() // acks: 'all': acknowledged when fdatasync has returned.

let unansweredBytes = 0
let acceptedCount = 0

const server = createServer(async (request, response) => {
  if (request.method !== 'POST') return answer(response, 405, { error: 'POST an event' })
  // The length is known before the first byte is read: nothing is buffered that there is no room for.
  const sizeBytes = Number(request.headers['content-length'] ?? Number.NaN)
  if (Number.isNaN(sizeBytes)) return answer(response, 411, { error: 'Content-Length is missing' })
  if (sizeBytes > EVENT_BYTES_MAX) return answer(response, 413, { error: `more than ${EVENT_BYTES_MAX} bytes` })
  if (unansweredBytes + sizeBytes > UNANSWERED_BYTES_MAX) return answer(response, 503, { error: 'busy' })
  unansweredBytes += sizeBytes
  try {
    const value = await buffer(request)
    const { partition, offset } = await producer.send({ topic: 'events', value })
    acceptedCount += 1
    answer(response, 202, { partition, offset })
  } catch (error) {
    if (error instanceof VltavaError) answer(response, error.retriable ? 503 : 500, { error: error.code })
    else if (request.complete) throw error // A bug. Otherwise the client left in mid-sentence: nobody to answer.
  } finally {
    unansweredBytes -= sizeBytes
  }
})

function answer(response, status, body) {
  if (status === 503) response.setHeader('retry-after', '1')
  if (!server.listening) response.setHeader('connection', 'close') // Stopping: no further request on this connection.
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function stop() {
  const closed = once(server, 'close')
  server.close() // Takes no new connection; requests that have begun are still answered.
  console.log('stopping')
  await closed
  await log.close()
  console.log(`stopped: ${acceptedCount} events accepted into ${dir}`)
}

// A second Ctrl-C ends the process at once; nothing accepted is lost.
process.once('SIGTERM', stop).once('SIGINT', stop)
await once(server.listen(Number(options.port), '127.0.0.1'), 'listening')
const url = `http://127.0.0.1:${server.address().port}/`
console.log(`listening on ${url}, writing to ${dir}`)

if (options.once) {
  const response = await fetch(url, { method: 'POST', body: 'hello' })
  console.log(`answered ${response.status} ${await response.text()}`)
  if (response.status !== 202) process.exitCode = 1
  await stop()
}
