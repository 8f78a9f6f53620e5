/**
 * Seeded randomness for the simulator and for tests: one seed decides a whole run, on every machine.
 *
 * The generator is sfc32 (Chris Doty-Humphrey's "small fast counting", 128 bits of state), integer arithmetic only, so
 * the numbers do not depend on the platform's floating point. Not for secrets: RealEnv's Random is the strong one.
 */
import { assert } from './assert.ts'
import type { Random } from './env/env.ts'

const TWO_POW_32 = 0x1_0000_0000
const TWO_POW_53 = 0x20_0000_0000_0000

/** A whole number in [0, limit), for 1 <= limit <= 2^53. */
export function randomBelow(random: Random, limit: number): number {
  assert(Number.isSafeInteger(limit) && limit >= 1, 'limit of a random number is a positive integer')
  return Math.floor(random.next() * limit)
}

export class SeededRandom implements Random {
  #a = 0
  #b = 0
  #c = 0
  #counter = 1

  /** `seed`: 0 .. 2^53 - 1. Seeds next to each other give unrelated numbers. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'seed is a non-negative safe integer')
    this.#a = mix(seed >>> 0)
    this.#b = mix(Math.floor(seed / TWO_POW_32) ^ 0x5bf0_3635)
    this.#c = mix(this.#a ^ this.#b)
    for (let round = 0; round < 15; round++) this.uint32()
  }

  /** Uniform in 0 .. 2^32 - 1. */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** Uniform in [0, 1), with all 53 bits of a double. */
  next(): number {
    const high = this.uint32() >>> 5
    return (high * 0x400_0000 + (this.uint32() >>> 6)) / TWO_POW_53
  }

  fill(bytes: Uint8Array): void {
    let word = 0
    for (let index = 0; index < bytes.length; index++) {
      word = (index & 3) === 0 ? this.uint32() : word >>> 8
      bytes[index] = word
    }
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return randomBelow(this, limit)
  }

  /** True with `probability`, 0 .. 1. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    assert(from.length > 0, 'there is something to pick from')
    return from[this.below(from.length)] as T
  }

  /** A generator of its own, decided by this one: what its user draws does not shift the numbers drawn here. */
  fork(): SeededRandom {
    return new SeededRandom(Math.floor(this.next() * TWO_POW_53))
  }

  /** A generator that will draw the same numbers as this one. */
  clone(): SeededRandom {
    const copy = new SeededRandom(0)
    copy.#a = this.#a
    copy.#b = this.#b
    copy.#c = this.#c
    copy.#counter = this.#counter
    return copy
  }
}

/** Spreads every bit of a 32-bit word over all of it (the finaliser of MurmurHash3). */
function mix(word: number): number {
  let mixed = (word + 0x9e37_79b9) | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35)
  return mixed ^ (mixed >>> 16)
}
