/**
 * What frames of the race tests and of the thread bench hold: all of it follows from the sequence number and a seed, so
 * both sides know every byte without speaking to each other.
 */

/** @param {number} sequence @param {number} seed @returns {number} a well mixed u32 */
function mix(sequence, seed) {
  let mixed = Math.imul(sequence ^ seed, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b)
  return (mixed ^ (mixed >>> 13)) >>> 0
}

/** @param {number} sequence @param {number} seed @param {number} lengthMax @returns {number} 0 .. lengthMax */
export function lengthOf(sequence, seed, lengthMax) {
  return mix(sequence, seed) % (lengthMax + 1)
}

/** @param {number} sequence @returns {number} the frame's type: a u32 */
export function typeOf(sequence) {
  return sequence >>> 0
}

/**
 * Writes a payload. @param {Uint8Array} bytes @param {number} position @param {number} length @param {number} sequence
 */
export function fillPayload(bytes, position, length, sequence) {
  let byte = Math.imul(sequence, 0x9e3779b1) >>> 24
  for (let at = position; at < position + length; at++) {
    bytes[at] = byte
    byte = (byte + 7) & 0xff
  }
}

/**
 * Compares every byte of a payload.
 * @param {Uint8Array} bytes @param {number} position @param {number} length @param {number} sequence
 * @returns {number} the position of the first wrong byte, or -1
 */
export function findWrongByte(bytes, position, length, sequence) {
  let byte = Math.imul(sequence, 0x9e3779b1) >>> 24
  for (let at = position; at < position + length; at++) {
    if (bytes[at] !== byte) return at
    byte = (byte + 7) & 0xff
  }
  return -1
}

/**
 * Checks one frame whole; throws with its place.
 * @param {Uint8Array} bytes @param {number} type @param {number} position @param {number} length
 * @param {number} sequence @param {number} seed @param {number} lengthMax
 */
export function checkFrame(bytes, type, position, length, sequence, seed, lengthMax) {
  if (type !== typeOf(sequence)) throw new Error(`SEED=${seed} type=${type} instead of ${typeOf(sequence)}`)
  const expected = lengthOf(sequence, seed, lengthMax)
  if (length !== expected) throw new Error(`SEED=${seed} sequence=${sequence} length=${length} instead of ${expected}`)
  const wrong = findWrongByte(bytes, position, length, sequence)
  if (wrong !== -1) throw new Error(`SEED=${seed} sequence=${sequence} byte ${wrong - position} is ${bytes[wrong]}`)
}
