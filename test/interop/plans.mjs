/**
 * What the suites have Vltava write, made from a seed.
 */

/** @typedef {import('./vltava-adapter.mjs').Plan} Plan */
/** @typedef {import('./vltava-adapter.mjs').Send} Send */

const START_MS = 1_700_000_000_000
const CODECS = /** @type {const} */ (['none', 'gzip', 'snappy', 'lz4', 'zstd'])
const FOREVER = { 'retention.ms': '-1' }

/**
 * Two partitions, every codec, every oddity of keys, values, headers and timestamps; many index entries.
 * @param {number} seed
 * @returns {Plan}
 */
export function oddPlan(seed) {
  const random = mulberry32(seed)
  const steps = CODECS.map((compression, step) => {
    /** @type {Send[]} */
    const sends = []
    for (let i = 0; i < 200; i++) {
      sends.push({
        partition: random() < 0.5 ? 0 : 1,
        key: oddBytes(random),
        value: oddBytes(random),
        headers: oddHeaders(random),
        timestamp: START_MS + step * 60_000 + i * 10 - (random() < 0.1 ? 3_600_000 : 0),
      })
    }
    return { compression, sends }
  })
  return { topic: 'odd', partitions: 2, configs: { ...FOREVER, 'index.interval.bytes': '512' }, steps }
}

/**
 * About 3.5 MiB that no codec shrinks, over segments of 1 MiB, Kafka's smallest.
 * @param {number} seed
 * @returns {Plan}
 */
export function rollingPlan(seed) {
  const random = mulberry32(seed)
  /** @type {Send[]} */
  const sends = []
  for (let i = 0; i < 3_600; i++) {
    const key = new TextEncoder().encode(`key ${i}`)
    sends.push({ partition: 0, key, value: randomBytes(random, 1_000), headers: [], timestamp: START_MS + i })
  }
  const steps = CODECS.map((compression, step) => ({ compression, sends: sends.slice(step * 720, (step + 1) * 720) }))
  return { topic: 'rolling', partitions: 1, configs: { ...FOREVER, 'segment.bytes': '1048576' }, steps }
}

/** @param {() => number} random */
function oddBytes(random) {
  const lengths = [0, 1, 63, 64, 127, 128, 300]
  const pick = Math.floor(random() * (lengths.length + 1))
  return pick === lengths.length ? null : randomBytes(random, lengths[pick] ?? 0)
}

/**
 * @param {() => number} random
 * @returns {[string, Uint8Array | null][]}
 */
function oddHeaders(random) {
  if (random() < 0.7) return []
  const keys = ['', 'trace', 'twice', 'twice', 'Příliš žluťoučký kůň 🐴', 'h'.repeat(70)]
  return keys.slice(Math.floor(random() * keys.length)).map((key) => [key, oddBytes(random)])
}

/**
 * @param {() => number} random
 * @param {number} length
 */
function randomBytes(random, length) {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256))
}

/** A small generator with a seed: the same plan on every machine. @param {number} seed */
function mulberry32(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
