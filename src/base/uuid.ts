/**
 * Kafka's text form of a UUID: its 16 bytes in URL-safe base64 without padding, always 22 characters. Topic ids,
 * directory ids and cluster ids are written so.
 */
import { assert } from './assert.ts'
import type { Random } from './env/env.ts'

export const UUID_BYTES = 16

/** Means "none" on the wire. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'
/** The id of Kafka's metadata topic. */
export const ONE_UUID = 'AAAAAAAAAAAAAAAAAAAAAQ'

/**
 * A new version 4 UUID. As in Kafka never a reserved one, nor one that begins with '-', like an option on a command
 * line.
 */
export function randomUuid(random: Random): string {
  const bytes = new Uint8Array(UUID_BYTES)
  // Each turn succeeds with 63 in 64: a thousand failures mean a broken source of randomness.
  for (let attempt = 0; attempt < 1000; attempt++) {
    random.fill(bytes)
    bytes[6] = (bytes[6]! & 0x0f) | 0x40 // Version 4, so none of the reserved ids, which are almost all zeros.
    bytes[8] = (bytes[8]! & 0x3f) | 0x80 // Variant 2.
    const text = uuidFromBytes(bytes)
    if (!text.startsWith('-')) return text
  }
  throw new Error('the source of randomness gives the same bytes again and again')
}

/** `bytes[position .. position + 16)` as text. */
export function uuidFromBytes(bytes: Uint8Array, position = 0): string {
  assert(position >= 0 && position + UUID_BYTES <= bytes.length, 'UUID lies inside the bytes')
  return Buffer.from(bytes.buffer, bytes.byteOffset + position, UUID_BYTES).toString('base64url')
}

/** The 16 bytes of `text`, or undefined if it is no UUID in the one form that uuidFromBytes gives. */
export function uuidToBytes(text: string): Uint8Array | undefined {
  if (text.length !== 22) return undefined
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'))
  // Decoding skips foreign characters and ignores the last four bits: only the way back shows them.
  return bytes.length === UUID_BYTES && uuidFromBytes(bytes) === text ? bytes : undefined
}

export function isUuid(text: string): boolean {
  return uuidToBytes(text) !== undefined
}
