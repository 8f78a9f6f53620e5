/**
 * Reproducible randomness for tests. A test takes testSeed(), puts it into its failure messages, and is replayed with
 * `SEED=... npx vitest run <file>`.
 */

/** A small generator with 32 bits of state: uniform in [0, 1), the same sequence for the same seed. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** The seed in the environment variable SEED, or a new one. */
export function testSeed(): number {
  return Number(process.env.SEED ?? Date.now() % 1e9)
}
