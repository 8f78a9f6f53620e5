/**
 * One log, four threads: two workers produce, a third consumes, and the main thread only watches. Each worker attaches
 * to the log with rings and memory of its own, so nobody's data passes through the main thread.
 *
 *   node examples/two-producers-one-consumer.mjs [DIR] [--records 200000]
 */
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { attach, open } from 'vltava'

const PRODUCERS = ['left', 'right']

if (isMainThread) await watch()
else if (workerData.role === 'consumer') await consume(workerData)
else await produce(workerData)

async function watch() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { records: { type: 'string', default: '200000' } },
  })
  const dir = positionals[0] ?? mkdtempSync(join(tmpdir(), 'vltava-'))
  const recordsEach = Number(values.records)
  const log = await open({ dir })
  const topics = await log.admin.listTopics()
  if (!topics.includes('steps')) await log.admin.createTopics([{ topic: 'steps', partitions: 4 }])
  // The consumer begins where the log ends now: an earlier run's records are not counted again.
  const [{ partitions }] = await log.admin.describeTopics(['steps'])
  const assignment = partitions.map(({ partition, highWatermark: offset }) => ({ topic: 'steps', partition, offset }))

  const workers = ['consumer', ...PRODUCERS].map((role) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { address: log.address, role, recordsEach, assignment },
    })
    worker.on('message', (line) => console.log(`${role}: ${line}`))
    return worker
  })
  // once() rejects when a worker throws: this program then fails with its error.
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  await log.close()
  console.log(`done: ${recordsEach * PRODUCERS.length} records in ${dir}`)
}

async function produce({ address, role, recordsEach }) {
  const log = await attach(address)
  const producer = log.producer({ key: 'string', value: 'json' })
  for (let step = 0; step < recordsEach; step++) {
    // append() is synchronous; false means that this thread's memory is full until the disk has caught up.
    while (!producer.append('steps', { producer: role, step }, `key-${step % 100}`)) await producer.drain()
  }
  await producer.flush() // All of them are on disk, or this throws.
  parentPort.postMessage(`${recordsEach} records acknowledged`)
  await log.close()
}

async function consume({ address, recordsEach, assignment }) {
  const log = await attach(address)
  const consumer = log.consumer({ key: 'string', value: 'json' })
  await consumer.assign(assignment)
  const counts = new Map(PRODUCERS.map((name) => [name, 0]))
  const lastSteps = new Map()
  let missingCount = recordsEach * PRODUCERS.length
  for await (const batch of missingCount > 0 ? consumer.batches() : []) {
    for (const { value } of batch) {
      const { producer, step } = value
      // One producer's records of one partition come in the order in which they were appended.
      const lane = `${producer} in ${batch.partition}`
      if (step <= (lastSteps.get(lane) ?? -1)) throw new Error(`${lane}: ${step} came after ${lastSteps.get(lane)}`)
      lastSteps.set(lane, step)
      counts.set(producer, counts.get(producer) + 1)
      missingCount -= 1
    }
    if (missingCount <= 0) break
  }
  for (const [name, count] of counts) {
    if (count !== recordsEach) throw new Error(`${count} records of ${name}, not ${recordsEach}`)
  }
  parentPort.postMessage([...counts].map(([name, count]) => `${count} from ${name}`).join(', ') + ', each in order')
  await log.close()
}
