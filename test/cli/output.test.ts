/** Progress, units and tables: what a person sees. */
import { describe, expect, it } from 'vitest'
import { parseIsoTime } from '../../src/base/env/wall-time.ts'
import { formatBytes, formatCount, formatDuration, formatRate, plural } from '../../src/cli/format-units.ts'
import { Progress, type Terminal } from '../../src/cli/output.ts'
import { formatTable } from '../../src/cli/table.ts'

function terminal(isTTY: boolean): { stream: Terminal; written: string[] } {
  const written: string[] = []
  return { stream: { isTTY, columns: 20, write: (text) => written.push(text) > 0 }, written }
}

describe('Progress', () => {
  it('rewrites one line, ten times a second at most, no wider than the terminal, and erases it at the end', () => {
    const { stream, written } = terminal(true)
    let now = 0
    const progress = new Progress(stream, { wallMs: () => now, monotonicMs: () => now })
    for (; now < 200; now += 10) progress.update(() => (now < 150 ? 'a line that is wider than the terminal' : 'late'))
    progress.update(() => 'short')
    progress.end()
    expect(written).toEqual(['\ra line that is wide', `\rshort${' '.repeat(14)}`, `\r${' '.repeat(5)}\r`])
  })

  it('writes nothing, and describes nothing, where there is no terminal', () => {
    const { stream, written } = terminal(false)
    const progress = new Progress(stream)
    progress.update(() => {
      throw new Error('described')
    })
    progress.end()
    expect(written).toEqual([])
  })
})

describe('units', () => {
  it('are decimal, with three digits', () => {
    expect([0, 999, 1000, 12_345, 1_234_567, 5e9].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.00 kB',
      '12.3 kB',
      '1.23 MB',
      '5.00 GB',
    ])
    expect([12, 1_234_567].map(formatRate)).toEqual(['12', '1.23 M'])
    expect([0, 12, 999, 1500, 123_456].map(formatDuration)).toEqual(['0 ms', '12 ms', '999 ms', '1.50 s', '123 s'])
    expect(formatCount(1_234_567)).toBe('1,234,567')
    expect([plural(1, 'record'), plural(2, 'record'), plural(0, 'batch', 'batches')]).toEqual([
      '1 record',
      '2 records',
      '0 batches',
    ])
  })
})

it('a table has texts to the left and numbers to the right', () => {
  const rows = [
    ['a', 5],
    ['clicks', 1000],
  ]
  expect(formatTable(['TOPIC', 'RECORDS'], rows)).toBe('TOPIC   RECORDS\na             5\nclicks     1000')
  expect(formatTable(['TOPIC', 'RECORDS'], [])).toBe('TOPIC  RECORDS')
})

it('an ISO time is understood, anything else is none', () => {
  expect(parseIsoTime('2026-01-31')).toBe(Date.UTC(2026, 0, 31))
  expect(parseIsoTime('2026-01-31T12:30:00Z')).toBe(Date.UTC(2026, 0, 31, 12, 30))
  expect(parseIsoTime('2026-01-31 12:30:00.250+02:00')).toBe(Date.UTC(2026, 0, 31, 10, 30, 0, 250))
  expect(parseIsoTime('2026-01-31T12:30')).toBe(new Date(2026, 0, 31, 12, 30).getTime())
  for (const text of ['', 'yesterday', '2026', '2026-13-01', '31.01.2026', '2026-01-31T', '2026-01-31Tnoon']) {
    expect(parseIsoTime(text), text).toBeUndefined()
  }
})
