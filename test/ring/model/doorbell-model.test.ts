/**
 * No wake-up is lost: every schedule of two writers and an owner who sleeps, without timeouts to save it.
 */
import { describe, expect, it } from 'vitest'
import { type BellFlaw } from './doorbell-model.ts'
import { type BellScript, DoorbellSystem } from './doorbell-system.ts'
import { type Exploration, explore } from './explore.ts'

const BLOCKING: BellScript = { owner: 'blocking', messagesPerWriter: [2, 1], timeoutCountMax: 0 }
const EVENT_LOOP: BellScript = {
  owner: 'event loop',
  messagesPerWriter: [2],
  timeoutCountMax: 0,
  timeoutsMs: [2, 1],
}

function exploreBell(script: BellScript, isMemoised = true): Exploration {
  return explore(() => new DoorbellSystem(script), isMemoised)
}

const SCRIPTS: [string, BellScript][] = [
  ['a blocking owner', BLOCKING],
  ['a blocking owner whose waits end early', { ...BLOCKING, timeoutCountMax: 2 }],
  ['an owner on an event loop', EVENT_LOOP],
  ['an owner on an event loop that other events wake as well', { ...EVENT_LOOP, otherEventCount: 2 }],
  ['the same, with waits that end early', { ...EVENT_LOOP, otherEventCount: 2, timeoutCountMax: 1 }],
  ['two tasks asleep on one event loop', { ...EVENT_LOOP, hasBystander: true }],
  [
    'the same, with waits that end early',
    { ...EVENT_LOOP, hasBystander: true, otherEventCount: 1, timeoutCountMax: 1 },
  ],
]

describe('nobody sleeps while there is something to read, with', () => {
  it.each(SCRIPTS)('%s', (name, script) => {
    const found = exploreBell(script)
    expect(found.violation).toBeUndefined()
    console.log(`doorbell model, ${name}: states=${found.stateCount} schedules=${found.scheduleCount}`)
    expect(found.stateCount).toBeGreaterThan(100)
  })

  it('a search without memory walks the schedules that are counted', () => {
    for (const script of [
      { ...BLOCKING, messagesPerWriter: [2] },
      { ...BLOCKING, messagesPerWriter: [1], timeoutCountMax: 1 },
      { ...EVENT_LOOP, messagesPerWriter: [1], otherEventCount: 1 },
    ]) {
      const walked = exploreBell(script, false)
      expect(walked.violation).toBeUndefined()
      expect(walked.scheduleCount).toBe(exploreBell(script).scheduleCount)
    }
  })
})

describe('the exploration finds a bell with', () => {
  const disturbed: BellScript = { ...EVENT_LOOP, otherEventCount: 1 }
  const flaws: [BellFlaw, BellScript][] = [
    ['input looked for before arming', BLOCKING],
    ['rung count read after the look', BLOCKING],
    ['bell rung before publishing', BLOCKING],
    ['sleeping read before publishing', BLOCKING],
    ['rung not counted', BLOCKING],
    ['only one waiter notified', disturbed],
    ['every waiter disarms as it ends', { ...disturbed, timeoutCountMax: 1 }],
    ['a look that finds input disarms', { ...EVENT_LOOP, hasBystander: true }],
  ]

  it.each(flaws)('%s', (flaw, script) => {
    const { violation } = exploreBell({ ...script, flaw })
    expect(violation?.rule).toBe('nobody sleeps while there is something to read')
    expect(exploreBell(script).violation).toBeUndefined()
  })
})
