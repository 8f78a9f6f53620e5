/**
 * `node bench/peers/run.mjs [--records N] [--rounds R] [--record-size B] [--json]`: Vltava beside the libraries that
 * one would otherwise keep a local log in, on one machine in one run.
 *
 * Rounds alternate: each contestant has its turn in every round, in a process and a directory of its own, beginning
 * with another one each round, so that a busy minute of the machine hits all. Two classes of durability, not to be
 * mixed. The table shows medians, and the spread as (slowest .. fastest); `--json` prints every turn instead. Exit
 * status 1 if a record did not come back as it was written.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BenchDirectory } from '../../dist/cli/bench/bench-directory.js'
import { CONTESTANTS } from './contestants.mjs'
import { installPeers, versionOf } from './install.mjs'

const PROCESS = fileURLToPath(new URL('./contestant-process.mjs', import.meta.url))
const DURABILITIES = ['page-cache', 'fsync']
/** The libraries and the fsync class are slower: fewer records, so that a turn takes seconds. */
const FSYNC_SHARE = 0.25

/**
 * @param {{ records: number, rounds: number, recordSize: number }} options
 * @param {(turn: object) => void} onTurn called with each turn's result
 * @returns {{ turns: object[], leftOut: Record<string, string> }}
 */
export function runPeers({ records, rounds, recordSize }, onTurn) {
  const leftOut = installPeers()
  const turns = []
  for (const durability of DURABILITIES) {
    const contestants = CONTESTANTS.filter((each) => {
      return leftOut[each.package] === undefined && !(durability === 'fsync' && each.isPageCacheOnly === true)
    })
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < contestants.length; i++) {
        const contestant = contestants[(i + round) % contestants.length]
        const count = Math.max(1, Math.round(records * (durability === 'fsync' ? FSYNC_SHARE : 1)))
        const turn = { bench: 'peers', round, ...takeTurn(contestant, durability, count, recordSize) }
        turns.push(turn)
        onTurn(turn)
      }
    }
  }
  return { turns, leftOut }
}

function takeTurn(contestant, durability, records, recordSize) {
  const directory = BenchDirectory.create(undefined)
  try {
    const args = [PROCESS, contestant.name, durability, directory.path, String(records), String(recordSize)]
    const result = spawnSync(process.execPath, args, { encoding: 'utf8' })
    const version = contestant.package === undefined ? 'built in' : versionOf(contestant.package)
    if (result.status !== 0 && !result.stdout.startsWith('{')) {
      throw new Error(`${contestant.name} failed: ${result.stderr}`)
    }
    return { ...JSON.parse(result.stdout), version, batching: contestant.batching }
  } finally {
    directory.remove()
  }
}

/** @returns {string} a Markdown table of medians for each class of durability */
export function peersTable(turns, leftOut) {
  const lines = []
  for (const durability of DURABILITIES) {
    const ofClass = turns.filter((turn) => turn.durability === durability)
    if (ofClass.length === 0) continue
    const names = [...new Set(ofClass.map(({ contestant }) => contestant))]
    const rows = names.map((name) => {
      return summarise(
        name,
        ofClass.filter(({ contestant }) => contestant === name),
      )
    })
    const own = rows.find(({ name }) => name === 'vltava')
    lines.push(`**${durability}**, ${ofClass[0].records.toLocaleString('en-US')} records`, '')
    lines.push('| | written, records/s | Vltava is | read, records/s | Vltava is | peak RSS | bytes/record |')
    lines.push('| --- | --- | --- | --- | --- | --- | --- |')
    for (const row of rows.sort((a, b) => b.write.median - a.write.median)) {
      const [writeFactor, readFactor] = [own.write.median / row.write.median, own.read.median / row.read.median]
      lines.push(
        `| ${row.name} | ${rate(row.write)} | ${factor(row, writeFactor)} | ${rate(row.read)} | ` +
          `${factor(row, readFactor)} | ${Math.round(row.rss / 1e6)} MB | ${row.bytesPerRecord.toFixed(0)} |`,
      )
    }
    lines.push('')
  }
  for (const [name, reason] of Object.entries(leftOut)) lines.push(`Left out: ${name}: ${reason}`, '')
  return lines.join('\n')
}

function summarise(name, turns) {
  return {
    name,
    write: spread(turns.map((turn) => turn.write_records_per_second)),
    read: spread(turns.map((turn) => turn.read_records_per_second)),
    rss: spread(turns.map((turn) => turn.peak_rss_bytes)).median,
    bytesPerRecord: turns[0].disk_bytes / turns[0].records,
  }
}

/** @param {number[]} values @returns {{ median: number, min: number, max: number }} */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) }
}

/** @returns {string} '1.23 M (1.10 .. 1.31)' */
export function rate({ median, min, max }) {
  const [divisor, unit] = median >= 1e6 ? [1e6, ' M'] : median >= 1e3 ? [1e3, ' k'] : [1, '']
  const digits = (value) => (value / divisor).toFixed(divisor === 1 ? 0 : 2)
  const range = min === max ? '' : ` (${digits(min)} .. ${digits(max)})`
  return `${digits(median)}${unit}${range}`
}

function factor({ name }, value) {
  return name === 'vltava' ? '' : `${value.toFixed(value < 10 ? 1 : 0)}x`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      records: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '3' },
      'record-size': { type: 'string', default: '100' },
      json: { type: 'boolean', default: false },
    },
  })
  const options = {
    records: Number(values.records),
    rounds: Number(values.rounds),
    recordSize: Number(values['record-size']),
  }
  const { turns, leftOut } = runPeers(options, (turn) => {
    if (values.json) console.log(JSON.stringify(turn))
    else console.error(`peers: round ${turn.round + 1}, ${turn.durability}: ${turn.contestant}`)
  })
  if (!values.json) console.log(peersTable(turns, leftOut))
  process.exitCode = turns.every(({ verified, records }) => verified === records) ? 0 : 1
}
