/**
 * Records what real code does to shared memory: every Atomics call and every 32-bit access through a DataView, in
 * order, with place and value. Calls pass through. Nothing else may run while recording.
 */
import { vi } from 'vitest'
import { DATA_POSITION, HEAD_I32, RUNG_I32, SLEEPING_I32, TAIL_I32 } from '../../../src/ring/layout.ts'

interface Spied {
  readonly mock: {
    readonly calls: unknown[][]
    readonly results: { readonly value: unknown }[]
    readonly invocationCallOrder: number[]
  }
  mockRestore(): void
}

type Phrase = (call: unknown[], result: unknown) => string

/** Runs `body` and returns its accesses as `phrases` words them, in the order in which they were made. */
function record(body: () => void, phrases: readonly (readonly [Spied, Phrase])[]): string[] {
  const made: { order: number; text: string }[] = []
  try {
    body()
  } finally {
    for (const [spied, phrase] of phrases) {
      for (const [index, call] of spied.mock.calls.entries()) {
        const text = phrase(call, spied.mock.results[index]?.value)
        made.push({ order: spied.mock.invocationCallOrder[index]!, text })
      }
      spied.mockRestore()
    }
  }
  return made.sort((a, b) => a.order - b.order).map(({ text }) => text)
}

const RING_WORDS = new Map([
  [TAIL_I32, 'tail'],
  [HEAD_I32, 'head'],
])

/** The place, in the words of a doorbell, at which a test's `hasInput` looks: stands for a tail. */
export const INPUT_I32 = 95

const BELL_WORDS = new Map([
  [INPUT_I32, 'input'],
  [SLEEPING_I32, 'sleeping'],
  [RUNG_I32, 'rung'],
])

function wordIn(names: Map<number, string>, index: unknown): string {
  return names.get(Number(index)) ?? `word ${String(index)}`
}

/** Accesses to one ring, worded as the model words them: positions in the data region, values unsigned. */
export function recordRing(body: () => void): string[] {
  const unsigned = (value: unknown): number => Number(value) >>> 0
  const at = (position: unknown): number => Number(position) - DATA_POSITION
  const word = (index: unknown): string => wordIn(RING_WORDS, index)
  return record(body, [
    [vi.spyOn(Atomics, 'load'), ([, index], value) => `load ${word(index)} = ${unsigned(value)}`],
    [vi.spyOn(Atomics, 'store'), ([, index, value]) => `store ${word(index)} = ${unsigned(value)}`],
    [vi.spyOn(DataView.prototype, 'getUint32'), ([position], value) => `read ${at(position)} = ${unsigned(value)}`],
    [vi.spyOn(DataView.prototype, 'setUint32'), ([position, value]) => `write ${at(position)} = ${unsigned(value)}`],
  ])
}

/** 1 if the thread was queued as a waiter: what Atomics.wait and Atomics.waitAsync return is turned into that. */
function didWait(result: unknown): number {
  const isAsync = typeof result === 'object' && result !== null && 'async' in result && result.async === true
  return Number(isAsync || result === 'timed-out' || result === 'ok')
}

/** Accesses to one doorbell, worded as the model words them. */
export function recordBell(body: () => void): string[] {
  const word = (index: unknown): string => wordIn(BELL_WORDS, index)
  return record(body, [
    [vi.spyOn(Atomics, 'load'), ([, index], value) => `load ${word(index)} = ${String(value)}`],
    [vi.spyOn(Atomics, 'store'), ([, index, value]) => `store ${word(index)} = ${String(value)}`],
    [vi.spyOn(Atomics, 'add'), ([, index, value]) => `add ${word(index)} = ${String(value)}`],
    [
      vi.spyOn(Atomics, 'notify'),
      ([, index, count], n) => `notify ${word(index)} ${String(count ?? 'all')} = ${String(n)}`,
    ],
    [
      vi.spyOn(Atomics, 'wait'),
      ([, index, value], result) => `wait ${word(index)} ${String(value)} = ${didWait(result)}`,
    ],
    [
      vi.spyOn(Atomics, 'waitAsync'),
      ([, index, value], result) => `waitAsync ${word(index)} ${String(value)} = ${didWait(result)}`,
    ],
  ])
}
