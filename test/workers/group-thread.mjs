/** A worker thread that is a member of a group; see groups.test.ts. Says what happens to it, obeys what it is told. */
import { parentPort, workerData } from 'node:worker_threads'
import { attach } from '../../dist/index.js'

const { address, topic, group, flag, options = {} } = workerData
const log = await attach(address)
const consumer = log.consumer({ group, from: 'earliest', value: 'string', autoCommit: false, ...options })
const say = (type, more = {}) => parentPort.postMessage({ type, ...more })
const numbers = (partitions) => partitions.map(({ partition }) => partition).sort((a, b) => a - b)
const tellAll = () => say('assignment', { partitions: numbers(consumer.assignment()) })

await consumer.subscribe([topic], {
  assigned: tellAll,
  revoked: (partitions) => say('revoked', { partitions: numbers(partitions) }),
  lost: (partitions) => say('lost', { partitions: numbers(partitions) }),
})

parentPort.on('message', async (message) => {
  if (message === 'leave') {
    await log.close()
    say('left')
    parentPort.close()
  }
  if (message === 'commit-and-flag') {
    await consumer.commit()
    // The main thread sleeps on this word: no message could wake it.
    Atomics.store(new Int32Array(flag), 0, 1)
    Atomics.notify(new Int32Array(flag), 0)
  }
})

for await (const batch of consumer.batches()) {
  say('records', { values: batch.records().map(({ value }) => value), partition: batch.partition })
  await batch.commit()
  say('committed', { partition: batch.partition, offset: batch.lastOffset + 1 })
}
