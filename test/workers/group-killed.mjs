/** A process that commits an offset for a group, says so, and is killed the moment after. */
import { open } from '../../dist/index.js'

const [dir] = process.argv.slice(2)
const log = await open({ dir, shards: 1 })
await log.admin.createTopics([{ topic: 'events', partitions: 2 }])
const producer = log.producer({ value: 'string' })
for (let i = 0; i < 10; i++) await producer.send({ topic: 'events', partition: i % 2, value: `v${i}` })
const consumer = log.consumer({ group: 'g', from: 'earliest', autoCommit: false })
await consumer.subscribe(['events'])
let read = 0
for await (const batch of consumer.batches()) {
  await batch.commit({ metadata: 'here' })
  read += batch.recordCount
  if (read === 10) process.kill(process.pid, 'SIGKILL')
}
