/**
 * `vltava bench limit`: the parts of limit-loops.ts one after the other, and the ring between two threads.
 */
import { createRing } from '../../ring/spsc.ts'
import { type BenchRun, loopContext, settingsOf } from './bench-run.ts'
import { type BenchResult, CpuMeter, NO_LATENCY } from './bench-result.ts'
import { BenchWorker } from './bench-worker.ts'
import {
  encoderBytes,
  type LoopContext,
  type LoopOutcome,
  runCrc32c,
  runDecode,
  runEncode,
  runEncodeCrcPwrite,
  runFdatasync,
  runMemcpy,
  runPwrite,
} from './limit-loops.ts'
import { type RingPlan, writeFrames } from './ring-role.ts'

const RING_BYTES_MIN = 1 << 20

interface Part {
  readonly name: string
  /** What the part's work would survive, in the words of acks. */
  readonly acks: BenchResult['acks']
  readonly threads: number
  readonly run: (context: LoopContext, run: BenchRun) => LoopOutcome | Promise<LoopOutcome>
}

const PARTS: readonly Part[] = [
  { name: 'memcpy', acks: 0, threads: 1, run: runMemcpy },
  { name: 'crc32c', acks: 0, threads: 1, run: runCrc32c },
  { name: 'encode', acks: 0, threads: 1, run: (context) => runEncode(context, new ArrayBuffer(encoderBytes(context))) },
  {
    name: 'encode-shared',
    acks: 0,
    threads: 1,
    run: (context) => runEncode(context, new SharedArrayBuffer(encoderBytes(context))),
  },
  { name: 'decode', acks: 0, threads: 1, run: runDecode },
  { name: 'ring', acks: 0, threads: 2, run: (context, run) => runRing(context, run) },
  { name: 'pwrite-64k', acks: 1, threads: 1, run: (context) => runPwrite(context, 1 << 16) },
  { name: 'pwrite-1m', acks: 1, threads: 1, run: (context) => runPwrite(context, 1 << 20) },
  { name: 'fdatasync', acks: 'all', threads: 1, run: runFdatasync },
  { name: 'encode-crc-pwrite', acks: 1, threads: 1, run: runEncodeCrcPwrite },
]

export async function benchLimit(run: BenchRun): Promise<BenchResult[]> {
  const results: BenchResult[] = []
  for (const part of PARTS) {
    run.signal.throwIfAborted()
    run.note(`limit: ${part.name}`)
    const cpu = new CpuMeter()
    const outcome = await part.run(loopContext(run), run)
    results.push({
      bench: 'limit',
      variant: part.name,
      records: outcome.records,
      recordSize: run.options.recordSize,
      partitions: 1,
      acks: part.acks,
      threads: part.threads,
      seconds: outcome.seconds,
      latency: outcome.latency?.summary() ?? NO_LATENCY,
      cpuSeconds: cpu.seconds(),
      verified: outcome.verified,
      fault: outcome.fault,
      shareOfLimit: undefined,
      settings: settingsOf(run),
      rss: undefined,
    })
  }
  return results
}

async function runRing({ clock, records, recordSize }: LoopContext, { signal }: BenchRun): Promise<LoopOutcome> {
  const capacity = Math.max(RING_BYTES_MIN, 2 ** Math.ceil(Math.log2(recordSize * 4)))
  const plan: RingPlan = { ring: createRing(capacity), records, recordSize }
  const reader = new BenchWorker<'ring'>({ type: 'ring', plan }, clock)
  try {
    await reader.ready
    signal.throwIfAborted()
    reader.send({ type: 'go' })
    const startMs = writeFrames(clock, plan)
    const { verified, endMs } = await reader.outcome
    const fault = verified === records ? undefined : `${records - verified} frames came out different`
    return { records, seconds: (endMs - startMs) / 1000, verified, fault, latency: undefined }
  } finally {
    await reader.terminate()
  }
}
