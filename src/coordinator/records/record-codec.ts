/**
 * Keys and values of `__consumer_offsets`: an int16 that says which schema follows, then the schema's fields. For keys
 * the number is the kind of record, for values the schema's version.
 */
import { compileStruct, type StructCodec } from '../../protocol/wire/codec.ts'
import type { Decoded, Encodable, Fields } from '../../protocol/wire/schema.ts'
import { WireReader } from '../../protocol/wire/wire-reader.ts'
import { WireWriter } from '../../protocol/wire/wire-writer.ts'

/** A record as the log takes it; value null is a tombstone. */
export interface CoordinatorRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

export class RecordCodec<F extends Fields> {
  readonly #fields: F
  readonly #flexibleSince: number
  readonly #versionMax: number
  readonly #compiled: StructCodec[] = []

  constructor(fields: F, versionMax: number, flexibleSince = Infinity) {
    this.#fields = fields
    this.#versionMax = versionMax
    this.#flexibleSince = flexibleSince
  }

  write(version: number, message: Encodable<Decoded<F>>): Uint8Array {
    const writer = new WireWriter(128)
    writer.int16(version)
    this.#codec(version).write(writer, message)
    return writer.finish()
  }

  /** Of bytes that may be views of something: fields are copies. Undefined for a version of the future. */
  read(bytes: Uint8Array): Decoded<F> | undefined {
    const reader = new WireReader(Uint8Array.from(bytes))
    const version = reader.int16()
    if (version < 0 || version > this.#versionMax) return undefined
    return this.#codec(version).read(reader) as Decoded<F>
  }

  #codec(version: number): StructCodec {
    return (this.#compiled[version] ??= compileStruct(this.#fields, version, version >= this.#flexibleSince))
  }
}

/** The int16 that a key begins with, or -1. */
export function keyVersion(key: Uint8Array): number {
  return key.length < 2 ? -1 : (key[0]! << 8) | key[1]!
}
