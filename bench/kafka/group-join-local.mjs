/** Time from making a consumer to its first record in process, in milliseconds: `group-join-local.mjs`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from '../../dist/index.js'

const dir = mkdtempSync(join(tmpdir(), 'vltava-join-'))
const log = await open({ dir })
await log.admin.createTopics([{ topic: 'join', partitions: 8 }])
const producer = log.producer({ acks: 1 })
await producer.send({ topic: 'join', value: new Uint8Array(100) })
await timed('first') // Starts the coordinator too.
console.log(await timed('second'))
await log.close()
rmSync(dir, { recursive: true })

async function timed(group) {
  const startedMs = performance.now()
  const consumer = log.consumer({ group, from: 'earliest' })
  await consumer.subscribe(['join'])
  for await (const batch of consumer.batches()) {
    if ([...batch].length > 0) break
  }
  const tookMs = performance.now() - startedMs
  await consumer.close()
  return tookMs
}
