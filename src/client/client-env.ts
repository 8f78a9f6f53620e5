/** ClientEnv: what clients take from the outside world. A part of Env. */
import type { Clock, Random, Timers } from '../base/env/env.ts'

export interface ClientEnv {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}
