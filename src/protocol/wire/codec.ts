/**
 * Codecs: encoder and decoder of a struct in one version, compiled from its declaration once, when first needed. @hot
 *
 * Compiled into closures, not into source text: nothing here needs eval, and a frame's cost is its records.
 * A field that a version lacks costs nothing in that version: it comes from a template of the object.
 */
import { assert } from '../../base/assert.ts'
import { ZERO_UUID } from '../../base/uuid.ts'
import type { FieldOptions, Fields, Primitive, WireType } from './schema.ts'
import { WireFormatError } from './wire-error.ts'
import type { WireReader } from './wire-reader.ts'
import { type ExternalBytes, WireWriter } from './wire-writer.ts'

/** One type in one version. */
interface Codec {
  /** The fewest bytes that a value takes. */
  readonly bytesMin: number
  read(reader: WireReader): unknown
  write(writer: WireWriter, value: unknown): void
}

export interface StructCodec extends Codec {
  read(reader: WireReader): Record<string, unknown>
}

interface CompiledField {
  readonly name: string
  readonly codec: Codec
  readonly default: unknown
  readonly tag: number | undefined
}

const TAGS_MAX = 10_000
const NOTHING: readonly never[] = Object.freeze([])

/** Throws an assertion for a declaration that makes no sense. */
export function compileStruct(fields: Fields, version: number, isFlexible: boolean): StructCodec {
  const template: Record<string, unknown> = {}
  const plain: CompiledField[] = []
  const tagged: CompiledField[] = []
  const absent: { readonly name: string; readonly default: unknown }[] = []
  for (const [name, { type, options }] of Object.entries(fields)) {
    const isNullable = version >= (options.nullableSince ?? Infinity)
    const fallback = defaultOf(type, options)
    template[name] = fallback
    const { since = 0, until = Infinity, tag, tagSince = since } = options
    if (version < since || version > until) {
      if (options.ignorable !== true) absent.push({ name, default: fallback })
      continue
    }
    const codec = compileType(name, type, version, isFlexible && options.inflexible !== true, isNullable)
    const isTagged = tag !== undefined && version >= tagSince
    assert(!isTagged || isFlexible, 'tagged fields are of flexible versions')
    const field = { name, codec, default: fallback, tag: isTagged ? tag : undefined }
    if (isTagged) tagged.push(field)
    else plain.push(field)
  }
  tagged.sort((one, other) => one.tag! - other.tag!)
  const byTag = new Map(tagged.map((field) => [field.tag!, field]))

  const readTags = (reader: WireReader, target: Record<string, unknown>): void => {
    const count = reader.unsignedVarint()
    if (count > TAGS_MAX) throw new WireFormatError(`has count=${count} tagged fields, over ${TAGS_MAX}`)
    let last = -1
    for (let i = 0; i < count; i++) {
      const tag = reader.unsignedVarint()
      if (tag <= last) throw new WireFormatError(`has tag=${tag} behind tag=${last}`)
      last = tag
      const end = reader.unsignedVarint() + reader.position
      const field = byTag.get(tag)
      if (field !== undefined) target[field.name] = field.codec.read(reader)
      if (reader.position > end) throw new WireFormatError(`has a tagged field tag=${tag} larger than it says`)
      reader.take(end - reader.position) // Of an unknown field all, of a known one what a later version added.
    }
  }
  const writeTags = (writer: WireWriter, source: Record<string, unknown>): void => {
    let count = 0
    for (const { name, default: fallback } of tagged) if (!isDefault(source[name], fallback)) count += 1
    writer.unsignedVarint(count)
    if (count === 0) return // As good as always: those that are set are rare.
    for (const { name, codec, tag, default: fallback } of tagged) {
      if (isDefault(source[name], fallback)) continue
      const value = new WireWriter()
      codec.write(value, source[name])
      const bytes = value.finish()
      writer.unsignedVarint(tag!)
      writer.unsignedVarint(bytes.length)
      writer.raw(bytes)
    }
  }

  return {
    bytesMin: plain.reduce((sum, { codec }) => sum + codec.bytesMin, isFlexible ? 1 : 0),
    read(reader) {
      const target = { ...template }
      for (const { name, codec } of plain) target[name] = codec.read(reader)
      if (isFlexible) readTags(reader, target)
      return target
    },
    write(writer, value) {
      const source = value as Record<string, unknown>
      for (const { name, default: fallback } of absent) {
        if (!isDefault(source[name], fallback))
          throw new WireFormatError(`${name} cannot be said in version ${version}`)
      }
      for (const { name, codec, default: fallback } of plain) {
        const given = source[name]
        codec.write(writer, given === undefined ? fallback : given)
      }
      if (isFlexible) writeTags(writer, source)
    },
  }
}

function compileType(name: string, type: WireType, version: number, isFlexible: boolean, isNullable: boolean): Codec {
  switch (type.kind) {
    case 'array':
      return compileArray(name, compileType(name, type.element, version, isFlexible, false), isFlexible, isNullable)
    case 'struct': {
      const codec = compileStruct(type.fields, version, isFlexible)
      return isNullable ? nullableStruct(codec) : codec
    }
    case 'string':
      return stringCodec(name, isFlexible, isNullable)
    case 'bytes':
    case 'records':
      return bytesCodec(name, isFlexible, isNullable)
    case 'int8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'float64':
    case 'boolean':
    case 'uuid':
      return FIXED[type.kind]
  }
}

function compileArray(name: string, element: Codec, isFlexible: boolean, isNullable: boolean): Codec {
  // An element of no bytes at all would let a count stand for memory that nobody sent.
  const elementBytesMin = Math.max(1, element.bytesMin)
  return {
    bytesMin: isFlexible ? 1 : 4,
    read(reader) {
      const count = reader.arrayLength(isFlexible, elementBytesMin)
      if (count < 0) return nullIf(isNullable, name)
      const values = new Array<unknown>(count)
      for (let i = 0; i < count; i++) values[i] = element.read(reader)
      return values
    },
    write(writer, value) {
      const values = value as readonly unknown[] | null
      if (values === null) nullIf(isNullable, name)
      writer.length(values === null ? -1 : values.length, isFlexible)
      if (values !== null) for (const each of values) element.write(writer, each)
    },
  }
}

/** A byte -1 for null, 1 for a struct that follows. */
function nullableStruct(codec: Codec): Codec {
  return {
    bytesMin: 1,
    read: (reader) => (reader.int8() < 0 ? null : codec.read(reader)),
    write(writer, value) {
      writer.int8(value === null ? -1 : 1)
      if (value !== null) codec.write(writer, value)
    },
  }
}

function stringCodec(name: string, isFlexible: boolean, isNullable: boolean): Codec {
  return {
    bytesMin: isFlexible ? 1 : 2,
    read(reader) {
      const length = reader.stringLength(isFlexible)
      return length < 0 ? nullIf(isNullable, name) : reader.text(length)
    },
    write(writer, value) {
      if (value === null) nullIf(isNullable, name)
      writer.string(value as string | null, isFlexible)
    },
  }
}

function bytesCodec(name: string, isFlexible: boolean, isNullable: boolean): Codec {
  return {
    bytesMin: isFlexible ? 1 : 4,
    read(reader) {
      const length = reader.bytesLength(isFlexible)
      return length < 0 ? nullIf(isNullable, name) : reader.subarray(length)
    },
    write(writer, value) {
      if (value === null || value instanceof Uint8Array) {
        if (value === null) nullIf(isNullable, name)
        writer.bytes(value, isFlexible)
        return
      }
      const external = value as ExternalBytes
      writer.length(external.sizeBytes, isFlexible)
      writer.external(external)
    },
  }
}

function nullIf(isNullable: boolean, name: string): null {
  if (!isNullable) throw new WireFormatError(`${name} is null, which its version does not know`)
  return null
}

type FixedKind = Exclude<Primitive, 'string' | 'bytes' | 'records'>

const FIXED: Readonly<Record<FixedKind, Codec>> = {
  int8: { bytesMin: 1, read: (reader) => reader.int8(), write: (writer, value) => writer.int8(value as number) },
  int16: { bytesMin: 2, read: (reader) => reader.int16(), write: (writer, value) => writer.int16(value as number) },
  uint16: { bytesMin: 2, read: (reader) => reader.uint16(), write: (writer, value) => writer.uint16(value as number) },
  int32: { bytesMin: 4, read: (reader) => reader.int32(), write: (writer, value) => writer.int32(value as number) },
  uint32: { bytesMin: 4, read: (reader) => reader.uint32(), write: (writer, value) => writer.uint32(value as number) },
  int64: { bytesMin: 8, read: (reader) => reader.int64(), write: (writer, value) => writer.int64(value as number) },
  float64: {
    bytesMin: 8,
    read: (reader) => reader.float64(),
    write: (writer, value) => writer.float64(value as number),
  },
  boolean: {
    bytesMin: 1,
    read: (reader) => reader.boolean(),
    write: (writer, value) => writer.boolean(value as boolean),
  },
  uuid: { bytesMin: 16, read: (reader) => reader.uuid(), write: (writer, value) => writer.uuid(value as string) },
}

function defaultOf(type: WireType, options: FieldOptions): unknown {
  if ('default' in options) return options.default
  switch (type.kind) {
    case 'array':
      return NOTHING
    case 'struct':
      return defaultStruct(type.fields)
    case 'string':
      return ''
    case 'bytes':
      return EMPTY_BYTES
    case 'records':
      return null
    case 'boolean':
      return false
    case 'uuid':
      return ZERO_UUID
    case 'int8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'float64':
      return 0
  }
}

const EMPTY_BYTES = new Uint8Array(0)

function defaultStruct(fields: Fields): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, { type, options }]) => [name, defaultOf(type, options)])
  return Object.freeze(Object.fromEntries(entries)) as Record<string, unknown>
}

function isDefault(value: unknown, fallback: unknown): boolean {
  if (value === undefined || value === fallback) return true
  if (Array.isArray(value)) return value.length === 0 && Array.isArray(fallback) && fallback.length === 0
  if (value === null || fallback === null || typeof value !== 'object' || typeof fallback !== 'object') return false
  if (value instanceof Uint8Array) return value.length === 0 && fallback instanceof Uint8Array && fallback.length === 0
  const [given, known] = [value as Record<string, unknown>, fallback as Record<string, unknown>]
  return Object.keys(known).every((name) => isDefault(given[name], known[name]))
}
