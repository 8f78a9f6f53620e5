/**
 * Benchmarks that cannot rot: `npm test` imports every bench in smoke mode (tiny, once, silent); `npm run bench --
 * ring` sets BENCH=full and runs those whose path contains "ring" for real.
 *
 * Each bench returns a checksum, printed with the result: it stops V8 from deleting the work and us from changing what
 * is measured.
 */
import { Bench } from 'tinybench'

const isSmoke = process.env['BENCH'] !== 'full'
const TIMED_RUNS = 5

/** A size: `smokeValue` under `npm test`; for real, the environment variable `name` or `fullValue`. */
export function parameter(name: string, smokeValue: number, fullValue: number): number {
  return isSmoke ? smokeValue : Number(process.env[name] ?? fullValue)
}

/** Times `body`, which does `operations` of them per call on this thread, and prints nanoseconds per operation. */
export async function run(name: string, operations: number, body: () => number): Promise<void> {
  const checksum = body() >>> 0
  if (isSmoke) return
  const bench = new Bench({ time: 1000, warmupTime: 300 }).add(name, body)
  const [task] = await bench.run()
  if (task?.result.state !== 'completed') throw new Error(`bench ${name} ended as ${task?.result.state}`)
  const { p50, p99 } = task.result.latency // Milliseconds.
  const [p50Ns, p99Ns] = [p50, p99].map((ms) => ((ms * 1e6) / operations).toFixed(2))
  console.log(`${name}: ns/op p50=${p50Ns} p99=${p99Ns} checksum=${checksum} node=${process.version}`)
}

/** One run of a bench that times itself, because it has threads or I/O to wait for. */
export interface TimedRun {
  readonly seconds: number
  readonly operations: number
  readonly bytes: number
  readonly checksum: number
}

/** Runs `body` five times after a warm-up, and prints the median and best rates of operations and of 10^6 bytes. */
export async function runTimed(name: string, body: () => Promise<TimedRun>): Promise<void> {
  const first = await body()
  if (isSmoke) return
  const runs: TimedRun[] = []
  for (let count = 0; count < TIMED_RUNS; count++) runs.push(await body())
  if (runs.some(({ checksum }) => checksum !== first.checksum)) throw new Error(`bench ${name} changes its checksum`)
  runs.sort((a, b) => a.seconds - b.seconds)
  const [best, median] = [runs[0]!, runs[TIMED_RUNS >>> 1]!]
  const rates = (run: TimedRun): string =>
    `${(run.operations / run.seconds / 1e6).toFixed(2)} M op/s ${(run.bytes / run.seconds / 1e6).toFixed(0)} MB/s`
  const checksum = first.checksum >>> 0
  console.log(`${name}: median ${rates(median)}, best ${rates(best)} checksum=${checksum} node=${process.version}`)
}
