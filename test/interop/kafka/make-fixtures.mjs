/**
 * Makes test/fixtures/kafka/v<version>/ and v<version>-killed/ anew with a real broker:
 *
 *   node scripts/interop-jars.mjs && node test/interop/kafka/make-fixtures.mjs
 *
 * What the directories hold, and what is left out of them, is said in test/fixtures/kafka/README.md.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { available, kafkaVersion, readBack, startBroker, writeFixtures } from './kafka-tools.mjs'

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/kafka')
const INTERNAL = ['__consumer_offsets', '__transaction_state']
const ALL = ['codecs', 'edges', 'rolled', 'log-append', 'txn', 'open-txn', 'trimmed', 'compacted', 'empty']
const KILLED = ['rolled', 'txn', 'empty']

const { ok, reason } = available()
if (!ok) throw new Error(reason)
await make(`v${kafkaVersion()}`, ALL, { 'log.cleaner.backoff.ms': '100' }, 'stop')
// Killed, the active segment's index files keep the size they were laid out with: 1 KiB here, not 10 MiB.
await make(`v${kafkaVersion()}-killed`, KILLED, { 'log.index.size.max.bytes': '1024' }, 'kill')

/**
 * @param {string} name
 * @param {string[]} topics
 * @param {Record<string, string>} config
 * @param {'stop' | 'kill'} end
 */
async function make(name, topics, config, end) {
  const work = mkdtempSync(join(tmpdir(), 'vltava-fixtures-'))
  const target = join(FIXTURES, name)
  const broker = await startBroker({ dir: work, config })
  await writeFixtures(broker, topics)
  const records = await readBack(broker, [...topics, ...INTERNAL])
  await broker[end]()
  rmSync(target, { recursive: true, force: true })
  // .deleted: what the cleaner replaced and a running broker would remove a minute later.
  cpSync(broker.dataDir, target, { recursive: true, filter: (path) => !path.endsWith('.deleted') })
  writeFileSync(join(target, 'expected.jsonl'), records.map((record) => JSON.stringify(record) + '\n').join(''))
  rmSync(work, { recursive: true, force: true })
  console.log(`${name}: ${records.length} records`)
}
