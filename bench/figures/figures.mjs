/**
 * The figures that are promised, each computed from the raw results of the rounds, with its bar.
 *
 *   of(round) -> a number for one round, from that round's results by their `figure` name; undefined if it has none
 */
const first = (results, figure) => results.find((result) => result.figure === figure)
const M = 1e6

/** `isMinimum`: the bar is to be reached; else it is not to be. */
export const FIGURES = [
  {
    name: 'produce, acks 1, one producer thread',
    unit: 'M records/s',
    bar: 4,
    isMinimum: true,
    of: (results) => scaled(first(results, 'produce')?.records_per_second, M),
  },
  {
    name: '... of what encode + CRC + pwrite in one loop does in the same run',
    unit: '%',
    bar: 50,
    isMinimum: true,
    of: (results) => scaled(first(results, 'produce')?.share_of_limit, 0.01),
  },
  {
    name: 'end to end, acks 1, into a consumer in another thread',
    unit: 'M records/s',
    bar: 3,
    isMinimum: true,
    of: (results) => scaled(first(results, 'end-to-end')?.records_per_second, M),
  },
  {
    name: '... at 100,000 records/s: latency p50',
    unit: 'ms',
    bar: 0.5,
    isMinimum: false,
    of: (results) => first(results, 'end-to-end at 100 k/s')?.latency_ms.p50,
  },
  {
    name: '... latency p99',
    unit: 'ms',
    bar: 5,
    isMinimum: false,
    of: (results) => first(results, 'end-to-end at 100 k/s')?.latency_ms.p99,
  },
  {
    name: 'consume, lazy batches',
    unit: 'M records/s',
    bar: 20,
    isMinimum: true,
    of: (results) => scaled(results.find(({ mode }) => mode === 'lazy')?.records_per_second, M),
  },
  {
    name: 'consume, key and value of each record as Uint8Array',
    unit: 'M records/s',
    bar: 3,
    isMinimum: true,
    of: (results) => scaled(results.find(({ mode }) => mode === 'records')?.records_per_second, M),
  },
  {
    name: 'produce, acks all, full load: of the acks 1 rate',
    unit: '%',
    bar: 75,
    isMinimum: true,
    of: (results) => {
      const [one, all] = [first(results, 'produce'), first(results, 'produce acks all')]
      return one && all && (100 * all.records_per_second) / one.records_per_second
    },
  },
  {
    name: '... at half of its rate: latency p99',
    unit: 'ms',
    bar: 10,
    isMinimum: false,
    of: (results) => first(results, 'produce acks all at half load')?.latency_ms.p99,
  },
  {
    name: 'peak RSS, the greatest of all benches',
    unit: 'MB',
    bar: 300,
    isMinimum: false,
    of: (results) => {
      const peaks = results
        .filter(({ bench, durability }) => bench !== 'peers' && durability !== undefined)
        .map((result) => result.peak_rss_bytes)
      return peaks.length === 0 ? undefined : Math.max(...peaks) / M
    },
  },
  {
    name: 'RSS over the soak: last quarter less first quarter',
    unit: 'MB',
    bar: 10,
    isMinimum: false,
    of: (results) => {
      const rss = first(results, 'soak')?.rss
      return rss && (rss.last_quarter_bytes - rss.first_quarter_bytes) / M
    },
  },
  {
    name: 'opening an empty directory',
    unit: 'ms',
    bar: 150,
    isMinimum: false,
    of: (results) => scaled(first(results, 'open-empty')?.seconds, 0.001),
  },
  {
    name: 'reopening after SIGKILL, a GiB (or what --quick fills)',
    unit: 's',
    bar: 2,
    isMinimum: false,
    of: (results) => first(results, 'reopen-after-sigkill')?.seconds,
  },
  {
    name: 'vltava verify',
    unit: 'GB/s',
    bar: 1,
    isMinimum: true,
    of: (results) => scaled(first(results, 'verify')?.megabytes_per_second, 1000),
  },
]

function scaled(value, unit) {
  return value === undefined ? undefined : value / unit
}

/**
 * A Markdown table of the figures, and one of what the machine can do.
 *
 * @param {object[]} results raw, each with `figure` and `round`
 */
export function figuresTable(results) {
  const rounds = [...new Set(results.map(({ round }) => round))].filter((round) => round !== undefined)
  const lines = ['| figure | median | lowest .. highest | rounds | bar | |', '| --- | --- | --- | --- | --- | --- |']
  for (const { name, unit, bar, isMinimum, of } of FIGURES) {
    const values = rounds
      .map((round) => of(results.filter((result) => result.round === round)))
      .filter((value) => value !== undefined && Number.isFinite(value))
    if (values.length === 0) continue
    const { median, min, max } = spread(values)
    const isMet = isMinimum ? median >= bar : median < bar
    const range = values.length === 1 ? '' : `${show(min)} .. ${show(max)}`
    const sign = isMinimum ? '>=' : '<'
    const verdict = isMet ? 'met' : '**missed**'
    lines.push(`| ${name} | ${show(median)} ${unit} | ${range} | ${values.length} | ${sign} ${bar} | ${verdict} |`)
  }
  return lines.join('\n')
}

export function limitTable(results) {
  const limits = results.filter(({ bench }) => bench === 'limit')
  const lines = ['| part | records/s, median | lowest .. highest | MB/s | p50 ms |', '| --- | --- | --- | --- | --- |']
  for (const part of new Set(limits.map((result) => result.part))) {
    const ofPart = limits.filter((result) => result.part === part)
    const { median, min, max } = spread(ofPart.map((result) => result.records_per_second / M))
    const bytes = spread(ofPart.map((result) => result.megabytes_per_second)).median
    const p50 = spread(ofPart.map((result) => result.latency_ms.p50 ?? 0)).median
    lines.push(`| ${part} | ${show(median)} M | ${show(min)} .. ${show(max)} | ${show(bytes)} | ${p50 || ''} |`)
  }
  return lines.join('\n')
}

export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) }
}

function show(value) {
  const magnitude = Math.abs(value)
  return value.toFixed(magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3)
}
