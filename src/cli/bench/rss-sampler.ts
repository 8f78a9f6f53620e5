/**
 * RssSampler: the process's resident memory once a second, and whether it grows.
 */
import { realEnv } from '../../base/env/real-env.ts'
import type { RssTrend } from './bench-result.ts'

const INTERVAL_MS = 1000
/** Below so many there is no trend to speak of. */
const SAMPLES_MIN = 20

export class RssSampler {
  readonly #samples: number[] = []
  #timer: { cancel(): void } | undefined

  start(): this {
    this.#timer = realEnv.timers.after(INTERVAL_MS, () => {
      this.#samples.push(process.memoryUsage.rss())
      this.start()
    })
    return this
  }

  /** Undefined after a short run. */
  stop(): RssTrend | undefined {
    this.#timer?.cancel()
    return rssTrend(this.#samples)
  }
}

/** `samples` in bytes, one each INTERVAL_MS; undefined if they are too few. */
export function rssTrend(samples: readonly number[]): RssTrend | undefined {
  if (samples.length < SAMPLES_MIN) return undefined
  const quarter = Math.floor(samples.length / 4)
  return {
    samples: samples.length,
    firstQuarterBytes: median(samples.slice(0, quarter)),
    secondQuarterBytes: median(samples.slice(quarter, 2 * quarter)),
    lastQuarterBytes: median(samples.slice(-quarter)),
    slopeBytesPerMinute: theilSen(samples.slice(quarter)) * (60_000 / INTERVAL_MS),
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Median of the slopes between all pairs, per step: a few outliers do not move it. */
function theilSen(values: readonly number[]): number {
  const slopes: number[] = []
  const stride = Math.max(1, Math.floor(values.length / 300)) // Bounds the pairs to 45,000.
  for (let i = 0; i < values.length; i += stride) {
    for (let j = i + stride; j < values.length; j += stride) slopes.push((values[j]! - values[i]!) / (j - i))
  }
  return median(slopes)
}
