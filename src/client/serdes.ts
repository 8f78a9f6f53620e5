/**
 * Serdes: how a program's keys and values become the bytes of a record, and back. @hot
 *
 * A serde never sees `null` or `undefined`: an absent key and a tombstone's value have no bytes, so producer and
 * consumer handle them. Bytes passed to deserialize() are lent for the call: they may lie in shared memory or in a
 * mapped file. All built-ins copy out of them, except `bytes`, which hands the same view on (valid as long as the
 * batch that it came from).
 *
 * The two optional methods let a producer encode straight into its ring: sizeOf() gives the exact byte count, the
 * producer reserves that, serializeInto() fills it. JSON and MessagePack know their size only after the work is done,
 * so they offer serialize() alone. TextEncoder refuses shared memory; Buffer's own writer takes it, so `string` keeps
 * one Buffer per target. A short ASCII string is written by a loop: cheaper than the call into C++ (measured: under
 * about 12 characters).
 */
import { Packr } from 'msgpackr'
import { assert } from '../base/assert.ts'
import { VltavaError } from '../base/errors.ts'
import { checkMsgpack } from './msgpack-check.ts'

export interface Serde<T> {
  /** Stands in error messages. */
  readonly name: string
  serialize(value: T): Uint8Array
  deserialize(bytes: Uint8Array): T
  /** Exact size in bytes of what serialize() and serializeInto() make of `value`. */
  sizeOf?(value: T): number
  /**
   * Writes `value` at `target[position ..)` and returns the position after it. `target` has at least sizeOf(value)
   * bytes there, and may be shared memory.
   */
  serializeInto?(value: T, target: Uint8Array, position: number): number
}

/** A serde with both optional methods: what the producer's in-place path needs. */
export type SizedSerde<T> = Required<Serde<T>>

export type SerdeName = 'bytes' | 'string' | 'json' | 'msgpack'

/** What the `key` and `value` options take. */
export type SerdeChoice = SerdeName | Serde<unknown>

/** The type of keys or values that go with a choice. */
export type SerdeData<S extends SerdeChoice> =
  S extends Serde<infer T> ? T : S extends 'bytes' ? Uint8Array : S extends 'string' ? string : unknown

const ASCII_LOOP_CHARACTERS_MAX = 12

const bufferOfTarget = new WeakMap<Uint8Array, Buffer>()

/** Whoever sees this has most likely not chosen a serde: say how. */
const BYTES_EXPECTED = "a Uint8Array; for others name a serde, such as { key: 'string', value: 'json' }"

const bytesSerde: SizedSerde<Uint8Array> = {
  name: 'bytes',
  serialize(value) {
    if (!(value instanceof Uint8Array)) throw wrongType('bytes', BYTES_EXPECTED, value)
    return value
  },
  deserialize: (bytes) => bytes,
  sizeOf(value) {
    if (!(value instanceof Uint8Array)) throw wrongType('bytes', BYTES_EXPECTED, value)
    return value.length
  },
  serializeInto(value, target, position) {
    target.set(value, position)
    return position + value.length
  },
}

/**
 * UTF-8. As in Kafka's StringDeserializer, malformed bytes become U+FFFD instead of an error; so does a lone
 * surrogate on the way in. A byte order mark is kept.
 */
const stringSerde: SizedSerde<string> = {
  name: 'string',
  serialize(value) {
    if (typeof value !== 'string') throw wrongType('string', 'a string', value)
    return encodeUtf8(value)
  },
  deserialize: decodeUtf8,
  sizeOf(value) {
    if (typeof value !== 'string') throw wrongType('string', 'a string', value)
    return Buffer.byteLength(value)
  },
  serializeInto(value, target, position) {
    const length = value.length
    assert(position + length <= target.length, 'target has room for the string')
    if (length <= ASCII_LOOP_CHARACTERS_MAX) {
      let index = 0
      for (; index < length; index++) {
        const character = value.charCodeAt(index)
        if (character > 0x7f) break
        target[position + index] = character
      }
      if (index === length) return position + length
    }
    return position + asBuffer(target).write(value, position)
  },
}

const jsonSerde: Serde<unknown> = {
  name: 'json',
  serialize(value) {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch (cause) {
      throw serializationError('serialize', 'json', describe(value), cause)
    }
    if (text === undefined) throw wrongType('json', 'a value that JSON can express', value)
    return encodeUtf8(text)
  },
  deserialize(bytes) {
    try {
      const value: unknown = JSON.parse(decodeUtf8(bytes))
      return value
    } catch (cause) {
      throw serializationError('deserialize', 'json', describe(bytes), cause)
    }
  },
}

/**
 * MessagePack without msgpackr's record structures, so that every record is readable by itself and in any language:
 * plain data, bytes and dates. Integers outside the safe range come back as bigint. A Map becomes an object.
 */
const msgpackSerde: Serde<unknown> = createMsgpackSerde()

function createMsgpackSerde(): Serde<unknown> {
  const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })
  Object.assign(packr, { int64AsType: 'auto' }) // Documented by msgpackr, but not in the types of its constructor.
  return {
    name: 'msgpack',
    serialize(value) {
      if (typeof value === 'function' || typeof value === 'symbol') throw wrongType('msgpack', 'plain data', value)
      try {
        const bytes = asUint8Array(packr.pack(value))
        if (checkMsgpack(bytes)) refuseForeignViews(value)
        return bytes
      } catch (cause) {
        throw serializationError('serialize', 'msgpack', describe(value), cause)
      }
    },
    deserialize(bytes) {
      // A copy, for three reasons: the check and the decoder see the same bytes even if shared memory changes under
      // them; msgpackr reads native strings from plain memory only; and it leaves a property behind on its source.
      const copy = new Uint8Array(bytes)
      try {
        checkMsgpack(copy)
        const value: unknown = packr.unpack(copy)
        return value
      } catch (cause) {
        throw serializationError('deserialize', 'msgpack', describe(bytes), cause)
      }
    },
  }
}

/**
 * msgpackr copies a view of wider elements as if they were bytes: a Float64Array of one element becomes one wrong byte
 * and seven left over from earlier records. Called only when the result holds binary, so that plain objects are not
 * walked twice. Recursion is bounded: packing the same value has already succeeded.
 */
function refuseForeignViews(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  if (ArrayBuffer.isView(value)) {
    throw new VltavaError('SERIALIZATION', `${value.constructor.name} has no MessagePack form, pass a Uint8Array of it`)
  }
  if (value instanceof Map) {
    for (const entry of value) refuseForeignViews(entry)
  } else if (value instanceof Set) {
    for (const member of value) refuseForeignViews(member)
  } else {
    for (const member of Object.values(value)) refuseForeignViews(member)
  }
}

export const serdes = { bytes: bytesSerde, string: stringSerde, json: jsonSerde, msgpack: msgpackSerde } as const

/** The built-in of that name, or `serde` itself once it is known to be one. Throws INVALID_ARGUMENT otherwise. */
export function resolveSerde<N extends SerdeName>(serde: N): (typeof serdes)[N]
export function resolveSerde<T>(serde: Serde<T>): Serde<T>
export function resolveSerde<T>(serde: SerdeName | Serde<T>): (typeof serdes)[SerdeName] | Serde<T>
export function resolveSerde<T>(serde: SerdeName | Serde<T>): (typeof serdes)[SerdeName] | Serde<T> {
  if (typeof serde === 'string') {
    if (Object.hasOwn(serdes, serde)) return serdes[serde]
    throw new VltavaError('INVALID_ARGUMENT', `serde=${serde} is unknown, use ${Object.keys(serdes).join(', ')}`)
  }
  if (typeof serde?.serialize !== 'function' || typeof serde.deserialize !== 'function') {
    throw new VltavaError('INVALID_ARGUMENT', 'serde has no serialize() and deserialize()')
  }
  return serde
}

/**
 * A program's own serde, so that whatever it throws is a SERIALIZATION error, and what it makes is bytes: a text or an
 * array in their place would become a record that nobody meant. Built-ins keep these promises by themselves.
 */
export function guardSerde<T>(serde: Serde<T>): Serde<T> {
  if (Object.values<unknown>(serdes).includes(serde)) return serde
  const name = String(serde.name)
  return {
    name,
    serialize(value) {
      let bytes: unknown
      try {
        bytes = serde.serialize(value)
      } catch (cause) {
        throw serializationError('serialize', name, describe(value), cause)
      }
      if (bytes instanceof Uint8Array) return bytes
      throw serializationError('serialize', name, `${describe(value)}: it made ${describe(bytes)}, not a Uint8Array`)
    },
    deserialize(bytes) {
      try {
        return serde.deserialize(bytes)
      } catch (cause) {
        throw serializationError('deserialize', name, describe(bytes), cause)
      }
    },
  }
}

/**
 * The one error of this floor. `what` says which value: its type here, topic, partition and offset where a producer
 * or consumer wraps the failure of somebody's own serde. The value itself stays out of the message: it may be secret.
 */
export function serializationError(
  action: 'serialize' | 'deserialize',
  serdeName: string,
  what: string,
  cause?: unknown,
): VltavaError {
  const reason = cause instanceof VltavaError ? `: ${cause.message}` : cause instanceof Error ? `: ${cause.name}` : ''
  const message = `serde=${serdeName} cannot ${action} ${what}${reason}`
  return new VltavaError('SERIALIZATION', message, cause === undefined ? {} : { cause })
}

function wrongType(serdeName: string, expected: string, value: unknown): VltavaError {
  return serializationError('serialize', serdeName, `${describe(value)}, it takes ${expected}`)
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value !== 'object') return `a ${typeof value}`
  return Array.isArray(value) ? `an array of ${value.length}` : 'an object'
}

function encodeUtf8(text: string): Uint8Array {
  return asUint8Array(Buffer.from(text))
}

function decodeUtf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

/** A plain view: code downstream sees one class only. */
function asUint8Array(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}

function asBuffer(target: Uint8Array): Buffer {
  if (Buffer.isBuffer(target)) return target
  let buffer = bufferOfTarget.get(target)
  if (buffer === undefined) {
    buffer = Buffer.from(target.buffer, target.byteOffset, target.byteLength)
    bufferOfTarget.set(target, buffer)
  }
  return buffer
}
