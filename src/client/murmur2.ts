/**
 * Kafka's default partitioner of keyed records: murmur2 with Kafka's seed. @hot
 *
 * Every client must agree on it, or one key ends up in two partitions and loses its order. Byte reads instead of a
 * DataView: keys are short and a view per key would cost more than it saves. An empty key is a key like any other;
 * a record without a key is spread by the producer and never comes here.
 */
import { assert } from '../base/assert.ts'

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995

/** Hash of `bytes[start .. end)` as an int32, equal to the Java client's. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  assert(start >= 0 && start <= end && end <= bytes.length, 'key lies within its bytes')
  let hash = SEED ^ (end - start)
  let position = start
  for (const lastWord = end - 4; position <= lastWord; position += 4) {
    let word =
      bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> 24
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const tailBytes = end - position
  if (tailBytes > 0) {
    if (tailBytes === 3) hash ^= bytes[position + 2]! << 16
    if (tailBytes >= 2) hash ^= bytes[position + 1]! << 8
    hash = Math.imul(hash ^ bytes[position]!, MULTIPLIER)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return (hash ^ (hash >>> 15)) | 0
}

/** Partition 0 .. partitionCount - 1 of the key `bytes[start .. end)`. Masks the sign bit, as Kafka does; no abs(). */
export function partitionForKey(bytes: Uint8Array, start: number, end: number, partitionCount: number): number {
  assert(partitionCount > 0, 'a topic has at least one partition')
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitionCount
}
