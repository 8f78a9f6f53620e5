/** Whether memory grows: a trend over many samples, which a few high ones do not make. */
import { expect, it } from 'vitest'
import { rssTrend } from '../../../src/cli/bench/rss-sampler.ts'

const MB = 1e6

it('memory that grows by a megabyte a second has that slope, and the quarters tell how far it came', () => {
  const trend = rssTrend(Array.from({ length: 100 }, (_, second) => second * MB))
  expect(trend).toEqual({
    samples: 100,
    firstQuarterBytes: 12 * MB,
    secondQuarterBytes: 37 * MB,
    lastQuarterBytes: 87 * MB,
    slopeBytesPerMinute: 60 * MB,
  })
})

it('a start that fills buffers and some high samples are no slope', () => {
  const samples = Array.from(
    { length: 1000 },
    (_, second) => (second < 100 ? second : second % 50 === 0 ? 300 : 100) * MB,
  )
  expect(rssTrend(samples)?.slopeBytesPerMinute).toBe(0)
})

it('a short run has no trend', () => {
  expect(rssTrend([1, 2, 3])).toBeUndefined()
})
