/**
 * What the records of the crash suite hold: a value is a function of its id, so a reader can check every byte of it.
 *
 * An id is `<run>.<lane>.<n>`: the process, one of its producers, and a count of that producer in that partition.
 */
const SIZE_MAX = 1500

/** A generator with 32 bits of state, seeded by a text. */
export function generatorOf(text) {
  let state = 2166136261
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619)
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x297a2d39
    state ^= state >>> 12
    return state >>> 0
  }
}

/** @returns {Uint8Array} */
export function valueOf(id) {
  const next = generatorOf(id)
  const head = Buffer.from(`${id}|`, 'latin1')
  // Most records are small; some make batches roll segments.
  const size = head.length + (next() % 16 === 0 ? next() % SIZE_MAX : next() % 100)
  const value = Buffer.alloc(size)
  head.copy(value)
  for (let i = head.length; i < size; i++) value[i] = next()
  return new Uint8Array(value.buffer, value.byteOffset, value.length)
}

/** The id of a value, or undefined if not every byte is as it was made. */
export function idOf(value) {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  const end = bytes.indexOf(0x7c)
  if (end < 0) return undefined
  const id = bytes.toString('latin1', 0, end)
  return bytes.equals(valueOf(id)) ? id : undefined
}
