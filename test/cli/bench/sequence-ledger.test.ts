/** Each sequence number exactly once, in memory that does not grow with how many there were. */
import { describe, expect, it } from 'vitest'
import { SequenceLedger } from '../../../src/cli/bench/sequence-ledger.ts'

const CHUNK = 65_536

describe('SequenceLedger', () => {
  it('is complete when every number came once, in any order', () => {
    const ledger = new SequenceLedger()
    const total = 2 * CHUNK + 7
    let early = 0
    for (let i = 0; i < total; i++) {
      if (ledger.isComplete(total)) early += 1
      ledger.add((i * 4) % total)
    }
    expect(early).toBe(0)
    expect(ledger.isComplete(total)).toBe(true)
    expect(ledger.isComplete(total + 1)).toBe(false)
    expect(ledger.isComplete(total - 1)).toBe(false)
  })

  it('refuses a number seen before, also one of a chunk that is full and forgotten', () => {
    const ledger = new SequenceLedger()
    for (let i = CHUNK; i < 2 * CHUNK; i++) expect(ledger.add(i)).toBe(true)
    expect(ledger.add(CHUNK + 5)).toBe(false)
    for (let i = 0; i < CHUNK; i++) ledger.add(i)
    expect([ledger.add(3), ledger.add(CHUNK + 5), ledger.add(2 * CHUNK)]).toEqual([false, false, true])
    expect(ledger.count).toBe(2 * CHUNK + 1)
  })

  it('is not complete when one is missing and another one is beyond the end', () => {
    const ledger = new SequenceLedger()
    for (const sequence of [0, 1, 3]) ledger.add(sequence)
    expect(ledger.isComplete(3)).toBe(false)
    expect(ledger.end).toBe(4)
  })

  it('counts beyond 2^32', () => {
    const ledger = new SequenceLedger()
    expect([ledger.add(2 ** 32), ledger.add(0), ledger.add(2 ** 32)]).toEqual([true, true, false])
  })
})
