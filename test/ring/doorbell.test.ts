import { describe, expect, it } from 'vitest'
import { createDoorbell, Doorbell } from '../../src/ring/doorbell.ts'
import { DOORBELL_VERSION_I32, RUNG_I32, SLEEPING_I32 } from '../../src/ring/layout.ts'

const LONG_MS = 60_000 // Longer than a test may take: who waits that long in one of them has lost a wake-up.
const never = (): boolean => false

function createBell() {
  const buffer = createDoorbell()
  return { buffer, words: new Int32Array(buffer), owner: new Doorbell(buffer), writer: new Doorbell(buffer) }
}

describe('ringing', () => {
  it('counts only when the owner sleeps', () => {
    const { owner, writer } = createBell()
    writer.ring()
    expect(writer.rungCount).toBe(0)
    expect(owner.arm()).toBe(0)
    writer.ring()
    writer.ring()
    expect(owner.rungCount).toBe(2)
    owner.disarm()
    writer.ring()
    expect(owner.rungCount).toBe(2)
  })

  it('goes on at the wrap of the count', async () => {
    const { words, owner, writer } = createBell()
    words[RUNG_I32] = -1
    expect(owner.rungCount).toBe(0xffffffff)
    const sleep = owner.sleepAsync(never, LONG_MS)
    writer.ring()
    await sleep
    expect(owner.rungCount).toBe(0)
  })
})

describe('a blocking sleep', () => {
  it('returns at once, awake, when there is input', () => {
    const { words, owner } = createBell()
    owner.sleep(() => words[SLEEPING_I32] === 1, LONG_MS)
    expect(words[SLEEPING_I32]).toBe(0)
  })

  it('returns at once when the bell was rung between the look and the wait', () => {
    const { owner, writer, words } = createBell()
    owner.sleep(() => {
      writer.ring()
      return false
    }, LONG_MS)
    expect([words[SLEEPING_I32], owner.rungCount]).toEqual([0, 1])
  })

  it('ends by its timeout, awake', () => {
    const { words, owner } = createBell()
    owner.sleep(never, 1)
    expect(words[SLEEPING_I32]).toBe(0)
  })

  it('is awake again after a look that throws', () => {
    const { words, owner } = createBell()
    const look = (): boolean => {
      throw new Error('look failed')
    }
    expect(() => owner.sleep(look, LONG_MS)).toThrow('look failed')
    expect(words[SLEEPING_I32]).toBe(0)
  })

  it('has a timeout, and no asynchronous sleep beside it', async () => {
    const { owner, writer } = createBell()
    for (const timeoutMs of [-1, Infinity, NaN]) {
      expect(() => owner.sleep(never, timeoutMs)).toThrow('every wait has a timeout')
      await expect(owner.sleepAsync(never, timeoutMs)).rejects.toThrow('every wait has a timeout')
    }
    const sleep = owner.sleepAsync(never, LONG_MS)
    expect(() => owner.sleep(never, 1)).toThrow('a thread that blocks has no asynchronous sleep pending')
    writer.ring()
    await sleep
    owner.sleep(never, 1)
  })
})

describe('an asynchronous sleep', () => {
  it('resolves when the bell is rung, and the owner is awake then', async () => {
    const { words, owner, writer } = createBell()
    for (let turn = 1; turn <= 100; turn++) {
      const sleep = owner.sleepAsync(never, LONG_MS)
      expect(words[SLEEPING_I32]).toBe(1)
      writer.ring()
      await sleep
      expect([words[SLEEPING_I32], owner.rungCount]).toEqual([0, turn])
    }
  })

  it('waits anew each time: one that has ended is not joined', async () => {
    const { words, owner } = createBell()
    for (let turn = 0; turn < 3; turn++) {
      const sleep = owner.sleepAsync(never, LONG_MS)
      expect(Atomics.notify(words, RUNG_I32)).toBe(1)
      await sleep
    }
  })

  it('resolves at once with input, with a bell rung before the wait, and with a timeout of 0', async () => {
    const { words, owner, writer } = createBell()
    await owner.sleepAsync(() => true, LONG_MS)
    const ringing = (): boolean => {
      writer.ring()
      return false
    }
    await owner.sleepAsync(ringing, LONG_MS)
    await owner.sleepAsync(never, 0)
    expect([words[SLEEPING_I32], owner.rungCount]).toEqual([0, 1])
  })

  it('ends by its timeout, awake', async () => {
    const { words, owner } = createBell()
    await owner.sleepAsync(never, 1)
    expect(words[SLEEPING_I32]).toBe(0)
  })

  it('rejects with what the look throws, awake', async () => {
    const { words, owner } = createBell()
    const look = (): boolean => {
      throw new Error('look failed')
    }
    await expect(owner.sleepAsync(look, LONG_MS)).rejects.toThrow('look failed')
    expect(words[SLEEPING_I32]).toBe(0)
  })

  it('that was left pending does not keep the next, shorter one from being woken', async () => {
    const { owner, writer } = createBell()
    const left = owner.sleepAsync(never, LONG_MS)
    const next = owner.sleepAsync(never, LONG_MS - 1)
    writer.ring()
    await next
    await left
    expect(owner.rungCount).toBe(1)
  })

  it('called again and again while one is pending starts no more waiters', async () => {
    const { words, owner } = createBell()
    const sleeps = Array.from({ length: 100 }, (_, index) => owner.sleepAsync(never, LONG_MS + index))
    expect(Atomics.notify(words, RUNG_I32)).toBe(1)
    await Promise.all(sleeps)
    expect(words[SLEEPING_I32]).toBe(0)
  })

  it('stays armed when a shorter one ends, and when another task finds input', async () => {
    const { words, owner, writer } = createBell()
    const long = owner.sleepAsync(never, LONG_MS)
    await owner.sleepAsync(never, 1)
    expect(words[SLEEPING_I32]).toBe(1)
    await owner.sleepAsync(() => true, LONG_MS)
    expect(words[SLEEPING_I32]).toBe(1)
    writer.ring()
    await long
    expect(words[SLEEPING_I32]).toBe(0)
  })
})

describe('attaching', () => {
  it('refuses a buffer of another length or version', () => {
    expect(() => new Doorbell(new SharedArrayBuffer(256))).toThrow('buffer has the length of a doorbell')
    const { buffer, words } = createBell()
    words[DOORBELL_VERSION_I32] = 2
    expect(() => new Doorbell(buffer)).toThrow('doorbell layout version matches')
  })
})
