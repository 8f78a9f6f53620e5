/** The power is cut at every call that changes the disk, and every part of what was not synced is left. */
import { expect, it } from 'vitest'
import { MICROS } from './micro.ts'
import { cutPowerEverywhere } from './power-cuts.ts'
import { isLongRun, isReplay } from './seeds.ts'

const STATES_IN_GATE = 250
const ORDERS_IN_LONG_RUN = 4

it.skipIf(isReplay).each(MICROS)(
  'no power cut takes what was promised: $name',
  { timeout: 3_600_000 },
  async (micro) => {
    let states = 0
    for (let order = 0; order < (isLongRun ? ORDERS_IN_LONG_RUN : 1); order++) {
      states += await cutPowerEverywhere(micro, isLongRun ? Infinity : STATES_IN_GATE, order)
    }
    expect(states).toBeGreaterThan(0)
  },
)
