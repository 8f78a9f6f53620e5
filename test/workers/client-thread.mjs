/** A worker thread that attaches to a log and does one task; see ClientOptions in harness.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { attach } from '../../dist/index.js'

const { address, topic, partition, name, task, count = 0, acks = 'all', memoryBytes } = workerData
const log = await attach(address, memoryBytes === undefined ? {} : { memoryBytes })
parentPort.postMessage({ type: 'attached' })

/** Sends `many` records at once and waits for all. */
async function sendBurst(producer, first, many) {
  const values = Array.from({ length: many }, (_, index) => `${name}-${first + index}`)
  const acknowledged = await producer.sendAll(values.map((value) => ({ topic, value, partition })))
  return acknowledged.map((metadata, index) => ({ ...metadata, value: values[index] }))
}

if (task === 'produce') {
  const producer = log.producer({ acks, value: 'string' })
  parentPort.postMessage({ type: 'acknowledged', records: await sendBurst(producer, 0, count) })
  await log.close()
  parentPort.postMessage({ type: 'ended', code: 'none', records: [] })
} else if (task === 'produce-for-ever') {
  const producer = log.producer({ acks, value: 'string' })
  const records = []
  let code = 'none'
  try {
    for (let sent = 0; code === 'none'; sent += 10) {
      const burst = await sendBurst(producer, sent, 10)
      records.push(...burst)
      parentPort.postMessage({ type: 'acknowledged', records: burst })
    }
  } catch (error) {
    code = error.code
  }
  parentPort.postMessage({ type: 'ended', code, records })
} else if (task === 'fill-memory') {
  // Touches all of the arena: it is handed out in turns.
  const producer = log.producer({ acks: 1, batchBytes: 1 << 20 })
  const value = new Uint8Array(256 << 10).fill(1)
  for (let written = 0; written < memoryBytes; written += value.length) {
    if (!producer.append(topic, value)) await producer.drain()
  }
  await producer.flush()
  parentPort.postMessage({ type: 'acknowledged', records: [] })
  setInterval(() => {}, 1000)
} else if (task === 'hold') {
  setInterval(() => {}, 1000)
}
