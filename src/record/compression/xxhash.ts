/**
 * Checksums of the compressed formats: xxHash32 (LZ4 frames) and xxHash64 (zstd frames, which keep its low half).
 *
 * JavaScript has no 64-bit multiplication but BigInt's, which allocates: xxHash64 runs on pairs of int32.
 *
 * Reference: the xxHash specification, version 0.1.1.
 */

const PRIME_1 = 0x9e3779b1 | 0
const PRIME_2 = 0x85ebca77 | 0
const PRIME_3 = 0xc2b2ae3d | 0
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

/** xxHash32 of `bytes[start .. end)` with seed 0, as an uint32. */
export function xxhash32(bytes: Uint8Array, start: number, end: number): number {
  let position = start
  let hash = PRIME_5
  if (end - start >= 16) {
    let lane1 = (PRIME_1 + PRIME_2) | 0
    let lane2 = PRIME_2
    let lane3 = 0
    let lane4 = -PRIME_1 | 0
    for (const lastStripe = end - 16; position <= lastStripe; position += 16) {
      lane1 = round(lane1, word(bytes, position))
      lane2 = round(lane2, word(bytes, position + 4))
      lane3 = round(lane3, word(bytes, position + 8))
      lane4 = round(lane4, word(bytes, position + 12))
    }
    hash = (rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18)) | 0
  }
  hash = (hash + (end - start)) | 0
  for (; position + 4 <= end; position += 4) {
    hash = Math.imul(rotate((hash + Math.imul(word(bytes, position), PRIME_3)) | 0, 17), PRIME_4)
  }
  for (; position < end; position++) {
    hash = Math.imul(rotate((hash + Math.imul(bytes[position]!, PRIME_5)) | 0, 11), PRIME_1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function word(bytes: Uint8Array, position: number): number {
  return bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24)
}

/** A 64-bit lane as two int32, so that arithmetic leaves its result without an allocation. */
class Lane {
  high: number
  low: number

  constructor(high: number, low: number) {
    this.high = high | 0
    this.low = low | 0
  }

  set(high: number, low: number): this {
    this.high = high | 0
    this.low = low | 0
    return this
  }

  copy(other: Lane): this {
    return this.set(other.high, other.low)
  }

  add(high: number, low: number): this {
    const sum = (this.low >>> 0) + (low >>> 0)
    this.high = (this.high + high + (sum >= 0x1_0000_0000 ? 1 : 0)) | 0
    this.low = sum | 0
    return this
  }

  multiply(other: Lane): this {
    const { high, low } = this
    const a0 = low & 0xffff
    const a1 = low >>> 16
    const b0 = other.low & 0xffff
    const b1 = other.low >>> 16
    const middle1 = Math.imul(a0, b1) >>> 0
    const middle2 = Math.imul(a1, b0) >>> 0
    const carry = ((Math.imul(a0, b0) >>> 16) + (middle1 & 0xffff) + (middle2 & 0xffff)) >>> 16
    const upper = Math.imul(a1, b1) + (middle1 >>> 16) + (middle2 >>> 16) + carry
    this.high = (upper + Math.imul(high, other.low) + Math.imul(low, other.high)) | 0
    this.low = Math.imul(low, other.low)
    return this
  }

  /** `bits` is 1 to 31. */
  rotate(bits: number): this {
    const { high, low } = this
    this.high = (high << bits) | (low >>> (32 - bits))
    this.low = (low << bits) | (high >>> (32 - bits))
    return this
  }

  xor(high: number, low: number): this {
    this.high ^= high
    this.low ^= low
    return this
  }

  /** Takes in one word: the round of the specification. */
  absorb(high: number, low: number): this {
    INPUT.set(high, low).multiply(PRIME64_2)
    return this.add(INPUT.high, INPUT.low).rotate(31).multiply(PRIME64_1)
  }
}

const PRIME64_1 = new Lane(0x9e3779b1, 0x85ebca87)
const PRIME64_2 = new Lane(0xc2b2ae3d, 0x27d4eb4f)
const PRIME64_3 = new Lane(0x165667b1, 0x9e3779f9)
const PRIME64_4 = new Lane(0x85ebca77, 0xc2b2ae63)
const PRIME64_5 = new Lane(0x27d4eb2f, 0x165667c5)
const INPUT = new Lane(0, 0)

/** Low 32 bits of the xxHash64 of `bytes[start .. end)` with seed 0, as an uint32. */
export function xxhash64Low(bytes: Uint8Array, start: number, end: number): number {
  let position = start
  const hash = new Lane(0, 0)
  if (end - start >= 32) {
    const lanes = [
      new Lane(0, 0).copy(PRIME64_1).add(PRIME64_2.high, PRIME64_2.low),
      new Lane(0, 0).copy(PRIME64_2),
      new Lane(0, 0),
      new Lane(~PRIME64_1.high, ~PRIME64_1.low).add(0, 1),
    ] as const
    for (const lastStripe = end - 32; position <= lastStripe;) {
      for (const lane of lanes) {
        lane.absorb(word(bytes, position + 4), word(bytes, position))
        position += 8
      }
    }
    const turn = new Lane(0, 0)
    const rotations = [1, 7, 12, 18] as const
    for (let index = 0; index < 4; index++) {
      turn.copy(lanes[index]!).rotate(rotations[index]!)
      hash.add(turn.high, turn.low)
    }
    for (const lane of lanes) {
      turn.set(0, 0).absorb(lane.high, lane.low)
      hash.xor(turn.high, turn.low).multiply(PRIME64_1).add(PRIME64_4.high, PRIME64_4.low)
    }
  } else hash.copy(PRIME64_5)
  hash.add(0, end - start)
  const part = new Lane(0, 0)
  for (; position + 8 <= end; position += 8) {
    part.set(0, 0).absorb(word(bytes, position + 4), word(bytes, position))
    hash.xor(part.high, part.low).rotate(27).multiply(PRIME64_1).add(PRIME64_4.high, PRIME64_4.low)
  }
  if (position + 4 <= end) {
    part.set(0, word(bytes, position)).multiply(PRIME64_1)
    hash.xor(part.high, part.low).rotate(23).multiply(PRIME64_2).add(PRIME64_3.high, PRIME64_3.low)
    position += 4
  }
  for (; position < end; position++) {
    part.set(0, bytes[position]!).multiply(PRIME64_5)
    hash.xor(part.high, part.low).rotate(11).multiply(PRIME64_1)
  }
  hash.xor(0, hash.high >>> 1).multiply(PRIME64_2) // hash ^= hash >>> 33
  const { high, low } = hash
  hash.xor(high >>> 29, (high << 3) | (low >>> 29)).multiply(PRIME64_3) // hash ^= hash >>> 29
  return (hash.low ^ hash.high) >>> 0 // hash ^= hash >>> 32
}
