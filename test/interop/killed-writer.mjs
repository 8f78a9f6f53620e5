/**
 * A program that writes with Vltava until it is killed: `node killed-writer.mjs DIR TOPIC`. Small segments, all codecs,
 * a producer each, acks 1. It says `ready` when a few segments are full, and then goes on; it never closes.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const [dir = '', topic = ''] = process.argv.slice(2)
const door = join(dirname(fileURLToPath(import.meta.url)), '../../dist/index.js')
const { open } = await import(pathToFileURL(door).href)

const log = await open({ dir, checkpointMs: 20 })
const configs = { 'retention.ms': '-1', 'internal.segment.bytes': '20000', 'index.interval.bytes': '512' }
await log.admin.createTopics([{ topic, partitions: 2, configs }])
const producers = ['none', 'gzip', 'snappy', 'lz4', 'zstd'].map((compression) =>
  log.producer({ acks: 1, compression, key: 'string', value: 'string', batchBytes: 2048, linger: 1 }),
)
for (let i = 0; ; i++) {
  const producer = producers[i % producers.length]
  const key = i % 3 === 0 ? null : `key ${i % 17}`
  const value = i % 11 === 0 ? null : `value ${i} `.repeat(1 + (i % 20))
  const headers =
    i % 7 === 0
      ? [
          ['trace', new Uint8Array([i % 256])],
          ['', null],
        ]
      : []
  while (!producer.append(topic, value, key, { partition: i % 2, headers, timestamp: 1_700_000_000_000 + i })) {
    await producer.drain()
  }
  if (i % 500 !== 499) continue
  await Promise.all(producers.map((each) => each.flush()))
  if (i === 3999) process.stdout.write('ready\n')
}
