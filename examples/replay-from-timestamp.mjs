/**
 * What happened between 12:00 and 12:30? A log is read again from any point in time, as often as one likes.
 *
 *   node examples/replay-from-timestamp.mjs [DIR]
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'vltava'

const dir = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'vltava-'))
const DAY_MS = 24 * 3600 * 1000
const MIDNIGHT_MS = Date.parse('2025-03-01T00:00:00Z')
const READING_EVERY_MS = 10_000
const SENSORS = ['boiler', 'pump', 'turbine', 'valve']

const log = await open({ dir })
const topics = await log.admin.listTopics()
if (!topics.includes('readings')) await writeOneDay()

const since = new Date('2025-03-01T12:00:00Z')
const until = new Date('2025-03-01T12:30:00Z')
const readings = await replay(since, until)
const expected = ((until - since) / READING_EVERY_MS) * SENSORS.length
console.log(`${readings.length} readings from ${since.toISOString()} until ${until.toISOString()}, of ${dir}`)
for (const sensor of SENSORS) {
  const values = readings.filter(({ key }) => key === sensor).map(({ value }) => value)
  console.log(`  ${sensor.padEnd(8)} ${values.length} readings, highest ${Math.max(...values)}`)
}
await log.close()
if (readings.length !== expected) {
  console.error(`expected ${expected} readings`)
  process.exitCode = 1
}

/**
 * Each record carries the time at which its reading was taken; without `timestamp` it would be the time of the send.
 */
async function writeOneDay() {
  // Retention goes by the records' timestamps: a day long past would be deleted at once under the default of 7 days.
  await log.admin.createTopics([{ topic: 'readings', partitions: 3, configs: { 'retention.ms': -1 } }])
  const producer = log.producer({ key: 'string', value: 'json' })
  for (let timestamp = MIDNIGHT_MS; timestamp < MIDNIGHT_MS + DAY_MS; timestamp += READING_EVERY_MS) {
    for (const [i, sensor] of SENSORS.entries()) {
      const value = ((timestamp / READING_EVERY_MS) * (i + 7)) % 1000
      while (!producer.append('readings', value, sensor, { timestamp })) await producer.drain()
    }
  }
  await producer.close()
}

async function replay(from, to) {
  const consumer = log.consumer({ key: 'string', value: 'json' })
  // Each partition begins at its first record at or after `from`, found by the time index: nothing before it is read.
  await consumer.assign([{ topic: 'readings', offset: from }])
  const found = []
  for await (const batch of consumer.batches({ until: 'end' })) {
    for (const record of batch) {
      if (record.timestamp < to) found.push({ key: record.key, value: record.value })
    }
    // In this topic timestamps rise with the offsets. Where they may not, compare each with `from` too, and do not
    // pause.
    if (batch.maxTimestamp >= to) consumer.pause([batch])
  }
  await consumer.close()
  return found
}
