/** Percentiles of latencies, against a sorted array. */
import { describe, expect, it } from 'vitest'
import { LatencyHistogram } from '../../../src/cli/bench/latency-histogram.ts'
import { mulberry32, testSeed } from '../../random.ts'

describe('LatencyHistogram', () => {
  it('tells each percentile at most 1.6 % too high, and never too low', () => {
    const seed = testSeed()
    const next = mulberry32(seed)
    const latencies = Array.from({ length: 20_000 }, () => 10 ** (next() * 8 - 3))
    const histogram = new LatencyHistogram()
    for (const latency of latencies) histogram.record(latency)
    latencies.sort((a, b) => a - b)
    for (const share of [0.001, 0.25, 0.5, 0.9, 0.99, 0.999]) {
      const exact = latencies[Math.ceil(share * latencies.length) - 1]!
      const told = histogram.percentile(share)!
      expect(told, `share=${share} SEED=${seed}`).toBeGreaterThanOrEqual(exact)
      expect(told - exact, `share=${share} SEED=${seed}`).toBeLessThanOrEqual(exact / 64 + 0.0001)
    }
    expect(histogram.summary().max).toBe(latencies.at(-1))
  })

  it('of several threads is that of all their latencies together', () => {
    const [one, other, both] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()]
    for (let i = 0; i < 1000; i++) {
      one.record(i)
      other.record(i * 3)
      both.record(i)
      both.record(i * 3)
    }
    one.add(other.export())
    expect(one.summary()).toEqual(both.summary())
    expect(one.count).toBe(2000)
  })

  it('without latencies has no percentiles, and takes any number', () => {
    const histogram = new LatencyHistogram()
    expect(histogram.summary()).toEqual({ p50: null, p99: null, p999: null, max: null })
    for (const latency of [-1, 0, 1e12]) histogram.record(latency)
    expect(histogram.count).toBe(3)
    expect(histogram.summary().max).toBe(1e12)
  })
})
