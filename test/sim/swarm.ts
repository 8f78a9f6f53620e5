/**
 * Swarm: how one run is set up. Each seed draws its own sizes and probabilities first, so that different runs press on
 * different parts of the engine: one has tiny segments and no faults, another a failing disk and a single partition.
 */
import type { SeededRandom } from '../../src/base/random.ts'
import { ENGINE_LIMITS, type EngineLimits } from '../../src/workers/messages.ts'

export type Ending = 'close' | 'close-with-faults' | 'kill' | 'power' | 'halt-kill' | 'halt-power'

export interface Swarm {
  readonly shards: number
  readonly clients: number
  readonly producers: number
  readonly consumers: number
  readonly partitionsMax: number
  readonly valueLengthMax: number
  readonly segmentBytes: number
  readonly indexIntervalBytes: number
  readonly segmentIndexBytes: number
  readonly memoryBytes: number
  readonly checkpointMs: number
  readonly retentionCheckMs: number
  readonly limits: EngineLimits
  /** One for each process of the run, in order; the last is always 'close'. */
  readonly endings: readonly Ending[]
  /** Of each process, before its ending. */
  readonly events: number
  /** Virtual milliseconds between two things that the nemesis does. */
  readonly nemesisMs: number
  /** Weights of what the nemesis does; 0: never in this run. */
  readonly nemesis: Readonly<Record<NemesisAct, number>>
  /** Probability that a fault waits for the opening of the log. */
  readonly openFault: number
  /** Virtual milliseconds that a call on the disk may take. */
  readonly diskMsMax: number
  readonly adminMs: number
}

export const NEMESIS_ACTS = [
  'write-eio',
  'write-enospc',
  'short-write',
  'sync-eio',
  'sync-enospc',
  'name-eio',
  'name-enospc',
  'directory-sync-eio',
  'read-eio',
  'disk-full',
  'shard-throws',
  'flusher-throws',
  'shard-hangs',
  'flusher-hangs',
  'clock-jumps',
] as const

export type NemesisAct = (typeof NEMESIS_ACTS)[number]

const ENDINGS: readonly Ending[] = ['close', 'close-with-faults', 'kill', 'power', 'halt-kill', 'halt-power']

export function drawSwarm(random: SeededRandom): Swarm {
  const isCalm = random.chance(0.25)
  const nemesis = Object.fromEntries(
    NEMESIS_ACTS.map((act) => [act, isCalm || random.chance(0.55) ? 0 : random.pick([1, 1, 5])]),
  ) as Record<NemesisAct, number>
  const endingCount = random.pick([1, 2, 3, 4])
  const endings = Array.from({ length: endingCount }, () => random.pick(ENDINGS))
  return {
    shards: random.pick([1, 1, 2, 3]),
    clients: random.pick([1, 1, 2]),
    producers: 1 + random.below(3),
    consumers: 1 + random.below(3),
    partitionsMax: random.pick([1, 2, 6]),
    valueLengthMax: random.pick([10, 100, 1000]),
    segmentBytes: random.pick([300, 1_000, 5_000, 100_000]),
    indexIntervalBytes: random.pick([0, 100, 1_000, 4_096]),
    segmentIndexBytes: random.pick([24, 48, 10_000, 10_000]),
    memoryBytes: random.pick([65_536, 131_072, 1 << 20]),
    checkpointMs: random.pick([50, 500, 5_000]),
    retentionCheckMs: random.pick([1_000, 5_000]),
    limits: drawLimits(random),
    endings: [...endings, 'close'],
    events: random.pick([200, 500, 1_000]),
    nemesisMs: random.pick([20, 100, 500]),
    nemesis,
    openFault: isCalm ? 0 : random.pick([0, 0.2, 0.6]),
    diskMsMax: random.pick([0, 0.1, 5, 50]),
    adminMs: random.pick([10, 100, 1_000]),
  }
}

function drawLimits(random: SeededRandom): EngineLimits {
  return {
    ...ENGINE_LIMITS,
    slotCount: 1024,
    requestsMax: random.pick([2, 8, 64]),
    syncOrdersMax: random.pick([2, 8, 64]),
    flushersPerShard: random.pick([1, 2, 3]),
    framesPerPoll: random.pick([1, 3, 128]),
    writeBytesMax: random.pick([500, 10_000, 8 << 20]),
    uncommittedBytesMax: random.pick([200, 2_000, 64 << 20]),
  }
}
