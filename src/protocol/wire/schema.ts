/**
 * How a message of Kafka's protocol is declared: a struct of fields, each with its type, the versions that have it, and
 * what it is where they have not. From one declaration come the TypeScript types and, for each version, a codec
 * (codec.ts); the words are those of Kafka's own message definitions.
 *
 *   since, until    first and last version that have the field; default: all
 *   nullableSince   first version in which it may be null
 *   default         its value where a version lacks it, and when the sender leaves it out; by itself 0, '', false, [],
 *                   a struct of defaults, and null for records alone: what may be null is null only if this says so
 *   ignorable       a sender may set it although the version lacks it: it is not sent then. Otherwise that is an error
 *   tag, tagSince   a tagged field (KIP-482) with this number, from this version on
 *   inflexible      keeps its old form in flexible versions (the header's client id)
 */
import type { ExternalBytes } from './wire-writer.ts'

export interface FieldOptions {
  readonly since?: number
  readonly until?: number
  readonly nullableSince?: number
  readonly default?: unknown
  readonly ignorable?: boolean
  readonly tag?: number
  readonly tagSince?: number
  readonly inflexible?: boolean
}

export type Primitive =
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'boolean'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'

export type WireType =
  | { readonly kind: Primitive }
  | { readonly kind: 'array'; readonly element: WireType }
  | { readonly kind: 'struct'; readonly fields: Fields }

/** A declared field whose value is a T. */
export interface Field<T> {
  readonly type: WireType
  readonly options: FieldOptions
  /** Carries T to the compiler; there is none at run time. */
  readonly value?: T
}

export type Fields = Readonly<Record<string, Field<unknown>>>

/** What decoding gives: every field, those that the version lacks with their default. */
export type Decoded<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** What encoding takes: fields may be left out, and are then their default. Structs inside likewise. */
export type Encodable<T> = unknown extends T
  ? unknown // Of an API that is known at run time only.
  : T extends Uint8Array | string | number | boolean | null | ExternalBytes
    ? T
    : T extends readonly (infer E)[]
      ? readonly Encodable<E>[]
      : { readonly [K in keyof T]?: Encodable<T[K]> }

type Nullable<T, O> = O extends { readonly nullableSince: number } ? T | null : T

function primitive<T>(kind: Primitive) {
  return <const O extends FieldOptions>(options?: O): Field<Nullable<T, O>> => ({
    type: { kind },
    options: options ?? {},
  })
}

export const int8 = primitive<number>('int8')
export const int16 = primitive<number>('int16')
export const uint16 = primitive<number>('uint16')
export const int32 = primitive<number>('int32')
export const uint32 = primitive<number>('uint32')
/** A number; beyond 2^53 the low bits of what was sent are lost. */
export const int64 = primitive<number>('int64')
export const float64 = primitive<number>('float64')
export const boolean = primitive<boolean>('boolean')
/** As text, 22 characters of URL-safe base64. */
export const uuid = primitive<string>('uuid')
export const string = primitive<string>('string')
/** Decoded: a view of the frame. */
export const bytes = primitive<Uint8Array>('bytes')
/** Record batches, as they are. May be sent from elsewhere. */
export const records = primitive<Uint8Array | ExternalBytes>('records')

/** An array of a primitive, or of structs with these fields. */
export function array<T, const O extends FieldOptions>(element: Field<T>, options?: O): Field<Nullable<T[], O>>
export function array<F extends Fields, const O extends FieldOptions>(
  element: F,
  options?: O,
): Field<Nullable<Decoded<F>[], O>>
export function array(element: Field<unknown> | Fields, options: FieldOptions = {}): Field<unknown> {
  return { type: { kind: 'array', element: isField(element) ? element.type : structOf(element) }, options }
}

export function struct<F extends Fields, const O extends FieldOptions>(
  fields: F,
  options?: O,
): Field<Nullable<Decoded<F>, O>> {
  return { type: structOf(fields), options: options ?? {} }
}

function structOf(fields: Fields): WireType {
  return { kind: 'struct', fields }
}

function isField(element: Field<unknown> | Fields): element is Field<unknown> {
  const { type, options } = element as Field<unknown>
  return options !== undefined && type !== undefined && 'kind' in type
}
