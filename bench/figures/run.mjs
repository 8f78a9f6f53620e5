/**
 * `npm run figures [-- --rounds R] [--soak-minutes M] [--quick] [--no-peers] [--out FILE] [--write]`: every figure of
 * docs/benchmarks.md, anew.
 *
 * Rounds alternate: each takes every figure once, so that a busy minute of the machine does not fall on one alone, and
 * ratios are of numbers from the same round. Raw results, one JSON object a line, go to --out, by default
 * docs/benchmarks/raw-<date>.jsonl; the tables to stdout, and with --write into docs/benchmarks.md.
 *
 * --quick: one round of small runs, a soak of 30 seconds; it tells whether everything works, not how fast it is. Run
 * the rest on an idle machine: a load average above 0.5 is told, and kept in the raw results.
 */
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as os from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { peersTable, runPeers } from '../peers/run.mjs'
import { figuresTable, limitTable } from './figures.mjs'
import { bench, machine, openEmpty, reopenAfterKill } from './runs.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DOCS = join(ROOT, 'docs')
const GIB = 2 ** 30
const BUSY_LOAD = 0.5
const SOAK_RATE = 500_000

const FULL = { rounds: 3, records: 10_000_000, limitRecords: 2_000_000, scheduleSeconds: 15, fillBytes: GIB }
const QUICK = { rounds: 1, records: 1_000_000, limitRecords: 500_000, scheduleSeconds: 4, fillBytes: GIB / 16 }
const PEERS_FULL = { records: 2_000_000, rounds: 3, recordSize: 100 }
const PEERS_QUICK = { records: 100_000, rounds: 1, recordSize: 100 }

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    'soak-minutes': { type: 'string' },
    quick: { type: 'boolean', default: false },
    'no-peers': { type: 'boolean', default: false },
    out: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const size = values.quick ? QUICK : FULL
const rounds = Number(values.rounds ?? size.rounds)
const soakSeconds = Math.round(60 * Number(values['soak-minutes'] ?? (values.quick ? 1 / 2 : 10)))
const date = new Date().toISOString().slice(0, 10)
const out = values.out ?? join(DOCS, `benchmarks/raw-${date}${values.quick ? '-quick' : ''}.jsonl`)
const results = []

mkdirSync(dirname(out), { recursive: true })
rmSync(out, { force: true })
const here = machine(os)
keep('machine', undefined, [here])
if (here.load_average > BUSY_LOAD) {
  console.error(`figures: the load average is ${here.load_average.toFixed(1)}: these numbers will be of a busy machine`)
}
for (let round = 0; round < rounds; round++) await takeRound(round)
if (soakSeconds > 0) {
  keep('soak', 0, await bench('end-to-end', '--acks', 1, '--rate', SOAK_RATE, '--seconds', soakSeconds))
}
const peers = values['no-peers']
  ? undefined
  : runPeers(values.quick ? PEERS_QUICK : PEERS_FULL, (turn) => keep(`peers ${turn.contestant}`, turn.round, [turn]))
const text = report(peers)
console.log(text)
if (values.write) writeIntoDocs(text)
console.error(`figures: raw results are in ${out}`)
process.exitCode = peers?.turns.some(({ verified, records }) => verified !== records) ? 1 : 0

async function takeRound(round) {
  const { records, limitRecords, scheduleSeconds, fillBytes } = size
  keep('limit', round, await bench('limit', '--records', limitRecords))
  keep('produce', round, await bench('produce', '--acks', 1, '--records', records))
  const all = await bench('produce', '--acks', 'all', '--records', records)
  keep('produce acks all', round, all)
  const half = Math.floor(all[0].records_per_second / 2)
  const atHalf = ['--acks', 'all', '--rate', half, '--records', Math.min(half * scheduleSeconds, 2 * records)]
  keep('produce acks all at half load', round, await bench('produce', ...atHalf))
  keep('end-to-end', round, await bench('end-to-end', '--acks', 1, '--records', records))
  const at100k = ['--acks', 1, '--rate', 100_000, '--seconds', scheduleSeconds]
  keep('end-to-end at 100 k/s', round, await bench('end-to-end', ...at100k))
  keep('consume', round, await bench('consume', '--records', records))
  keep('open-empty', round, [await openEmpty()])
  for (const result of await reopenAfterKill(fillBytes)) keep(result.bench, round, [result])
}

function keep(figure, round, objects) {
  for (const object of objects) {
    const result = { figure, round, at: new Date().toISOString(), ...object }
    results.push(result)
    // Where this checkout lies is nobody's business.
    appendFileSync(out, `${JSON.stringify(result).replaceAll(ROOT, './')}\n`)
  }
  console.error(`figures: ${round === undefined ? '' : `round ${round + 1}, `}${figure}`)
}

function report(peersOutcome) {
  const { cpu, cores, memory_bytes, system, node, file_system, load_average, commit } = here
  const busy = load_average > BUSY_LOAD ? ` **Busy machine: load average ${load_average.toFixed(1)}.**` : ''
  const soak = results.find(({ figure }) => figure === 'soak')
  const parts = [
    `${date}, commit ${commit}, ${cpu}, ${cores} cores, ${Math.round(memory_bytes / GIB)} GiB, ${system}, ` +
      `Node ${node}, ${file_system}.${values.quick ? ' Quick run.' : ''}${busy}`,
    figuresTable(results),
    '### What the machine can do',
    limitTable(results),
  ]
  if (soak !== undefined) {
    const { records, seconds, latency_ms, verified, cpu_seconds } = soak
    parts.splice(
      2,
      0,
      `Soak: ${verified.toLocaleString('en-US')} of ${records.toLocaleString('en-US')} records verified in ` +
        `${seconds.toFixed(0)} s at ${SOAK_RATE.toLocaleString('en-US')} records/s, p50 ${latency_ms.p50} ms, ` +
        `p99 ${latency_ms.p99} ms, p99.9 ${latency_ms.p999} ms, ${cpu_seconds.toFixed(0)} s of CPU.`,
    )
  }
  if (peersOutcome !== undefined) {
    parts.push('### Beside other local logs', peersTable(peersOutcome.turns, peersOutcome.leftOut))
  }
  return parts.join('\n\n').trimEnd()
}

/** Between the two marks of the document. */
function writeIntoDocs(report) {
  const path = join(DOCS, 'benchmarks.md')
  const document = readFileSync(path, 'utf8')
  const [begin, end] = ['<!-- figures -->', '<!-- /figures -->']
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no marks ${begin} and ${end}`)
  writeFileSync(path, `${document.slice(0, from)}${begin}\n\n${report}\n\n${document.slice(to)}`)
}
