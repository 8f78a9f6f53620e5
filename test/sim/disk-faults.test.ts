/** Something goes wrong at every single call on the disk. See disk-faults.ts. */
import { describe, expect, it } from 'vitest'
import { disturbEveryCall, MISHAPS } from './disk-faults.ts'
import { MICROS } from './micro.ts'
import { isReplay } from './seeds.ts'

describe.skipIf(isReplay).each(MICROS)('$name', (micro) => {
  it.each(MISHAPS)('survives %s at every call on the disk', async (mishap) => {
    expect(await disturbEveryCall(micro, mishap)).toBeGreaterThan(0)
  })
})
