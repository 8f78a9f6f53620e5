/**
 * An API of Kafka's protocol: its key, its versions, and the declarations of its request and its response.
 *
 * Codecs are compiled per version, when first needed, and kept.
 */
import { assert } from '../../base/assert.ts'
import { compileStruct, type StructCodec } from './codec.ts'
import type { Decoded, Encodable, Fields } from './schema.ts'
import { WireFormatError } from './wire-error.ts'
import type { WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

export interface ApiDeclaration<Q extends Fields, R extends Fields> {
  readonly key: number
  /** Kafka's, as in its documentation. */
  readonly name: string
  /** First and last. */
  readonly versions: readonly [first: number, last: number]
  /** First flexible version (KIP-482); undefined if there is none. */
  readonly flexibleSince?: number
  readonly request: Q
  readonly response: R
}

/** One message of an API, in all its versions. */
export class MessageCodec<F extends Fields> {
  readonly #fields: F
  readonly #flexibleSince: number
  readonly #versions: readonly [first: number, last: number]
  readonly #compiled: StructCodec[] = []

  constructor(fields: F, flexibleSince: number, versions: readonly [first: number, last: number] = [0, Infinity]) {
    this.#fields = fields
    this.#flexibleSince = flexibleSince
    this.#versions = versions
  }

  /** Throws WireFormatError. */
  read(reader: WireReader, version: number): Decoded<F> {
    return this.#codec(version).read(reader) as Decoded<F>
  }

  /** Throws WireFormatError for what the version cannot say. */
  write(writer: WireWriter, version: number, message: Encodable<Decoded<F>>): void {
    this.#codec(version).write(writer, message)
  }

  #codec(version: number): StructCodec {
    const [first, last] = this.#versions
    assert(version >= first && version <= last, 'whoever reads or writes a version has asked whether there is one')
    return (this.#compiled[version] ??= compileStruct(this.#fields, version, version >= this.#flexibleSince))
  }
}

export class Api<Q extends Fields = Fields, R extends Fields = Fields> {
  readonly key: number
  readonly name: string
  readonly firstVersion: number
  readonly lastVersion: number
  readonly flexibleSince: number
  readonly request: MessageCodec<Q>
  readonly response: MessageCodec<R>
  /** Its response has an error code of its own, for the whole request. */
  readonly hasErrorCode: boolean

  constructor({ key, name, versions, flexibleSince = Infinity, request, response }: ApiDeclaration<Q, R>) {
    const [first, last] = versions
    assert(first >= 0 && first <= last, 'versions go up')
    this.key = key
    this.name = name
    this.firstVersion = first
    this.lastVersion = last
    this.flexibleSince = flexibleSince
    this.hasErrorCode = 'errorCode' in response
    this.request = new MessageCodec(request, flexibleSince, versions)
    this.response = new MessageCodec(response, flexibleSince, versions)
  }

  has(version: number): boolean {
    return version >= this.firstVersion && version <= this.lastVersion
  }

  isFlexible(version: number): boolean {
    return version >= this.flexibleSince
  }
}

/** What a request, or a response, of an API decodes to. */
export type RequestOf<A> = A extends Api<infer Q, Fields> ? Decoded<Q> : never
export type ResponseOf<A> = A extends Api<Fields, infer R> ? Decoded<R> : never

/** Throws WireFormatError if bytes are left: the message was not what its version says. */
export function expectEnd(reader: WireReader, what: string): void {
  const { remainingBytes } = reader
  if (remainingBytes > 0) throw new WireFormatError(`${what} has ${remainingBytes} bytes behind its end`)
}
