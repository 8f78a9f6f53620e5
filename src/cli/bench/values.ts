/**
 * Values that can be recognised: what a bench appends, and how every one of them is checked when it is read back. @hot
 *
 *  byte  size  field          little endian
 *  ----  ----  -------------  ---------------------------------------------------------------
 *     0     4  sequence, low  counts this producer's records from 0
 *     4     2  sequence, high
 *     6     2  producer       0, 1, ... for the threads that append
 *     8     8  time           f64, SharedClock milliseconds at the append; 0 where nobody wants it
 *    16     -  filler         one of 64 fixed texts, chosen by the sequence
 *
 * A key, where records have one, is the first 8 bytes of the value. The fillers are text, so compression has something
 * to do; they repeat after 64 records, so it does better than on most real data.
 *
 * Fillers are compared eight bytes at a time, as doubles: a byte loop would cost more than everything else that a
 * consumer does. Letters make doubles that are neither NaN nor zero, and such are equal only if all their bits are.
 */
export const VALUE_BYTES_MIN = 16
export const KEY_BYTES = 8

const SEQUENCE_HIGH = 4
const PRODUCER = 6
const TIME = 8
const FILLER_COUNT = 64
const TWO_POW_32 = 0x1_0000_0000

interface Filler {
  readonly bytes: Uint8Array
  readonly view: DataView
}

/** The same in every process and thread. */
function makeFillers(recordSize: number): Filler[] {
  let state = 0x2545_f491
  const nextByte = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % 27
  }
  return Array.from({ length: FILLER_COUNT }, () => {
    const bytes = new Uint8Array(recordSize)
    for (let i = VALUE_BYTES_MIN; i < recordSize; i++) {
      const letter = nextByte()
      bytes[i] = letter === 26 ? 0x20 : 0x61 + letter
    }
    return { bytes, view: new DataView(bytes.buffer) }
  })
}

/** Makes one producer's values. The array returned is used again 64 records later: append() has copied it by then. */
export class ValueMaker {
  readonly #fillers: Filler[]
  readonly #keys: Uint8Array[]

  /** `recordSize` is at least VALUE_BYTES_MIN. */
  constructor(recordSize: number, producerIndex: number) {
    this.#fillers = makeFillers(recordSize)
    for (const { view } of this.#fillers) view.setUint16(PRODUCER, producerIndex, true)
    this.#keys = this.#fillers.map(({ bytes }) => bytes.subarray(0, KEY_BYTES))
  }

  make(sequence: number, timeMs: number): Uint8Array {
    const { bytes, view } = this.#fillers[sequence & (FILLER_COUNT - 1)]!
    view.setUint32(0, sequence >>> 0, true)
    view.setUint16(SEQUENCE_HIGH, Math.floor(sequence / TWO_POW_32), true)
    view.setFloat64(TIME, timeMs, true)
    return bytes
  }

  /** The key that goes with the value made last for `sequence`. */
  key(sequence: number): Uint8Array {
    return this.#keys[sequence & (FILLER_COUNT - 1)]!
  }
}

/** The sequence in the value at `position`. */
export function sequenceAt(view: DataView, position: number): number {
  return view.getUint32(position, true) + view.getUint16(position + SEQUENCE_HIGH, true) * TWO_POW_32
}

export function producerAt(view: DataView, position: number): number {
  return view.getUint16(position + PRODUCER, true)
}

export function timeAt(view: DataView, position: number): number {
  return view.getFloat64(position + TIME, true)
}

export class ValueChecker {
  readonly #recordSize: number
  readonly #fillers: Filler[]

  constructor(recordSize: number) {
    this.#recordSize = recordSize
    this.#fillers = makeFillers(recordSize)
  }

  /** Whether the `length` bytes at `position` are the filler that belongs to the sequence in front of it. */
  isWhole(view: DataView, position: number, length: number): boolean {
    const recordSize = this.#recordSize
    if (length !== recordSize) return false
    const filler = this.#fillers[view.getUint8(position) & (FILLER_COUNT - 1)]!.view
    let difference = 0
    let index = VALUE_BYTES_MIN
    for (const last = recordSize - 8; index <= last; index += 8) {
      if (view.getFloat64(position + index, true) !== filler.getFloat64(index, true)) return false
    }
    for (; index < recordSize; index++) difference |= view.getUint8(position + index) ^ filler.getUint8(index)
    return difference === 0
  }
}
