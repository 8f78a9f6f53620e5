/**
 * One contestant's turn, in a process of its own: writes, closes, reads back, compares every record, prints a line of
 * JSON. Arguments: name, durability (page-cache or fsync), directory, records, record size.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ValueMaker } from '../../dist/cli/bench/values.js'
import { CONTESTANTS } from './contestants.mjs'

const [name, durability, directory, recordsText, recordSizeText] = process.argv.slice(2)
const count = Number(recordsText)
const recordSize = Number(recordSizeText)
const contestant = CONTESTANTS.find((each) => each.name === name)
if (contestant === undefined) throw new Error(`there is no contestant ${name}`)

const maker = new ValueMaker(recordSize, 0)
const records = { count, value: (sequence) => maker.make(sequence, 0) }

const isDurable = durability === 'fsync'
const openStart = performance.now()
const writer = await contestant.open(directory, isDurable)
const openSeconds = (performance.now() - openStart) / 1000
const cpuBefore = process.cpuUsage()
const writeStart = performance.now()
await contestant.write(writer, records, isDurable)
const writeSeconds = (performance.now() - writeStart) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
await contestant.close(writer)

const expected = new ValueMaker(recordSize, 0)
let verified = 0
let next = 0
const reader = await contestant.open(directory, isDurable)
const readStart = performance.now()
await contestant.read(reader, (value) => {
  if (Buffer.compare(value, expected.make(next, 0)) === 0) verified += 1
  next += 1
})
const readSeconds = (performance.now() - readStart) / 1000
await contestant.close(reader)

console.log(
  JSON.stringify({
    contestant: name,
    durability,
    records: count,
    record_size: recordSize,
    open_seconds: openSeconds,
    write_seconds: writeSeconds,
    write_records_per_second: Math.round(count / writeSeconds),
    read_seconds: readSeconds,
    read_records_per_second: Math.round(next / readSeconds),
    write_cpu_seconds: (user + system) / 1e6,
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
    disk_bytes: sizeOf(directory),
    verified,
  }),
)
process.exitCode = verified === count && next === count ? 0 : 1

function sizeOf(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
