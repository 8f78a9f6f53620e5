/** The tables of bench/kafka: medians, and ratios of numbers from the same round. */

/** @param {object[]} results @returns {string} Markdown */
export function tables(results) {
  const parts = [
    throughputTable(results, 'produce', 'Producer throughput, records/s'),
    throughputTable(results, 'consume', 'Consumer throughput, records/s'),
    latencyTable(results),
    table(results, 'connections', 'Connections', [
      ['memory with idle connections', ({ residentBytes }) => residentBytes.idle, megabytes, 'less'],
      ['memory with active ones too', ({ residentBytes }) => residentBytes.active, megabytes, 'less'],
      ['p99 of a healthy one', (result) => result.latency_ms.p99, milliseconds, 'less'],
      ['requests answered', ({ requests }) => requests, rate, 'more'],
    ]),
    table(results, 'start', 'Start', [
      ['to the first record acknowledged', ({ toFirstRecordMs }) => toFirstRecordMs, milliseconds, 'less'],
      ['memory at rest', ({ residentBytes }) => residentBytes, megabytes, 'less'],
    ]),
    joinTable(results),
  ]
  const note =
    'With acks=all Vltava has synced the file to the disk before it answers, and Kafka has not. Vltava is: the median ' +
    'of the ratios of each round, and (lowest .. highest); above 1 Vltava is better.'
  return [note, ...parts.filter((part) => part !== '')].join('\n\n')
}

function throughputTable(results, what, title) {
  const ours = results.filter((result) => result.what === what)
  const keys = [
    ...new Set(ours.map((each) => `${each.tool}|${each.size}|${each.codec}|${each.acks}|${each.partitions}`)),
  ]
  const rows = keys.map((key) => {
    const [tool, size, codec, acks, partitions] = key.split('|')
    const of = (server) =>
      ours.filter((each) => {
        return (
          each.server === server && `${each.tool}|${each.size}|${each.codec}|${each.acks}|${each.partitions}` === key
        )
      })
    const load = what === 'produce' ? `acks=${acks}, ` : ''
    return row(`${tool}, ${size} B, ${codec}, ${load}${partitions} p`, of, ({ perSecond }) => perSecond, rate, 'more')
  })
  return withHeader(title, rows)
}

function latencyTable(results) {
  const quantiles = ['p50', 'p99', 'p999', 'max']
  const rows = quantiles.map((name) => [name, ({ latencyMs }) => latencyMs[name], milliseconds, 'less'])
  return table(results, 'latency', 'End-to-end latency at 10,000 records/s', rows)
}

function joinTable(results) {
  const hows = [...new Set(results.filter(({ part }) => part === 'join').map(({ how }) => how))]
  const rows = hows.map((how) => {
    const of = (server) => results.filter((each) => each.part === 'join' && each.server === server && each.how === how)
    return row(how, of, ({ joinMs }) => joinMs, milliseconds, 'less')
  })
  return withHeader('Group join to first record', rows)
}

function table(results, part, title, rows) {
  const of = (server) => results.filter((result) => result.part === part && result.server === server)
  if (of('vltava').length + of('kafka').length === 0) return ''
  return withHeader(
    title,
    rows.map(([name, value, format, better]) => row(name, of, value, format, better)),
  )
}

function withHeader(title, rows) {
  return rows.length === 0
    ? ''
    : [`| ${title} | Vltava | Kafka | Vltava is |`, '| --- | --- | --- | --- |', ...rows].join('\n')
}

/** @param {'more' | 'less'} better which is better */
function row(name, of, value, format, better) {
  const [vltava, kafka] = [of('vltava'), of('kafka')]
  const ratios = vltava.flatMap((ours) => {
    const theirs = kafka.find(({ round }) => round === ours.round)
    if (theirs === undefined) return []
    return [better === 'more' ? value(ours) / value(theirs) : value(theirs) / value(ours)]
  })
  const cell = (all) => (all.length === 0 ? '' : format(median(all.map(value))))
  return `| ${name} | ${cell(vltava)} | ${cell(kafka)} | ${ratios.length === 0 ? '' : factor(ratios)} |`
}

function factor(ratios) {
  const text = (ratio) => `${ratio.toFixed(ratio < 10 ? 2 : 0)}x`
  const spread = ratios.length === 1 ? '' : ` (${text(Math.min(...ratios))} .. ${text(Math.max(...ratios))})`
  return `${text(median(ratios))}${spread}`
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function rate(value) {
  return value >= 1e6
    ? `${(value / 1e6).toFixed(2)} M`
    : value >= 1e4
      ? `${(value / 1e3).toFixed(0)} k`
      : value.toFixed(0)
}

function milliseconds(value) {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`
}

function megabytes(value) {
  return `${Math.round(value / 1e6)} MB`
}
