/** RealEnv: Node's clocks, generator and file system. The only Env outside the simulator. */
import { randomFillSync } from 'node:crypto'
import type { Clock, Env, Random, Timers } from './env.ts'
import { FailpointFs } from './failpoint-fs.ts'
import { createFailpoint } from './failpoints.ts'
import { RealFs } from './real-fs.ts'

const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

const timers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, TIMEOUT_MS_MAX))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

/** setTimeout takes an int32; a longer one would fire at once. */
const TIMEOUT_MS_MAX = 0x7fff_ffff
const TWO_POW_MINUS_53 = 2 ** -53
const words = new Uint32Array(2)

const random: Random = {
  next() {
    randomFillSync(words)
    return ((words[0]! >>> 5) * 0x400_0000 + (words[1]! >>> 6)) * TWO_POW_MINUS_53
  },
  fill(bytes) {
    randomFillSync(bytes)
  },
}

const specification = process.env['VLTAVA_FAILPOINTS']
const failpoint = createFailpoint(specification, process.env['VLTAVA_FAILPOINTS_ONCE'])
const fs = new RealFs()

/** One per thread: each thread loads this module itself. */
export const realEnv: Env = {
  clock,
  timers,
  fs: specification === undefined || specification === '' ? fs : new FailpointFs(fs, failpoint),
  random,
  failpoint,
}
