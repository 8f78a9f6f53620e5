/** Fetches a topic over TCP in a process of its own and says by which way its bytes went: see listen.test.ts. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { features, open } from '../../dist/index.js'

const dir = mkdtempSync(join(tmpdir(), 'vltava-counters-'))
const log = await open({ dir })
await log.admin.createTopics([{ topic: 't', partitions: 1 }])
const producer = log.producer({ value: 'string', acks: 1 })
for (let i = 0; i < 20_000; i++) if (!producer.append('t', `value ${i} `.repeat(10))) await producer.flush()
await producer.flush()
const listener = await log.listen({ port: 0, metrics: { port: 0 } })

const file = readFileSync(join(dir, 't-0/00000000000000000000.log'))
const received = await fetchAll(listener.port, file.length)
const page = await (await fetch(`http://127.0.0.1:${listener.metricsPort}/metrics`)).text()
const metric = (name) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)[1])
const result = {
  sendfile: features().sendfile,
  bytes: file.length,
  sent: metric('vltava_fetch_sendfile_bytes_total'),
  copied: metric('vltava_fetch_copied_bytes_total'),
  isSame: received.includes(file),
}
await log.close()
rmSync(dir, { recursive: true })
console.log(JSON.stringify(result))

/** Fetch version 4 by hand: the whole answer. */
function fetchAll(port, maxBytes) {
  const head = Buffer.alloc(4 + 2 + 2 + 4 + 2)
  head.writeInt16BE(1, 4)
  head.writeInt16BE(4, 6)
  head.writeInt32BE(7, 8)
  head.writeInt16BE(-1, 12)
  const body = Buffer.alloc(4 + 4 + 4 + 4 + 1 + 4 + 2 + 1 + 4 + 4 + 8 + 4)
  let at = 0
  for (const value of [-1, 1000, 1, maxBytes]) at = body.writeInt32BE(value, at)
  at = body.writeInt8(0, at)
  at = body.writeInt32BE(1, at)
  at = body.writeInt16BE(1, at)
  at += body.write('t', at)
  at = body.writeInt32BE(1, at)
  at = body.writeInt32BE(0, at)
  at = body.writeBigInt64BE(0n, at)
  body.writeInt32BE(maxBytes, at)
  head.writeInt32BE(head.length + body.length - 4, 0)
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.concat([head, body])))
    const chunks = []
    let length = 0
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      length += chunk.length
      const all = length >= 4 ? Buffer.concat(chunks) : undefined
      if (all === undefined || length < 4 + all.readInt32BE(0)) return
      socket.destroy()
      resolve(all)
    })
  })
}
