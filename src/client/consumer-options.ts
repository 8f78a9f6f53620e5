/**
 * What a consumer may choose, and how places in a log are named.
 */
import { VltavaError } from '../base/errors.ts'
import type { OffsetSpec } from '../protocol/transport.ts'
import type { GroupOptions } from './group-options.ts'
import type { Serde, SerdeName } from './serdes.ts'

export interface ConsumerOptions<K = Uint8Array, V = Uint8Array> extends GroupOptions {
  readonly key?: SerdeName | Serde<K>
  readonly value?: SerdeName | Serde<V>
  /**
   * Where to begin when nothing else says so, and where to go when the wanted offset is not in the log (any more).
   * 'none': a member of a group without a committed offset is an error, NO_COMMITTED_OFFSET. Without it reading begins
   * at the start. With 'none' and without it, an offset outside the log is an OffsetOutOfRangeError.
   */
  readonly from?: 'earliest' | 'latest' | 'none'
  /** Bytes that are taken from one partition before the next has its turn. Default 1,048,576. */
  readonly fetchBytes?: number
}

/** Where to begin: an offset, the start, the end, or the first record at or after a time (Date, or { timestamp }). */
export type StartPosition = number | 'start' | 'end' | Date | { readonly timestamp: number }

export interface Assignment {
  readonly topic: string
  /** Default: all partitions of the topic. */
  readonly partition?: number
  /** Default: what the group has committed, if there is a group; else the consumer's `from`, else 'start'. */
  readonly offset?: StartPosition
}

export interface BatchesOptions {
  readonly signal?: AbortSignal
  /** 'end': stop at the end that each partition has when the loop begins. Default: go on for ever. */
  readonly until?: 'end'
}

export type From = ConsumerOptions['from']

/** Throws VltavaError INVALID_ARGUMENT. */
export function checkFrom(from: From): From {
  if ([undefined, 'earliest', 'latest', 'none'].includes(from)) return from
  throw new VltavaError('INVALID_ARGUMENT', `from=${String(from)} is none of earliest, latest, none`)
}

/** Structural, so that a Date of another realm counts too. */
export function isDate(value: object | string | number | null): value is Date {
  return typeof value === 'object' && value !== null && 'getTime' in value
}

/** What has to be looked up for a place; a number is an offset as it is. Throws VltavaError INVALID_ARGUMENT. */
export function placeOf(to: StartPosition): number | OffsetSpec {
  if (typeof to !== 'number') return isDate(to) ? { timestamp: to.getTime() } : to
  if (Number.isSafeInteger(to) && to >= 0) return to
  throw new VltavaError('INVALID_ARGUMENT', `offset=${to} is not a whole number, 0 or more; use 'start' or 'end'`)
}
