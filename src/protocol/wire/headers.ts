/**
 * The headers before every request and response. A request says its API and version in its first four bytes, whatever
 * its version; header v2 and response header v1 (with tagged fields) belong to flexible versions.
 *
 * Answers to ApiVersions always have response header v0: the client does not know yet what the broker speaks (KIP-511).
 */
import type { Api } from './api.ts'
import { compileStruct, type StructCodec } from './codec.ts'
import { type Decoded, int16, int32, string } from './schema.ts'
import type { WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

/** Whatever its messages are. */
type AnyApi = Pick<Api, 'key' | 'isFlexible'>

const API_VERSIONS_KEY = 18

const REQUEST_HEADER = {
  apiKey: int16(),
  apiVersion: int16(),
  correlationId: int32(),
  clientId: string({ nullableSince: 0, inflexible: true }),
}
const RESPONSE_HEADER = { correlationId: int32() }

export type RequestHeader = Decoded<typeof REQUEST_HEADER>

const requestHeaders = [false, true].map((isFlexible) => compileStruct(REQUEST_HEADER, 0, isFlexible))
const responseHeaders = [false, true].map((isFlexible) => compileStruct(RESPONSE_HEADER, 0, isFlexible))

function choose(codecs: readonly StructCodec[], isFlexible: boolean): StructCodec {
  return codecs[isFlexible ? 1 : 0]!
}

/** Key and version of a request, without moving. Throws WireFormatError if there are not even these. */
export function peekApi(reader: WireReader): { readonly apiKey: number; readonly apiVersion: number } {
  const { position } = reader
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  reader.position = position
  return { apiKey, apiVersion }
}

export function readRequestHeader(reader: WireReader, api: AnyApi, version: number): RequestHeader {
  return choose(requestHeaders, api.isFlexible(version)).read(reader) as RequestHeader
}

export function writeRequestHeader(writer: WireWriter, api: AnyApi, header: RequestHeader): void {
  choose(requestHeaders, api.isFlexible(header.apiVersion)).write(writer, header)
}

/** Returns the correlation id. */
export function readResponseHeader(reader: WireReader, api: AnyApi, version: number): number {
  return choose(responseHeaders, hasFlexibleAnswer(api, version)).read(reader)['correlationId'] as number
}

export function writeResponseHeader(writer: WireWriter, api: AnyApi, version: number, correlationId: number): void {
  choose(responseHeaders, hasFlexibleAnswer(api, version)).write(writer, { correlationId })
}

function hasFlexibleAnswer(api: AnyApi, version: number): boolean {
  return api.key !== API_VERSIONS_KEY && api.isFlexible(version)
}
