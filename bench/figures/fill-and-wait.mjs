/**
 * Fills a log with a number of bytes, says so, and waits to be killed: `node fill-and-wait.mjs DIR BYTES RECORD_SIZE`.
 * The values are those of `vltava bench`, so that `vltava bench consume --topic filled` can check every record that
 * comes back.
 */
import { ValueMaker } from '../../dist/cli/bench/values.js'
import { open } from '../../dist/index.js'

const [directory, bytes, recordSize] = process.argv.slice(2)
const ENVELOPE_BYTES = 10
const records = Math.ceil(Number(bytes) / (Number(recordSize) + ENVELOPE_BYTES))

const log = await open({ dir: directory })
await log.admin.createTopics([{ topic: 'filled', partitions: 8 }])
const producer = log.producer({ acks: 1 })
const maker = new ValueMaker(Number(recordSize), 0)
for (let sequence = 0; sequence < records;) {
  if (producer.append('filled', maker.make(sequence, 0))) sequence += 1
  else await producer.drain()
}
await producer.flush()
console.log(JSON.stringify({ records }))
setInterval(() => undefined, 60_000)
