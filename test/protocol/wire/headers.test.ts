import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../../src/base/assert.ts'
import { apiVersions } from '../../../src/protocol/messages/18-api-versions.ts'
import { metadata } from '../../../src/protocol/messages/03-metadata.ts'
import { expectEnd } from '../../../src/protocol/wire/api.ts'
import {
  peekApi,
  readRequestHeader,
  readResponseHeader,
  writeRequestHeader,
  writeResponseHeader,
} from '../../../src/protocol/wire/headers.ts'
import { WireFormatError } from '../../../src/protocol/wire/wire-error.ts'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'

function written(write: (writer: WireWriter) => void): string {
  const writer = new WireWriter()
  write(writer)
  return Buffer.from(writer.finish()).toString('hex')
}

function reading(hex: string): WireReader {
  return new WireReader(Buffer.from(hex, 'hex'))
}

describe('a request header', () => {
  it('has tagged fields in flexible versions, and a client id of the old form in all', () => {
    const header = { apiKey: 3, apiVersion: 8, correlationId: 7, clientId: 'ab' }
    const old = '0003' + '0008' + '00000007' + '00026162'
    expect(written((writer) => writeRequestHeader(writer, metadata, header))).toBe(old)
    expect(readRequestHeader(reading(old), metadata, 8)).toEqual(header)

    const flexible = '0003' + '0009' + '00000007' + '00026162' + '00'
    const header9 = { ...header, apiVersion: 9 }
    expect(written((writer) => writeRequestHeader(writer, metadata, header9))).toBe(flexible)
    expect(readRequestHeader(reading(flexible), metadata, 9)).toEqual(header9)
  })

  it('may have no client id, and tagged fields that nobody knows', () => {
    const reader = reading('0003' + '0009' + '00000007' + 'ffff' + '010a02aabb' + '99')
    expect(readRequestHeader(reader, metadata, 9).clientId).toBeNull()
    expect(reader.remainingBytes).toBe(1)
  })

  it('says its API and version before anything else is known', () => {
    const reader = reading('00037fff')
    expect(peekApi(reader)).toEqual({ apiKey: 3, apiVersion: 0x7fff })
    expect(reader.position).toBe(0)
    expect(() => peekApi(reading('000300'))).toThrow(WireFormatError)
  })
})

describe('a response header', () => {
  it('has tagged fields in flexible versions', () => {
    expect(written((writer) => writeResponseHeader(writer, metadata, 8, 7))).toBe('00000007')
    expect(written((writer) => writeResponseHeader(writer, metadata, 9, 7))).toBe('0000000700')
    expect(readResponseHeader(reading('00000007'), metadata, 8)).toBe(7)
    expect(readResponseHeader(reading('0000000700'), metadata, 9)).toBe(7)
  })

  it('of ApiVersions never has them', () => {
    for (let version = 0; version <= apiVersions.lastVersion; version++) {
      expect(written((writer) => writeResponseHeader(writer, apiVersions, version, 7))).toBe('00000007')
      expect(readResponseHeader(reading('00000007'), apiVersions, version)).toBe(7)
    }
  })
})

describe('a message', () => {
  it('ends where its version says', () => {
    expect(() => expectEnd(reading(''), 'it')).not.toThrow()
    expect(() => expectEnd(reading('00'), 'it')).toThrow(WireFormatError)
  })

  it('is neither read nor written in a version that its API lacks', () => {
    expect(metadata.has(13)).toBe(true)
    for (const version of [-1, 14]) {
      expect(metadata.has(version)).toBe(false)
      expect(() => metadata.request.read(reading('00000000'), version)).toThrow(AssertionFailed)
      expect(() => metadata.request.write(new WireWriter(), version, {})).toThrow(AssertionFailed)
    }
  })
})
