/**
 * The copies that every LZ77 codec lives on. @hot
 *
 * Most are of a few bytes. They go in words of four through a DataView, which costs half of a byte loop (measured:
 * bench/record/compression.bench.ts), and may spill up to three bytes past the end: the target has COPY_SLACK_BYTES of
 * room behind what is asked, and the next copy writes over them. Long copies are left to memmove. Callers have checked
 * that source and target ranges exist.
 */

/** Bytes behind the end of a copy that must exist and may be written. */
export const COPY_SLACK_BYTES = 4

const WORDS_BYTES_MAX = 48

/** Copies `length` bytes from `source[from ..)` to `target[to ..)`, two different arrays, each with its view. */
export function copyLiterals(
  target: Uint8Array,
  targetView: DataView,
  to: number,
  source: Uint8Array,
  sourceView: DataView,
  from: number,
  length: number,
): void {
  const end = to + length
  if (length <= WORDS_BYTES_MAX && from + length + 3 <= source.length) {
    while (to < end) {
      targetView.setInt32(to, sourceView.getInt32(from))
      to += 4
      from += 4
    }
  } else if (length <= WORDS_BYTES_MAX) {
    while (to < end) target[to++] = source[from++]!
  } else target.set(source.subarray(from, from + length), to)
}

/** Repeats what lies `distance` bytes back: `length` bytes at `bytes[to ..)`. The two ranges may overlap. */
export function copyMatch(bytes: Uint8Array, view: DataView, to: number, distance: number, length: number): void {
  const end = to + length
  let from = to - distance
  if (length > WORDS_BYTES_MAX) copyLongMatch(bytes, from, to, end)
  else if (distance >= 4) {
    while (to < end) {
      view.setInt32(to, view.getInt32(from))
      to += 4
      from += 4
    }
  } else while (to < end) bytes[to++] = bytes[from++]!
}

function copyLongMatch(bytes: Uint8Array, from: number, to: number, end: number): void {
  if (to - from === 1) {
    bytes.fill(bytes[from]!, to, end)
    return
  }
  // A period grows by doubling: each copy repeats all that is there since `from`.
  while (to < end) {
    const size = Math.min(to - from, end - to)
    bytes.copyWithin(to, from, from + size)
    to += size
  }
}

/** Where the bytes from `from` on and from `to` on cease to be equal, counted at `to`; `end` at most. */
export function matchEnd(bytes: Uint8Array, view: DataView, from: number, to: number, end: number): number {
  for (const wordsEnd = end - 3; to < wordsEnd;) {
    const difference = view.getInt32(from, true) ^ view.getInt32(to, true)
    if (difference !== 0) return to + ((31 - Math.clz32(difference & -difference)) >> 3)
    from += 4
    to += 4
  }
  while (to < end && bytes[from] === bytes[to]) {
    from += 1
    to += 1
  }
  return to
}

/** The view that goes with a codec's array. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
