/**
 * Every bench runs, tiny and silent: one that no longer fits the code it measures fails here, not on the day it is
 * needed.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const BENCH = fileURLToPath(new URL('../bench/', import.meta.url))
const benches = readdirSync(BENCH, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.bench.ts'))

describe('in smoke mode', () => {
  it.each(benches.sort())('%s runs to its end', async (path) => {
    expect(process.env['BENCH'], 'BENCH=full is for npm run bench').not.toBe('full')
    await import(/* @vite-ignore */ `${BENCH}${path}`)
  })

  it('there are benches', () => {
    expect(benches.length).toBeGreaterThan(0)
  })
})
