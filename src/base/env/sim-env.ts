/**
 * SimEnv: an Env of which one seed decides everything. Time stands still until the test moves it.
 */
import { SeededRandom } from '../random.ts'
import type { Env, Failpoint } from './env.ts'
import { SimClock } from './sim-clock.ts'
import { SimFs, type SimFsOptions } from './sim-fs.ts'

export interface SimEnvOptions extends Omit<SimFsOptions, 'clock' | 'random'> {
  readonly startWallMs?: number
}

export interface SimEnv extends Env {
  readonly seed: number
  readonly clock: SimClock
  /** The clock again: time and timers are one. */
  readonly timers: SimClock
  readonly fs: SimFs
  readonly random: SeededRandom
  /** How often each failpoint was reached, by name. */
  readonly failpointCounts: ReadonlyMap<string, number>
  /** Called at each failpoint, after it was counted; may throw. */
  onFailpoint: ((name: string) => void) | undefined
}

/** The disk draws from a generator of its own: faults on it do not change what the engine draws. */
export function createSimEnv(seed: number, options: SimEnvOptions = {}): SimEnv {
  const random = new SeededRandom(seed)
  const clock = new SimClock(options.startWallMs)
  const failpointCounts = new Map<string, number>()
  const failpoint: Failpoint = (name) => {
    failpointCounts.set(name, (failpointCounts.get(name) ?? 0) + 1)
    env.onFailpoint?.(name)
  }
  const fs = new SimFs({ ...options, clock, random: random.fork() })
  const env: SimEnv = { seed, clock, timers: clock, fs, random, failpoint, failpointCounts, onFailpoint: undefined }
  return env
}
