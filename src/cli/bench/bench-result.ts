/**
 * BenchResult: the outcome of one run, as one JSON object (whose key names are part of the package's contract) or one
 * line of a table.
 */
import { features } from '../../index.ts'
import { formatBytes, formatCount, formatRate } from '../format-units.ts'
import type { LatencySummary } from './latency-histogram.ts'

export interface BenchResult {
  readonly bench: string
  /** Which of several runs of the bench: a part of `limit`, a mode of `consume`. */
  readonly variant: string | undefined
  readonly records: number
  readonly recordSize: number
  readonly partitions: number
  readonly acks: 0 | 1 | 'all'
  readonly threads: number
  readonly seconds: number
  readonly latency: LatencySummary
  readonly cpuSeconds: number
  /** Records read back and found right. */
  readonly verified: number
  /** The first thing that was wrong, if anything was. */
  readonly fault: string | undefined
  /** Its rate over that of the reference part of `limit`, taken in the same run. */
  readonly shareOfLimit: { readonly part: string; readonly recordsPerSecond: number } | undefined
  /** What else decides the numbers, in snake_case. */
  readonly settings: Readonly<Record<string, string | number | boolean | null>>
  /** Resident memory over a long run. */
  readonly rss: RssTrend | undefined
}

export interface RssTrend {
  readonly samples: number
  /** Medians of the first and the last quarter. */
  readonly firstQuarterBytes: number
  readonly secondQuarterBytes: number
  readonly lastQuarterBytes: number
  /** Theil-Sen slope over the last three quarters. */
  readonly slopeBytesPerMinute: number
}

export const NO_LATENCY: LatencySummary = { p50: null, p99: null, p999: null, max: null }

const DURABILITY = { 0: 'none', 1: 'stable', all: 'committed' } as const

/** CPU of all threads of the process, user and system. */
export class CpuMeter {
  readonly #start = process.cpuUsage()

  seconds(): number {
    const { user, system } = process.cpuUsage(this.#start)
    return (user + system) / 1e6
  }
}

export function recordsPerSecond({ records, seconds }: Pick<BenchResult, 'records' | 'seconds'>): number {
  return seconds > 0 ? records / seconds : 0
}

export function toJson(result: BenchResult): Record<string, unknown> {
  const { variant, fault, shareOfLimit, rss } = result
  const rate = recordsPerSecond(result)
  const { p50, p99, p999, max } = result.latency
  return {
    bench: result.bench,
    ...(variant === undefined ? {} : { [result.bench === 'limit' ? 'part' : 'mode']: variant }),
    records: result.records,
    record_size: result.recordSize,
    partitions: result.partitions,
    acks: result.acks,
    durability: DURABILITY[result.acks],
    threads: result.threads,
    seconds: round(result.seconds, 6),
    records_per_second: Math.round(rate),
    megabytes_per_second: round((rate * result.recordSize) / 1e6, 2),
    latency_ms: { p50: roundMs(p50), p99: roundMs(p99), p999: roundMs(p999), max: roundMs(max) },
    cpu_seconds: round(result.cpuSeconds, 3),
    peak_rss_bytes: peakRssBytes(),
    verified: result.verified,
    features: features(),
    ...(shareOfLimit === undefined
      ? {}
      : {
          share_of_limit: round(rate / shareOfLimit.recordsPerSecond, 3),
          limit: { part: shareOfLimit.part, records_per_second: Math.round(shareOfLimit.recordsPerSecond) },
        }),
    ...(rss === undefined
      ? {}
      : {
          rss: {
            samples: rss.samples,
            first_quarter_bytes: Math.round(rss.firstQuarterBytes),
            second_quarter_bytes: Math.round(rss.secondQuarterBytes),
            last_quarter_bytes: Math.round(rss.lastQuarterBytes),
            slope_bytes_per_minute: Math.round(rss.slopeBytesPerMinute),
          },
        }),
    ...(fault === undefined ? {} : { fault }),
    settings: result.settings,
  }
}

/** Of the whole process since it began: resourceUsage() counts in KiB. */
function peakRssBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

function roundMs(value: number | null): number | null {
  return value === null ? null : round(value, 4)
}

const HEADINGS = [
  'bench', 'records', 'records/s', 'MB/s', 'p50 ms', 'p99 ms', 'max ms', 'CPU s', 'peak RSS', 'verified', 'of limit',
] as const // prettier-ignore

/** A table with a line for each result. */
export function toTable(results: readonly BenchResult[]): string {
  const rows = results.map((result) => {
    const rate = recordsPerSecond(result)
    const { p50, p99, max } = result.latency
    const { shareOfLimit } = result
    return [
      result.variant === undefined ? result.bench : `${result.bench} ${result.variant}`,
      formatCount(result.records),
      formatRate(rate),
      ((rate * result.recordSize) / 1e6).toFixed(1),
      formatMs(p50),
      formatMs(p99),
      formatMs(max),
      result.cpuSeconds.toFixed(2),
      formatBytes(peakRssBytes()),
      result.fault === undefined ? formatCount(result.verified) : 'FAULT',
      shareOfLimit === undefined ? '' : `${((100 * rate) / shareOfLimit.recordsPerSecond).toFixed(0)} %`,
    ]
  })
  const widths = HEADINGS.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd()
  return [line(HEADINGS), ...rows.map(line)].join('\n')
}

function formatMs(value: number | null): string {
  return value === null ? '' : value.toFixed(value < 10 ? 3 : 1)
}
