/**
 * LatencyHistogram: counts of latencies in buckets that are at most 1.6 % wide, from 0.1 us to 429 s. @hot
 *
 * Below 64 units of 100 ns each unit is a bucket; above, each power of two is cut into 64. A percentile is the upper
 * edge of its bucket, so it is never told too low; the maximum is exact.
 */
const UNITS_PER_MS = 10_000
const STEPS_BITS = 6
const STEPS = 1 << STEPS_BITS
const BUCKETS = (32 - STEPS_BITS + 1) * STEPS
const UNITS_MAX = 0xffff_ffff

/** As it goes from one thread to another. */
export interface LatencyCounts {
  readonly counts: Float64Array
  readonly maxMs: number
}

/** Milliseconds; null where nothing was measured. */
export interface LatencySummary {
  readonly p50: number | null
  readonly p99: number | null
  readonly p999: number | null
  readonly max: number | null
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS)
  #maxMs = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Negative latencies (two clock reads that crossed) count as 0. */
  record(latencyMs: number): void {
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs
    const units = Math.min(Math.max(0, latencyMs * UNITS_PER_MS), UNITS_MAX) >>> 0
    const index = bucketOf(units)
    this.#counts[index] = this.#counts[index]! + 1
    this.#count += 1
  }

  add({ counts, maxMs }: LatencyCounts): void {
    for (let i = 0; i < BUCKETS; i++) {
      this.#counts[i] = this.#counts[i]! + counts[i]!
      this.#count += counts[i]!
    }
    this.#maxMs = Math.max(this.#maxMs, maxMs)
  }

  export(): LatencyCounts {
    return { counts: this.#counts.slice(), maxMs: this.#maxMs }
  }

  /** Milliseconds below which `share` (0 .. 1) of the latencies lie; null if there are none. */
  percentile(share: number): number | null {
    if (this.#count === 0) return null
    const wanted = Math.max(1, Math.ceil(share * this.#count))
    let seen = 0
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#counts[i]!
      if (seen >= wanted) return Math.min(edgeOf(i) / UNITS_PER_MS, this.#maxMs)
    }
    return this.#maxMs
  }

  summary(): LatencySummary {
    return {
      p50: this.percentile(0.5),
      p99: this.percentile(0.99),
      p999: this.percentile(0.999),
      max: this.#count === 0 ? null : this.#maxMs,
    }
  }
}

function bucketOf(units: number): number {
  if (units < STEPS) return units
  const shift = 31 - Math.clz32(units) - STEPS_BITS
  return (shift + 1) * STEPS + ((units >>> shift) - STEPS)
}

/** First value, in units, above the bucket. */
function edgeOf(index: number): number {
  if (index < STEPS) return index + 1
  const shift = Math.floor(index / STEPS) - 1
  return ((index % STEPS) + STEPS + 1) * 2 ** shift
}
