/**
 * 64-bit fields as JavaScript numbers. @hot
 *
 * Offsets, producer ids and timestamps are int64 on the wire and on disk. We carry them as `number`, exact up to
 * 2^53 - 1: at ten million records a second one partition reaches that after 28 years. BigInt costs 10 to 60 times
 * more per read (bench/base/int64.bench.ts) and allocates, so it appears only in Atomics on 64-bit words
 * (ring/watermarks.ts).
 */
import { assert } from './assert.ts'

const TWO_POW_32 = 0x1_0000_0000

/** A value outside -2^53 .. 2^53 loses its low bits: callers that read foreign bytes check isSafeInt64 first. */
export function getInt64(view: DataView, position: number): number {
  return view.getInt32(position) * TWO_POW_32 + view.getUint32(position + 4)
}

export function setInt64(view: DataView, position: number, value: number): void {
  assert(Number.isSafeInteger(value), 'int64 field is a safe integer')
  view.setInt32(position, Math.floor(value / TWO_POW_32))
  view.setUint32(position + 4, value >>> 0)
}

/** Whether the eight bytes at `position` hold a safe integer, one that a `number` carries exactly. */
export function isSafeInt64(view: DataView, position: number): boolean {
  const high = view.getInt32(position)
  return high < 0x20_0000 && (high > -0x20_0000 || (high === -0x20_0000 && view.getUint32(position + 4) !== 0))
}
