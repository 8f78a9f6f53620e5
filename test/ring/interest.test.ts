import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { createInterest, Interest } from '../../src/ring/interest.ts'
import { mulberry32, testSeed } from '../random.ts'

describe('an interest table', () => {
  it('has a bit for each slot, seen through every view', () => {
    for (const slots of [1, 31, 32, 33, 100]) {
      const buffer = createInterest(slots)
      const client = new Interest(buffer)
      const shard = new Interest(buffer)
      for (let slot = 0; slot < slots; slot++) {
        expect(shard.has(slot)).toBe(false)
        client.set(slot, true)
        expect(shard.has(slot)).toBe(true)
        for (let other = 0; other < slots; other++) expect(shard.has(other)).toBe(other === slot)
        client.set(slot, false)
        expect(shard.has(slot)).toBe(false)
      }
    }
  })

  it('may be set twice and cleared twice', () => {
    const table = new Interest(createInterest(40))
    table.set(31, true)
    table.set(31, true)
    table.set(31, false)
    expect(table.has(31)).toBe(false)
    table.set(31, false)
    expect(table.has(31)).toBe(false)
  })

  it('agrees with a set of numbers', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const table = new Interest(createInterest(200))
    const model = new Set<number>()
    for (let i = 0; i < 2000; i++) {
      const slot = Math.floor(random() * 200)
      const isWanted = random() < 0.5
      table.set(slot, isWanted)
      if (isWanted) model.add(slot)
      else model.delete(slot)
    }
    for (let slot = 0; slot < 200; slot++) expect(table.has(slot), `SEED=${seed} slot=${slot}`).toBe(model.has(slot))
  })

  it('of another layout is refused, and so is a slot that it does not have', () => {
    const buffer = createInterest(8)
    const table = new Interest(buffer)
    expect(() => table.set(8, true)).toThrow(AssertionFailed)
    expect(() => table.set(-1, true)).toThrow(AssertionFailed)
    new Int32Array(buffer)[0] = 1
    expect(() => new Interest(buffer)).toThrow(AssertionFailed)
  })

  it('tells the client which of the slots that it wants have moved, once', () => {
    const buffer = createInterest(100)
    const [client, shard] = [new Interest(buffer), new Interest(buffer)]
    const taken = (): number[] => {
      const slots: number[] = []
      client.takeMoved((slot) => slots.push(slot))
      return slots
    }
    expect(shard.noteMove(3)).toBe(false)
    expect(client.hasMoved()).toBe(false)
    for (const slot of [0, 31, 32, 99]) client.set(slot, true)
    for (const slot of [99, 0, 31, 5, 0]) shard.noteMove(slot)
    expect(client.hasMoved()).toBe(true)
    expect(taken()).toEqual([0, 31, 99])
    expect(client.hasMoved()).toBe(false)
    expect(taken()).toEqual([])
    shard.noteMove(32)
    expect(taken()).toEqual([32])
  })
})
